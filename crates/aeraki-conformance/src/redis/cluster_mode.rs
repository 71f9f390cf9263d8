//! Cluster mode: the sidecar learns from Redis who its members are.

use std::fs::OpenOptions;
use std::io::Write as _;

use anyhow::{Result, ensure};
use futures::FutureExt as _;
use serde_json::json;

use super::cluster::{Cluster, cluster_mode, set};
use super::life::Busy;
use super::listeners::kubernetes_service;
use super::{
    PORT, REFERENCE_FILE, REFERENCE_IN_FILE, Redis, Target, equal, refused, rules, service_at,
};
use crate::case::{Case, Stage, Turn};
use crate::kubernetes_service::KubernetesService;

pub(super) const CASES: &[Case] = &[
    Case {
        name: "redis/cluster-mode",
        proves: "`mode: CLUSTER`: a client that knows nothing of slots reaches each key's own master, and `discoveryEndpoints`, here one without a port, are the seeds of a host that is in no DNS",
        turn: Turn::Shared,
        run: |stage| cluster(stage).boxed_local(),
    },
    Case {
        name: "redis/cluster-by-name",
        proves: "cluster mode without `discoveryEndpoints`: the service's own host leads to the first member",
        turn: Turn::Shared,
        run: |stage| by_name(stage).boxed_local(),
    },
    Case {
        name: "redis/cluster-with-password",
        proves: "cluster mode with `auth`: the sidecar signs in to each member, also to ask for the slots",
        turn: Turn::Shared,
        run: |stage| guarded(stage).boxed_local(),
    },
    Case {
        name: "redis/cluster-of-a-headless-service",
        proves: "cluster mode by way of a member's own address: any key reaches its master",
        turn: Turn::Shared,
        run: |stage| headless(stage).boxed_local(),
    },
    Case {
        name: "redis/cluster-redirection",
        proves: "`settings.enableRedirection`: no call is lost while slots move to another master",
        turn: Turn::Shared,
        run: |stage| redirection(stage).boxed_local(),
    },
    Case {
        name: "redis/unknown-connections",
        proves: "`settings.maxUpstreamUnknownConnections`: a MOVED to a server that is no endpoint is followed, and with 0 it is not",
        turn: Turn::Shared,
        run: |stage| unknown_connections(stage).boxed_local(),
    },
];

async fn cluster(stage: &Stage<'_>) -> Result<()> {
    let cluster = Cluster::of_masters(stage, 7000, 3, None).await?;
    let server = cluster.server.address();
    // A seed without a port has the service's.
    let service = service_at("cache", "$VIP1", &server, 7000).replace("6379", "7000");
    let seed = format!("discoveryEndpoints: [{server}]");
    let mode = cluster_mode("cache", "cache.$CASE.test", &seed);
    stage.apply(&(service + &mode)).await?;
    stage.settled().await?;
    let address = stage.vip(1);
    cluster.until_known(stage, &address, 7000).await?;
    set(stage, &Target::at(&address, 7000), 300).await?;
    cluster.is_spread(300).await
}

async fn by_name(stage: &Stage<'_>) -> Result<()> {
    let cluster = Cluster::of_masters(stage, 7050, 2, None).await?;
    // A record of DNS, as far as a sidecar can tell.
    let record = format!("{} cache.{}.test\n", cluster.server.address(), stage.case());
    OpenOptions::new()
        .append(true)
        .open("/etc/hosts")?
        .write_all(record.as_bytes())?;
    cluster.lead(stage, "{}", "").await?;
    let address = stage.vip(1);
    set(stage, &Target::at(&address, PORT), 60).await?;
    cluster.is_spread(60).await
}

async fn guarded(stage: &Stage<'_>) -> Result<()> {
    let cluster = Cluster::of_masters(stage, 7060, 2, Some(REFERENCE_IN_FILE)).await?;
    let auth = format!(
        "{}, auth: {{reference: {{password: {{filename: {REFERENCE_FILE}}}}}}}",
        cluster.seeds()
    );
    cluster.lead(stage, "{}", &auth).await?;
    let address = stage.vip(1);
    set(stage, &Target::at(&address, PORT), 60).await?;
    cluster.is_spread(60).await
}

