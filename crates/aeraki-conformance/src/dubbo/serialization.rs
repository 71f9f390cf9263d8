//! How arguments are written: Envoy reads Hessian2 alone, and Dubbo 3.2 would rather write fastjson2.

use anyhow::{Context as _, Result, ensure};
use futures::FutureExt as _;
use serde_json::json;

use super::{Dubbo, GREETER, PORT, TO_V1, java};
use crate::case::{Case, Stage, Turn};
use crate::served::Served;

pub(super) const CASES: &[Case] = &[
    Case {
        name: "dubbo/other-serialization",
        proves: "a call that is not serialized by Hessian2 fails at the sidecar, which counts it",
        turn: Turn::Shared,
        run: |stage| other_serialization(stage).boxed_local(),
    },
    Case {
        name: "dubbo/version-3-2",
        proves: "Dubbo 3.2: what a registry tells of a provider makes calls fail, unless it has the documented settings; called by URL it needs none",
        turn: Turn::Shared,
        run: |stage| version_3_2(stage).boxed_local(),
    },
];

async fn other_serialization(stage: &Stage<'_>) -> Result<()> {
    let dubbo = Dubbo::of(stage).await?;
    dubbo.service(stage, GREETER, TO_V1).await?;
    let request = json!({"parameters": "serialization=fastjson2", "calls": 2, "fresh": true});
    dubbo.call(stage, request).await?.none(2, "")?;
    let undecoded = undecoded(stage, &dubbo, "$CASE.test").await?;
    ensure!(
        undecoded > 0,
        "the sidecar had no trouble to read the calls"
    );
    // The next one that it can read passes.
    dubbo.call(stage, json!({})).await?.all_by("v1", 1)
}

/// How many messages to this host the client's sidecar could not read.
async fn undecoded(stage: &Stage<'_>, dubbo: &Dubbo, host: &str) -> Result<u64> {
    let prefix = stage.fill(&format!("dubbo.outbound|20880||{host}."));
    let counter = [prefix.as_str(), "request_decoding_error"];
    dubbo.pod.count(&counter).await
}

const VERSION: &str = "3.2.16";

/// As `docs/protocols/dubbo.md` says it.
const DOCUMENTED: [&str; 2] = [
    "-Ddubbo.provider.serialization=hessian2",
    "-Ddubbo.provider.prefer-serialization=hessian2",
];

async fn version_3_2(stage: &Stage<'_>) -> Result<()> {
    let dubbo = Dubbo::of(stage).await?;
    let unset = provider(stage, &dubbo, "unset", 20891, &[]).await?;
    let set = provider(stage, &dubbo, "set", 20892, &DOCUMENTED).await?;
    let newer = published(&dubbo.v1.log("provider")?)?;
    let server = dubbo.v1.address().to_string();
    for (name, vip, port) in [
        ("unset", "$VIP1", 20891),
        ("set", "$VIP2", 20892),
        ("newer", "$VIP3", PORT),
    ] {
        stage.apply(&service(name, vip, &server, port)).await?;
    }
    stage.settled().await?;
    let consumer = java(stage, &dubbo.pod, VERSION, &[], "Consumer")?;
    let consumer = stage.client(&dubbo.pod, stage.case(), consumer)?;
    let call = async |which: u8, parameters: &str| {
        let request = json!({
            "address": format!("{}:{PORT}", stage.vip(which)), "interfaceName": "Greeter", "method": "greet",
            "parameters": parameters, "calls": 1, "fresh": true,
        });
        Served::of(&consumer.ask(&request).await?)
    };
    call(1, "").await?.all_by("unset", 1)?;
    call(2, &set).await?.all_by("set", 1)?;
    call(3, &newer).await?.all_by("v1", 1)?;
    call(1, &unset).await?.none(1, "TimeoutException")?;
    let count = undecoded(stage, &dubbo, "unset.$CASE.test").await?;
    ensure!(count > 0, "the sidecar could read what {unset} led to");
    Ok(())
}

/// Runs a provider beside v1; what a registry would tell of it.
async fn provider(
    stage: &Stage<'_>,
    dubbo: &Dubbo,
    name: &str,
    port: u16,
    settings: &[&str],
) -> Result<String> {
    let mut command = java(stage, &dubbo.v1, VERSION, settings, "Provider")?;
    command.args([name, &port.to_string()]);
    let program = format!("{}-{name}", stage.case());
    stage.serve(&dubbo.v1, &program, command).await?;
    published(&dubbo.v1.log(&program)?)
}

/// What a registry would tell of a provider with this log: the parameters of its URL that are about serialization.
fn published(log: &str) -> Result<String> {
    let mut lines = log.lines();
    let url = lines.find_map(|line| line.strip_prefix("published "));
    let (_, parameters) = url.and_then(|url| url.split_once('?')).context("no URL")?;
    let all = parameters.split('&');
    let about: Vec<_> = all.filter(|it| it.contains("serialization=")).collect();
    Ok(about.join("&"))
}

fn service(name: &str, vip: &str, server: &str, port: u16) -> String {
    format!(
        "
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: $CASE-{name}, namespace: $NAMESPACE, annotations: {{interface: {GREETER}}}}}
spec:
  hosts: [{name}.$CASE.test]
  addresses: [{vip}]
  ports: [{{number: 20880, name: tcp-dubbo, protocol: TCP, targetPort: {port}}}]
  resolution: STATIC
  endpoints: [{{address: {server}}}]
"
    )
}
