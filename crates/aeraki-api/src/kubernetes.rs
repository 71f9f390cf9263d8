//! Core Kubernetes objects, as far as we read them. Other fields are passed over.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::ObjectMeta;

/// `v1` Service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Service {
    /// Name, namespace, labels, annotations.
    pub metadata: ObjectMeta,
    /// What the Service selects and listens on.
    pub spec: ServiceSpec,
}

/// The spec of a Service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ServiceSpec {
    /// The ports.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<ServicePort>,
    /// The labels of its pods; empty when the endpoints are kept by somebody else.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub selector: BTreeMap<String, String>,
    /// `ClusterIP`, `NodePort`, `LoadBalancer`, `ExternalName`; empty is `ClusterIP`.
    #[serde(rename = "type", skip_serializing_if = "String::is_empty")]
    pub type_: String,
    /// The first address, or `None` (the word) for a headless Service.
    #[serde(rename = "clusterIP", skip_serializing_if = "String::is_empty")]
    pub cluster_ip: String,
    /// All addresses, one per IP family; the first is [`cluster_ip`](Self::cluster_ip).
    #[serde(rename = "clusterIPs", skip_serializing_if = "Vec::is_empty")]
    pub cluster_ips: Vec<String>,
    /// The host behind an `ExternalName` Service.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub external_name: String,
    /// Further addresses that lead here.
    #[serde(rename = "externalIPs", skip_serializing_if = "Vec::is_empty")]
    pub external_ips: Vec<String>,
}

impl ServiceSpec {
    /// Whether the Service has no address of its own: clients see its endpoints.
    #[must_use]
    pub fn is_headless(&self) -> bool {
        self.cluster_ip == "None"
    }

    /// Every cluster address, once, in order; none for a headless Service.
    pub fn addresses(&self) -> impl Iterator<Item = &str> {
        let first = if self.cluster_ips.is_empty() {
            Some(&self.cluster_ip)
        } else {
            None
        };
        first
            .into_iter()
            .chain(&self.cluster_ips)
            .map(String::as_str)
            .filter(|ip| !ip.is_empty() && *ip != "None")
    }
}

/// One port of a Service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ServicePort {
    /// The name; may be empty where there is only one port.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// `TCP`, `UDP`, `SCTP`; empty is `TCP`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub protocol: String,
    /// What the port speaks, by Kubernetes' own naming.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app_protocol: Option<String>,
    /// The number that clients use.
    pub port: u16,
    /// Where the pods listen; the same number when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_port: Option<IntOrString>,
}

/// A port by number or by the name that the pod gives it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum IntOrString {
    /// A number.
    Int(i32),
    /// A name.
    String(String),
}

impl fmt::Display for IntOrString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(number) => number.fmt(f),
            Self::String(name) => name.fmt(f),
        }
    }
}

/// `discovery.k8s.io/v1` EndpointSlice; the label `kubernetes.io/service-name` says whose.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EndpointSlice {
    /// Name, namespace, labels, annotations.
    pub metadata: ObjectMeta,
    /// `IPv4`, `IPv6` or `FQDN`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub address_type: String,
    /// The endpoints.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub endpoints: Vec<Endpoint>,
    /// The ports that all of them have.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<EndpointPort>,
}

impl EndpointSlice {
    /// The label that names the Service.
    pub const SERVICE_NAME_LABEL: &'static str = "kubernetes.io/service-name";

    /// The Service, in the same namespace, that the endpoints belong to.
    #[must_use]
    pub fn service_name(&self) -> Option<&str> {
        self.metadata
            .labels
            .get(Self::SERVICE_NAME_LABEL)
            .map(String::as_str)
    }
}

/// One endpoint of an EndpointSlice.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Endpoint {
    /// Addresses that all lead to it.
    pub addresses: Vec<String>,
    /// Whether it works.
    pub conditions: EndpointConditions,
    /// The host name of the pod, where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
    /// The pod behind it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_ref: Option<ObjectReference>,
}

/// The state of an endpoint; what is absent is unknown and reads as ready.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EndpointConditions {
    /// Takes traffic.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ready: Option<bool>,
    /// Would take traffic, also while it shuts down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serving: Option<bool>,
    /// Shuts down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub terminating: Option<bool>,
}

/// Another object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ObjectReference {
    /// Its kind.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// Its name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Its namespace.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
}

/// One port of an EndpointSlice.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EndpointPort {
    /// The name of the Service's port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Where the pods listen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// `TCP`, `UDP`, `SCTP`; absent is `TCP`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
    /// What the port speaks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app_protocol: Option<String>,
}

/// `v1` Secret. Printing it for debugging shows the keys, never the values.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Secret {
    /// Name, namespace, labels, annotations.
    pub metadata: ObjectMeta,
    /// The values, each in base64.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub data: BTreeMap<String, String>,
    /// Values in clear text, which files may carry; the API server moves them into `data`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub string_data: BTreeMap<String, String>,
    /// What sort of secret it is.
    #[serde(rename = "type", skip_serializing_if = "String::is_empty")]
    pub type_: String,
}