async fn headless(stage: &Stage<'_>) -> Result<()> {
    let cluster = Cluster::of_masters(stage, 7030, 3, None).await?;
    let address = cluster.server.address();
    let service = KubernetesService {
        cluster_ip: "None",
        // istiod has no endpoint of a pod that it does not know.
        servers: &[("server-cluster-7030", &address)],
        ..kubernetes_service(7030)
    };
    let destination = cluster_mode(
        "members",
        "$CASE.$NAMESPACE.svc.cluster.local",
        &cluster.seeds(),
    );
    stage.apply(&(service.yaml() + &destination)).await?;
    stage.settled().await?;
    cluster.until_known(stage, &address, 7030).await?;
    set(stage, &Target::at(&address, 7030), 60).await?;
    cluster.is_spread(60).await
}

/// How many slots move. They are the first ones of the first master.
const MOVED: u64 = 200;

async fn redirection(stage: &Stage<'_>) -> Result<()> {
    let redis = Redis::of(stage).await?;
    let cluster = Cluster::start(stage, 7010, "{enableRedirection: true}").await?;
    let masters = cluster.members("master").await?;
    let (from, to) = (&masters[0], &masters[1]);
    let key = cluster.key_below(MOVED).await?;
    let mut reshard = cluster.server.pod.command("redis-cli");
    reshard
        .args(["--cluster", "reshard"])
        .arg(format!("{}:{}", cluster.server.address(), cluster.first))
        .args(["--cluster-from", &from.1, "--cluster-to", &to.1])
        .args(["--cluster-slots", &MOVED.to_string(), "--cluster-yes"]);
    let busy = Busy::begin_with(stage, &redis, &["SET", &key, "1"]).await?;
    ensure!(
        cluster.has(from.0, &key).await?,
        "the first master has the key"
    );
    tokio::task::spawn_blocking(move || succeed(reshard)).await??;
    busy.end().await?;
    ensure!(
        cluster.has(to.0, &key).await?,
        "the second master has the key"
    );
    let followed = ["upstream_internal_redirect_succeeded", stage.case()];
    let followed = redis.pod.count(&followed).await?;
    ensure!(followed > 0, "no redirection was followed");
    Ok(())
}

fn succeed(mut command: std::process::Command) -> Result<()> {
    let output = command.output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "{command:?}: {said}");
    Ok(())
}

async fn unknown_connections(stage: &Stage<'_>) -> Result<()> {
    let redis = Redis::of(stage).await?;
    let cluster = Cluster::of_masters(stage, 7040, 2, None).await?;
    // Both lead to one master alone, which knows of the others.
    let address = cluster.server.address();
    for (name, vip, settings) in [
        ("any", "$VIP1", "{enableRedirection: true}"),
        (
            "none",
            "$VIP2",
            "{enableRedirection: true, maxUpstreamUnknownConnections: 0}",
        ),
    ] {
        let service = service_at(name, vip, &address, cluster.first);
        let settings = rules(name, &format!("  settings: {settings}\n"));
        stage.apply(&(service + &settings)).await?;
    }
    stage.settled().await?;
    let key = cluster.key_of_another().await?;
    let set = ["SET", &key, "1"];
    redis.value(&stage.vip(1), &set).await?;
    let none = stage.vip(2);
    let answer = redis.answer(&Target::at(&none, PORT), &set).await?;
    refused(&answer, "MovedError")?;
    for (name, wanted) in [("any", 0), ("none", 1)] {
        let host = stage.fill(&format!("cluster.outbound|6379||{name}.$CASE.test"));
        let reached = [&host, "max_upstream_unknown_connections_reached"];
        let reached = redis.pod.count(&reached).await?;
        equal(name, &reached.into(), &json!(wanted))?;
    }
    Ok(())
}
