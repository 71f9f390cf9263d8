//! The CustomResourceDefinitions: legal for Kubernetes, and of one mind with the generator.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::path::PathBuf;

use aeraki_core::diagnostic::{Diagnostic, Severity};
use aeraki_core::object::{Body, ObjectKey};
use aeraki_core::registry::Registry;
use aeraki_file::Reader;
use aeraki_testkit::golden;
use kube_cel::{ScopeContext, Validator, analyze_rule, compile_schema};
use proto_redis as _;
use regex::Regex;
use serde_json::{Value, json};

fn definitions() -> Vec<Value> {
    let registry = Registry::linked().unwrap();
    registry
        .inputs()
        .filter_map(|input| input.crd)
        .map(|crd| crd())
        .collect()
}

fn schema(kind: &str) -> Value {
    let definitions = definitions();
    let found = definitions
        .iter()
        .find(|crd| crd["spec"]["names"]["kind"] == kind);
    found.unwrap()["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone()
}

#[test]
fn both_kinds_are_defined_under_the_names_of_go_aeraki() {
    let named = |crd: &Value| {
        let names = &crd["spec"]["names"];
        json!([
            crd["metadata"]["name"],
            names["kind"],
            names["listKind"],
            names["shortNames"]
        ])
    };
    let named: Vec<Value> = definitions().iter().map(named).collect();
    assert_eq!(
        named,
        [
            json!([
                "redisservices.redis.aeraki.io",
                "RedisService",
                "RedisServiceList",
                ["rsvc"]
            ]),
            json!([
                "redisdestinations.redis.aeraki.io",
                "RedisDestination",
                "RedisDestinationList",
                ["rd"]
            ]),
        ]
    );
}

#[test]
fn they_show_host_acceptance_and_age() {
    for crd in definitions() {
        let version = &crd["spec"]["versions"][0];
        let columns = version["additionalPrinterColumns"].as_array().unwrap();
        let names: Vec<&Value> = columns.iter().map(|column| &column["name"]).collect();
        assert_eq!(names, ["Host", "Accepted", "Programmed", "Age"]);
        // Go Aeraki's column read `.spec.hosts`, which no RedisService has.
        assert_eq!(columns[0]["jsonPath"], ".spec.host");
        assert_eq!(version["subresources"], json!({"status": {}}));
    }
}

/// What a structural schema may say. Everything else is illegal there, or means more than is wanted.
const KEYWORDS: [&str; 17] = [
    "description",
    "enum",
    "format",
    "items",
    "maxItems",
    "maxLength",
    "maximum",
    "minItems",
    "minLength",
    "minimum",
    "pattern",
    "properties",
    "required",
    "type",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-list-type",
    "x-kubernetes-validations",
];
const FORMATS: [&str; 5] = ["int32", "int64", "double", "duration", "date-time"];

fn walk(schema: &Value, at: &str, visit: &mut dyn FnMut(&Value, &str)) {
    visit(schema, at);
    for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
        walk(inner, &format!("{at}.{name}"), visit);
    }
    if let Some(items) = schema.get("items") {
        walk(items, &format!("{at}[]"), visit);
    }
}

#[test]
fn the_schemas_are_structural() {
    for kind in ["RedisService", "RedisDestination"] {
        walk(&schema(kind), "", &mut |schema, at| {
            let members = schema.as_object().unwrap();
            for key in members.keys() {
                assert!(KEYWORDS.contains(&key.as_str()), "{kind}{at}: {key}");
            }
            let is_typed = schema["type"].is_string();
            assert!(is_typed, "{kind}{at}: {schema}");
            assert_eq!(
                schema["type"] == "array",
                schema["items"].is_object(),
                "{kind}{at}"
            );
            if let Some(format) = schema["format"].as_str() {
                assert!(FORMATS.contains(&format), "{kind}{at}: {format}");
            }
            if let Some(pattern) = schema["pattern"].as_str() {
                Regex::new(pattern).unwrap();
            }
            for name in schema["required"].as_array().into_iter().flatten() {
                assert!(schema["properties"][name.as_str().unwrap()].is_object());
            }
        });
    }
}

#[test]
fn every_field_of_a_spec_says_what_it_is_for() {
    for kind in ["RedisService", "RedisDestination"] {
        let spec = &schema(kind)["properties"]["spec"];
        walk(spec, "spec", &mut |schema, at| {
            let is_said = at.ends_with("[]") || schema["description"].is_string();
            assert!(is_said, "{kind} {at}");
        });
    }
}

#[test]
fn every_rule_is_sound_and_cheap_enough_for_the_api_server() {
    let mut rules = 0;
    for kind in ["RedisService", "RedisDestination"] {
        walk(&schema(kind), "", &mut |schema, at| {
            let compiled = compile_schema(schema);
            let own = schema["x-kubernetes-validations"].as_array();
            for rule in own.into_iter().flatten() {
                let text = rule["rule"].as_str().unwrap();
                let warnings = analyze_rule(text, &compiled, ScopeContext::CrdValidation);
                assert!(warnings.is_empty(), "{kind}{at}: {text}: {warnings:?}");
                rules += 1;
            }
        });
    }
    assert!(rules > 10, "{rules} rules were looked at");
}

