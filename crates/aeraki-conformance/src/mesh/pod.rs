//! A pod: an object at the API server, a network namespace with rules, a sidecar, and what runs beside it.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;
use std::sync::Mutex;

use aeraki_testbed::{Process, Sidecar, SidecarOptions};
use anyhow::{Context as _, Result, bail};
use k8s_openapi::api::core::v1::Pod as PodObject;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use super::Mesh;
use crate::network::{ADMIN_PORT, Namespace};

/// What kind of pod it is to be.
#[derive(Clone, Debug)]
pub struct PodOptions {
    namespace: String,
    name: String,
    labels: BTreeMap<String, String>,
    metadata: BTreeMap<String, String>,
    environment: Vec<(String, String)>,
    interception: bool,
}

impl PodOptions {
    /// A pod of a namespace, which is made where it is absent.
    pub fn new(namespace: &str, name: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            labels: BTreeMap::new(),
            metadata: BTreeMap::new(),
            environment: vec![],
            interception: true,
        }
    }

    /// A label of the pod.
    #[must_use]
    pub fn label(mut self, name: &str, value: &str) -> Self {
        self.labels.insert(name.to_owned(), value.to_owned());
        self
    }

    /// A field of the sidecar's node metadata, as `proxyMetadata` gives it with the prefix `ISTIO_META_`.
    #[must_use]
    pub fn metadata(mut self, name: &str, value: &str) -> Self {
        self.metadata.insert(name.to_owned(), value.to_owned());
        self
    }

    /// A variable of the sidecar's environment.
    #[must_use]
    pub fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Nothing is led through the sidecar: whoever wants to use it connects to a listener of its own on loopback.
    #[must_use]
    pub fn without_interception(mut self) -> Self {
        self.interception = false;
        // Else istiod would have it listen on ports below 1024 too, which its user may not.
        self.metadata("INTERCEPTION_MODE", "NONE")
            .metadata("UNPRIVILEGED_POD", "true")
    }

    pub(super) fn network_name(&self) -> String {
        format!("{}.{}", self.name, self.namespace)
    }
}

/// A running pod.
#[derive(Debug)]
pub struct Pod {
    name: String,
    namespace: String,
    network: Namespace,
    sidecar: Sidecar,
    programs: Mutex<Vec<Process>>,
}

impl Pod {
    pub(super) async fn start(mesh: &Mesh, options: &PodOptions) -> Result<Self> {
        let network = mesh.network.namespace(&options.network_name())?;
        if options.interception {
            network.capture()?;
        }
        register(mesh, options, network.address()).await?;
        let address = network.address().to_string();
        let mut sidecar = SidecarOptions::new(&options.namespace, &options.name)
            .address(&address)
            .metadata("LABELS", json!(options.labels))
            .admin(SocketAddr::from((network.address(), ADMIN_PORT)))
            .stats(&mesh.matcher)
            .launcher(network.enter_as_proxy(&options.environment));
        for (name, value) in &options.metadata {
            sidecar = sidecar.metadata(name, value.as_str());
        }
        let sidecar = Sidecar::start(&mesh.bed, &sidecar).await?;
        sidecar.until_live().await?;
        Ok(Self {
            name: options.network_name(),
            namespace: options.namespace.clone(),
            network,
            sidecar,
            programs: Mutex::default(),
        })
    }

    /// `<pod>.<namespace>`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its namespace in Kubernetes.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Its address.
    pub fn address(&self) -> Ipv4Addr {
        self.network.address()
    }

    /// Its Envoy.
    pub fn sidecar(&self) -> &Sidecar {
        &self.sidecar
    }

    /// A command that runs in the pod.
    pub fn command(&self, program: &str) -> Command {
        let enter = self.network.enter();
        let mut command = Command::new(&enter[0]);
        command.args(&enter[1..]).arg(program);
        command
    }

    /// Runs a program as long as the pod, with a log `<pod>-<name>.log`.
    pub fn run(&self, mesh: &Mesh, name: &str, command: Command) -> Result<()> {
        let process = mesh.bed.run(&format!("{}-{name}", self.name), command)?;
        let mut programs = self.programs.lock().expect("no panic under the lock");
        programs.push(process);
        Ok(())
    }

    /// Sends a signal, as `STOP`, to a program that it runs.
    pub fn signal(&self, program: &str, signal: &str) -> Result<()> {
        self.with_program(program, |process| process.signal(signal))
    }

    /// Fails if a program that it runs has ended.
    pub fn still_runs(&self, program: &str) -> Result<()> {
        self.with_program(program, |process| match process.ended()? {
            None => Ok(()),
            Some(status) => bail!(
                "{} has ended with {status}:\n{}",
                process.name(),
                process.log()?
            ),
        })
    }

    /// Everything that a program that it runs has written.
    pub fn log(&self, program: &str) -> Result<String> {
        self.with_program(program, |process| process.log())
    }

    fn with_program<T>(
        &self,
        program: &str,
        act: impl FnOnce(&mut Process) -> Result<T>,
    ) -> Result<T> {
        let name = format!("{}-{program}", self.name);
        let mut programs = self.programs.lock().expect("no panic under the lock");
        let mut all = programs.iter_mut();
        let process = all.find(|process| process.name() == name);
        act(process.with_context(|| format!("nothing is called {name}"))?)
    }

    /// The sum of the counters whose name has all of these parts; 0 where there is none.
    pub async fn count(&self, parts: &[&str]) -> Result<u64> {
        let page = self.sidecar.page("/stats?type=Counters").await?;
        let counters = page.lines().filter_map(|line| line.rsplit_once(": "));
        counters
            .filter(|(name, _)| parts.iter().all(|part| name.contains(part)))
            .map(|(_, value)| Ok(value.parse::<u64>()?))
            .sum()
    }
}

/// Makes the object, and says in its status what a kubelet would.
async fn register(mesh: &Mesh, options: &PodOptions, address: Ipv4Addr) -> Result<()> {
    let PodOptions {
        namespace,
        name,
        labels,
        ..
    } = options;
    let object = |kind: &str, rest: Value| {
        let mut object = json!({"apiVersion": "v1", "kind": kind});
        for (field, value) in rest.as_object().into_iter().flatten() {
            object[field] = value.clone();
        }
        object.to_string()
    };
    let cluster = mesh.cluster();
    let home = object("Namespace", json!({"metadata": {"name": namespace}}));
    cluster.apply(&home).await?;
    let pod = object(
        "Pod",
        json!({
            "metadata": {"name": name, "namespace": namespace, "labels": labels},
            "spec": {"nodeName": "node", "containers": [{"name": "application", "image": "none"}]},
        }),
    );
    cluster.apply(&pod).await?;
    let status = json!({"status": {
        "phase": "Running",
        "podIP": address.to_string(),
        "podIPs": [{"ip": address.to_string()}],
        "conditions": [{"type": "Ready", "status": "True"}],
    }});
    let pods: Api<PodObject> = Api::namespaced(cluster.client(), namespace);
    pods.patch_status(name, &PatchParams::default(), &Patch::Merge(status))
        .await?;
    Ok(())
}
