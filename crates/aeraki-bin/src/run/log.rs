//! The log of `aeraki run`, on standard error; its level can be changed while it runs.

use anyhow::{Result, anyhow};
use serde::{Deserialize, Serialize};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Registry, fmt, reload};

use super::options::Options;
use crate::cli::usage;
use crate::console::Console;

/// The form of the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Format {
    /// A line for people
    Text,
    /// An object in each line
    Json,
}

/// What is logged, to be read and changed while the process runs.
#[derive(Clone, Debug)]
#[cfg_attr(
    not(feature = "cluster"),
    expect(
        dead_code,
        reason = "only a run in a cluster has pages that ask and change it"
    )
)]
pub(super) struct Level(reload::Handle<EnvFilter, Registry>);

#[cfg(feature = "cluster")]
impl Level {
    /// The filter as it is.
    pub(super) fn current(&self) -> String {
        let shown = self.0.with_current(ToString::to_string);
        shown.unwrap_or_else(|_| "unknown".to_owned())
    }

    /// Another filter from now on.
    pub(super) fn set(&self, filter: &str) -> Result<(), String> {
        let filter = parse(filter)?;
        self.0.reload(filter).map_err(|error| error.to_string())
    }
}

/// Starts the log. Once per process.
pub(super) fn start(options: &Options, console: Console) -> Result<Level> {
    let filter = std::env::var("RUST_LOG")
        .ok()
        .filter(|filter| !filter.is_empty());
    let filter = parse(filter.as_deref().unwrap_or(&options.log_level)).map_err(usage)?;
    let (filter, handle) = reload::Layer::new(filter);
    let lines = fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(console.colors_stderr())
        .with_target(false);
    let registry = tracing_subscriber::registry().with(filter);
    let started = match options.log_format {
        Format::Text => registry.with(lines).try_init(),
        Format::Json => registry.with(lines.json().flatten_event(true)).try_init(),
    };
    started.map_err(|error| anyhow!("the log cannot be started: {error}"))?;
    Ok(Level(handle))
}

/// A filter. Unless it names the Kubernetes client's own log, that stays silent: it would report as an error each failed
/// try of what is tried again, and reported once, by us.
fn parse(filter: &str) -> Result<EnvFilter, String> {
    const CLIENT: &str = "kube_client";
    let whole = if filter.contains(CLIENT) {
        filter.to_owned()
    } else {
        format!("{filter},{CLIENT}=off")
    };
    let told = |error: &dyn std::fmt::Display| {
        format!("`{filter}` is no log filter, such as `debug` or `info,aeraki_xds=debug`: {error}")
    };
    if let Some(word) = whole.split(',').find(|part| is_a_mere_word(part)) {
        return Err(told(&format!("`{word}` is no level")));
    }
    EnvFilter::try_new(&whole).map_err(|error| told(&error))
}

/// A word alone is a level; the library would take any other one for a part of the program, and silence the rest.
fn is_a_mere_word(part: &str) -> bool {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    !part.contains(['=', '[']) && !LEVELS.contains(&part.trim().to_ascii_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clients_own_log_is_silent_unless_it_is_named() {
        assert!(
            parse("info")
                .unwrap()
                .to_string()
                .contains("kube_client=off")
        );
        let named = parse("info,kube_client=debug").unwrap().to_string();
        assert!(!named.contains("kube_client=off"), "{named}");
    }

    #[test]
    fn what_is_no_filter_is_told() {
        for filter in ["aeraki=loud", "loud", "info,lud", ""] {
            let error = parse(filter).unwrap_err();
            assert!(
                error.contains(&format!("`{filter}` is no log filter")),
                "{error}"
            );
        }
    }
}