/// What the schema has against a value, by field.
fn refusals(schema: &Value, value: &Value, at: &str, found: &mut BTreeSet<String>) {
    let number = |key: &str| schema[key].as_f64();
    let refused = match (schema["type"].as_str().unwrap(), value) {
        ("object", Value::Object(members)) => {
            for (name, value) in members {
                if let Some(inner) = schema["properties"].get(name) {
                    refusals(inner, value, &format!("{at}.{name}"), found);
                }
            }
            let mut required = schema["required"].as_array().into_iter().flatten();
            required.any(|name| !members.contains_key(name.as_str().unwrap()))
        }
        ("array", Value::Array(items)) => {
            for (i, item) in items.iter().enumerate() {
                refusals(&schema["items"], item, &format!("{at}[{i}]"), found);
            }
            let count = items.len() as f64;
            number("minItems").is_some_and(|least| count < least)
                || number("maxItems").is_some_and(|most| count > most)
        }
        ("string", Value::String(text)) => {
            let length = text.chars().count() as f64;
            let pattern = schema["pattern"].as_str();
            schema["enum"]
                .as_array()
                .is_some_and(|words| !words.contains(value))
                || number("minLength").is_some_and(|least| length < least)
                || number("maxLength").is_some_and(|most| length > most)
                || pattern.is_some_and(|it| !Regex::new(it).unwrap().is_match(text))
        }
        ("integer" | "number", Value::Number(given)) => {
            let given = given.as_f64().unwrap();
            (schema["type"] == "integer" && given.fract() != 0.0)
                || number("minimum").is_some_and(|least| given < least)
                || number("maximum").is_some_and(|most| given > most)
        }
        ("boolean", Value::Bool(_)) => false,
        // The API server drops it.
        (_, Value::Null) => false,
        _ => true,
    };
    if refused {
        found.insert(at.trim_start_matches('.').to_owned());
    }
}

/// Where the API server would refuse the object: by the schema, and by CEL where that has nothing against it.
fn verdict(key: &ObjectKey, object: &Value) -> BTreeSet<String> {
    let schema = schema(key.kind.name());
    let mut object = object.clone();
    aeraki_api::strip_nulls(&mut object);
    let mut found = BTreeSet::new();
    refusals(&schema, &object, "", &mut found);
    if found.is_empty() {
        let errors = Validator::new().validate(&schema, &object, None).err();
        for error in errors.into_iter().flatten() {
            found.insert(error.field_path.trim_start_matches('.').to_owned());
        }
    }
    found
}

/// Whether one of two fields holds the other.
fn touch(a: &str, b: &str) -> bool {
    a.starts_with(b) || b.starts_with(a)
}

/// Whether the schema could know: not what the object's annotations allow, nor what stands in a Secret.
fn is_about_the_spec(diagnostic: &Diagnostic) -> bool {
    let of_secret = diagnostic.field.ends_with(".secret.passwordField");
    !of_secret && !diagnostic.message.contains("inline-credentials")
}

fn agree(text: &str) {
    let diagnostics = golden::run(text).diagnostics;
    let read = Reader::new(&Registry::linked().unwrap()).read("case.yaml", text);
    for located in &read.objects {
        let Body::Extra(json) = &located.object.body else {
            continue;
        };
        let key = &located.object.key;
        if key.kind.name() == "Secret" {
            continue;
        }
        let refused = verdict(key, &json.0);
        let about = || diagnostics.iter().filter(|one| one.object == *key);
        for field in &refused {
            let is_told =
                about().any(|one| one.severity >= Severity::Warning && touch(&one.field, field));
            assert!(is_told, "{key}: only the schema refuses {field}");
        }
        let held = about().find(|one| one.code == "AER0900" && is_about_the_spec(one));
        if let Some(held) = held {
            assert!(!refused.is_empty(), "only the generator refuses: {held}");
        }
    }
}

#[rstest::rstest]
fn the_schema_refuses_what_the_generator_refuses_and_no_more(
    #[files("tests/cases/*.in.yaml")] case: PathBuf,
) {
    agree(&std::fs::read_to_string(case).unwrap());
}

#[rstest::rstest]
fn the_schema_takes_the_examples(#[files("../../examples/redis/*.yaml")] file: PathBuf) {
    let text = std::fs::read_to_string(file).unwrap();
    let read = Reader::new(&Registry::linked().unwrap()).read("example.yaml", &text);
    for located in &read.objects {
        if let Body::Extra(json) = &located.object.body {
            assert_eq!(verdict(&located.object.key, &json.0), BTreeSet::new());
        }
    }
}
