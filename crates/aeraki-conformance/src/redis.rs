//! Redis: real servers, and the client library that applications use.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};

use crate::case::{Case, Stage};
use crate::client::Client;
use crate::mesh::{Mesh, Pod, PodOptions};
use crate::wait::until_so;

pub(crate) use demo::DEMO;
pub(crate) use measure::{LOAD, SUBJECT};

mod cluster;
mod cluster_mode;
mod command_line;
mod credentials;
mod demo;
mod faults;
mod life;
mod listeners;
mod loopback;
mod measure;
mod mirrors;
mod pool;
mod read_policy;
mod remarks;
mod routing;
mod trouble;

/// The cases, by what they are about.
pub(crate) const CASES: [&[Case]; 13] = [
    routing::CASES,
    remarks::CASES,
    mirrors::CASES,
    faults::CASES,
    credentials::CASES,
    cluster_mode::CASES,
    read_policy::CASES,
    listeners::CASES,
    loopback::CASES,
    pool::CASES,
    command_line::CASES,
    life::CASES,
    trouble::CASES,
];

const NAMESPACE: &str = "redis";

/// The port of each server that has no other.
const PORT: u16 = 6379;

/// What the client's sidecar finds in a file and in a variable, if a filter refers to them.
const REFERENCE_FILE: &str = "/etc/redis/conformance/password";
const REFERENCE_IN_FILE: &str = "from-a-file";
const REFERENCE_VARIABLE: &str = "REDIS_CONFORMANCE_PASSWORD";
const REFERENCE_IN_VARIABLE: &str = "from-a-variable";

/// A client pod and two servers. Keys have the case's name in them, so cases never meet in a server.
struct Redis {
    client: Client,
    pod: Arc<Pod>,
    v1: Server,
    v2: Server,
}

impl Redis {
    async fn of(stage: &Stage<'_>) -> Result<Arc<Self>> {
        stage.shared(Self::start).await
    }

    async fn start(mesh: &Mesh) -> Result<Self> {
        let file = Path::new(REFERENCE_FILE);
        fs::create_dir_all(file.parent().context("the path was joined")?)?;
        fs::write(file, REFERENCE_IN_FILE)?;
        let options = PodOptions::new(NAMESPACE, "client")
            .metadata("AERAKI_REDIS_CREDENTIALS_REDIS", "true")
            .environment(REFERENCE_VARIABLE, REFERENCE_IN_VARIABLE);
        let pod = mesh.pod(&options).await?;
        Ok(Self {
            client: mesh.python(&pod, "redis", "client.py")?,
            v1: Server::of(mesh, "v1").await?,
            v2: Server::of(mesh, "v2").await?,
            pod,
        })
    }

    /// What a service's address answers to these commands, each of which must be answered with a value.
    async fn values(&self, address: &str, commands: &[&[&str]]) -> Result<Vec<Value>> {
        let answers = call(&self.client, &Target::at(address, PORT), commands).await?;
        answers.into_iter().map(value).collect()
    }

    /// The same for one command.
    async fn value(&self, address: &str, command: &[&str]) -> Result<Value> {
        let mut values = self.values(address, &[command]).await?;
        values.pop().context("one command has one answer")
    }

    /// The one answer to one command, value or error.
    async fn answer(&self, target: &Target<'_>, command: &[&str]) -> Result<Value> {
        let mut answers = call(&self.client, target, &[command]).await?;
        answers.pop().context("one command has one answer")
    }

    /// Which of the servers have the key: `v1`, `v2`, `both` or `none`.
    async fn has(&self, key: &str) -> Result<&'static str> {
        let exists = ["EXISTS", key];
        let (v1, v2) = (self.v1.value(&exists).await?, self.v2.value(&exists).await?);
        Ok(match (v1 == json!(1), v2 == json!(1)) {
            (true, false) => "v1",
            (false, true) => "v2",
            (true, true) => "both",
            (false, false) => "none",
        })
    }

    /// Fails unless a SET of the key through this address lands on these servers.
    async fn lands(&self, address: &str, key: &str, wanted: &str) -> Result<()> {
        self.value(address, &["SET", key, "1"]).await?;
        let found = self.has(key).await?;
        ensure!(found == wanted, "{key} is on {found}, not on {wanted}");
        Ok(())
    }
}

/// A server, and a client beside it that asks it without any sidecar between.
struct Server {
    pod: Arc<Pod>,
    beside: Client,
}

impl Server {
    async fn of(mesh: &Mesh, version: &str) -> Result<Self> {
        let options = PodOptions::new(NAMESPACE, &format!("server-{version}"))
            .label("app", "redis")
            .label("version", version);
        let pod = mesh.pod(&options).await?;
        let beside = mesh.python(&pod, "redis", "client.py")?;
        let server = Self { pod, beside };
        server.serve(mesh, PORT, &[]).await?;
        Ok(server)
    }

