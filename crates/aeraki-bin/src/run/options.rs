//! What `aeraki run` may be told, by flag, environment and the settings file's section `run`.
//!
//! [`Flags`] is what the command line says, [`Options`] what comes of it. The fields of one are the fields of the other, so
//! that one overlay serves them all.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use aeraki_core::near_miss;
use aeraki_core::settings::Settings;
use anyhow::{Context as _, Result, bail, ensure};
use clap::builder::BoolishValueParser;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::log;
use super::span::Span;
use crate::settings::is_label;

/// Where config comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Source {
    /// istiod, by MCP over xDS, and the API server for what istiod does not tell
    Xds,
    /// The API server alone
    Kube,
    /// Files of YAML or JSON
    File,
}

/// What the command line and the environment say. What they do not say is `None`.
#[derive(clap::Args, Clone, Debug, Default, Serialize)]
#[group(skip)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Flags {
    /// Where config comes from [default: file with --config-dir, else xds]
    #[arg(long, value_enum, value_name = "SOURCE", env = "AERAKI_CONFIG_SOURCE")]
    config_source: Option<Source>,

    /// istiod's address [default: istiod.<root namespace>.svc:15012, or :15010 with --istiod-plaintext]
    #[arg(
        long,
        alias = "istiodaddr",
        value_name = "HOST:PORT",
        env = "AERAKI_ISTIOD_ADDRESS",
        help_heading = "istiod"
    )]
    istiod_address: Option<String>,
    /// Talk to istiod without TLS: for istiod before 1.29.7, or with ENABLE_XDS_API_GENERATOR_AUTH=false, on port 15010
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true",
        value_parser = BoolishValueParser::new(), env = "AERAKI_ISTIOD_PLAINTEXT", help_heading = "istiod")]
    istiod_plaintext: Option<bool>,
    /// The root certificate of istiod's, in PEM; read again as it rotates [default: /var/run/secrets/istio/root-cert.pem]
    #[arg(
        long,
        value_name = "FILE",
        env = "AERAKI_ISTIOD_ROOT_CERT",
        help_heading = "istiod"
    )]
    istiod_root_cert: Option<PathBuf>,
    /// A token of a service account of the root namespace for the audience `istio-ca`; read again at every connection
    /// [default: /var/run/secrets/tokens/istio-token]
    #[arg(
        long,
        value_name = "FILE",
        env = "AERAKI_ISTIOD_TOKEN",
        help_heading = "istiod"
    )]
    istiod_token: Option<PathBuf>,
    /// A certificate of Istio's CA, in PEM, instead of a token; with --istiod-key
    #[arg(
        long,
        value_name = "FILE",
        env = "AERAKI_ISTIOD_CERT",
        help_heading = "istiod"
    )]
    istiod_cert: Option<PathBuf>,
    /// The key of --istiod-cert, in PEM
    #[arg(
        long,
        value_name = "FILE",
        env = "AERAKI_ISTIOD_KEY",
        help_heading = "istiod"
    )]
    istiod_key: Option<PathBuf>,
    /// The name that istiod's certificate must bear [default: istiod.<root namespace>.svc]
    #[arg(
        long,
        value_name = "NAME",
        env = "AERAKI_ISTIOD_SERVER_NAME",
        help_heading = "istiod"
    )]
    istiod_server_name: Option<String>,
    /// The largest answer of istiod's to accept, in bytes: an answer holds all objects of a kind [default: 209715200]
    #[arg(
        long,
        value_name = "BYTES",
        env = "AERAKI_ISTIOD_MESSAGE_LIMIT",
        help_heading = "istiod"
    )]
    istiod_message_limit: Option<usize>,
    /// How often to ask istiod for everything anew: it does not push everything, as changes of annotations [default: 30s]
    #[arg(
        long,
        value_name = "TIME",
        env = "AERAKI_RESYNC_INTERVAL",
        help_heading = "istiod"
    )]
    resync_interval: Option<Span>,

    /// A kubeconfig [default: the usual one, else the pod's service account]
    #[arg(
        long,
        value_name = "FILE",
        env = "AERAKI_KUBECONFIG",
        help_heading = "Kubernetes"
    )]
    kubeconfig: Option<PathBuf>,
    /// The context in the kubeconfig [default: its current one]
    #[arg(
        long,
        value_name = "NAME",
        env = "AERAKI_CONTEXT",
        help_heading = "Kubernetes"
    )]
    context: Option<String>,
    /// The namespace of this process: there is its Lease [default: the root namespace]
    #[arg(
        long,
        value_name = "NAMESPACE",
        env = "POD_NAMESPACE",
        help_heading = "Kubernetes"
    )]
    namespace: Option<String>,
    /// Namespaces whose Secrets may be read, for credentials by `secret` of Redis; it must be granted there [default: none]
    #[arg(
        long,
        value_name = "NAMESPACE,…",
        value_delimiter = ',',
        env = "AERAKI_SECRET_NAMESPACES",
        help_heading = "Kubernetes"
    )]
    secret_namespaces: Option<Vec<String>>,
    /// The name of this process: it stands in the Lease and in Events [default: aeraki]
    #[arg(
        long,
        value_name = "NAME",
        env = "POD_NAME",
        help_heading = "Kubernetes"
    )]
    pod_name: Option<String>,
    /// An address of this process: istiod wants to be told one [default: 127.0.0.1]
    #[arg(
        long,
        value_name = "ADDRESS",
        env = "POD_IP",
        help_heading = "Kubernetes"
    )]
    pod_ip: Option<IpAddr>,
    /// The name of the Lease by which one of several processes is chosen to write [default: aeraki-controller]
    #[arg(
        long,
        alias = "electionID",
        value_name = "NAME",
        env = "AERAKI_ELECTION_ID",
        help_heading = "Kubernetes"
    )]
    election_id: Option<String>,
    /// Write without being chosen: only where this is the only process
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true",
        value_parser = BoolishValueParser::new(), env = "AERAKI_NO_LEADER_ELECTION", help_heading = "Kubernetes")]
    no_leader_election: Option<bool>,
    /// How many EnvoyFilters may be written at the same time [default: 32]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..=1024),
        env = "AERAKI_WRITES_IN_FLIGHT", help_heading = "Kubernetes")]
    writes_in_flight: Option<u16>,

    /// After a change that follows another closely, how long it must be quiet before anything is made of them [default: 5ms]
    #[arg(
        long,
        value_name = "TIME",
        env = "AERAKI_DEBOUNCE_QUIET",
        help_heading = "Pace"
    )]
    debounce_quiet: Option<Span>,
    /// How long a change may wait for that [default: 100ms]
    #[arg(
        long,
        value_name = "TIME",
        env = "AERAKI_DEBOUNCE_MAX",
        help_heading = "Pace"
    )]
    debounce_max: Option<Span>,

    /// Where to serve health and metrics, for all who can reach it; `off` for nowhere [default: 0.0.0.0:8080]
    #[arg(long, value_name = "ADDRESS", value_parser = listen, env = "AERAKI_METRICS_ADDRESS", help_heading = "Serving")]
    metrics_address: Option<Listen>,
    /// Where to serve what is going on inside: for this machine alone; `off` for nowhere [default: 127.0.0.1:8081]
    #[arg(long, value_name = "ADDRESS", value_parser = listen, env = "AERAKI_ADMIN_ADDRESS", help_heading = "Serving")]
    admin_address: Option<Listen>,

    /// The form of the log [default: text]
    #[arg(
        long,
        value_enum,
        value_name = "FORMAT",
        env = "AERAKI_LOG_FORMAT",
        help_heading = "Log"
    )]
    log_format: Option<log::Format>,
    /// The lowest level that is logged, or a filter such as `info,aeraki_xds=debug`; RUST_LOG goes before it [default: info]
    #[arg(
        long,
        alias = "logLevel",
        value_name = "LEVEL",
        env = "AERAKI_LOG_LEVEL",
        help_heading = "Log"
    )]
    log_level: Option<String>,
}

