//! What makes Envoy refuse the finished filter or cluster, or leave it open.
//!
//! Other modules keep these rules already; here they are checked on the result, so that a defect there becomes a
//! diagnostic and not a rejected listener. No reason repeats a value.

use std::collections::BTreeSet;

use aeraki_core::config::Part;
use aeraki_core::registry::Check;

use crate::REDIS_PROXY;
use crate::routes::MAX_PREFIX;

/// The checks, for the registration.
pub(crate) static CHECKS: &[Check] = &[
    routes,
    prefixes,
    settings,
    faults,
    downstream,
    upstream,
    cluster_mode,
];

fn is_filter(value: Part<'_>) -> bool {
    text(value, "@type").ends_with(".RedisProxy")
}

/// The string called `name`, empty if there is none.
fn text<'c>(value: Part<'c>, name: &str) -> &'c str {
    value.get(name).and_then(Part::as_str).unwrap_or_default()
}

fn list<'c>(value: Part<'c>, path: &[&str]) -> impl Iterator<Item = Part<'c>> + use<'c> {
    value.at(path).into_iter().flat_map(Part::items)
}

fn refuse(broken: bool, reason: &str) -> Option<String> {
    broken.then(|| reason.to_owned())
}

fn routes(value: Part<'_>) -> Option<String> {
    let catch_all = value.at(&["prefix_routes", "catch_all_route"]);
    let mut all = list(value, &["prefix_routes", "routes"])
        .chain(catch_all)
        .peekable();
    let has_no_cluster = |route: Part<'_>| text(route, "cluster").is_empty();
    let leads_nowhere = |route: Part<'_>| {
        let mirrors = list(route, &["request_mirror_policy"]);
        has_no_cluster(route)
            || mirrors
                .chain(route.get("read_command_policy"))
                .any(has_no_cluster)
    };
    refuse(
        is_filter(value) && all.peek().is_none(),
        "a redis_proxy needs at least one route",
    )
    .or_else(|| refuse(all.any(leads_nowhere), "a route without a cluster"))
}

fn prefixes(value: Part<'_>) -> Option<String> {
    let folds = value.at(&["prefix_routes", "case_insensitive"]);
    let ignores_case = folds.and_then(Part::as_bool) == Some(true);
    let mut seen = BTreeSet::new();
    for route in list(value, &["prefix_routes", "routes"]) {
        let prefix = text(route, "prefix");
        if prefix.len() > MAX_PREFIX {
            return Some(format!("a prefix with more than {MAX_PREFIX} bytes"));
        }
        let claimed = if ignores_case {
            prefix.to_ascii_lowercase()
        } else {
            prefix.to_owned()
        };
        if !seen.insert(claimed) {
            return Some("two routes with the same prefix".to_owned());
        }
    }
    None
}

fn settings(value: Part<'_>) -> Option<String> {
    let missing = value.at(&["settings", "op_timeout"]).is_none();
    refuse(
        is_filter(value) && missing,
        "`settings.op_timeout` is missing",
    )
}

fn faults(value: Part<'_>) -> Option<String> {
    let missing = list(value, &["faults"]).any(|fault| fault.get("fault_enabled").is_none());
    refuse(missing, "a fault without `fault_enabled`")
}

/// Whether a password would switch authentication off: Envoy takes an empty one for none.
fn is_empty(source: Part<'_>) -> bool {
    [
        "inline_string",
        "inline_bytes",
        "filename",
        "environment_variable",
    ]
    .iter()
    .all(|form| text(source, form).is_empty())
}

fn downstream(value: Part<'_>) -> Option<String> {
    let mut passwords = list(value, &["downstream_auth_passwords"]).peekable();
    let has_name = value.get("downstream_auth_username").is_some();
    let name_alone = has_name && passwords.peek().is_none();
    let deprecated = value.get("downstream_auth_password").is_some();
    refuse(
        deprecated,
        "`downstream_auth_password` is deprecated: use the plural",
    )
    .or_else(|| refuse(passwords.any(is_empty), "an empty downstream password"))
    .or_else(|| refuse(name_alone, "a downstream user name without a password"))
}

fn upstream(value: Part<'_>) -> Option<String> {
    let options = value.at(&["typed_extension_protocol_options", REDIS_PROXY])?;
    let broken = options.get("auth_password").is_none_or(is_empty);
    refuse(broken, "an empty upstream password")
}

