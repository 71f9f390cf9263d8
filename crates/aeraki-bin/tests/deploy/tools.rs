//! The programs that render manifests: the command of this crate, kubectl (which has kustomize in it) and helm.

use std::env;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;

use aeraki_testcache::Servers;
use serde_json::Value;

use crate::objects::parse;

/// As `cargo xtask setup` installs it.
const HELM: (&str, &str) = ("helm", "3.22.0");

/// What `aeraki manifests` prints.
pub(crate) fn manifests(arguments: &[&str]) -> Vec<Value> {
    parse(&manifests_text(arguments))
}

/// The same, as it is printed.
pub(crate) fn manifests_text(arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_aeraki"));
    succeeded(command.arg("manifests").args(arguments).output().unwrap())
}

/// What `kubectl kustomize` makes of a directory under `deploy/`.
pub(crate) fn kustomize(directory: &str) -> Vec<Value> {
    parse(&build(&deploy().join(directory)))
}

/// What it makes of an overlay outside the checkout, with these components of `deploy/components`.
pub(crate) fn overlay(components: &[&str]) -> Vec<Value> {
    let directory = tempfile::tempdir().unwrap();
    symlink(
        deploy().canonicalize().unwrap(),
        directory.path().join("aeraki"),
    )
    .unwrap();
    let mut kustomization = "resources: [aeraki/base]\ncomponents:\n".to_owned();
    for component in components {
        kustomization += &format!("- aeraki/components/{component}\n");
    }
    fs::write(directory.path().join("kustomization.yaml"), kustomization).unwrap();
    parse(&build(directory.path()))
}

fn build(directory: &Path) -> String {
    let mut command = Command::new(kubectl());
    succeeded(command.arg("kustomize").arg(directory).output().unwrap())
}

/// What `helm template` makes of the chart in namespace `istio-system`.
pub(crate) fn chart(arguments: &[&str]) -> Vec<Value> {
    parse(&chart_text(arguments))
}

/// The same, as it is printed.
pub(crate) fn chart_text(arguments: &[&str]) -> String {
    succeeded(helm_template(arguments))
}

/// How `helm template` ends.
pub(crate) fn helm_template(arguments: &[&str]) -> Output {
    let mut command = Command::new(helm());
    command.args(["template", "aeraki"]);
    command.arg(deploy().join("charts/aeraki"));
    command.args(["--namespace", "istio-system", "--kube-version", "1.36.0"]);
    command.args(arguments).output().unwrap()
}

pub(crate) fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy")
}

/// kubectl of the test bed's version, built where the cache lacks it.
pub(crate) fn kubectl() -> &'static Path {
    static KUBECTL: LazyLock<PathBuf> = LazyLock::new(|| Servers::built().unwrap().kubectl());
    &KUBECTL
}

pub(crate) fn helm() -> PathBuf {
    let (name, version) = HELM;
    let binary = env::var_os("AERAKI_HELM").map_or_else(
        || {
            let cache = aeraki_testcache::root().unwrap();
            cache.join(format!("{name}-{version}/bin/{name}"))
        },
        PathBuf::from,
    );
    assert!(
        binary.is_file(),
        "no helm at {}: run `cargo xtask setup` first (or name a binary in AERAKI_HELM)",
        binary.display()
    );
    binary
}

pub(crate) fn succeeded(output: Output) -> String {
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complaint}");
    String::from_utf8(output.stdout).unwrap()
}
