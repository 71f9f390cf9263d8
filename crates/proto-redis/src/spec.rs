//! The fields of RedisService and RedisDestination (`redis.aeraki.io/v1alpha1`).
//!
//! Names and defaults are Go Aeraki's. New are `readCommandPolicy`, `auth.reference` and the plural forms of passwords.
//! The CustomResourceDefinitions are made of these types: what stands above a field is what `kubectl explain` prints, and
//! a limit here is one that the generator keeps too. No type can be printed for debugging: some hold passwords.

use aeraki_api::Duration;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::schema::{self, rules};

/// What clients of a Redis host see: where keys go, faults, and who may sign in.
#[derive(Deserialize, Default, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["host"]))]
pub(crate) struct RedisService {
    /// The hosts of the services of this namespace that it applies to.
    #[schemars(length(min = 1))]
    pub(crate) host: Vec<String>,
    /// Settings of the proxy.
    pub(crate) settings: Settings,
    /// Where keys go. Without a route for all keys the others go to the service itself.
    pub(crate) redis: Vec<Route>,
    /// Faults to inject.
    pub(crate) faults: Vec<Fault>,
}

/// Settings of the proxy.
#[derive(Deserialize, Default, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Settings {
    /// Whether prefixes match in any letter case.
    pub(crate) case_insensitive: bool,
    /// How long a command may take; 60s if absent.
    #[schemars(schema_with = "schema::positive_duration")]
    pub(crate) op_timeout: Option<Duration>,
    /// Whether commands are counted one by one.
    pub(crate) enable_command_stats: bool,
    /// How many bytes of commands are gathered before they are sent; 0 sends each at once.
    pub(crate) max_buffer_size_before_flush: u32,
    /// How long commands are gathered; needs maxBufferSizeBeforeFlush.
    #[schemars(schema_with = "schema::duration_from_zero")]
    pub(crate) buffer_flush_timeout: Option<Duration>,
    /// How many connections to servers that only a redirection named; needs enableRedirection.
    pub(crate) max_upstream_unknown_connections: Option<u32>,
    /// Whether the part of a key in braces decides about its server.
    pub(crate) enable_hashtagging: bool,
    /// Whether MOVED and ASK are followed.
    pub(crate) enable_redirection: bool,
    /// Which servers of a Redis cluster are read from.
    pub(crate) read_policy: ReadPolicy,
    /// What clients must sign in with.
    pub(crate) auth: Option<Auth>,
}

#[derive(Deserialize, Default, Clone, Copy, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum ReadPolicy {
    #[default]
    Master,
    PreferMaster,
    Replica,
    PreferReplica,
    Any,
}

/// Where some keys go.
#[derive(Deserialize, Default, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Route {
    /// Which keys; all that no other route takes if absent.
    pub(crate) r#match: Match,
    /// The service that they go to.
    pub(crate) route: Option<Destination>,
    /// Services that get copies of the commands. Their answers are thrown away.
    pub(crate) mirror: Vec<Mirror>,
    /// The service that reads go to, where it is another one.
    pub(crate) read_command_policy: Option<ReadCommandPolicy>,
}

/// Which keys.
#[derive(Deserialize, Default, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Match {
    /// By how they begin.
    pub(crate) key: Option<KeyMatch>,
}

/// How keys begin.
#[derive(Deserialize, Default, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct KeyMatch {
    /// What the key begins with; the longest prefix takes the key.
    #[schemars(length(max = 1000))]
    pub(crate) prefix: String,
    /// Whether the server sees the key without the prefix.
    pub(crate) remove_prefix: bool,
}

/// A service.
#[derive(Deserialize, Default, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Destination {
    /// The host of the service.
    pub(crate) host: String,
    /// The port of the service; 0 for its only one, or the one like the port that was called.
    #[schemars(range(max = 65_535))]
    pub(crate) port: u32,
}

/// A service that gets copies.
#[derive(Deserialize, Default, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Mirror {
    /// The service that gets them.
    pub(crate) route: Option<Destination>,
    /// How many of the commands are copied; all if absent.
    pub(crate) percentage: Option<Percent>,
    /// Whether reads are not copied.
    pub(crate) exclude_read_commands: bool,
}

/// Where reads go.
#[derive(Deserialize, Default, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ReadCommandPolicy {
    /// The service that they go to.
    pub(crate) route: Option<Destination>,
}

/// A share.
#[derive(Deserialize, Default, Clone, Copy, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Percent {
    /// From 0 to 100.
    #[schemars(range(min = 0, max = 100))]
    pub(crate) value: f64,
}

/// A fault to inject.
#[derive(Deserialize, Default, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Fault {
    /// DELAY makes commands late, ERROR makes them fail.
    pub(crate) r#type: FaultType,
    /// How many of the commands it strikes; all if absent.
    pub(crate) percentage: Option<Percent>,
    /// How late; a DELAY without it does nothing.
    #[schemars(schema_with = "schema::duration")]
    pub(crate) delay: Option<Duration>,
    /// The commands that it may strike; all if empty.
    pub(crate) commands: Vec<String>,
}

#[derive(Deserialize, Default, Clone, Copy, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum FaultType {
    #[default]
    Delay,
    Error,
}

