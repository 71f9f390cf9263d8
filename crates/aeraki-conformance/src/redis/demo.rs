//! Keys that move to another server, and copies of writes.

use futures::FutureExt as _;

use super::measure::set;
use super::{Redis, service};
use crate::case::Stage;
use crate::demo::{Act, Answer, Demo};
use crate::measure::Connection;

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

async fn calls(stage: &Stage<'_>) -> anyhow::Result<Vec<Answer>> {
    let mut answers = Vec::new();
    for prefix in ["user:", "session:"] {
        let served = set(stage, Connection::New, prefix).await?;
        answers.extend(served.answers(&format!("SET {prefix}…")));
    }
    Ok(answers)
}
