//! The bed itself: its servers, started in order, stopped and started again on wish.

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use aeraki_testcache::Servers;
use anyhow::{Context, Result, ensure};
use serde_json::{Map, Value};

use crate::apiserver::{self, ApiServer};
use crate::audit::{self, AuditEntry};
use crate::cluster::Cluster;
use crate::etcd::Etcd;
use crate::fault::HttpProxy;
use crate::istiod::{self, Istiod};
use crate::kubeconfig::{self, User};
use crate::pki::Authority;
use crate::plain_http;
use crate::ports::Ports;
use crate::process::Process;
use crate::ready::ready;
use crate::warden::Warden;

/// RBAC lets this group do everything, before any rule is read.
const MASTERS: &str = "system:masters";

/// What stock Envoy lacks: two filters, and certificates.
const STOCK_ENVOY: [(&str, &str); 2] = [
    ("PILOT_ENABLE_METADATA_EXCHANGE", "false"),
    ("PILOT_ENABLE_ALPN_FILTER", "false"),
];
const NO_MTLS: &str = r#"{"apiVersion": "security.istio.io/v1", "kind": "PeerAuthentication",
 "metadata": {"name": "default", "namespace": "istio-system"}, "spec": {"mtls": {"mode": "DISABLE"}}}"#;

const NAMESPACES: &str =
    r#"{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "istio-system"}}"#;

/// What kind of bed it is to be.
#[derive(Clone, Debug, Default)]
pub struct Options {
    without_istiod: bool,
    istiod_environment: Vec<(String, String)>,
    mesh: Map<String, Value>,
    without_mtls: bool,
    directory: Option<PathBuf>,
    istiod_address: Option<IpAddr>,
}

impl Options {
    /// The API server alone, with Istio's kinds: it is there in a third of the time.
    /// [`Testbed::restart_istiod`] starts istiod later.
    #[must_use]
    pub fn without_istiod(mut self) -> Self {
        self.without_istiod = true;
        self
    }

    pub(crate) fn has_istiod(&self) -> bool {
        !self.without_istiod
    }

    /// An environment variable for istiod, as `ENABLE_XDS_API_GENERATOR_AUTH` = `false`.
    #[must_use]
    pub fn istiod_env(mut self, name: &str, value: &str) -> Self {
        self.istiod_environment
            .push((name.to_owned(), value.to_owned()));
        self
    }

    /// A field of Istio's mesh config, as `enableAutoMtls` = `false`.
    #[must_use]
    pub fn mesh(mut self, field: &str, value: impl Into<Value>) -> Self {
        self.mesh.insert(field.to_owned(), value.into());
        self
    }

    /// A mesh in which a stock Envoy can be a [`Sidecar`](crate::Sidecar): without mTLS, and without
    /// the filters that only Istio's own proxy has.
    #[must_use]
    pub fn with_sidecars(mut self) -> Self {
        self.without_mtls = true;
        let settings = STOCK_ENVOY.into_iter();
        settings
            .fold(self, |options, (name, value)| {
                options.istiod_env(name, value)
            })
            .mesh("enableAutoMtls", false)
    }

    /// Where proxies reach istiod, instead of loopback: an address of this machine that other network
    /// namespaces have a way to. The API server and istiod's debug pages stay on loopback.
    #[must_use]
    pub fn istiod_address(mut self, address: IpAddr) -> Self {
        self.istiod_address = Some(address);
        self
    }

    /// Where the bed's files are to lie, instead of a directory among the temporary ones. It must
    /// not exist yet, and it is removed with the bed all the same.
    #[must_use]
    pub fn directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = Some(directory.into());
        self
    }
}

/// Running servers. Dropping it ends them and removes all they wrote; so does the end of the
/// process, in whatever way.
#[derive(Debug)]
pub struct Testbed {
    // In the order in which they are to end.
    istiod_process: Mutex<Option<Process>>,
    apiserver_process: Mutex<Option<Process>>,
    etcd_process: Mutex<Option<Process>>,
    warden: Warden,
    _ports: Ports,
    options: Options,
    servers: Servers,
    directory: PathBuf,
    authority_certificate: String,
    etcd: Etcd,
    apiserver: ApiServer,
    istiod: Istiod,
}

