//! What clients send to their sidecar, and what the sidecar sends to the server.

use anyhow::Result;
use futures::FutureExt as _;
use serde_json::json;

use super::{
    PORT, REFERENCE_FILE, REFERENCE_IN_FILE, REFERENCE_IN_VARIABLE, REFERENCE_VARIABLE, Redis,
    Target, equal, refused, rules, service, service_at, speaks_redis, value,
};
use crate::case::{Case, Stage, Turn};
use crate::mesh::PodOptions;

pub(super) const CASES: &[Case] = &[
    Case {
        name: "redis/downstream-auth",
        proves: "`settings.auth.plain`: each of its passwords is let in, a wrong one and none are not; no other namespace gets the filter that has them",
        turn: Turn::Shared,
        run: |stage| downstream(stage).boxed_local(),
    },
    Case {
        name: "redis/user-names",
        proves: "credentials with a user name, and the fields of a Secret that they stand in: of clients, and of the sidecar at the server",
        turn: Turn::Shared,
        run: |stage| user_names(stage).boxed_local(),
    },
    Case {
        name: "redis/downstream-auth-by-reference",
        proves: "`settings.auth.reference` to a variable and to a file of the sidecar, as `password` or as one of its `passwords`",
        turn: Turn::Shared,
        run: |stage| downstream_reference(stage).boxed_local(),
    },
    Case {
        name: "redis/upstream-auth",
        proves: "`connectionPool.redis.auth.plain`: the sidecar signs in to a server that wants a password",
        turn: Turn::Shared,
        run: |stage| upstream(stage).boxed_local(),
    },
    Case {
        name: "redis/upstream-auth-by-reference",
        proves: "`connectionPool.redis.auth.reference` to a file of the sidecar, with a user name from a variable",
        turn: Turn::Shared,
        run: |stage| upstream_reference(stage).boxed_local(),
    },
    Case {
        name: "redis/upstream-auth-by-secret",
        proves: "`connectionPool.redis.auth.secret`, and the Secret's change",
        turn: Turn::Shared,
        run: |stage| upstream_secret(stage).boxed_local(),
    },
    Case {
        name: "redis/reference-without-announcement",
        proves: "a sidecar that announces no credentials keeps plain TCP, and Redis itself asks for the password",
        turn: Turn::Shared,
        run: |stage| unannounced(stage).boxed_local(),
    },
];

/// A RedisDestination for `cache` of the case.
fn destination(annotations: &str, auth: &str) -> String {
    format!(
        "
---
apiVersion: redis.aeraki.io/v1alpha1
kind: RedisDestination
metadata:
  name: $CASE
  namespace: $NAMESPACE
  annotations: {{{annotations}}}
spec:
  host: cache.$CASE.test
  trafficPolicy:
    connectionPool:
      redis:
        auth: {auth}
"
    )
}

const INLINE: &str = "redis.aeraki.io/inline-credentials: \"true\"";

async fn downstream(stage: &Stage<'_>) -> Result<()> {
    let redis = Redis::of(stage).await?;
    let cache = service("cache", "$VIP1", &redis.v1.address());
    let auth = rules(
        "cache",
        "  settings: {auth: {plain: {passwords: [one, two]}}}\n",
    );
    let auth = auth.replace(
        "metadata:\n",
        &format!("metadata:\n  annotations: {{{INLINE}}}\n"),
    );
    stage.apply(&(cache + &auth)).await?;
    stage.settled().await?;
    let address = stage.vip(1);
    let set = ["SET", stage.case(), "1"];
    for password in ["one", "two"] {
        let target = Target::at(&address, PORT).password(password);
        value(redis.answer(&target, &set).await?)?;
    }
    let wrong = Target::at(&address, PORT).password("three");
    refused(&redis.answer(&wrong, &set).await?, "invalid")?;
    let none = Target::at(&address, PORT);
    refused(&redis.answer(&none, &set).await?, "uthentication required")?;
    let elsewhere = stage.pod(&PodOptions::new("elsewhere", "client")).await?;
    let client = stage.python(&elsewhere, "redis", "client.py")?;
    stage.settled().await?;
    speaks_redis(&client, &address, PORT, false).await
}

async fn user_names(stage: &Stage<'_>) -> Result<()> {
    let redis = Redis::of(stage).await?;
    // It lets nobody in but the user `app`.
    let app = ["--user", "app", "on", ">at-the-server", "~*", "+@all"];
    let others = ["--user", "default", "off"];
    let users = [&app[..], &others].concat();
    redis.v2.serve(stage, 6415, &users).await?;
    let secret = "
---
apiVersion: v1
kind: Secret
metadata: {name: $CASE, namespace: $NAMESPACE}
stringData: {who: client, old: one, new: two}
";
    let auth = "{secret: {name: $CASE, usernameField: who, passwordFields: [old, new]}}";
    let clients = rules("cache", &format!("  settings: {{auth: {auth}}}\n"));
    let clients = clients.replace(
        "metadata:\n",
        &format!("metadata:\n  annotations: {{{INLINE}}}\n"),
    );
    let server = destination(INLINE, "{plain: {username: app, password: at-the-server}}");
    let cache = service_at("cache", "$VIP1", &redis.v2.address(), 6415);
    stage.apply(&(cache + secret + &clients + &server)).await?;
    stage.settled().await?;
    let address = stage.vip(1);
    let set = ["SET", stage.case(), "1"];
    for password in ["one", "two"] {
        let client = Target::at(&address, PORT).user("client", password);
        value(redis.answer(&client, &set).await?)?;
    }
    let other = Target::at(&address, PORT).user("other", "one");
    refused(&redis.answer(&other, &set).await?, "invalid")
}

