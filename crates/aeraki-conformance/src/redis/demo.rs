//! Keys that move to another server, and copies of writes.

use std::sync::atomic::{AtomicU64, Ordering};

use futures::FutureExt as _;
use serde_json::json;

use super::{Redis, Target, call, service};
use crate::case::Stage;
use crate::demo::{Act, Answer, Demo};

pub(crate) const DEMO: Demo = Demo {
    protocol: "redis",
    settings: &[],
    begin: |stage| begin(stage).boxed_local(),
    acts: &[
        Act {
            title: "Everything to the service itself, which is v1",
            rule: "
apiVersion: redis.aeraki.io/v1alpha1
kind: RedisService
metadata: {name: cache, namespace: $NAMESPACE}
spec:
  host: [cache.$CASE.test]
  redis:
  - route: {host: cache.$CASE.test}
",
        },
        Act {
            title: "Keys that begin with `user:` to v2",
            rule: "
apiVersion: redis.aeraki.io/v1alpha1
kind: RedisService
metadata: {name: cache, namespace: $NAMESPACE}
spec:
  host: [cache.$CASE.test]
  redis:
  - match: {key: {prefix: \"user:\"}}
    route: {host: next.$CASE.test}
  - route: {host: cache.$CASE.test}
",
        },
        Act {
            title: "All other writes to v2 as well, as before a migration",
            rule: "
apiVersion: redis.aeraki.io/v1alpha1
kind: RedisService
metadata: {name: cache, namespace: $NAMESPACE}
spec:
  host: [cache.$CASE.test]
  redis:
  - match: {key: {prefix: \"user:\"}}
    route: {host: next.$CASE.test}
  - route: {host: cache.$CASE.test}
    mirror:
    - {route: {host: next.$CASE.test}, excludeReadCommands: true}
",
        },
    ],
    call: |stage| calls(stage).boxed_local(),
};

async fn begin(stage: &Stage<'_>) -> anyhow::Result<()> {
    let redis = Redis::of(stage).await?;
    let cache = service("cache", "$VIP1", &redis.v1.address());
    let next = service("next", "$VIP2", &redis.v2.address());
    stage.apply(&(cache + &next)).await?;
    stage.settled().await
}

/// No key is written twice.
static KEYS: AtomicU64 = AtomicU64::new(0);

async fn calls(stage: &Stage<'_>) -> anyhow::Result<Vec<Answer>> {
    let redis = Redis::of(stage).await?;
    let mut answers = Vec::new();
    for prefix in ["user:", "session:"] {
        let key = format!("{prefix}{}", KEYS.fetch_add(1, Ordering::Relaxed));
        let set: [&[&str]; 1] = [&["SET", &key, "1"]];
        // Each call has a connection of its own.
        let address = stage.vip(1);
        let target = Target::at(&address, super::PORT);
        let said = call(&redis.client, &target, &set).await?;
        let called = format!("SET {prefix}…");
        let is_there = said[0]["value"] != json!(null);
        let servers = if is_there {
            redis.has(&key).await?
        } else {
            "failed"
        };
        answers.push(Answer::one(&called, servers));
    }
    Ok(answers)
}
