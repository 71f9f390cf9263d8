//! Random services: ServiceEntries, Services and their EndpointSlices.

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use super::{
    ADDRESSES, HOSTS, ODD_HOSTS, PORT_NAMES, PORTS, PROTOCOLS, TARGET_PORTS, export_to, favour,
    metadata, selector,
};

fn annotations() -> impl Strategy<Value = Value> {
    select(vec![
        json!({}),
        json!({}),
        json!({"interface": "com.acme.OrderService"}),
        json!({"interface": "com.acme.A, com.acme.B"}),
        json!({"interface": "a|b"}),
        json!({"workloadSelector": "app:orders"}),
        json!({"workloadSelector": "orders"}),
        json!({"workloadSelector": "a:b:c"}),
    ])
}

fn host() -> impl Strategy<Value = String> {
    // Longer than any object name may be.
    let endless = Just(format!("{}.acme.com", "endless-label.".repeat(20)));
    prop_oneof![
        30 => favour(HOSTS, 3).prop_map(str::to_owned),
        1 => select(ODD_HOSTS).prop_map(str::to_owned),
        1 => endless.prop_map(|host| host.replace("..", ".")),
    ]
}

fn entry_port() -> impl Strategy<Value = Value> {
    (favour(PORT_NAMES, 4), favour(PORTS, 2), favour(PROTOCOLS, 4), favour(TARGET_PORTS, 4)).prop_map(
        |(name, number, protocol, target)| {
            json!({"name": name, "number": number, "protocol": protocol, "targetPort": target})
        },
    )
}

pub(super) fn service_entry() -> impl Strategy<Value = Value> {
    let spec = (
        proptest::collection::vec(host(), 1..3),
        proptest::collection::vec(favour(ADDRESSES, 3), 0..3),
        proptest::collection::vec(entry_port(), 1..3),
        select(&["NONE", "STATIC", "DNS"][..]),
        export_to(),
        proptest::option::of(selector()),
    );
    let status = select(vec![
        json!({}),
        json!({"addresses": [{"value": "240.240.9.9"}]}),
    ]);
    (annotations().prop_flat_map(metadata), spec, status).prop_map(
        |(metadata, (hosts, addresses, ports, resolution, export_to, labels), status)| {
            let mut spec = json!({
                "hosts": hosts, "addresses": addresses, "ports": ports,
                "resolution": resolution, "exportTo": export_to,
            });
            if let Some(labels) = labels {
                spec["workloadSelector"] = json!({"labels": labels});
            }
            json!({
                "apiVersion": "networking.istio.io/v1", "kind": "ServiceEntry",
                "metadata": metadata, "spec": spec, "status": status,
            })
        },
    )
}

/// A ServiceEntry called as istiod calls its rendering of the Service `a`: it is one, or only looks like it by its name.
pub(super) fn rendering() -> impl Strategy<Value = Value> {
    (service_entry(), any::<bool>()).prop_map(|(mut entry, is_foreign)| {
        entry["metadata"]["name"] = json!("synthetic-a");
        if !is_foreign {
            let namespace = entry["metadata"]["namespace"].as_str().unwrap_or_default();
            entry["spec"]["hosts"] = json!([format!("a.{namespace}.svc.cluster.local")]);
        }
        entry
    })
}

pub(super) fn service() -> impl Strategy<Value = Value> {
    let target = select(vec![
        json!(0),
        json!(8080),
        json!(8081),
        json!(20880),
        json!("named"),
    ]);
    let protocol = select(&["TCP", "TCP", "TCP", "UDP", ""][..]);
    let port = (favour(PORT_NAMES, 4), favour(PORTS, 2), target, protocol)
        .prop_map(|(name, port, target, protocol)| {
            json!({"name": name.to_lowercase(), "port": port, "targetPort": target, "protocol": protocol})
        });
    let export_to = select(vec![
        json!({}),
        json!({}),
        json!({}),
        json!({"networking.istio.io/exportTo": "."}),
        json!({"networking.istio.io/exportTo": "shop, data"}),
        json!({"networking.istio.io/exportTo": "~"}),
    ]);
    let cluster_ip = select(&["", "None", "10.0.0.1", "10.0.0.2", "240.240.0.1"][..]);
    (
        export_to.prop_flat_map(metadata),
        proptest::collection::vec(port, 1..3),
        cluster_ip,
        proptest::option::of(selector()),
        proptest::bool::weighted(0.1),
    )
        .prop_map(|(metadata, ports, cluster_ip, labels, is_external)| {
            let mut spec = json!({"ports": ports, "clusterIP": cluster_ip});
            if let Some(labels) = labels {
                spec["selector"] = labels;
            }
            if is_external {
                spec["type"] = json!("ExternalName");
                spec["externalName"] = json!("eu.acme.com");
            }
            json!({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec})
        })
}

pub(super) fn endpoint_slice() -> impl Strategy<Value = Value> {
    let addresses =
        proptest::collection::vec(select(&["10.1.0.1", "10.1.0.2", "10.1.0.3"][..]), 0..3);
    (
        metadata(json!({})),
        select(&["a", "b"][..]),
        select(PORT_NAMES),
        addresses,
    )
        .prop_map(|(mut metadata, service, port, addresses)| {
            metadata["labels"] = json!({"kubernetes.io/service-name": service});
            json!({
                "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": metadata,
                "addressType": "IPv4", "endpoints": [{"addresses": addresses}],
                "ports": [{"name": port.to_lowercase(), "port": 7001}],
            })
        })
}
