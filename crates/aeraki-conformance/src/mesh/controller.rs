//! `aeraki run` as it is installed: its own service account, its own roles, config from istiod.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use aeraki_testbed::{Cluster, Process, Testbed, plain_http};
use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::wait::until_so;

const SYNCED: &str = "All config and all EnvoyFilters have been seen";

const SERVING: &str = "Serving health and metrics";

/// It reads no Secret unless somebody says so.
const SECRETS: &str = "--secret-namespaces=redis";

/// Environment variables, and their values.
pub(crate) type Settings = &'static [(&'static str, &'static str)];

/// Aeraki patches the listeners on loopback too.
pub(crate) const LOCALHOST_LISTENERS: Settings = &[("AERAKI_LOCALHOST_LISTENERS", "true")];

/// The controller's process, and what it needs to start again.
#[derive(Debug)]
pub(crate) struct Controller {
    binary: PathBuf,
    process: Mutex<Option<Process>>,
    settings: Mutex<Settings>,
    kubeconfig: PathBuf,
    log: PathBuf,
}

impl Controller {
    /// Applies what `aeraki manifests` prints, and makes the files that a cluster would mount.
    pub(super) async fn install(bed: &Testbed, cluster: &Cluster, binary: &Path) -> Result<Self> {
        let namespace = "{apiVersion: v1, kind: Namespace, metadata: {name: redis}}";
        cluster.apply(namespace).await?;
        for arguments in [&["manifests", "--crds"][..], &["manifests", SECRETS]] {
            let output = Command::new(binary).args(arguments).output();
            let output = output.with_context(|| format!("cannot start {}", binary.display()))?;
            ensure!(output.status.success(), "`aeraki manifests`: {output:?}");
            cluster.apply(str::from_utf8(&output.stdout)?).await?;
        }
        // The API server serves a new kind some moments before it can list it.
        for kind in ["RedisService", "RedisDestination"] {
            let kind = format!("redis.aeraki.io/v1alpha1/{kind}");
            until_so("Redis' kinds can be listed", async || {
                Ok(cluster.list(&kind, "").await.is_ok())
            })
            .await?;
        }
        let token = cluster.token("istio-system", "aeraki", "istio-ca").await?;
        fs::write(bed.directory().join("istiod.token"), token)?;
        let root = cluster.root_cert().await?;
        fs::write(bed.directory().join("istiod-root.pem"), root)?;
        Ok(Self {
            binary: binary.to_owned(),
            process: Mutex::default(),
            settings: Mutex::default(),
            kubeconfig: bed.kubeconfig_of("istio-system", "aeraki").await?,
            log: bed.directory().join("logs/aeraki.log"),
        })
    }

    /// Starts it, after ending the one that runs, and waits until it has seen everything.
    pub(crate) async fn start(&self, bed: &Testbed) -> Result<()> {
        self.start_with(bed, &[]).await
    }

    /// The same with these settings, which are those of `aeraki generate` too from now on.
    pub(crate) async fn start_with(&self, bed: &Testbed, settings: Settings) -> Result<()> {
        *self.settings.lock().expect("no panic under the lock") = settings;
        self.stop()?;
        let before = self.said(SYNCED)?.len();
        let file = |name: &str| bed.directory().join(name);
        let mut command = Command::new(&self.binary);
        command
            .args(["run", "--config-source=xds", SECRETS, "--log-format=json"])
            .args([
                "--metrics-address=127.0.0.1:0",
                "--admin-address=127.0.0.1:0",
            ])
            .args(["--log-level=info,aeraki=debug", "--kubeconfig"])
            .arg(&self.kubeconfig)
            .args(["--istiod-address", &bed.istiod().grpc_tls.to_string()])
            .arg("--istiod-token")
            .arg(file("istiod.token"))
            .arg("--istiod-root-cert")
            .arg(file("istiod-root.pem"))
            .envs(self.settings())
            .env_remove("RUST_LOG");
        let process = bed.run("aeraki", command)?;
        *self.process.lock().expect("no panic under the lock") = Some(process);
        until_so("the controller sees everything", async || {
            Ok(self.said(SYNCED)?.len() > before)
        })
        .await
    }

    /// The settings that it has.
    pub(super) fn settings(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let settings = *self.settings.lock().expect("no panic under the lock");
        settings.iter().copied()
    }

    /// Tells it to end, as Kubernetes does, and waits until it has; nothing where none runs.
    pub(crate) fn stop(&self) -> Result<()> {
        let process = self.process.lock().expect("no panic under the lock").take();
        let Some(mut process) = process else {
            return Ok(());
        };
        process.signal("TERM")?;
        let status = process.wait()?;
        ensure!(status.success(), "`aeraki run` ends with {status}");
        Ok(())
    }

    /// What it publishes for Prometheus.
    pub(crate) async fn metrics(&self) -> Result<String> {
        let serving = self.said(SERVING)?;
        let address = serving.last().and_then(|line| line["address"].as_str());
        let address = address.context("it has not said where it serves")?;
        let (_, page) = plain_http::get(address.parse()?, "/metrics").await?;
        Ok(page)
    }

    /// The lines of the log, over all starts, that say this.
    pub(crate) fn said(&self, message: &str) -> Result<Vec<Value>> {
        let mut log = self.log()?;
        log.retain(|line| {
            let said = line["message"].as_str();
            said.is_some_and(|said| said.contains(message))
        });
        Ok(log)
    }

    /// Every whole line of the log, over all starts.
    pub(crate) fn log(&self) -> Result<Vec<Value>> {
        if !self.log.exists() {
            return Ok(vec![]);
        }
        let text = fs::read_to_string(&self.log)?;
        let lines = text.lines().map(serde_json::from_str);
        Ok(lines.filter_map(Result::ok).collect())
    }
}