/// How sidecars reach a Redis host.
#[derive(Deserialize, Default, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["host"], "x-kubernetes-validations" = rules(&[schema::SINGLE_HOST])))]
pub(crate) struct RedisDestination {
    /// The host of the service of this namespace that it applies to.
    #[schemars(length(min = 1, max = 255))]
    pub(crate) host: String,
    /// How the host is reached.
    pub(crate) traffic_policy: TrafficPolicy,
}

/// How a host is reached.
#[derive(Deserialize, Default, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct TrafficPolicy {
    /// The connections to its servers.
    pub(crate) connection_pool: ConnectionPool,
}

/// The connections to the servers of a host.
#[derive(Deserialize, Default, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ConnectionPool {
    /// What is common to all TCP connections. A DestinationRule that says it counts instead.
    pub(crate) tcp: Tcp,
    /// What is of Redis alone.
    pub(crate) redis: RedisPool,
}

/// Limits of TCP connections.
#[derive(Deserialize, Default, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Tcp {
    /// How many connections at most; 0 sets no limit.
    #[schemars(range(min = 0))]
    pub(crate) max_connections: i32,
    /// How long connecting may take.
    #[schemars(schema_with = "schema::positive_duration")]
    pub(crate) connect_timeout: Option<Duration>,
    /// Keeps connections alive.
    pub(crate) tcp_keepalive: Option<TcpKeepalive>,
}

/// How connections are kept alive.
#[derive(Deserialize, Default, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct TcpKeepalive {
    /// How many probes without an answer end a connection; 0 leaves it to the system.
    pub(crate) probes: u32,
    /// How long a connection is idle before the first probe.
    #[schemars(schema_with = "schema::keepalive_duration")]
    pub(crate) time: Option<Duration>,
    /// How long between probes.
    #[schemars(schema_with = "schema::keepalive_duration")]
    pub(crate) interval: Option<Duration>,
}

/// What is of Redis alone.
#[derive(Deserialize, Default, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("x-kubernetes-validations" = rules(schema::ONE_PASSWORD)))]
pub(crate) struct RedisPool {
    /// PROXY keeps Istio's cluster, CLUSTER asks Redis for the servers.
    pub(crate) mode: Mode,
    /// What the sidecar signs in with.
    pub(crate) auth: Option<Auth>,
    /// Whom to ask for the servers in cluster mode: host, host:port or [v6]:port. The host itself if empty.
    #[schemars(inner(regex(pattern = schema::ENDPOINT)))]
    pub(crate) discovery_endpoints: Vec<String>,
}

#[derive(Deserialize, Default, Clone, Copy, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum Mode {
    #[default]
    Proxy,
    Cluster,
}

/// Where credentials come from: exactly one of the three.
#[derive(Deserialize, Default, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("x-kubernetes-validations" = rules(&[schema::ONE_FORM])))]
pub(crate) struct Auth {
    /// From files or environment variables of the sidecar.
    pub(crate) reference: Option<Reference>,
    /// From a Secret of this namespace, in clear text; needs the annotation redis.aeraki.io/inline-credentials.
    pub(crate) secret: Option<SecretReference>,
    /// From here, in clear text; needs the annotation redis.aeraki.io/inline-credentials.
    pub(crate) plain: Option<PlainAuth>,
}

/// Credentials that the sidecar reads for itself.
#[derive(Deserialize, Default, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("x-kubernetes-validations" = rules(&[schema::SOME_PASSWORD])))]
pub(crate) struct Reference {
    /// The user name.
    pub(crate) username: Option<Source>,
    /// The password.
    pub(crate) password: Option<Source>,
    /// More passwords; clients may send any.
    #[schemars(length(max = 64))]
    pub(crate) passwords: Vec<Source>,
}

/// A place in the sidecar: exactly one of the two.
#[derive(Deserialize, Default, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("x-kubernetes-validations" = rules(&[schema::ONE_PLACE])))]
pub(crate) struct Source {
    /// An environment variable; its name begins with REDIS_.
    #[schemars(regex(pattern = schema::VARIABLE))]
    pub(crate) environment_variable: String,
    /// A file below /etc/redis/.
    #[schemars(regex(pattern = schema::FILE))]
    pub(crate) filename: String,
}

/// A Secret of the object's own namespace, and the keys in it.
#[derive(Deserialize, Default, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["name"]))]
pub(crate) struct SecretReference {
    /// The name of the Secret.
    #[schemars(length(min = 1))]
    pub(crate) name: String,
    /// The key of the user name; username if absent, and that may be missing.
    pub(crate) username_field: String,
    /// The key of the password; password if absent, else token.
    pub(crate) password_field: String,
    /// Keys of more passwords; clients may send any.
    #[schemars(length(max = 64))]
    pub(crate) password_fields: Vec<String>,
}

/// Credentials in clear text.
#[derive(Deserialize, Default, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("x-kubernetes-validations" = rules(&[schema::SOME_PASSWORD])))]
pub(crate) struct PlainAuth {
    /// The user name.
    pub(crate) username: String,
    /// The password.
    #[schemars(length(min = 1))]
    pub(crate) password: Option<String>,
    /// More passwords; clients may send any.
    #[schemars(length(max = 64), inner(length(min = 1)))]
    pub(crate) passwords: Vec<String>,
}
