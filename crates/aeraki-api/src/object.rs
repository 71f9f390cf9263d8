//! The envelope of a Kubernetes object, and what the API of each Istio kind is called.
//!
//! Knows nothing of what a spec means.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Timestamp;
use crate::networking::{DestinationRule, EnvoyFilter, ServiceEntry, VirtualService};

/// A custom resource with a spec of type `S`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(
    rename_all = "camelCase",
    bound(deserialize = "S: Default + Deserialize<'de>")
)]
pub struct Cr<S> {
    /// Group and version, as `networking.istio.io/v1`.
    #[serde(default)]
    pub api_version: String,
    /// The kind, as `VirtualService`.
    #[serde(default)]
    pub kind: String,
    /// Name, namespace, labels, and so on.
    #[serde(default)]
    pub metadata: ObjectMeta,
    /// What the user asks for.
    #[serde(default)]
    pub spec: S,
    /// What a controller answered; kept as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Value>,
}

impl<S: IstioKind> Cr<S> {
    /// An object of this kind, in the version to write.
    pub fn new(name: impl Into<String>, namespace: impl Into<String>, spec: S) -> Self {
        Self {
            api_version: format!("{}/{}", S::GROUP, S::VERSIONS[0]),
            kind: S::KIND.to_owned(),
            metadata: ObjectMeta {
                name: name.into(),
                namespace: namespace.into(),
                ..ObjectMeta::default()
            },
            spec,
            status: None,
        }
    }
}

/// The metadata of an object, as far as it matters to us. Other fields are passed over.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ObjectMeta {
    /// The object's name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The object's namespace; empty for cluster-wide objects and where a file does not say.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// Labels, for selection.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Annotations, for everything else.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// When the API server made the object; files have none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub creation_timestamp: Option<Timestamp>,
    /// When the object was asked to go away, while finalizers hold it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deletion_timestamp: Option<Timestamp>,
    /// An opaque mark of this very state of the object.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub resource_version: String,
    /// An identity that no later object of the same name shares.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub uid: String,
    /// Counts the changes of the spec.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generation: Option<i64>,
}

/// A kind of the Istio API: what a custom resource with this spec is called.
pub trait IstioKind: Default {
    /// The kind, as it stands in `kind:`.
    const KIND: &'static str;
    /// The API group.
    const GROUP: &'static str = "networking.istio.io";
    /// The versions that read alike, the one to write first.
    const VERSIONS: &'static [&'static str];
}

impl IstioKind for ServiceEntry {
    const KIND: &'static str = "ServiceEntry";
    const VERSIONS: &'static [&'static str] = &["v1", "v1beta1", "v1alpha3"];
}

impl IstioKind for VirtualService {
    const KIND: &'static str = "VirtualService";
    const VERSIONS: &'static [&'static str] = &["v1", "v1beta1", "v1alpha3"];
}

impl IstioKind for DestinationRule {
    const KIND: &'static str = "DestinationRule";
    const VERSIONS: &'static [&'static str] = &["v1", "v1beta1", "v1alpha3"];
}

impl IstioKind for EnvoyFilter {
    const KIND: &'static str = "EnvoyFilter";
    const VERSIONS: &'static [&'static str] = &["v1alpha3"];
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_custom_resource_reads_what_matters_and_passes_over_the_rest() {
        let cr: Cr<ServiceEntry> = serde_json::from_value(json!({
            "apiVersion": "networking.istio.io/v1", "kind": "ServiceEntry",
            "metadata": {"name": "n", "namespace": "s", "managedFields": [{}], "generation": 3,
                         "creationTimestamp": "2024-02-03T04:05:06Z"},
            "spec": {"hosts": ["h"]},
            "status": {"addresses": [{"value": "240.240.0.1"}]}
        }))
        .unwrap();
        assert_eq!(cr.metadata.generation, Some(3));
        assert_eq!(
            cr.metadata.creation_timestamp.unwrap().to_string(),
            "2024-02-03T04:05:06Z"
        );
        assert_eq!(cr.spec.hosts, ["h"]);
        assert_eq!(cr.status.unwrap()["addresses"][0]["value"], "240.240.0.1");
    }

    #[test]
    fn empty_metadata_is_left_out_of_what_is_written() {
        let cr = Cr::new("n", "s", EnvoyFilter::default());
        assert_eq!(
            serde_json::to_value(&cr).unwrap(),
            json!({"apiVersion": "networking.istio.io/v1alpha3", "kind": "EnvoyFilter",
                   "metadata": {"name": "n", "namespace": "s"}, "spec": {}})
        );
    }

    #[test]
    fn an_object_without_a_spec_has_an_empty_one() {
        let cr: Cr<VirtualService> = serde_json::from_value(json!({"kind": "x"})).unwrap();
        assert_eq!(cr.spec, VirtualService::default());
    }
}
