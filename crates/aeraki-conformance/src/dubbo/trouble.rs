//! What people see when something is wrong.

use anyhow::{Result, ensure};
use futures::FutureExt as _;
use serde_json::json;

use super::{Dubbo, GREETER, NAMESPACE, NEW, OLD, PORT, TO_V1, java};
use crate::case::{Case, Stage, Turn};
use crate::client::Client;
use crate::mesh::{Pod, PodOptions};
use crate::served::Served;
use crate::stranger::speaks_http;

pub(super) const CASES: &[Case] = &[
    Case {
        name: "dubbo/other-protocol",
        proves: "who speaks HTTP to the port is cut off without an answer, counted, and disturbs nobody",
        turn: Turn::Shared,
        run: |stage| other_protocol(stage).boxed_local(),
    },
    Case {
        name: "dubbo/unknown-service",
        proves: "a call that has no route fails at once, with no other reason than the sidecar's counters",
        turn: Turn::Shared,
        run: |stage| unknown_service(stage).boxed_local(),
    },
    Case {
        name: "dubbo/dead-server",
        proves: "a call to a server that is down fails at once, with no other reason than the sidecar's counters",
        turn: Turn::Shared,
        run: |stage| dead_server(stage).boxed_local(),
    },
];

async fn other_protocol(stage: &Stage<'_>) -> Result<()> {
    let dubbo = Dubbo::of(stage).await?;
    dubbo.service(stage, GREETER, TO_V1).await?;
    let heard = speaks_http(stage, &dubbo.pod, PORT).await?;
    ensure!(heard.is_closed && heard.text.is_empty(), "{heard:?}");
    let prefix = stage.fill("dubbo.outbound|20880||$CASE.test.");
    let undecoded = [prefix.as_str(), "request_decoding_error"];
    let count = dubbo.pod.count(&undecoded).await?;
    ensure!(count == 1, "{count} request_decoding_error");
    dubbo.call(stage, json!({})).await?.all_by("v1", 1)
}

async fn unknown_service(stage: &Stage<'_>) -> Result<()> {
    let dubbo = Dubbo::of(stage).await?;
    dubbo.service(stage, GREETER, TO_V1).await?;
    let tell = json!({"interfaceName": "Teller", "method": "tell"});
    // Envoy writes its reason after a number, where Dubbo reads a text: consumers, old and new, say no more than `0`.
    for version in [OLD, NEW] {
        let served = dubbo.call_at(version, &stage.vip(1), tell.clone()).await?;
        served.none(1, "RemotingException: 0")?;
    }
    let prefix = stage.fill("dubbo.outbound|20880||$CASE.test.");
    let answered = [prefix.as_str(), "local_response_business_exception"];
    let count = dubbo.pod.count(&answered).await?;
    ensure!(count == 2, "{count} local_response_business_exception");
    Ok(())
}

/// In a pod of its own: Envoy 1.40 ends with the connection of such a call, see the limits in
/// `docs/protocols/dubbo.md`.
async fn dead_server(stage: &Stage<'_>) -> Result<()> {
    let dubbo = Dubbo::of(stage).await?;
    let address = dubbo.v1.address();
    let dead = format!(
        "\
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: $CASE, namespace: $NAMESPACE, annotations: {{interface: {GREETER}}}}}
spec:
  hosts: [$CASE.test]
  addresses: [$VIP1]
  ports: [{{number: 20880, name: tcp-dubbo, protocol: TCP, targetPort: 20899}}]
  resolution: STATIC
  endpoints: [{{address: {address}}}]
"
    );
    stage.apply(&dead).await?;
    let options = PodOptions::new(NAMESPACE, &format!("client-{}", stage.unique()));
    let calls = async |pod: &Pod| calls_the_dead(stage, pod).await;
    stage.with_pod(&options, calls).await
}

/// The consumers keep their connections, and so the sidecar its life, until they are dropped.
async fn calls_the_dead(stage: &Stage<'_>, pod: &Pod) -> Result<Vec<Client>> {
    stage.settled().await?;
    let request = json!({
        "address": format!("{}:{PORT}", stage.vip(1)), "interfaceName": "Greeter", "method": "greet",
        "parameters": "serialization=hessian2",
    });
    let mut consumers = vec![];
    for version in [OLD, NEW] {
        let command = java(stage, pod, version, &[], "Consumer")?;
        let consumer = stage.client(pod, &format!("consumer-{version}"), command)?;
        // Its own timeout would give another reason, after 5 s.
        let served = Served::of(&consumer.ask(&request).await?)?;
        served.none(1, "RemotingException: 0")?;
        consumers.push(consumer);
    }
    let prefix = stage.fill("dubbo.outbound|20880||$CASE.test.");
    let answered = [prefix.as_str(), "local_response_business_exception"];
    let count = pod.count(&answered).await?;
    ensure!(count == 2, "{count} local_response_business_exception");
    // When this is 0 one day, the limit is gone.
    let active = pod
        .sidecar()
        .stat(&format!("{prefix}request_active"))
        .await?;
    ensure!(active == Some(2), "request_active is {active:?}");
    Ok(consumers)
}
