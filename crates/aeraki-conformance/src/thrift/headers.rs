//! Routes by what THeader carries.

use anyhow::{Context as _, Result};
use futures::FutureExt as _;
use serde_json::json;

use super::{Thrift, rule};
use crate::case::{Case, Stage, Turn};

pub(super) const CASES: &[Case] = &[
    Case {
        name: "thrift/header",
        proves: "`match.headers` exact, prefix, regex and presence, and `withoutHeaders`, by THeader",
        turn: Turn::Shared,
        run: |stage| header(stage).boxed_local(),
    },
    Case {
        name: "thrift/without-header",
        proves: "`withoutHeaders`: prefix, absence, and a value that an empty text satisfies; an absent header always matches",
        turn: Turn::Shared,
        run: |stage| without_header(stage).boxed_local(),
    },
    Case {
        name: "thrift/ignore-case",
        proves: "the annotation `aeraki.net/ignore-case`: the values of the headers that it names match in any case",
        turn: Turn::Shared,
        run: |stage| ignore_case(stage).boxed_local(),
    },
    Case {
        name: "thrift/refused-regex",
        proves: "a regex that Envoy would refuse takes its entry out: the others count, and nothing gets wider",
        turn: Turn::Shared,
        run: |stage| refused_regex(stage).boxed_local(),
    },
];

async fn header(stage: &Stage<'_>) -> Result<()> {
    let thrift = Thrift::of(stage).await?;
    let routes = "  - match: [{headers: {x-env: {exact: canary}}}, {headers: {x-env: {prefix: dev-}}}, {headers: {x-env: {regex: \"q[0-9]+\"}}}]
    route: [{destination: {host: $CASE.test, subset: v2}}]
  - match: [{headers: {x-tenant: {}}, withoutHeaders: {x-env: {exact: live}}}]
    route: [{destination: {host: $CASE.test, subset: v2}}]
  - route: [{destination: {host: $CASE.test, subset: v1}}]
";
    thrift.service(stage, routes).await?;
    for (value, server) in [
        ("canary", "v2"),
        ("canary2", "v1"),
        ("dev-1", "v2"),
        ("q17", "v2"),
        ("q", "v1"),
    ] {
        let request = json!({"transport": "header", "headers": {"x-env": value}, "calls": 5});
        thrift
            .call(stage, "SayHello", request)
            .await?
            .all_by(server, 5)?;
    }
    for (env, server) in [("live", "v1"), ("test", "v2")] {
        let headers = json!({"x-env": env, "x-tenant": "gold"});
        let request = json!({"transport": "header", "headers": headers, "calls": 5, "fresh": true});
        let served = thrift.call(stage, "SayHello", request).await?;
        served.all_by(server, 5)?;
    }
    let without = json!({"transport": "framed", "calls": 5});
    thrift
        .call(stage, "SayHello", without)
        .await?
        .all_by("v1", 5)
}

/// Each rule is for one value of `x-rule`, and leads to v2.
const WITHOUT: &str =
    "  - match: [{headers: {x-rule: {exact: prefix}}, withoutHeaders: {x-env: {prefix: dev-}}}]
    route: [{destination: {host: $CASE.test, subset: v2}}]
  - match: [{headers: {x-rule: {exact: absent}}, withoutHeaders: {x-env: {}}}]
    route: [{destination: {host: $CASE.test, subset: v2}}]
  - match: [{headers: {x-rule: {exact: letters}}, withoutHeaders: {x-env: {regex: \"[a-z]*\"}}}]
    route: [{destination: {host: $CASE.test, subset: v2}}]
  - route: [{destination: {host: $CASE.test, subset: v1}}]
";

async fn without_header(stage: &Stage<'_>) -> Result<()> {
    let thrift = Thrift::of(stage).await?;
    thrift.service(stage, WITHOUT).await?;
    for (rule, env, server) in [
        ("prefix", None, "v2"),
        ("prefix", Some("live"), "v2"),
        ("prefix", Some("dev-1"), "v1"),
        ("absent", None, "v2"),
        ("absent", Some("live"), "v1"),
        ("letters", None, "v2"),
        ("letters", Some("17"), "v2"),
        ("letters", Some("live"), "v1"),
    ] {
        let mut headers = json!({"x-rule": rule});
        if let Some(env) = env {
            headers["x-env"] = env.into();
        }
        let request = json!({"transport": "header", "headers": headers, "calls": 3, "fresh": true});
        let served = thrift.call(stage, "SayHello", request).await?;
        served.all_by(server, 3).context(headers.to_string())?;
    }
    Ok(())
}

async fn ignore_case(stage: &Stage<'_>) -> Result<()> {
    let thrift = Thrift::of(stage).await?;
    let routes = "  - match: [{headers: {x-env: {exact: canary}}}, {headers: {x-zone: {exact: a}}}]
    route: [{destination: {host: $CASE.test, subset: v2}}]
  - route: [{destination: {host: $CASE.test, subset: v1}}]
";
    let annotated = "namespace: $NAMESPACE, annotations: {aeraki.net/ignore-case: x-env}}";
    stage
        .apply(&rule(routes).replace("namespace: $NAMESPACE}", annotated))
        .await?;
    thrift.service(stage, "").await?;
    for (header, value, server) in [
        ("x-env", "CaNaRy", "v2"),
        ("x-env", "live", "v1"),
        ("x-zone", "a", "v2"),
        ("x-zone", "A", "v1"),
    ] {
        let request =
            json!({"transport": "header", "headers": {header: value}, "calls": 3, "fresh": true});
        let served = thrift.call(stage, "SayHello", request).await?;
        served
            .all_by(server, 3)
            .with_context(|| format!("{header}: {value}"))?;
    }
    Ok(())
}

async fn refused_regex(stage: &Stage<'_>) -> Result<()> {
    let thrift = Thrift::of(stage).await?;
    // Only where it is left out can what stands behind it be reached, and only where Envoy takes the listener at all.
    let routes =
        "  - match: [{headers: {x-env: {regex: \"(?=look)ahead\"}}}, {headers: {x-env: {exact: canary}}}]
    route: [{destination: {host: $CASE.test, subset: v2}}]
  - route: [{destination: {host: $CASE.test, subset: v1}}]
";
    thrift.service(stage, routes).await?;
    for (env, server) in [("canary", "v2"), ("lookahead", "v1"), ("ahead", "v1")] {
        let headers = json!({"x-env": env});
        let request = json!({"transport": "header", "headers": headers, "calls": 3, "fresh": true});
        let served = thrift.call(stage, "SayHello", request).await?;
        served.all_by(server, 3).context(env)?;
    }
    Ok(())
}
