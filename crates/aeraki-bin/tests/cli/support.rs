//! Runs the command in the directory of the fixtures, without the environment's own settings.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// How a run ended.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// The command, not yet run.
pub(crate) fn command(line: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_aeraki"));
    command.args(line).stdin(Stdio::null());
    command.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures"));
    for (name, _) in std::env::vars_os() {
        let name_is = name.to_string_lossy();
        if name_is.starts_with("AERAKI_") || ["RUST_LOG", "NO_COLOR"].contains(&&*name_is) {
            command.env_remove(name);
        }
    }
    command
}

/// Runs the command to its end.
pub(crate) fn aeraki(line: &[&str]) -> Ran {
    ran(command(line).output().unwrap())
}

/// Runs the command with `text` as its standard input.
pub(crate) fn aeraki_reading(line: &[&str], text: &str) -> Ran {
    let mut command = command(line);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let text = text.to_owned();
    // A command that does not read to the end breaks the pipe; that is its right.
    let writer = std::thread::spawn(move || stdin.write_all(text.as_bytes()).ok());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    ran(output)
}

/// How it ended.
pub(crate) fn ran(output: Output) -> Ran {
    Ran {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}
