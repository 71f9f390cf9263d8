use std::sync::Arc;

use aeraki_core::diagnostic::{Diagnostic, Severity, catalogue};
use aeraki_core::object::{Kind, ObjectKey};
use aeraki_core::registry::Registry;
use aeraki_file::Span;
use rstest::rstest;

use super::*;
use crate::finding::Place;

const TEXT: &str = "spec:\n  ports:\n  - name: tcp-dubo-demo\n    targtPort: 20880\n";

fn finding(needle: &str) -> Finding {
    finding_in(TEXT, needle)
}

fn finding_in(text: &str, needle: &str) -> Finding {
    let start = text.find(needle).unwrap();
    let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
    let span = Span {
        start,
        end: start + needle.len(),
        line: text[..start].matches('\n').count() + 1,
        column: text[line_start..start].chars().count() + 1,
    };
    let object = ObjectKey::new(Kind::SERVICE_ENTRY, "shop", "demo");
    let message = "port name `tcp-dubo-demo` names no protocol that Aeraki knows";
    Finding {
        diagnostic: Diagnostic::new(&catalogue::UNKNOWN_PROTOCOL, &object, message)
            .at("spec.ports[0].name")
            .help("did you mean `tcp-dubbo-demo`? 100%"),
        place: Some(Place {
            file: "a b,c.yaml".into(),
            text: text.into(),
            span: Some(span),
        }),
    }
}

fn nowhere() -> Finding {
    let object = ObjectKey::new(Kind::SERVICE, "shop", "de\u{1b}[31mmo");
    let diagnostic = Diagnostic::new(&catalogue::NOT_OURS, &object, "it is \u{1b}[31mred");
    Finding {
        diagnostic: diagnostic.severity(Severity::Info),
        place: None,
    }
}

fn rendered(findings: &[Finding], form: Form) -> String {
    let codes = crate::codes::all(&Registry::default());
    render(findings, &codes, form).unwrap()
}

#[test]
fn a_finding_shows_the_line_that_it_is_about() {
    let text = rendered(
        &[finding("tcp-dubo-demo"), nowhere()],
        Form::Log { color: false },
    );
    insta::assert_snapshot!(text);
}

#[test]
fn colours_appear_only_where_they_are_asked_for() {
    assert!(!rendered(&[finding("tcp"), nowhere()], Form::Log { color: false }).contains('\u{1b}'));
    assert!(rendered(&[finding("tcp"), nowhere()], Form::Log { color: true }).contains('\u{1b}'));
}

#[rstest]
#[case::first_line("a: b\n", "a")]
#[case::last_line_without_an_end("a: b\nc: d", "d")]
#[case::over_several_lines("a:\n  b: c\n  d: e\n", "b: c\n  d: e\n")]
#[case::behind_wide_characters("名: 值x\n", "x")]
#[case::windows_line_ends("a: b\r\nc: d\r\n", "d")]
#[case::escape_character("a: \u{1b}x\n", "x")]
fn every_place_can_be_shown(#[case] text: &str, #[case] needle: &str) {
    let shown = rendered(&[finding_in(text, needle)], Form::Log { color: false });
    assert!(shown.contains("a b,c.yaml:"), "{shown}");
    assert!(!shown.contains('\u{1b}'), "{shown}");
}

#[test]
fn a_place_beyond_the_text_or_in_a_huge_line_is_still_named() {
    let mut beyond = finding("targtPort");
    let place = beyond.place.as_mut().unwrap();
    place.span = Some(Span {
        start: 5_000,
        end: 6_000,
        line: 70,
        column: 3,
    });
    assert!(rendered(&[beyond], Form::Log { color: false }).contains("a b,c.yaml:70:3"));
    let huge = format!("{{\"a\": {}\"x\"}}", " ".repeat(1_000_000));
    let shown = rendered(&[finding_in(&huge, "\"x\"")], Form::Log { color: false });
    assert!(
        shown.len() < 1_000 && shown.contains("a b,c.yaml:1:1000007"),
        "{shown}"
    );
}

#[test]
fn json_has_the_keys_of_istioctl_and_yaml_says_the_same() {
    let findings = [finding("tcp-dubo-demo"), nowhere()];
    let json: Value = serde_json::from_str(&rendered(&findings, Form::Json)).unwrap();
    let yaml: Value = serde_saphyr::from_str(&rendered(&findings, Form::Yaml)).unwrap();
    assert_eq!(json, yaml);
    assert_eq!(json[0]["code"], "AER0101");
    assert_eq!(json[0]["level"], "Warning");
    assert_eq!(json[0]["origin"], "ServiceEntry shop/demo");
    assert_eq!(json[0]["reference"], "a b,c.yaml:3:11");
    assert_eq!(json[0]["documentationUrl"], "docs/diagnostics.md#aer0101");
    assert!(json[1].get("reference").is_none());
}

#[test]
fn github_commands_are_one_line_each_and_escaped() {
    let text = rendered(&[finding("tcp-dubo-demo"), nowhere()], Form::Github);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines[0],
        "::warning file=a b%2Cc.yaml,line=3,col=11,endLine=3,endColumn=24,title=AER0101::port name \
         `tcp-dubo-demo` names no protocol that Aeraki knows (ServiceEntry shop/demo)%0Ahelp: did \
         you mean `tcp-dubbo-demo`? 100%25"
    );
    assert!(
        lines[1].starts_with("::notice title=AER0100::"),
        "{}",
        lines[1]
    );
    assert_eq!(lines.len(), 2);
}

#[test]
fn sarif_names_rule_place_and_object() {
    let text = rendered(&[finding("tcp-dubo-demo"), nowhere()], Form::Sarif);
    let log: Value = serde_json::from_str(&text).unwrap();
    let run = &log["runs"][0];
    let result = &run["results"][0];
    assert_eq!(result["ruleId"], "AER0101");
    let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
    assert_eq!(run["tool"]["driver"]["rules"][index]["id"], "AER0101");
    let physical = &result["locations"][0]["physicalLocation"];
    assert_eq!(physical["artifactLocation"]["uri"], "a%20b%2Cc.yaml");
    let region =
        serde_json::json!({"startLine": 3, "startColumn": 11, "endLine": 3, "endColumn": 24});
    assert_eq!(physical["region"], region);
    let second = &run["results"][1];
    assert_eq!(second["level"], "note");
    assert!(second["locations"][0].get("physicalLocation").is_none());
}

#[test]
fn the_end_of_a_span_over_lines_is_counted_in_its_last_line() {
    let finding = finding("name: tcp-dubo-demo\n    targt");
    let place = finding.place.unwrap();
    let span = place.span.unwrap();
    assert_eq!(place.end(&span), (4, 10));
    let _: Arc<str> = place.file;
}
