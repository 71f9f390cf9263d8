//! What a RedisDestination changes in Istio's clusters.
//!
//! As little as possible: sign-in, timeouts and keep-alive are merged onto Istio's cluster, so that its TLS and endpoints
//! stay; limits replace a list there; only cluster mode needs a cluster of its own. Where a DestinationRule speaks of
//! connections, nothing is patched. Go Aeraki replaced every cluster (with MAGLEV and without TLS); that is not copied.

use std::collections::BTreeMap;

use aeraki_api::envoy::cluster::circuit_breakers::Thresholds;
use aeraki_api::envoy::cluster::cluster::{ClusterDiscoveryType, CustomClusterType, LbPolicy};
use aeraki_api::envoy::cluster::{CircuitBreakers, Cluster, UpstreamConnectionOptions};
use aeraki_api::envoy::core::{
    Address, Metadata, SocketAddress, TcpKeepalive, address, socket_address,
};
use aeraki_api::envoy::endpoint::{
    ClusterLoadAssignment, Endpoint, LbEndpoint, LocalityLbEndpoints, lb_endpoint,
};
use aeraki_api::envoy::redis::RedisProtocolOptions;
use aeraki_api::envoy::redis_cluster::RedisClusterConfig;
use aeraki_api::networking::{DestinationRule, TrafficPolicy};
use aeraki_api::{Duration, JsonStruct, typed_config};
use aeraki_core::cluster_name;
use aeraki_core::config::Config;
use aeraki_core::diagnostic::{Diagnostic, Severity};
use aeraki_core::draft::{ClusterChange, ClusterPatch};
use aeraki_core::generator::{GenerateError, ServiceContext};
use aeraki_core::host::has_forbidden_characters;
use serde_json::{Value, json};

use crate::credentials::Form;
use crate::inputs::Given;
use crate::seeds::{self, Seed};
use crate::spec::{self, Mode, RedisDestination};
use crate::{REDIS_PROXY, codes, credentials};

const POOL: &str = "spec.trafficPolicy.connectionPool";
/// parity: the connect timeout of Go Aeraki's clusters, and Istio's default.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The prefix of the ServiceEntry that istiod makes of a Kubernetes Service.
const SYNTHETIC: &str = "synthetic-";

type Destination<'a> = Given<'a, RedisDestination>;

/// The changes, and how the password for the server stands in them.
#[derive(Default)]
pub(crate) struct Changes {
    pub(crate) patches: Vec<ClusterPatch>,
    pub(crate) credentials: Option<Form>,
}

/// What is asked of the connections, checked.
#[derive(Default)]
struct Pool {
    max_connections: Option<u32>,
    connect_timeout: Option<Duration>,
    keepalive: Option<TcpKeepalive>,
}

/// The key of the filter in a cluster's options, and what it says there.
type Options = BTreeMap<String, JsonStruct>;

/// The changes that the RedisDestination asks for.
pub(crate) fn changes(
    ctx: &ServiceContext<'_>,
    given: &Destination<'_>,
) -> Result<Changes, GenerateError> {
    let (options, credentials) = sign_in(ctx, given)?;
    let pool = pool(given)?;
    let patches = match given.spec.traffic_policy.connection_pool.redis.mode {
        Mode::Proxy => on_istios_clusters(ctx, given, options, pool)?,
        Mode::Cluster => vec![instead_of_istios_cluster(ctx, given, options, &pool)?],
    };
    Ok(Changes {
        patches,
        credentials,
    })
}

fn sign_in(
    ctx: &ServiceContext<'_>,
    given: &Destination<'_>,
) -> Result<(Options, Option<Form>), GenerateError> {
    let Some(auth) = &given.spec.traffic_policy.connection_pool.redis.auth else {
        return Ok((Options::new(), None));
    };
    let field = format!("{POOL}.redis.auth");
    let found = credentials::resolve(ctx, given.object, auth, &field)?;
    let [password] = <[_; 1]>::try_from(found.passwords)
        .map_err(|_| given.invalid(&field, "the sidecar signs in with one password"))?;
    let options = RedisProtocolOptions {
        auth_password: Some(password),
        auth_username: found.username,
        ..RedisProtocolOptions::default()
    };
    let options = object(typed_config(&options)?);
    Ok((
        Options::from([(REDIS_PROXY.to_owned(), options)]),
        Some(found.form),
    ))
}

