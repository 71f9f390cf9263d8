//! Which server gets a command.

use std::collections::BTreeSet;

use std::time::Duration;

use anyhow::{Result, ensure};
use futures::FutureExt as _;
use serde_json::json;

use super::{PORT, Redis, Target, equal, refused, rules, service, speaks_redis};
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
    Case {
        name: "redis/last-catch-all",
        proves: "several routes without `match`: the last one counts",
        turn: Turn::Shared,
        run: |stage| last_catch_all(stage).boxed_local(),
    },
    Case {
        name: "redis/oldest-rule",
        proves: "of several RedisServices for one host the oldest counts",
        turn: Turn::Shared,
        run: |stage| oldest_rule(stage).boxed_local(),
    },
    Case {
        name: "redis/remove-prefix",
        proves: "`match.key.removePrefix`: the server sees the key without the prefix. Without a route for all keys, the others go to the service itself",
        turn: Turn::Shared,
        run: |stage| remove_prefix(stage).boxed_local(),
    },
    Case {
        name: "redis/case-insensitive",
        proves: "`settings.caseInsensitive`: prefixes match in any case",
        turn: Turn::Shared,
        run: |stage| case_insensitive(stage).boxed_local(),
    },
    Case {
        name: "redis/hashtagging",
        proves: "`settings.enableHashtagging`: keys with the same `{tag}` have the same server, where servers are chosen by key",
        turn: Turn::Shared,
        run: |stage| hashtagging(stage).boxed_local(),
    },
    Case {
        name: "redis/route-to-nobody",
        proves: "a route without a host: the commands on those keys fail, and go to nobody else",
        turn: Turn::Shared,
        run: |stage| route_to_nobody(stage).boxed_local(),
    },
    Case {
        name: "redis/read-split",
        proves: "`readCommandPolicy.route`: reads go there, writes to `route`",
        turn: Turn::Shared,
        run: |stage| read_split(stage).boxed_local(),
    },
    Case {
        name: "redis/route-port",
        proves: "`route.port`, or the port of a VirtualService's destination: that port of the host, where it has several",
        turn: Turn::Shared,
        run: |stage| route_port(stage).boxed_local(),
    },
    Case {
        name: "redis/short-names",
        proves: "short names in a RedisService are those of its own namespace, and it applies to each host that it names",
        turn: Turn::Shared,
        run: |stage| short_names(stage).boxed_local(),
    },
    Case {
        name: "redis/virtual-service",
        proves: "a VirtualService's `tcp` route with one destination takes the keys without a route, host and subset",
        turn: Turn::Shared,
        run: |stage| virtual_service(stage).boxed_local(),
    },
    Case {
        name: "redis/virtual-service-with-weights",
        proves: "a `tcp` route with several destinations: the calls go to the service itself",
        turn: Turn::Shared,
        run: |stage| weights(stage).boxed_local(),
    },
    Case {
        name: "redis/changed-rule",
        proves: "a changed rule counts for the next connection, and a removed one is gone",
        turn: Turn::Shared,
        run: |stage| changed_rule(stage).boxed_local(),
    },
];

async fn plain_call(stage: &Stage<'_>) -> Result<()> {
    let redis = Redis::of(stage).await?;
    stage
        .apply(&service("cache", "$VIP1", &redis.v1.address()))
        .await?;
    stage.settled().await?;
    let key = format!("{}:key", stage.case());
    redis.lands(&stage.vip(1), &key, "v1").await?;
    let set = [
        "redis.outbound|6379||cache.",
        stage.case(),
        "command.set.success",
    ];
    let counted = redis.pod.count(&set).await?;
    equal("SETs that the proxy counts", &counted.into(), &json!(1))?;
    // It is the proxy that speaks Redis here, and RESP2 alone.
    let address = stage.vip(1);
    let target = Target::at(&address, PORT);
    refused(&redis.answer(&target, &["HELLO", "3"]).await?, "NOPROTO")
}

