//! `google.protobuf.Struct`: free JSON that also has a wire form.
//!
//! Keys are sorted, in JSON and on the wire, so equal values give equal bytes. On the wire every
//! number is a double; so that a value is the same whichever way it came, numbers are kept as a
//! double would carry them, and whole ones as integers.

use std::collections::BTreeMap;
use std::ops::Deref;

use prost::bytes::{Buf, BufMut};
use prost::encoding::{DecodeContext, WireType};
use prost::{DecodeError, Message, Name, Oneof};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Number, Value};

/// A JSON object with sorted keys. Reads like a [`Map`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JsonStruct(Map<String, Value>);

impl JsonStruct {
    /// The members.
    #[must_use]
    pub fn into_map(self) -> Map<String, Value> {
        self.0
    }

    /// A number of a struct. Whole ones become integers, as protobuf's own writers print them; what JSON cannot say
    /// becomes null.
    #[must_use]
    pub fn number(double: f64) -> Value {
        const TWO_TO_63: f64 = 9_223_372_036_854_775_808.0;
        if double.fract() == 0.0 && (-TWO_TO_63..TWO_TO_63).contains(&double) {
            return Value::from(double as i64);
        }
        Number::from_f64(double).map_or(Value::Null, Value::Number)
    }
}

impl Deref for JsonStruct {
    type Target = Map<String, Value>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl From<Map<String, Value>> for JsonStruct {
    fn from(mut map: Map<String, Value>) -> Self {
        map.values_mut().for_each(normalise);
        Self(map)
    }
}

impl FromIterator<(String, Value)> for JsonStruct {
    fn from_iter<I: IntoIterator<Item = (String, Value)>>(members: I) -> Self {
        Self::from(members.into_iter().collect::<Map<_, _>>())
    }
}

/// Only an object is a struct; any other value is given back.
impl TryFrom<Value> for JsonStruct {
    type Error = Value;

