//! Envoy's own rules, checked before anything leaves core.
//!
//! One bad filter makes Envoy refuse the whole listener (or, as with a Redis cluster merged onto an EDS one, crash), and
//! istiod checks none of this. What holds for every protocol is here; what holds for one filter is in its registration.

use serde_json::{Map, Value};

use crate::draft::{ClusterChange, FilterDraft};
use crate::regex_policy;
use crate::registry::Registration;

/// Why Envoy would refuse the draft, if it would.
pub(crate) fn rejection(draft: &FilterDraft, registration: &Registration) -> Option<String> {
    let own = registration.own_checks();
    let of_filter = draft.filter.as_ref().and_then(|filter| {
        typed(&filter.typed_config)
            .or_else(|| common(&filter.typed_config))
            .or_else(|| own.iter().find_map(|check| check(&filter.typed_config)))
    });
    of_filter.or_else(|| {
        draft.clusters.iter().find_map(|patch| {
            let value = match &patch.change {
                ClusterChange::Merge(value)
                | ClusterChange::MergeReplacingLists(value)
                | ClusterChange::Replace(value) => value,
            };
            cluster(&patch.change, value)
                .or_else(|| common(value))
                .or_else(|| own.iter().find_map(|check| check(value)))
        })
    })
}

/// Every extension needs a type: Envoy no longer finds one by its name alone.
fn typed(config: &Value) -> Option<String> {
    let known = config
        .get("@type")
        .and_then(Value::as_str)
        .is_some_and(|url| {
            url.strip_prefix("type.googleapis.com/")
                .is_some_and(|name| !name.is_empty())
        });
    (!known).then(|| "a typed_config has no @type".to_owned())
}

/// Rules that hold anywhere in a config.
fn common(value: &Value) -> Option<String> {
    match value {
        Value::Object(fields) => watched(fields)
            .then(|| of_object(fields))
            .flatten()
            .or_else(|| fields.values().find_map(common)),
        Value::Array(items) => items.iter().find_map(common),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}

/// Whether an object has any of the fields that [`of_object`] has rules for: most have none.
fn watched(fields: &Map<String, Value>) -> bool {
    fields.keys().any(|name| {
        matches!(
            name.as_str(),
            "regex"
                | "stat_prefix"
                | "suffix"
                | "contains"
                | "present_match"
                | "string_match"
                | "ignore_case"
                | "typed_config"
        )
    })
}

fn of_object(fields: &Map<String, Value>) -> Option<String> {
    if let Some(regex) = fields.get("regex").and_then(Value::as_str)
        && let Err(rejection) = regex_policy::check(regex)
    {
        return Some(format!("the regular expression `{regex}`: {rejection}"));
    }
    let empty = |name: &str| fields.get(name).and_then(Value::as_str) == Some("");
    // StringMatcher's prefix and suffix, and every stat_prefix, have a minimum length of one.
    for name in ["stat_prefix", "suffix", "contains"] {
        if empty(name) {
            return Some(format!("`{name}` is empty"));
        }
    }
    if let Some(reason) = header_matcher(fields).or_else(|| string_matcher(fields)) {
        return Some(reason);
    }
    let extension_without_type = fields
        .get("typed_config")
        .is_some_and(|c| typed(c).is_some());
    extension_without_type.then(|| "a typed_config has no @type".to_owned())
}

/// `envoy.config.route.v3.HeaderMatcher`, which several protocols use.
fn header_matcher(fields: &Map<String, Value>) -> Option<String> {
    if !(fields.contains_key("present_match") || fields.contains_key("string_match")) {
        return None;
    }
    let name = fields
        .get("name")
        .and_then(Value::as_str)
        .unwrap_or_default();
    if name.is_empty() || name.contains(['\0', '\n', '\r']) {
        return Some(format!("no header is called {name:?}"));
    }
    let prefix = fields.get("string_match").and_then(|m| m.get("prefix"));
    (prefix.and_then(Value::as_str) == Some(""))
        .then(|| format!("the prefix of header `{name}` is empty"))
}

/// `envoy.type.matcher.v3.StringMatcher`.
fn string_matcher(fields: &Map<String, Value>) -> Option<String> {
    let ignores_case = fields.get("ignore_case").and_then(Value::as_bool) == Some(true);
    (ignores_case && fields.contains_key("safe_regex"))
        .then(|| "`ignore_case` stands beside a regular expression".to_owned())
}

/// A Redis cluster crashes Envoy if Istio's `eds_cluster_config` is still there: it must be a whole new cluster.
fn cluster(change: &ClusterChange, value: &Value) -> Option<String> {
    let own_type = value.get("cluster_type").is_some();
    let eds = value.get("eds_cluster_config").is_some();
    match change {
        ClusterChange::Replace(_) if own_type && eds => {
            Some("a cluster with `cluster_type` must not have `eds_cluster_config`".to_owned())
        }
        ClusterChange::Merge(_) | ClusterChange::MergeReplacingLists(_) if own_type => {
            Some("`cluster_type` cannot be merged onto Istio's EDS cluster".to_owned())
        }
        ClusterChange::Replace(_) if value.get("name").is_none() => {
            Some("an added cluster has no name".to_owned())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_redis_cluster_is_never_merged_onto_an_eds_cluster() {
        let value = json!({"cluster_type": {"name": "envoy.clusters.redis"}});
        assert!(cluster(&ClusterChange::Merge(value.clone()), &value).is_some());
        let value = json!({"name": "a", "cluster_type": {}, "eds_cluster_config": {}});
        assert!(cluster(&ClusterChange::Replace(value.clone()), &value).is_some());
        let value = json!({"name": "a", "cluster_type": {}});
        assert!(cluster(&ClusterChange::Replace(value.clone()), &value).is_none());
    }

    #[test]
    fn a_config_without_type_or_with_a_bad_regex_is_refused_at_any_depth() {
        assert!(typed(&json!({})).is_some());
        assert!(common(&json!({"a": [{"regex": "(?=x)"}]})).is_some());
        assert!(common(&json!({"filters": [{"name": "x", "typed_config": {}}]})).is_some());
        assert!(common(&json!({"a": {"stat_prefix": ""}})).is_some());
        assert!(common(&json!({"a": [{"regex": ".*"}], "stat_prefix": "x"})).is_none());
    }

    #[test]
    fn a_header_matcher_that_envoy_refuses_is_refused_here() {
        let headers = |header: Value| common(&json!({"match": {"headers": [header]}}));
        assert!(headers(json!({"name": "", "present_match": true})).is_some());
        assert!(headers(json!({"name": "a\nb", "present_match": true})).is_some());
        assert!(headers(json!({"name": "a", "string_match": {"prefix": ""}})).is_some());
        let regex = json!({"regex": "x"});
        let folded = json!({"safe_regex": regex, "ignore_case": true});
        assert!(headers(json!({"name": "a", "string_match": folded})).is_some());
        assert!(headers(json!({"name": "a", "string_match": {"exact": ""}})).is_none());
        assert!(headers(json!({"name": "a", "string_match": {"safe_regex": regex}})).is_none());
    }
}
