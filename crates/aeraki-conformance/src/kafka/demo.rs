//! A filter that stock proxies lack, and messages that pass all the same.

use futures::FutureExt as _;

use super::Kafka;
use crate::case::Stage;
use crate::demo::{Act, Answer, Demo};

pub(crate) const DEMO: Demo = Demo {
    protocol: "kafka",
    settings: super::ON,
    begin: |stage| async { Kafka::of(stage).await.map(drop) }.boxed_local(),
    acts: &[Act {
        title: "Kafka is on; this sidecar does not announce that it has the filter, and stays as it is",
        rule: "
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: $CASE, namespace: $NAMESPACE}
spec:
  hosts: [$CASE.test]
  addresses: [$VIP1]
  ports: [{number: 9092, name: tcp-kafka, protocol: TCP}]
  resolution: STATIC
  workloadSelector: {labels: {app: kafka}}
",
    }],
    call: |stage| calls(stage).boxed_local(),
};

async fn calls(stage: &Stage<'_>) -> anyhow::Result<Vec<Answer>> {
    let kafka = Kafka::of(stage).await?;
    let topic = format!("demo-{}", stage.unique());
    let said = match kafka.passes(stage, &topic).await {
        Ok(()) => "passed",
        Err(_) => "failed",
    };
    Ok(vec![Answer::one("two messages sent and read", said)])
}
