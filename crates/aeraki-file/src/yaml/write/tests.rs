use proptest::prelude::*;
use rstest::rstest;
use serde_json::json;

use super::*;
use crate::yaml::{File, parse};

fn read_back(text: &str) -> Value {
    let file = File::new("a.yaml", text);
    let documents = file.documents();
    assert_eq!(documents.len(), 1, "{text}");
    parse(&documents[0]).unwrap_or_else(|malformed| panic!("{malformed:?} in {text}"))
}

#[rstest]
fn strings_that_another_reader_takes_for_something_else_stand_in_quotes(
    #[values(
        "on",
        "off",
        "y",
        "N",
        "yes",
        "No",
        "TRUE",
        "false",
        "null",
        "~",
        "",
        "1",
        "1e3",
        "0x1",
        "0o7",
        "010",
        "1_000",
        "12:30:45",
        "2001-12-14",
        ".inf",
        ".NaN",
        "-",
        "=",
        "<<",
        " a",
        "a ",
        "a: b",
        "a #b",
        "#a",
        "&a",
        "*a",
        "!a",
        "%a",
        "@a",
        "`a",
        "- a",
        "? a",
        "[a",
        "{a",
        "'a",
        "\"a",
        "|",
        ">",
        "---",
        "..."
    )]
    text: &str,
) {
    for value in [json!({"k": text}), json!({text: 1}), json!([text])] {
        let yaml = to_yaml_value(&value);
        assert!(yaml.contains(['\'', '"']), "{yaml}");
        assert_eq!(read_back(&yaml), value);
    }
}

#[rstest]
fn plain_strings_stand_as_they_are(
    #[values(
        "a",
        "outbound|20880||a.shop",
        "fd00::1_20880",
        "a.b/c",
        "é",
        "node:1",
        "type.googleapis.com/a.B"
    )]
    text: &str,
) {
    assert_eq!(to_yaml_value(&json!({"k": text})), format!("k: {text}\n"));
}

#[test]
fn lines_and_long_texts_survive() {
    let long = "word ".repeat(60);
    for text in [
        "a\nb\n",
        "\n",
        "a\r\nb",
        "\ttab",
        "nul\u{0}",
        "\u{feff}",
        "\u{2028}",
        "\u{7f}\u{85}",
        &long,
    ] {
        let value = json!({"k": text, "l": [text, {"m": text}]});
        assert_eq!(read_back(&to_yaml_value(&value)), value, "{text:?}");
    }
}

#[test]
fn keys_are_sorted_and_empty_collections_stay_collections() {
    let yaml = to_yaml_value(&json!({"b": {}, "a": [], "c": [{"y": null, "x": 0.5}]}));
    assert_eq!(yaml, "a: []\nb: {}\nc:\n- x: 0.5\n  \"y\": null\n");
}

#[test]
fn an_envoy_filter_reads_back_as_it_was() {
    let patch = json!({
        "applyTo": "NETWORK_FILTER", "match": {"context": "SIDECAR_OUTBOUND"},
        "patch": {"operation": "REPLACE", "value": {"name": "on", "typed_config": {"a": 3, "b": 0.5, "c": "3", "d": null}}}
    });
    let object = json!({
        "apiVersion": "networking.istio.io/v1alpha3", "kind": "EnvoyFilter",
        "metadata": {"name": "a", "namespace": "on", "labels": {"manager": "Aeraki"}},
        "spec": {"configPatches": [patch], "priority": 10}
    });
    let filter: Cr<EnvoyFilter> = serde_json::from_value(object).expect("an EnvoyFilter");
    let text = to_yaml(&filter);
    let again: Cr<EnvoyFilter> = serde_json::from_value(read_back(&text)).expect("an EnvoyFilter");
    assert_eq!(again, filter, "{text}");
    assert!(
        text.contains("namespace: \"on\"") || text.contains("namespace: 'on'"),
        "{text}"
    );
}

/// Strings of the letters that mean something to YAML.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[-?:,\\[\\]{}#&*!|>'\"%@`~ \n\t0-9a-fxyonNOE._+=<]{0,12}",
        "(on|off|yes|no|y|n|true|null|~|0x1|1e3|0|\\.inf|<<)",
        any::<String>(),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        prop::num::f64::NORMAL.prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(text(), inner, 0..5)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    #[test]
    fn what_is_written_reads_back(value in value()) {
        let value = json!({"k": value});
        prop_assert_eq!(read_back(&to_yaml_value(&value)), value);
    }
}