fn cluster_mode(value: Part<'_>) -> Option<String> {
    let kind = value.get("cluster_type")?;
    if text(kind, "name") != "envoy.clusters.redis" {
        return None;
    }
    refuse(
        text(value, "lb_policy") != "CLUSTER_PROVIDED",
        "a Redis cluster brings its own balancing",
    )
    .or_else(|| {
        let waits = value.get("wait_for_warm_on_init").and_then(Part::as_bool);
        refuse(
            waits != Some(false),
            "a Redis cluster must not hold up the start of the sidecar",
        )
    })
    .or_else(|| {
        let seeds = list(value, &["load_assignment", "endpoints"]);
        let mut seeds = seeds.flat_map(|locality| list(locality, &["lb_endpoints"]));
        refuse(
            seeds.next().is_none(),
            "a Redis cluster needs an endpoint to ask",
        )
    })
}

#[cfg(test)]
mod tests {
    use aeraki_core::config::Config;
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;

    fn verdict(value: &Value) -> Option<String> {
        let config = Config::from(value.clone());
        CHECKS.iter().find_map(|check| check(config.root()))
    }

    fn filter() -> Value {
        json!({
            "@type": "type.googleapis.com/envoy.extensions.filters.network.redis_proxy.v3.RedisProxy",
            "stat_prefix": "s",
            "settings": {"op_timeout": "60s"},
            "prefix_routes": {
                "routes": [{"prefix": "a", "cluster": "c"}, {"prefix": "A", "cluster": "c"}],
                "catch_all_route": {"cluster": "c"},
            },
            "faults": [{"fault_enabled": {}}],
            "downstream_auth_passwords": [{"filename": "/etc/redis/p"}],
        })
    }

    fn cluster() -> Value {
        json!({
            "name": "c", "cluster_type": {"name": "envoy.clusters.redis"},
            "lb_policy": "CLUSTER_PROVIDED", "wait_for_warm_on_init": false,
            "load_assignment": {"endpoints": [{"lb_endpoints": [{}]}]},
            "typed_extension_protocol_options":
                {REDIS_PROXY: {"auth_password": {"environment_variable": "REDIS_P"}}},
        })
    }

    #[test]
    fn what_envoy_takes_passes() {
        assert_eq!(verdict(&filter()), None);
        assert_eq!(verdict(&cluster()), None);
        assert_eq!(verdict(&json!({"connect_timeout": "1s"})), None);
    }

    #[rstest]
    #[case::no_route("/prefix_routes", json!({}))]
    #[case::duplicate_prefix("/prefix_routes/routes/1/prefix", json!("a"))]
    #[case::duplicate_prefix_in_another_case("/prefix_routes", json!({
        "case_insensitive": true,
        "routes": [{"prefix": "a", "cluster": "c"}, {"prefix": "A", "cluster": "c"}],
    }))]
    #[case::long_prefix("/prefix_routes/routes/1/prefix", json!("x".repeat(1001)))]
    #[case::no_cluster("/prefix_routes/catch_all_route", json!({}))]
    #[case::mirror_without_cluster(
        "/prefix_routes/catch_all_route",
        json!({"cluster": "c", "request_mirror_policy": [{}]})
    )]
    #[case::no_timeout("/settings", json!({}))]
    #[case::fault_that_is_never_enabled("/faults", json!([{}]))]
    #[case::empty_password("/downstream_auth_passwords", json!([{"inline_string": ""}]))]
    #[case::no_source("/downstream_auth_passwords", json!([{}]))]
    fn a_broken_filter_is_refused(#[case] place: &str, #[case] broken: Value) {
        let mut value = filter();
        *value.pointer_mut(place).expect("the place exists") = broken;
        assert!(verdict(&value).is_some(), "{value}");
    }

    #[test]
    fn the_deprecated_password_and_a_lone_user_name_are_refused() {
        let mut value = filter();
        value["downstream_auth_password"] = json!({"inline_string": "x"});
        assert!(verdict(&value).is_some());
        let mut value = filter();
        value["downstream_auth_passwords"] = json!([]);
        value["downstream_auth_username"] = json!({"inline_string": "x"});
        assert!(verdict(&value).is_some());
    }

    #[rstest]
    #[case::balancing("/lb_policy", json!("MAGLEV"))]
    #[case::waits("/wait_for_warm_on_init", json!(true))]
    #[case::nobody_to_ask("/load_assignment/endpoints/0/lb_endpoints", json!([]))]
    #[case::empty_password(
        "/typed_extension_protocol_options/envoy.filters.network.redis_proxy/auth_password",
        json!({"inline_string": ""})
    )]
    fn a_broken_cluster_is_refused(#[case] place: &str, #[case] broken: Value) {
        let mut value = cluster();
        *value.pointer_mut(place).expect("the place exists") = broken;
        assert!(verdict(&value).is_some(), "{value}");
    }
}
