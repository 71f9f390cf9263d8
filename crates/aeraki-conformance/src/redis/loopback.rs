//! Sidecars that listen on loopback: those that capture nothing, and those that a Sidecar resource tells to.

use anyhow::{Context as _, Result, ensure};
use futures::FutureExt as _;

use super::listeners::kubernetes_service;
use super::{PORT, Redis, Target, call, rules, service, speaks_redis, value};
use crate::case::{Case, Stage, Turn};
use crate::client::Client;
use crate::kubernetes_service::KubernetesService;
use crate::mesh::{LOCALHOST_LISTENERS, PodOptions};

pub(super) const CASES: &[Case] = &[
    Case {
        name: "redis/interception-none",
        proves: "`--localhost-listeners`: a sidecar that captures nothing speaks Redis on loopback, for a service with an address, a range or none, and one of Kubernetes; without the setting, plain TCP",
        turn: Turn::Alone,
        run: |stage| interception_none(stage).boxed_local(),
    },
    Case {
        name: "redis/sidecar-egress",
        proves: "`--localhost-listeners`: the same of a Sidecar's egress listener on loopback with `captureMode: NONE`",
        turn: Turn::Alone,
        run: |stage| sidecar_egress(stage).boxed_local(),
    },
];

const LOOPBACK: &str = "127.0.0.1";

/// A client whose only way to a service is its sidecar's listener on loopback.
struct Local<'a> {
    client: Client,
    redis: &'a Redis,
}

impl Local<'_> {
    /// Fails unless redis_proxy is (or is not) on each of these ports.
    async fn speaks_redis(&self, ports: &[u16], is_so: bool) -> Result<()> {
        for &port in ports {
            let spoken = speaks_redis(&self.client, LOOPBACK, port, is_so).await;
            spoken.with_context(|| format!("on port {port} of loopback"))?;
        }
        Ok(())
    }

    /// Fails unless a SET of the key lands on these servers.
    async fn lands(&self, port: u16, key: &str, wanted: &str) -> Result<()> {
        let set: [&[&str]; 1] = [&["SET", key, "1"]];
        let mut answers = call(&self.client, &Target::at(LOOPBACK, port), &set).await?;
        value(answers.pop().context("one command has one answer")?)?;
        let found = self.redis.has(key).await?;
        ensure!(found == wanted, "{key} is on {found}, not on {wanted}");
        Ok(())
    }
}

/// A ServiceEntry `<case>-<name>` with v1 behind it, and with what else its spec says of addresses.
fn entry(name: &str, port: u16, addresses: &str, server: &str) -> String {
    format!(
        "\
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: $CASE-{name}, namespace: $NAMESPACE}}
spec:
  hosts: [{name}.$CASE.test]
{addresses}  ports: [{{number: {port}, name: tcp-redis, protocol: TCP, targetPort: {PORT}}}]
  resolution: STATIC
  endpoints: [{{address: {server}}}]
"
    )
}

/// Two services on one port, of which the older has the listener on loopback, with keys that it gives to the younger.
fn older_and_younger(redis: &Redis) -> String {
    let older = service("cache", "$VIP1", &redis.v1.address());
    let younger = service("younger", "$VIP2", &redis.v2.address());
    let rule = "  redis:
  - match: {key: {prefix: \"$CASE:younger\"}}
    route: {host: younger.$CASE.test}
  - route: {host: cache.$CASE.test}
";
    older + &younger + &rules("cache", rule)
}

async fn interception_none(stage: &Stage<'_>) -> Result<()> {
    const PORTS: [u16; 4] = [PORT, 6441, 6442, 6443];
    let redis = Redis::of(stage).await?;
    let pod = PodOptions::new("redis", "client-without-interception").without_interception();
    let pod = stage.pod(&pod).await?;
    let local = Local {
        client: stage.python(&pod, "redis", "client.py")?,
        redis: &redis,
    };
    let server = redis.v1.address();
    let [_, none, range, kubernetes] = PORTS;
    stage.apply(&older_and_younger(&redis)).await?;
    stage.apply(&entry("none", none, "", &server)).await?;
    let addresses = "  addresses: [\"$VIP8/29\"]\n";
    stage
        .apply(&entry("range", range, addresses, &server))
        .await?;
    let service = KubernetesService {
        target_port: PORT,
        servers: &[("server-v1", &server)],
        ..kubernetes_service(kubernetes)
    };
    stage.apply(&service.yaml()).await?;
    stage.settled().await?;
    local.speaks_redis(&PORTS, false).await?;
    stage
        .with_settings(LOCALHOST_LISTENERS, async || {
            stage.settled().await?;
            local.speaks_redis(&PORTS, true).await?;
            routed(stage, &local).await?;
            for port in &PORTS[1..] {
                let key = format!("{}:{port}", stage.case());
                local.lands(*port, &key, "v1").await?;
            }
            // The usual listener of those that capture has its filter all the same.
            speaks_redis(&redis.client, &stage.vip(1), PORT, true).await
        })
        .await?;
    stage.settled().await?;
    local.speaks_redis(&PORTS, false).await
}

/// Fails unless the rule of the older service counts on loopback.
async fn routed(stage: &Stage<'_>, local: &Local<'_>) -> Result<()> {
    let key = |name: &str| format!("{}:{name}", stage.case());
    local.lands(PORT, &key("older"), "v1").await?;
    local.lands(PORT, &key("younger"), "v2").await
}

async fn sidecar_egress(stage: &Stage<'_>) -> Result<()> {
    let redis = Redis::of(stage).await?;
    let pod = PodOptions::new("redis", "client-with-egress").label("app", "client-with-egress");
    let pod = stage.pod(&pod).await?;
    let local = Local {
        client: stage.python(&pod, "redis", "client.py")?,
        redis: &redis,
    };
    let egress = "\
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: $CASE, namespace: $NAMESPACE}
spec:
  workloadSelector: {labels: {app: client-with-egress}}
  egress:
  - port: {number: 6379, name: tcp, protocol: TCP}
    bind: 127.0.0.1
    captureMode: NONE
    hosts: [./cache.$CASE.test]
  - hosts: [./*]
";
    stage.apply(&(older_and_younger(&redis) + egress)).await?;
    stage.settled().await?;
    local.speaks_redis(&[PORT], false).await?;
    stage
        .with_settings(LOCALHOST_LISTENERS, async || {
            stage.settled().await?;
            local.speaks_redis(&[PORT], true).await?;
            routed(stage, &local).await
        })
        .await?;
    stage.settled().await?;
    local.speaks_redis(&[PORT], false).await
}
