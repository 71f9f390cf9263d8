//! The config objects that come in, whatever source they come from.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use aeraki_api::kubernetes::{EndpointSlice, ServiceSpec};
use aeraki_api::networking::{DestinationRule, ServiceEntry, VirtualService};
use aeraki_api::{Cr, ObjectMeta, Packed, Timestamp, kubernetes};
use serde::de::{self, Deserialize, Deserializer};

use crate::pairs::Pairs;
use crate::table::Keyed;

/// A kind of object, by API group and name. The version is a matter of the edge.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    name: &'static str,
    group: &'static str,
}

impl Kind {
    /// `ServiceEntry.networking.istio.io`
    pub const SERVICE_ENTRY: Self = Self::new("networking.istio.io", "ServiceEntry");
    /// `VirtualService.networking.istio.io`
    pub const VIRTUAL_SERVICE: Self = Self::new("networking.istio.io", "VirtualService");
    /// `DestinationRule.networking.istio.io`
    pub const DESTINATION_RULE: Self = Self::new("networking.istio.io", "DestinationRule");
    /// `EnvoyFilter.networking.istio.io`
    pub const ENVOY_FILTER: Self = Self::new("networking.istio.io", "EnvoyFilter");
    /// The core `Service`.
    pub const SERVICE: Self = Self::new("", "Service");
    /// `EndpointSlice.discovery.k8s.io`
    pub const ENDPOINT_SLICE: Self = Self::new("discovery.k8s.io", "EndpointSlice");

    /// A kind of a protocol crate, such as `RedisService.redis.aeraki.io`.
    #[must_use]
    pub const fn new(group: &'static str, name: &'static str) -> Self {
        Self { name, group }
    }

    /// The kind's name, such as `ServiceEntry`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.name
    }

    /// Whether objects of this kind can stand for services.
    pub(crate) fn is_service(self) -> bool {
        self == Self::SERVICE_ENTRY || self == Self::SERVICE
    }

    /// The API group, empty for core.
    #[must_use]
    pub const fn group(self) -> &'static str {
        self.group
    }
}

impl Ord for Kind {
    fn cmp(&self, other: &Self) -> Ordering {
        // Keys of one kind are compared all the time, and their kinds are mostly the same constant.
        if std::ptr::eq(self.name, other.name) && std::ptr::eq(self.group, other.group) {
            return Ordering::Equal;
        }
        (self.name, self.group).cmp(&(other.name, other.group))
    }
}

impl Hash for Kind {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // Kinds of one name and several groups are rare enough.
        self.name.hash(state);
    }
}

impl PartialOrd for Kind {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// Which object: kind, namespace and name. Displayed as `ServiceEntry shop/orders`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ObjectKey {
    /// The kind.
    pub kind: Kind,
    /// The namespace.
    pub namespace: Arc<str>,
    /// The name.
    pub name: Arc<str>,
}

impl ObjectKey {
    /// The key of `namespace/name`.
    pub fn new(kind: Kind, namespace: impl Into<Arc<str>>, name: impl Into<Arc<str>>) -> Self {
        Self {
            kind,
            namespace: namespace.into(),
            name: name.into(),
        }
    }
}

impl Keyed for ObjectKey {
    type Key = Self;

    fn key(&self) -> &Self {
        self
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/{}", self.kind, self.namespace, self.name)
    }
}

/// What this crate reads of an object's metadata.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Metadata {
    /// The labels.
    pub labels: Pairs,
    /// The annotations.
    pub annotations: Pairs,
    /// When it was created; absent in files, and then older than any time.
    pub created: Option<Timestamp>,
}

/// The body of an object. Istio's messages are kept packed, since there may be ten thousands of each.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub enum Body {
    /// A ServiceEntry, and the addresses istiod gave it (`status.addresses`).
    ServiceEntry {
        /// The spec.
        spec: Packed<ServiceEntry>,
        /// `status.addresses` as (host, value); an empty host is every host.
        auto_addresses: Vec<(String, String)>,
    },
    /// A core Service.
    Service(Box<ServiceSpec>),
    /// One slice of a Service's endpoints.
    EndpointSlice(Box<EndpointSlice>),
    /// A VirtualService.
    VirtualService(Packed<VirtualService>),
    /// A DestinationRule.
    DestinationRule(Packed<DestinationRule>),
    /// The whole JSON of an object of a kind that some protocol declared as an input.
    Extra(Extra),
}

/// The JSON of an object that only one protocol understands. Its `Debug` shows nothing: it may hold a secret.
#[derive(Clone, PartialEq)]
pub struct Extra(pub serde_json::Value);

impl fmt::Debug for Extra {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Extra(…)")
    }
}

/// One config object.
#[derive(Clone, PartialEq, Debug)]
pub struct Object {
    /// Which object.
    pub key: ObjectKey,
    /// Its metadata.
    pub meta: Metadata,
    /// Its decoded body.
    pub body: Body,
}

