//! Random meshes for property tests: small pools, so that hosts, listeners and names collide as they do in real life.
//!
//! Objects are drawn as the JSON a user would write and decoded as a source would, so that what fails prints as something
//! one can read. Nothing here knows what the right output is.

use std::sync::Arc;

use aeraki_api::networking::{DestinationRule, ServiceEntry, VirtualService};
use aeraki_api::{Cr, ObjectMeta, kubernetes};
use aeraki_core::object::{ConfigEvent, Kind, Object};
use aeraki_core::registry::Registry;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

mod rules;

/// Where objects live. The root namespace is among them.
pub(crate) const NAMESPACES: &[&str] = &["shop", "data", "istio-system"];
/// Hosts that collide: short, full, upper-case, wildcard.
pub(crate) const HOSTS: &[&str] = &[
    "orders.shop.svc.cluster.local",
    "com.acme.orders",
    "COM.acme.Orders",
    "cache.data.svc.cluster.local",
    "*.acme.com",
    "eu.acme.com",
    "very-long-host.with-many-labels.and-numbers-1.2.3.4",
];
const ADDRESSES: &[&str] = &[
    "240.240.0.1",
    "240.240.0.2",
    "240.240.0.3/32",
    "240.240.0.4",
    "240.240.0.5",
    "240.240.0.6",
    "240.240.0.7",
    "2001:db8::7",
    "10.9.0.0/24",
];
const PORT_NAMES: &[&str] = &[
    "tcp-dubbo",
    "tcp-dubbo-a",
    "TCP-Dubbo",
    "tcp-thrift",
    "tcp-redis",
    "tcp-redis-b",
    "tcp-zookeeper",
    "tcp-kafka",
    "tcp-dubo",
    "http-web",
    "http-dubbo",
    "tcp",
    "dubbo",
];
pub(crate) const PORTS: &[u32] = &[20880, 9090, 6379, 2181];
const PROTOCOLS: &[&str] = &["TCP", "TCP", "TCP", "HTTP", "TLS", ""];
const EXPORT_TO: &[&[&str]] = &[
    &[],
    &[],
    &[],
    &[],
    &["*"],
    &["."],
    &["shop"],
    &["data", "shop"],
    &["~"],
    &["istio-system"],
];

/// One object of any kind, as its JSON.
pub fn object_json() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => service_entry(),
        2 => service(),
        1 => endpoint_slice(),
        4 => rules::virtual_service(),
        2 => rules::destination_rule(),
        2 => rules::redis_service(),
        1 => rules::redis_destination(),
    ]
}

/// Decodes an object as a source would.
///
/// # Panics
/// If the JSON is not of its kind, which would be a defect of the strategies here.
pub fn decode(json: &Value, registry: &Registry) -> Option<Arc<Object>> {
    fn read<T: serde::de::DeserializeOwned>(json: &Value) -> T {
        serde_json::from_value(json.clone()).unwrap_or_else(|error| panic!("{error}: {json}"))
    }
    let kind = json["kind"].as_str().unwrap_or_default();
    let object = match kind {
        "ServiceEntry" => Object::from(read::<Cr<ServiceEntry>>(json)),
        "VirtualService" => Object::from(read::<Cr<VirtualService>>(json)),
        "DestinationRule" => Object::from(read::<Cr<DestinationRule>>(json)),
        "Service" => Object::from(read::<kubernetes::Service>(json)),
        "EndpointSlice" => Object::from(read::<kubernetes::EndpointSlice>(json)),
        extra => {
            let group = json["apiVersion"].as_str()?.split('/').next()?;
            let kind: Kind = registry.input(group, extra)?.kind;
            let meta: ObjectMeta = read(&json["metadata"]);
            Object::extra(kind, meta, json.clone())
        }
    };
    Some(Arc::new(object))
}

/// A step of a history.
#[derive(Clone, Debug)]
pub enum Step {
    /// An object is set.
    Put(Value),
    /// The object of an earlier step is removed, by its number modulo the steps so far.
    Delete(usize),
    /// The engine is drained.
    Drain,
}