    fn try_from(value: Value) -> Result<Self, Value> {
        match value {
            Value::Object(map) => Ok(Self::from(map)),
            other => Err(other),
        }
    }
}

impl From<JsonStruct> for Value {
    fn from(object: JsonStruct) -> Self {
        Self::Object(object.0)
    }
}

impl Serialize for JsonStruct {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for JsonStruct {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Map::deserialize(deserializer).map(Self::from)
    }
}

fn normalise(value: &mut Value) {
    match value {
        Value::Number(number) => {
            if let Some(double) = number.as_f64() {
                *value = JsonStruct::number(double);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(normalise),
        Value::Object(map) => map.values_mut().for_each(normalise),
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

#[derive(Clone, PartialEq, Message)]
struct WireStruct {
    #[prost(btree_map = "string, message", tag = "1")]
    fields: BTreeMap<String, WireValue>,
}

#[derive(Clone, PartialEq, Message)]
struct WireValue {
    #[prost(oneof = "WireKind", tags = "1, 2, 3, 4, 5, 6")]
    kind: Option<WireKind>,
}

#[derive(Clone, PartialEq, Oneof)]
enum WireKind {
    #[prost(int32, tag = "1")]
    Null(i32),
    #[prost(double, tag = "2")]
    Number(f64),
    #[prost(string, tag = "3")]
    String(String),
    #[prost(bool, tag = "4")]
    Bool(bool),
    #[prost(message, tag = "5")]
    Struct(WireStruct),
    #[prost(message, tag = "6")]
    List(WireList),
}

#[derive(Clone, PartialEq, Message)]
struct WireList {
    #[prost(message, repeated, tag = "1")]
    values: Vec<WireValue>,
}

impl From<&Map<String, Value>> for WireStruct {
    fn from(map: &Map<String, Value>) -> Self {
        Self {
            fields: map
                .iter()
                .map(|(key, value)| (key.clone(), value.into()))
                .collect(),
        }
    }
}

impl From<&Value> for WireValue {
    fn from(value: &Value) -> Self {
        let kind = match value {
            Value::Null => WireKind::Null(0),
            Value::Bool(flag) => WireKind::Bool(*flag),
            Value::Number(number) => number.as_f64().map_or(WireKind::Null(0), WireKind::Number),
            Value::String(text) => WireKind::String(text.clone()),
            Value::Array(items) => WireKind::List(WireList {
                values: items.iter().map(Self::from).collect(),
            }),
            Value::Object(map) => WireKind::Struct(map.into()),
        };
        Self { kind: Some(kind) }
    }
}

impl From<WireStruct> for Map<String, Value> {
    fn from(wire: WireStruct) -> Self {
        wire.fields
            .into_iter()
            .map(|(key, value)| (key, value.into()))
            .collect()
    }
}

impl From<WireValue> for Value {
    fn from(wire: WireValue) -> Self {
        match wire.kind {
            None | Some(WireKind::Null(_)) => Self::Null,
            Some(WireKind::Bool(flag)) => Self::Bool(flag),
            Some(WireKind::Number(double)) => JsonStruct::number(double),
            Some(WireKind::String(text)) => Self::String(text),
            Some(WireKind::List(list)) => list.values.into_iter().map(Self::from).collect(),
            Some(WireKind::Struct(object)) => Self::Object(object.into()),
        }
    }
}

impl Message for JsonStruct {
    fn encode_raw(&self, buf: &mut impl BufMut) {
        WireStruct::from(&self.0).encode_raw(buf);
    }

    fn merge_field(
        &mut self,
        tag: u32,
        wire_type: WireType,
        buf: &mut impl Buf,
        ctx: DecodeContext,
    ) -> Result<(), DecodeError> {
        let mut wire = WireStruct::default();
        wire.merge_field(tag, wire_type, buf, ctx)?;
        self.0.extend(Map::from(wire));
        Ok(())
    }

    fn encoded_len(&self) -> usize {
        WireStruct::from(&self.0).encoded_len()
    }

    fn clear(&mut self) {
        self.0.clear();
    }
}

impl Name for JsonStruct {
    const NAME: &'static str = "Struct";
    const PACKAGE: &'static str = "google.protobuf";
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::btree_map(".{0,4}", inner, 0..6)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn the_wire_form_gives_back_the_same_value_and_the_same_bytes(
            members in prop::collection::btree_map(".{0,4}", any_json(), 0..6)
        ) {
            let object: JsonStruct = members.into_iter().collect();
            let bytes = object.encode_to_vec();
            prop_assert_eq!(bytes.len(), object.encoded_len());
            let back = JsonStruct::decode(bytes.as_slice()).unwrap();
            prop_assert_eq!(&back, &object);
            prop_assert_eq!(back.encode_to_vec(), bytes);
        }

        #[test]
        fn the_json_form_gives_back_the_same_value(
            members in prop::collection::btree_map(".{0,4}", any_json(), 0..6)
        ) {
            let object: JsonStruct = members.into_iter().collect();
            let text = serde_json::to_string(&object).unwrap();
            prop_assert_eq!(serde_json::from_str::<JsonStruct>(&text).unwrap(), object);
        }
    }

    #[test]
    fn a_whole_double_and_an_integer_are_the_same_number() {
        let double: JsonStruct = serde_json::from_value(json!({"a": [1.0]})).unwrap();
        let integer: JsonStruct = serde_json::from_value(json!({"a": [1]})).unwrap();
        assert_eq!(double, integer);
        assert_eq!(serde_json::to_string(&double).unwrap(), r#"{"a":[1]}"#);
    }

    #[test]
    fn a_double_that_json_cannot_say_becomes_null() {
        let wire = WireValue {
            kind: Some(WireKind::Number(f64::NAN)),
        };
        assert_eq!(Value::from(wire), Value::Null);
    }
}
