//! ZooKeeper: real servers, and a client that keeps sessions. The filter routes nothing; what it counts is the feature.

use std::sync::Arc;

use anyhow::{Result, bail, ensure};
use futures::FutureExt as _;
use serde_json::{Value, json};

use crate::case::{Case, Stage, Turn};
use crate::client::Client;
use crate::mesh::{Mesh, Pod, PodOptions};
use crate::wait::{Seen, until, until_so};

pub(crate) use demo::DEMO;
pub(crate) use measure::LOAD;

mod demo;
mod listeners;
mod measure;
mod opcodes;
mod trouble;

const NAMESPACE: &str = "zookeeper";
const PORT: u16 = 2181;

/// The cases, by what they are about.
pub(crate) const CASES: [&[Case]; 4] = [USE, opcodes::CASES, listeners::CASES, trouble::CASES];

const USE: &[Case] = &[
    Case {
        name: "zookeeper/create-get-watch",
        proves: "a port `tcp-zookeeper`: calls and watches go through the filter, which counts each opcode",
        turn: Turn::Shared,
        run: |stage| create_get_watch(stage).boxed_local(),
    },
    Case {
        name: "zookeeper/inbound",
        proves: "the server's sidecar counts too, under the port's own name",
        turn: Turn::Shared,
        run: |stage| inbound(stage).boxed_local(),
    },
    Case {
        name: "zookeeper/latency-threshold",
        proves: "`latency-threshold` and an override: answers are counted as fast or slow, each opcode by its own threshold",
        turn: Turn::Shared,
        run: |stage| latency_threshold(stage).boxed_local(),
    },
    Case {
        name: "zookeeper/max-packet-bytes",
        proves: "`max-packet-bytes`: a bigger packet is counted as `decoder_error`, and passes all the same",
        turn: Turn::Shared,
        run: |stage| max_packet_bytes(stage).boxed_local(),
    },
    Case {
        name: "zookeeper/virtual-service",
        proves: "a VirtualService's `tcp` route is Istio's own: it leads to the subset, and the filter counts",
        turn: Turn::Shared,
        run: |stage| virtual_service(stage).boxed_local(),
    },
    Case {
        name: "zookeeper/open-session",
        proves: "changes of nothing and of other services leave an open session connected",
        turn: Turn::Shared,
        run: |stage| open_session(stage).boxed_local(),
    },
];

/// A client pod and two servers that know nothing of each other.
struct ZooKeeper {
    client: Client,
    pod: Arc<Pod>,
    v1: Arc<Pod>,
    v2: Arc<Pod>,
}

impl ZooKeeper {
    async fn of(stage: &Stage<'_>) -> Result<Arc<Self>> {
        stage.shared(Self::start).await
    }

    async fn start(mesh: &Mesh) -> Result<Self> {
        let pod = mesh.pod(&PodOptions::new(NAMESPACE, "client")).await?;
        let (v1, v2) = tokio::try_join!(server(mesh, "v1"), server(mesh, "v2"))?;
        Ok(Self {
            client: mesh.python(&pod, NAMESPACE, "client.py")?,
            pod,
            v1,
            v2,
        })
    }

    /// What a request on the case's session comes to, which must be a success.
    async fn ask(&self, stage: &Stage<'_>, what: &str, rest: Value) -> Result<Value> {
        let mut request = json!({"do": what, "connection": stage.case()});
        for (field, value) in rest.as_object().into_iter().flatten() {
            request[field] = value.clone();
        }
        let answer = self.client.ask(&request).await?;
        match answer.get("error") {
            Some(error) => bail!("{request}: {error}"),
            None => Ok(answer),
        }
    }

    async fn open(&self, stage: &Stage<'_>, host: &str) -> Result<()> {
        let target = json!({"host": host, "port": PORT});
        self.ask(stage, "open", target).await.map(drop)
    }

    async fn close(&self, stage: &Stage<'_>) -> Result<()> {
        self.ask(stage, "close", json!({})).await.map(drop)
    }

    /// A counter of the client's sidecar for the case's host, as `getdata_rq`.
    async fn count(&self, stage: &Stage<'_>, counter: &str) -> Result<u64> {
        let prefix = stage.fill("outbound|2181||zk.$CASE.test");
        counted(&self.pod, &prefix, counter).await
    }
}

/// One counter of the filter by its full name; 0 where there is none.
async fn counted(pod: &Pod, prefix: &str, counter: &str) -> Result<u64> {
    let name = format!("{prefix}.zookeeper.{counter}");
    Ok(pod.sidecar().stat(&name).await?.unwrap_or_default())
}

