//! The route table in Envoy's terms: `routes` of a Thrift route configuration.

use aeraki_api::envoy::core::RuntimeFractionalPercent;
use aeraki_api::envoy::percent::{FractionalPercent, fractional_percent::DenominatorType};
use aeraki_api::envoy::thrift::route_action::{ClusterSpecifier, RequestMirrorPolicy};
use aeraki_api::envoy::thrift::weighted_cluster::ClusterWeight;
use aeraki_api::envoy::thrift::{Route, RouteAction, RouteMatch, WeightedCluster};
use aeraki_core::route::{self, Action, Mirror, RouteTable};

use crate::multiplex::Multiplex;

const MILLION: u32 = 1_000_000;
/// Envoy mirrors every call where this is empty, whatever share is given. No runtime layer of Istio's has such a key.
const MIRROR_KEY: &str = "aeraki.thrift.mirror";

/// The routes in order; one of the table becomes several where there are several service names.
pub(crate) fn render(table: &RouteTable, multiplex: &Multiplex) -> Vec<Route> {
    table
        .routes
        .iter()
        .flat_map(|route| variants(route, multiplex))
        .collect()
}

fn variants(route: &route::Route, multiplex: &Multiplex) -> impl Iterator<Item = Route> {
    let headers: Vec<_> = route.conditions.headers.iter().map(Into::into).collect();
    let action = action(route, multiplex.strip);
    let specifiers = multiplex.specifiers(route.conditions.method.as_ref());
    specifiers.into_iter().map(move |specifier| Route {
        r#match: Some(RouteMatch {
            invert: false,
            headers: headers.clone(),
            match_specifier: Some(specifier),
        }),
        route: Some(action.clone()),
    })
}

fn action(route: &route::Route, strip_service_name: bool) -> RouteAction {
    let specifier = match &route.action {
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
        metadata_match: None,
        strip_service_name,
        request_mirror_policies: route.mirrors.iter().map(mirror).collect(),
        cluster_specifier: Some(specifier),
    }
}

fn mirror(mirror: &Mirror) -> RequestMirrorPolicy {
    let share = FractionalPercent {
        numerator: mirror.per_million,
        denominator: DenominatorType::Million.into(),
    };
    RequestMirrorPolicy {
        cluster: mirror.cluster.clone(),
        runtime_fraction: (mirror.per_million < MILLION).then(|| RuntimeFractionalPercent {
            default_value: Some(share),
            runtime_key: MIRROR_KEY.to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use aeraki_core::route::Text;
    use aeraki_testkit::route::{header, route, split};
    use serde_json::{Value, json};

    use super::*;

    fn json_of(routes: &[Route]) -> Value {
        serde_json::to_value(routes).unwrap()
    }

    #[test]
    fn without_conditions_every_method_matches() {
        let routes = render(&RouteTable::to("a"), &Multiplex::default());
        let expected = json!([{"match": {"method_name": ""}, "route": {"cluster": "a"}}]);
        assert_eq!(json_of(&routes), expected);
    }

    #[test]
    fn the_service_name_is_stripped_on_every_route_or_on_none() {
        let multiplex = Multiplex {
            strip: true,
            ..Multiplex::default()
        };
        let routes = render(&RouteTable::to("a"), &multiplex);
        assert_eq!(
            json_of(&routes)[0]["route"],
            json!({"cluster": "a", "strip_service_name": true})
        );
    }

    #[test]
    fn conditions_stand_together_and_weights_stay_as_given() {
        let method = Text::Exact("SayBye".to_owned());
        let split = split(("a", 9), ("b", 1));
        let route = route(Some(method), header("x-env", "canary"), split);
        let routes = render(
            &RouteTable {
                routes: vec![route],
            },
            &Multiplex::default(),
        );
        let expected = json!([{
            "match": {
                "method_name": "SayBye",
                "headers": [{"name": "x-env", "string_match": {"exact": "canary"}}],
            },
            "route": {"weighted_clusters": {"clusters": [
                {"name": "a", "weight": 9},
                {"name": "b", "weight": 1},
            ]}},
        }]);
        assert_eq!(json_of(&routes), expected);
    }

    #[test]
    fn a_share_of_mirrored_calls_needs_a_runtime_key_and_all_calls_need_none() {
        let mirrors = vec![
            Mirror {
                cluster: "all".to_owned(),
                per_million: MILLION,
            },
            Mirror {
                cluster: "some".to_owned(),
                per_million: 125_000,
            },
        ];
        let mut table = RouteTable::to("a");
        table.routes[0].mirrors = mirrors;
        let routes = render(&table, &Multiplex::default());
        let expected = json!([
            {"cluster": "all"},
            {"cluster": "some", "runtime_fraction": {
                "runtime_key": "aeraki.thrift.mirror",
                "default_value": {"numerator": 125_000, "denominator": "MILLION"},
            }},
        ]);
        assert_eq!(
            json_of(&routes)[0]["route"]["request_mirror_policies"],
            expected
        );
    }
}