/// A history of up to `length` steps.
pub fn history(length: usize) -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => object_json().prop_map(Step::Put),
        2 => any::<usize>().prop_map(Step::Delete),
        1 => Just(Step::Drain),
    ];
    proptest::collection::vec(step, 1..length)
}

/// The events of a history; `None` is a drain.
#[must_use]
pub fn events(history: &[Step], registry: &Registry) -> Vec<Option<ConfigEvent>> {
    let mut keys = Vec::new();
    let mut events = Vec::new();
    for step in history {
        match step {
            Step::Put(json) => {
                let Some(object) = decode(json, registry) else {
                    continue;
                };
                keys.push(object.key.clone());
                events.push(Some(ConfigEvent::Put(object)));
            }
            Step::Delete(index) if !keys.is_empty() => {
                let key = keys[index % keys.len()].clone();
                events.push(Some(ConfigEvent::Delete(key)));
            }
            Step::Delete(_) | Step::Drain => events.push(None),
        }
    }
    events
}

/// Metadata in one of the namespaces, with few names and times, so that objects replace and rival each other.
pub(crate) fn metadata(annotations: Value) -> impl Strategy<Value = Value> {
    let created = select(vec![
        None,
        None,
        Some("2024-01-01T00:00:00Z"),
        Some("2024-01-02T00:00:00Z"),
    ]);
    (
        select(NAMESPACES),
        select(&["a", "b", "c", "d", "e", "f"][..]),
        created,
    )
        .prop_map(move |(namespace, name, created)| {
            let mut meta =
                json!({"namespace": namespace, "name": name, "annotations": annotations});
            if let Some(created) = created {
                meta["creationTimestamp"] = json!(created);
            }
            meta
        })
}

pub(crate) fn export_to() -> impl Strategy<Value = Value> {
    select(EXPORT_TO).prop_map(|list| json!(list))
}

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

fn entry_port() -> impl Strategy<Value = Value> {
    (select(PORT_NAMES), select(PORTS), select(PROTOCOLS), select(&[0u32, 0, 8080][..])).prop_map(
        |(name, number, protocol, target)| {
            json!({"name": name, "number": number, "protocol": protocol, "targetPort": target})
        },
    )
}

fn service_entry() -> impl Strategy<Value = Value> {
    let spec = (
        proptest::collection::vec(select(HOSTS), 1..3),
        proptest::collection::vec(select(ADDRESSES), 0..3),
        proptest::collection::vec(entry_port(), 1..3),
        select(&["NONE", "STATIC", "DNS"][..]),
        export_to(),
        any::<bool>(),
    );
    let status = select(vec![
        json!({}),
        json!({"addresses": [{"value": "240.240.9.9"}]}),
    ]);
    (annotations().prop_flat_map(metadata), spec, status).prop_map(
        |(metadata, (hosts, addresses, ports, resolution, export_to, selects), status)| {
            let mut spec = json!({
                "hosts": hosts, "addresses": addresses, "ports": ports,
                "resolution": resolution, "exportTo": export_to,
            });
            if selects {
                spec["workloadSelector"] = json!({"labels": {"app": "orders"}});
            }
            json!({
                "apiVersion": "networking.istio.io/v1", "kind": "ServiceEntry",
                "metadata": metadata, "spec": spec, "status": status,
            })
        },
    )
}

fn service() -> impl Strategy<Value = Value> {
    let port = (select(PORT_NAMES), select(PORTS), select(vec![json!(0), json!(8080), json!("named")]))
        .prop_map(|(name, port, target)| {
            json!({"name": name.to_lowercase(), "port": port, "targetPort": target, "protocol": "TCP"})
        });
    let cluster_ip = select(&["", "None", "10.0.0.1", "10.0.0.2"][..]);
    (
        metadata(json!({})),
        proptest::collection::vec(port, 1..3),
        cluster_ip,
        any::<bool>(),
    )
        .prop_map(|(metadata, ports, cluster_ip, selects)| {
            let mut spec = json!({"ports": ports, "clusterIP": cluster_ip});
            if selects {
                spec["selector"] = json!({"app": "orders"});
            }
            json!({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec})
        })
}

fn endpoint_slice() -> impl Strategy<Value = Value> {
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
