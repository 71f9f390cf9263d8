//! What makes Envoy refuse a `thrift_proxy`, and with it the whole listener, or read it otherwise than it is meant. Each
//! rule was tried on a real Envoy.

use aeraki_core::config::Part;
use aeraki_core::registry::Check;

pub(crate) const ALL: &[Check] = &[
    clusters_are_not_validated,
    every_route_matches,
    every_route_leads,
    every_mirror_is_whole,
];

/// Unless it is told not to, Envoy refuses the listener over one cluster that is not there.
fn clusters_are_not_validated(config: Part<'_>) -> Option<String> {
    let validates = config.at(&["route_config", "validate_clusters"]);
    let validated = validates.and_then(Part::as_bool) != Some(false);
    validated.then(|| "`validate_clusters` is not false".to_owned())
}

fn every_route_matches(config: Part<'_>) -> Option<String> {
    routes(config).find_map(|route| {
        let field = |name: &str| route.get("match").and_then(|m| m.get(name));
        let method = field("method_name").and_then(Part::as_str);
        let service = field("service_name").and_then(Part::as_str);
        let inverted = field("invert").and_then(Part::as_bool) == Some(true);
        match (method, service) {
            (None, None) => Some("a thrift route has neither method nor service name".to_owned()),
            (Some(_), Some(_)) => {
                Some("a thrift route has both method and service name".to_owned())
            }
            (Some(""), None) | (None, Some("")) if inverted => {
                Some("a thrift route is inverted without a name".to_owned())
            }
            _ => None,
        }
    })
}

fn every_route_leads(config: Part<'_>) -> Option<String> {
    routes(config).find_map(|route| {
        let Some(action) = route.get("route") else {
            return Some("a thrift route leads nowhere".to_owned());
        };
        let clusters = action.at(&["weighted_clusters", "clusters"]);
        match clusters
            .filter(|clusters| clusters.is_list())
            .map(Part::items)
        {
            Some(clusters) if clusters.len() == 0 => {
                Some("a thrift route has weighted clusters, but none".to_owned())
            }
            Some(mut clusters) => clusters.find_map(weighted_cluster),
            None => unnamed(action, "cluster", "a thrift route"),
        }
    })
}

fn weighted_cluster(cluster: Part<'_>) -> Option<String> {
    let has_weight = cluster
        .get("weight")
        .is_none_or(|weight| weight.as_u64() > Some(0));
    unnamed(cluster, "name", "a weighted cluster")
        .or_else(|| (!has_weight).then(|| "a thrift cluster has the weight 0".to_owned()))
}

fn every_mirror_is_whole(config: Part<'_>) -> Option<String> {
    let mut mirrors = routes(config)
        .filter_map(|route| route.at(&["route", "request_mirror_policies"]))
        .flat_map(Part::items);
    mirrors.find_map(|mirror| {
        let of_fraction = |name: &str| mirror.get("runtime_fraction").and_then(|f| f.get(name));
        let fraction_is_whole = mirror.get("runtime_fraction").is_none()
            || (of_fraction("default_value").is_some()
                && of_fraction("runtime_key")
                    .and_then(Part::as_str)
                    .is_some_and(|k| !k.is_empty()));
        unnamed(mirror, "cluster", "a thrift mirror").or_else(|| {
            (!fraction_is_whole)
                .then(|| "a thrift mirror's share lacks its value or its runtime key".to_owned())
        })
    })
}

fn unnamed(object: Part<'_>, field: &str, what: &str) -> Option<String> {
    let name = object.get(field).and_then(Part::as_str).unwrap_or_default();
    name.is_empty().then(|| format!("{what} names no cluster"))
}

fn routes(config: Part<'_>) -> impl Iterator<Item = Part<'_>> {
    let routes = config.at(&["route_config", "routes"]);
    routes.into_iter().flat_map(Part::items)
}

#[cfg(test)]
mod tests {
    use aeraki_core::config::Config;
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;

    fn verdict(config: Value) -> Option<String> {
        let config = Config::from(config);
        ALL.iter().find_map(|check| check(config.root()))
    }

    fn rejection(route: &Value) -> Option<String> {
        let config = json!({"route_config": {"validate_clusters": false, "routes": [route]}});
        verdict(config)
    }

    #[rstest]
    #[case::no_name(json!({"match": {}, "route": {"cluster": "a"}}))]
    #[case::two_names(json!({
        "match": {"method_name": "a", "service_name": "b"}, "route": {"cluster": "a"},
    }))]
    #[case::inverted(json!({
        "match": {"method_name": "", "invert": true}, "route": {"cluster": "a"},
    }))]
    #[case::no_action(json!({"match": {"method_name": ""}, "route": {}}))]
    #[case::no_route(json!({"match": {"method_name": ""}}))]
    #[case::no_cluster(json!({"match": {"method_name": ""}, "route": {"cluster": ""}}))]
    #[case::no_clusters(json!({
        "match": {"method_name": ""}, "route": {"weighted_clusters": {"clusters": []}},
    }))]
    #[case::no_weight(json!({
        "match": {"method_name": ""},
        "route": {"weighted_clusters": {"clusters": [{"name": "a", "weight": 0}]}},
    }))]
    #[case::unnamed(json!({
        "match": {"method_name": ""},
        "route": {"weighted_clusters": {"clusters": [{"weight": 1}]}},
    }))]
    #[case::mirror_to_nowhere(json!({
        "match": {"method_name": ""},
        "route": {"cluster": "a", "request_mirror_policies": [{"cluster": ""}]},
    }))]
    #[case::mirror_without_key(json!({
        "match": {"method_name": ""},
        "route": {"cluster": "a", "request_mirror_policies": [
            {"cluster": "b", "runtime_fraction": {"default_value": {"numerator": 5}}},
        ]},
    }))]
    fn a_route_that_envoy_refuses_or_misreads_is_refused_here(#[case] route: Value) {
        assert!(rejection(&route).is_some());
    }

    #[test]
    fn a_route_that_envoy_takes_passes() {
        let route = json!({
            "match": {"service_name": "Greeter"},
            "route": {
                "weighted_clusters": {"clusters": [{"name": "a", "weight": 1}]},
                "request_mirror_policies": [{"cluster": "b"}],
            },
        });
        assert_eq!(rejection(&route), None);
    }

    #[test]
    fn a_config_that_validates_clusters_is_refused() {
        assert!(verdict(json!({"route_config": {"routes": []}})).is_some());
        assert!(verdict(json!({"route_config": {"validate_clusters": true}})).is_some());
        assert!(verdict(json!({"route_config": {"validate_clusters": false}})).is_none());
    }
}
