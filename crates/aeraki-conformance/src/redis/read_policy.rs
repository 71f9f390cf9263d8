//! Who answers reads.

use anyhow::{Context as _, Result, ensure};
use futures::FutureExt as _;

use super::cluster::{Cluster, cluster_mode};
use super::{PORT, Redis, Target, refused, rules, service_at};
use crate::case::{Case, Stage, Turn};

pub(super) const CASES: &[Case] = &[
    Case {
        name: "redis/read-policy",
        proves: "`settings.readPolicy`: under `REPLICA` and `PREFER_REPLICA` replicas answer reads, under `MASTER` and `PREFER_MASTER` masters, under `ANY` both; masters get the writes",
        turn: Turn::Shared,
        run: |stage| read_policy(stage).boxed_local(),
    },
    Case {
        name: "redis/read-policy-without-replica",
        proves: "`settings.readPolicy: PREFER_REPLICA` has the master answer where there is no replica, and under `REPLICA` reads fail",
        turn: Turn::Shared,
        run: |stage| without_replica(stage).boxed_local(),
    },
];

/// Each policy, and whether masters and replicas answer reads. `PREFER_MASTER` would ask others if Envoy took a master
/// for unhealthy, and in cluster mode nothing tells it so.
const POLICIES: [(&str, [bool; 2]); 5] = [
    ("MASTER", [true, false]),
    ("PREFER_MASTER", [true, false]),
    ("REPLICA", [false, true]),
    ("PREFER_REPLICA", [false, true]),
    ("ANY", [true, true]),
];

/// A service of the case for each of these policies, at its own address, and waits until all of them know the cluster.
async fn lead(stage: &Stage<'_>, cluster: &Cluster, policies: &[&str]) -> Result<()> {
    let mut objects = String::new();
    for (which, policy) in (1..).zip(policies) {
        let name = policy.to_lowercase().replace('_', "-");
        let address = stage.vip(which);
        objects += &service_at(&name, &address, &cluster.server.address(), cluster.first);
        objects += &rules(&name, &format!("  settings: {{readPolicy: {policy}}}\n"));
        let host = format!("{name}.$CASE.test");
        objects += &cluster_mode(&name, &host, &cluster.seeds());
    }
    stage.apply(&objects).await?;
    stage.settled().await?;
    for (which, policy) in (1..).zip(policies) {
        let known = cluster.until_known(stage, &stage.vip(which), PORT).await;
        known.with_context(|| (*policy).to_owned())?;
    }
    Ok(())
}

async fn read_policy(stage: &Stage<'_>) -> Result<()> {
    const CALLS: usize = 60;
    let redis = Redis::of(stage).await?;
    let cluster = Cluster::of_masters(stage, 7020, 2, None).await?;
    let cluster = cluster.with_replicas(stage).await?;
    lead(stage, &cluster, &POLICIES.map(|(policy, _)| policy)).await?;
    let masters = cluster.members("master").await?;
    let replicas = cluster.members("slave").await?;
    let keys: Vec<String> = (0..CALLS)
        .map(|number| format!("{}:{number}", stage.case()))
        .collect();
    let gets: Vec<[&str; 2]> = keys.iter().map(|key| ["GET", key]).collect();
    let sets: Vec<[&str; 3]> = keys.iter().map(|key| ["SET", key, "1"]).collect();
    let commands: Vec<&[&str]> = gets.iter().map(|get| &get[..]).collect();
    let commands = [commands, sets.iter().map(|set| &set[..]).collect()].concat();
    for (which, (policy, wanted)) in (1..).zip(POLICIES) {
        cluster.forget_calls().await?;
        redis.values(&stage.vip(which), &commands).await?;
        let reads = [
            cluster.calls(&masters, "get").await?,
            cluster.calls(&replicas, "get").await?,
        ];
        let all = u64::try_from(CALLS)?;
        ensure!(
            reads.map(|reads| reads > 0) == wanted && reads.iter().sum::<u64>() == all,
            "{policy}: masters and replicas got {reads:?} of {all} reads"
        );
        let writes = cluster.calls(&masters, "set").await?;
        ensure!(
            writes == all,
            "{policy}: masters got {writes} of {all} writes"
        );
    }
    Ok(())
}

async fn without_replica(stage: &Stage<'_>) -> Result<()> {
    let redis = Redis::of(stage).await?;
    let cluster = Cluster::of_masters(stage, 7070, 1, None).await?;
    lead(stage, &cluster, &["PREFER_REPLICA", "REPLICA"]).await?;
    let get = ["GET", stage.case()];
    redis.value(&stage.vip(1), &get).await?;
    let address = stage.vip(2);
    let answer = redis.answer(&Target::at(&address, PORT), &get).await?;
    refused(&answer, "no upstream host")
}