impl Secret {
    /// The bytes under a key. Clear text wins over base64, as at the API server.
    ///
    /// `None` where the key is absent, `Some(Err)` where its value is not base64.
    #[must_use]
    pub fn value(&self, key: &str) -> Option<Result<Vec<u8>, InvalidBase64>> {
        if let Some(text) = self.string_data.get(key) {
            return Some(Ok(text.clone().into_bytes()));
        }
        self.data.get(key).map(|text| decode_base64(text))
    }
}

/// The value of a Secret is not base64. Says nothing of the value itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidBase64;

impl fmt::Display for InvalidBase64 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("value is not base64")
    }
}

impl std::error::Error for InvalidBase64 {}

/// Standard alphabet with padding; line breaks are passed over, as the API server does.
fn decode_base64(text: &str) -> Result<Vec<u8>, InvalidBase64> {
    let symbols: String = text.chars().filter(|c| !matches!(c, '\n' | '\r')).collect();
    STANDARD.decode(symbols).map_err(|_| InvalidBase64)
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secret")
            .field("namespace", &self.metadata.namespace)
            .field("name", &self.metadata.name)
            .field(
                "keys",
                &self
                    .data
                    .keys()
                    .chain(self.string_data.keys())
                    .collect::<Vec<_>>(),
            )
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_service_reads_ports_by_number_and_by_name() {
        let service: Service = serde_json::from_value(json!({
            "metadata": {"name": "redis", "namespace": "shop"},
            "spec": {"clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1", "fd00::1"],
                     "sessionAffinity": "None",
                     "ports": [{"name": "tcp-redis", "port": 6379, "targetPort": "redis"},
                               {"name": "tcp-redis-b", "port": 6380, "targetPort": 7000}]}
        }))
        .unwrap();
        let targets: Vec<_> = service
            .spec
            .ports
            .iter()
            .map(|p| p.target_port.clone())
            .collect();
        assert_eq!(
            targets,
            [
                Some(IntOrString::String("redis".into())),
                Some(IntOrString::Int(7000))
            ]
        );
        assert_eq!(
            service.spec.addresses().collect::<Vec<_>>(),
            ["10.0.0.1", "fd00::1"]
        );
        assert!(!service.spec.is_headless());
    }

    #[test]
    fn a_headless_service_has_no_addresses() {
        let spec: ServiceSpec =
            serde_json::from_value(json!({"clusterIP": "None", "clusterIPs": ["None"]})).unwrap();
        assert!(spec.is_headless());
        assert_eq!(spec.addresses().count(), 0);
    }

    #[test]
    fn an_endpoint_slice_says_whose_it_is() {
        let slice: EndpointSlice = serde_json::from_value(json!({
            "metadata": {"labels": {"kubernetes.io/service-name": "zk"}},
            "addressType": "IPv4",
            "endpoints": [{"addresses": ["10.1.0.1"], "conditions": {"ready": true}, "zone": "a"}],
            "ports": [{"name": "tcp-zookeeper", "port": 2181}]
        }))
        .unwrap();
        assert_eq!(slice.service_name(), Some("zk"));
        assert_eq!(slice.endpoints[0].conditions.ready, Some(true));
        assert_eq!(slice.ports[0].port, Some(2181));
    }

    #[test]
    fn a_secret_gives_its_bytes_and_never_prints_them() {
        let secret: Secret = serde_json::from_value(json!({
            "metadata": {"name": "s"}, "data": {"p": "c2VjcmV0", "bad": "c2Vj*mV0"},
            "stringData": {"q": "clear"}
        }))
        .unwrap();
        assert_eq!(secret.value("p"), Some(Ok(b"secret".to_vec())));
        assert_eq!(secret.value("q"), Some(Ok(b"clear".to_vec())));
        assert_eq!(secret.value("bad"), Some(Err(InvalidBase64)));
        assert_eq!(secret.value("absent"), None);
        let shown = format!("{secret:?}");
        assert!(
            !shown.contains("c2VjcmV0") && !shown.contains("clear"),
            "{shown}"
        );
    }

    #[test]
    fn base64_of_every_length_reads() {
        for (text, bytes) in [
            ("", ""),
            ("Zg==", "f"),
            ("Zm8=", "fo"),
            ("Zm9v", "foo"),
            ("Zm9v\nYg==", "foob"),
        ] {
            assert_eq!(
                decode_base64(text),
                Ok(bytes.as_bytes().to_vec()),
                "{text:?}"
            );
        }
        for text in ["Z", "Zg=", "Z===", "====", "Zg==Zg==", "Zm9v Yg="] {
            assert_eq!(decode_base64(text), Err(InvalidBase64), "{text:?}");
        }
    }
}