async fn downstream_reference(stage: &Stage<'_>) -> Result<()> {
    let redis = Redis::of(stage).await?;
    let variable = format!("{{environmentVariable: {REFERENCE_VARIABLE}}}");
    let file = format!("{{filename: {REFERENCE_FILE}}}");
    let auth = |name: &str, fields: &str| {
        let auth = format!("  settings: {{auth: {{reference: {{{fields}}}}}}}\n");
        rules(name, &auth)
    };
    let cache = service("cache", "$VIP1", &redis.v1.address())
        + &auth("cache", &format!("password: {variable}"));
    let users = service("users", "$VIP2", &redis.v2.address())
        + &auth("users", &format!("passwords: [{variable}, {file}]"));
    stage.apply(&(cache + &users)).await?;
    stage.settled().await?;
    let set = ["SET", stage.case(), "1"];
    let (one, several) = (stage.vip(1), stage.vip(2));
    for (address, password) in [
        (&one, REFERENCE_IN_VARIABLE),
        (&several, REFERENCE_IN_VARIABLE),
        (&several, REFERENCE_IN_FILE),
    ] {
        let right = Target::at(address, PORT).password(password);
        value(redis.answer(&right, &set).await?)?;
    }
    for address in [&one, &several] {
        let wrong = Target::at(address, PORT).password(REFERENCE_VARIABLE);
        refused(&redis.answer(&wrong, &set).await?, "invalid")?;
        let none = Target::at(address, PORT);
        refused(&redis.answer(&none, &set).await?, "uthentication required")?;
    }
    Ok(())
}

/// A server of its own that wants this, and a service with these credentials for it. The application knows no password.
async fn signs_in(stage: &Stage<'_>, port: u16, wants: &[&str], destination: &str) -> Result<()> {
    let redis = Redis::of(stage).await?;
    redis.v2.serve(stage, port, wants).await?;
    let cache = service_at("cache", "$VIP1", &redis.v2.address(), port);
    stage.apply(&(cache + destination)).await?;
    stage.settled().await?;
    let set_get: [&[&str]; 2] = [&["SET", stage.case(), "in"], &["GET", stage.case()]];
    let values = redis.values(&stage.vip(1), &set_get).await?;
    equal("what was set", &values[1], &json!("in"))
}

async fn upstream(stage: &Stage<'_>) -> Result<()> {
    let auth = destination(INLINE, "{plain: {password: open-sesame}}");
    signs_in(stage, 6411, &["--requirepass", "open-sesame"], &auth).await?;
    // Without the credentials it is Redis that refuses.
    stage.delete("RedisDestination", "$CASE").await?;
    stage.settled().await?;
    let redis = Redis::of(stage).await?;
    let address = stage.vip(1);
    let get = ["GET", stage.case()];
    refused(
        &redis.answer(&Target::at(&address, PORT), &get).await?,
        "uthentication required",
    )
}

async fn upstream_reference(stage: &Stage<'_>) -> Result<()> {
    let auth = format!(
        "{{reference: {{username: {{environmentVariable: {REFERENCE_VARIABLE}}}, password: {{filename: {REFERENCE_FILE}}}}}}}"
    );
    let password = format!(">{REFERENCE_IN_FILE}");
    let user = [
        "--user",
        REFERENCE_IN_VARIABLE,
        "on",
        &password,
        "~*",
        "+@all",
    ];
    let others = ["--user", "default", "off"];
    let wants = [&user[..], &others].concat();
    signs_in(stage, 6412, &wants, &destination("", &auth)).await
}

async fn upstream_secret(stage: &Stage<'_>) -> Result<()> {
    let secret = |password: &str| {
        format!(
            "
---
apiVersion: v1
kind: Secret
metadata: {{name: $CASE, namespace: $NAMESPACE}}
stringData: {{token: {password}}}
"
        )
    };
    let auth = secret("first") + &destination(INLINE, "{secret: {name: $CASE}}");
    signs_in(stage, 6413, &["--requirepass", "first"], &auth).await?;
    let redis = Redis::of(stage).await?;
    // Whoever is signed in stays so: only a new connection of the proxy's needs the new password.
    let target = Target::at("127.0.0.1", 6413).password("first");
    let change: [&[&str]; 1] = [&["CONFIG", "SET", "requirepass", "second"]];
    super::call(&redis.v2.beside, &target, &change).await?;
    stage.apply(&secret("second")).await?;
    stage.settled().await?;
    let value = redis.value(&stage.vip(1), &["GET", stage.case()]).await?;
    equal("what was set", &value, &json!("in"))
}

async fn unannounced(stage: &Stage<'_>) -> Result<()> {
    let redis = Redis::of(stage).await?;
    let plain = stage.pod(&PodOptions::new("redis", "plain")).await?;
    let client = stage.python(&plain, "redis", "client.py")?;
    let wants = ["--requirepass", REFERENCE_IN_FILE];
    redis.v2.serve(stage, 6414, &wants).await?;
    let cache = service_at("cache", "$VIP1", &redis.v2.address(), 6414);
    let auth = format!("{{reference: {{password: {{filename: {REFERENCE_FILE}}}}}}}");
    stage.apply(&(cache + &destination("", &auth))).await?;
    stage.settled().await?;
    let address = stage.vip(1);
    let set: [&[&str]; 1] = [&["SET", stage.case(), "1"]];
    let target = Target::at(&address, PORT);
    let answers = super::call(&client, &target, &set).await?;
    refused(&answers[0], "uthentication required")?;
    let target = Target::at(&address, PORT).password(REFERENCE_IN_FILE);
    let mut answers = super::call(&client, &target, &set).await?;
    value(answers.remove(0))?;
    redis.value(&address, &["SET", stage.case(), "1"]).await?;
    Ok(())
}