/// A server alone, in a pod `server-<version>`.
async fn server(mesh: &Mesh, version: &str) -> Result<Arc<Pod>> {
    let options = PodOptions::new(NAMESPACE, &format!("server-{version}"))
        .label("app", "zookeeper")
        .label("version", version);
    let pod = mesh.pod(&options).await?;
    let libraries = mesh.application(NAMESPACE)?.join("*");
    let data = mesh.bed().directory().join(format!("zookeeper-{version}"));
    let mut command = pod.command("java");
    command
        .args(["-Xmx128m", "-Dzookeeper.admin.enableServer=false", "-cp"])
        .arg(libraries)
        .args(["org.apache.zookeeper.server.ZooKeeperServerMain", "2181"])
        .arg(data);
    pod.run(mesh, "zookeeper", command)?;
    // By a session beside it, without any sidecar between.
    let beside = mesh.python(&pod, NAMESPACE, "client.py")?;
    until_so("ZooKeeper serves", async || {
        pod.still_runs("zookeeper")?;
        let open = json!({
            "do": "open", "connection": "probe", "host": "127.0.0.1", "port": PORT,
            // Who finds nobody at first waits in vain.
            "patience": 1,
        });
        let opened = beside.ask(&open).await;
        Ok(opened.is_ok_and(|answer| answer.get("error").is_none()))
    })
    .await?;
    let close = json!({"do": "close", "connection": "probe"});
    beside.ask(&close).await?;
    Ok(pod)
}

/// A service `zk.<case>.test` at `$VIP1` of the servers with this label, annotated so.
fn service(label: &str, annotations: &str) -> String {
    format!(
        "
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata:
  name: $CASE
  namespace: $NAMESPACE
  annotations: {{{annotations}}}
spec:
  hosts: [zk.$CASE.test]
  addresses: [$VIP1]
  ports: [{{number: 2181, name: tcp-zookeeper, protocol: TCP}}]
  resolution: STATIC
  workloadSelector: {{labels: {{{label}}}}}
"
    )
}

const V1: &str = "app: zookeeper, version: v1";

async fn settled(stage: &Stage<'_>, annotations: &str) -> Result<Arc<ZooKeeper>> {
    let zookeeper = ZooKeeper::of(stage).await?;
    stage.apply(&service(V1, annotations)).await?;
    stage.settled().await?;
    zookeeper.open(stage, &stage.vip(1)).await?;
    Ok(zookeeper)
}

fn equal(what: &str, found: &Value, wanted: &Value) -> Result<()> {
    ensure!(found == wanted, "{what}: {found} instead of {wanted}");
    Ok(())
}

/// Waits for a counter: the proxy counts an answer when it passes, and the client may have it first.
async fn counts(
    stage: &Stage<'_>,
    zookeeper: &ZooKeeper,
    counter: &str,
    wanted: u64,
) -> Result<()> {
    until(&format!("{counter} is {wanted}"), async || {
        let count = zookeeper.count(stage, counter).await?;
        ensure!(count <= wanted, "{counter} is {count}, not {wanted}");
        Ok(if count == wanted {
            Seen::There(())
        } else {
            Seen::Instead(count.to_string())
        })
    })
    .await
}

async fn create_get_watch(stage: &Stage<'_>) -> Result<()> {
    let zookeeper = settled(stage, "").await?;
    let path = stage.fill("/$CASE");
    let ask = async |what: &str, value: &str| {
        let request = json!({"path": path, "value": value});
        zookeeper.ask(stage, what, request).await
    };
    ask("create", "one").await?;
    equal(
        "what was created",
        &ask("watch", "").await?["value"],
        &json!("one"),
    )?;
    ask("set", "two").await?;
    equal(
        "what was set",
        &ask("get", "").await?["value"],
        &json!("two"),
    )?;
    equal(
        "whether it exists",
        &ask("exists", "").await?["value"],
        &json!(true),
    )?;
    until("the watch fires", async || {
        let told = zookeeper.ask(stage, "told", json!({})).await?;
        let wanted = json!([{"type": "CHANGED", "path": path}]);
        Ok(if told["fired"] == wanted {
            Seen::There(())
        } else {
            Seen::Instead(told.to_string())
        })
    })
    .await?;
    for (counter, wanted) in [
        ("connect_rq", 1),
        ("connect_resp", 1),
        ("create_rq", 1),
        ("create_resp", 1),
        ("getdata_rq", 2),
        ("getdata_resp", 2),
        ("setdata_rq", 1),
        ("setdata_resp", 1),
        ("exists_rq", 1),
        ("watch_event", 1),
        ("decoder_error", 0),
    ] {
        counts(stage, &zookeeper, counter, wanted).await?;
    }
    zookeeper.close(stage).await?;
    counts(stage, &zookeeper, "close_rq", 1).await
}

async fn inbound(stage: &Stage<'_>) -> Result<()> {
    let zookeeper = settled(stage, "").await?;
    let count = async || {
        let prefix = "inbound|2181||";
        counted(&zookeeper.v1, prefix, "getdata_rq").await
    };
    let path = stage.fill("/$CASE");
    let create = json!({"path": path, "value": "x"});
    zookeeper.ask(stage, "create", create).await?;
    let before = count().await?;
    for _ in 0..50 {
        zookeeper.ask(stage, "get", json!({"path": path})).await?;
    }
    // Other cases call the same server, so there may be more.
    let after = count().await?;
    ensure!(after >= before + 50, "{before} getdata_rq, then {after}");
    let other = counted(&zookeeper.v2, "inbound|2181||", "getdata_rq").await?;
    ensure!(other < 50, "the other server counts {other} of them");
    zookeeper.close(stage).await
}

