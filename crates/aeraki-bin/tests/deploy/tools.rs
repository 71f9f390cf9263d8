//! The programs that render manifests: the command of this crate, helm and kustomize.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use crate::objects::parse;

/// As `cargo xtask setup` installs them.
const HELM: (&str, &str) = ("helm", "3.22.0");
const KUSTOMIZE: (&str, &str) = ("kustomize", "5.8.2");

/// What `aeraki manifests` prints.
pub(crate) fn manifests(arguments: &[&str]) -> Vec<Value> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_aeraki"));
    parse(&succeeded(
        command.arg("manifests").args(arguments).output().unwrap(),
    ))
}

/// What `kustomize build` makes of a directory under `deploy/`, or of an absolute one.
pub(crate) fn kustomize(directory: &Path) -> Vec<Value> {
    let mut command = Command::new(find("AERAKI_KUSTOMIZE", KUSTOMIZE));
    let directory = deploy().join(directory);
    parse(&succeeded(
        command.arg("build").arg(directory).output().unwrap(),
    ))
}

/// What `helm template` makes of the chart in namespace `istio-system`.
pub(crate) fn chart(arguments: &[&str]) -> Vec<Value> {
    parse(&succeeded(helm_template(arguments)))
}

/// How `helm template` ends.
pub(crate) fn helm_template(arguments: &[&str]) -> Output {
    let mut command = Command::new(find("AERAKI_HELM", HELM));
    command.args(["template", "aeraki"]);
    command.arg(deploy().join("charts/aeraki"));
    command.args(["--namespace", "istio-system", "--kube-version", "1.36.0"]);
    command.args(arguments).output().unwrap()
}

pub(crate) fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy")
}

fn succeeded(output: Output) -> String {
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complaint}");
    String::from_utf8(output.stdout).unwrap()
}

fn find(variable: &str, (name, version): (&str, &str)) -> PathBuf {
    let named = |name| env::var_os(name).map(PathBuf::from);
    let cache = named("AERAKI_CACHE")
        .or_else(|| Some(named("XDG_CACHE_HOME")?.join("aeraki")))
        .or_else(|| Some(named("HOME")?.join(".cache/aeraki")));
    let binary = named(variable).unwrap_or_else(|| {
        let cache = cache.expect("HOME, XDG_CACHE_HOME or AERAKI_CACHE is set");
        cache
            .join(format!("{name}-{version}"))
            .join("bin")
            .join(name)
    });
    assert!(
        binary.is_file(),
        "no {name} at {}: run `cargo xtask setup` first (or name a binary in {variable})",
        binary.display()
    );
    binary
}
