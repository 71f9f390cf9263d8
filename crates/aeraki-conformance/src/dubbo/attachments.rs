//! Routes by what a call carries beside its arguments.

use anyhow::{Context as _, Result};
use futures::FutureExt as _;
use serde_json::json;

use super::{Dubbo, GREETER, TO_V1, rules};
use crate::case::{Case, Stage, Turn};

pub(super) const CASES: &[Case] = &[
    Case {
        name: "dubbo/attachment",
        proves: "`match.headers` exact, prefix, regex and presence, and `withoutHeaders`, by attachments",
        turn: Turn::Shared,
        run: |stage| attachment(stage).boxed_local(),
    },
    Case {
        name: "dubbo/without-attachment",
        proves: "`withoutHeaders`: prefix, absence, and a value that an empty text satisfies; an absent attachment always matches",
        turn: Turn::Shared,
        run: |stage| without_attachment(stage).boxed_local(),
    },
    Case {
        name: "dubbo/ignore-case",
        proves: "the annotation `aeraki.net/ignore-case`: the values of the attachments that it names match in any case",
        turn: Turn::Shared,
        run: |stage| ignore_case(stage).boxed_local(),
    },
    Case {
        name: "dubbo/refused-regex",
        proves: "a regex that Envoy would refuse takes its entry out: the others count, and nothing gets wider",
        turn: Turn::Shared,
        run: |stage| refused_regex(stage).boxed_local(),
    },
    Case {
        name: "dubbo/pseudo-attachments",
        proves: "the pseudo attachments `path`, `group` and `version`, of calls that annotations of `*` let through with any group and version",
        turn: Turn::Shared,
        run: |stage| pseudo(stage).boxed_local(),
    },
];

async fn attachment(stage: &Stage<'_>) -> Result<()> {
    let dubbo = Dubbo::of(stage).await?;
    let routes = format!(
        "  - match: [{{headers: {{env: {{exact: canary}}}}}}, {{headers: {{env: {{prefix: dev-}}}}}}, {{headers: {{env: {{regex: \"q[0-9]+\"}}}}}}]
    route: [{{destination: {{host: $CASE.test, subset: v2}}}}]
  - match: [{{headers: {{tenant: {{}}}}, withoutHeaders: {{env: {{exact: live}}}}}}]
    route: [{{destination: {{host: $CASE.test, subset: v2}}}}]
{TO_V1}"
    );
    dubbo.service(stage, GREETER, &routes).await?;
    for (attachments, server) in [
        (json!({}), "v1"),
        (json!({"env": "canary"}), "v2"),
        (json!({"env": "canary2"}), "v1"),
        (json!({"env": "dev-1"}), "v2"),
        (json!({"env": "q17"}), "v2"),
        (json!({"tenant": "gold"}), "v2"),
        (json!({"tenant": "gold", "env": "live"}), "v1"),
    ] {
        let request = json!({"attachments": attachments, "calls": 5});
        let served = dubbo.call(stage, request).await?;
        served.all_by(server, 5).context(attachments.to_string())?;
    }
    Ok(())
}

