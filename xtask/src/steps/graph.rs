//! What the graph of crates must and must not hold.

use anyhow::{Result, ensure};

use crate::process::{capture, cargo, execute};

/// What core must not know: asynchronous runtimes, Kubernetes, gRPC, HTTP.
const NOT_IN_CORE: [&str; 4] = ["tokio", "kube", "tonic", "hyper"];
/// A second provider of cryptography beside ring, and a C library.
/// (`openssl` cannot be there without `openssl-sys`; `openssl-probe` only looks for certificate files.)
const NOWHERE: [&str; 3] = ["aws-lc-rs", "aws-lc-sys", "openssl-sys"];

pub(super) fn purity() -> Result<()> {
    let core = tree(&["--package", "aeraki-core", "--edges", "normal"])?;
    none_of(&core, &NOT_IN_CORE, "aeraki-core")?;
    let all = tree(&["--workspace", "--target", "all"])?;
    none_of(&all, &NOWHERE, "the workspace")?;
    // Key order of JSON objects would become the order of insertion, and output with it.
    let features = tree(&["--workspace", "--edges", "features"])?;
    ensure!(
        !features.contains("serde_json feature \"preserve_order\""),
        "serde_json's preserve_order is on: `cargo tree --workspace -e features -i serde_json` says by whom"
    );
    Ok(())
}

/// Each by itself, so that none lives on features that only its neighbours turn on.
pub(super) fn crates_alone() -> Result<()> {
    let members = tree(&["--workspace", "--depth", "0"])?;
    for member in packages(&members) {
        execute(&mut cargo(&[
            "check",
            "--quiet",
            "--locked",
            "--package",
            member,
        ]))?;
    }
    Ok(())
}

fn tree(arguments: &[&str]) -> Result<String> {
    let mut tree = cargo(&["tree", "--locked", "--prefix", "none"]);
    let tree = capture(tree.args(arguments))?;
    ensure!(!tree.trim().is_empty(), "cargo tree lists nothing");
    Ok(tree)
}

fn packages(tree: &str) -> impl Iterator<Item = &str> {
    tree.lines()
        .filter_map(|line| line.split_whitespace().next())
}

fn none_of(tree: &str, unwanted: &[&str], whose: &str) -> Result<()> {
    for package in packages(tree) {
        let family = |name: &&&str| {
            package == **name
                || package
                    .strip_prefix(**name)
                    .is_some_and(|rest| rest.starts_with('-'))
        };
        if let Some(name) = unwanted.iter().find(family) {
            anyhow::bail!("{whose} depends on {package} ({name} is unwanted there)");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unwanted_crate_and_its_family_are_found() {
        for package in ["tokio", "tokio-util", "kube-client", "hyper"] {
            let tree = format!("aeraki-core v0.1.0 (/x)\nserde v1.0.0\n{package} v1.0.0 (*)\n");
            assert!(none_of(&tree, &NOT_IN_CORE, "core").is_err(), "{package}");
        }
    }

    #[test]
    fn crate_of_a_similar_name_is_not_meant() {
        assert!(
            none_of(
                "kubernetes v1.0.0\nhyperfine v1.0.0\n",
                &NOT_IN_CORE,
                "core"
            )
            .is_ok()
        );
    }
}
