//! Faults that are asked for.

use anyhow::{Result, ensure};
use futures::FutureExt as _;
use serde_json::{Value, json};

use super::{PORT, Redis, Target, call, equal, refused, rules, service, value};
use crate::case::{Case, Stage, Turn};

pub(super) const CASES: &[Case] = &[
    Case {
        name: "redis/fault-error",
        proves: "`faults[].type: ERROR` fails the commands it names, and no other",
        turn: Turn::Shared,
        run: |stage| fault_error(stage).boxed_local(),
    },
    Case {
        name: "redis/fault-percentage",
        proves: "`faults[].percentage`: so many of a thousand, within the bounds of chance; without `commands` of every command",
        turn: Turn::Shared,
        run: |stage| percentage(stage).boxed_local(),
    },
    Case {
        name: "redis/fault-delay",
        proves: "`faults[].delay`, without a `type`: the answer comes no earlier, and the proxy counts it",
        turn: Turn::Shared,
        run: |stage| delay(stage).boxed_local(),
    },
];

async fn with_fault(stage: &Stage<'_>, fault: &str) -> Result<std::sync::Arc<Redis>> {
    let redis = Redis::of(stage).await?;
    let spec = format!("  faults: [{fault}]\n");
    let cache = service("cache", "$VIP1", &redis.v1.address());
    stage.apply(&(cache + &rules("cache", &spec))).await?;
    stage.settled().await?;
    Ok(redis)
}

async fn fault_error(stage: &Stage<'_>) -> Result<()> {
    let fault = "{type: ERROR, percentage: {value: 100}, commands: [GET]}";
    let redis = with_fault(stage, fault).await?;
    let key = stage.case();
    let address = stage.vip(1);
    let target = Target::at(&address, PORT);
    let commands: [&[&str]; 3] = [&["SET", key, "1"], &["GET", key], &["EXISTS", key]];
    let mut answers = call(&redis.client, &target, &commands).await?;
    refused(&answers[1], "Fault Injected")?;
    equal("EXISTS", &value(answers.remove(2))?, &json!(1))
}

async fn percentage(stage: &Stage<'_>) -> Result<()> {
    let fault = "{type: ERROR, percentage: {value: 30}}";
    let redis = with_fault(stage, fault).await?;
    let address = stage.vip(1);
    let get = ["GET", stage.case()];
    let calls = vec![&get[..]; 1000];
    let answers = call(&redis.client, &Target::at(&address, PORT), &calls).await?;
    let failed = |answer: &&Value| answer.get("error").is_some();
    let failed = answers.iter().filter(failed).count();
    // A deviation of 14.5; six of them.
    ensure!((213..=387).contains(&failed), "{failed} of 1000 failed");
    Ok(())
}

async fn delay(stage: &Stage<'_>) -> Result<()> {
    let fault = "{delay: 0.3s, percentage: {value: 100}, commands: [GET]}";
    let redis = with_fault(stage, fault).await?;
    let mut request = json!({
        "do": "call", "host": stage.vip(1), "port": PORT, "commands": [["GET", stage.case()]],
    });
    let slow = redis.client.ask(&request).await?["seconds"].take();
    request["commands"] = json!([["EXISTS", stage.case()]]);
    redis.client.ask(&request).await?;
    let slow = slow.as_f64().unwrap_or_default();
    // Envoy counts from when its loop last looked at the clock, so a little less is seen from here.
    ensure!(slow >= 0.29, "a delay of 0.3 s took {slow} s");
    for (command, wanted) in [("get", 1), ("exists", 0)] {
        let counter = format!("command.{command}.delay_fault");
        let parts = ["redis.outbound|6379||cache.", stage.case(), &counter];
        let counted = redis.pod.count(&parts).await?;
        equal(&counter, &counted.into(), &json!(wanted))?;
    }
    Ok(())
}
