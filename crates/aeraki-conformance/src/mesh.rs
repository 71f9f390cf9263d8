//! The mesh that all cases share: the control plane, the controller and the pods.

use std::any::{Any, TypeId};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use aeraki_testbed::{Cluster, Options, StatsMatcher, Testbed};
use anyhow::{Context as _, Result};
use serde_json::Value;
use tokio::sync::{Mutex, OnceCell, RwLock};

use crate::client::Client;
use crate::network::Network;
use crate::statistics::{CONTROLLER, Statistics, documented_matcher};
use crate::wait::until_so;

use controller::Controller;
pub(crate) use controller::{LOCALHOST_LISTENERS, Settings};
use marker::Marker;
pub use pod::{Pod, PodOptions};

mod controller;
mod marker;
mod pod;
mod settle;

/// Where the programs lie that are not part of this crate.
#[derive(Clone, Debug)]
pub(crate) struct Programs {
    /// The command `aeraki`.
    pub(crate) aeraki: PathBuf,
    /// What `cargo xtask` has set up for applications, by its name: `python`, `zookeeper`, …
    pub(crate) applications: BTreeMap<String, PathBuf>,
}

/// What cases share, or why they cannot.
type Shared = Result<Arc<dyn Any + Send + Sync>, String>;

/// A real control plane, the real controller, and pods with real sidecars.
pub struct Mesh {
    programs: Programs,
    bed: Testbed,
    cluster: Cluster,
    network: Network,
    controller: Controller,
    marker: Marker,
    matcher: StatsMatcher,
    statistics: Statistics,
    pods: RwLock<BTreeMap<String, Arc<OnceCell<Arc<Pod>>>>>,
    expected: std::sync::Mutex<Vec<(String, String)>>,
    shared: Mutex<HashMap<TypeId, Arc<OnceCell<Shared>>>>,
}

impl Mesh {
    /// Starts all but pods: these come as they are asked for.
    pub(crate) async fn start(programs: Programs) -> Result<Self> {
        let network = Network::make()?;
        let options = Options::default()
            .with_sidecars()
            .istiod_address(Network::GATEWAY.into());
        let bed = Testbed::start(options).await?;
        let cluster = bed.cluster().await?;
        let controller = Controller::install(&bed, &cluster, &programs.aeraki).await?;
        controller.start(&bed).await?;
        Ok(Self {
            programs,
            bed,
            cluster,
            network,
            controller,
            marker: Marker::default(),
            matcher: documented_matcher()?,
            statistics: Statistics::default(),
            pods: RwLock::default(),
            expected: std::sync::Mutex::default(),
            shared: Mutex::default(),
        })
    }

    /// The API server as its admin.
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// The control plane.
    pub fn bed(&self) -> &Testbed {
        &self.bed
    }

    /// The controller, `aeraki run`.
    pub(crate) fn controller(&self) -> &Controller {
        &self.controller
    }

    /// Acts while the controller has these settings. Afterwards it has the usual ones, whatever came of it.
    pub(crate) async fn with_settings(
        &self,
        settings: Settings,
        act: impl AsyncFnOnce() -> Result<()>,
    ) -> Result<()> {
        let started = self.controller.start_with(&self.bed, settings).await;
        let result = match started {
            Ok(()) => act().await,
            Err(error) => Err(error),
        };
        self.controller.start(&self.bed).await?;
        result
    }

    /// What was published so far.
    pub(crate) fn statistics(&self) -> &Statistics {
        &self.statistics
    }

    /// Looks at what is published now, by pods of this namespace and the controller. Who cannot be asked may have been stopped by a case.
    pub(crate) async fn look_at_statistics(&self, namespace: &'static str) {
        for pod in self.pods().await {
            if pod.namespace() != namespace {
                continue;
            }
            if let Ok(page) = pod.sidecar().page("/stats/prometheus").await {
                self.statistics.saw(namespace, &page);
            }
        }
        if let Ok(page) = self.controller.metrics().await {
            self.statistics.saw(CONTROLLER, &page);
        }
    }

    pub(crate) fn expect(&self, code: &str, case: &str) {
        let mut expected = self.expected.lock().expect("no panic under the lock");
        expected.push((code.to_owned(), case.to_owned()));
    }

    /// Whether a case has said that it brings about this line of the controller's log.
    pub(crate) fn is_expected(&self, line: &Value) -> bool {
        let [code, object] =
            ["code", "object"].map(|field| line[field].as_str().unwrap_or_default());
        let expected = self.expected.lock().expect("no panic under the lock");
        let mut all = expected.iter();
        all.any(|(it, case)| it == code && object.contains(case.as_str()))
    }

