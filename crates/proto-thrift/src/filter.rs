//! The shell around the routes.

use aeraki_api::envoy::thrift::{Route, RouteConfiguration, ThriftProxy};

use crate::wire::Wire;

/// The filter's name in Envoy.
pub(crate) const NAME: &str = "envoy.filters.network.thrift_proxy";

/// The filter's configuration. Without routes it loads, and every call fails. There are no `thrift_filters`: the router
/// is implied.
pub(crate) fn config(stat_prefix: String, wire: Wire, routes: Vec<Route>) -> ThriftProxy {
    ThriftProxy {
        route_config: Some(RouteConfiguration {
            name: stat_prefix.clone(),
            routes,
            // A subset's cluster may come later than the route. Checked, it would cost the whole listener; unchecked, it
            // costs the calls that are sent there.
            validate_clusters: Some(false),
        }),
        stat_prefix,
        transport: wire.transport.into(),
        protocol: wire.protocol.into(),
        ..ThriftProxy::default()
    }
}

#[cfg(test)]
mod tests {
    use aeraki_api::envoy::thrift::{ProtocolType, TransportType};
    use serde_json::json;

    use super::*;

    #[test]
    fn detection_is_not_spelt_out_and_clusters_are_never_validated() {
        let auto = Wire {
            transport: TransportType::AutoTransport,
            protocol: ProtocolType::AutoProtocol,
        };
        let expected = json!({
            "stat_prefix": "s",
            "route_config": {"name": "s", "validate_clusters": false},
        });
        let config = config("s".to_owned(), auto, Vec::new());
        assert_eq!(serde_json::to_value(config).unwrap(), expected);
    }

    #[test]
    fn a_set_transport_and_protocol_are_spelt_out() {
        let wire = Wire {
            transport: TransportType::Framed,
            protocol: ProtocolType::Compact,
        };
        let config = serde_json::to_value(config("s".to_owned(), wire, Vec::new())).unwrap();
        assert_eq!(config["transport"], "FRAMED");
        assert_eq!(config["protocol"], "COMPACT");
    }
}
