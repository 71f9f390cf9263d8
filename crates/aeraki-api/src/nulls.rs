use serde_json::{Map, Value};

/// Removes object members that are `null`, in place: in the JSON form of protobuf `null` means "not
/// set", but the readers of scalars and lists refuse it, and YAML makes a null of an empty
/// `resolution:`.
///
/// What stands under `patch.value` is left alone: there a null is data, and tells Envoy's merge to
/// clear a field. No other field of the kinds we read holds free JSON. A null inside a list stays,
/// too; it is an error in every reading.
pub fn strip_nulls(value: &mut Value) {
    match value {
        Value::Object(map) => strip_object(map),
        Value::Array(items) => items.iter_mut().for_each(strip_nulls),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn strip_object(map: &mut Map<String, Value>) {
    map.retain(|_, member| !member.is_null());
    for (key, member) in map {
        match member {
            Value::Object(patch) if key == "patch" => strip_patch(patch),
            _ => strip_nulls(member),
        }
    }
}

fn strip_patch(patch: &mut Map<String, Value>) {
    patch.retain(|_, member| !member.is_null());
    for (key, member) in patch {
        if key != "value" {
            strip_nulls(member);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_empty_yaml_field_is_as_if_absent_at_any_depth() {
        let mut value = json!({"a": null, "b": {"c": null, "d": 1}, "e": [{"f": null}]});
        strip_nulls(&mut value);
        assert_eq!(value, json!({"b": {"d": 1}, "e": [{}]}));
    }

    #[test]
    fn a_null_in_a_patch_value_is_data_and_stays() {
        let mut value = json!({"patch": {"operation": null, "value": {"clear_me": null}}});
        strip_nulls(&mut value);
        assert_eq!(value, json!({"patch": {"value": {"clear_me": null}}}));
    }

    #[test]
    fn an_absent_patch_value_written_as_null_is_dropped() {
        let mut value = json!({"patch": {"operation": "REMOVE", "value": null}});
        strip_nulls(&mut value);
        assert_eq!(value, json!({"patch": {"operation": "REMOVE"}}));
    }
}