fn pool(given: &Destination<'_>) -> Result<Pool, GenerateError> {
    let tcp = &given.spec.traffic_policy.connection_pool.tcp;
    let max_connections = u32::try_from(tcp.max_connections).map_err(|_| {
        given.invalid(
            format!("{POOL}.tcp.maxConnections"),
            "it cannot be negative",
        )
    })?;
    if tcp
        .connect_timeout
        .is_some_and(|timeout| timeout.as_nanos() <= 0)
    {
        let reason = "a connect timeout must be positive";
        return Err(given.invalid(format!("{POOL}.tcp.connectTimeout"), reason));
    }
    let keepalive = tcp
        .tcp_keepalive
        .as_ref()
        .map(|asked| keepalive(given, asked))
        .transpose()?;
    Ok(Pool {
        max_connections: (max_connections > 0).then_some(max_connections),
        connect_timeout: tcp.connect_timeout,
        keepalive,
    })
}

fn keepalive(
    given: &Destination<'_>,
    asked: &spec::TcpKeepalive,
) -> Result<TcpKeepalive, GenerateError> {
    let seconds = |value: Option<Duration>, name: &str| {
        value
            .map(whole_seconds)
            .transpose()
            .map_err(|reason| given.invalid(format!("{POOL}.tcp.tcpKeepalive.{name}"), reason))
    };
    Ok(TcpKeepalive {
        keepalive_probes: (asked.probes > 0).then_some(asked.probes),
        keepalive_time: seconds(asked.time, "time")?,
        keepalive_interval: seconds(asked.interval, "interval")?,
    })
}

/// Envoy counts keep-alive in seconds; a part of one is a whole one, since 0 would mean the system's default.
fn whole_seconds(span: Duration) -> Result<u32, &'static str> {
    if span.as_nanos() <= 0 {
        return Err("it must be positive");
    }
    let seconds = span.seconds + i64::from(span.nanos > 0);
    // The kernel takes no more.
    u32::try_from(seconds)
        .ok()
        .filter(|s| *s <= 32_767)
        .ok_or("it is at most 32767s")
}

impl Pool {
    fn is_empty(&self) -> bool {
        self.max_connections.is_none() && self.connect_timeout.is_none() && self.keepalive.is_none()
    }

    /// Everything that a MERGE can say.
    fn merge_into(&self, cluster: &mut Cluster) {
        cluster.connect_timeout = self.connect_timeout;
        cluster.upstream_connection_options =
            self.keepalive.map(|keepalive| UpstreamConnectionOptions {
                tcp_keepalive: Some(keepalive),
                ..UpstreamConnectionOptions::default()
            });
    }
}

/// Istio sets no limits by default, and Envoy's own default of 1024 would be one.
fn limits(max_connections: Option<u32>) -> CircuitBreakers {
    let thresholds = Thresholds {
        max_connections: Some(max_connections.unwrap_or(u32::MAX)),
        max_pending_requests: Some(u32::MAX),
        max_requests: Some(u32::MAX),
        max_retries: Some(u32::MAX),
        track_remaining: true,
        ..Thresholds::default()
    };
    CircuitBreakers {
        thresholds: vec![thresholds],
        ..CircuitBreakers::default()
    }
}

