//! Random rules: VirtualServices and DestinationRules.

use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};

use super::{HOSTS, PORTS, export_to, favour, metadata};

/// Short names, known and unknown hosts.
pub(super) const DESTINATIONS: &[&str] = &[
    "orders",
    "a",
    "com.acme.orders",
    "cache.data.svc.cluster.local",
    "eu.acme.com",
    "nowhere.com",
    "",
    "a|b",
];

fn text() -> impl Strategy<Value = Value> {
    // The usual ones more often: one odd condition is enough to refuse a rule.
    select(vec![
        json!({"exact": "createOrder"}),
        json!({"exact": "createOrder"}),
        json!({"exact": "createOrder"}),
        json!({"exact": ""}),
        json!({"prefix": "get"}),
        json!({"prefix": "get"}),
        json!({"prefix": "get"}),
        json!({"prefix": ""}),
        json!({"regex": "^list(Open|Closed)$"}),
        json!({"regex": ".{1001}"}),
        json!({"regex": "(?=x)"}),
        json!({"regex": ""}),
        json!({}),
    ])
}

fn headers() -> impl Strategy<Value = Value> {
    let name = select(&["tenant", "tenant", "x-env", "x-env", "user.id", "bad name"][..]);
    proptest::collection::btree_map(name, text(), 0..3).prop_map(|headers| json!(headers))
}

/// A match with few conditions, among them some that nothing can express.
fn http_match() -> impl Strategy<Value = Value> {
    let other = select(vec![
        json!({}),
        json!({}),
        json!({}),
        json!({}),
        json!({}),
        json!({}),
        json!({"uri": {"prefix": "/"}}),
        json!({"sourceLabels": {"app": "x"}}),
        json!({"gateways": ["mesh"]}),
        json!({"gateways": ["some/gateway"]}),
        json!({"sourceNamespace": "shop"}),
    ]);
    let port = option::weighted(0.3, select(PORTS));
    (
        option::of(text()),
        option::weighted(0.4, headers()),
        option::weighted(0.2, headers()),
        port,
        other,
    )
        .prop_map(|(method, headers, without, port, other)| {
            let mut entry = Map::new();
            entry.extend(method.map(|value| ("method".to_owned(), value)));
            entry.extend(headers.map(|value| ("headers".to_owned(), value)));
            entry.extend(without.map(|value| ("withoutHeaders".to_owned(), value)));
            entry.extend(port.map(|value| ("port".to_owned(), json!(value))));
            entry.extend(other.as_object().cloned().unwrap_or_default());
            Value::Object(entry)
        })
}

fn destination() -> impl Strategy<Value = Value> {
    let port = option::weighted(0.3, select(PORTS));
    (
        select(DESTINATIONS),
        select(&["", "v1", "v2", "undefined"][..]),
        port,
    )
        .prop_map(|(host, subset, port)| {
            let mut destination = json!({"host": host, "subset": subset});
            if let Some(port) = port {
                destination["port"] = json!({"number": port});
            }
            destination
        })
}

fn weighted() -> impl Strategy<Value = Value> {
    let weight = select(&[0, 0, 10, 50, 90, 100, -5, i32::MAX][..]);
    (destination(), weight)
        .prop_map(|(destination, weight)| json!({"destination": destination, "weight": weight}))
}

fn http_route() -> impl Strategy<Value = Value> {
    let extra = select(vec![
        json!({}),
        json!({}),
        json!({}),
        json!({"redirect": {"uri": "/"}}),
        json!({"directResponse": {"status": 503}}),
        json!({"delegate": {"name": "x"}}),
        json!({"timeout": "5s", "retries": {"attempts": 2}}),
    ]);
    let mirror = option::weighted(
        0.3,
        (
            destination(),
            select(vec![
                json!({"value": 12.5}),
                json!({"value": -1}),
                json!({"value": 0}),
            ]),
        ),
    );
    let routes = proptest::collection::vec(weighted(), 0..4);
    (
        proptest::collection::vec(http_match(), 0..3),
        routes,
        mirror,
        extra,
    )
        .prop_map(|(matches, routes, mirror, extra)| {
            let mut route = json!({"match": matches, "route": routes});
            if let Some((to, percent)) = mirror {
                route["mirror"] = to;
                route["mirrorPercentage"] = percent;
            }
            if let (Some(route), Some(extra)) = (route.as_object_mut(), extra.as_object()) {
                route.extend(extra.clone());
            }
            route
        })
}

fn tcp_route() -> impl Strategy<Value = Value> {
    let matches = select(vec![
        json!([]),
        json!([{"port": 20880}]),
        json!([{"destinationSubnets": ["10.0.0.0/8"]}]),
    ]);
    (matches, proptest::collection::vec(weighted(), 0..3))
        .prop_map(|(matches, routes)| json!({"match": matches, "route": routes}))
}

pub(super) fn virtual_service() -> impl Strategy<Value = Value> {
    let annotations = select(vec![json!({}), json!({"aeraki.net/ignore-case": "tenant"})]);
    let spec = (
        proptest::collection::vec(favour(HOSTS, 3), 1..3),
        proptest::collection::vec(http_route(), 0..4),
        proptest::collection::vec(tcp_route(), 0..2),
        select(vec![
            json!([]),
            json!([]),
            json!([]),
            json!(["mesh"]),
            json!(["gw"]),
        ]),
        export_to(),
    );
    (annotations.prop_flat_map(metadata), spec).prop_map(
        |(metadata, (hosts, http, tcp, gateways, export_to))| {
            json!({
                "apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "metadata": metadata,
                "spec": {"hosts": hosts, "http": http, "tcp": tcp, "gateways": gateways, "exportTo": export_to},
            })
        },
    )
}

pub(super) fn destination_rule() -> impl Strategy<Value = Value> {
    let pool = select(vec![
        json!({}),
        json!({"connectionPool": {"tcp": {"maxConnections": 7}}}),
    ]);
    (metadata(json!({})), favour(HOSTS, 3), pool, export_to()).prop_map(
        |(metadata, host, policy, export_to)| {
            json!({
                "apiVersion": "networking.istio.io/v1", "kind": "DestinationRule", "metadata": metadata,
                "spec": {
                    "host": host, "trafficPolicy": policy, "exportTo": export_to,
                    "subsets": [{"name": "v1", "labels": {"version": "v1"}}, {"name": "v2"}],
                },
            })
        },
    )
}
