//! The merge of protobuf messages, on their JSON form.
//!
//! It has no descriptors, so two things differ from a merge of the messages themselves: a patch that
//! sets a plain number, bool or enum to its zero value takes effect here, while protobuf does not
//! even see it; and camelCase is told from snake_case by the base, where the base has the field.

use serde_json::{Map, Value};

/// What becomes of a list that both sides have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lists {
    Append,
    Replace,
}

/// Fields of `Cluster` of which a message can hold only one: setting one clears the others.
const ONEOFS: [&[&str]; 2] = [
    &["type", "cluster_type"],
    &[
        "ring_hash_lb_config",
        "maglev_lb_config",
        "original_dst_lb_config",
        "least_request_lb_config",
        "round_robin_lb_config",
    ],
];

/// Merges `patch` into the cluster `base`.
pub(super) fn merge_cluster(base: &mut Value, patch: &Value, lists: Lists) {
    if let (Value::Object(base), Value::Object(patch)) = (&mut *base, patch) {
        for key in patch.keys().map(|key| snake_case(key)) {
            for oneof in ONEOFS.iter().filter(|oneof| oneof.contains(&key.as_str())) {
                base.retain(|held, _| *held == key || !oneof.contains(&held.as_str()));
            }
        }
    }
    merge(base, patch, lists);
}

fn merge(base: &mut Value, patch: &Value, lists: Lists) {
    match (base, patch) {
        // An Any is a type and opaque bytes: the patch's takes the place of the base's.
        (Value::Object(base), Value::Object(patch)) if !patch.contains_key("@type") => {
            merge_fields(base, patch, lists);
        }
        (Value::Array(base), Value::Array(patch)) if lists == Lists::Append => {
            base.extend_from_slice(patch);
        }
        (base, patch) => *base = patch.clone(),
    }
}

fn merge_fields(base: &mut Map<String, Value>, patch: &Map<String, Value>, lists: Lists) {
    for (key, value) in patch {
        let key = match snake_case(key) {
            snake if base.contains_key(&snake) => snake,
            _ => key.clone(),
        };
        match base.get_mut(&key) {
            Some(held) => merge(held, value, lists),
            None => {
                base.insert(key, value.clone());
            }
        }
    }
}

/// Keys of maps hold dots or dashes and stay as they are.
fn snake_case(key: &str) -> String {
    if !key.chars().all(|c| c.is_ascii_alphanumeric()) {
        return key.to_owned();
    }
    key.chars().fold(String::new(), |mut snake, c| {
        if c.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(c.to_ascii_lowercase());
        snake
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn merged(patch: &Value, lists: Lists) -> Value {
        let mut base = json!({
            "type": "EDS",
            "connect_timeout": "10s",
            "circuit_breakers": {"thresholds": [{"max_retries": 1}]},
            "transport_socket": {"name": "tls", "typed_config": {"@type": "a", "sni": "kept"}},
        });
        merge_cluster(&mut base, patch, lists);
        base
    }

    #[test]
    fn lists_are_appended_by_merge_and_replaced_by_the_other() {
        let patch = json!({"circuitBreakers": {"thresholds": [{"max_retries": 2}]}});
        let appended = merged(&patch, Lists::Append);
        assert_eq!(
            appended["circuit_breakers"]["thresholds"],
            json!([{"max_retries": 1}, {"max_retries": 2}])
        );
        let replaced = merged(&patch, Lists::Replace);
        assert_eq!(
            replaced["circuit_breakers"]["thresholds"],
            json!([{"max_retries": 2}])
        );
    }

    #[test]
    fn fields_that_the_patch_does_not_name_stay() {
        let cluster = merged(&json!({"lb_policy": "MAGLEV"}), Lists::Append);
        assert_eq!(cluster["transport_socket"]["typed_config"]["sni"], "kept");
        assert_eq!(cluster["lb_policy"], "MAGLEV");
        assert_eq!(cluster["type"], "EDS");
    }

    #[test]
    fn any_is_replaced_as_a_whole() {
        let patch = json!({"transport_socket": {"typed_config": {"@type": "b"}}});
        let cluster = merged(&patch, Lists::Append);
        assert_eq!(
            cluster["transport_socket"],
            json!({"name": "tls", "typed_config": {"@type": "b"}})
        );
    }

    #[test]
    fn setting_one_member_of_a_oneof_clears_the_other() {
        for key in ["cluster_type", "clusterType"] {
            let cluster = merged(
                &json!({key: {"name": "envoy.clusters.redis"}}),
                Lists::Append,
            );
            assert!(cluster.get("type").is_none(), "{cluster}");
        }
    }
}