impl Testbed {
    /// Starts the servers and waits until each of them says that it is ready. The first start on a
    /// machine builds them, which takes minutes.
    pub async fn start(options: Options) -> Result<Self> {
        let servers = tokio::task::spawn_blocking(Servers::built).await??;
        let bed = Self::prepare(options, servers)?;
        bed.start_etcd().await?;
        bed.start_apiserver().await?;
        bed.install_istio().await?;
        if bed.options.has_istiod() {
            bed.restart_istiod().await?;
        }
        Ok(bed)
    }

    /// Everything but running servers.
    fn prepare(options: Options, servers: Servers) -> Result<Self> {
        let mut ports = Ports::take(&aeraki_testcache::root()?.join("ports"))?;
        let directory = make_directory(options.directory.as_deref())?;
        let warden = Warden::watch(&directory)?;
        fs::create_dir(directory.join("logs"))?;
        let authority = Authority::new("testbed")?;
        let etcd = Etcd {
            client: ports.next(),
            peer: ports.next(),
        };
        let apiserver = ApiServer::prepare(ports.next(), directory.join("apiserver"), &authority)?;
        for user in ["admin", "istiod"] {
            kubeconfig::write(
                &directory.join(format!("{user}.kubeconfig")),
                &apiserver.url(),
                Some(authority.certificate()),
                &User::Certificate(&authority.client(user, MASTERS)?),
            )?;
        }
        let mesh = istiod::mesh_config(&options.mesh).to_string();
        fs::write(directory.join("mesh.yaml"), mesh)?;
        Ok(Self {
            istiod_process: Mutex::default(),
            apiserver_process: Mutex::default(),
            etcd_process: Mutex::default(),
            warden,
            istiod: Istiod::at(&mut ports, options.istiod_address),
            _ports: ports,
            options,
            servers,
            directory,
            authority_certificate: authority.certificate().to_owned(),
            etcd,
            apiserver,
        })
    }

    /// The directory of all the bed's files; logs are in `logs/`.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The kubeconfig of `admin`, who may do everything.
    pub fn kubeconfig(&self) -> PathBuf {
        self.directory.join("admin.kubeconfig")
    }

    /// Writes a kubeconfig of a service account, which must exist. Its token is good for an hour.
    pub async fn kubeconfig_of(&self, namespace: &str, service_account: &str) -> Result<PathBuf> {
        let admin = self.cluster().await?;
        let token = admin.token(namespace, service_account, "").await?;
        let path = self
            .directory
            .join(format!("{namespace}.{service_account}.kubeconfig"));
        let root = Some(self.authority_certificate.as_str());
        kubeconfig::write(&path, &self.apiserver_url(), root, &User::Token(&token))?;
        Ok(path)
    }

    /// As [`Testbed::kubeconfig_of`], by way of a proxy.
    pub async fn kubeconfig_through(
        &self,
        proxy: &HttpProxy,
        namespace: &str,
        service_account: &str,
    ) -> Result<PathBuf> {
        let admin = self.cluster().await?;
        let token = admin.token(namespace, service_account, "").await?;
        let port = proxy.address().port();
        let name = format!("{namespace}.{service_account}.{port}.kubeconfig");
        let path = self.directory.join(name);
        kubeconfig::write(&path, &proxy.url(), None, &User::Token(&token))?;
        Ok(path)
    }

    /// The API server as `admin`, for this tokio runtime.
    pub async fn cluster(&self) -> Result<Cluster> {
        Cluster::connect(&self.kubeconfig()).await
    }

    /// The API server as a service account, for this tokio runtime.
    pub async fn cluster_as(&self, namespace: &str, service_account: &str) -> Result<Cluster> {
        Cluster::connect(&self.kubeconfig_of(namespace, service_account).await?).await
    }

    /// The URL of the API server.
    pub fn apiserver_url(&self) -> String {
        self.apiserver.url()
    }

    /// The file with the certificate that the API server's is signed with. (Istio has another:
    /// [`Cluster::root_cert`].)
    pub fn apiserver_root_file(&self) -> PathBuf {
        self.apiserver.root_file()
    }

