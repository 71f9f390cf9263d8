//! What people see when something is wrong.

use anyhow::{Result, ensure};
use futures::FutureExt as _;
use serde_json::json;

use super::{PORT, Thrift};
use crate::case::{Case, Stage, Turn};
use crate::stranger::speaks_http;

pub(super) const CASES: &[Case] = &[
    Case {
        name: "thrift/other-protocol",
        proves: "who speaks HTTP to the port is cut off, counted, and disturbs nobody",
        turn: Turn::Shared,
        run: |stage| other_protocol(stage).boxed_local(),
    },
    Case {
        name: "thrift/dead-server",
        proves: "a call to a server that is down fails at once, by an exception that says so",
        turn: Turn::Shared,
        run: |stage| dead_server(stage).boxed_local(),
    },
    Case {
        name: "thrift/server-exception",
        proves: "an exception of the server comes to the client as it is, and the connection stays good",
        turn: Turn::Shared,
        run: |stage| server_exception(stage).boxed_local(),
    },
];

async fn other_protocol(stage: &Stage<'_>) -> Result<()> {
    let thrift = Thrift::of(stage).await?;
    thrift.service(stage, "").await?;
    let heard = speaks_http(stage, &thrift.pod, PORT).await?;
    ensure!(heard.is_closed && heard.text.is_empty(), "{heard:?}");
    let prefix = stage.fill("thrift.outbound|9090||$CASE.test");
    let undecoded = [prefix.as_str(), "request_decoding_error"];
    let count = thrift.pod.count(&undecoded).await?;
    ensure!(count == 1, "{count} request_decoding_error");
    let served = thrift.call(stage, "SayHello", json!({})).await?;
    ensure!(served.failures() == 0, "{served:?}");
    Ok(())
}

async fn dead_server(stage: &Stage<'_>) -> Result<()> {
    let thrift = Thrift::of(stage).await?;
    let address = thrift.v1.address();
    stage
        .apply(&format!(
            "\
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: $CASE, namespace: $NAMESPACE}}
spec:
  hosts: [$CASE.test]
  addresses: [$VIP1]
  ports: [{{number: 9090, name: tcp-thrift, protocol: TCP, targetPort: 9099}}]
  resolution: STATIC
  endpoints: [{{address: {address}}}]
"
        ))
        .await?;
    stage.settled().await?;
    let calls = json!({"calls": 2});
    let served = thrift.call(stage, "SayHello", calls).await?;
    served.none(2, "connection failure")
}

async fn server_exception(stage: &Stage<'_>) -> Result<()> {
    let thrift = Thrift::of(stage).await?;
    let to_v1 = "  - route: [{destination: {host: $CASE.test, subset: v1}}]\n";
    thrift.service(stage, to_v1).await?;
    let failed = thrift.call(stage, "Fail", json!({"calls": 2})).await?;
    failed.none(2, "as it was asked to")?;
    let calls = json!({"calls": 2});
    thrift.call(stage, "SayHello", calls).await?.all_by("v1", 2)
}
