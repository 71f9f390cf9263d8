//! Random meshes for property tests: small pools, so that hosts, listeners and names collide as they do in real life.
//!
//! Objects are drawn as the JSON a user would write and decoded as a source would, so that what fails prints as something
//! one can read. Nothing here knows what the right output is.

use std::fmt;
use std::sync::Arc;

use aeraki_api::networking::{DestinationRule, ServiceEntry, VirtualService};
use aeraki_api::{Cr, ObjectMeta, kubernetes};
use aeraki_core::object::{Kind, Object};
use aeraki_core::registry::Registry;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

mod history;
mod redis;
mod rules;
mod services;

pub use history::{Change, Pick, Step, events, history};

/// Where objects live. The root namespace is among them.
pub(crate) const NAMESPACES: &[&str] = &["shop", "data", "istio-system"];
/// What objects are called. One has the name of istiod's rendering of the Service `a`.
pub(crate) const NAMES: &[&str] = &["a", "b", "c", "d", "e", "f", "synthetic-a"];
/// When objects were created.
pub(crate) const CREATED: &[Option<&str>] = &[
    None,
    None,
    Some("2024-01-01T00:00:00Z"),
    Some("2024-01-02T00:00:00Z"),
];
/// Hosts that collide: short, full, upper-case, wildcard.
pub(crate) const HOSTS: &[&str] = &[
    "orders.shop.svc.cluster.local",
    "com.acme.orders",
    "COM.acme.Orders",
    "a.shop.svc.cluster.local",
    "cache.data.svc.cluster.local",
    "*.acme.com",
    "eu.acme.com",
    "very-long-host.with-many-labels.and-numbers-1.2.3.4",
];
/// Hosts that no object name can be made of as they stand, or no cluster name.
const ODD_HOSTS: &[&str] = &[
    "under_score.acme.com",
    "-.acme.com",
    "a..b",
    "a b.acme.com",
    "a|b.acme.com",
    "m\u{fc}nchen.acme.com",
];
pub(crate) const ADDRESSES: &[&str] = &[
    "240.240.0.1",
    "240.240.0.2",
    "240.240.0.3",
    "240.240.0.3/32",
    "240.240.0.4",
    "240.240.0.5",
    "240.240.0.6",
    "2001:db8::7",
    "2001:DB8::7",
    "10.9.0.0/24",
    "no-address",
];
pub(crate) const PORT_NAMES: &[&str] = &[
    "tcp-dubbo",
    "tcp-thrift",
    "tcp-redis",
    "tcp-zookeeper",
    "tcp-dubbo-a",
    "TCP-Dubbo",
    "tcp-redis-b",
    "tcp-kafka",
    "tcp-dubo",
    "http-web",
    "http-dubbo",
    "tcp",
    "dubbo",
];
pub(crate) const PORTS: &[u32] = &[20880, 9090, 6379, 2181];
/// Some equal to a port, some to each other.
pub(crate) const TARGET_PORTS: &[u32] = &[0, 0, 8080, 8080, 8081, 20880];
/// Mostly TCP; the others are what a port's twin may have.
pub(crate) const PROTOCOLS: &[&str] = &["TCP", "TCP", "TCP", "TCP", "UDP", "HTTP", "TLS", ""];
pub(crate) const EXPORT_TO: &[&[&str]] = &[
    &[],
    &[],
    &[],
    &[],
    &["*"],
    &["."],
    &["shop"],
    &["data"],
    &["data", "shop"],
    &["~"],
    &["istio-system"],
    &["Shop"],
    &["sh op", "data"],
    &["../shop"],
];
/// Annotations of services, as JSON pointers, and their values.
pub(crate) const ANNOTATIONS: &[(&str, &[&str])] = &[
    (
        "/metadata/annotations/interface",
        &["com.acme.OrderService", "com.acme.A, com.acme.B", "a|b"],
    ),
    (
        "/metadata/annotations/workloadSelector",
        &["app:orders", "orders", "app:other", "a:b:c"],
    ),
];

/// One object of any kind, as its JSON.
pub fn object_json() -> impl Strategy<Value = Value> {
    prop_oneof![
        10 => services::service_entry(),
        1 => services::rendering(),
        4 => services::service(),
        2 => services::endpoint_slice(),
        8 => rules::virtual_service(),
        2 => rules::destination_rule(),
        4 => redis::redis_service(),
        3 => redis::redis_destination(),
        1 => redis::secret(),
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
            let version = json["apiVersion"].as_str()?;
            let group = version.split_once('/').map_or("", |(group, _)| group);
            let kind: Kind = registry.input(group, extra)?.kind;
            let meta: ObjectMeta = read(&json["metadata"]);
            Object::extra(kind, meta, json.clone())
        }
    };
    Some(Arc::new(object))
}

/// Metadata in one of the namespaces, with few names and times, so that objects replace and rival each other.
pub(crate) fn metadata(annotations: Value) -> impl Strategy<Value = Value> {
    (favour(NAMESPACES, 1), select(NAMES), select(CREATED)).prop_map(
        move |(namespace, name, created)| {
            let mut meta =
                json!({"namespace": namespace, "name": name, "annotations": annotations});
            if let Some(created) = created {
                meta["creationTimestamp"] = json!(created);
            }
            meta
        },
    )
}

pub(crate) fn export_to() -> impl Strategy<Value = Value> {
    favour(EXPORT_TO, 7).prop_map(|list| json!(list))
}

/// One of a pool, mostly of the first few: objects that have much in common are where things go wrong.
pub(crate) fn favour<T: Clone + fmt::Debug + 'static>(
    pool: &'static [T],
    first: usize,
) -> impl Strategy<Value = T> {
    prop_oneof![2 => select(&pool[..first]), 1 => select(pool)]
}

/// Labels of workloads: some pods have the first two.
pub(crate) fn selector() -> impl Strategy<Value = Value> {
    select(vec![
        json!({"app": "orders"}),
        json!({"app": "orders", "role": "x"}),
        json!({"app": "other"}),
    ])
}
