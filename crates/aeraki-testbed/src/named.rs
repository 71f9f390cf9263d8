//! Beds that outlive the command that started them: `cargo xtask testbed up`.
//!
//! Each has a keeper, a process of its own in the background that holds the bed until it is told to
//! end. Everything about a bed lies below the cache directory under its name. A lock that the keeper
//! holds says whether it lives; no stale file can.

use std::fs::{self, File, TryLockError};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::timeout;

use crate::{Options, Testbed};

/// The service account whose token lies beside the bed, as the product's own in a cluster.
const NAMESPACE: &str = "istio-system";
const ACCOUNT: &str = "aeraki";
/// Well before the token's hour is over.
const NEW_TOKEN: Duration = Duration::from_secs(30 * 60);

const PAUSE: Duration = Duration::from_millis(50);

/// A bed by its name, running or not.
#[derive(Clone, Debug)]
pub struct Named {
    name: String,
    beds: PathBuf,
}

impl Named {
    /// The bed of this name: small letters, digits and dashes.
    pub fn new(name: &str) -> Result<Self> {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        ensure!(
            !name.is_empty() && name.bytes().all(allowed),
            "{name:?} is no name for a bed: only small letters, digits and dashes are"
        );
        Ok(Self {
            name: name.to_owned(),
            beds: aeraki_testcache::root()?.join("beds"),
        })
    }