/// PROXY mode: patches onto the clusters of the service and of its subsets.
fn on_istios_clusters(
    ctx: &ServiceContext<'_>,
    given: &Destination<'_>,
    options: Options,
    mut pool: Pool,
) -> Result<Vec<ClusterPatch>, GenerateError> {
    report_proxy_mode(ctx, given, &options, &pool);
    let rule = ctx.destination_rule();
    let rule = rule.as_ref();
    if !pool.is_empty() && rule.is_some_and(|rule| says_tcp(rule, ctx.port().number())) {
        let sentence = "a DestinationRule sets the connection pool of the host, and it counts";
        let code = &codes::POOL_OF_DESTINATION_RULE;
        let diagnostic = Diagnostic::new(code, &given.object.key, sentence);
        ctx.report(diagnostic.at(format!("{POOL}.tcp")));
        pool = Pool::default();
    }
    let mut merged = Cluster {
        typed_extension_protocol_options: options,
        ..Cluster::default()
    };
    pool.merge_into(&mut merged);
    let limited = Cluster {
        circuit_breakers: pool.max_connections.map(|max| limits(Some(max))),
        ..Cluster::default()
    };
    let mut patches = Vec::new();
    for cluster in clusters_of(ctx, rule) {
        if merged != Cluster::default() {
            let change = ClusterChange::Merge(Config::of(&merged)?);
            patches.push(ClusterPatch {
                cluster: cluster.clone(),
                change,
            });
        }
        if limited != Cluster::default() {
            let change = ClusterChange::MergeReplacingLists(Config::of(&limited)?);
            patches.push(ClusterPatch { cluster, change });
        }
    }
    Ok(patches)
}

fn report_proxy_mode(
    ctx: &ServiceContext<'_>,
    given: &Destination<'_>,
    options: &Options,
    pool: &Pool,
) {
    let key = &given.object.key;
    let redis = &given.spec.traffic_policy.connection_pool.redis;
    if !redis.discovery_endpoints.is_empty() {
        let sentence = "endpoints are discovered in `mode: CLUSTER` only";
        let diagnostic = Diagnostic::new(&codes::NO_EFFECT, key, sentence);
        ctx.report(diagnostic.at(format!("{POOL}.redis.discoveryEndpoints")));
    } else if options.is_empty() && pool.is_empty() {
        let sentence = "it sets nothing, so Istio's cluster stays as it is";
        ctx.report(Diagnostic::new(&codes::INERT_DESTINATION, key, sentence).at("spec"));
    }
}

/// The service's cluster and those of its subsets: a VirtualService may send everything to one of those.
fn clusters_of(ctx: &ServiceContext<'_>, rule: Option<&DestinationRule>) -> Vec<String> {
    let (port, host) = (ctx.port().number(), ctx.service().host().as_str());
    let mut clusters = vec![ctx.outbound_cluster()];
    let subsets = rule.into_iter().flat_map(|rule| &rule.subsets);
    for subset in subsets.filter(|subset| !has_forbidden_characters(&subset.name)) {
        let cluster = cluster_name::outbound(port, &subset.name, host);
        if !clusters.contains(&cluster) {
            clusters.push(cluster);
        }
    }
    clusters
}

fn says_tcp(rule: &DestinationRule, port: u32) -> bool {
    let Some(policy) = &rule.traffic_policy else {
        return false;
    };
    let of_port = policy
        .port_level_settings
        .iter()
        .filter(|settings| {
            settings
                .port
                .as_ref()
                .is_some_and(|selector| selector.number == port)
        })
        .any(|settings| {
            settings
                .connection_pool
                .as_ref()
                .is_some_and(|pool| pool.tcp.is_some())
        });
    of_port || of_host(policy)
}

fn of_host(policy: &TrafficPolicy) -> bool {
    policy
        .connection_pool
        .as_ref()
        .is_some_and(|pool| pool.tcp.is_some())
}