/// Two services of the case: `cache` at `$VIP1` with v1 behind it, `users` at `$VIP2` with v2.
pub(super) async fn two_services(stage: &Stage<'_>) -> Result<std::sync::Arc<Redis>> {
    let redis = Redis::of(stage).await?;
    let cache = service("cache", "$VIP1", &redis.v1.address());
    let users = service("users", "$VIP2", &redis.v2.address());
    stage.apply(&(cache + &users)).await?;
    Ok(redis)
}

async fn key_prefix(stage: &Stage<'_>) -> Result<()> {
    let redis = two_services(stage).await?;
    let spec = "  redis:
  - match: {key: {prefix: \"$CASE:u\"}}
    route: {host: users.$CASE.test}
  - match: {key: {prefix: \"$CASE:u:own\"}}
    route: {host: cache.$CASE.test}
  - route: {host: cache.$CASE.test}
";
    stage.apply(&rules("cache", spec)).await?;
    stage.settled().await?;
    for (key, server) in [("u:1", "v2"), ("u:own", "v1"), ("other", "v1")] {
        let key = format!("{}:{key}", stage.case());
        redis.lands(&stage.vip(1), &key, server).await?;
    }
    Ok(())
}

async fn last_catch_all(stage: &Stage<'_>) -> Result<()> {
    let redis = two_services(stage).await?;
    let spec = "  redis:
  - route: {host: cache.$CASE.test}
  - match: {key: {prefix: \"\"}}
    route: {host: users.$CASE.test}
";
    stage.apply(&rules("cache", spec)).await?;
    stage.settled().await?;
    redis.lands(&stage.vip(1), stage.case(), "v2").await
}

async fn oldest_rule(stage: &Stage<'_>) -> Result<()> {
    let redis = two_services(stage).await?;
    // By name it would come second, and ages are told in whole seconds.
    let oldest = "  redis: [{route: {host: users.$CASE.test}}]\n";
    let oldest = rules("oldest", oldest).replace("[oldest.", "[cache.");
    stage.apply(&oldest).await?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let younger = "  redis: [{route: {host: cache.$CASE.test}}]\n";
    stage.apply(&rules("cache", younger)).await?;
    stage.settled().await?;
    redis.lands(&stage.vip(1), stage.case(), "v2").await?;
    stage.delete("RedisService", "$CASE-oldest").await?;
    stage.settled().await?;
    let key = format!("{}:after", stage.case());
    redis.lands(&stage.vip(1), &key, "v1").await
}

async fn remove_prefix(stage: &Stage<'_>) -> Result<()> {
    let redis = two_services(stage).await?;
    let spec = "  redis:
  - match: {key: {prefix: \"$CASE/gone/\", removePrefix: true}}
    route: {host: users.$CASE.test}
  - match: {key: {prefix: \"$CASE/kept/\"}}
    route: {host: users.$CASE.test}
";
    stage.apply(&rules("cache", spec)).await?;
    stage.settled().await?;
    let key = |prefix: &str| format!("{}/{prefix}/{}", stage.case(), stage.case());
    redis
        .value(&stage.vip(1), &["SET", &key("gone"), "gone"])
        .await?;
    redis
        .value(&stage.vip(1), &["SET", &key("kept"), "kept"])
        .await?;
    let short = redis.v2.value(&["GET", stage.case()]).await?;
    equal("the key without its prefix", &short, &json!("gone"))?;
    let long = redis.v2.value(&["GET", &key("kept")]).await?;
    equal("the key with its prefix", &long, &json!("kept"))?;
    redis.lands(&stage.vip(1), &key("other"), "v1").await
}

async fn case_insensitive(stage: &Stage<'_>) -> Result<()> {
    let redis = two_services(stage).await?;
    let spec = "  settings: {caseInsensitive: true}
  redis:
  - match: {key: {prefix: \"$CASE:u\"}}
    route: {host: users.$CASE.test}
  - route: {host: cache.$CASE.test}
";
    stage.apply(&rules("cache", spec)).await?;
    stage.settled().await?;
    let key = format!("{}:U", stage.case().to_uppercase());
    redis.lands(&stage.vip(1), &key, "v2").await
}

async fn hashtagging(stage: &Stage<'_>) -> Result<()> {
    let redis = Redis::of(stage).await?;
    let (v1, v2) = (redis.v1.address(), redis.v2.address());
    let both = format!("{v1}}}, {{address: {v2}");
    let by_key = "---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: $CASE, namespace: $NAMESPACE}
spec:
  host: cache.$CASE.test
  trafficPolicy: {loadBalancer: {consistentHash: {useSourceIp: true}}}
";
    let cache = service("cache", "$VIP1", &both);
    let rule = rules("cache", "  settings: {enableHashtagging: true}\n");
    stage.apply(&(cache + by_key + &rule)).await?;
    stage.settled().await?;
    let mut servers = BTreeSet::new();
    for tag in 0..16 {
        let mut of_tag = BTreeSet::new();
        for key in 0..6 {
            let key = format!("{key}:{{{}-{tag}}}:{key}", stage.case());
            redis.value(&stage.vip(1), &["SET", &key, "1"]).await?;
            of_tag.insert(redis.has(&key).await?);
        }
        ensure!(of_tag.len() == 1, "the keys of tag {tag} are on {of_tag:?}");
        servers.extend(of_tag);
    }
    // By chance all tags have the same server once in 32,768 choices of names, and these are always the same.
    ensure!(servers.len() == 2, "all keys are on {servers:?}");
    Ok(())
}

async fn route_to_nobody(stage: &Stage<'_>) -> Result<()> {
    let redis = two_services(stage).await?;
    let spec = "  redis:
  - match: {key: {prefix: \"$CASE:nobody\"}}
  - route: {host: cache.$CASE.test}
";
    stage.apply(&rules("cache", spec)).await?;
    stage.settled().await?;
    let [nobody, other] = ["nobody", "other"].map(|key| format!("{}:{key}", stage.case()));
    let address = stage.vip(1);
    let target = Target::at(&address, PORT);
    let answer = redis.answer(&target, &["SET", &nobody, "1"]).await?;
    refused(&answer, "no upstream host")?;
    equal(
        "who has it",
        &redis.has(&nobody).await?.into(),
        &json!("none"),
    )?;
    redis.lands(&address, &other, "v1").await
}

async fn read_split(stage: &Stage<'_>) -> Result<()> {
    let redis = two_services(stage).await?;
    let spec = "  redis:
  - route: {host: cache.$CASE.test}
    readCommandPolicy: {route: {host: users.$CASE.test}}
";
    stage.apply(&rules("cache", spec)).await?;
    stage.settled().await?;
    let key = stage.case();
    redis.v2.value(&["SET", key, "read on v2"]).await?;
    let set_get: [&[&str]; 2] = [&["SET", key, "written"], &["GET", key]];
    let values = redis.values(&stage.vip(1), &set_get).await?;
    equal("the value read", &values[1], &json!("read on v2"))?;
    let written = redis.v1.value(&["GET", key]).await?;
    equal("the value written", &written, &json!("written"))
}

async fn route_port(stage: &Stage<'_>) -> Result<()> {
    let redis = two_services(stage).await?;
    redis.v2.serve(stage, 6405, &[]).await?;
    let more = "  - {number: 6405, name: tcp-redis-more, protocol: TCP}\n  resolution";
    let users = service("users", "$VIP2", &redis.v2.address())
        .replace("ports: [{", "ports:\n  - {")
        .replace("}]\n  resolution", "}\n  resolution")
        .replace("  resolution", more);
    stage.apply(&users).await?;
    let spec = "  redis:
  - route: {host: users.$CASE.test, port: 6405}
";
    stage.apply(&rules("cache", spec)).await?;
    stage.settled().await?;
    let lands = async |key: &str| {
        redis.value(&stage.vip(1), &["SET", key, "1"]).await?;
        let there = redis.v2.value_at(6405, &["EXISTS", key]).await?;
        equal(&format!("{key} on the other port"), &there, &json!(1))
    };
    lands(stage.case()).await?;
    let tcp = tcp_route("{destination: {host: users.$CASE.test, port: {number: 6405}}}");
    stage.delete("RedisService", "$CASE-cache").await?;
    stage.apply(&tcp).await?;
    stage.settled().await?;
    lands(&format!("{}:tcp", stage.case())).await
}

/// A VirtualService that leads the connections to `cache` of the case to these destinations, in YAML's flow style.
pub(super) fn tcp_route(destinations: &str) -> String {
    format!(
        "\
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: $CASE, namespace: $NAMESPACE}}
spec:
  hosts: [cache.$CASE.test]
  tcp:
  - route: [{destinations}]
"
    )
}

async fn short_names(stage: &Stage<'_>) -> Result<()> {
    let redis = Redis::of(stage).await?;
    let address = redis.v2.address();
    // A host of a ServiceEntry can be a name as Kubernetes makes them.
    let cache = service("cache", "$VIP1", &redis.v1.address());
    let users = service("users", "$VIP2", &address);
    let other = service("other", "$VIP3", &redis.v1.address());
    let named = |text: &str, name: &str| {
        let full = format!("$CASE-{name}.$NAMESPACE.svc.cluster.local");
        text.replace(&format!("[{name}.$CASE.test]"), &format!("[{full}]"))
    };
    let spec = "  redis: [{route: {host: $CASE-users}}]\n";
    let both = "[$CASE-cache, $CASE-other]";
    let rule = rules("cache", spec).replace("[cache.$CASE.test]", both);
    let services = [(&cache, "cache"), (&users, "users"), (&other, "other")];
    let services = services.map(|(text, name)| named(text, name)).concat();
    stage.apply(&(services + &rule)).await?;
    stage.settled().await?;
    for which in [1, 3] {
        let key = format!("{}:{which}", stage.case());
        redis.lands(&stage.vip(which), &key, "v2").await?;
    }
    Ok(())
}

async fn virtual_service(stage: &Stage<'_>) -> Result<()> {
    let redis = Redis::of(stage).await?;
    stage.apply(SUBSETS).await?;
    let to_v2 = "{destination: {host: cache.$CASE.test, subset: v2}}";
    stage.apply(&tcp_route(to_v2)).await?;
    stage.settled().await?;
    for number in 0..20 {
        let key = format!("{}:{number}", stage.case());
        redis.lands(&stage.vip(1), &key, "v2").await?;
    }
    // Istio's own tcp_proxy would lead there as well.
    speaks_redis(&redis.client, &stage.vip(1), PORT, true).await
}

/// One service of both servers, by their labels, with a subset for each.
const SUBSETS: &str = "
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: $CASE, namespace: $NAMESPACE}
spec:
  hosts: [cache.$CASE.test]
  addresses: [$VIP1]
  ports: [{number: 6379, name: tcp-redis, protocol: TCP}]
  resolution: STATIC
  workloadSelector: {labels: {app: redis}}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: $CASE, namespace: $NAMESPACE}
spec:
  host: cache.$CASE.test
  subsets:
  - {name: v1, labels: {version: v1}}
  - {name: v2, labels: {version: v2}}
";

async fn weights(stage: &Stage<'_>) -> Result<()> {
    let redis = two_services(stage).await?;
    let halves = ["cache", "users"]
        .map(|name| format!("{{destination: {{host: {name}.$CASE.test}}, weight: 50}}"));
    stage.apply(&tcp_route(&halves.join(", "))).await?;
    stage.settled().await?;
    for number in 0..20 {
        let key = format!("{}:{number}", stage.case());
        redis.lands(&stage.vip(1), &key, "v1").await?;
    }
    Ok(())
}

async fn changed_rule(stage: &Stage<'_>) -> Result<()> {
    let redis = two_services(stage).await?;
    let spec = "  redis:
  - route: {host: users.$CASE.test}
";
    let key = |step: &str| format!("{}:{step}", stage.case());
    stage.settled().await?;
    redis.lands(&stage.vip(1), &key("before"), "v1").await?;
    stage.apply(&rules("cache", spec)).await?;
    stage.settled().await?;
    redis.lands(&stage.vip(1), &key("with"), "v2").await?;
    stage.delete("RedisService", "$CASE-cache").await?;
    stage.settled().await?;
    redis.lands(&stage.vip(1), &key("after"), "v1").await
}
