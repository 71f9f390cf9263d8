//! `aeraki completion SHELL`: the script that completes this command line.

use std::process::ExitCode;

use anyhow::Result;
use clap::CommandFactory;
use clap_complete::Shell;

use crate::cli::Cli;
use crate::console::Console;

/// Which shell.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The shell to complete for
    #[arg(value_enum)]
    shell: Shell,
}

pub(crate) fn run(args: &Args, console: Console) -> Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "aeraki", &mut script);
    console.print(&String::from_utf8(script)?)?;
    Ok(ExitCode::SUCCESS)
}
