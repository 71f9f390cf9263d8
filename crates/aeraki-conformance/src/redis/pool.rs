//! What the sidecar's connections to a server are like: RedisDestination's pool, and when Envoy writes to one.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use futures::FutureExt as _;
use serde_json::{Value, json};

use super::{PORT, Redis, Target, equal, refused, rules, service, service_at};
use crate::case::{Case, Stage, Turn};

pub(super) const CASES: &[Case] = &[
    Case {
        name: "redis/connect-timeout",
        proves: "`tcp.connectTimeout`: a call to a server that cannot be reached fails after that time",
        turn: Turn::Shared,
        run: |stage| connect_timeout(stage).boxed_local(),
    },
    Case {
        name: "redis/tcp-keepalive",
        proves: "`tcp.tcpKeepalive`: the sidecar's connection to the server is probed after that time",
        turn: Turn::Shared,
        run: |stage| tcp_keepalive(stage).boxed_local(),
    },
    Case {
        name: "redis/max-connections",
        proves: "`tcp.maxConnections`: the sidecar has that limit for the service and its subsets, unless a DestinationRule says another",
        turn: Turn::Shared,
        run: |stage| max_connections(stage).boxed_local(),
    },
    Case {
        name: "redis/buffer-flush",
        proves: "`settings.maxBufferSizeBeforeFlush` and `bufferFlushTimeout`: a small command waits for others, a big one for none",
        turn: Turn::Shared,
        run: |stage| buffer_flush(stage).boxed_local(),
    },
];

/// A RedisDestination for `cache` of the case with this pool.
fn destination(tcp: &str) -> String {
    format!(
        "
---
apiVersion: redis.aeraki.io/v1alpha1
kind: RedisDestination
metadata: {{name: $CASE, namespace: $NAMESPACE}}
spec:
  host: cache.$CASE.test
  trafficPolicy: {{connectionPool: {{tcp: {tcp}}}}}
"
    )
}

async fn connect_timeout(stage: &Stage<'_>) -> Result<()> {
    const SILENT: u16 = 6452;
    let redis = Redis::of(stage).await?;
    // Before the rules that lead to the sidecar.
    let mut drop = redis.v1.pod.command("iptables");
    drop.args(["-t", "raw", "-A", "PREROUTING", "-p", "tcp"]);
    drop.args(["--dport", &SILENT.to_string(), "-j", "DROP"]);
    let dropped = drop.output()?;
    ensure!(dropped.status.success(), "{dropped:?}");
    let cache = service_at("cache", "$VIP1", &redis.v1.address(), SILENT);
    stage
        .apply(&(cache + &destination("{connectTimeout: 0.3s}")))
        .await?;
    stage.settled().await?;
    let address = stage.vip(1);
    let target = Target::at(&address, PORT);
    let start = Instant::now();
    let answer = redis.answer(&target, &["GET", "key"]).await?;
    refused(&answer, "upstream failure")?;
    let took = start.elapsed();
    // Less would be another reason, and without the setting it is 10 s.
    let timed_out = Duration::from_millis(250)..Duration::from_secs(8);
    ensure!(timed_out.contains(&took), "it took {took:?}");
    Ok(())
}

async fn tcp_keepalive(stage: &Stage<'_>) -> Result<()> {
    const SERVER: u16 = 6451;
    let redis = Redis::of(stage).await?;
    redis.v1.serve(stage, SERVER, &[]).await?;
    let cache = service_at("cache", "$VIP1", &redis.v1.address(), SERVER);
    let keepalive = "{tcpKeepalive: {time: 3000s, interval: 50s, probes: 5}}";
    stage.apply(&(cache + &destination(keepalive))).await?;
    stage.settled().await?;
    redis.value(&stage.vip(1), &["GET", "key"]).await?;
    let server = format!("{}:{SERVER}", redis.v1.address());
    let mut sockets = redis.pod.command("ss");
    sockets.args(["-H", "-t", "-n", "-o", "dst", &server]);
    let sockets = sockets.output()?.stdout;
    let sockets = String::from_utf8_lossy(&sockets);
    let minutes = ["49min", "50min"].map(|it| format!("timer:(keepalive,{it}"));
    ensure!(
        minutes.iter().any(|it| sockets.contains(it)),
        "the sidecar's sockets are {sockets:?}"
    );
    // What the kernel does not show before the server is gone.
    let cluster = cluster(stage, &redis, "").await?;
    let keepalive = &cluster["upstream_connection_options"]["tcp_keepalive"];
    let wanted = json!({"keepalive_time": 3000, "keepalive_interval": 50, "keepalive_probes": 5});
    equal("tcp_keepalive", keepalive, &wanted)
}

/// By the sidecar's config alone: `redis_proxy` does not look at the limit when it opens a connection (Envoy 1.40).
async fn max_connections(stage: &Stage<'_>) -> Result<()> {
    let redis = Redis::of(stage).await?;
    let subset = |policy: &str| {
        format!(
            "---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: $CASE, namespace: $NAMESPACE}}
spec:
  host: cache.$CASE.test
  subsets: [{{name: v1, labels: {{version: v1}}}}]
{policy}"
        )
    };
    let limit = async |subset: &str| {
        let cluster = cluster(stage, &redis, subset).await?;
        anyhow::Ok(cluster["circuit_breakers"]["thresholds"][0]["max_connections"].clone())
    };
    let cache = service("cache", "$VIP1", &redis.v1.address());
    let pool = destination("{maxConnections: 7}");
    stage.apply(&(cache + &pool + &subset(""))).await?;
    stage.settled().await?;
    equal("the limit", &limit("").await?, &json!(7))?;
    equal("the limit of the subset", &limit("v1").await?, &json!(7))?;
    let its_own = "  trafficPolicy: {connectionPool: {tcp: {maxConnections: 9}}}\n";
    stage.apply(&subset(its_own)).await?;
    stage.settled().await?;
    equal("the DestinationRule's", &limit("").await?, &json!(9))
}

/// The cluster of `cache`, or of a subset of it, as the client's sidecar has it.
async fn cluster(stage: &Stage<'_>, redis: &Redis, subset: &str) -> Result<Value> {
    let name = stage.fill(&format!("outbound|6379|{subset}|cache.$CASE.test"));
    let cluster = redis.pod.sidecar().cluster(&name).await?;
    cluster.with_context(|| format!("no cluster {name}"))
}

async fn buffer_flush(stage: &Stage<'_>) -> Result<()> {
    const WAITS: f64 = 3.0;
    let redis = Redis::of(stage).await?;
    let cache = service("cache", "$VIP1", &redis.v1.address());
    let settings = "  settings: {maxBufferSizeBeforeFlush: 4096, bufferFlushTimeout: 3s}\n";
    stage.apply(&(cache + &rules("cache", settings))).await?;
    stage.settled().await?;
    let seconds = async |value: &str| {
        let set = json!([["SET", stage.case(), value]]);
        let request = json!({"do": "call", "host": stage.vip(1), "port": PORT, "commands": set});
        let answer = redis.client.ask(&request).await?;
        ensure!(answer["answers"][0]["value"] == true, "{answer}");
        Ok(answer["seconds"].as_f64().unwrap_or_default())
    };
    let big = seconds(&"x".repeat(8192)).await?;
    ensure!(big < WAITS, "a big command took {big} s");
    let small = seconds("x").await?;
    // Envoy counts from when its loop last looked at the clock, so a little less is seen from here.
    ensure!(small > WAITS - 0.1, "a small command took {small} s");
    Ok(())
}
