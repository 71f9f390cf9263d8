//! Programs that the tests need and nobody wants in the checkout: the cache directory, and what
//! lies in it under which name.
//!
//! It knows paths and versions, and how to build the Go servers of the test bed. It knows nothing of
//! what the programs do; that is for `aeraki-testbed` and `aeraki-testkit`. Nothing stands at its
//! final place before it is complete, so an interrupted build only has to be run again.

use std::env;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

pub use servers::Servers;

mod servers;

/// The version of Envoy that the tests are written against.
pub const ENVOY_VERSION: &str = "1.40.0";

/// The cache directory: `AERAKI_CACHE`, else `aeraki` in the user's own cache.
pub fn root() -> Result<PathBuf> {
    root_with(environment)
}

/// Where the Envoy of the tests is, or will be: `AERAKI_ENVOY`, else a place in the cache.
pub fn envoy() -> Result<PathBuf> {
    envoy_with(environment)
}

/// As [`envoy`], and an error that says what to do where it is absent.
pub fn existing_envoy() -> Result<PathBuf> {
    existing_envoy_with(environment)
}

fn environment(name: &str) -> Option<PathBuf> {
    env::var_os(name).map(PathBuf::from)
}

fn root_with(variable: impl Fn(&str) -> Option<PathBuf>) -> Result<PathBuf> {
    variable("AERAKI_CACHE")
        .or_else(|| Some(variable("XDG_CACHE_HOME")?.join("aeraki")))
        .or_else(|| Some(variable("HOME")?.join(".cache/aeraki")))
        .context("no cache directory: set AERAKI_CACHE, XDG_CACHE_HOME or HOME")
}

fn envoy_with(variable: impl Fn(&str) -> Option<PathBuf>) -> Result<PathBuf> {
    match variable("AERAKI_ENVOY") {
        Some(path) => Ok(path),
        None => {
            let directory = root_with(variable)?.join(format!("envoy-{ENVOY_VERSION}"));
            Ok(directory.join("envoy"))
        }
    }
}

fn existing_envoy_with(variable: impl Fn(&str) -> Option<PathBuf>) -> Result<PathBuf> {
    let named = variable("AERAKI_ENVOY").is_some();
    let path = envoy_with(variable)?;
    let shown = path.display();
    ensure!(
        path.is_file() || !named,
        "AERAKI_ENVOY names {shown}, which is not a file"
    );
    ensure!(
        path.is_file(),
        "no Envoy at {shown}: run `cargo xtask setup` first (or name a binary in AERAKI_ENVOY)"
    );
    Ok(path)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn only(name: &'static str, path: PathBuf) -> impl Fn(&str) -> Option<PathBuf> {
        move |asked| (asked == name).then(|| path.clone())
    }

    #[test]
    fn own_variable_wins_then_the_users_cache_then_the_home() {
        let set = |names: &'static [&str]| {
            move |asked: &str| {
                names
                    .contains(&asked)
                    .then(|| PathBuf::from(format!("/{asked}")))
            }
        };
        for (names, wanted) in [
            (
                ["AERAKI_CACHE", "XDG_CACHE_HOME", "HOME"].as_slice(),
                "/AERAKI_CACHE",
            ),
            (&["XDG_CACHE_HOME", "HOME"], "/XDG_CACHE_HOME/aeraki"),
            (&["HOME"], "/HOME/.cache/aeraki"),
        ] {
            assert_eq!(root_with(set(names)).unwrap(), PathBuf::from(wanted));
        }
        let error = root_with(set(&[])).unwrap_err();
        assert!(error.to_string().contains("AERAKI_CACHE"), "{error}");
    }

    #[test]
    fn absent_envoy_is_an_error_that_names_the_setup() {
        let empty = tempfile::tempdir().unwrap();
        let error = existing_envoy_with(only("AERAKI_CACHE", empty.path().to_owned())).unwrap_err();
        assert!(error.to_string().contains("cargo xtask setup"), "{error}");
    }

    #[test]
    fn override_that_is_no_file_is_not_replaced_by_the_cache() {
        let absent = PathBuf::from("/absent/envoy");
        let error = existing_envoy_with(only("AERAKI_ENVOY", absent)).unwrap_err();
        assert!(
            error.to_string().contains("AERAKI_ENVOY names /absent"),
            "{error}"
        );
    }

    #[test]
    fn every_cache_variable_leads_to_its_envoy() {
        let home = tempfile::tempdir().unwrap();
        let below = format!("envoy-{ENVOY_VERSION}/envoy");
        for (name, prefix) in [
            ("AERAKI_CACHE", ""),
            ("XDG_CACHE_HOME", "aeraki"),
            ("HOME", ".cache/aeraki"),
        ] {
            let root = home.path().join(name);
            let binary = root.join(prefix).join(&below);
            fs::create_dir_all(binary.parent().unwrap()).unwrap();
            fs::write(&binary, "").unwrap();
            assert_eq!(existing_envoy_with(only(name, root)).unwrap(), binary);
        }
    }
}
