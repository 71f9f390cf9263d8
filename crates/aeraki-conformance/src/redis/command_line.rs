//! The programs that come with Redis, as people use them at a prompt.

use anyhow::{Result, ensure};
use futures::FutureExt as _;
use serde_json::json;
use tokio::process::Command;

use super::{PORT, Redis, equal, rules, service_at};
use crate::case::{Case, Stage, Turn};

pub(super) const CASES: &[Case] = &[Case {
    name: "redis/cli-and-benchmark",
    proves: "redis-cli has its answers and errors through redis_proxy, and redis-benchmark every one of its calls, on the routed server",
    turn: Turn::Shared,
    run: |stage| cli_and_benchmark(stage).boxed_local(),
}];

/// A server of the case's own on each side: redis-benchmark chooses its keys itself, and all that a server has seen is counted.
const SERVER: u16 = 6444;

async fn cli_and_benchmark(stage: &Stage<'_>) -> Result<()> {
    let redis = Redis::of(stage).await?;
    redis.v1.serve(stage, SERVER, &[]).await?;
    redis.v2.serve(stage, SERVER, &[]).await?;
    let cache = service_at("cache", "$VIP1", &redis.v1.address(), SERVER);
    let keys = service_at("keys", "$VIP2", &redis.v2.address(), SERVER);
    let rule = "  redis:
  - match: {key: {prefix: \"key:\"}}
    route: {host: keys.$CASE.test}
  - route: {host: cache.$CASE.test}
";
    stage
        .apply(&(cache + &keys + &rules("cache", rule)))
        .await?;
    stage.settled().await?;
    cli(stage, &redis).await?;
    benchmark(stage, &redis).await
}

async fn cli(stage: &Stage<'_>, redis: &Redis) -> Result<()> {
    for (words, wanted) in [
        (&["SET", "greeting", "hello"][..], "OK"),
        (&["GET", "greeting"], "hello"),
        (&["SET", "key:greeting", "hello"], "OK"),
        (&["GET", "absent"], ""),
        // The server's own error, and the proxy's.
        (
            &["LPUSH", "greeting", "hello"],
            "WRONGTYPE Operation against a key holding the wrong kind of value",
        ),
        (
            &["LASTSAVE"],
            "ERR unknown command 'LASTSAVE', with args beginning with:",
        ),
    ] {
        let said = run(stage, redis, "redis-cli", words).await?;
        let said = said.trim();
        ensure!(said == wanted, "{words:?}: {said:?}, not {wanted:?}");
    }
    for (server, key) in [(&redis.v1, "greeting"), (&redis.v2, "key:greeting")] {
        let there = server.value_at(SERVER, &["EXISTS", key]).await?;
        equal(key, &there, &json!(1))?;
    }
    Ok(())
}

/// Its keys are `key:<number>`, which the rule sends to v2.
async fn benchmark(stage: &Stage<'_>, redis: &Redis) -> Result<()> {
    const CALLS: u64 = 2000;
    const TESTS: [&str; 2] = ["set", "get"];
    let total = CALLS.to_string();
    let words = ["-t", "set,get", "-n", &total, "-c", "20", "-r", "50"];
    let mut before = vec![];
    for test in TESTS {
        before.push(counts(stage, redis, test).await?);
    }
    // With one call at a time on each connection, and with sixteen.
    for pipeline in ["1", "16"] {
        let words = [&words[..], &["-P", pipeline]].concat();
        run(stage, redis, "redis-benchmark", &words).await?;
    }
    for (test, before) in TESTS.into_iter().zip(before) {
        let after = counts(stage, redis, test).await?;
        let counted: [u64; 4] = std::array::from_fn(|which| after[which] - before[which]);
        let wanted = [2 * CALLS, 0, 0, 2 * CALLS];
        ensure!(
            counted == wanted,
            "{test}: answered, failed, on v1, on v2: {counted:?}, not {wanted:?}"
        );
    }
    let keys: Vec<String> = (0..50).map(|number| format!("key:{number:012}")).collect();
    let exists = ["EXISTS"]
        .into_iter()
        .chain(keys.iter().map(String::as_str));
    let there = redis
        .v2
        .value_at(SERVER, &exists.collect::<Vec<_>>())
        .await?;
    equal("the keys that are there", &there, &json!(50))
}

/// How many calls of a command the proxy has answered and failed, and v1 and v2 have got.
async fn counts(stage: &Stage<'_>, redis: &Redis, command: &str) -> Result<[u64; 4]> {
    let proxy = async |outcome| {
        let counter = format!("command.{command}.{outcome}");
        let parts = ["redis.outbound|6379||cache.", stage.case(), &counter];
        redis.pod.count(&parts).await
    };
    Ok([
        proxy("success").await?,
        proxy("error").await?,
        redis.v1.calls_at(SERVER, command).await?,
        redis.v2.calls_at(SERVER, command).await?,
    ])
}

/// What a program prints in the client's pod, of which the service's address is told; it fails if the program does.
async fn run(stage: &Stage<'_>, redis: &Redis, program: &str, words: &[&str]) -> Result<String> {
    let mut command = Command::from(redis.pod.command(program));
    command
        .args(["-h", &stage.vip(1), "-p", &PORT.to_string()])
        .args(words);
    let output = command.output().await?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "{program} {words:?}: {}: {said}{complaint}",
        output.status
    );
    Ok(said)
}
