//! What people see when something is wrong. Servers that are down or slow are in `life`, passwords in `credentials`.

use anyhow::{Result, ensure};
use futures::FutureExt as _;
use serde_json::json;

use super::{PORT, Redis, equal, refused, service};
use crate::case::{Case, Stage, Turn};
use crate::stranger::speaks_http;

pub(super) const CASES: &[Case] = &[
    Case {
        name: "redis/other-protocol",
        proves: "who speaks HTTP to the port is told of errors, as by Redis itself, counted, and disturbs nobody",
        turn: Turn::Shared,
        run: |stage| other_protocol(stage).boxed_local(),
    },
    Case {
        name: "redis/unknown-command",
        proves: "a command that the proxy does not have fails, and the connection stays good",
        turn: Turn::Shared,
        run: |stage| unknown_command(stage).boxed_local(),
    },
    Case {
        name: "redis/big-value",
        proves: "a value of many megabytes passes whole, both ways",
        turn: Turn::Shared,
        run: |stage| big_value(stage).boxed_local(),
    },
];

async fn other_protocol(stage: &Stage<'_>) -> Result<()> {
    let redis = Redis::of(stage).await?;
    let cache = service("cache", "$VIP1", &redis.v1.address());
    stage.apply(&cache).await?;
    stage.settled().await?;
    let heard = speaks_http(stage, &redis.pod, PORT).await?;
    // Lines are commands too, in Redis' own inline form.
    let is_refused = heard.text.lines().all(|line| line.starts_with('-'));
    ensure!(
        is_refused && heard.text.contains("unknown command 'Host:'"),
        "{heard:?}"
    );
    let prefix = stage.fill("redis.outbound|6379||cache.$CASE.test.");
    let unsupported = [prefix.as_str(), "splitter.unsupported_command"];
    let count = redis.pod.count(&unsupported).await?;
    ensure!(count == 1, "{count} splitter.unsupported_command");
    redis.value(&stage.vip(1), &["PING"]).await.map(drop)
}

async fn unknown_command(stage: &Stage<'_>) -> Result<()> {
    let redis = Redis::of(stage).await?;
    let cache = service("cache", "$VIP1", &redis.v1.address());
    stage.apply(&cache).await?;
    stage.settled().await?;
    let open =
        json!({"do": "open", "connection": stage.case(), "host": stage.vip(1), "port": PORT});
    redis.client.ask(&open).await?;
    let commands = [
        ["SUBSCRIBE", "news"],
        ["DEBUG", "SLEEP"],
        ["GET", "nothing"],
    ];
    let call = json!({"do": "call", "connection": stage.case(), "commands": commands});
    let mut answers = redis.client.ask(&call).await?["answers"].take();
    refused(&answers[0], "unknown command")?;
    refused(&answers[1], "unknown command")?;
    equal(
        "what there is not",
        &answers[2]["value"].take(),
        &json!(null),
    )
}

async fn big_value(stage: &Stage<'_>) -> Result<()> {
    let redis = Redis::of(stage).await?;
    let cache = service("cache", "$VIP1", &redis.v1.address());
    stage.apply(&cache).await?;
    stage.settled().await?;
    let (address, key, big) = (stage.vip(1), stage.case(), "x".repeat(20 << 20));
    let set: [&str; 3] = ["SET", key, &big];
    redis.value(&address, &set).await?;
    let length = json!(big.len());
    let there = redis.v1.value(&["STRLEN", key]).await?;
    equal("what the server has", &there, &length)?;
    let got = redis.value(&address, &["GET", key]).await?;
    ensure!(got == json!(big), "what comes back is not what was set");
    redis.value(&address, &["DEL", key]).await.map(drop)
}