    /// All that are running.
    pub fn running() -> Result<Vec<Self>> {
        let beds = aeraki_testcache::root()?.join("beds");
        let Ok(entries) = fs::read_dir(&beds) else {
            return Ok(vec![]);
        };
        let mut running = vec![];
        for entry in entries {
            let file = PathBuf::from(entry?.file_name());
            if file.extension().is_some_and(|ending| ending == "lock") {
                let stem = file.file_stem().unwrap_or_default();
                let bed = Self::new(&stem.to_string_lossy())?;
                if bed.is_running()? {
                    running.push(bed);
                }
            }
        }
        running.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(running)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The directory with all its files, gone with the bed.
    pub fn directory(&self) -> PathBuf {
        self.beds.join(&self.name)
    }

    /// The kubeconfig of the bed's admin.
    pub fn kubeconfig(&self) -> PathBuf {
        self.directory().join("admin.kubeconfig")
    }

    /// Whether its keeper lives, be the bed ready or not.
    pub fn is_running(&self) -> Result<bool> {
        match self.lock_file()?.try_lock_shared() {
            Ok(()) => Ok(false),
            Err(TryLockError::WouldBlock) => Ok(true),
            Err(TryLockError::Error(error)) => Err(error.into()),
        }
    }

    /// What there is to know about the running bed; nothing before it is ready.
    pub fn card(&self) -> Result<Option<Value>> {
        if !self.is_running()? {
            return Ok(None);
        }
        let Ok(text) = fs::read(self.card_file()) else {
            return Ok(None);
        };
        Ok(Some(serde_json::from_slice(&text)?))
    }

    /// Starts a keeper, `command`, in the background and waits until its bed is ready. A bed that
    /// runs is left as it is. Returns its card.
    pub fn up(&self, command: &mut Command) -> Result<Value> {
        fs::create_dir_all(&self.beds)?;
        let mut keeper = if self.is_running()? {
            None
        } else {
            // One of a bed that went down with the machine.
            fs::remove_file(self.card_file()).ok();
            Some(self.start(command)?)
        };
        loop {
            if let Some(card) = self.card()? {
                return Ok(card);
            }
            let ended = match &mut keeper {
                Some(keeper) => keeper.try_wait()?.is_some(),
                None => !self.is_running()?,
            };
            if ended {
                let log = fs::read_to_string(self.log_file())?;
                bail!("the bed has ended:\n{log}");
            }
            thread::sleep(PAUSE);
        }
    }

    /// In a group of its own, so that no Ctrl-C in the user's terminal reaches it.
    fn start(&self, command: &mut Command) -> Result<Child> {
        let log = File::create(self.log_file())?;
        command
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("cannot start the bed's keeper")
    }

    /// Ends it and waits until nothing of it is left; whether it was running.
    pub fn down(&self) -> Result<bool> {
        let Some(card) = self.card()? else {
            ensure!(
                !self.is_running()?,
                "the bed {} is still starting",
                self.name
            );
            return Ok(false);
        };
        let keeper = card["keeper"].to_string();
        let status = Command::new("kill").arg(&keeper).status()?;
        ensure!(status.success(), "cannot end process {keeper}");
        while self.is_running()? {
            thread::sleep(PAUSE);
        }
        // The lock stays: who removes a lock's file takes it from whoever is just opening it.
        fs::remove_file(self.log_file())?;
        Ok(true)
    }

    /// What the keeper does: start the bed, tell it, and hold it until SIGTERM or SIGINT.
    pub async fn keep(&self, options: Options) -> Result<()> {
        let lock = self.lock_file()?;
        lock.lock()?;
        let directory = self.directory();
        if directory.exists() {
            // The machine has gone down with it.
            fs::remove_dir_all(&directory)?;
        }
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let with_istiod = options.has_istiod();
        let bed = Testbed::start(options.directory(&directory)).await?;
        write_credentials(&bed, with_istiod).await?;
        self.write_card(&bed, with_istiod)?;
        loop {
            let told = async {
                tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
            };
            if timeout(NEW_TOKEN, told).await.is_ok() {
                break;
            }
            if let Err(error) = write_credentials(&bed, with_istiod).await {
                eprintln!("no new token: {error:#}");
            }
        }
        drop(bed);
        Ok(())
    }

    fn write_card(&self, bed: &Testbed, with_istiod: bool) -> Result<()> {
        let istiod = bed.istiod();
        let mut card = json!({
            "keeper": std::process::id(),
            "kubeconfig": bed.kubeconfig(),
            "apiserver": bed.apiserver_url(),
        });
        if with_istiod {
            card["istiod"] = json!({
                "tls": istiod.grpc_tls.to_string(),
                "plain": istiod.grpc_plain.to_string(),
                "debug": format!("http://{}/debug", istiod.http),
                "token": bed.directory().join("istiod.token"),
                "root": bed.directory().join("istiod-root.pem"),
            });
        }
        replace(&self.card_file(), &format!("{card:#}\n"))
    }

    fn card_file(&self) -> PathBuf {
        self.directory().join("card.json")
    }

    fn log_file(&self) -> PathBuf {
        self.beds.join(format!("{}.log", self.name))
    }

    fn lock_file(&self) -> Result<File> {
        fs::create_dir_all(&self.beds)?;
        let path = self.beds.join(format!("{}.lock", self.name));
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path);
        file.with_context(|| format!("cannot create {}", path.display()))
    }
}

/// A token for istiod and Istio's root certificate, as a pod would have them in files.
async fn write_credentials(bed: &Testbed, with_istiod: bool) -> Result<()> {
    let cluster = bed.cluster().await?;
    cluster.create_service_account(NAMESPACE, ACCOUNT).await?;
    if with_istiod {
        let token = cluster.token(NAMESPACE, ACCOUNT, "istio-ca").await?;
        replace(&bed.directory().join("istiod.token"), &token)?;
        let root = cluster.root_cert().await?;
        replace(&bed.directory().join("istiod-root.pem"), &root)?;
    }
    Ok(())
}

/// A reader sees the old text or the new one.
fn replace(path: &Path, text: &str) -> Result<()> {
    let partial = path.with_extension("partial");
    fs::write(&partial, text)?;
    Ok(fs::rename(&partial, path)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_that_could_lead_elsewhere_is_refused() {
        for name in ["", "..", "a/b", "A", "a b"] {
            assert!(Named::new(name).is_err(), "{name:?}");
        }
        assert!(Named::new("demo-2").is_ok());
    }
}
