//! On which listeners the filter comes to stand, and on which it must not.

use anyhow::{Context as _, Result, ensure};
use futures::FutureExt as _;
use serde_json::{Value, json};

use super::{PORT, Redis, Target, call, equal, service, speaks_redis, value};
use crate::case::{Case, Stage, Turn};
use crate::kubernetes_service::KubernetesService;
use crate::mesh::PodOptions;
use crate::wait::{Seen, until};

pub(super) const CASES: &[Case] = &[
    Case {
        name: "redis/two-ports",
        proves: "each of a service's Redis ports has its filter and its server",
        turn: Turn::Shared,
        run: |stage| two_ports(stage).boxed_local(),
    },
    Case {
        name: "redis/two-addresses",
        proves: "each of a service's addresses has its filter",
        turn: Turn::Shared,
        run: |stage| two_addresses(stage).boxed_local(),
    },
    Case {
        name: "redis/without-address",
        proves: "a service without an address: the listener of all addresses at its port",
        turn: Turn::Shared,
        run: |stage| without_address(stage).boxed_local(),
    },
    Case {
        name: "redis/allocated-address",
        proves: "an address that istiod hands out, where the proxy captures DNS",
        turn: Turn::Shared,
        run: |stage| allocated(stage).boxed_local(),
    },
    Case {
        name: "redis/kubernetes-service",
        proves: "a Kubernetes Service by the name of its port, with its endpoints",
        turn: Turn::Shared,
        run: |stage| kubernetes(stage, "name: tcp-redis").boxed_local(),
    },
    Case {
        name: "redis/app-protocol",
        proves: "a Kubernetes Service by its port's `appProtocol: redis`",
        turn: Turn::Shared,
        run: |stage| kubernetes(stage, "appProtocol: redis").boxed_local(),
    },
    Case {
        name: "redis/headless-service",
        proves: "a headless Service without cluster mode stays plain TCP: `redis_proxy` would find no server",
        turn: Turn::Shared,
        run: |stage| headless(stage).boxed_local(),
    },
    Case {
        name: "redis/resolution-none",
        proves: "`resolution: NONE` without cluster mode stays plain TCP, to the address that was called",
        turn: Turn::Shared,
        run: |stage| resolution_none(stage).boxed_local(),
    },
    Case {
        name: "redis/load-balancer-passthrough",
        proves: "a DestinationRule's `loadBalancer: PASSTHROUGH` leaves plain TCP, to the address that was called",
        turn: Turn::Shared,
        run: |stage| load_balancer_passthrough(stage).boxed_local(),
    },
    Case {
        name: "redis/own-namespace",
        proves: "`exportTo: [\".\"]`: another namespace's plain service at the same address stays plain",
        turn: Turn::Shared,
        run: |stage| own_namespace(stage).boxed_local(),
    },
    Case {
        name: "redis/other-port-name",
        proves: "a port of another name stays plain TCP",
        turn: Turn::Shared,
        run: |stage| other_port_name(stage).boxed_local(),
    },
];

async fn two_ports(stage: &Stage<'_>) -> Result<()> {
    let redis = Redis::of(stage).await?;
    redis.v1.serve(stage, 6421, &[]).await?;
    let address = redis.v1.address();
    stage
        .apply(&format!(
            "
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: $CASE, namespace: $NAMESPACE}}
spec:
  hosts: [cache.$CASE.test]
  addresses: [$VIP1]
  ports:
  - {{number: 6379, name: tcp-redis-one, protocol: TCP}}
  - {{number: 6380, name: tcp-redis-two, protocol: TCP, targetPort: 6421}}
  resolution: STATIC
  endpoints: [{{address: {address}}}]
"
        ))
        .await?;
    stage.settled().await?;
    for (port, server) in [(6379, PORT), (6380, 6421)] {
        speaks_redis(&redis.client, &stage.vip(1), port, true).await?;
        let key = format!("{}:{port}", stage.case());
        let vip = stage.vip(1);
        let set = ["SET", &key, "1"];
        value(redis.answer(&Target::at(&vip, port), &set).await?)?;
        let there = redis.v1.value_at(server, &["EXISTS", &key]).await?;
        equal(&format!("the key of {port}"), &there, &json!(1))?;
    }
    Ok(())
}

