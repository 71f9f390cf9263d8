//! The resources that Istio makes by itself, as far as patches need them to be there.

use serde_json::{Value, json};

/// The one listener of all inbound traffic.
pub(super) const VIRTUAL_INBOUND: &str = "virtualInbound";
/// What services that Istio takes for plain TCP have in their filter chain.
pub(super) const TCP_PROXY: &str = "envoy.filters.network.tcp_proxy";

/// The cluster without endpoints, which every sidecar has.
pub(super) const BLACK_HOLE: &str = "BlackHoleCluster";
const XDS: &str = "xds-grpc";

/// A filter chain with a TCP proxy, for one port of `virtualInbound` or for a listener's traffic.
pub(super) fn filter_chain(destination_port: Option<u64>) -> Value {
    let mut chain = json!({"filters": [{
        "name": TCP_PROXY,
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
            "stat_prefix": BLACK_HOLE,
            "cluster": BLACK_HOLE,
        },
    }]});
    if let Some(port) = destination_port {
        chain["filter_chain_match"] = json!({"destination_port": port});
    }
    chain
}

/// A loopback address of its own for the listener at this position: Envoy refuses shared ones.
pub(super) fn address(position: usize) -> Value {
    const FIRST: usize = 10_000;
    const PER_HOST: usize = 50_000;
    json!({"socket_address": {
        "address": format!("127.0.{}.1", position / PER_HOST),
        "port_value": FIRST + position % PER_HOST,
    }})
}

/// The cluster of that name as Istio makes it; of a name that Istio does not make, a plain one.
pub(super) fn cluster(name: &str) -> Value {
    let mut cluster = json!({"name": name, "connect_timeout": "10s"});
    let kind = if name.starts_with("outbound|") {
        json!({
            "type": "EDS",
            "lb_policy": "LEAST_REQUEST",
            "eds_cluster_config": {
                "eds_config": {"ads": {}, "resource_api_version": "V3"},
                "service_name": name,
            },
            "circuit_breakers": {"thresholds": [{
                "max_connections": u32::MAX,
                "max_pending_requests": u32::MAX,
                "max_requests": u32::MAX,
                "max_retries": u32::MAX,
            }]},
        })
    } else if name.starts_with("inbound|") {
        json!({"type": "ORIGINAL_DST", "lb_policy": "CLUSTER_PROVIDED"})
    } else {
        json!({"type": "STATIC"})
    };
    if let (Value::Object(cluster), Value::Object(kind)) = (&mut cluster, kind) {
        cluster.extend(kind);
    }
    cluster
}

/// Whether [`fixed_clusters`] has a cluster of that name already.
pub(super) fn is_fixed(name: &str) -> bool {
    name == BLACK_HOLE || name == XDS
}

/// Clusters that every sidecar has, whatever its services.
pub(super) fn fixed_clusters() -> [Value; 2] {
    let xds = json!({
        "name": XDS,
        "type": "STATIC",
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": {"http2_protocol_options": {}},
            },
        },
    });
    [json!({"name": BLACK_HOLE, "type": "STATIC"}), xds]
}

/// Where endpoints of EDS clusters would come from. Nothing connects during validation.
pub(super) fn ads_config() -> Value {
    json!({
        "api_type": "GRPC",
        "transport_api_version": "V3",
        "grpc_services": [{"envoy_grpc": {"cluster_name": XDS}}],
    })
}
