//! A real Envoy as a sidecar of the bed's mesh.
//!
//! Stock Envoy lacks the filters that Istio's own proxy adds, so the bed must be one
//! [`Options::with_sidecars`](crate::Options::with_sidecars): there istiod asks for none of them.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;

use anyhow::{Context, Result, ensure};
use serde_json::{Map, Value, json};

use crate::plain_http;
use crate::process::Process;
use crate::ready::ready;
use crate::stats::StatsMatcher;
use crate::{Istiod, Testbed, Usage};

/// Who the sidecar says it is.
#[derive(Clone, Debug)]
pub struct SidecarOptions {
    pod: String,
    namespace: String,
    address: String,
    metadata: Map<String, Value>,
    admin: SocketAddr,
    launcher: Vec<String>,
    stats: Option<StatsMatcher>,
}

impl SidecarOptions {
    /// The pod `<pod>` in a namespace. Its address is 127.0.0.100: one that no endpoint of a
    /// ServiceEntry should have, or istiod would take the sidecar for that endpoint's.
    pub fn new(namespace: &str, pod: &str) -> Self {
        let metadata = json!({
            "ISTIO_VERSION": "1.31.0",
            "CLUSTER_ID": "Kubernetes",
            "INTERCEPTION_MODE": "REDIRECT",
        });
        let Value::Object(metadata) = metadata else {
            unreachable!("it is written as an object")
        };
        Self {
            pod: pod.to_owned(),
            namespace: namespace.to_owned(),
            address: "127.0.0.100".to_owned(),
            metadata,
            admin: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            launcher: vec![],
            stats: None,
        }
    }

    /// Another address of the pod.
    #[must_use]
    pub fn address(mut self, address: &str) -> Self {
        address.clone_into(&mut self.address);
        self
    }

    /// A field of the node's metadata, as `LABELS` = `{"app": "orders"}` or `INTERCEPTION_MODE` =
    /// `NONE`.
    #[must_use]
    pub fn metadata(mut self, field: &str, value: impl Into<Value>) -> Self {
        self.metadata.insert(field.to_owned(), value.into());
        self
    }

    /// Where Envoy serves its admin page, instead of any port of loopback.
    #[must_use]
    pub fn admin(mut self, address: SocketAddr) -> Self {
        self.admin = address;
        self
    }

    /// A command that becomes Envoy, as `setpriv --reuid 1337`: what follows its words is Envoy's own
    /// command line. It may lead into a network namespace that has a way to istiod.
    #[must_use]
    pub fn launcher<W: Into<String>>(mut self, words: impl IntoIterator<Item = W>) -> Self {
        self.launcher = words.into_iter().map(Into::into).collect();
        self
    }

    /// Statistics as Istio's agent has them with this `proxyStatsMatcher`: few but those that it lets through, with labels in
    /// Istio's way. Without this Envoy publishes all that it counts, as it does by itself.
    #[must_use]
    pub fn stats(mut self, matcher: &StatsMatcher) -> Self {
        self.stats = Some(matcher.clone());
        self
    }

    /// How istiod's debug pages call it.
    pub fn proxy_id(&self) -> String {
        format!("{}.{}", self.pod, self.namespace)
    }

    /// Its id as a node of xDS.
    pub fn node_id(&self) -> String {
        let Self {
            pod,
            namespace,
            address,
            ..
        } = self;
        format!("sidecar~{address}~{pod}.{namespace}~{namespace}.svc.cluster.local")
    }

    /// What Envoy starts with: no listener, no cluster but istiod's.
    fn bootstrap(&self, istiod: &Istiod) -> Value {
        let mut metadata = self.metadata.clone();
        metadata.insert("NAMESPACE".to_owned(), self.namespace.as_str().into());
        metadata.insert("INSTANCE_IPS".to_owned(), self.address.as_str().into());
        let ads = json!({"ads": {}, "resource_api_version": "V3"});
        let stats = self.stats.as_ref().map(StatsMatcher::as_stats_config);
        json!({
            "node": {
                "id": self.node_id(),
                "cluster": self.proxy_id(),
                "metadata": metadata,
            },
            "dynamic_resources": {
                "ads_config": {
                    "api_type": "GRPC",
                    "transport_api_version": "V3",
                    "grpc_services": [{"envoy_grpc": {"cluster_name": "xds-grpc"}}],
                },
                "cds_config": ads,
                "lds_config": ads,
            },
            "static_resources": {"clusters": [cluster("xds-grpc", istiod.grpc_plain)]},
            "admin": {"address": socket_address(self.admin)},
            "stats_config": stats,
            // As Istio's own bootstrap has it; Envoy's default refuses many a regex.
            "layered_runtime": {"layers": [{
                "name": "istio",
                "static_layer": {"re2.max_program_size.error_level": 32768},
            }]},
        })
    }
}