/// CLUSTER mode: a whole cluster under the name of Istio's.
fn instead_of_istios_cluster(
    ctx: &ServiceContext<'_>,
    given: &Destination<'_>,
    options: Options,
    pool: &Pool,
) -> Result<ClusterPatch, GenerateError> {
    let seeds = seeds::seeds(ctx, given)?;
    report_cluster_mode(ctx, given);
    let name = ctx.outbound_cluster();
    let mut cluster = Cluster {
        name: name.clone(),
        cluster_discovery_type: Some(ClusterDiscoveryType::ClusterType(CustomClusterType {
            name: "envoy.clusters.redis".to_owned(),
            typed_config: Some(object(typed_config(&RedisClusterConfig::default())?)),
        })),
        lb_policy: LbPolicy::ClusterProvided as i32,
        load_assignment: Some(load_assignment(&name, &seeds)),
        circuit_breakers: Some(limits(pool.max_connections)),
        metadata: Some(metadata(ctx)),
        typed_extension_protocol_options: options,
        // A sidecar must not stay unready because Redis is down.
        wait_for_warm_on_init: Some(false),
        ..Cluster::default()
    };
    pool.merge_into(&mut cluster);
    cluster.connect_timeout.get_or_insert(CONNECT_TIMEOUT);
    let change = ClusterChange::Replace(Config::of(&cluster)?);
    Ok(ClusterPatch {
        cluster: name,
        change,
    })
}

fn report_cluster_mode(ctx: &ServiceContext<'_>, given: &Destination<'_>) {
    let (severity, sentence) = if ctx.destination_rule().is_some() {
        let sentence = "Istio's mutual TLS and the host's DestinationRule do not apply in cluster \
                        mode";
        (Severity::Warning, sentence)
    } else {
        (
            Severity::Info,
            "Istio's mutual TLS does not apply in cluster mode",
        )
    };
    let diagnostic = Diagnostic::new(&codes::CLUSTER_MODE, &given.object.key, sentence);
    ctx.report(
        diagnostic
            .at(format!("{POOL}.redis.mode"))
            .severity(severity),
    );
}

fn load_assignment(cluster: &str, seeds: &[Seed]) -> ClusterLoadAssignment {
    let endpoint = |seed: &Seed| {
        let socket = SocketAddress {
            address: seed.host.clone(),
            port_specifier: Some(socket_address::PortSpecifier::PortValue(seed.port)),
            ..SocketAddress::default()
        };
        let address = Address {
            address: Some(address::Address::SocketAddress(socket)),
        };
        let endpoint = Endpoint {
            address: Some(address),
            ..Endpoint::default()
        };
        LbEndpoint {
            host_identifier: Some(lb_endpoint::HostIdentifier::Endpoint(endpoint)),
            ..LbEndpoint::default()
        }
    };
    ClusterLoadAssignment {
        cluster_name: cluster.to_owned(),
        endpoints: vec![LocalityLbEndpoints {
            lb_endpoints: seeds.iter().map(endpoint).collect(),
            ..LocalityLbEndpoints::default()
        }],
    }
}

/// What Istio's telemetry reads of a cluster to name the destination.
fn metadata(ctx: &ServiceContext<'_>) -> Metadata {
    let service = ctx.service();
    let object_name = &*service.object().name;
    let istio = json!({
        "default_original_port": ctx.port().number(),
        "services": [{
            "host": service.host().as_str(),
            "name": object_name.strip_prefix(SYNTHETIC).unwrap_or(object_name),
            "namespace": &**service.namespace(),
        }],
    });
    let filter_metadata = BTreeMap::from([("istio".to_owned(), object(istio))]);
    Metadata { filter_metadata }
}

fn object(value: Value) -> JsonStruct {
    JsonStruct::try_from(value).expect("a message's JSON form is an object")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keepalive_is_counted_in_whole_seconds() {
        assert_eq!(whole_seconds(Duration::from_secs(75)), Ok(75));
        assert_eq!(whole_seconds(Duration::from_millis(1500)), Ok(2));
        assert_eq!(whole_seconds(Duration::from_millis(1)), Ok(1));
        for refused in [0, -1, 32_768] {
            assert!(whole_seconds(Duration::from_secs(refused)).is_err());
        }
    }
}
