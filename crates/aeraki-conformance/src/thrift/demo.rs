//! Shares, then a method and a header of their own.

use futures::FutureExt as _;
use serde_json::json;

use super::Thrift;
use crate::case::Stage;
use crate::demo::{ALL_TO_V1, Act, Answer, CANARY, Demo};

pub(crate) const DEMO: Demo = Demo {
    protocol: "thrift",
    settings: &[],
    begin: |stage| async { Thrift::of(stage).await?.service(stage, "").await }.boxed_local(),
    acts: &[
        ALL_TO_V1,
        CANARY,
        Act {
            title: "The method SayBye and the calls of tester to v2, all others to v1",
            rule: "
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: $CASE, namespace: $NAMESPACE}
spec:
  hosts: [$CASE.test]
  http:
  - match:
    - method: {exact: SayBye}
    - headers: {user: {exact: tester}}
    route: [{destination: {host: $CASE.test, subset: v2}}]
  - route: [{destination: {host: $CASE.test, subset: v1}}]
",
        },
    ],
    call: |stage| calls(stage).boxed_local(),
};

async fn calls(stage: &Stage<'_>) -> anyhow::Result<Vec<Answer>> {
    let thrift = Thrift::of(stage).await?;
    let mut answers = Vec::new();
    for (called, method, headers) in [
        ("SayHello()", "SayHello", json!({})),
        ("SayBye()", "SayBye", json!({})),
        (
            "SayHello(), user: tester",
            "SayHello",
            json!({"user": "tester"}),
        ),
    ] {
        // An open connection would keep its routes until the sidecar drains it.
        let request = json!({"transport": "header", "headers": headers, "calls": 5, "fresh": true});
        answers.extend(thrift.call(stage, method, request).await?.answers(called));
    }
    Ok(answers)
}
