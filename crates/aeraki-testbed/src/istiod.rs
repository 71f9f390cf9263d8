//! How istiod is started: its addresses, its settings, and when it is ready.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;

use serde_json::{Map, Value};

use crate::plain_http;
use crate::ports::Ports;

/// The addresses of istiod. They stay the same over restarts.
#[derive(Clone, Copy, Debug)]
pub struct Istiod {
    /// xDS in plain text, 15010 in a cluster.
    pub grpc_plain: SocketAddr,
    /// xDS over TLS, 15012 in a cluster; its certificate names `istiod.istio-system.svc`.
    pub grpc_tls: SocketAddr,
    /// `/ready` and the debug pages, 8080 in a cluster.
    pub http: SocketAddr,
    /// Webhooks, 15017 in a cluster.
    pub https: SocketAddr,
    /// Metrics and version, 15014 in a cluster.
    pub monitoring: SocketAddr,
}

impl Istiod {
    /// Proxies reach it at `address`, loopback if there is none. The debug pages stay on loopback:
    /// there alone istiod shows them without a token.
    pub(crate) fn at(ports: &mut Ports, address: Option<IpAddr>) -> Self {
        let address = address.unwrap_or(Ipv4Addr::LOCALHOST.into());
        let mut for_proxies = || SocketAddr::new(address, ports.next().port());
        Self {
            grpc_plain: for_proxies(),
            grpc_tls: for_proxies(),
            http: ports.next(),
            https: ports.next(),
            monitoring: ports.next(),
        }
    }

    /// Without webhook configurations: the bed has none, and istiod would wait for them.
    pub(crate) fn command(&self, binary: &Path, kubeconfig: &Path, mesh: &Path) -> Command {
        let mut command = Command::new(binary);
        command
            .arg("discovery")
            .arg("--kubeconfig")
            .arg(kubeconfig)
            .arg("--meshConfig")
            .arg(mesh)
            .args(["--grpcAddr", &self.grpc_plain.to_string()])
            .args(["--secureGRPCAddr", &self.grpc_tls.to_string()])
            .args(["--httpAddr", &self.http.to_string()])
            .args(["--httpsAddr", &self.https.to_string()])
            .args(["--monitoringAddr", &self.monitoring.to_string()])
            .args(["--ctrlz_port", "0"])
            .envs([
                ("POD_NAME", "istiod-testbed"),
                ("POD_NAMESPACE", "istio-system"),
                ("SERVICE_ACCOUNT", "istiod"),
                ("CLUSTER_ID", "Kubernetes"),
                ("INJECTION_WEBHOOK_CONFIG_NAME", ""),
                ("VALIDATION_WEBHOOK_CONFIG_NAME", ""),
            ]);
        command
    }

    pub(crate) async fn is_ready(&self) -> bool {
        plain_http::is_ok(self.http, "/ready").await
    }
}

/// Istio's mesh config: what the bed needs, then what the caller wants.
pub(crate) fn mesh_config(additions: &Map<String, Value>) -> Value {
    let mut mesh = Map::new();
    mesh.insert("trustDomain".to_owned(), "cluster.local".into());
    mesh.extend(additions.clone());
    Value::Object(mesh)
}