async fn latency_threshold(stage: &Stage<'_>) -> Result<()> {
    let annotations = "zookeeper.aeraki.io/latency-threshold: 1h, \
         zookeeper.aeraki.io/latency-threshold-overrides: GetData=1ms";
    let zookeeper = settled(stage, annotations).await?;
    let path = stage.fill("/$CASE");
    let create = json!({"path": path, "value": "x"});
    zookeeper.ask(stage, "create", create).await?;
    counts(stage, &zookeeper, "create_resp_fast", 1).await?;
    counts(stage, &zookeeper, "create_resp_slow", 0).await?;
    // A server that stands still from before the request until it was seen to be under way.
    let server = &zookeeper.v1;
    server.signal("zookeeper", "STOP")?;
    let sent = zookeeper.ask(stage, "send", json!({"path": path})).await;
    let seen = until_so("the request is under way", async || {
        Ok(zookeeper.count(stage, "getdata_rq").await? == 1)
    })
    .await;
    // It must go on, whatever was seen: other cases use it.
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    server.signal("zookeeper", "CONT")?;
    sent?;
    seen?;
    zookeeper.ask(stage, "receive", json!({})).await?;
    counts(stage, &zookeeper, "getdata_resp_slow", 1).await?;
    counts(stage, &zookeeper, "getdata_resp_fast", 0).await?;
    zookeeper.close(stage).await
}

async fn max_packet_bytes(stage: &Stage<'_>) -> Result<()> {
    let limit = "zookeeper.aeraki.io/max-packet-bytes: \"512\"";
    let zookeeper = settled(stage, limit).await?;
    let path = stage.fill("/$CASE");
    let ask = async |what: &str, value: &str| {
        let request = json!({"path": path, "value": value});
        zookeeper.ask(stage, what, request).await
    };
    ask("create", "small").await?;
    counts(stage, &zookeeper, "decoder_error", 0).await?;
    let big = "x".repeat(2000);
    ask("set", &big).await?;
    let errors = zookeeper.count(stage, "decoder_error").await?;
    ensure!(errors > 0, "a packet of 2000 bytes is no decoder_error");
    equal("what was set", &ask("get", "").await?["value"], &json!(big))?;
    zookeeper.close(stage).await
}

async fn virtual_service(stage: &Stage<'_>) -> Result<()> {
    let zookeeper = ZooKeeper::of(stage).await?;
    let rules = "
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: $CASE, namespace: $NAMESPACE}
spec:
  host: zk.$CASE.test
  subsets: [{name: v2, labels: {version: v2}}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: $CASE, namespace: $NAMESPACE}
spec:
  hosts: [zk.$CASE.test]
  tcp:
  - route: [{destination: {host: zk.$CASE.test, subset: v2}}]
";
    stage
        .apply(&(service("app: zookeeper", "") + rules))
        .await?;
    stage.settled().await?;
    let path = stage.fill("/$CASE");
    zookeeper.open(stage, &stage.vip(1)).await?;
    let create = json!({"path": path, "value": "x"});
    zookeeper.ask(stage, "create", create).await?;
    counts(stage, &zookeeper, "create_rq", 1).await?;
    zookeeper.close(stage).await?;
    for (server, is_there) in [(&zookeeper.v1, false), (&zookeeper.v2, true)] {
        let beside = stage.python(server, NAMESPACE, "client.py")?;
        let mut request =
            json!({"do": "open", "connection": "look", "host": "127.0.0.1", "port": PORT});
        beside.ask(&request).await?;
        request["do"] = "exists".into();
        request["path"] = path.as_str().into();
        let exists = beside.ask(&request).await?;
        equal(
            &format!("{path} on {}", server.name()),
            &exists["value"],
            &json!(is_there),
        )?;
    }
    Ok(())
}

async fn open_session(stage: &Stage<'_>) -> Result<()> {
    let zookeeper = settled(stage, "").await?;
    let path = stage.fill("/$CASE");
    let create = json!({"path": path, "value": "x"});
    zookeeper.ask(stage, "create", create).await?;
    for round in 0..3 {
        let same = service(V1, &format!("example.com/round: \"{round}\""));
        let other = service(V1, "")
            .replace("$VIP1", "$VIP2")
            .replace("name: $CASE\n", "name: $CASE-other\n")
            .replace("zk.$CASE.test", "other.$CASE.test");
        stage.apply(&(same + "---" + &other)).await?;
        stage.settled().await?;
        stage.delete("ServiceEntry", "$CASE-other").await?;
        stage.settled().await?;
        for _ in 0..20 {
            zookeeper.ask(stage, "get", json!({"path": path})).await?;
        }
    }
    let told = zookeeper.ask(stage, "told", json!({})).await?;
    equal(
        "the states of the session",
        &told["states"],
        &json!(["CONNECTED"]),
    )?;
    counts(stage, &zookeeper, "connect_rq", 1).await?;
    zookeeper.close(stage).await
}
