//! `aeraki run`: EnvoyFilters kept right while the config changes.

#[cfg(feature = "cluster")]
mod cluster;
mod keeper;
pub(crate) mod log;
pub(crate) mod options;
mod signals;
pub(crate) mod span;
mod watch;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use aeraki_core::engine::Engine;
use aeraki_core::registry::Registry;
use aeraki_core::settings::Settings;
use aeraki_core::shrink::ShrinkGuard;
use aeraki_file::{Files, Lock, Reader, Roots, Sink};
use anyhow::{Context as _, Result, ensure};
use clap::builder::FalseyValueParser;
use tracing::info;

#[cfg(feature = "cluster")]
use self::cluster::Cluster;
use self::keeper::Keeper;
use self::options::{Options, Source};
use crate::cli::usage;
use crate::console::Console;
use crate::version::VERSION;
use crate::{linked, settings};

/// Where config comes from, and where EnvoyFilters go.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(flatten)]
    flags: options::Flags,
    #[command(flatten)]
    files: FileArgs,
    #[command(flatten)]
    settings: settings::Args,
}

/// What only files as a source need. It has no key in the settings file.
#[derive(clap::Args, Debug)]
#[group(skip)]
#[command(next_help_heading = "Files")]
struct FileArgs {
    /// A directory or file with config; may be repeated
    #[arg(long = "config-dir", value_name = "PATH", env = "AERAKI_CONFIG_DIR")]
    config_dirs: Vec<PathBuf>,
    /// The directory that is kept right: one file per EnvoyFilter, `<namespace>/<name>.yaml`
    #[arg(long, value_name = "DIR", env = "AERAKI_OUTPUT_DIR")]
    output_dir: Option<PathBuf>,
    /// Write what is right now, and end. Deletes what is no longer wanted at once, however much it is (--shrink-wait does
    /// not apply), but nothing if there is no config file at all, unless --allow-empty is given
    #[arg(long)]
    once: bool,
    /// Take a config without any file as meant. Without this, nothing is deleted until a config file has been read: an
    /// empty directory is more likely a volume that is not mounted
    #[arg(
        long,
        value_parser = FalseyValueParser::new(),
        env = "AERAKI_ALLOW_EMPTY"
    )]
    allow_empty: bool,
    /// Where one look would delete more than 10 EnvoyFilters and more than a fifth of all, hold them until a look so many
    /// seconds later wants the same; 0 holds nothing
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 5,
        value_parser = clap::value_parser!(u64).range(..=86_400),
        env = "AERAKI_SHRINK_WAIT"
    )]
    shrink_wait: u64,
}

pub(crate) fn run(args: &Args, console: Console) -> Result<ExitCode> {
    let registry = linked::registry_of_some()?;
    let file = args.settings.read(&registry)?;
    let options = args
        .flags
        .resolve(&file.run)
        .map_err(|error| usage(format!("{error:#}")))?;
    let settings = args.settings.lay_over(file.settings, &registry)?;
    if args.settings.print_config {
        console.print(&settings::print(&settings, Some(&options)))?;
        return Ok(ExitCode::SUCCESS);
    }
    let source = options
        .config_source
        .unwrap_or(if args.files.config_dirs.is_empty() {
            Source::Xds
        } else {
            Source::File
        });
    match source {
        Source::File => args.files.run(&options, settings, registry, console),
        #[cfg(feature = "cluster")]
        Source::Xds | Source::Kube => {
            args.files.refuse()?;
            let level = log::start(&options, console)?;
            announce(&registry);
            let with_istiod = source == Source::Xds;
            Cluster::new(options, settings, registry, with_istiod, level).run()
        }
        #[cfg(not(feature = "cluster"))]
        Source::Xds | Source::Kube => Err(usage(
            "this binary reads files only, with --config-dir: it was built without the feature `cluster`",
        )),
    }
}

impl FileArgs {
    fn run(
        &self,
        options: &Options,
        settings: Settings,
        registry: Registry,
        console: Console,
    ) -> Result<ExitCode> {
        if self.config_dirs.is_empty() {
            return Err(usage("files as a source need --config-dir"));
        }
        let Some(output) = self.output_dir.as_deref() else {
            return Err(usage(
                "files as a source need --output-dir, the directory to keep right",
            ));
        };
        keep_apart(&self.config_dirs, output)?;
        log::start(options, console)?;
        announce(&registry);
        let _kept_by_us_alone = Lock::take(output)?;
        let roots = Roots::new(&self.config_dirs).except(output);
        let files =
            Files::new(Reader::new(&registry), roots.clone()).may_be_empty(self.allow_empty);
        let engine = Engine::new(settings, registry);
        let keeper = Keeper::new(files, engine, Sink::new(output), self.guard());
        if self.once {
            once(keeper)
        } else {
            watch::run(&roots, keeper)
        }
    }

    /// In a cluster there are no files; who names some expects something else.
    #[cfg(feature = "cluster")]
    fn refuse(&self) -> Result<()> {
        let given = [
            ("--config-dir", !self.config_dirs.is_empty()),
            ("--output-dir", self.output_dir.is_some()),
            ("--once", self.once),
        ];
        match given.iter().find(|(_, is_given)| *is_given) {
            Some((flag, _)) => Err(usage(format!("{flag} goes with --config-source file only"))),
            None => Ok(()),
        }
    }

    /// Who looks once cannot wait for a second look; that it is for once says that it is meant.
    fn guard(&self) -> ShrinkGuard {
        let wait = if self.once { 0 } else { self.shrink_wait };
        ShrinkGuard::new(wait * 1_000)
    }
}

/// Writes what is right now. What could not be read or written makes it a failure.
fn once(mut keeper: Keeper) -> Result<ExitCode> {
    keeper.start()?;
    Ok(if keeper.is_all_well() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Says what this binary is, so that a log tells which protocols could have come to work.
fn announce(registry: &Registry) {
    let protocols: Vec<String> = registry
        .iter()
        .map(|registration| registration.describe())
        .map(|linked| format!("{} ({})", linked.name, linked.origin))
        .collect();
    info!(
        version = VERSION,
        protocols = protocols.join(", "),
        "Starting"
    );
}

/// Config inside the output directory would be passed over with the output, and could be written over by it.
fn keep_apart(config: &[PathBuf], output: &Path) -> Result<()> {
    let output_is = real(output)?;
    for path in config {
        ensure!(
            !real(path)?.starts_with(&output_is),
            "the config {} lies in the output directory {}: choose another output directory",
            path.display(),
            output.display()
        );
    }
    Ok(())
}

/// The path without links, even if its end does not exist yet.
fn real(path: &Path) -> Result<PathBuf> {
    let whole =
        std::path::absolute(path).with_context(|| format!("{} is no path", path.display()))?;
    let known = whole
        .ancestors()
        .find_map(|part| Some((part, part.canonicalize().ok()?)));
    let Some((part, known)) = known else {
        return Ok(whole);
    };
    let rest = whole
        .strip_prefix(part)
        .context("an ancestor is a prefix")?;
    Ok(if rest.as_os_str().is_empty() {
        known
    } else {
        known.join(rest)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_may_lie_in_the_config_but_config_not_in_the_output() {
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("config");
        std::fs::create_dir(&config).unwrap();
        let configs = [config.clone()];
        assert!(keep_apart(&configs, &config.join("out/new")).is_ok());
        assert!(keep_apart(&configs, &dir.path().join("out")).is_ok());
        assert!(keep_apart(&configs, &config).is_err());
        assert!(keep_apart(&configs, dir.path()).is_err());
        assert!(keep_apart(&configs, &config.join("../config")).is_err());
    }
}
