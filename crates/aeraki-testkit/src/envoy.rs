//! The real Envoy: where it is, and what it says about a bootstrap.
//!
//! It knows how to run `envoy --mode validate` and how to read its complaint. It knows nothing of
//! EnvoyFilters: [`crate::render`] makes the bootstraps.

use std::env;
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

/// The version of Envoy that the tests are written against.
pub const VERSION: &str = "1.40.0";

/// Validation of a big bootstrap takes about a second; this is for an Envoy that hangs.
const DEADLINE: Duration = Duration::from_secs(120);

/// An Envoy binary on this machine.
#[derive(Clone, Debug)]
pub struct Envoy {
    binary: PathBuf,
}

/// Why there is no Envoy to test with.
#[derive(Debug, thiserror::Error)]
pub enum LocateError {
    /// `AERAKI_ENVOY` is set and wrong.
    #[error("AERAKI_ENVOY names {0}, which is not a file")]
    BadOverride(PathBuf),
    /// Nothing has been set up yet.
    #[error("no Envoy at {0}: run `cargo xtask setup` first (or name a binary in AERAKI_ENVOY)")]
    NotSetUp(PathBuf),
    /// Neither a cache directory nor a home directory is known.
    #[error("no cache directory: set AERAKI_CACHE, XDG_CACHE_HOME or HOME")]
    NoCacheDirectory,
}

impl Envoy {
    /// Finds the Envoy of `AERAKI_ENVOY`, else the one that `cargo xtask setup` put into the cache.
    pub fn locate() -> Result<Self, LocateError> {
        locate_with(|name| env::var_os(name).map(PathBuf::from))
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

fn locate_with(variable: impl Fn(&str) -> Option<PathBuf>) -> Result<Envoy, LocateError> {
    if let Some(binary) = variable("AERAKI_ENVOY") {
        return if binary.is_file() {
            Ok(Envoy { binary })
        } else {
            Err(LocateError::BadOverride(binary))
        };
    }
    let cache = variable("AERAKI_CACHE")
        .or_else(|| variable("XDG_CACHE_HOME").map(|path| path.join("aeraki")))
        .or_else(|| variable("HOME").map(|path| path.join(".cache/aeraki")))
        .ok_or(LocateError::NoCacheDirectory)?;
    let binary = cache.join(format!("envoy-{VERSION}")).join("envoy");
    if binary.is_file() {
        Ok(Envoy { binary })
    } else {
        Err(LocateError::NotSetUp(binary))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only(name: &'static str, path: PathBuf) -> impl Fn(&str) -> Option<PathBuf> {
        move |asked| (asked == name).then(|| path.clone())
    }

    #[test]
    fn absent_envoy_is_an_error_that_names_the_setup() {
        let empty = TempDir::new().unwrap();
        let error = locate_with(only("AERAKI_CACHE", empty.path().to_owned())).unwrap_err();
        assert!(error.to_string().contains("cargo xtask setup"), "{error}");
    }

    #[test]
    fn override_that_is_no_file_is_not_replaced_by_the_cache() {
        let error = locate_with(only("AERAKI_ENVOY", PathBuf::from("/absent/envoy"))).unwrap_err();
        assert!(matches!(error, LocateError::BadOverride(_)), "{error}");
    }

    #[test]
    fn every_cache_variable_leads_to_its_envoy() {
        let home = TempDir::new().unwrap();
        let below = format!("envoy-{VERSION}/envoy");
        for (name, prefix) in [
            ("AERAKI_CACHE", ""),
            ("XDG_CACHE_HOME", "aeraki"),
            ("HOME", ".cache/aeraki"),
        ] {
            let root = home.path().join(name);
            let binary = root.join(prefix).join(&below);
            fs::create_dir_all(binary.parent().unwrap()).unwrap();
            fs::write(&binary, "").unwrap();
            assert_eq!(locate_with(only(name, root)).unwrap().binary(), binary);
        }
    }
}