    /// The addresses of istiod, which are the same while it is down.
    pub fn istiod(&self) -> &Istiod {
        &self.istiod
    }

    /// A page of istiod's debug interface, as `/debug/syncz`.
    pub async fn istiod_page(&self, path: &str) -> Result<String> {
        let (status, body) = plain_http::get(self.istiod.http, path).await?;
        ensure!(
            status.is_success(),
            "istiod's {path} answers {status}: {body}"
        );
        Ok(body)
    }

    /// Every request to the API server so far.
    pub fn audit_log(&self) -> Result<Vec<AuditEntry>> {
        let path = self.apiserver.audit_log();
        let log =
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        audit::parse(&log)
    }

    /// Ends istiod at once, if it runs (SIGKILL).
    pub fn kill_istiod(&self) -> Result<()> {
        end(&self.istiod_process)
    }

    /// Starts istiod, after ending the one that runs, and waits until it is ready.
    pub async fn restart_istiod(&self) -> Result<()> {
        self.kill_istiod()?;
        let kubeconfig = self.directory.join("istiod.kubeconfig");
        let mesh = self.directory.join("mesh.yaml");
        let binary = self.servers.istiod();
        let mut command = self.istiod.command(&binary, &kubeconfig, &mesh);
        command.envs(self.options.istiod_environment.iter().cloned());
        let mut process = self.run("istiod", command)?;
        ready(&mut process, async || self.istiod.is_ready().await).await?;
        put(&self.istiod_process, process);
        Ok(())
    }

    /// Ends the API server at once (SIGKILL). What it stored stays.
    pub fn stop_apiserver(&self) -> Result<()> {
        end(&self.apiserver_process)
    }

    /// Starts the API server, after ending the one that runs, and waits until it is ready.
    pub async fn start_apiserver(&self) -> Result<()> {
        self.stop_apiserver()?;
        let binary = self.servers.apiserver();
        let mut process = self.run(
            "kube-apiserver",
            self.apiserver.command(&binary, &self.etcd),
        )?;
        let admin = self.kubeconfig();
        ready(&mut process, async || apiserver::is_ready(&admin).await).await?;
        put(&self.apiserver_process, process);
        Ok(())
    }

    /// Runs any program as a part of the bed: in its directory, with a log of its own there, and
    /// never longer than the bed. Dropping the [`Process`] ends it earlier.
    pub fn run(&self, name: &str, mut command: Command) -> Result<Process> {
        command.current_dir(&self.directory);
        let logs = self.directory.join("logs");
        Process::start(name, command, self.warden.group(), &logs)
    }

    async fn start_etcd(&self) -> Result<()> {
        let command = self
            .etcd
            .command(&self.servers.etcd(), &self.directory.join("etcd"));
        let mut process = self.run("etcd", command)?;
        ready(&mut process, async || self.etcd.is_ready().await).await?;
        put(&self.etcd_process, process);
        Ok(())
    }

    /// Istio's kinds and its namespace.
    async fn install_istio(&self) -> Result<()> {
        let cluster = self.cluster().await?;
        cluster.apply(NAMESPACES).await?;
        let crds = fs::read_to_string(self.servers.istio_crds())?;
        for crd in cluster.apply_unordered(&crds).await? {
            cluster.wait_for_definition(&crd).await?;
        }
        if self.options.without_mtls {
            cluster.apply(NO_MTLS).await?;
        }
        Ok(())
    }
}

fn make_directory(wanted: Option<&Path>) -> Result<PathBuf> {
    let Some(directory) = wanted else {
        let directory = tempfile::Builder::new()
            .prefix("aeraki-testbed-")
            .tempdir()?;
        return Ok(directory.keep());
    };
    fs::create_dir_all(directory.parent().context("a directory of its own")?)?;
    fs::create_dir(directory).with_context(|| format!("cannot make {}", directory.display()))?;
    Ok(directory.to_owned())
}

fn put(slot: &Mutex<Option<Process>>, process: Process) {
    *slot.lock().expect("no panic under the lock") = Some(process);
}

fn end(slot: &Mutex<Option<Process>>) -> Result<()> {
    let process = slot.lock().expect("no panic under the lock").take();
    process.map_or(Ok(()), |mut process| process.kill())
}