/// Each rule is for one value of `rule`, and leads to v2.
const WITHOUT: &str =
    "  - match: [{headers: {rule: {exact: prefix}}, withoutHeaders: {env: {prefix: dev-}}}]
    route: [{destination: {host: $CASE.test, subset: v2}}]
  - match: [{headers: {rule: {exact: absent}}, withoutHeaders: {env: {}}}]
    route: [{destination: {host: $CASE.test, subset: v2}}]
  - match: [{headers: {rule: {exact: letters}}, withoutHeaders: {env: {regex: \"[a-z]*\"}}}]
    route: [{destination: {host: $CASE.test, subset: v2}}]
";

async fn without_attachment(stage: &Stage<'_>) -> Result<()> {
    let dubbo = Dubbo::of(stage).await?;
    let routes = format!("{WITHOUT}{TO_V1}");
    dubbo.service(stage, GREETER, &routes).await?;
    for (attachments, server) in [
        (json!({"rule": "prefix"}), "v2"),
        (json!({"rule": "prefix", "env": "live"}), "v2"),
        (json!({"rule": "prefix", "env": "dev-1"}), "v1"),
        (json!({"rule": "absent"}), "v2"),
        (json!({"rule": "absent", "env": "live"}), "v1"),
        (json!({"rule": "letters"}), "v2"),
        (json!({"rule": "letters", "env": "17"}), "v2"),
        (json!({"rule": "letters", "env": "live"}), "v1"),
    ] {
        let request = json!({"attachments": attachments, "calls": 3});
        let served = dubbo.call(stage, request).await?;
        served.all_by(server, 3).context(attachments.to_string())?;
    }
    Ok(())
}

async fn ignore_case(stage: &Stage<'_>) -> Result<()> {
    let dubbo = Dubbo::of(stage).await?;
    let routes = format!(
        "  - match: [{{headers: {{env: {{exact: canary}}}}}}, {{headers: {{zone: {{exact: a}}}}}}]
    route: [{{destination: {{host: $CASE.test, subset: v2}}}}]
{TO_V1}"
    );
    let annotated =
        "namespace: $NAMESPACE, annotations: {aeraki.net/ignore-case: env}}\nspec:\n  hosts";
    let rule = rules("$CASE.test", &routes);
    stage
        .apply(&rule.replace("namespace: $NAMESPACE}\nspec:\n  hosts", annotated))
        .await?;
    dubbo.service(stage, GREETER, "").await?;
    for (attachments, server) in [
        (json!({"env": "canary"}), "v2"),
        (json!({"env": "CaNaRy"}), "v2"),
        (json!({"env": "live"}), "v1"),
        (json!({"zone": "a"}), "v2"),
        (json!({"zone": "A"}), "v1"),
    ] {
        let request = json!({"attachments": attachments, "calls": 3});
        let served = dubbo.call(stage, request).await?;
        served.all_by(server, 3).context(attachments.to_string())?;
    }
    Ok(())
}

async fn refused_regex(stage: &Stage<'_>) -> Result<()> {
    let dubbo = Dubbo::of(stage).await?;
    let routes = format!(
        "  - match: [{{headers: {{env: {{regex: \"(?=look)ahead\"}}}}}}, {{headers: {{env: {{exact: canary}}}}}}]
    route: [{{destination: {{host: $CASE.test, subset: v2}}}}]
  - match: [{{method: {{regex: \"gr(\"}}}}]
    route: [{{destination: {{host: $CASE.test, subset: v2}}}}]
{TO_V1}"
    );
    dubbo.service(stage, GREETER, &routes).await?;
    for (env, server) in [("canary", "v2"), ("lookahead", "v1"), ("ahead", "v1")] {
        let request = json!({"attachments": {"env": env}, "calls": 3});
        let served = dubbo.call(stage, request).await?;
        served.all_by(server, 3).context(env)?;
    }
    Ok(())
}

async fn pseudo(stage: &Stage<'_>) -> Result<()> {
    let dubbo = Dubbo::of(stage).await?;
    // Each is a rule's only condition once.
    let routes = format!(
        "  - match: [{{headers: {{path: {{exact: net.aeraki.conformance.Teller}}}}}}]
    route: [{{destination: {{host: $CASE.test, subset: v2}}}}]
  - match: [{{method: {{exact: greet}}, headers: {{group: {{exact: blue}}}}}}]
    route: [{{destination: {{host: $CASE.test, subset: v2}}}}]
  - match: [{{method: {{exact: bye}}, headers: {{version: {{prefix: \"2.\"}}}}}}]
    route: [{{destination: {{host: $CASE.test, subset: v2}}}}]
{TO_V1}"
    );
    let any = "dubbo.aeraki.io/group: \"*\", dubbo.aeraki.io/version: \"*\"";
    dubbo.annotated(stage, any, &routes).await?;
    let blue = json!({"group": "blue", "version": "2.0.0"});
    for (interface, method, of, server) in [
        ("Teller", "tell", &json!({}), "v2"),
        ("Greeter", "greet", &json!({}), "v1"),
        ("Greeter", "greet", &blue, "v2"),
        ("Greeter", "bye", &json!({}), "v1"),
        ("Greeter", "bye", &blue, "v2"),
        ("Greeter", "add", &blue, "v1"),
    ] {
        let mut request = json!({"interfaceName": interface, "method": method, "calls": 3});
        request["group"] = of["group"].clone();
        request["version"] = of["version"].clone();
        let served = dubbo.call(stage, request.clone()).await?;
        served.all_by(server, 3).context(request.to_string())?;
    }
    Ok(())
}
