//! `aeraki run`: EnvoyFilters kept right while the config changes.

mod log;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use aeraki_core::registry::Registry;
use anyhow::{Context as _, Result, ensure};
use tracing::info;

use crate::console::Console;
use crate::version::VERSION;
use crate::{linked, settings};

/// Where config comes from, and where EnvoyFilters go.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Where config comes from
    #[arg(long, value_enum, default_value_t = Source::File, value_name = "SOURCE", env = "AERAKI_CONFIG_SOURCE")]
    config_source: Source,
    /// A directory or file with config; may be repeated
    #[arg(
        long = "config-dir",
        value_name = "PATH",
        required_unless_present = "print_config",
        env = "AERAKI_CONFIG_DIR"
    )]
    config_dirs: Vec<PathBuf>,
    /// The directory that is kept right: one file per EnvoyFilter, `<namespace>/<name>.yaml`
    #[arg(
        long,
        value_name = "DIR",
        required_unless_present = "print_config",
        env = "AERAKI_OUTPUT_DIR"
    )]
    output_dir: Option<PathBuf>,
    /// Write what is right now, and end
    #[arg(long)]
    once: bool,
    #[command(flatten)]
    log: log::Args,
    #[command(flatten)]
    settings: settings::Args,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Source {
    /// Files of YAML or JSON
    File,
}

pub(crate) fn run(args: &Args, console: Console) -> Result<ExitCode> {
    let registry = linked::registry_of_some()?;
    let settings = args.settings.resolve(&registry)?;
    if args.settings.print_config {
        console.print(&settings::print(&settings))?;
        return Ok(ExitCode::SUCCESS);
    }
    log::start(&args.log, console)?;
    announce(&registry);
    Ok(ExitCode::SUCCESS)
}

/// Says what this binary is, so that a log tells which protocols could have come to work.
fn announce(registry: &Registry) {
    let protocols: Vec<String> = registry
        .iter()
        .map(|registration| registration.describe())
        .map(|linked| format!("{} ({})", linked.name, linked.origin))
        .collect();
    info!(version = VERSION, protocols = protocols.join(", "), "Starting");
}

/// Output that were read back as config would make changes of its own.
fn keep_apart(config: &[PathBuf], output: &Path) -> Result<()> {
    let output_is = real(output)?;
    for path in config {
        let config_is = real(path)?;
        ensure!(
            !output_is.starts_with(&config_is) && !config_is.starts_with(&output_is),
            "the output directory {} and the config {} lie in one another; keep them apart",
            output.display(),
            path.display()
        );
    }
    Ok(())
}

/// The path without links, even if its end does not exist yet.
fn real(path: &Path) -> Result<PathBuf> {
    let whole = std::path::absolute(path)
        .with_context(|| format!("{} is no path", path.display()))?;
    let known = whole.ancestors().find_map(|part| Some((part, part.canonicalize().ok()?)));
    let Some((part, known)) = known else { return Ok(whole) };
    let rest = whole.strip_prefix(part).context("an ancestor is a prefix")?;
    Ok(if rest.as_os_str().is_empty() { known } else { known.join(rest) })
}
use tokio as _;
const _: fn(&[PathBuf], &Path) -> Result<()> = keep_apart;
