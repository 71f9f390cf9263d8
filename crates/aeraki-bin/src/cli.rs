//! The command line: what can be asked, and which exit code an answer has.

use std::process::ExitCode;

use anyhow::{Error, Result};
use clap::builder::Resettable;
use clap::{Arg, ArgAction, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::console::{Color, Console, is_broken_pipe};
use crate::{analyze, completion, generate, manifests, protocols, run, version};

const EXAMPLES: &str = "Examples:
  aeraki generate -f istio/                 the EnvoyFilters of a folder of Istio objects
  aeraki analyze -f istio/                  what is wrong with them, and where
  aeraki analyze --explain AER0101          what a code means
  aeraki run --config-source file --config-dir istio/ --output-dir out/
                                            keep the EnvoyFilters right while the folder changes

Exit codes: 0 success, 1 error, 2 wrong usage, 79 `analyze` found issues.";

const RUN_EXAMPLES: &str = "Examples:
  aeraki run --config-dir istio/ --output-dir out/
                                            files in, files out
  aeraki run                                in a pod: config from istiod, EnvoyFilters to the API server
  aeraki run --config-source kube --kubeconfig ~/.kube/config
                                            all from the API server, with a user's rights
  aeraki run --print-config                 what would be in force, and end

`-h` says each option in a line.";

/// Speak Dubbo, Thrift, Redis, ZooKeeper and Kafka with stock Istio sidecars.
///
/// Aeraki reads Istio objects, finds the services whose port name says which protocol they speak
/// (`tcp-<protocol>[-<name>]`), and makes the EnvoyFilters by which sidecars understand it.
#[derive(Parser, Debug)]
#[command(name = "aeraki", version, after_help = EXAMPLES, propagate_version = true)]
pub(crate) struct Cli {
    /// When to colour
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto, value_name = "WHEN")]
    color: Color,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Print the EnvoyFilters of Istio objects in files
    Generate(generate::Args),
    /// Say what is wrong with Istio objects in files, and where
    Analyze(analyze::Args),
    /// Keep EnvoyFilters right while the config changes, until SIGTERM
    #[command(after_help = RUN_EXAMPLES)]
    Run(Box<run::Args>),
    /// List the protocols of this binary and what each can express
    Protocols(protocols::Args),
    /// Print what a cluster needs to run Aeraki, for `kubectl apply -f -`
    Manifests(manifests::Args),
    /// Print a script that completes this command line
    Completion(completion::Args),
    /// Print the version and the protocols
    Version(version::Args),
}

/// A command line that asks for something that cannot be: exit code 2, as for one that clap refuses.
#[derive(Debug)]
struct Usage(String);

impl std::fmt::Display for Usage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

/// An error that is the command line's fault.
pub(crate) fn usage(sentence: impl Into<String>) -> Error {
    Usage(sentence.into()).into()
}

pub(crate) fn main() -> ExitCode {
    let command = last_word_counts(without_empty_variables(Cli::command()));
    let parsed = command.try_get_matches();
    let cli = match parsed.and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => cli,
        Err(answer) => {
            // Help and version are answers too. That nobody reads them changes nothing.
            answer.print().ok();
            return if answer.use_stderr() {
                ExitCode::from(2)
            } else {
                ExitCode::SUCCESS
            };
        }
    };
    let console = Console::new(cli.color);
    dispatch(&cli.command, console).unwrap_or_else(|error| failure(&error, console))
}

/// An environment variable that is empty says nothing: templates of manifests leave such ones behind, and most types of
/// values would refuse them.
fn without_empty_variables(command: clap::Command) -> clap::Command {
    let is_empty = |arg: &Arg| {
        let value = arg.get_env().and_then(std::env::var_os);
        value.is_some_and(|value| value.is_empty())
    };
    command.mut_subcommands(move |command| {
        command.mut_args(move |arg| {
            if is_empty(&arg) {
                arg.env(Resettable::Reset)
            } else {
                arg
            }
        })
    })
}

/// Of an option that takes one value, the last one counts: who adds a flag to those of a manifest, or of a test bed, means
/// to have it otherwise.
fn last_word_counts(command: clap::Command) -> clap::Command {
    command.mut_subcommands(|command| {
        command.mut_args(|arg| match arg.get_action() {
            ArgAction::Set | ArgAction::SetTrue => {
                let itself = arg.get_id().clone();
                arg.overrides_with(itself)
            }
            _ => arg,
        })
    })
}

fn dispatch(command: &Command, console: Console) -> Result<ExitCode> {
    match command {
        Command::Generate(args) => generate::run(args, console),
        Command::Analyze(args) => analyze::run(args, console),
        Command::Run(args) => run::run(args, console),
        Command::Protocols(args) => protocols::run(args, console),
        Command::Manifests(args) => manifests::run(args, console),
        Command::Completion(args) => completion::run(args, console),
        Command::Version(args) => version::run(args, console),
    }
}

fn failure(error: &Error, console: Console) -> ExitCode {
    if is_broken_pipe(error) {
        return ExitCode::SUCCESS;
    }
    console.say(format_args!("error: {error:#}"));
    if error.is::<Usage>() {
        ExitCode::from(2)
    } else {
        ExitCode::FAILURE
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::Cli;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }
}
