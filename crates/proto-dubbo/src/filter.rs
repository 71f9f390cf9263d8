//! The shell around the routes: one route configuration per interface, all with the same routes.

use aeraki_api::envoy::dubbo::dubbo_proxy::RouteSpecifier;
use aeraki_api::envoy::dubbo::{
    DubboProxy, MultipleRouteConfiguration, ProtocolType, Route, RouteConfiguration,
    SerializationType,
};

use crate::service_key::ServiceKey;

/// The filter's name in Envoy.
pub(crate) const NAME: &str = "envoy.filters.network.dubbo_proxy";

/// The filter's configuration. Without routes it loads, and every call fails. There are no `dubbo_filters`: the router
/// is implied.
pub(crate) fn config(stat_prefix: String, key: &ServiceKey, routes: Vec<Route>) -> DubboProxy {
    // The last interface, and mostly the only one, takes the routes themselves.
    let each = std::iter::repeat_n(routes, key.interfaces.len());
    let of_interface = |(interface, routes): (&String, Vec<Route>)| RouteConfiguration {
        name: interface.clone(),
        interface: interface.clone(),
        group: key.group.clone().unwrap_or_default(),
        version: key.version.clone().unwrap_or_default(),
        routes,
    };
    let multiple = MultipleRouteConfiguration {
        name: stat_prefix.clone(),
        route_config: key.interfaces.iter().zip(each).map(of_interface).collect(),
    };
    DubboProxy {
        stat_prefix,
        protocol_type: ProtocolType::Dubbo.into(),
        serialization_type: SerializationType::Hessian2.into(),
        dubbo_filters: Vec::new(),
        route_specifier: Some(RouteSpecifier::MultipleRouteConfig(multiple)),
    }
}

#[cfg(test)]
mod tests {
    use aeraki_core::route::RouteTable;
    use serde_json::json;

    use super::*;
    use crate::routes;

    #[test]
    fn every_interface_has_the_same_routes_and_the_group_and_version() {
        let key = ServiceKey {
            interfaces: vec!["a.B".to_owned(), "a.C".to_owned()],
            group: Some("blue".to_owned()),
            version: Some("1.0.0".to_owned()),
        };
        let routes = routes::render(&RouteTable::to("c"));
        let config = config("s".to_owned(), &key, routes);
        let route = json!({
            "match": {"method": {"name": {"safe_regex": {"regex": ".*"}}}},
            "route": {"cluster": "c"},
        });
        let of = |interface: &str| {
            json!({
                "name": interface,
                "interface": interface,
                "group": "blue",
                "version": "1.0.0",
                "routes": [route],
            })
        };
        let expected = json!({
            "stat_prefix": "s",
            "multiple_route_config": {"name": "s", "route_config": [of("a.B"), of("a.C")]},
        });
        assert_eq!(serde_json::to_value(config).unwrap(), expected);
    }
}
