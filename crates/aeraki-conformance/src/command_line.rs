//! What the program understands. `cargo xtask conformance` passes its own arguments on, and says where programs are.

use std::io::{self, ErrorKind, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

use crate::case::Case;
use crate::mesh::Programs;
use crate::suite::{self, Choice, Plan};
use crate::{demo, isolation, measure, overhead};

#[derive(Parser)]
#[command(
    bin_name = "cargo xtask conformance",
    about = "Real applications behind real sidecars: which server answers the call"
)]
struct Cli {
    /// Only the cases of this protocol; may be repeated
    #[arg(long = "protocol", value_name = "NAME", value_delimiter = ',')]
    protocols: Vec<String>,
    /// Only cases whose name contains this; may be repeated
    #[arg(value_name = "CASE")]
    names: Vec<String>,
    /// Print the cases and what each proves, and run none
    #[arg(long)]
    list: bool,
    /// Play a case that fails once more, by itself
    #[arg(long)]
    again: bool,
    /// How many cases may run at the same time
    #[arg(long, value_name = "COUNT", default_value_t = 4)]
    jobs: usize,
    /// The command `aeraki`
    #[arg(
        long,
        value_name = "FILE",
        hide = true,
        required_unless_present = "list"
    )]
    aeraki: Option<PathBuf>,
    /// Where something was set up for applications; may be repeated
    #[arg(long = "application", value_name = "NAME=DIRECTORY", hide = true, value_parser = application)]
    applications: Vec<(String, PathBuf)>,
    /// Show a protocol at work instead: rules that change, and a table of who answers
    #[arg(long, value_name = "PROTOCOL", conflicts_with_all = ["protocols", "names", "list"])]
    demo: Option<String>,
    /// Measure instead what a change costs those who are calling, and print tables
    #[arg(long, conflicts_with_all = ["protocols", "names", "list", "demo"])]
    measure: bool,
    /// Measure instead what each protocol's filter costs against plain TCP, and print a table
    #[arg(long, conflicts_with_all = ["protocols", "names", "list", "demo", "measure"])]
    overhead: bool,
    /// How long each part of a demonstration takes, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 10, requires = "demo")]
    seconds: u64,
    /// Where logs and config dumps of failed cases go
    #[arg(long, value_name = "DIRECTORY", default_value = "target/conformance")]
    output: PathBuf,
}

pub(crate) fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> Result<bool> {
    let choice = Choice {
        protocols: cli.protocols,
        names: cli.names,
    };
    let cases = choice.cases()?;
    if cli.list {
        return list(&cases).map(|()| true);
    }
    let programs = Programs {
        aeraki: cli.aeraki.context("clap requires it")?,
        applications: cli.applications.into_iter().collect(),
    };
    isolation::enter()?;
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        // The first process of a process namespace gets no signal that it does not ask for.
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let plan = Plan {
            jobs: cli.jobs,
            again: cli.again,
            output: cli.output,
        };
        let work = async {
            match &cli.demo {
                Some(protocol) => {
                    let act = Duration::from_secs(cli.seconds);
                    demo::play(protocol, programs, act).await.map(|()| true)
                }
                None if cli.measure => measure::run(programs).await.map(|()| true),
                None if cli.overhead => overhead::run(programs).await.map(|()| true),
                None => suite::run(&cases, programs, &plan).await,
            }
        };
        tokio::select! {
            passed = work => passed,
            // A show is ended so.
            _ = interrupt.recv() => {
                anyhow::ensure!(cli.demo.is_some(), "interrupted");
                Ok(true)
            }
            _ = terminate.recv() => anyhow::bail!("told to end"),
        }
    })
}

/// In the order of the documents. A reader that has seen enough is no error.
fn list(cases: &[(u8, &'static Case)]) -> Result<()> {
    let is_chosen = |case: &&Case| cases.iter().any(|(_, chosen)| chosen.name == case.name);
    let line = |case: &Case| format!("{:<44} {}\n", case.name, case.proves);
    let lines: String = suite::all().filter(is_chosen).map(line).collect();
    match io::stdout().write_all(lines.as_bytes()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => Ok(written?),
    }
}

fn application(text: &str) -> Result<(String, PathBuf), String> {
    let (name, directory) = text.split_once('=').ok_or("there is no `=`")?;
    Ok((name.to_owned(), PathBuf::from(directory)))
}
