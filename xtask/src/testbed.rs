//! `cargo xtask testbed …`: handed to the program of `aeraki-testbed`.
//!
//! A program of its own, so that xtask itself stays light: a client of Kubernetes takes minutes to
//! compile, and most tasks need none.

use anyhow::Result;

use crate::process::cargo;

/// Whether the program ended well; what it had to say it has printed.
pub(crate) fn run(arguments: impl Iterator<Item = String>) -> Result<bool> {
    let mut testbed = cargo(&["run", "--quiet", "--package", "aeraki-testbed", "--"]);
    // Files that the user names are meant from where the user is.
    testbed.current_dir(std::env::current_dir()?);
    Ok(testbed.args(arguments).status()?.success())
}