    /// The pod of this name, started when it is first asked for. Every case that asks gets the same.
    pub async fn pod(&self, options: &PodOptions) -> Result<Arc<Pod>> {
        let slot = {
            let mut pods = self.pods.write().await;
            Arc::clone(pods.entry(options.network_name()).or_default())
        };
        let start = async || Ok(Arc::new(Pod::start(self, options).await?));
        slot.get_or_try_init(start).await.cloned()
    }

    /// Acts with a pod that nobody else asks for, and ends it: for what a sidecar may not outlive. What `act` returns is
    /// dropped when nobody waits for that sidecar any more. Its object stays, so its name must never have been used.
    pub(crate) async fn with_pod<T>(
        &self,
        options: &PodOptions,
        act: impl AsyncFnOnce(&Pod) -> Result<T>,
    ) -> Result<()> {
        let pod = self.pod(options).await?;
        let result = act(&pod).await;
        self.pods.write().await.remove(&options.network_name());
        result.map(drop)
    }

    /// Whether the pod still counts.
    pub(crate) async fn has(&self, pod: &Pod) -> bool {
        let pods = self.pods.read().await;
        pods.contains_key(pod.name())
    }

    /// Every pod that runs, in the order of names.
    pub(crate) async fn pods(&self) -> Vec<Arc<Pod>> {
        let pods = self.pods.read().await;
        pods.values().filter_map(|pod| pod.get().cloned()).collect()
    }

    /// What the cases of a protocol share, made by whoever asks first: one `T` for all. If it cannot be made, that is so for all.
    pub async fn shared<T: Any + Send + Sync>(
        &self,
        start: impl AsyncFnOnce(&Self) -> Result<T>,
    ) -> Result<Arc<T>> {
        let slot = {
            let mut shared = self.shared.lock().await;
            Arc::clone(shared.entry(TypeId::of::<T>()).or_default())
        };
        let make = async || match start(self).await {
            Ok(value) => {
                let value: Arc<dyn Any + Send + Sync> = Arc::new(value);
                Ok(value)
            }
            Err(error) => Err(format!("{error:#}")),
        };
        let value = slot.get_or_init(make).await.clone();
        let value = value.map_err(anyhow::Error::msg)?;
        value
            .downcast()
            .ok()
            .context("it was stored under its own type")
    }

    /// A Python program of `applications/<protocol>/` in a pod, that is asked in lines of JSON.
    pub fn python(&self, pod: &Pod, protocol: &str, program: &str) -> Result<Client> {
        let command = self.python_command(pod, protocol, program)?;
        self.client(pod, program, command)
    }

    /// Runs a Python program of `applications/<protocol>/` in a pod, and waits until it says that it is ready.
    pub async fn serve_python(
        &self,
        pod: &Pod,
        protocol: &str,
        program: &str,
        arguments: &[&str],
    ) -> Result<()> {
        let mut command = self.python_command(pod, protocol, program)?;
        command.args(arguments);
        self.serve(pod, program, command).await
    }

    fn python_command(&self, pod: &Pod, protocol: &str, program: &str) -> Result<Command> {
        let python = self.application("python")?.join("bin/python");
        let mut command = pod.command(&python.to_string_lossy());
        command.arg(application(protocol).join(program));
        Ok(command)
    }

    /// Runs a program in a pod, and waits until it prints `ready`.
    pub async fn serve(&self, pod: &Pod, name: &str, command: Command) -> Result<()> {
        pod.run(self, name, command)?;
        let log = self.logs().join(format!("{}-{name}.log", pod.name()));
        until_so(&format!("{name} in {} is ready", pod.name()), async || {
            let text = std::fs::read_to_string(&log)?;
            Ok(text.lines().any(|line| line == "ready"))
        })
        .await
    }

    /// Starts a program in a pod that is asked in lines of JSON.
    pub fn client(&self, pod: &Pod, name: &str, command: Command) -> Result<Client> {
        let name = format!("{}-{name}", pod.name());
        Client::start(&name, command, &self.logs().join(format!("{name}.log")))
    }

    /// Where a protocol's libraries, or `python`, were set up.
    pub fn application(&self, name: &str) -> Result<&Path> {
        let place = self.programs.applications.get(name);
        let place = place.with_context(|| format!("no --application {name}=…"))?;
        Ok(place)
    }

    /// Where each program of the mesh has its log.
    pub(crate) fn logs(&self) -> PathBuf {
        self.bed.directory().join("logs")
    }

    /// The command `aeraki` with these arguments.
    fn aeraki(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.programs.aeraki);
        command.args(arguments).envs(self.controller.settings());
        command
    }
}

/// The sources of a protocol's applications.
fn application(protocol: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("applications")
        .join(protocol)
}
