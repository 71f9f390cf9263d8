//! What happens over time: servers that die, rules that are bad, a controller that comes and goes.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use futures::FutureExt as _;
use serde_json::{Value, json};

use super::{PORT, Redis, Target, refused, rules, service, service_at, speaks_redis, value};
use crate::case::{Case, Stage, Turn};
use crate::wait::{Seen, until, until_so};

pub(super) const CASES: &[Case] = &[
    Case {
        name: "redis/dead-server",
        proves: "calls to a server that is down fail at once, and succeed on the same connection when it is there",
        turn: Turn::Shared,
        run: |stage| dead_server(stage).boxed_local(),
    },
    Case {
        name: "redis/op-timeout",
        proves: "`settings.opTimeout`: a server that stands still fails the call, and is good again afterwards",
        turn: Turn::Shared,
        run: |stage| op_timeout(stage).boxed_local(),
    },
    Case {
        name: "redis/command-stats",
        proves: "`settings.enableCommandStats`: the proxy counts each command of the server's cluster",
        turn: Turn::Shared,
        run: |stage| command_stats(stage).boxed_local(),
    },
    Case {
        name: "redis/bad-rule",
        proves: "a RedisService that cannot be used leaves the last good routes, and says why",
        turn: Turn::Shared,
        run: |stage| bad_rule(stage).boxed_local(),
    },
    Case {
        name: "redis/change-of-nothing",
        proves: "a change that alters nothing, and changes of other services, cost an open connection no call",
        turn: Turn::Shared,
        run: |stage| change_of_nothing(stage).boxed_local(),
    },
    Case {
        name: "redis/controller-restart",
        proves: "a restart of the controller writes nothing, and costs an open connection no call",
        turn: Turn::Alone,
        run: |stage| controller_restart(stage).boxed_local(),
    },
    Case {
        name: "redis/istiod-restart",
        proves: "a restart of istiod changes no EnvoyFilter, and costs an open connection no call",
        turn: Turn::Alone,
        run: |stage| istiod_restart(stage).boxed_local(),
    },
    Case {
        name: "redis/without-aeraki",
        proves: "with Aeraki and its EnvoyFilters gone there is plain TCP; when it is back, the filters are",
        turn: Turn::Alone,
        run: |stage| without_aeraki(stage).boxed_local(),
    },
];

/// Calls again and again on one open connection through `$VIP1`.
pub(super) struct Busy<'a> {
    stage: &'a Stage<'a>,
    redis: &'a Redis,
}

impl<'a> Busy<'a> {
    async fn begin(stage: &'a Stage<'a>, redis: &'a Redis) -> Result<Self> {
        Self::begin_with(stage, redis, &["SET", stage.case(), "1"]).await
    }

    /// With a command that the case chooses.
    pub(super) async fn begin_with(
        stage: &'a Stage<'a>,
        redis: &'a Redis,
        command: &[&str],
    ) -> Result<Self> {
        let open =
            json!({"do": "open", "connection": stage.case(), "host": stage.vip(1), "port": PORT});
        redis.client.ask(&open).await?;
        let begin = json!({"do": "begin", "connection": stage.case(), "command": command});
        redis.client.ask(&begin).await?;
        let busy = Self { stage, redis };
        busy.more().await?;
        Ok(busy)
    }

    async fn calls(&self) -> Result<u64> {
        let ask = json!({"do": "calls", "connection": self.stage.case()});
        let calls = self.redis.client.ask(&ask).await?;
        calls["calls"].as_u64().context("calls are a number")
    }

    /// Waits for a hundred calls more, so that what came before has met some.
    async fn more(&self) -> Result<()> {
        let before = self.calls().await?;
        until_so("a hundred calls more", async || {
            Ok(self.calls().await? >= before + 100)
        })
        .await
    }

    /// Fails if a single one has failed.
    pub(super) async fn end(self) -> Result<()> {
        self.more().await?;
        let end = json!({"do": "end", "connection": self.stage.case()});
        let ended = self.redis.client.ask(&end).await?;
        let failures = ended["failures"].as_array().context("a list")?;
        ensure!(
            failures.is_empty(),
            "{} of {} calls failed, the first by {}",
            failures.len(),
            ended["calls"],
            failures[0]
        );
        Ok(())
    }
}

