//! The operator's settings: defaults, then the settings file, then environment, then flags; each goes over the one before.
//!
//! The outcome is `aeraki_core`'s [`Settings`], which knows nothing of where they come from. Whatever is not understood
//! is refused: a misspelt setting that is silently ignored would show as a wrong filter in a mesh.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aeraki_core::near_miss;
use aeraki_core::registry::Registry;
use aeraki_core::settings::{ProxyMetadata, RuleSource, Scope, Settings};
use anyhow::{Context, Result, bail, ensure};
use clap::builder::{OsStringValueParser, TypedValueParser as _};
use serde_json::{Map, Value};

use crate::cli::usage;
use crate::run::options::{Options, keys};

/// Priorities lie in this range, so that one more or less is always a priority too.
const PRIORITIES: std::ops::RangeInclusive<i64> = -1_000_000..=1_000_000;

/// The settings' flags.
#[derive(clap::Args, Debug, Default)]
#[command(next_help_heading = "Settings")]
#[group(skip)]
pub(crate) struct Args {
    /// Read settings from this YAML or JSON file; environment and flags go over it
    #[arg(
        long,
        value_name = "FILE",
        value_parser = OsStringValueParser::new().map(PathBuf::from),
        env = "AERAKI_SETTINGS"
    )]
    settings: Option<PathBuf>,
    /// Switch a protocol on that is off by default; may be repeated
    #[arg(
        long = "enable-protocol",
        value_name = "NAME",
        value_delimiter = ',',
        env = "AERAKI_ENABLE_PROTOCOL"
    )]
    enable: Vec<String>,
    /// Switch a protocol off; may be repeated
    #[arg(
        long = "disable-protocol",
        value_name = "NAME",
        value_delimiter = ',',
        env = "AERAKI_DISABLE_PROTOCOL"
    )]
    disable: Vec<String>,
    /// Istio's root namespace [default: istio-system]
    #[arg(long, value_name = "NAMESPACE", env = "AERAKI_ROOT_NAMESPACE")]
    root_namespace: Option<String>,
    /// The cluster domain that completes short host names [default: cluster.local]
    #[arg(long, value_name = "DOMAIN", env = "AERAKI_DOMAIN")]
    domain: Option<String>,
    /// `spec.priority` of every EnvoyFilter; lower goes first [default: 10]
    #[arg(
        long = "envoyfilter-priority",
        value_name = "NUMBER",
        allow_negative_numbers = true,
        value_parser = clap::value_parser!(i32).range(PRIORITIES),
        env = "AERAKI_ENVOYFILTER_PRIORITY"
    )]
    priority: Option<i32>,
    /// Which namespaces outbound filters are written to [default: export-to]
    #[arg(long, value_enum, value_name = "SCOPE", env = "AERAKI_SCOPE")]
    scope: Option<ScopeArg>,
    /// Whose VirtualServices and DestinationRules may change a service [default: strict]
    #[arg(long, value_enum, value_name = "SOURCE", env = "AERAKI_RULE_SOURCE")]
    rule_source: Option<RuleSourceArg>,
    /// Also patch `127.0.0.1_<port>`, the listener of proxies with interception mode NONE
    #[arg(
        long,
        value_name = "BOOL",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        env = "AERAKI_LOCALHOST_LISTENERS"
    )]
    localhost_listeners: Option<bool>,
    /// Node metadata of the proxies that have a protocol's filter, as `kafka:KEY=VALUE`; may be repeated
    #[arg(
        long,
        value_name = "PROTOCOL:KEY=VALUE",
        value_delimiter = ',',
        value_parser = proxy_metadata,
        env = "AERAKI_PROXY_METADATA"
    )]
    proxy_metadata: Vec<(String, ProxyMetadata)>,
    /// Print the settings that come of all this, as a settings file, and do nothing else
    #[arg(long)]
    pub(crate) print_config: bool,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum ScopeArg {
    /// As wide as the service's exportTo: the root namespace for `*`, else each namespace that is named
    ExportTo,
    /// The service's own namespace and no other
    ServiceNamespace,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum RuleSourceArg {
    /// Rules of the service's own namespace and of the root namespace
    Strict,
    /// Every visible rule, the oldest first, as Istio has it
    Istio,
}

impl Args {
    /// The settings that come of the file, the environment and the flags.
    pub(crate) fn resolve(&self, registry: &Registry) -> Result<Settings> {
        self.lay_over(self.read(registry)?.settings, registry)
    }

    /// What the settings file says.
    pub(crate) fn read(&self, registry: &Registry) -> Result<File> {
        match &self.settings {
            // An empty environment variable says nothing.
            Some(path) if !path.as_os_str().is_empty() => read(path, registry),
            _ => Ok(File::default()),
        }
    }

    /// Environment and flags over these.
    pub(crate) fn lay_over(&self, mut settings: Settings, registry: &Registry) -> Result<Settings> {
        self.override_plain(&mut settings);
        self.switch_protocols(&mut settings, registry)?;
        check(&settings).map_err(|error| usage(format!("{error:#}")))?;
        Ok(settings)
    }

    fn override_plain(&self, settings: &mut Settings) {
        if let Some(namespace) = &self.root_namespace {
            settings.root_namespace = Arc::from(namespace.as_str());
        }
        if let Some(domain) = &self.domain {
            settings.domain = Arc::from(domain.as_str());
        }
        if let Some(scope) = self.scope {
            settings.scope = match scope {
                ScopeArg::ExportTo => Scope::ExportTo,
                ScopeArg::ServiceNamespace => Scope::ServiceNamespace,
            };
        }
        if let Some(source) = self.rule_source {
            settings.rule_source = match source {
                RuleSourceArg::Strict => RuleSource::Strict,
                RuleSourceArg::Istio => RuleSource::Istio,
            };
        }
        settings.priority = self.priority.unwrap_or(settings.priority);
        settings.localhost_listeners = self
            .localhost_listeners
            .unwrap_or(settings.localhost_listeners);
    }

    /// A flag turns over what the file says about the same protocol.
    fn switch_protocols(&self, settings: &mut Settings, registry: &Registry) -> Result<()> {
        let known = |name: &String| known_protocol(name, registry).map_err(usage);
        let enable = given(&self.enable)
            .map(known)
            .collect::<Result<BTreeSet<_>>>()?;
        let disable = given(&self.disable)
            .map(known)
            .collect::<Result<BTreeSet<_>>>()?;
        if let Some(both) = enable.intersection(&disable).next() {
            return Err(usage(format!(
                "{both} is to be switched on and off at once"
            )));
        }
        settings
            .disable_protocols
            .retain(|name| !enable.contains(name));
        settings
            .enable_protocols
            .retain(|name| !disable.contains(name));
        settings.enable_protocols.extend(enable);
        settings.disable_protocols.extend(disable);
        for (name, metadata) in &self.proxy_metadata {
            settings
                .proxy_metadata
                .insert(known(name)?, metadata.clone());
        }
        Ok(())
    }
}

fn given(names: &[String]) -> impl Iterator<Item = &String> {
    names.iter().filter(|name| !name.is_empty())
}

/// What a settings file says.
#[derive(Debug, Default)]
pub(crate) struct File {
    /// What filters look like, for every command.
    pub(crate) settings: Settings,
    /// The section `run`: options of `aeraki run`, which it reads.
    pub(crate) run: Map<String, Value>,
}

/// The key of the section for `aeraki run`.
const RUN: &str = "run";

/// Settings, and the options of `aeraki run` where they count, as a settings file.
pub(crate) fn print(settings: &Settings, options: Option<&Options>) -> String {
    let mut all = keys(settings);
    if let Some(options) = options {
        let mut options = keys(options);
        options.retain(|_, value| !value.is_null());
        all.insert(RUN.to_owned(), Value::Object(options));
    }
    aeraki_file::to_yaml_value(&Value::Object(all))
}

fn read(path: &Path, registry: &Registry) -> Result<File> {
    let shown = path.display();
    let text =
        std::fs::read_to_string(path).with_context(|| format!("cannot read settings {shown}"))?;
    parse(&text, registry).with_context(|| format!("settings {shown} cannot be used"))
}

fn parse(text: &str, registry: &Registry) -> Result<File> {
    let value: Value = serde_saphyr::from_str(text).context("it is not valid YAML")?;
    let mut given = match value {
        Value::Null => return Ok(File::default()),
        Value::Object(given) => given,
        _ => bail!("it is no mapping of settings"),
    };
    let run = match given.remove(RUN) {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(run)) => run,
        Some(_) => bail!("its section `{RUN}` is no mapping of options"),
    };
    refuse_unknown_keys(&given)?;
    let mut settings: Settings =
        serde_json::from_value(Value::Object(given)).context("a value is not of its type")?;
    let known = |name: &String| known_protocol(name, registry).map_err(anyhow::Error::msg);
    let named = |names: &BTreeSet<String>| names.iter().map(known).collect::<Result<BTreeSet<_>>>();
    settings.enable_protocols = named(&settings.enable_protocols).context("enableProtocols")?;
    settings.disable_protocols = named(&settings.disable_protocols).context("disableProtocols")?;
    let both = settings
        .enable_protocols
        .intersection(&settings.disable_protocols)
        .next();
    if let Some(both) = both {
        bail!("{both} stands in enableProtocols and in disableProtocols");
    }
    let gates = std::mem::take(&mut settings.proxy_metadata);
    for (name, metadata) in gates {
        settings
            .proxy_metadata
            .insert(known(&name).context("proxyMetadata")?, metadata);
    }
    check(&settings)?;
    Ok(File { settings, run })
}

