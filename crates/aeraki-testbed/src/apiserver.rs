//! How kube-apiserver is started: its files, its flags, and when it is ready.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::cluster::Cluster;
use crate::etcd::Etcd;
use crate::pki::{self, Authority};

/// One line per request, without bodies, written before the request is over.
const AUDIT_POLICY: &str = r#"{"apiVersion": "audit.k8s.io/v1", "kind": "Policy",
 "omitStages": ["RequestReceived"], "rules": [{"level": "Metadata"}]}"#;

const ISSUER: &str = "https://kubernetes.default.svc.cluster.local";

/// Where the API server is reached, and where its files lie.
#[derive(Debug)]
pub(crate) struct ApiServer {
    pub(crate) address: SocketAddr,
    directory: PathBuf,
}

impl ApiServer {
    /// Writes its files into `directory`.
    pub(crate) fn prepare(
        address: SocketAddr,
        directory: PathBuf,
        authority: &Authority,
    ) -> Result<Self> {
        fs::create_dir_all(&directory)?;
        let server = authority.server()?;
        let (private, public) = pki::token_keys()?;
        for (name, text) in [
            ("ca.crt", authority.certificate()),
            ("server.crt", &server.certificate),
            ("server.key", &server.key),
            ("tokens.key", &private),
            ("tokens.pub", &public),
            ("audit-policy.json", AUDIT_POLICY),
        ] {
            fs::write(directory.join(name), text)?;
        }
        Ok(Self { address, directory })
    }

    pub(crate) fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    pub(crate) fn root_file(&self) -> PathBuf {
        self.directory.join("ca.crt")
    }

    pub(crate) fn audit_log(&self) -> PathBuf {
        self.directory.join("audit.log")
    }

    /// Admission of service accounts needs the controller manager, which is not there; without
    /// nodes there is no endpoint of its own to reconcile.
    pub(crate) fn command(&self, binary: &Path, etcd: &Etcd) -> Command {
        let mut command = Command::new(binary);
        for (flag, name) in [
            ("--client-ca-file", "ca.crt"),
            ("--tls-cert-file", "server.crt"),
            ("--tls-private-key-file", "server.key"),
            ("--service-account-signing-key-file", "tokens.key"),
            ("--service-account-key-file", "tokens.pub"),
            ("--audit-policy-file", "audit-policy.json"),
            ("--audit-log-path", "audit.log"),
        ] {
            command.arg(flag).arg(self.directory.join(name));
        }
        command
            .arg(format!("--etcd-servers=http://{}", etcd.client))
            .arg(format!("--secure-port={}", self.address.port()))
            .arg(format!("--service-account-issuer={ISSUER}"))
            .args([
                "--bind-address=127.0.0.1",
                "--advertise-address=127.0.0.1",
                "--authorization-mode=RBAC",
                "--service-cluster-ip-range=10.96.0.0/16",
                "--disable-admission-plugins=ServiceAccount",
                "--endpoint-reconciler-type=none",
                "--audit-log-maxsize=1024",
                "--profiling=false",
            ]);
        command
    }
}

/// Ready includes that the default roles of RBAC are there.
pub(crate) async fn is_ready(kubeconfig: &Path) -> bool {
    match Cluster::connect(kubeconfig).await {
        Ok(cluster) => cluster.is_ready().await,
        Err(_) => false,
    }
}
