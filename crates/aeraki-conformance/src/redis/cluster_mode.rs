//! A Redis cluster: three masters, each with a replica, in one pod.

use anyhow::{Context as _, Result, bail, ensure};
use futures::FutureExt as _;
use serde_json::{Value, json};

use super::life::Busy;
use super::{PORT, Redis, Server, Target, call, rules};
use crate::case::{Case, Stage, Turn};
use crate::wait::until_so;

pub(super) const CASES: &[Case] = &[
    Case {
        name: "redis/cluster-mode",
        proves: "`mode: CLUSTER`: a client that knows nothing of slots reaches each key's own master",
        turn: Turn::Shared,
        run: |stage| cluster(stage).boxed_local(),
    },
    Case {
        name: "redis/cluster-redirection",
        proves: "`settings.enableRedirection`: no call is lost while slots move to another master",
        turn: Turn::Shared,
        run: |stage| redirection(stage).boxed_local(),
    },
    Case {
        name: "redis/read-policy",
        proves: "`settings.readPolicy: REPLICA`: replicas answer reads, masters get the writes",
        turn: Turn::Shared,
        run: |stage| read_policy(stage).boxed_local(),
    },
];

/// A cluster of its own, by the port of its first server; the next five follow.
struct Cluster {
    server: Server,
    first: u16,
}

impl Cluster {
    /// Runs six servers, makes them a cluster, and a service of the case with the first one as its only seed.
    async fn start(stage: &Stage<'_>, first: u16, settings: &str) -> Result<Self> {
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
        cluster.publish(stage, settings).await?;
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

    async fn publish(&self, stage: &Stage<'_>, settings: &str) -> Result<()> {
        let address = self.server.address();
        let seed = format!("{address}:{}", self.first);
        let service = super::service_at("cache", "$VIP1", &address, self.first);
        let settings = rules("cache", &format!("  settings: {settings}\n"));
        let destination = format!(
            "---
apiVersion: redis.aeraki.io/v1alpha1
kind: RedisDestination
metadata: {{name: $CASE, namespace: $NAMESPACE}}
spec:
  host: cache.$CASE.test
  trafficPolicy:
    connectionPool:
      redis: {{mode: CLUSTER, discoveryEndpoints: [\"{seed}\"]}}
"
        );
        stage.apply(&(service + &settings + &destination)).await?;
        stage.settled().await?;
        // The proxy has the cluster before it has asked for its members: a sidecar must start while Redis is down.
        let redis = Redis::of(stage).await?;
        let address = stage.vip(1);
        until_so("the proxy knows the slots", async || {
            let target = Target::at(&address, PORT);
            let answer = redis.answer(&target, &["SET", "known", "1"]).await?;
            Ok(answer.get("value").is_some())
        })
        .await?;
        call(
            &redis.client,
            &Target::at(&address, PORT),
            &[&["DEL", "known"]],
        )
        .await?;
        self.forget_calls().await
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
        for number in 0..10_000 {
            let key = format!("key-{number}");
            let its = ["CLUSTER", "KEYSLOT", &key];
            let its = self.server.value_at(self.first, &its).await?;
            if its.as_u64().is_some_and(|its| its < slot) {
                return Ok(key);
            }
        }
        bail!("no key has a slot below {slot}")
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
async fn set(stage: &Stage<'_>, redis: &Redis, count: usize) -> Result<()> {
    let keys: Vec<String> = (0..count)
        .map(|number| format!("{}:{number}", stage.case()))
        .collect();
    let commands: Vec<[&str; 3]> = keys.iter().map(|key| ["SET", key, "1"]).collect();
    let commands: Vec<&[&str]> = commands.iter().map(|command| &command[..]).collect();
    redis.values(&stage.vip(1), &commands).await?;
    Ok(())
}

async fn cluster(stage: &Stage<'_>) -> Result<()> {
    let redis = Redis::of(stage).await?;
    let cluster = Cluster::start(stage, 7000, "{opTimeout: 5s}").await?;
    set(stage, &redis, 300).await?;
    let mut sizes = vec![];
    for (port, _) in cluster.members("master").await? {
        sizes.push(cluster.server.value_at(port, &["DBSIZE"]).await?);
    }
    let sizes: Vec<u64> = sizes.iter().filter_map(Value::as_u64).collect();
    let spread = sizes.len() == 3 && sizes.iter().all(|size| *size > 0);
    ensure!(spread, "the masters have {sizes:?} keys");
    ensure!(
        sizes.iter().sum::<u64>() == 300,
        "the masters have {sizes:?} of 300 keys"
    );
    Ok(())
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

async fn read_policy(stage: &Stage<'_>) -> Result<()> {
    let redis = Redis::of(stage).await?;
    let cluster = Cluster::start(stage, 7020, "{readPolicy: REPLICA}").await?;
    set(stage, &redis, 60).await?;
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