/// Names every key that no setting has, with the one that may be meant.
fn refuse_unknown_keys(given: &Map<String, Value>) -> Result<()> {
    let known = keys(&Settings::default());
    let unknown: Vec<String> = given
        .keys()
        .filter(|key| !known.contains_key(*key))
        .map(
            |key| match near_miss::closest(key, known.keys().map(String::as_str)) {
                Some(near) => format!("`{key}` (did you mean `{near}`?)"),
                None => format!("`{key}`"),
            },
        )
        .collect();
    let settings: Vec<&str> = known.keys().map(String::as_str).chain([RUN]).collect();
    ensure!(
        unknown.is_empty(),
        "no such setting: {}; the settings are {}",
        unknown.join(", "),
        settings.join(", ")
    );
    Ok(())
}

/// What core takes for granted.
fn check(settings: &Settings) -> Result<()> {
    let root = &settings.root_namespace;
    ensure!(
        is_label(root),
        "the root namespace {root:?} is no name of a namespace"
    );
    let domain = &settings.domain;
    ensure!(
        domain.split('.').all(is_label),
        "the domain {domain:?} is no domain name"
    );
    let priority = settings.priority;
    ensure!(
        PRIORITIES.contains(&i64::from(priority)),
        "the priority {priority} is not between {} and {}",
        PRIORITIES.start(),
        PRIORITIES.end()
    );
    for (name, metadata) in &settings.proxy_metadata {
        ensure!(
            !metadata.key.is_empty(),
            "the proxy metadata of {name} has no key"
        );
    }
    Ok(())
}