/// A running Envoy, ended when dropped.
#[derive(Debug)]
pub struct Sidecar {
    process: Mutex<Process>,
    admin: SocketAddr,
}

impl Sidecar {
    /// Starts Envoy and waits until its admin page answers. That says nothing of what istiod sends:
    /// for that see [`Sidecar::until_live`].
    pub async fn start(bed: &Testbed, options: &SidecarOptions) -> Result<Self> {
        let name = format!("envoy-{}", options.proxy_id());
        let directory = bed.directory().join(&name);
        fs::create_dir(&directory).context("two sidecars of one pod")?;
        let config = directory.join("bootstrap.json");
        fs::write(&config, options.bootstrap(bed.istiod()).to_string())?;
        let admin_file = directory.join("admin");
        let envoy = aeraki_testcache::existing_envoy()?;
        let mut command = match options.launcher.split_first() {
            Some((program, arguments)) => {
                let mut command = Command::new(program);
                command.args(arguments).arg(envoy);
                command
            }
            None => Command::new(envoy),
        };
        command
            .args(["--disable-hot-restart", "--concurrency", "1"])
            // As Istio's agent has it: what a listener's change does to open connections hangs on it.
            .args(["--drain-time-s", "45", "--drain-strategy", "immediate"])
            .args(["--log-level", "warning", "--config-path"])
            .arg(&config)
            .arg("--admin-address-path")
            .arg(&admin_file);
        let mut process = bed.run(&name, command)?;
        ready(&mut process, async || admin_address(&admin_file).is_some()).await?;
        let admin = admin_address(&admin_file).context("the file was there")?;
        let process = Mutex::new(process);
        Ok(Self { process, admin })
    }

    /// What Envoy has used so far.
    pub fn usage(&self) -> Result<Usage> {
        let process = self.process.lock().expect("no panic under the lock");
        Usage::of(process.id())
    }

    /// The address of the admin page.
    pub fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// Waits until Envoy has had its first clusters and listeners.
    pub async fn until_live(&self) -> Result<()> {
        let live = async || plain_http::is_ok(self.admin, "/ready").await;
        crate::ready::eventually("Envoy is live", async || Ok(live().await.then_some(()))).await
    }

    /// What the admin page says under a path, as `/clusters`.
    pub async fn page(&self, path: &str) -> Result<String> {
        let (status, body) = plain_http::get(self.admin, path).await?;
        ensure!(
            status.is_success(),
            "Envoy's {path} answers {status}: {body}"
        );
        Ok(body)
    }

    /// Everything that Envoy has loaded, and what it has refused last (`error_state`).
    pub async fn config_dump(&self) -> Result<Value> {
        Ok(serde_json::from_str(
            &self.page("/config_dump?include_eds").await?,
        )?)
    }

    /// The dynamic listener of this name, with its `active_state` and `error_state`.
    pub async fn listener(&self, name: &str) -> Result<Option<Value>> {
        let listeners = self.loaded("dynamic_listeners").await?;
        Ok(listeners.into_iter().find(|it| it["name"] == name))
    }

    /// The cluster of this name, as istiod has sent it.
    pub async fn cluster(&self, name: &str) -> Result<Option<Value>> {
        let clusters = self.loaded("dynamic_active_clusters").await?;
        let mut all = clusters
            .into_iter()
            .map(|mut cluster| cluster["cluster"].take());
        Ok(all.find(|cluster| cluster["name"] == name))
    }

    /// Everything of one kind that Envoy has loaded.
    async fn loaded(&self, kind: &str) -> Result<Vec<Value>> {
        let page = self.page(&format!("/config_dump?resource={kind}")).await?;
        let mut dump: Value = serde_json::from_str(&page)?;
        Ok(match dump["configs"].take() {
            Value::Array(all) => all,
            _ => vec![],
        })
    }

    /// The value of a counter or gauge by its full name; absent where Envoy has none.
    pub async fn stat(&self, name: &str) -> Result<Option<u64>> {
        let page = self.page("/stats").await?;
        let value = page
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        Ok(value.map(str::parse).transpose()?)
    }

    /// Everything that Envoy has logged, at level warning.
    pub fn log(&self) -> Result<String> {
        self.process.lock().expect("no panic under the lock").log()
    }
}

fn admin_address(file: &PathBuf) -> Option<SocketAddr> {
    fs::read_to_string(file).ok()?.trim().parse().ok()
}

fn socket_address(address: SocketAddr) -> Value {
    json!({"socket_address": {"address": address.ip().to_string(), "port_value": address.port()}})
}

fn cluster(name: &str, address: SocketAddr) -> Value {
    let endpoint = json!({"endpoint": {"address": socket_address(address)}});
    json!({
        "name": name,
        "type": "STATIC",
        "connect_timeout": "5s",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": {"http2_protocol_options": {}},
            },
        },
    })
}