/// An address to listen on; `None` for not at all.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Listen(pub(crate) Option<SocketAddr>);

/// What comes of flags, environment, the settings file and the defaults.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub(crate) struct Options {
    pub(crate) config_source: Option<Source>,
    pub(crate) istiod_address: Option<String>,
    pub(crate) istiod_plaintext: bool,
    pub(crate) istiod_root_cert: PathBuf,
    pub(crate) istiod_token: PathBuf,
    pub(crate) istiod_cert: Option<PathBuf>,
    pub(crate) istiod_key: Option<PathBuf>,
    pub(crate) istiod_server_name: Option<String>,
    pub(crate) istiod_message_limit: usize,
    pub(crate) resync_interval: Span,
    pub(crate) kubeconfig: Option<PathBuf>,
    pub(crate) context: Option<String>,
    pub(crate) namespace: Option<String>,
    pub(crate) secret_namespaces: BTreeSet<String>,
    pub(crate) pod_name: String,
    pub(crate) pod_ip: IpAddr,
    pub(crate) election_id: String,
    pub(crate) no_leader_election: bool,
    pub(crate) writes_in_flight: u16,
    pub(crate) debounce_quiet: Span,
    pub(crate) debounce_max: Span,
    pub(crate) metrics_address: Listen,
    pub(crate) admin_address: Listen,
    pub(crate) log_format: log::Format,
    pub(crate) log_level: String,
}

