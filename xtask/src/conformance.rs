//! `cargo xtask conformance …`: handed to the program of `aeraki-conformance`, once everything that it needs is there.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::applications;
use crate::process::{built_command, cargo};
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
    let only_asks = ["--list", "--help", "-h"];
    if arguments.iter().any(|it| only_asks.contains(&it.as_str())) {
        return Ok(suite(&arguments).status()?.success());
    }
    play(&arguments, applications::set_up()?)
}

/// The same with applications that are set up already.
pub(crate) fn play(
    arguments: &[String],
    applications: Vec<(&'static str, PathBuf)>,
) -> Result<bool> {
    setup::servers_and_envoy()?;
    let mut suite = suite(arguments);
    suite.args(["--aeraki", &built_command(&[])?]);
    for (name, place) in applications {
        suite.arg(format!("--application={name}={}", place.display()));
    }
    Ok(suite.status()?.success())
}

fn suite(arguments: &[String]) -> Command {
    let mut suite = cargo(&[
        "run",
        "--quiet",
        "--locked",
        "--package",
        "aeraki-conformance",
        "--",
    ]);
    suite.args(arguments);
    suite
}
