//! A Redis cluster of a case's own, in one pod: masters, and replicas where a case wants them.

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};

use super::{COMMAND_STATS, PORT, Redis, Server, Target, call, calls_in, rules, service_at, value};
use crate::case::Stage;
use crate::wait::{Seen, until, until_so};

/// How many slots every cluster has.
const SLOTS: u64 = 16384;

/// A cluster of its own, by the port of its first server; the others follow.
pub(super) struct Cluster {
    pub(super) server: Server,
    pub(super) first: u16,
    servers: u16,
    masters: u16,
    /// What each of them wants.
    password: Option<&'static str>,
}

impl Cluster {
    /// A cluster, and a service of the case with the first server as its only seed.
    pub(super) async fn start(stage: &Stage<'_>, first: u16, settings: &str) -> Result<Self> {
        let cluster = Self::of_masters(stage, first, 2, None).await?;
        cluster.lead(stage, settings, &cluster.seeds()).await?;
        Ok(cluster)
    }

    /// A service of the case that leads to the first server, in cluster mode with these fields more.
    pub(super) async fn lead(&self, stage: &Stage<'_>, settings: &str, fields: &str) -> Result<()> {
        let service = service_at("cache", "$VIP1", &self.server.address(), self.first);
        let settings = rules("cache", &format!("  settings: {settings}\n"));
        let mode = cluster_mode("cache", "cache.$CASE.test", fields);
        stage.apply(&(service + &settings + &mode)).await?;
        stage.settled().await?;
        self.until_known(stage, &stage.vip(1), PORT).await
    }

    /// Servers that share the slots among them, without replicas. If there is a password, they let nobody in without it.
    pub(super) async fn of_masters(
        stage: &Stage<'_>,
        first: u16,
        masters: u16,
        password: Option<&'static str>,
    ) -> Result<Self> {
        let cluster = Self {
            server: Server::of(stage, &format!("cluster-{first}")).await?,
            first,
            servers: masters,
            masters,
            password,
        };
        let address = cluster.server.address();
        let end = |which: u64| which * SLOTS / u64::from(masters);
        for (which, port) in (0..).zip(cluster.ports()) {
            cluster.run(stage, port).await?;
            let [from, to] = [end(which), end(which + 1) - 1].map(|slot| slot.to_string());
            let own = ["CLUSTER", "ADDSLOTSRANGE", &from, &to];
            cluster.ask(port, &own).await?;
            let meet = ["CLUSTER", "MEET", &address, &port.to_string()];
            cluster.ask(first, &meet).await?;
        }
        cluster.until_whole().await?;
        Ok(cluster)
    }

    /// Gives each master a replica.
    pub(super) async fn with_replicas(mut self, stage: &Stage<'_>) -> Result<Self> {
        let address = self.server.address();
        let masters = self.members("master").await?;
        self.servers += self.masters;
        for (port, (master, id)) in (self.first + self.masters..).zip(&masters) {
            self.run(stage, port).await?;
            let meet = ["CLUSTER", "MEET", &address, &master.to_string()];
            self.ask(port, &meet).await?;
            until_so("the replica knows its master", async || {
                let nodes = self.ask(port, &["CLUSTER", "NODES"]).await?;
                Ok(nodes.to_string().contains(id))
            })
            .await?;
            self.ask(port, &["CLUSTER", "REPLICATE", id]).await?;
        }
        self.until_whole().await?;
        Ok(self)
    }

    /// Runs a server that is to be a member.
    async fn run(&self, stage: &Stage<'_>, port: u16) -> Result<()> {
        let file = format!("cluster-{}-{port}.conf", self.first);
        let address = self.server.address();
        let mut arguments = vec!["--cluster-enabled", "yes", "--cluster-config-file", &file];
        arguments.extend(["--cluster-announce-ip", &address]);
        // A replica is told of once it has had a byte: from the master's ping, where nobody writes.
        arguments.extend(["--repl-ping-replica-period", "1"]);
        arguments.extend(["--repl-diskless-sync-delay", "0"]);
        if let Some(password) = self.password {
            arguments.extend(["--requirepass", password, "--masterauth", password]);
        }
        self.server.serve(stage, port, &arguments).await
    }

    /// What a member itself answers to one command.
    pub(super) async fn ask(&self, port: u16, command: &[&str]) -> Result<Value> {
        let mut target = Target::at("127.0.0.1", port);
        if let Some(password) = self.password {
            target = target.password(password);
        }
        let mut answers = call(&self.server.beside, &target, &[command]).await?;
        value(answers.pop().context("one command has one answer")?)
    }

    /// Waits until every server knows all slots, and tells of a replica for each if there are some.
    async fn until_whole(&self) -> Result<()> {
        for port in self.ports() {
            until_so("the cluster is whole", async || {
                let info = self.ask(port, &["CLUSTER", "INFO"]).await?;
                let slots = self.ask(port, &["CLUSTER", "SLOTS"]).await?;
                let ranges = slots.as_array().context("slots are a list")?;
                // First and last slot, the master, the replica.
                let replicas = ranges.iter().filter(|range| !range[3].is_null()).count();
                let is_ok = info.to_string().contains("cluster_state:ok");
                let replicated = replicas == usize::from(self.servers - self.masters);
                Ok(is_ok && ranges.len() == usize::from(self.masters) && replicated)
            })
            .await?;
        }
        Ok(())
    }

