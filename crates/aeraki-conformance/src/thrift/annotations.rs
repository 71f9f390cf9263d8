//! What a service's annotations say of its Thrift.

use anyhow::{Context as _, Result, ensure};
use futures::FutureExt as _;
use serde_json::json;

use super::{PORT, Thrift, server};
use crate::case::{Case, Stage, Turn};
use crate::served::Served;

pub(super) const CASES: &[Case] = &[
    Case {
        name: "thrift/service-name",
        proves: "the annotation `service-name`: a rule's method is one of each such service, and calls of other services fail",
        turn: Turn::Shared,
        run: |stage| service_name(stage).boxed_local(),
    },
    Case {
        name: "thrift/strip-service-name",
        proves: "the annotation `strip-service-name`: the server gets the method alone",
        turn: Turn::Shared,
        run: |stage| strip_service_name(stage).boxed_local(),
    },
    Case {
        name: "thrift/strip-service-name-inbound",
        proves: "the same by the server's sidecar, of a caller who speaks Thrift to it without one of his own",
        turn: Turn::Shared,
        run: |stage| strip_inbound(stage).boxed_local(),
    },
    Case {
        name: "thrift/transport",
        proves: "the annotation `transport`, `framed`, `unframed` or `header`: who speaks it is served, and who speaks another is cut off",
        turn: Turn::Shared,
        run: |stage| transport(stage).boxed_local(),
    },
    Case {
        name: "thrift/protocol",
        proves: "the annotation `protocol`: who speaks it is served, and who speaks the other is cut off",
        turn: Turn::Shared,
        run: |stage| protocol(stage).boxed_local(),
    },
];

const BYE_TO_V2: &str = "  - match: [{method: {exact: SayBye}}]
    route: [{destination: {host: $CASE.test, subset: v2}}]
  - route: [{destination: {host: $CASE.test, subset: v1}}]
";

async fn service_name(stage: &Stage<'_>) -> Result<()> {
    let thrift = Thrift::of(stage).await?;
    let names = "thrift.aeraki.io/service-name: \"Greeter,Clock\"";
    let own = "  - match: [{method: {exact: SayBye}}, {method: {exact: \"Clock:SayHello\"}}]";
    let rules = BYE_TO_V2.replace("  - match: [{method: {exact: SayBye}}]", own);
    thrift.annotated(stage, names, &rules).await?;
    for (method, server) in [
        ("Clock:SayHello", "v2"),
        ("Greeter:SayBye", "v2"),
        ("Clock:SayBye", "v2"),
        ("Greeter:SayHello", "v1"),
    ] {
        let served = thrift.call(stage, method, json!({"calls": 3})).await?;
        served.all_by(server, 3)?;
    }
    for nobodys in ["Greeter2:SayBye", "SayBye"] {
        let served = thrift.call(stage, nobodys, json!({"calls": 2})).await?;
        served.none(2, "")?;
    }
    Ok(())
}

async fn strip_service_name(stage: &Stage<'_>) -> Result<()> {
    let thrift = Thrift::of(stage).await?;
    let strip =
        "thrift.aeraki.io/service-name: Greeter, thrift.aeraki.io/strip-service-name: \"true\"";
    thrift.annotated(stage, strip, BYE_TO_V2).await?;
    let calls = json!({"calls": 4});
    let served = thrift.call(stage, "Greeter:SayStripped", calls).await?;
    served.all_by("v1", 4)?;
    let stripped = thrift.calls_of(&thrift.v1, "SayStripped").await?;
    ensure!(
        stripped == 4,
        "the server had {stripped} calls of 4 by the method alone"
    );
    Ok(())
}

/// The server is the case's own: of several services of one server the oldest says what its sidecar does.
async fn strip_inbound(stage: &Stage<'_>) -> Result<()> {
    let thrift = Thrift::of(stage).await?;
    let server = server(stage, "stripped").await?;
    let service = "\
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata:
  name: $CASE
  namespace: $NAMESPACE
  annotations: {thrift.aeraki.io/strip-service-name: \"true\"}
spec:
  hosts: [$CASE.test]
  addresses: [$VIP1]
  ports: [{number: 9090, name: tcp-thrift, protocol: TCP}]
  resolution: STATIC
  workloadSelector: {labels: {version: stripped}}
";
    stage.apply(service).await?;
    stage.settled().await?;
    // By the pod's own address, of which the client's sidecar knows nothing.
    let address = format!("{}:{PORT}", server.address());
    let request = json!({"address": address, "method": "Greeter:SayStripped", "calls": 4});
    Served::of(&thrift.client.ask(&request).await?)?.all_by("stripped", 4)?;
    let stripped = thrift.calls_of(&server, "SayStripped").await?;
    ensure!(
        stripped == 4,
        "the server had {stripped} calls of 4 by the method alone"
    );
    Ok(())
}

async fn transport(stage: &Stage<'_>) -> Result<()> {
    const ALL: [&str; 3] = ["framed", "unframed", "header"];
    let thrift = Thrift::of(stage).await?;
    for wanted in ALL {
        let annotation = format!("thrift.aeraki.io/transport: {wanted}");
        thrift.annotated(stage, &annotation, BYE_TO_V2).await?;
        for spoken in ALL {
            // Whoever is connected already is served as before.
            let form = json!({"transport": spoken, "calls": 2, "fresh": true});
            let served = thrift.call(stage, "SayBye", form).await?;
            let as_wanted = if spoken == wanted {
                served.all_by("v2", 2)
            } else {
                served.none(2, "")
            };
            as_wanted.with_context(|| format!("{wanted} is wanted, {spoken} spoken"))?;
        }
    }
    Ok(())
}

async fn protocol(stage: &Stage<'_>) -> Result<()> {
    let thrift = Thrift::of(stage).await?;
    let compact = "thrift.aeraki.io/protocol: compact";
    thrift.annotated(stage, compact, BYE_TO_V2).await?;
    let calls = json!({"protocol": "compact", "calls": 3});
    thrift.call(stage, "SayBye", calls).await?.all_by("v2", 3)?;
    let binary = json!({"protocol": "binary", "calls": 1});
    thrift.call(stage, "SayBye", binary).await?.none(1, "")
}
