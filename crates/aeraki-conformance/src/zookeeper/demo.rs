//! What a sidecar sees of a port by its name.

use anyhow::Result;
use futures::FutureExt as _;
use serde_json::json;

use super::ZooKeeper;
use crate::case::Stage;
use crate::demo::{Act, Answer, Demo};

pub(crate) const DEMO: Demo = Demo {
    protocol: "zookeeper",
    settings: &[],
    begin: |stage| async { ZooKeeper::of(stage).await.map(drop) }.boxed_local(),
    acts: &[
        Act {
            title: "A port with a name that says nothing: plain TCP",
            rule: "
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: $CASE, namespace: $NAMESPACE}
spec:
  hosts: [zk.$CASE.test]
  addresses: [$VIP1]
  ports: [{number: 2181, name: tcp-ensemble, protocol: TCP}]
  resolution: STATIC
  workloadSelector: {labels: {app: zookeeper, version: v1}}
",
        },
        Act {
            title: "The same port as `tcp-zookeeper`: the sidecar counts each opcode",
            rule: "
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: $CASE, namespace: $NAMESPACE}
spec:
  hosts: [zk.$CASE.test]
  addresses: [$VIP1]
  ports: [{number: 2181, name: tcp-zookeeper, protocol: TCP}]
  resolution: STATIC
  workloadSelector: {labels: {app: zookeeper, version: v1}}
",
        },
    ],
    call: |stage| calls(stage).boxed_local(),
};

async fn calls(stage: &Stage<'_>) -> Result<Vec<Answer>> {
    let zookeeper = ZooKeeper::of(stage).await?;
    let path = format!("/demo-{}", stage.unique());
    // A session of its own each time: an open one stays what it was.
    zookeeper.open(stage, &stage.vip(1)).await?;
    let mut answers = Vec::new();
    for (what, counter) in [
        ("create", "create_rq"),
        ("set", "setdata_rq"),
        ("get", "getdata_rq"),
        ("delete", "delete_rq"),
    ] {
        let before = zookeeper.count(stage, counter).await?;
        let request = json!({"path": path, "value": "1"});
        zookeeper.ask(stage, what, request).await?;
        let is_counted = zookeeper.count(stage, counter).await? > before;
        let seen = if is_counted { "counted" } else { "unseen" };
        answers.push(Answer::one(what, seen));
    }
    zookeeper.close(stage).await?;
    Ok(answers)
}
