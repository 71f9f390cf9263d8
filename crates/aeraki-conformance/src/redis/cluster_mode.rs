//! A Redis cluster: three masters, each with a replica, in one pod.

use anyhow::{Context as _, Result, bail, ensure};
use futures::FutureExt as _;
use serde_json::json;

use super::life::Busy;
use super::listeners::kubernetes_service;
use super::{PORT, Redis, Server, Target, call, equal, refused, rules, service_at, value};
use crate::case::{Case, Stage, Turn};
use crate::kubernetes_service::KubernetesService;
use crate::wait::until_so;

pub(super) const CASES: &[Case] = &[
    Case {
        name: "redis/cluster-mode",
        proves: "`mode: CLUSTER`: a client that knows nothing of slots reaches each key's own master, and `discoveryEndpoints` are the seeds of a host that is in no DNS",
        turn: Turn::Shared,
        run: |stage| cluster(stage).boxed_local(),
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
    Case {
        name: "redis/read-policy",
        proves: "`settings.readPolicy: REPLICA`: replicas answer reads, masters get the writes",
        turn: Turn::Shared,
        run: |stage| read_policy(stage).boxed_local(),
    },
];

/// How many slots every cluster has.
const SLOTS: u64 = 16384;

/// A cluster of its own, by the port of its first server; the next five follow.
struct Cluster {
    server: Server,
    first: u16,
}

impl Cluster {
    /// A cluster, and a service of the case with the first server as its only seed.
    async fn start(stage: &Stage<'_>, first: u16, settings: &str) -> Result<Self> {
        let cluster = Self::form(stage, first).await?;
        let address = cluster.server.address();
        let service = service_at("cache", "$VIP1", &address, first);
        let settings = rules("cache", &format!("  settings: {settings}\n"));
        let destination = cluster.destination("cache.$CASE.test");
        stage.apply(&(service + &settings + &destination)).await?;
        stage.settled().await?;
        cluster.until_known(stage, &stage.vip(1), PORT).await?;
        Ok(cluster)
    }

    /// Runs six servers and makes them a cluster.
    async fn form(stage: &Stage<'_>, first: u16) -> Result<Self> {
        let name = format!("cluster-{first}");
        let server = Server::of(stage, &name).await?;
        let address = server.address();
        let mut create = server.pod.command("redis-cli");
        create.args(["--cluster", "create"]);
        for port in first..first + 6 {
            let file = format!("{name}-{port}.conf");
            let cluster = ["--cluster-enabled", "yes", "--cluster-config-file", &file];
            // A replica is told of once it has had a byte: from the master's ping, where nobody writes.
            let announce = ["--cluster-announce-ip", &address];
            let ping = ["--repl-ping-replica-period", "1"];
            server
                .serve(stage, port, &[&cluster[..], &announce, &ping].concat())
                .await?;
            create.arg(format!("{address}:{port}"));
        }
        create.args(["--cluster-replicas", "1", "--cluster-yes"]);
        succeed(create)?;
        let cluster = Self { server, first };
        cluster.until_whole().await?;
        Ok(cluster)
    }

    /// Waits until every server knows all slots, and tells of a replica for each.
    async fn until_whole(&self) -> Result<()> {
        for port in self.ports() {
            until_so("the cluster is whole", async || {
                let info = self.server.value_at(port, &["CLUSTER", "INFO"]).await?;
                let slots = self.server.value_at(port, &["CLUSTER", "SLOTS"]).await?;
                let ranges = slots.as_array().context("slots are a list")?;
                // First and last slot, the master, the replica.
                let replicated = ranges.iter().all(|range| !range[3].is_null());
                let is_ok = info.to_string().contains("cluster_state:ok");
                Ok(is_ok && ranges.len() == 3 && replicated)
            })
            .await?;
        }
        Ok(())
    }

    /// Cluster mode for a host.
    fn destination(&self, host: &str) -> String {
        let seed = format!("{}:{}", self.server.address(), self.first);
        format!(
            "---
apiVersion: redis.aeraki.io/v1alpha1
kind: RedisDestination
metadata: {{name: $CASE, namespace: $NAMESPACE}}
spec:
  host: {host}
  trafficPolicy:
    connectionPool:
      redis: {{mode: CLUSTER, discoveryEndpoints: [\"{seed}\"]}}
"
        )
    }

    /// Waits until the proxy knows the slots: it has the cluster before that, since a sidecar must start while Redis is down.
    async fn until_known(&self, stage: &Stage<'_>, host: &str, port: u16) -> Result<()> {
        let redis = Redis::of(stage).await?;
        let target = Target::at(host, port);
        until_so("the proxy knows the slots", async || {
            let answer = redis.answer(&target, &["SET", "known", "1"]).await?;
            Ok(answer.get("value").is_some())
        })
        .await?;
        call(&redis.client, &target, &[&["DEL", "known"]]).await?;
        self.forget_calls().await
    }

    /// How many keys each master has.
    async fn sizes(&self) -> Result<Vec<u64>> {
        let mut sizes = vec![];
        for (port, _) in self.members("master").await? {
            let size = self.server.value_at(port, &["DBSIZE"]).await?;
            sizes.push(size.as_u64().context("a size is a number")?);
        }
        Ok(sizes)
    }

    /// Fails unless there are so many keys, and each master has some.
    async fn is_spread(&self, keys: u64) -> Result<()> {
        let sizes = self.sizes().await?;
        let each = sizes.len() == 3 && sizes.iter().all(|size| *size > 0);
        ensure!(
            each && sizes.iter().sum::<u64>() == keys,
            "the masters have {sizes:?} of {keys} keys"
        );
        Ok(())
    }

    async fn forget_calls(&self) -> Result<()> {
        for port in self.ports() {
            self.server.value_at(port, &["CONFIG", "RESETSTAT"]).await?;
        }
        Ok(())
    }

    fn ports(&self) -> std::ops::Range<u16> {
        self.first..self.first + 6
    }

    /// A key in a slot below this number.
    async fn key_below(&self, slot: u64) -> Result<String> {
        self.key_in(0..slot).await
    }

    /// A key of a slot that the first master does not have: it has the lowest.
    async fn key_of_another(&self) -> Result<String> {
        self.key_in(SLOTS / 2..SLOTS).await
    }

    async fn key_in(&self, slots: std::ops::Range<u64>) -> Result<String> {
        for number in 0..10_000 {
            let key = format!("key-{number}");
            let its = ["CLUSTER", "KEYSLOT", &key];
            let its = self.server.value_at(self.first, &its).await?;
            if its.as_u64().is_some_and(|its| slots.contains(&its)) {
                return Ok(key);
            }
        }
        bail!("no key has a slot in {slots:?}")
    }

    /// Whether the server at this port holds the key, without a redirection.
    async fn has(&self, port: u16, key: &str) -> Result<bool> {
        let count = ["CLUSTER", "KEYSLOT", key];
        let slot = self.server.value_at(port, &count).await?.to_string();
        let keys = ["CLUSTER", "COUNTKEYSINSLOT", &slot];
        Ok(self.server.value_at(port, &keys).await? != json!(0))
    }

    /// The ports and ids of the masters, or of the replicas.
    async fn members(&self, role: &str) -> Result<Vec<(u16, String)>> {
        let mut members = vec![];
        for port in self.ports() {
            let replication = self.server.value_at(port, &["INFO", "replication"]).await?;
            if replication["role"] == role {
                let id = self.server.value_at(port, &["CLUSTER", "MYID"]).await?;
                members.push((port, id.as_str().context("an id is a text")?.to_owned()));
            }
        }
        Ok(members)
    }

    /// How often each of these has been called with a command.
    async fn calls(&self, members: &[(u16, String)], command: &str) -> Result<u64> {
        let mut calls = 0;
        for (port, _) in members {
            calls += self.server.calls_at(*port, command).await?;
        }
        Ok(calls)
    }
}

fn succeed(mut command: std::process::Command) -> Result<()> {
    let output = command.output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "{command:?}: {said}");
    Ok(())
}

/// So many SETs of keys of the case's own, each of which is answered.
async fn set(stage: &Stage<'_>, target: &Target<'_>, count: usize) -> Result<()> {
    let redis = Redis::of(stage).await?;
    let keys: Vec<String> = (0..count)
        .map(|number| format!("{}:{number}", stage.case()))
        .collect();
    let commands: Vec<[&str; 3]> = keys.iter().map(|key| ["SET", key, "1"]).collect();
    let commands: Vec<&[&str]> = commands.iter().map(|command| &command[..]).collect();
    let answers = call(&redis.client, target, &commands).await?;
    answers
        .into_iter()
        .try_for_each(|answer| value(answer).map(drop))
}

async fn cluster(stage: &Stage<'_>) -> Result<()> {
    let cluster = Cluster::start(stage, 7000, "{opTimeout: 5s}").await?;
    let address = stage.vip(1);
    set(stage, &Target::at(&address, PORT), 300).await?;
    cluster.is_spread(300).await
}

async fn headless(stage: &Stage<'_>) -> Result<()> {
    let cluster = Cluster::form(stage, 7030).await?;
    let address = cluster.server.address();
    let service = KubernetesService {
        cluster_ip: "None",
        servers: &[("server-v1", &address)],
        ..kubernetes_service(7030)
    };
    let destination = cluster.destination("$CASE.$NAMESPACE.svc.cluster.local");
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

async fn unknown_connections(stage: &Stage<'_>) -> Result<()> {
    let redis = Redis::of(stage).await?;
    let cluster = Cluster::form(stage, 7040).await?;
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

async fn read_policy(stage: &Stage<'_>) -> Result<()> {
    let redis = Redis::of(stage).await?;
    let cluster = Cluster::start(stage, 7020, "{readPolicy: REPLICA}").await?;
    let address = stage.vip(1);
    set(stage, &Target::at(&address, PORT), 60).await?;
    let keys: Vec<String> = (0..60)
        .map(|number| format!("{}:{number}", stage.case()))
        .collect();
    let gets: Vec<[&str; 2]> = keys.iter().map(|key| ["GET", key]).collect();
    let gets: Vec<&[&str]> = gets.iter().map(|get| &get[..]).collect();
    redis.values(&stage.vip(1), &gets).await?;
    let [masters, replicas] = [
        cluster.members("master").await?,
        cluster.members("slave").await?,
    ];
    let reads = (
        cluster.calls(&masters, "get").await?,
        cluster.calls(&replicas, "get").await?,
    );
    ensure!(
        reads == (0, 60),
        "masters and replicas got {reads:?} of 60 reads"
    );
    let writes = cluster.calls(&masters, "set").await?;
    ensure!(writes == 60, "masters got {writes} of 60 writes");
    Ok(())
}