async fn dead_server(stage: &Stage<'_>) -> Result<()> {
    let redis = Redis::of(stage).await?;
    let cache = service_at("cache", "$VIP1", &redis.v2.address(), 6431);
    stage.apply(&cache).await?;
    stage.settled().await?;
    let open =
        json!({"do": "open", "connection": stage.case(), "host": stage.vip(1), "port": PORT});
    redis.client.ask(&open).await?;
    let set = json!({"do": "call", "connection": stage.case(), "commands": [["SET", "key", "1"]]});
    let call = async || anyhow::Ok(redis.client.ask(&set).await?["answers"][0].take());
    refused(&call().await?, "upstream")?;
    redis.v2.serve(stage, 6431, &[]).await?;
    value(call().await?).map(drop)
}

async fn op_timeout(stage: &Stage<'_>) -> Result<()> {
    let redis = Redis::of(stage).await?;
    redis.v2.serve(stage, 6432, &[]).await?;
    let cache = service_at("cache", "$VIP1", &redis.v2.address(), 6432);
    let rule = rules("cache", "  settings: {opTimeout: 0.2s}\n");
    stage.apply(&(cache + &rule)).await?;
    stage.settled().await?;
    let address = stage.vip(1);
    let set = ["SET", "key", "1"];
    redis.value(&address, &set).await?;
    redis.v2.pod.signal("redis-6432", "STOP")?;
    // The client itself would wait 15 s.
    let answer = redis.answer(&Target::at(&address, PORT), &set).await;
    redis.v2.pod.signal("redis-6432", "CONT")?;
    refused(&answer?, "upstream failure")?;
    redis.value(&address, &set).await.map(drop)
}

async fn command_stats(stage: &Stage<'_>) -> Result<()> {
    let redis = Redis::of(stage).await?;
    let cache = service("cache", "$VIP1", &redis.v1.address());
    let rule = rules("cache", "  settings: {enableCommandStats: true}\n");
    stage.apply(&(cache + &rule)).await?;
    stage.settled().await?;
    let set = ["SET", stage.case(), "1"];
    redis.values(&stage.vip(1), &[&set[..]; 7]).await?;
    let total = [
        "cluster.outbound|6379||cache.",
        stage.case(),
        "upstream_commands.set.total",
    ];
    let total = redis.pod.count(&total).await?;
    ensure!(total == 7, "{total} of 7 SETs are counted");
    Ok(())
}

async fn bad_rule(stage: &Stage<'_>) -> Result<()> {
    let redis = Redis::of(stage).await?;
    let cache = service("cache", "$VIP1", &redis.v1.address());
    let users = service("users", "$VIP2", &redis.v2.address());
    let good = "  redis: [{route: {host: users.$CASE.test}}]\n";
    stage
        .apply(&(cache + &users + &rules("cache", good)))
        .await?;
    stage.settled().await?;
    // Credentials that are not there, and another route, which must not count without them.
    let bad = "  redis: [{route: {host: cache.$CASE.test}}]
  settings: {auth: {secret: {name: absent}}}
";
    let bad = rules("cache", bad).replace(
        "metadata:\n",
        "metadata:\n  annotations: {redis.aeraki.io/inline-credentials: \"true\"}\n",
    );
    let busy = Busy::begin(stage, &redis).await?;
    stage.expects("AER0510");
    stage.expects("AER0900");
    stage.apply(&bad).await?;
    let name = stage.fill("$CASE-cache");
    until("the RedisService is said not to be accepted", async || {
        let kind = "redis.aeraki.io/v1alpha1/RedisService";
        let object = stage.cluster().get(kind, "redis", &name).await?;
        let object = object.context("it was applied")?;
        let conditions = object["status"]["conditions"].as_array();
        let mut all = conditions.into_iter().flatten();
        let refused = |condition: &Value| {
            condition["type"] == "Accepted"
                && condition["status"] == "False"
                && condition["observedGeneration"] == object["metadata"]["generation"]
        };
        Ok(if all.any(refused) {
            Seen::There(())
        } else {
            Seen::Instead(object["status"].to_string())
        })
    })
    .await?;
    busy.end().await?;
    let key = format!("{}:new", stage.case());
    redis.lands(&stage.vip(1), &key, "v2").await
}

