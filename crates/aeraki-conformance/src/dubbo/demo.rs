//! Shares, then a method and an attachment of their own.

use futures::FutureExt as _;
use serde_json::json;

use super::{Dubbo, GREETER};
use crate::case::Stage;
use crate::demo::{ALL_TO_V1, Act, Answer, CANARY, Demo};

pub(crate) const DEMO: Demo = Demo {
    protocol: "dubbo",
    settings: &[],
    begin: |stage| {
        async { Dubbo::of(stage).await?.service(stage, GREETER, "").await }.boxed_local()
    },
    acts: &[
        ALL_TO_V1,
        CANARY,
        Act {
            title: "The method `bye` and the calls of tester to v2, all others to v1",
            rule: "
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: $CASE, namespace: $NAMESPACE}
spec:
  hosts: [$CASE.test]
  http:
  - match:
    - method: {exact: bye}
    - headers: {user: {exact: tester}}
    route: [{destination: {host: $CASE.test, subset: v2}}]
  - route: [{destination: {host: $CASE.test, subset: v1}}]
",
        },
    ],
    call: |stage| calls(stage).boxed_local(),
};

async fn calls(stage: &Stage<'_>) -> anyhow::Result<Vec<Answer>> {
    let dubbo = Dubbo::of(stage).await?;
    let mut answers = Vec::new();
    for (called, method, attachments) in [
        ("greet()", "greet", json!({})),
        ("bye()", "bye", json!({})),
        ("greet(), user: tester", "greet", json!({"user": "tester"})),
    ] {
        // An open connection would keep its routes until the sidecar drains it.
        let request =
            json!({"method": method, "attachments": attachments, "calls": 5, "fresh": true});
        answers.extend(dubbo.call(stage, request).await?.answers(called));
    }
    Ok(answers)
}
