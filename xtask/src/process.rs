//! Running other programs, from the root of the workspace.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

/// The root of the workspace.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("xtask lies in the workspace's root")
}

/// A command in the root of the workspace.
pub(crate) fn command(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(root());
    command
}

/// `cargo` with these arguments.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = command("cargo");
    // What cargo tells us of ourselves is nothing to the cargo within: build scripts that look at it would run again, and
    // with them half of the dependencies be compiled, each time that one of the two is called.
    for (name, _) in std::env::vars_os() {
        if tells_of_xtask(&name.to_string_lossy()) {
            command.env_remove(name);
        }
    }
    command.args(arguments);
    command
}

fn tells_of_xtask(name: &str) -> bool {
    const ABOUT_A_PACKAGE: [&str; 5] = [
        "CARGO_MANIFEST_",
        "CARGO_PKG_",
        "CARGO_BIN_",
        "CARGO_CRATE_",
        "CARGO_PRIMARY_",
    ];
    ABOUT_A_PACKAGE.iter().any(|start| name.starts_with(start))
}

/// Builds the aeraki command, with these arguments for cargo; where it is.
pub(crate) fn built_command(arguments: &[&str]) -> Result<String> {
    let mut build = cargo(&["build", "--quiet", "--locked", "--package", "aeraki-bin"]);
    build.args(["--bin", "aeraki", "--message-format", "json"]);
    let messages = capture(build.args(arguments))?;
    let executable = |line: &str| {
        let message: Value = serde_json::from_str(line).ok()?;
        message["executable"].as_str().map(str::to_owned)
    };
    let found = messages.lines().find_map(executable);
    found.with_context(|| format!("cargo names no executable in {}", root().display()))
}

/// Runs it in the open; anything but success is an error.
pub(crate) fn execute(command: &mut Command) -> Result<()> {
    let shown = shown(command);
    println!("  $ {shown}");
    let status = command
        .status()
        .with_context(|| format!("cannot start `{shown}`"))?;
    ensure!(status.success(), "`{shown}`: {status}");
    Ok(())
}

/// Runs it and returns what it prints; its complaints stay in the open.
pub(crate) fn capture(command: &mut Command) -> Result<String> {
    let shown = shown(command);
    println!("  $ {shown}");
    let Output { status, stdout, .. } = command
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot start `{shown}`"))?;
    ensure!(status.success(), "`{shown}`: {status}");
    String::from_utf8(stdout).with_context(|| format!("`{shown}` prints something else than text"))
}

/// Fails with the name of the Debian package where the program does not run.
pub(crate) fn require(program: &str, arguments: &[&str], package: &str) -> Result<()> {
    if succeeds(command(program).args(arguments)) {
        return Ok(());
    }
    let call = [&[program], arguments].concat().join(" ");
    bail!(
        "`{call}` does not run: install the Debian package {package} (`apt-get install {package}`)"
    );
}

/// Whether it runs, without a word.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words
        .map(|word| word.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}
