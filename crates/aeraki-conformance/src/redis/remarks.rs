//! What the controller remarks on, and what becomes of the rule: the rest of it counts, and no key goes astray.

use anyhow::Result;
use futures::FutureExt as _;
use serde_json::json;

use super::routing::{tcp_route, two_services};
use super::{PORT, Target, equal, refused, rules};
use crate::case::{Case, Stage, Turn};
use crate::wait::until_so;

pub(super) const CASES: &[Case] = &[
    Case {
        name: "redis/rule-in-part",
        proves: "of two routes with the same prefix the first counts; a mirror without a route is left out; the commands for a host that nobody knows, and for a port that its host lacks, fail and go to nobody else",
        turn: Turn::Shared,
        run: |stage| in_part(stage).boxed_local(),
    },
    Case {
        name: "redis/idle-virtual-service",
        proves: "a VirtualService has no effect while a RedisService routes every key",
        turn: Turn::Shared,
        run: |stage| idle(stage).boxed_local(),
    },
];

async fn in_part(stage: &Stage<'_>) -> Result<()> {
    let redis = two_services(stage).await?;
    let spec = "  redis:
  - match: {key: {prefix: \"$CASE:twice\"}}
    route: {host: users.$CASE.test}
  - match: {key: {prefix: \"$CASE:twice\"}}
    route: {host: cache.$CASE.test}
  - match: {key: {prefix: \"$CASE:mirrored\"}}
    route: {host: users.$CASE.test}
    mirror:
    - percentage: {value: 100}
    - route: {host: cache.$CASE.test}
  - match: {key: {prefix: \"$CASE:stranger\"}}
    route: {host: stranger.$CASE.test}
  - match: {key: {prefix: \"$CASE:port\"}}
    route: {host: users.$CASE.test, port: 6380}
  - route: {host: cache.$CASE.test}
";
    stage.apply(&rules("cache", spec)).await?;
    stage.settled().await?;
    let key = |prefix: &str| format!("{}:{prefix}", stage.case());
    let address = stage.vip(1);
    redis.lands(&address, &key("twice"), "v2").await?;
    redis.lands(&address, &key("other"), "v1").await?;
    let mirrored = key("mirrored");
    redis.value(&address, &["SET", &mirrored, "1"]).await?;
    // The copy may arrive after the answer.
    until_so("both have the mirrored key", async || {
        Ok(redis.has(&mirrored).await? == "both")
    })
    .await?;
    for lost in ["stranger", "port"] {
        let key = key(lost);
        let target = Target::at(&address, PORT);
        let answer = redis.answer(&target, &["SET", &key, "1"]).await?;
        refused(&answer, "no upstream host")?;
        let there = redis.has(&key).await?;
        equal(&format!("who has {key}"), &there.into(), &json!("none"))?;
    }
    Ok(())
}

async fn idle(stage: &Stage<'_>) -> Result<()> {
    let redis = two_services(stage).await?;
    let every_key = rules("cache", "  redis: [{route: {host: cache.$CASE.test}}]\n");
    let to_users = tcp_route("{destination: {host: users.$CASE.test}}");
    stage.apply(&(every_key + &to_users)).await?;
    stage.settled().await?;
    redis.lands(&stage.vip(1), stage.case(), "v1").await?;
    stage.delete("RedisService", "$CASE-cache").await?;
    stage.settled().await?;
    let key = format!("{}:after", stage.case());
    redis.lands(&stage.vip(1), &key, "v2").await
}
