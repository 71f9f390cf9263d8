//! The fields of RedisService and RedisDestination (`redis.aeraki.io/v1alpha1`).
//!
//! Names and defaults are Go Aeraki's. New are `readCommandPolicy`, `auth.reference` and the plural forms of passwords.
//! No type here can be printed for debugging: some hold passwords.

use aeraki_api::Duration;
use serde::Deserialize;

/// What clients of a host see: where keys go, faults, and who may sign in.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct RedisService {
    pub(crate) host: Vec<String>,
    pub(crate) settings: Settings,
    pub(crate) redis: Vec<Route>,
    pub(crate) faults: Vec<Fault>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Settings {
    pub(crate) case_insensitive: bool,
    pub(crate) op_timeout: Option<Duration>,
    pub(crate) enable_command_stats: bool,
    pub(crate) max_buffer_size_before_flush: u32,
    pub(crate) buffer_flush_timeout: Option<Duration>,
    pub(crate) max_upstream_unknown_connections: Option<u32>,
    pub(crate) enable_hashtagging: bool,
    pub(crate) enable_redirection: bool,
    pub(crate) read_policy: ReadPolicy,
    pub(crate) auth: Option<Auth>,
}

#[derive(Deserialize, Default, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum ReadPolicy {
    #[default]
    Master,
    PreferMaster,
    Replica,
    PreferReplica,
    Any,
}

/// One entry of `spec.redis`.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Route {
    pub(crate) r#match: Match,
    pub(crate) route: Option<Destination>,
    pub(crate) mirror: Vec<Mirror>,
    pub(crate) read_command_policy: Option<ReadCommandPolicy>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Match {
    pub(crate) key: Option<KeyMatch>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct KeyMatch {
    pub(crate) prefix: String,
    pub(crate) remove_prefix: bool,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Destination {
    pub(crate) host: String,
    pub(crate) port: u32,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Mirror {
    pub(crate) route: Option<Destination>,
    pub(crate) percentage: Option<Percent>,
    pub(crate) exclude_read_commands: bool,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ReadCommandPolicy {
    pub(crate) route: Option<Destination>,
}

#[derive(Deserialize, Default, Clone, Copy)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Percent {
    pub(crate) value: f64,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Fault {
    pub(crate) r#type: FaultType,
    pub(crate) percentage: Option<Percent>,
    pub(crate) delay: Option<Duration>,
    pub(crate) commands: Vec<String>,
}

#[derive(Deserialize, Default, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum FaultType {
    #[default]
    Delay,
    Error,
}

/// How the sidecars reach a host.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct RedisDestination {
    pub(crate) host: String,
    pub(crate) traffic_policy: TrafficPolicy,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct TrafficPolicy {
    pub(crate) connection_pool: ConnectionPool,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ConnectionPool {
    pub(crate) tcp: Tcp,
    pub(crate) redis: RedisPool,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Tcp {
    pub(crate) max_connections: i32,
    pub(crate) connect_timeout: Option<Duration>,
    pub(crate) tcp_keepalive: Option<TcpKeepalive>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct TcpKeepalive {
    pub(crate) probes: u32,
    pub(crate) time: Option<Duration>,
    pub(crate) interval: Option<Duration>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct RedisPool {
    pub(crate) mode: Mode,
    pub(crate) auth: Option<Auth>,
    pub(crate) discovery_endpoints: Vec<String>,
}

#[derive(Deserialize, Default, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum Mode {
    #[default]
    Proxy,
    Cluster,
}

/// Where credentials come from: exactly one of the three.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Auth {
    pub(crate) reference: Option<Reference>,
    pub(crate) secret: Option<SecretReference>,
    pub(crate) plain: Option<PlainAuth>,
}

/// Credentials that the sidecar reads for itself.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Reference {
    pub(crate) username: Option<Source>,
    pub(crate) password: Option<Source>,
    pub(crate) passwords: Vec<Source>,
}

/// A place in the sidecar: exactly one of the two.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Source {
    pub(crate) environment_variable: String,
    pub(crate) filename: String,
}

/// A Secret of the object's own namespace, and the keys in it.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct SecretReference {
    pub(crate) name: String,
    pub(crate) username_field: String,
    pub(crate) password_field: String,
    pub(crate) password_fields: Vec<String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct PlainAuth {
    pub(crate) username: String,
    pub(crate) password: Option<String>,
    pub(crate) passwords: Vec<String>,
}
