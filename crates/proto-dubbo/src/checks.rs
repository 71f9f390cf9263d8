//! What makes Envoy refuse a `dubbo_proxy`, and with it the whole listener. Each rule was tried on a real Envoy.

use aeraki_core::config::Part;
use aeraki_core::registry::Check;

pub(crate) const ALL: &[Check] = &[
    one_kind_of_routes,
    every_route_has_a_method,
    every_route_leads,
];

/// The deprecated `route_config` beside the new one.
fn one_kind_of_routes(config: Part<'_>) -> Option<String> {
    let has = |name: &str| config.get(name).is_some();
    (has("route_config") && has("multiple_route_config"))
        .then(|| "`route_config` stands beside `multiple_route_config`".to_owned())
}

fn every_route_has_a_method(config: Part<'_>) -> Option<String> {
    routes(config).find_map(|route| {
        let name = route.at(&["match", "method", "name"]);
        let Some(name) = name.filter(|name| name.members().len() > 0) else {
            return Some("a dubbo route has no method matcher".to_owned());
        };
        (name.get("prefix").and_then(Part::as_str) == Some(""))
            .then(|| "the method prefix of a dubbo route is empty".to_owned())
    })
}

fn every_route_leads(config: Part<'_>) -> Option<String> {
    routes(config).find_map(|route| {
        let action = route.get("route");
        let leads = action.is_some_and(|action| {
            let clusters = action.at(&["weighted_clusters", "clusters"]);
            action.get("cluster").is_some() || clusters.is_some_and(|all| all.items().len() > 0)
        });
        (!leads).then(|| "a dubbo route leads to no cluster".to_owned())
    })
}

fn routes(config: Part<'_>) -> impl Iterator<Item = Part<'_>> {
    let interfaces = config.at(&["multiple_route_config", "route_config"]);
    interfaces
        .into_iter()
        .flat_map(Part::items)
        .filter_map(|of_interface| of_interface.get("routes"))
        .flat_map(Part::items)
}

#[cfg(test)]
mod tests {
    use aeraki_core::config::Config;
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;

    fn rejection(config: Value) -> Option<String> {
        let config = Config::from(config);
        ALL.iter().find_map(|check| check(config.root()))
    }

    fn with_route(route: &Value) -> Value {
        json!({"multiple_route_config": {"route_config": [
            {"interface": "a", "routes": []},
            {"interface": "b", "routes": [route]},
        ]}})
    }

    #[rstest]
    #[case::no_match(json!({"route": {"cluster": "a"}}))]
    #[case::empty_method(json!({"match": {"method": {}}, "route": {"cluster": "a"}}))]
    #[case::headers_only(json!({"match": {"headers": [{"name": "x"}]}, "route": {"cluster": "a"}}))]
    #[case::empty_prefix(json!({
        "match": {"method": {"name": {"prefix": ""}}}, "route": {"cluster": "a"},
    }))]
    #[case::no_action(json!({"match": {"method": {"name": {"exact": "a"}}}}))]
    #[case::no_clusters(json!({
        "match": {"method": {"name": {"exact": "a"}}},
        "route": {"weighted_clusters": {"clusters": []}},
    }))]
    fn a_route_that_envoy_refuses_is_refused_here(#[case] route: Value) {
        assert!(rejection(with_route(&route)).is_some());
    }

    #[test]
    fn a_route_that_envoy_takes_passes() {
        let matcher = json!({"method": {"name": {"exact": ""}}});
        let one = json!({"match": matcher, "route": {"cluster": ""}});
        assert_eq!(rejection(with_route(&one)), None);
        let clusters = json!([{"name": "a", "weight": 0}]);
        let weighted =
            json!({"match": matcher, "route": {"weighted_clusters": {"clusters": clusters}}});
        assert_eq!(rejection(with_route(&weighted)), None);
    }

    #[test]
    fn both_kinds_of_routes_at_once_are_refused() {
        assert!(rejection(json!({"route_config": [], "multiple_route_config": {}})).is_some());
    }
}