async fn two_addresses(stage: &Stage<'_>) -> Result<()> {
    let redis = Redis::of(stage).await?;
    let both = service("cache", "$VIP1, $VIP2", &redis.v1.address());
    stage.apply(&both).await?;
    stage.settled().await?;
    for which in [1, 2] {
        let address = stage.vip(which);
        speaks_redis(&redis.client, &address, PORT, true).await?;
        let key = format!("{}:{which}", stage.case());
        redis.lands(&address, &key, "v1").await?;
    }
    Ok(())
}

/// A ServiceEntry without addresses, on a port that no other service of the mesh has.
fn addressless(address: &str, port: u16) -> String {
    format!(
        "
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: $CASE, namespace: $NAMESPACE}}
spec:
  hosts: [cache.$CASE.test]
  ports: [{{number: {port}, name: tcp-redis, protocol: TCP, targetPort: 6379}}]
  resolution: STATIC
  endpoints: [{{address: {address}}}]
"
    )
}

async fn without_address(stage: &Stage<'_>) -> Result<()> {
    let redis = Redis::of(stage).await?;
    stage.apply(&addressless(&redis.v1.address(), 6422)).await?;
    stage.settled().await?;
    let any = stage.vip(1);
    speaks_redis(&redis.client, &any, 6422, true).await?;
    let set = ["SET", stage.case(), "1"];
    value(redis.answer(&Target::at(&any, 6422), &set).await?)?;
    equal(
        "who has it",
        &redis.has(stage.case()).await?.into(),
        &json!("v1"),
    )
}

async fn allocated(stage: &Stage<'_>) -> Result<()> {
    let redis = Redis::of(stage).await?;
    let options = PodOptions::new("redis", "client-with-dns").metadata("DNS_CAPTURE", "true");
    let pod = stage.pod(&options).await?;
    let client = stage.python(&pod, "redis", "client.py")?;
    stage.apply(&addressless(&redis.v1.address(), 6423)).await?;
    let name = stage.fill("$CASE");
    let kind = "networking.istio.io/v1/ServiceEntry";
    let address = until("istiod hands out an address", async || {
        let entry = stage.cluster().get(kind, "redis", &name).await?;
        let entry = entry.context("it was applied")?;
        let addresses = entry["status"]["addresses"].as_array();
        let mut all = addresses.into_iter().flatten();
        let v4 = all.find_map(|address| address["value"].as_str().filter(|it| it.contains('.')));
        Ok(match v4 {
            Some(address) => Seen::There(address.to_owned()),
            None => Seen::Instead(entry["status"].to_string()),
        })
    })
    .await?;
    stage.settled().await?;
    speaks_redis(&client, &address, 6423, true).await?;
    let set: [&[&str]; 1] = [&["SET", stage.case(), "1"]];
    let answers = call(&client, &Target::at(&address, 6423), &set).await?;
    answers
        .into_iter()
        .try_for_each(|answer| value(answer).map(drop))?;
    equal(
        "who has it",
        &redis.has(stage.case()).await?.into(),
        &json!("v1"),
    )
}

/// A Service for the pods of v1, on the same port.
pub(super) const fn kubernetes_service(port: u16) -> KubernetesService<'static> {
    KubernetesService {
        named: "name: tcp-redis",
        selector: "app: redis, version: v1",
        ..KubernetesService::at(port)
    }
}

async fn kubernetes(stage: &Stage<'_>, named: &str) -> Result<()> {
    let redis = Redis::of(stage).await?;
    let address = redis.v1.address();
    let service = KubernetesService {
        named,
        servers: &[("server-v1", &address)],
        ..kubernetes_service(PORT)
    };
    stage.apply(&service.yaml()).await?;
    stage.settled().await?;
    let address = stage.cluster_ip();
    speaks_redis(&redis.client, &address, PORT, true).await?;
    redis.lands(&address, stage.case(), "v1").await
}

