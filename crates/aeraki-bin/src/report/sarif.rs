//! SARIF 2.1.0: what code-scanning services read.

use aeraki_core::diagnostic::{Code, Severity};
use serde_json::{Value, json};

use crate::finding::{Finding, Place};
use crate::version::VERSION;

pub(super) fn log(findings: &[Finding], codes: &[&Code]) -> Value {
    let rules: Vec<Value> = codes.iter().map(|code| rule(code)).collect();
    let results: Vec<Value> = findings
        .iter()
        .map(|finding| result(finding, codes))
        .collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {"name": "aeraki", "semanticVersion": VERSION, "rules": rules}},
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

fn rule(code: &Code) -> Value {
    json!({
        "id": code.id,
        "shortDescription": {"text": code.title},
        "fullDescription": {"text": code.explanation},
        "help": {"text": code.remedy},
        "defaultConfiguration": {"level": level(code.severity)},
    })
}

fn result(finding: &Finding, codes: &[&Code]) -> Value {
    let diagnostic = &finding.diagnostic;
    let text = match &diagnostic.help {
        Some(help) => format!("{} ({help})", diagnostic.message),
        None => diagnostic.message.clone(),
    };
    let mut location = json!({
        "logicalLocations": [{"fullyQualifiedName": finding.origin(), "kind": "resource"}],
    });
    if let Some(place) = &finding.place {
        location["physicalLocation"] = physical(place);
    }
    let mut result = json!({
        "ruleId": diagnostic.code,
        "level": level(diagnostic.severity),
        "message": {"text": text},
        "locations": [location],
    });
    if let Some(index) = codes.iter().position(|code| code.id == diagnostic.code) {
        result["ruleIndex"] = index.into();
    }
    result
}

fn physical(place: &Place) -> Value {
    let mut physical = json!({"artifactLocation": {"uri": uri(&place.file)}});
    if let Some(span) = &place.span {
        let (end_line, end_column) = place.end(span);
        physical["region"] = json!({
            "startLine": span.line,
            "startColumn": span.column,
            "endLine": end_line,
            "endColumn": end_column,
        });
    }
    physical
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "note",
    }
}

/// A file's name as a relative or absolute URI.
fn uri(file: &str) -> String {
    let mut uri = String::new();
    for byte in file.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                uri.push(char::from(byte));
            }
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    match file.strip_prefix('/') {
        Some(_) => format!("file://{uri}"),
        None => uri,
    }
}