impl Default for Options {
    fn default() -> Self {
        let any = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        let this_machine = IpAddr::V4(Ipv4Addr::LOCALHOST);
        Self {
            config_source: None,
            istiod_address: None,
            istiod_plaintext: false,
            istiod_root_cert: "/var/run/secrets/istio/root-cert.pem".into(),
            istiod_token: "/var/run/secrets/tokens/istio-token".into(),
            istiod_cert: None,
            istiod_key: None,
            istiod_server_name: None,
            istiod_message_limit: 200 << 20,
            resync_interval: Span::from_secs(30),
            kubeconfig: None,
            context: None,
            namespace: None,
            secret_namespaces: BTreeSet::new(),
            pod_name: "aeraki".to_owned(),
            pod_ip: this_machine,
            election_id: "aeraki-controller".to_owned(),
            no_leader_election: false,
            writes_in_flight: 32,
            debounce_quiet: Span::from_millis(5),
            debounce_max: Span::from_millis(100),
            metrics_address: Listen(Some(SocketAddr::new(any, 8080))),
            admin_address: Listen(Some(SocketAddr::new(this_machine, 8081))),
            log_format: log::Format::Text,
            log_level: "info".to_owned(),
        }
    }
}

impl Flags {
    /// These laid over the settings file's section, and that over the defaults.
    ///
    /// # Errors
    /// The section has a key that is no option, or a value is not of its type or not possible.
    pub(crate) fn resolve(&self, section: &Map<String, Value>) -> Result<Options> {
        let known = keys(&Options::default());
        for key in section.keys() {
            let near = near_miss::closest(key, known.keys().map(String::as_str));
            let hint = if keys(&Settings::default()).contains_key(key) {
                Some(" (it belongs one level up)".to_owned())
            } else {
                near.map(|near| format!(" (did you mean `{near}`?)"))
            };
            ensure!(
                known.contains_key(key),
                "the settings file's section `run` has `{key}`{}, which is no option",
                hint.unwrap_or_default()
            );
        }
        let mut all = section.clone();
        all.extend(keys(self).into_iter().filter(|(_, value)| is_said(value)));
        for (key, value) in &all {
            let alone = Value::Object(Map::from_iter([(key.clone(), value.clone())]));
            serde_json::from_value::<Options>(alone)
                .with_context(|| format!("`run.{key}` cannot be used"))?;
        }
        let options: Options = serde_json::from_value(Value::Object(all))?;
        options.check()?;
        Ok(options)
    }
}

impl Options {
    fn check(&self) -> Result<()> {
        if let Some(address) = &self.istiod_address {
            ensure!(
                is_host_and_port(address),
                "--istiod-address {address} is not of the form HOST:PORT, such as istiod.istio-system.svc:15012"
            );
        }
        ensure!(
            self.istiod_cert.is_some() == self.istiod_key.is_some(),
            "--istiod-cert and --istiod-key belong together: give both or none"
        );
        ensure!(
            self.debounce_quiet.get() <= self.debounce_max.get(),
            "--debounce-quiet is longer than --debounce-max"
        );
        ensure!(
            self.resync_interval.get() >= SHORTEST_RESYNC,
            "--resync-interval is shorter than a second"
        );
        ensure!(
            (1..=1024).contains(&self.writes_in_flight),
            "--writes-in-flight is not between 1 and 1024"
        );
        ensure!(
            self.istiod_message_limit >= 1 << 20,
            "--istiod-message-limit is less than a MiB"
        );
        ensure!(!self.election_id.is_empty(), "--election-id is empty");
        let no_namespace = self.secret_namespaces.iter().find(|name| !is_label(name));
        if let Some(name) = no_namespace {
            bail!("--secret-namespaces: no namespace can be called `{name}`");
        }
        if let Some(admin) = self.admin_address.0 {
            ensure!(
                admin.ip().is_loopback(),
                "--admin-address {admin} is open to the network: what is served there is for this machine alone"
            );
        }
        Ok(())
    }
}

/// Everything is asked of istiod anew.
const SHORTEST_RESYNC: Duration = Duration::from_secs(1);

fn is_host_and_port(address: &str) -> bool {
    let parts = address.rsplit_once(':');
    parts.is_some_and(|(host, port)| {
        !host.is_empty() && !host.contains('/') && port.parse::<u16>().is_ok_and(|port| port > 0)
    })
}

/// What says nothing is left out: no flag, or an environment variable that is empty.
fn is_said(value: &Value) -> bool {
    !value.is_null() && *value != json!("") && *value != json!([""])
}

/// Plain data as a mapping.
pub(crate) fn keys(data: &impl Serialize) -> Map<String, Value> {
    match serde_json::to_value(data).expect("options are plain data") {
        Value::Object(keys) => keys,
        other => unreachable!("{other} is no mapping"),
    }
}