async fn headless(stage: &Stage<'_>) -> Result<()> {
    let redis = Redis::of(stage).await?;
    redis.v1.serve(stage, 6424, &[]).await?;
    let address = redis.v1.address();
    let service = KubernetesService {
        cluster_ip: "None",
        servers: &[("server-v1", &address)],
        ..kubernetes_service(6424)
    };
    stage.apply(&service.yaml()).await?;
    stage.settled().await?;
    speaks_redis(&redis.client, &address, 6424, false).await?;
    let set = ["SET", stage.case(), "1"];
    value(redis.answer(&Target::at(&address, 6424), &set).await?)?;
    let there = redis.v1.value_at(6424, &["EXISTS", stage.case()]).await?;
    equal("the key", &there, &json!(1))
}

async fn resolution_none(stage: &Stage<'_>) -> Result<()> {
    stays_plain(stage, 6425, "NONE", "").await
}

async fn load_balancer_passthrough(stage: &Stage<'_>) -> Result<()> {
    let rule = "
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: $CASE, namespace: $NAMESPACE}
spec:
  host: cache.$CASE.test
  trafficPolicy: {loadBalancer: {simple: PASSTHROUGH}}
";
    stays_plain(stage, 6426, "STATIC", rule).await
}

/// A service at a server's own address, whose cluster leads to whatever was called.
async fn stays_plain(stage: &Stage<'_>, port: u16, resolution: &str, more: &str) -> Result<()> {
    let redis = Redis::of(stage).await?;
    redis.v1.serve(stage, port, &[]).await?;
    let address = redis.v1.address();
    stage
        .apply(&format!(
            "
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: $CASE, namespace: $NAMESPACE}}
spec:
  hosts: [cache.$CASE.test]
  addresses: [{address}]
  ports: [{{number: {port}, name: tcp-redis, protocol: TCP}}]
  resolution: {resolution}
  location: MESH_EXTERNAL
{more}"
        ))
        .await?;
    stage.settled().await?;
    speaks_redis(&redis.client, &address, port, false).await?;
    let set = ["SET", stage.case(), "1"];
    value(redis.answer(&Target::at(&address, port), &set).await?).map(drop)
}

async fn own_namespace(stage: &Stage<'_>) -> Result<()> {
    let redis = Redis::of(stage).await?;
    let pod = stage.pod(&PodOptions::new("elsewhere", "client")).await?;
    let outsider = stage.python(&pod, "redis", "client.py")?;
    let ours = service("cache", "$VIP1", &redis.v1.address());
    let theirs = service("theirs", "$VIP1", &redis.v2.address())
        .replace("tcp-redis", "tcp-plain")
        .replace("$NAMESPACE", "elsewhere");
    let own = |service: &str| service.replace("spec:\n", "spec:\n  exportTo: [\".\"]\n");
    stage.apply(&(own(&ours) + &own(&theirs))).await?;
    stage.settled().await?;
    let address = stage.vip(1);
    speaks_redis(&redis.client, &address, PORT, true).await?;
    speaks_redis(&outsider, &address, PORT, false).await?;
    let key = |who: &str| format!("{}:{who}", stage.case());
    redis.lands(&address, &key("ours"), "v1").await?;
    let theirs = key("theirs");
    let set: [&[&str]; 1] = [&["SET", &theirs, "1"]];
    let answers: Vec<Value> = call(&outsider, &Target::at(&address, PORT), &set).await?;
    answers
        .into_iter()
        .try_for_each(|answer| value(answer).map(drop))?;
    let found = redis.has(&theirs).await?;
    ensure!(found == "v2", "the other namespace's call lands on {found}");
    Ok(())
}

async fn other_port_name(stage: &Stage<'_>) -> Result<()> {
    let redis = Redis::of(stage).await?;
    let plain = service("cache", "$VIP1", &redis.v1.address()).replace("tcp-redis", "tcp-other");
    stage.apply(&plain).await?;
    stage.settled().await?;
    speaks_redis(&redis.client, &stage.vip(1), PORT, false).await
}
