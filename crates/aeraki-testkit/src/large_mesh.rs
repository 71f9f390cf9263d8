//! A regular mesh of any size, for benchmarks: as objects, as istiod tells it, and as the API server does.
//!
//! Each service has a ServiceEntry with an annotation, a VirtualService with three routes and a DestinationRule with two
//! subsets, and comes to an outbound and an inbound EnvoyFilter.

use std::sync::Arc;

use aeraki_api::mcp::{Any, Metadata, Resource};
use aeraki_api::networking::{DestinationRule, ServiceEntry, VirtualService};
use aeraki_api::{Cr, IstioKind, ObjectMeta};
use aeraki_core::object::Object;
use prost::{Message, Name};
use serde_json::json;

/// The namespace of everything in the mesh.
pub const NAMESPACE: &str = "shop";

/// EnvoyFilters of a service.
pub const FILTERS_OF_A_SERVICE: usize = 2;

/// One service of the mesh, by its number. Numbers up to 3,875,000 have addresses of their own.
#[derive(Clone, Copy, Debug)]
pub struct Member(pub usize);

impl Member {
    /// The name that its three objects have.
    #[must_use]
    pub fn name(self) -> String {
        format!("service{}", self.0)
    }

    /// The host.
    #[must_use]
    pub fn host(self) -> String {
        format!("com.acme.service{}.api", self.0)
    }

    fn address(self) -> String {
        let n = self.0;
        let (high, middle, low) = (n / 62_500, n / 250 % 250, n % 250 + 1);
        format!("240.{}.{middle}.{low}", 240 - high)
    }

    /// The name of its outbound EnvoyFilter, which stands in the root namespace.
    #[must_use]
    pub fn outbound_filter(self) -> String {
        format!("aeraki-outbound-{}-{}-20880", self.host(), self.address())
    }

    fn cr<S: IstioKind>(self, spec: S) -> Cr<S> {
        Cr::new(self.name(), NAMESPACE, spec)
    }

    /// Its ServiceEntry.
    #[must_use]
    pub fn service_entry(self) -> Cr<ServiceEntry> {
        let mut entry: Cr<ServiceEntry> = self.cr(spec(json!({
            "hosts": [self.host()], "addresses": [self.address()], "resolution": "STATIC",
            "ports": [{"number": 20880, "name": "tcp-dubbo", "protocol": "TCP"}],
            "workloadSelector": {"labels": {"app": self.name()}},
        })));
        let interface = (
            "interface".to_owned(),
            format!("com.acme.Service{}", self.0),
        );
        entry.metadata.annotations = [interface].into();
        entry
    }

    /// Its VirtualService; the first of its three routes is for this method.
    #[must_use]
    pub fn virtual_service(self, method: &str) -> Cr<VirtualService> {
        let host = self.host();
        let to = |subset: &str, weight: u32| json!({"destination": {"host": host, "subset": subset}, "weight": weight});
        self.cr(spec(json!({
            "hosts": [host],
            "http": [
                {"match": [{"method": {"exact": method}}], "route": [to("v2", 0)]},
                {"match": [{"headers": {"tenant": {"exact": "gold"}}}], "route": [to("v1", 0)]},
                {"route": [to("v1", 90), to("v2", 10)]},
            ],
        })))
    }

    /// Its DestinationRule.
    #[must_use]
    pub fn destination_rule(self) -> Cr<DestinationRule> {
        self.cr(spec(json!({
            "host": self.host(),
            "subsets": [
                {"name": "v1", "labels": {"version": "v1"}},
                {"name": "v2", "labels": {"version": "v2"}},
            ],
        })))
    }
}

/// The method of the first route of every service, as long as nothing has changed.
pub const METHOD: &str = "createOrder";

/// The members of a mesh of this size.
pub fn members(size: usize) -> impl Iterator<Item = Member> {
    (0..size).map(Member)
}

/// The three objects of each service.
#[must_use]
pub fn objects(size: usize) -> Vec<Arc<Object>> {
    let three = |member: Member| {
        [
            Object::from(member.service_entry()),
            member.virtual_service(METHOD).into(),
            member.destination_rule().into(),
        ]
    };
    members(size).flat_map(three).map(Arc::new).collect()
}

/// An object as istiod hands it out. Its name and version come with it, and nothing else of its metadata.
#[must_use]
pub fn resource<S: Message + Name>(object: &Cr<S>, version: u64) -> Any {
    let ObjectMeta {
        name,
        namespace,
        annotations,
        ..
    } = &object.metadata;
    Any::pack(&Resource {
        metadata: Some(Metadata {
            name: format!("{namespace}/{name}"),
            annotations: annotations.clone(),
            version: version.to_string(),
            ..Metadata::default()
        }),
        body: Some(Any::pack(&object.spec)),
    })
}

fn spec<S: serde::de::DeserializeOwned>(json: serde_json::Value) -> S {
    serde_json::from_value(json).expect("the field names are those of the message")
}