/// The version of each EnvoyFilter of the case: it changes with any write.
async fn versions(stage: &Stage<'_>) -> Result<BTreeMap<String, String>> {
    let objects = stage.objects().await?;
    let filters = objects
        .iter()
        .filter(|object| object["kind"] == "EnvoyFilter");
    let versions: BTreeMap<_, _> = filters
        .map(|filter| {
            let meta = &filter["metadata"];
            (
                meta["name"].to_string(),
                meta["resourceVersion"].to_string(),
            )
        })
        .collect();
    ensure!(!versions.is_empty(), "the case has no EnvoyFilter");
    Ok(versions)
}

/// A service with a rule, settled.
async fn ruled(stage: &Stage<'_>) -> Result<std::sync::Arc<Redis>> {
    let redis = Redis::of(stage).await?;
    let cache = service("cache", "$VIP1", &redis.v1.address());
    let rule = rules("cache", "  redis: [{route: {host: cache.$CASE.test}}]\n");
    stage.apply(&(cache + &rule)).await?;
    stage.settled().await?;
    Ok(redis)
}

async fn change_of_nothing(stage: &Stage<'_>) -> Result<()> {
    let redis = ruled(stage).await?;
    let before = versions(stage).await?;
    let busy = Busy::begin(stage, &redis).await?;
    for round in 0..3 {
        let label = format!("metadata:\n  labels: {{round: \"{round}\"}}\n");
        let same = service("cache", "$VIP1", &redis.v1.address()).replace("metadata:\n", &label);
        stage.apply(&same).await?;
        let rule = rules("cache", "  redis: [{route: {host: cache.$CASE.test}}]\n");
        stage.apply(&rule.replace("metadata:\n", &label)).await?;
        let other = format!("other-{round}");
        stage
            .apply(&service(&other, "$VIP3", &redis.v2.address()))
            .await?;
        stage.settled().await?;
        stage
            .delete("ServiceEntry", &format!("$CASE-{other}"))
            .await?;
        stage.settled().await?;
        busy.more().await?;
    }
    busy.end().await?;
    let after = versions(stage).await?;
    ensure!(before == after, "written again: {before:?}, then {after:?}");
    Ok(())
}

async fn controller_restart(stage: &Stage<'_>) -> Result<()> {
    let redis = ruled(stage).await?;
    let before = versions(stage).await?;
    let busy = Busy::begin(stage, &redis).await?;
    stage.controller().start(stage.bed()).await?;
    // With the new process at work, as a new service shows.
    stage
        .apply(&service("new", "$VIP2", &redis.v2.address()))
        .await?;
    stage.settled().await?;
    busy.end().await?;
    let mut after = versions(stage).await?;
    after.retain(|name, _| before.contains_key(name));
    ensure!(before == after, "written again: {before:?}, then {after:?}");
    Ok(())
}

async fn istiod_restart(stage: &Stage<'_>) -> Result<()> {
    let redis = ruled(stage).await?;
    let before = versions(stage).await?;
    let busy = Busy::begin(stage, &redis).await?;
    stage.bed().restart_istiod().await?;
    stage
        .apply(&service("new", "$VIP2", &redis.v2.address()))
        .await?;
    stage.settled().await?;
    busy.end().await?;
    let mut after = versions(stage).await?;
    after.retain(|name, _| before.contains_key(name));
    ensure!(before == after, "written again: {before:?}, then {after:?}");
    Ok(())
}

async fn without_aeraki(stage: &Stage<'_>) -> Result<()> {
    let redis = ruled(stage).await?;
    let address = stage.vip(1);
    speaks_redis(&redis.client, &address, PORT, true).await?;
    stage.controller().stop()?;
    stage.remove_filters().await?;
    speaks_redis(&redis.client, &address, PORT, false).await?;
    redis
        .lands(&address, &format!("{}:plain", stage.case()), "v1")
        .await?;
    stage.controller().start(stage.bed()).await?;
    stage.settled().await?;
    speaks_redis(&redis.client, &address, PORT, true).await
}