    /// The first server, for a RedisDestination.
    pub(super) fn seeds(&self) -> String {
        let address = self.server.address();
        format!("discoveryEndpoints: [\"{address}:{}\"]", self.first)
    }

    /// Waits until the proxy knows the slots: it has the cluster before that, since a sidecar must start while Redis is down.
    pub(super) async fn until_known(&self, stage: &Stage<'_>, host: &str, port: u16) -> Result<()> {
        let redis = Redis::of(stage).await?;
        let target = Target::at(host, port);
        until("the proxy knows the slots", async || {
            let answer = redis.answer(&target, &["SET", "known", "1"]).await?;
            Ok(match answer.get("value") {
                Some(_) => Seen::There(()),
                None => Seen::Instead(answer.to_string()),
            })
        })
        .await?;
        call(&redis.client, &target, &[&["DEL", "known"]]).await?;
        self.forget_calls().await
    }

    /// How many keys each master has.
    async fn sizes(&self) -> Result<Vec<u64>> {
        let mut sizes = vec![];
        for (port, _) in self.members("master").await? {
            let size = self.ask(port, &["DBSIZE"]).await?;
            sizes.push(size.as_u64().context("a size is a number")?);
        }
        Ok(sizes)
    }

    /// Fails unless there are so many keys, and each master has some.
    pub(super) async fn is_spread(&self, keys: u64) -> Result<()> {
        let sizes = self.sizes().await?;
        let each = sizes.len() > 1 && sizes.iter().all(|size| *size > 0);
        ensure!(
            each && sizes.iter().sum::<u64>() == keys,
            "the masters have {sizes:?} of {keys} keys"
        );
        Ok(())
    }

    pub(super) async fn forget_calls(&self) -> Result<()> {
        for port in self.ports() {
            self.ask(port, &["CONFIG", "RESETSTAT"]).await?;
        }
        Ok(())
    }

    fn ports(&self) -> std::ops::Range<u16> {
        self.first..self.first + self.servers
    }

    /// A key in a slot below this number.
    pub(super) async fn key_below(&self, slot: u64) -> Result<String> {
        self.key_in(0..slot).await
    }

    /// A key of a slot that the first master does not have: it has the lowest.
    pub(super) async fn key_of_another(&self) -> Result<String> {
        self.key_in(SLOTS / 2..SLOTS).await
    }

    async fn key_in(&self, slots: std::ops::Range<u64>) -> Result<String> {
        for number in 0..10_000 {
            let key = format!("key-{number}");
            let its = ["CLUSTER", "KEYSLOT", &key];
            let its = self.ask(self.first, &its).await?;
            if its.as_u64().is_some_and(|its| slots.contains(&its)) {
                return Ok(key);
            }
        }
        bail!("no key has a slot in {slots:?}")
    }

    /// Whether the server at this port holds the key, without a redirection.
    pub(super) async fn has(&self, port: u16, key: &str) -> Result<bool> {
        let count = ["CLUSTER", "KEYSLOT", key];
        let slot = self.ask(port, &count).await?.to_string();
        let keys = ["CLUSTER", "COUNTKEYSINSLOT", &slot];
        Ok(self.ask(port, &keys).await? != json!(0))
    }

    /// The ports and ids of the masters, or of the replicas.
    pub(super) async fn members(&self, role: &str) -> Result<Vec<(u16, String)>> {
        let mut members = vec![];
        for port in self.ports() {
            let replication = self.ask(port, &["INFO", "replication"]).await?;
            if replication["role"] == role {
                let id = self.ask(port, &["CLUSTER", "MYID"]).await?;
                members.push((port, id.as_str().context("an id is a text")?.to_owned()));
            }
        }
        Ok(members)
    }

    /// How often each of these has been called with a command.
    pub(super) async fn calls(&self, members: &[(u16, String)], command: &str) -> Result<u64> {
        let mut calls = 0;
        for (port, _) in members {
            let stats = self.ask(*port, &COMMAND_STATS).await?;
            calls += calls_in(&stats, command);
        }
        Ok(calls)
    }
}

/// Cluster mode for a host, with these fields more.
pub(super) fn cluster_mode(name: &str, host: &str, fields: &str) -> String {
    format!(
        "---
apiVersion: redis.aeraki.io/v1alpha1
kind: RedisDestination
metadata: {{name: $CASE-{name}, namespace: $NAMESPACE}}
spec:
  host: {host}
  trafficPolicy:
    connectionPool:
      redis: {{mode: CLUSTER, {fields}}}
"
    )
}

/// So many SETs of keys of the case's own, each of which is answered.
pub(super) async fn set(stage: &Stage<'_>, target: &Target<'_>, count: usize) -> Result<()> {
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