/// What happened to the config.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub enum ConfigEvent {
    /// The object is now this.
    Put(Arc<Object>),
    /// The object is gone.
    Delete(ObjectKey),
}

impl ConfigEvent {
    /// Which object it happened to.
    #[must_use]
    pub fn key(&self) -> &ObjectKey {
        match self {
            Self::Put(object) => &object.key,
            Self::Delete(key) => key,
        }
    }
}

/// The namespace of an object that names none, as kubectl has it.
pub const DEFAULT_NAMESPACE: &str = "default";

/// `kubectl apply` keeps the whole object once more in this annotation. Nobody here reads it, and it is large.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

impl Object {
    fn new(kind: Kind, mut meta: ObjectMeta, body: Body) -> Self {
        meta.annotations.remove(LAST_APPLIED);
        let namespace = match meta.namespace.as_str() {
            "" => DEFAULT_NAMESPACE,
            given => given,
        };
        Self {
            key: ObjectKey::new(kind, namespace, meta.name.as_str()),
            meta: Metadata {
                labels: Pairs::from(&meta.labels),
                annotations: Pairs::from(&meta.annotations),
                created: meta.creation_timestamp,
            },
            body,
        }
    }

    /// Reads an object of `kind` as the API server or a file has it. A kind that is not known here is kept as JSON.
    ///
    /// # Errors
    /// When the JSON is not of the kind's type.
    pub fn read<'de, D: Deserializer<'de>>(kind: Kind, json: D) -> Result<Self, D::Error> {
        match kind {
            Kind::SERVICE_ENTRY => Cr::<ServiceEntry>::deserialize(json).map(Into::into),
            Kind::VIRTUAL_SERVICE => Cr::<VirtualService>::deserialize(json).map(Into::into),
            Kind::DESTINATION_RULE => Cr::<DestinationRule>::deserialize(json).map(Into::into),
            Kind::SERVICE => kubernetes::Service::deserialize(json).map(Into::into),
            Kind::ENDPOINT_SLICE => EndpointSlice::deserialize(json).map(Into::into),
            _ => Self::read_extra(kind, serde_json::Value::deserialize(json)?),
        }
    }

    fn read_extra<E: de::Error>(kind: Kind, json: serde_json::Value) -> Result<Self, E> {
        let meta = match json.get("metadata") {
            Some(meta) => ObjectMeta::deserialize(meta).map_err(E::custom)?,
            None => ObjectMeta::default(),
        };
        Ok(Self::extra(kind, meta, json))
    }

    /// An object of a declared extra kind, from its whole JSON.
    #[must_use]
    pub fn extra(kind: Kind, meta: ObjectMeta, json: serde_json::Value) -> Self {
        Self::new(kind, meta, Body::Extra(Extra(json)))
    }
}

impl From<Cr<ServiceEntry>> for Object {
    fn from(cr: Cr<ServiceEntry>) -> Self {
        let auto_addresses = auto_addresses(cr.status.as_ref());
        let spec = Packed::of(&cr.spec);
        Self::new(
            Kind::SERVICE_ENTRY,
            cr.metadata,
            Body::ServiceEntry {
                spec,
                auto_addresses,
            },
        )
    }
}

impl From<Cr<VirtualService>> for Object {
    fn from(cr: Cr<VirtualService>) -> Self {
        let body = Body::VirtualService(Packed::of(&cr.spec));
        Self::new(Kind::VIRTUAL_SERVICE, cr.metadata, body)
    }
}

impl From<Cr<DestinationRule>> for Object {
    fn from(cr: Cr<DestinationRule>) -> Self {
        let body = Body::DestinationRule(Packed::of(&cr.spec));
        Self::new(Kind::DESTINATION_RULE, cr.metadata, body)
    }
}

impl From<kubernetes::Service> for Object {
    fn from(service: kubernetes::Service) -> Self {
        Self::new(
            Kind::SERVICE,
            service.metadata,
            Body::Service(Box::new(service.spec)),
        )
    }
}

impl From<EndpointSlice> for Object {
    fn from(mut slice: EndpointSlice) -> Self {
        let meta = std::mem::take(&mut slice.metadata);
        Self::new(
            Kind::ENDPOINT_SLICE,
            meta,
            Body::EndpointSlice(Box::new(slice)),
        )
    }
}

/// `status.addresses` is `[{host, value}]`, written by istiod for entries without addresses of their own.
fn auto_addresses(status: Option<&serde_json::Value>) -> Vec<(String, String)> {
    let text = |value: &serde_json::Value, field: &str| {
        value
            .get(field)
            .and_then(serde_json::Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    status
        .and_then(|status| status.get("addresses")?.as_array())
        .into_iter()
        .flatten()
        .map(|address| (text(address, "host"), text(address, "value")))
        .filter(|(_, value)| !value.is_empty())
        .collect()
}
