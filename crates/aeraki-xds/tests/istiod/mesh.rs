//! The bed that the tests share, and what a client needs to be let in.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use aeraki_testbed::{Cluster, Options, Testbed};
use aeraki_xds::settings::{SERVER_NAME, Security, Settings, Tls};
use tempfile::TempDir;
use tokio::sync::{OnceCell, RwLock};

use super::running::settings;

static BED: OnceCell<Testbed> = OnceCell::const_new();

/// Read by tests that need istiod to stay, written by those that end it.
pub static ISTIOD: RwLock<()> = RwLock::const_new(());

pub async fn bed() -> &'static Testbed {
    let start = || Testbed::start(Options::default().with_sidecars());
    BED.get_or_try_init(start).await.unwrap()
}

/// A namespace of this test's own.
pub async fn namespace(cluster: &Cluster, name: &str) {
    let yaml = format!("{{apiVersion: v1, kind: Namespace, metadata: {{name: {name}}}}}");
    cluster.apply(&yaml).await.unwrap();
}

/// The files that prove who a client is.
pub struct Files {
    directory: TempDir,
}

impl Files {
    /// A root certificate, and a token of a service account of `namespace` for `audience`.
    pub async fn new(cluster: &Cluster, namespace: &str, audience: &str) -> Self {
        let files = Self {
            directory: tempfile::tempdir().unwrap(),
        };
        files.write("root.pem", &cluster.root_cert().await.unwrap());
        cluster
            .create_service_account(namespace, "aeraki")
            .await
            .unwrap();
        let token = cluster.token(namespace, "aeraki", audience).await.unwrap();
        files.write("token", &token);
        files
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn write(&self, name: &str, content: &str) {
        std::fs::write(self.path(name), content).unwrap();
    }

    pub fn tls(&self) -> Tls {
        Tls {
            root_cert: self.path("root.pem"),
            server_name: SERVER_NAME.to_owned(),
            token: Some(self.path("token")),
            certificate: None,
        }
    }

    pub fn settings(&self, address: SocketAddr) -> Settings {
        secure(address, self.tls())
    }
}

pub fn secure(address: SocketAddr, tls: Tls) -> Settings {
    let mut settings = settings(address.to_string());
    settings.security = Security::Tls(tls);
    settings.cluster_id = Some("Kubernetes".to_owned());
    // Rarely, so that what a test sees was pushed.
    settings.timing.resync = Duration::from_secs(3600);
    settings
}

/// Those of a namespace among the names of objects.
pub fn of_namespace(names: Vec<String>, namespace: &str) -> Vec<String> {
    let part = format!(" {namespace}/");
    names
        .into_iter()
        .filter(|name| name.contains(&part))
        .collect()
}
