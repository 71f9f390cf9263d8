//! The log of `aeraki run`, on standard error.

use anyhow::{Result, anyhow};
use tracing_subscriber::EnvFilter;

use crate::cli::usage;
use crate::console::Console;

/// How to log.
#[derive(clap::Args, Debug)]
#[group(skip)]
#[command(next_help_heading = "Log")]
pub(super) struct Args {
    /// The form of the log
    #[arg(long, value_enum, default_value_t = Format::Text, value_name = "FORMAT", env = "AERAKI_LOG_FORMAT")]
    log_format: Format,
    /// The lowest level that is logged, or a filter such as `info,aeraki_file=debug`; RUST_LOG goes before it
    #[arg(
        long,
        default_value = "info",
        value_name = "LEVEL",
        env = "AERAKI_LOG_LEVEL"
    )]
    log_level: String,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Format {
    /// A line for people
    Text,
    /// An object in each line
    Json,
}

/// Starts the log. Once per process.
pub(super) fn start(args: &Args, console: Console) -> Result<()> {
    let filter = std::env::var("RUST_LOG")
        .ok()
        .filter(|filter| !filter.is_empty());
    let filter = filter.as_deref().unwrap_or(&args.log_level);
    let filter = EnvFilter::try_new(filter)
        .map_err(|error| usage(format!("`{filter}` is no log filter: {error}")))?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(console.colors_stderr())
        .with_target(false);
    let started = match args.log_format {
        Format::Text => log.try_init(),
        Format::Json => log.json().flatten_event(true).try_init(),
    };
    started.map_err(|error| anyhow!("the log cannot be started: {error}"))
}
