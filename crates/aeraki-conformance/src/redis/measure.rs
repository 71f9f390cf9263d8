//! Every key to one server or the other; and many calls in a row.

use anyhow::{Result, ensure};
use futures::FutureExt as _;
use serde_json::{Value, json};

use super::{PORT, Redis, Target, call, service};
use crate::case::Stage;
use crate::measure::{Connection, Subject};
use crate::overhead::{Load, both};
use crate::served::Served;

pub(crate) const SUBJECT: Subject = Subject {
    protocol: "redis",
    begin: |stage| begin(stage).boxed_local(),
    rule: |version| {
        format!(
            "
apiVersion: redis.aeraki.io/v1alpha1
kind: RedisService
metadata: {{name: cache, namespace: $NAMESPACE}}
spec:
  host: [cache.$CASE.test]
  redis: [{{route: {{host: {version}.$CASE.test}}}}]
"
        )
    },
    call: |stage, connection| set(stage, connection, "measure:").boxed_local(),
};

async fn begin(stage: &Stage<'_>) -> Result<()> {
    let redis = Redis::of(stage).await?;
    let (v1, v2) = (redis.v1.address(), redis.v2.address());
    let services = service("cache", "$VIP1", &v1)
        + &service("v1", "$VIP2", &v1)
        + &service("v2", "$VIP3", &v2);
    stage.apply(&services).await?;
    stage.settled().await?;
    open(stage, &redis).await
}

async fn open(stage: &Stage<'_>, redis: &Redis) -> Result<()> {
    let open =
        json!({"do": "open", "connection": stage.case(), "host": stage.vip(1), "port": PORT});
    redis.client.ask(&open).await.map(drop)
}

/// Sets a new key with this prefix; it is served by the servers that have it afterwards.
pub(super) async fn set(stage: &Stage<'_>, connection: Connection, prefix: &str) -> Result<Served> {
    let redis = Redis::of(stage).await?;
    let key = format!("{prefix}{}", stage.unique());
    let set = ["SET", &key, "1"];
    let answer = match connection {
        Connection::New => {
            let address = stage.vip(1);
            call(&redis.client, &Target::at(&address, PORT), &[&set])
                .await?
                .remove(0)
        }
        Connection::Open => {
            let request = json!({"do": "call", "connection": stage.case(), "commands": [set]});
            redis.client.ask(&request).await?["answers"][0].take()
        }
    };
    if let Some(Value::String(reason)) = answer.get("error") {
        if connection == Connection::Open {
            open(stage, &redis).await?;
        }
        return Ok(Served::once(Err(reason.clone())));
    }
    Ok(Served::once(Ok(redis.has(&key).await?)))
}

pub(crate) const LOAD: Load = Load {
    protocol: "redis",
    begin: |stage| {
        async {
            let server = Redis::of(stage).await?.v1.pod.address();
            both(stage, "redis", PORT, server, "").await
        }
        .boxed_local()
    },
    call: |stage, address, calls| load(stage, address, calls).boxed_local(),
};

async fn load(stage: &Stage<'_>, address: String, calls: u64) -> Result<()> {
    let redis = Redis::of(stage).await?;
    let set: &[&str] = &["SET", "load", "1"];
    let commands = vec![set; usize::try_from(calls)?];
    let answers = call(&redis.client, &Target::at(&address, PORT), &commands).await?;
    let failed = answers.iter().find(|answer| answer.get("error").is_some());
    ensure!(failed.is_none(), "a call fails: {failed:?}");
    Ok(())
}