/// A label of a DNS name: what Kubernetes takes for a namespace.
pub(crate) fn is_label(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=63).contains(&text.len())
        && text.chars().all(inner)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// The protocol's own name for a name, an alias, or either in other letter case; else a sentence.
pub(crate) fn known_protocol(name: &str, registry: &Registry) -> Result<String, String> {
    if let Some(found) = registry.find(name) {
        return Ok(found.protocol().name().to_owned());
    }
    let tokens: Vec<&str> = registry.tokens().collect();
    let hint = near_miss::closest(name, tokens.iter().copied())
        .map(|near| format!(" (did you mean `{near}`?)"))
        .unwrap_or_default();
    Err(format!(
        "no protocol is called `{name}`{hint}; this binary has: {}",
        tokens.join(", ")
    ))
}

fn proxy_metadata(text: &str) -> Result<(String, ProxyMetadata), String> {
    let parts = text.split_once(':').and_then(|(protocol, rest)| {
        let (key, value) = rest.split_once('=')?;
        (!key.is_empty()).then_some((protocol, key, value))
    });
    let Some((protocol, key, value)) = parts else {
        return Err("it has not the form PROTOCOL:KEY=VALUE".to_owned());
    };
    let metadata = ProxyMetadata {
        key: key.to_owned(),
        value: value.to_owned(),
    };
    Ok((protocol.to_owned(), metadata))
}

#[cfg(all(test, feature = "all"))]
mod page;
#[cfg(test)]
mod tests;
