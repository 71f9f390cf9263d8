//! Envoy's own rules, and the API server's one, checked before anything leaves core.
//!
//! One bad filter makes Envoy refuse the whole listener (or, as with a Redis cluster merged onto an EDS one, crash), and
//! istiod checks none of this. What holds for every protocol is here; what holds for one filter is in its registration.

use crate::assemble::Filter;
use crate::config::Part;
use crate::draft::{ClusterChange, FilterDraft};
use crate::regex_policy;
use crate::registry::Registration;

/// The largest spec that leaves core, in bytes of its text. etcd takes no request of more than 1.5 MiB by default; what this
/// leaves of it is for the metadata, to which the API server adds some.
pub(crate) const LARGEST_SPEC: usize = 1 << 20;

/// Why the API server would not take the filter, if it would not.
pub(crate) fn excess(filter: &Filter) -> Option<String> {
    let size = filter.content.spec_text().len();
    (size > LARGEST_SPEC).then(|| {
        format!(
            "the spec of {} would have {size} bytes, more than {LARGEST_SPEC}",
            filter.key
        )
    })
}

/// Why Envoy would refuse the draft, if it would.
pub(crate) fn rejection(draft: &FilterDraft, registration: &Registration) -> Option<String> {
    let own = |part| {
        let mut checks = registration.own_checks().iter();
        checks.find_map(|check| check(part))
    };
    let of_filter = draft.filter.as_ref().and_then(|filter| {
        let config = filter.typed_config.root();
        typed(config)
            .or_else(|| common(config))
            .or_else(|| own(config))
    });
    of_filter.or_else(|| {
        draft.clusters.iter().find_map(|patch| {
            let value = match &patch.change {
                ClusterChange::Merge(value)
                | ClusterChange::MergeReplacingLists(value)
                | ClusterChange::Replace(value) => value.root(),
            };
            cluster(&patch.change, value)
                .or_else(|| common(value))
                .or_else(|| own(value))
        })
    })
}

/// Every extension needs a type: Envoy no longer finds one by its name alone.
fn typed(config: Part<'_>) -> Option<String> {
    let url = config.get("@type").and_then(Part::as_str);
    let name = url.and_then(|url| url.strip_prefix("type.googleapis.com/"));
    name.is_none_or(str::is_empty)
        .then(|| "a typed_config has no @type".to_owned())
}

/// Rules that hold anywhere in a config.
fn common(part: Part<'_>) -> Option<String> {
    of_object(part)
        .or_else(|| part.members().find_map(|(_, member)| common(member)))
        .or_else(|| part.items().find_map(common))
}

/// Rules that hold for one object. Most have no field that any of them is about.
fn of_object(object: Part<'_>) -> Option<String> {
    object.members().find_map(|(name, value)| match name {
        "regex" => pattern(value),
        // StringMatcher's prefix and suffix, and every stat_prefix, have a minimum length of one.
        "stat_prefix" | "suffix" | "contains" if value.as_str() == Some("") => {
            Some(format!("`{name}` is empty"))
        }
        "present_match" | "string_match" => header_matcher(object),
        "ignore_case" if value.as_bool() == Some(true) => string_matcher(object),
        "typed_config" => typed(value),
        _ => None,
    })
}

fn pattern(regex: Part<'_>) -> Option<String> {
    let regex = regex.as_str()?;
    let rejection = regex_policy::check(regex).err()?;
    Some(format!("the regular expression `{regex}`: {rejection}"))
}

/// `envoy.config.route.v3.HeaderMatcher`, which several protocols use.
fn header_matcher(matcher: Part<'_>) -> Option<String> {
    let text = |path: &[&str]| matcher.at(path).and_then(Part::as_str);
    let name = text(&["name"]).unwrap_or_default();
    if name.is_empty() || name.contains(['\0', '\n', '\r']) {
        return Some(format!("no header is called {name:?}"));
    }
    (text(&["string_match", "prefix"]) == Some(""))
        .then(|| format!("the prefix of header `{name}` is empty"))
}

/// `envoy.type.matcher.v3.StringMatcher` that ignores case.
fn string_matcher(matcher: Part<'_>) -> Option<String> {
    matcher
        .get("safe_regex")
        .map(|_| "`ignore_case` stands beside a regular expression".to_owned())
}

/// A Redis cluster crashes Envoy if Istio's `eds_cluster_config` is still there: it must be a whole new cluster.
fn cluster(change: &ClusterChange, value: Part<'_>) -> Option<String> {
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
    use serde_json::{Value, json};

    use super::*;
    use crate::config::Config;

    fn common(value: Value) -> Option<String> {
        super::common(Config::from(value).root())
    }

    #[test]
    fn a_redis_cluster_is_never_merged_onto_an_eds_cluster() {
        let refused = |change: fn(Config) -> ClusterChange, value: Value| {
            let config = Config::from(value);
            cluster(&change(config.clone()), config.root()).is_some()
        };
        let value = json!({"cluster_type": {"name": "envoy.clusters.redis"}});
        assert!(refused(ClusterChange::Merge, value));
        let value = json!({"name": "a", "cluster_type": {}, "eds_cluster_config": {}});
        assert!(refused(ClusterChange::Replace, value));
        let value = json!({"name": "a", "cluster_type": {}});
        assert!(!refused(ClusterChange::Replace, value));
    }

    #[test]
    fn a_config_without_type_or_with_a_bad_regex_is_refused_at_any_depth() {
        assert!(typed(Config::from(json!({})).root()).is_some());
        assert!(common(json!({"a": [{"regex": "(?=x)"}]})).is_some());
        assert!(common(json!({"filters": [{"name": "x", "typed_config": {}}]})).is_some());
        assert!(common(json!({"a": {"stat_prefix": ""}})).is_some());
        assert!(common(json!({"a": [{"regex": ".*"}], "stat_prefix": "x"})).is_none());
    }

    #[test]
    fn a_header_matcher_that_envoy_refuses_is_refused_here() {
        let headers = |header: Value| common(json!({"match": {"headers": [header]}}));
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
