//! Which server gets a command.

use anyhow::Result;
use futures::FutureExt as _;
use serde_json::json;

use super::{Redis, equal, rules, service};
use crate::case::{Case, Stage, Turn};

pub(super) const CASES: &[Case] = &[
    Case {
        name: "redis/plain-call",
        proves: "a port `tcp-redis` without more leads to the service itself, by redis_proxy",
        turn: Turn::Shared,
        run: |stage| plain_call(stage).boxed_local(),
    },
    Case {
        name: "redis/key-prefix",
        proves: "`match.key.prefix`: the longest prefix takes the key; a route without `match` takes all others",
        turn: Turn::Shared,
        run: |stage| key_prefix(stage).boxed_local(),
    },
];

async fn plain_call(stage: &Stage<'_>) -> Result<()> {
    let redis = Redis::of(stage).await?;
    stage
        .apply(&service("cache", "$VIP1", &redis.v1.address()))
        .await?;
    stage.settled().await?;
    let key = format!("{}:key", stage.case());
    redis.value(&stage.vip(1), &["SET", &key, "1"]).await?;
    equal(
        "the server's value",
        &redis.v1.value(&["GET", &key]).await?,
        &json!("1"),
    )?;
    let set = [
        "redis.outbound|6379||cache.",
        stage.case(),
        "command.set.success",
    ];
    equal(
        "SETs that the proxy counts",
        &redis.pod.count(&set).await?.into(),
        &json!(1),
    )
}

async fn key_prefix(stage: &Stage<'_>) -> Result<()> {
    let redis = Redis::of(stage).await?;
    stage
        .apply(&service("cache", "$VIP1", &redis.v1.address()))
        .await?;
    stage
        .apply(&service("users", "$VIP2", &redis.v2.address()))
        .await?;
    let spec = "  redis:
  - match: {key: {prefix: \"$CASE:u\"}}
    route: {host: users.$CASE.test}
  - match: {key: {prefix: \"$CASE:u:own\"}}
    route: {host: cache.$CASE.test}
  - route: {host: cache.$CASE.test}
";
    stage.apply(&rules("cache", spec)).await?;
    stage.settled().await?;
    for (key, on_v1) in [("u:1", false), ("u:own", true), ("other", true)] {
        let key = format!("{}:{key}", stage.case());
        redis.value(&stage.vip(1), &["SET", &key, "1"]).await?;
        let there = redis.v1.value(&["EXISTS", &key]).await?;
        equal(&format!("{key} on v1"), &there, &json!(u8::from(on_v1)))?;
        let there = redis.v2.value(&["EXISTS", &key]).await?;
        equal(&format!("{key} on v2"), &there, &json!(u8::from(!on_v1)))?;
    }
    Ok(())
}
