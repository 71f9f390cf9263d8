//! The route table in Envoy's terms: `routes` of a Dubbo route configuration.

use aeraki_api::envoy::dubbo::route_action::ClusterSpecifier;
use aeraki_api::envoy::dubbo::{MethodMatch, Route, RouteAction, RouteMatch};
use aeraki_api::envoy::matcher::StringMatcher;
use aeraki_api::envoy::route::{WeightedCluster, weighted_cluster::ClusterWeight};
use aeraki_core::route::{self, Action, Conditions, RouteTable, Text};

/// The routes in order. Mirrors are not among what Dubbo expresses, so there are none in the table.
pub(crate) fn render(table: &RouteTable) -> Vec<Route> {
    table.routes.iter().map(one).collect()
}

fn one(route: &route::Route) -> Route {
    Route {
        r#match: Some(conditions(&route.conditions)),
        route: Some(action(&route.action)),
    }
}

fn conditions(conditions: &Conditions) -> RouteMatch {
    // Envoy refuses a match without a method, also where it has headers.
    let any = Text::Regex(".*".to_owned());
    let method = conditions.method.as_ref().unwrap_or(&any);
    RouteMatch {
        method: Some(MethodMatch {
            name: Some(StringMatcher::from(method)),
            ..MethodMatch::default()
        }),
        headers: conditions.headers.iter().map(Into::into).collect(),
    }
}

fn action(action: &Action) -> RouteAction {
    let specifier = match action {
        Action::Cluster(name) => ClusterSpecifier::Cluster(name.clone()),
        Action::Weighted(clusters) => {
            let clusters = clusters.iter().map(|(name, weight)| ClusterWeight {
                name: name.clone(),
                weight: Some(*weight),
                metadata_match: None,
            });
            ClusterSpecifier::WeightedClusters(WeightedCluster {
                clusters: clusters.collect(),
            })
        }
    };
    RouteAction {
        cluster_specifier: Some(specifier),
        metadata_match: None,
    }
}

#[cfg(test)]
mod tests {
    use aeraki_testkit::route::{absent, header, route, split};
    use serde_json::{Value, json};

    use super::*;

    fn json_of(route: route::Route) -> Value {
        serde_json::to_value(render(&RouteTable {
            routes: vec![route],
        }))
        .unwrap()[0]
            .take()
    }

    #[test]
    fn without_conditions_every_method_matches() {
        let table = RouteTable::to("a");
        let expected = json!([{
            "match": {"method": {"name": {"safe_regex": {"regex": ".*"}}}},
            "route": {"cluster": "a"},
        }]);
        assert_eq!(serde_json::to_value(render(&table)).unwrap(), expected);
    }

    #[test]
    fn a_table_without_routes_has_none_here() {
        assert!(render(&RouteTable::default()).is_empty());
    }

    #[test]
    fn conditions_stand_together_and_weights_stay_as_given() {
        let method = Text::Prefix("get".to_owned());
        let split = split(("a", 70), ("b", 5));
        let route = route(Some(method), header("env", "canary"), split);
        let expected = json!({
            "match": {
                "method": {"name": {"prefix": "get"}},
                "headers": [{"name": "env", "string_match": {"exact": "canary"}}],
            },
            "route": {"weighted_clusters": {"clusters": [
                {"name": "a", "weight": 70},
                {"name": "b", "weight": 5},
            ]}},
        });
        assert_eq!(json_of(route), expected);
    }

    #[test]
    fn headers_alone_still_have_a_method_matcher() {
        let route = route(None, absent("env"), Action::Cluster("a".to_owned()));
        let expected = json!({
            "method": {"name": {"safe_regex": {"regex": ".*"}}},
            "headers": [{"name": "env", "present_match": true, "invert_match": true}],
        });
        assert_eq!(json_of(route)["match"], expected);
    }
}
