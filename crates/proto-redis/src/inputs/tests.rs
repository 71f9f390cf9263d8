use proptest::prelude::*;
use serde_json::json;

use super::*;

#[test]
fn hosts_are_read_from_a_list_and_from_a_single_name() {
    assert_eq!(hosts(&json!({"spec": {"host": ["a", 7, "b"]}})), ["a", "b"]);
    assert_eq!(hosts(&json!({"spec": {"host": "a"}})), ["a"]);
    assert!(hosts(&json!({"spec": {"hosts": ["a"]}})).is_empty());
    assert!(hosts(&json!([])).is_empty());
}

/// `field: message (help)` of each problem, sorted.
fn problems(input: usize, json: &Value) -> Vec<String> {
    let shown = |problem: InputProblem| match problem {
        InputProblem::UnknownField { field, help } => {
            format!("{field}: unknown ({})", help.unwrap_or_default())
        }
        InputProblem::Mistyped {
            field,
            message,
            help,
        } => format!("{field}: {message} ({})", help.unwrap_or_default()),
        InputProblem::Invalid { field, message } => format!("{field}: refused, {message}"),
    };
    let mut shown: Vec<String> = (INPUTS[input].check)(json).into_iter().map(shown).collect();
    shown.sort();
    shown
}

#[test]
fn every_mistake_is_told_with_what_may_be_meant() {
    let json = json!({
        "metadata": {"name": "c", "odd": 1},
        "spec": {
            "host": ["c"], "hosts": ["c"],
            "settings": {
                "optimeout": "1s", "readPolicy": "PREFER_MASTR", "bufferFlushTimeout": 5,
                "auth": {"reference": {"user": {}}},
            },
            "redis": [{"route": {"port": "six"}}, {"match": {"key": {"prefx": "a"}}}],
            "faults": {"type": "DELAY"},
        },
    });
    let expected = [
        "spec.faults: expected a list, found an object (begin each item with `- `)",
        "spec.hosts: unknown (did you mean `host`?)",
        "spec.redis[0].route.port: expected a whole number, found the string \"six\" ()",
        "spec.redis[1].match.key.prefx: unknown (did you mean `prefix`?)",
        "spec.settings.auth.reference.user: unknown ()",
        "spec.settings.bufferFlushTimeout: expected a duration such as 1.5s or 1m30s, found the \
         number 5 (give a unit: 5s)",
        "spec.settings.optimeout: unknown (did you mean `opTimeout`?)",
        "spec.settings.readPolicy: expected one of MASTER, PREFER_MASTER, REPLICA, PREFER_REPLICA, \
         ANY, found the string \"PREFER_MASTR\" (did you mean `PREFER_MASTER`?)",
    ];
    assert_eq!(problems(0, &json), expected);
}

#[test]
fn an_object_of_wrong_types_stays_if_its_host_can_be_told() {
    let json = json!({"spec": {"host": ["c"]}});
    assert_eq!(
        problems(1, &json),
        ["spec.host: expected a string, found a list ()"]
    );
}

#[test]
fn a_password_of_the_wrong_type_is_not_repeated() {
    for auth in [
        json!("canary"),
        json!({"plain": "canary"}),
        json!({"plain": {"password": ["canary"]}}),
        json!({"plain": {"password": 1_234_567}}),
    ] {
        let json = json!({"spec": {"host": ["c"], "settings": {"auth": auth}}});
        let problems = problems(0, &json);
        assert_eq!(problems.len(), 1, "{problems:?}");
        for text in problems {
            assert!(
                !text.contains("canary") && !text.contains("1234567"),
                "{text}"
            );
        }
    }
}

#[test]
fn an_object_without_a_host_is_refused() {
    for json in [
        json!({"spec": {"host": []}}),
        json!({"spec": {}}),
        json!({}),
    ] {
        let problems = (INPUTS[0].check)(&json);
        assert!(
            problems
                .iter()
                .any(|problem| matches!(problem, InputProblem::Invalid { .. })),
            "{json}"
        );
    }
}

/// An object with a value in every field that the schema has.
fn full(schema: &Value) -> Value {
    match schema["type"].as_str() {
        Some("object") => schema["properties"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, schema)| (name.clone(), full(schema)))
            .collect(),
        Some("array") => json!([full(&schema["items"])]),
        Some("boolean") => json!(true),
        Some("integer" | "number") => json!(1),
        _ if schema["format"] == "duration" => json!("1s"),
        _ => schema["enum"].get(0).cloned().unwrap_or_else(|| json!("x")),
    }
}

fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    match value {
        Value::Object(members) => members
            .iter()
            .for_each(|(name, value)| places(value, &format!("{at}/{name}"), found)),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .for_each(|(i, item)| places(item, &format!("{at}/{i}"), found)),
        _ => {}
    }
}

fn any_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!(true)),
        any::<i64>().prop_map(|number| json!(number)),
        (-300i32..70_000).prop_map(|number| json!(number)),
        any::<f32>()
            .prop_filter("JSON has no infinity", |number| number.is_finite())
            .prop_map(|number| json!(number)),
        "[a-zA-Z0-9.]{0,4}".prop_map(|text| json!(text)),
        Just(json!("1m30s")),
        Just(json!("CLUSTER")),
        Just(json!([])),
        Just(json!({})),
        Just(json!([{"a": 1}])),
    ]
}

/// Puts `value` at some place of a whole object. What the schema has nothing against can be read.
fn is_read_if_the_schema_agrees<T: Spec>(
    place: &prop::sample::Index,
    value: Value,
) -> Result<(), TestCaseError> {
    let mut spec = full(T::SCHEMA);
    let mut known = Vec::new();
    places(&spec, "", &mut known);
    let place: &String = place.get(&known);
    *spec.pointer_mut(place).expect("it is there") = value;
    let problems = read::<T>(&json!({"spec": spec})).err();
    // Without a problem of a type there must be nothing that keeps the decoder from reading it.
    prop_assert_ne!(problems, Some(Vec::new()), "{}", spec);
    Ok(())
}

#[test]
fn an_object_with_every_field_is_read() {
    assert!(read::<RedisService>(&json!({"spec": full(&schema::REDIS_SERVICE)})).is_ok());
    assert!(read::<RedisDestination>(&json!({"spec": full(&schema::REDIS_DESTINATION)})).is_ok());
}

proptest! {
    #[test]
    fn what_has_no_wrong_type_can_be_read(
        place in any::<prop::sample::Index>(), value in any_value()
    ) {
        is_read_if_the_schema_agrees::<RedisService>(&place, value.clone())?;
        is_read_if_the_schema_agrees::<RedisDestination>(&place, value)?;
    }
}
