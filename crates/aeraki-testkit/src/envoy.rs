//! The real Envoy: what it says about a bootstrap.
//!
//! It knows how to run `envoy --mode validate` and how to read its complaint. It knows nothing of
//! EnvoyFilters: [`crate::render`] makes the bootstraps.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

pub use rejection::{Rejection, Resource};

use crate::render::Bootstrap;

mod rejection;
mod sources;

/// Validation of a big bootstrap takes about a second; this is for an Envoy that hangs.
const DEADLINE: Duration = Duration::from_secs(120);

/// An Envoy binary on this machine.
#[derive(Clone, Debug)]
pub struct Envoy {
    binary: PathBuf,
}

impl Envoy {
    /// Finds the Envoy of `AERAKI_ENVOY`, else the one that `cargo xtask setup` put into the cache.
    pub fn locate() -> anyhow::Result<Self> {
        let binary = aeraki_testcache::existing_envoy()?;
        Ok(Self { binary })
    }

    /// The path of the binary.
    pub fn binary(&self) -> &Path {
        &self.binary
    }

    /// Loads `bootstrap` as a starting sidecar would, without binding a port or opening a
    /// connection. A crash of Envoy is a rejection too.
    ///
    /// # Panics
    /// When Envoy cannot be run at all: that is no verdict on the bootstrap, and a test must fail.
    pub fn validate(&self, bootstrap: &Bootstrap) -> Result<(), Rejection> {
        let (status, log) = self
            .run(bootstrap)
            .unwrap_or_else(|error| panic!("cannot run {}: {error}", self.binary.display()));
        if status.success() {
            Ok(())
        } else {
            Err(Rejection::read(status, &log))
        }
    }

    fn run(&self, bootstrap: &Bootstrap) -> io::Result<(ExitStatus, String)> {
        let directory = TempDir::with_prefix("aeraki-envoy-")?;
        let config = directory.path().join("bootstrap.json");
        let log = directory.path().join("log");
        let mut value = bootstrap.config().clone();
        let sources = sources::supply(&mut value, directory.path())?;
        fs::write(&config, value.to_string())?;
        let output = File::create(&log)?;
        let child = Command::new(&self.binary)
            .args([
                "--mode",
                "validate",
                "--concurrency",
                "1",
                "--log-level",
                "error",
            ])
            .args(["--disable-hot-restart", "--config-path"])
            .arg(&config)
            .current_dir(directory.path())
            .envs(sources)
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()?;
        let status = wait(child)?;
        Ok((
            status,
            String::from_utf8_lossy(&fs::read(&log)?).into_owned(),
        ))
    }
}

fn wait(mut child: Child) -> io::Result<ExitStatus> {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if start.elapsed() > DEADLINE {
            child.kill()?;
            child.wait()?;
            return Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "Envoy does not end",
            ));
        }
        thread::sleep(Duration::from_millis(5));
    }
}