fn listen(text: &str) -> Result<Listen, String> {
    if text == "off" {
        return Ok(Listen(None));
    }
    let address = text.parse().map_err(|_| {
        format!("`{text}` is no address and port, such as `127.0.0.1:8080`, and not `off`")
    })?;
    Ok(Listen(Some(address)))
}

impl Serialize for Listen {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Some(address) => serializer.collect_str(&address),
            None => serializer.serialize_str("off"),
        }
    }
}

impl<'de> Deserialize<'de> for Listen {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = match Value::deserialize(deserializer)? {
            // What YAML makes of a bare `off`.
            Value::Bool(false) => "off".to_owned(),
            Value::String(text) => text,
            other => other.to_string(),
        };
        listen(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use rstest::rstest;

    use super::*;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        flags: Flags,
    }

    fn resolve(line: &[&str], section: &Value) -> Result<Options> {
        let line = std::iter::once("test").chain(line.iter().copied());
        let section = section.as_object().cloned().unwrap_or_default();
        Line::try_parse_from(line)?.flags.resolve(&section)
    }

    #[test]
    fn flags_go_over_the_file_and_the_file_over_the_defaults() {
        let file = json!({"electionId": "of-the-file", "debounceQuiet": "7ms", "podName": "p"});
        let line = [
            "--election-id=of-the-line",
            "--istiod-plaintext",
            "--metrics-address=off",
            "--secret-namespaces=cache,redis",
        ];
        let options = resolve(&line, &file).unwrap();
        let wanted = Options {
            election_id: "of-the-line".to_owned(),
            istiod_plaintext: true,
            metrics_address: Listen(None),
            debounce_quiet: Span::from_millis(7),
            pod_name: "p".to_owned(),
            secret_namespaces: ["cache", "redis"].map(str::to_owned).into(),
            ..Options::default()
        };
        assert_eq!(options, wanted);
    }

    #[test]
    fn flags_and_options_are_the_same_ones() {
        let flags: Vec<String> = keys(&Flags::default())
            .into_iter()
            .map(|(key, _)| key)
            .collect();
        let options: Vec<String> = keys(&Options::default())
            .into_iter()
            .map(|(key, _)| key)
            .collect();
        assert_eq!(flags, options);
    }

    #[test]
    fn a_bare_off_in_yaml_is_off() {
        let options = resolve(&[], &json!({"metricsAddress": false})).unwrap();
        assert_eq!(options.metrics_address, Listen(None));
    }

    #[test]
    fn what_go_aeraki_called_them_is_understood() {
        let line = ["--istiodaddr=a:1", "--electionID=b", "--logLevel=debug"];
        let options = resolve(&line, &json!({})).unwrap();
        assert_eq!(options.istiod_address.as_deref(), Some("a:1"));
        assert_eq!(options.election_id, "b");
        assert_eq!(options.log_level, "debug");
    }

    #[rstest]
    #[case::unknown_key(&[], json!({"electionID": "x"}), "did you mean `electionId`?")]
    #[case::wrong_type(&[], json!({"writesInFlight": "many"}), "cannot be used")]
    #[case::a_number_for_a_time(&[], json!({"debounceQuiet": 10}), "`run.debounceQuiet` cannot be used: `10` is no time")]
    #[case::of_the_settings(&[], json!({"priority": 3}), "one level up")]
    #[case::no_port(&["--istiod-address=127.0.0.1"], json!({}), "HOST:PORT")]
    #[case::a_scheme(&["--istiod-address=https://a:1"], json!({}), "HOST:PORT")]
    #[case::half_a_certificate(&["--istiod-cert=a"], json!({}), "belong together")]
    #[case::open_admin(&["--admin-address=0.0.0.0:1"], json!({}), "for this machine alone")]
    #[case::no_address(&["--metrics-address=here"], json!({}), "is no address")]
    #[case::never(&["--resync-interval=0s"], json!({}), "shorter than a second")]
    #[case::none_at_once(&[], json!({"writesInFlight": 0}), "between 1 and 1024")]
    #[case::no_namespace(&["--secret-namespaces=redis,*"], json!({}), "no namespace can be called `*`")]
    #[case::no_time(&["--debounce-max=soon"], json!({}), "is no time")]
    #[case::backwards(&["--debounce-quiet=1s"], json!({}), "longer than")]
    fn what_cannot_be_is_refused(
        #[case] line: &[&str],
        #[case] section: Value,
        #[case] says: &str,
    ) {
        let error = format!("{:#}", resolve(line, &section).unwrap_err());
        assert!(error.contains(says), "{error}");
    }
}
