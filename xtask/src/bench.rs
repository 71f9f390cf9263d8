//! `cargo xtask bench …`: handed to the program of `aeraki-bench`, with the command as it is released.

use anyhow::Result;

use crate::process::{built_command, cargo};

/// Whether it could be measured; what there is to say the program has printed.
pub(crate) fn run(arguments: impl Iterator<Item = String>) -> Result<bool> {
    let mut bench = cargo(&["run", "--quiet", "--locked", "--release"]);
    bench.args(["--package", "aeraki-bench", "--", "--aeraki"]);
    bench.arg(built_command(&["--release"])?).args(arguments);
    Ok(bench.status()?.success())
}
