//! `cargo xtask conformance …`: handed to the program of `aeraki-conformance`, once everything that it needs is there.

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::applications;
use crate::process::{capture, cargo, root};
use crate::setup;

/// Shows a protocol at work: whether it went well.
pub(crate) fn demo(mut arguments: impl Iterator<Item = String>) -> Result<bool> {
    let protocol = arguments.next().filter(|first| !first.starts_with('-'));
    let protocol = protocol.context(
        "which one? cargo xtask demo dubbo|thrift|redis|zookeeper|kafka [--seconds SECONDS]",
    )?;
    run(["--demo".to_owned(), protocol].into_iter().chain(arguments))
}

/// Whether every case passed; what there is to say the program has printed.
pub(crate) fn run(arguments: impl Iterator<Item = String>) -> Result<bool> {
    let arguments: Vec<String> = arguments.collect();
    let mut suite = cargo(&[
        "run",
        "--quiet",
        "--locked",
        "--package",
        "aeraki-conformance",
        "--",
    ]);
    suite.args(&arguments);
    let only_asks = ["--list", "--help", "-h"];
    if !arguments
        .iter()
        .any(|argument| only_asks.contains(&argument.as_str()))
    {
        setup::servers_and_envoy()?;
        suite.args(["--aeraki", &aeraki()?]);
        for (name, place) in applications::set_up()? {
            suite.arg(format!("--application={name}={}", place.display()));
        }
    }
    Ok(suite.status()?.success())
}

/// Builds the command under test; where it is.
fn aeraki() -> Result<String> {
    let mut build = cargo(&["build", "--quiet", "--locked", "--package", "aeraki-bin"]);
    build.args(["--bin", "aeraki", "--message-format", "json"]);
    let messages = capture(&mut build)?;
    let executable = |line: &str| {
        let message: Value = serde_json::from_str(line).ok()?;
        message["executable"].as_str().map(str::to_owned)
    };
    let found = messages.lines().find_map(executable);
    found.with_context(|| format!("cargo names no executable in {}", root().display()))
}
