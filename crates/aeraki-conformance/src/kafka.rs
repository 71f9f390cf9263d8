//! Kafka: a real broker (KRaft), and a client. Stock proxies lack Kafka's filter; what is proven is that they are never
//! given it. The filter itself is held against its descriptor by proto-kafka's tests.

use std::fs;
use std::sync::Arc;

use anyhow::{Result, bail, ensure};
use futures::FutureExt as _;
use serde_json::{Value, json};

use crate::case::{Case, Stage, Turn};
use crate::client::Client;
use crate::mesh::{Mesh, Pod, PodOptions, Settings};
use crate::wait::until_so;

pub(crate) use demo::DEMO;

mod demo;

const NAMESPACE: &str = "kafka";
const PORT: u16 = 9092;
const ON: Settings = &[("AERAKI_ENABLE_PROTOCOL", "kafka")];

pub(crate) const CASES: &[Case] = &[
    Case {
        name: "kafka/off",
        proves: "Kafka is off by default: a port `tcp-kafka` stays plain TCP",
        turn: Turn::Shared,
        run: |stage| off(stage).boxed_local(),
    },
    Case {
        name: "kafka/gated",
        proves: "switched on: proxies without the node metadata get no filter, refuse nothing and pass all calls",
        turn: Turn::Alone,
        run: |stage| gated(stage).boxed_local(),
    },
];

struct Kafka {
    client: Client,
    broker: Arc<Pod>,
}

impl Kafka {
    async fn of(stage: &Stage<'_>) -> Result<Arc<Self>> {
        stage.shared(Self::start).await
    }

    async fn start(mesh: &Mesh) -> Result<Self> {
        let pod = mesh.pod(&PodOptions::new(NAMESPACE, "client")).await?;
        Ok(Self {
            client: mesh.python(&pod, NAMESPACE, "client.py")?,
            broker: broker(mesh).await?,
        })
    }

    /// Sends some and reads them again. The broker names its own address, which is a service of the case too.
    async fn passes(&self, stage: &Stage<'_>, topic: &str) -> Result<()> {
        let values = json!([format!("{topic} 1"), format!("{topic} 2")]);
        let ask = async |mut request: Value| {
            request["host"] = stage.vip(1).into();
            request["port"] = PORT.into();
            request["topic"] = topic.into();
            let answer = self.client.ask(&request).await?;
            match answer.get("error") {
                Some(error) => bail!("{request}: {error}"),
                None => Ok(answer),
            }
        };
        let sent = ask(json!({"do": "send", "values": values})).await?;
        ensure!(sent == json!({}), "{sent} is no answer to what is sent");
        let read = ask(json!({"do": "read", "count": 2})).await?;
        ensure!(
            read["values"] == values,
            "{values} was sent, and {read} read"
        );
        Ok(())
    }
}

/// One that is its own controller, in a pod `broker`.
async fn broker(mesh: &Mesh) -> Result<Arc<Pod>> {
    let options = PodOptions::new(NAMESPACE, "broker").label("app", "kafka");
    let pod = mesh.pod(&options).await?;
    let directory = mesh.bed().directory().join("kafka");
    fs::create_dir_all(&directory)?;
    let settings = directory.join("server.properties");
    let text = format!(
        "\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:9093
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://0.0.0.0:{PORT},CONTROLLER://127.0.0.1:9093
advertised.listeners=PLAINTEXT://{}:{PORT}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={}
offsets.topic.replication.factor=1
",
        pod.address(),
        directory.join("log").display(),
    );
    fs::write(&settings, text)?;
    let java = |main: &str| -> Result<std::process::Command> {
        let mut command = pod.command("java");
        command
            .args(["-Xmx256m", "-cp"])
            .arg(mesh.application(NAMESPACE)?.join("*"))
            .arg(main);
        Ok(command)
    };
    let mut format = java("kafka.tools.StorageTool")?;
    format
        .args([
            "format",
            "--cluster-id",
            "MkU3OEVBNTcwNTJENDM2Qk",
            "--config",
        ])
        .arg(&settings);
    let formatted = format.output()?;
    ensure!(
        formatted.status.success(),
        "the broker's log: {formatted:?}"
    );
    let mut serve = java("kafka.Kafka")?;
    serve.arg(&settings);
    pod.run(mesh, "kafka", serve)?;
    // By a client beside it, without any sidecar between.
    let beside = mesh.python(&pod, NAMESPACE, "client.py")?;
    until_so("Kafka serves", async || {
        pod.still_runs("kafka")?;
        let probe = json!({
            "do": "send", "host": "127.0.0.1", "port": PORT, "topic": "probe", "values": ["x"],
        });
        Ok(beside.ask(&probe).await?.get("error").is_none())
    })
    .await?;
    Ok(pod)
}

/// The broker at an address for all, and at the one that it names itself.
fn services(broker: &str) -> String {
    let service = |name: &str, address: &str| {
        format!(
            "
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: {name}, namespace: $NAMESPACE}}
spec:
  hosts: [{name}.test]
  addresses: [\"{address}\"]
  ports: [{{number: {PORT}, name: tcp-kafka, protocol: TCP}}]
  resolution: STATIC
  workloadSelector: {{labels: {{app: kafka}}}}
"
        )
    };
    service("$CASE", "$VIP1") + &service("$CASE-0", broker)
}

async fn off(stage: &Stage<'_>) -> Result<()> {
    let kafka = Kafka::of(stage).await?;
    stage
        .apply(&services(&kafka.broker.address().to_string()))
        .await?;
    stage.settled().await?;
    let filters = made(stage).await?;
    ensure!(filters.is_empty(), "there are EnvoyFilters: {filters:?}");
    kafka.passes(stage, "off").await
}

async fn gated(stage: &Stage<'_>) -> Result<()> {
    let kafka = Kafka::of(stage).await?;
    stage
        .apply(&services(&kafka.broker.address().to_string()))
        .await?;
    stage
        .with_settings(ON, async || passes_gated(stage, &kafka).await)
        .await?;
    stage.settled().await?;
    kafka.passes(stage, "off-again").await
}

async fn passes_gated(stage: &Stage<'_>, kafka: &Kafka) -> Result<()> {
    stage.settled().await?;
    let filters = made(stage).await?;
    let gate = json!({"AERAKI_KAFKA": "true"});
    ensure!(!filters.is_empty(), "no EnvoyFilter, although Kafka is on");
    for filter in &filters {
        for patch in filter["spec"]["configPatches"]
            .as_array()
            .into_iter()
            .flatten()
        {
            let metadata = &patch["match"]["proxy"]["metadata"];
            ensure!(*metadata == gate, "a patch without the gate: {patch}");
        }
    }
    kafka.passes(stage, "gated").await
}

/// The EnvoyFilters that the case's services came to.
async fn made(stage: &Stage<'_>) -> Result<Vec<Value>> {
    let mut all = stage.objects().await?;
    all.retain(|object| object["kind"] == "EnvoyFilter");
    Ok(all)
}
