//! Who we say we are.

use std::net::IpAddr;

use aeraki_api::JsonStruct;
use aeraki_api::discovery::Node;
use serde_json::Value;

/// This process, as istiod wants to be told of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Identity {
    /// An address of this process. Istiod only wants there to be one.
    pub ip: IpAddr,
    /// The name of the pod, or of whatever else it is.
    pub pod: String,
    /// The namespace, which must be the one of the token or certificate: Istio's root namespace.
    pub namespace: String,
}

impl Identity {
    /// The node of the first request.
    ///
    /// A `router`, because a `sidecar` is not told of a DestinationRule whose host is no known service, and sees no
    /// more than a `Sidecar` object of the root namespace lets it see.
    pub(crate) fn node(&self) -> Node {
        let Self { ip, pod, namespace } = self;
        let generator = ("GENERATOR".to_owned(), Value::from("api"));
        Node {
            id: format!("router~{ip}~{pod}.{namespace}~{namespace}.svc.cluster.local"),
            cluster: String::new(),
            metadata: Some(JsonStruct::from_iter([generator])),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_node_is_a_router_that_asks_for_configuration() {
        let identity = Identity {
            ip: IpAddr::from([10, 0, 0, 9]),
            pod: "aeraki-0".to_owned(),
            namespace: "istio-system".to_owned(),
        };
        let node = identity.node();
        assert_eq!(
            node.id,
            "router~10.0.0.9~aeraki-0.istio-system~istio-system.svc.cluster.local"
        );
        assert_eq!(node.metadata.unwrap().get("GENERATOR"), Some(&"api".into()));
    }
}