    /// Runs a server on another port of the pod, and waits until it answers.
    async fn serve(&self, mesh: &Mesh, port: u16, arguments: &[&str]) -> Result<()> {
        let mut command = self.pod.command("redis-server");
        command
            .args(["--port", &port.to_string(), "--protected-mode", "no"])
            .args(["--save", "", "--appendonly", "no"])
            .args(arguments);
        self.pod.run(mesh, &format!("redis-{port}"), command)?;
        until_so("the server answers", async || {
            self.pod.still_runs(&format!("redis-{port}"))?;
            let ping = call(&self.beside, &Target::at("127.0.0.1", port), &[&["PING"]]).await?;
            // One that wants a password is there as well.
            let said = ping[0].to_string();
            Ok(said.contains("value") || said.contains("uthentication"))
        })
        .await
    }

    fn address(&self) -> String {
        self.pod.address().to_string()
    }

    /// What the server itself answers to one command.
    async fn value(&self, command: &[&str]) -> Result<Value> {
        self.value_at(PORT, command).await
    }

    /// The same of a server on another port.
    async fn value_at(&self, port: u16, command: &[&str]) -> Result<Value> {
        let target = Target::at("127.0.0.1", port);
        let mut answers = call(&self.beside, &target, &[command]).await?;
        value(answers.pop().context("one command has one answer")?)
    }

    /// How often a server has been called with a command.
    async fn calls_at(&self, port: u16, command: &str) -> Result<u64> {
        let stats = self.value_at(port, &COMMAND_STATS).await?;
        Ok(calls_in(&stats, command))
    }
}

/// Asks a server how often it has been called.
const COMMAND_STATS: [&str; 2] = ["INFO", "commandstats"];

/// How often with a command, by the answer to that.
fn calls_in(stats: &Value, command: &str) -> u64 {
    let calls = &stats[format!("cmdstat_{command}")]["calls"];
    calls.as_u64().unwrap_or_default()
}

/// Where a client connects to, and as whom.
struct Target<'a> {
    host: &'a str,
    port: u16,
    username: Option<&'a str>,
    password: Option<&'a str>,
}

impl<'a> Target<'a> {
    fn at(host: &'a str, port: u16) -> Self {
        Self {
            host,
            port,
            username: None,
            password: None,
        }
    }

    fn user(mut self, username: &'a str, password: &'a str) -> Self {
        self.username = Some(username);
        self.password(password)
    }

    fn password(mut self, password: &'a str) -> Self {
        self.password = Some(password);
        self
    }
}

/// Calls on one connection: `{"value": …}` or `{"error": …}` for each.
async fn call(client: &Client, target: &Target<'_>, commands: &[&[&str]]) -> Result<Vec<Value>> {
    let mut request = json!({
        "do": "call",
        "host": target.host,
        "port": target.port,
        "commands": commands,
    });
    if let Some(username) = target.username {
        request["username"] = username.into();
    }
    if let Some(password) = target.password {
        request["password"] = password.into();
    }
    let mut answer = client.ask(&request).await?;
    match answer["answers"].take() {
        Value::Array(answers) => Ok(answers),
        other => bail!("no answers in {other}"),
    }
}

fn value(mut answer: Value) -> Result<Value> {
    match answer.get_mut("value").map(Value::take) {
        Some(value) => Ok(value),
        None => bail!("the call fails: {}", answer["error"]),
    }
}

/// Fails unless redis_proxy is between (or is not). It has no LASTSAVE; only plain TCP leads to the server's own.
async fn speaks_redis(client: &Client, host: &str, port: u16, is_so: bool) -> Result<()> {
    let lastsave: [&[&str]; 1] = [&["LASTSAVE"]];
    let mut answers = call(client, &Target::at(host, port), &lastsave).await?;
    let answer = answers.pop().context("one command has one answer")?;
    if is_so {
        refused(&answer, "unknown command")
    } else {
        value(answer).map(drop)
    }
}

/// Fails unless the answer is an error that says this.
fn refused(answer: &Value, says: &str) -> Result<()> {
    let error = answer["error"].as_str();
    let error = error.with_context(|| format!("it must fail with {says:?}, and gives {answer}"))?;
    ensure!(error.contains(says), "it says {error:?}, not {says:?}");
    Ok(())
}

/// A service of the case at `vip`, with the server at this address behind it. Its host is `<name>.<case>.test`.
fn service(name: &str, vip: &str, server: &str) -> String {
    service_at(name, vip, server, PORT)
}

/// The same with the server on another port.
fn service_at(name: &str, vip: &str, server: &str, port: u16) -> String {
    format!(
        "\
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata:
  name: $CASE-{name}
  namespace: $NAMESPACE
spec:
  hosts: [{name}.$CASE.test]
  addresses: [{vip}]
  ports: [{{number: 6379, name: tcp-redis, protocol: TCP, targetPort: {port}}}]
  resolution: STATIC
  endpoints: [{{address: {server}}}]
"
    )
}

/// A RedisService for the host `<name>.<case>.test`; `spec` is indented by two.
fn rules(name: &str, spec: &str) -> String {
    format!(
        "\
---
apiVersion: redis.aeraki.io/v1alpha1
kind: RedisService
metadata:
  name: $CASE-{name}
  namespace: $NAMESPACE
spec:
  host: [{name}.$CASE.test]
{spec}"
    )
}

/// Fails unless they are equal.
fn equal(what: &str, found: &Value, wanted: &Value) -> Result<()> {
    ensure!(found == wanted, "{what}: {found} instead of {wanted}");
    Ok(())
}
