//! The command under measurement: a process of its own, with what the system says of it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use aeraki_testbed::Usage;
use anyhow::{Context as _, Result, bail};
use tokio::time::sleep;

use crate::source::Source;

/// Nothing here takes longer, at any size.
const PATIENCE: Duration = Duration::from_secs(600);

/// A running `aeraki run`. It is killed when dropped.
pub(crate) struct Controller {
    child: Child,
    log: PathBuf,
    began: Instant,
}

impl Controller {
    /// Starts the command with this source of config; its files are in `place`.
    pub(crate) fn start(
        program: &Path,
        place: &Path,
        source: Source,
        istiod: &str,
    ) -> Result<Self> {
        let log = place.join("aeraki.log");
        let file = File::create(&log)?;
        let began = Instant::now();
        let child = Command::new(program)
            .arg("run")
            .arg(format!("--config-source={}", source.name()))
            .arg("--kubeconfig")
            .arg(place.join("kubeconfig"))
            .args([
                "--istiod-address",
                istiod,
                "--istiod-plaintext",
                "--no-leader-election",
            ])
            .args([
                "--metrics-address=127.0.0.1:0",
                "--admin-address=127.0.0.1:0",
            ])
            .args(["--log-format=json", "--log-level=info"])
            .env_remove("RUST_LOG")
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        Ok(Self { child, log, began })
    }

    /// Since it was started.
    pub(crate) fn age(&self) -> Duration {
        self.began.elapsed()
    }

    /// Waits until it has seen everything and made a plan, and says how long after its start that was.
    pub(crate) async fn planned(&mut self) -> Result<Duration> {
        self.until("it has seen everything", |log| {
            log.contains("All config and all EnvoyFilters have been seen")
        })
        .await
    }

    /// Waits until its log is as wanted.
    async fn until(&mut self, what: &str, wanted: impl Fn(&str) -> bool) -> Result<Duration> {
        while !wanted(&fs::read_to_string(&self.log)?) {
            self.check(what)?;
            sleep(Duration::from_millis(2)).await;
        }
        Ok(self.age())
    }

    /// Fails if the process is gone or takes too long for `what`.
    pub(crate) fn check(&mut self, what: &str) -> Result<()> {
        let log = || fs::read_to_string(&self.log).unwrap_or_default();
        if let Some(status) = self.child.try_wait()? {
            bail!("the command ended ({status}) before {what}:\n{}", log());
        }
        if self.began.elapsed() > PATIENCE {
            bail!("still waiting until {what}:\n{}", log());
        }
        Ok(())
    }

    /// What it has used so far.
    pub(crate) fn usage(&self) -> Result<Usage> {
        Usage::of(self.child.id())
    }
}

impl Drop for Controller {
    fn drop(&mut self) {
        if let Err(error) = self.child.kill().and_then(|()| self.child.wait()) {
            eprintln!("cannot end the command: {error}");
        }
    }
}
