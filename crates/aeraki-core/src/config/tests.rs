use aeraki_api::JsonStruct;
use aeraki_api::envoy::dubbo::DubboProxy;
use proptest::prelude::*;
use serde_json::json;

use super::*;

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[ -~é\\n\u{1}]{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(".{0,4}", inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Whether the config reads as the value does.
fn same(part: Part<'_>, value: &Value) -> bool {
    match value {
        Value::Null => part.to_string() == "null",
        Value::Bool(flag) => part.as_bool() == Some(*flag),
        Value::Number(number) => part.as_u64() == number.as_u64(),
        Value::String(text) => part.as_str() == Some(text),
        Value::Array(items) => {
            part.is_list()
                && part.items().len() == items.len()
                && part.items().zip(items).all(|(part, item)| same(part, item))
        }
        Value::Object(map) => {
            part.members().len() == map.len()
                && part.members().map(|(key, _)| key).eq(map.keys())
                && map
                    .iter()
                    .all(|(key, value)| part.get(key).is_some_and(|part| same(part, value)))
        }
    }
}

proptest! {
    #[test]
    fn the_text_and_the_values_are_those_of_the_struct(
        members in prop::collection::btree_map(".{0,4}", any_json(), 0..6)
    ) {
        let value = Value::Object(members.into_iter().collect());
        let config = Config::from(value.clone());
        let as_struct = JsonStruct::try_from(value).unwrap();
        prop_assert_eq!(config.root().to_string(), serde_json::to_string(&as_struct).unwrap());
        prop_assert!(same(config.root(), &Value::from(as_struct)));
    }
}

#[test]
fn a_message_is_written_with_its_type_and_with_sorted_fields() {
    let message: DubboProxy = serde_json::from_value(json!({
        "stat_prefix": "a\"b",
        "multiple_route_config": {"name": "n", "route_config": [{"name": "b", "interface": "a", "routes": [
            {"match": {"headers": [{"name": "x", "range_match": {"start": "1", "end": "9"}}]}},
            {"route": {"cluster": "c"}},
        ]}]},
    }))
    .unwrap();
    let config = Config::typed(&message).unwrap();
    let expected = aeraki_api::typed_config(&message).unwrap();
    assert_eq!(config.root().to_string(), expected.to_string());
    assert!(config.root().get("@type").is_some());
}

#[test]
fn every_shape_that_serde_knows_is_written_as_serde_json_does() {
    #[derive(Serialize)]
    enum Shape {
        Unit,
        Newtype(u8),
        Tuple(u8, char),
        Struct { b: Option<f32>, a: () },
    }
    let shapes = (
        Shape::Unit,
        Shape::Newtype(1),
        Shape::Tuple(2, 'é'),
        Shape::Struct {
            b: Some(0.5),
            a: (),
        },
    );
    let keys = std::collections::BTreeMap::from([(7, "seven"), (10, "ten")]);
    let value = (shapes, keys, (1_i8, 2_u16, None::<u8>, true));
    let config = Config::of(&value).unwrap();
    assert_eq!(
        config.root().to_string(),
        serde_json::to_value(&value).unwrap().to_string()
    );
    assert!(Config::of(&std::collections::BTreeMap::from([((), 1)])).is_err());
}

#[test]
fn what_is_not_there_reads_as_nothing() {
    let config = Config::from(json!({"a": {"b": [1, -1]}, "s": ""}));
    let root = config.root();
    assert_eq!(root.at(&["a", "b"]).map(|list| list.items().len()), Some(2));
    assert!(root.at(&["a", "c"]).is_none() && root.at(&["s", "b"]).is_none());
    assert_eq!(
        root.items().len() + root.get("s").unwrap().members().len(),
        0
    );
    let negative = root
        .at(&["a", "b"])
        .and_then(|list| list.items().nth(1))
        .unwrap();
    assert_eq!(
        (negative.as_u64(), negative.to_string().as_str()),
        (None, "-1")
    );
}
