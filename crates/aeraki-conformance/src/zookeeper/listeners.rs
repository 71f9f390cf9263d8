//! On which listeners the filter comes to stand, and on which it must not.

use anyhow::{Result, ensure};
use futures::FutureExt as _;
use serde_json::json;

use super::{NAMESPACE, PORT, ZooKeeper, counted};
use crate::case::{Case, Stage, Turn};
use crate::kubernetes_service::KubernetesService;
use crate::mesh::PodOptions;
use crate::served;

pub(super) const CASES: &[Case] = &[
    Case {
        name: "zookeeper/kubernetes-service",
        proves: "a Kubernetes Service by the name of its port, with its endpoints",
        turn: Turn::Shared,
        run: |stage| kubernetes(stage, "name: tcp-zookeeper").boxed_local(),
    },
    Case {
        name: "zookeeper/app-protocol",
        proves: "a Kubernetes Service by its port's `appProtocol: zookeeper`",
        turn: Turn::Shared,
        run: |stage| kubernetes(stage, "appProtocol: zookeeper").boxed_local(),
    },
    Case {
        name: "zookeeper/headless-service",
        proves: "a headless Service: each member's own address has the filter",
        turn: Turn::Shared,
        run: |stage| headless(stage).boxed_local(),
    },
    Case {
        name: "zookeeper/own-namespace",
        proves: "`exportTo: [\".\"]`: clients of other namespaces have plain TCP, and nothing is counted",
        turn: Turn::Shared,
        run: |stage| own_namespace(stage).boxed_local(),
    },
];

async fn kubernetes(stage: &Stage<'_>, named: &str) -> Result<()> {
    counts_at(stage, "$CLUSTERIP", named, &stage.cluster_ip()).await
}

async fn headless(stage: &Stage<'_>) -> Result<()> {
    let zookeeper = ZooKeeper::of(stage).await?;
    let address = zookeeper.v1.address().to_string();
    counts_at(stage, "None", "name: tcp-zookeeper", &address).await
}

/// Fails unless a call to this address of such a Service is counted.
async fn counts_at(stage: &Stage<'_>, cluster_ip: &str, named: &str, address: &str) -> Result<()> {
    let zookeeper = ZooKeeper::of(stage).await?;
    let server = zookeeper.v1.address().to_string();
    let service = KubernetesService {
        cluster_ip,
        named,
        selector: "app: zookeeper, version: v1",
        servers: &[("server-v1", &server)],
        ..KubernetesService::at(PORT)
    };
    stage.apply(&service.yaml()).await?;
    stage.settled().await?;
    let prefix = stage.fill("outbound|2181||$CASE.$NAMESPACE.svc.cluster.local");
    zookeeper.open(stage, address).await?;
    let create = json!({"path": stage.fill("/$CASE"), "value": "x"});
    zookeeper.ask(stage, "create", create).await?;
    let count = counted(&zookeeper.pod, &prefix, "create_rq").await?;
    ensure!(count == 1, "create_rq is {count}");
    zookeeper.close(stage).await
}

async fn own_namespace(stage: &Stage<'_>) -> Result<()> {
    let zookeeper = ZooKeeper::of(stage).await?;
    let pod = stage.pod(&PodOptions::new("elsewhere", "client")).await?;
    let outsider = stage.python(&pod, NAMESPACE, "client.py")?;
    let (v1, v2) = (zookeeper.v1.address(), zookeeper.v2.address());
    let own = served::own("zookeeper", PORT, &v1.to_string());
    let foreign = served::foreign("zookeeper", PORT, &v2.to_string());
    stage.apply(&format!("{own}---{foreign}")).await?;
    stage.settled().await?;
    let path = stage.fill("/$CASE");
    for (client, pod, wanted) in [(&zookeeper.client, &zookeeper.pod, 1), (&outsider, &pod, 0)] {
        let mut request =
            json!({"do": "open", "connection": stage.case(), "host": stage.vip(2), "port": PORT});
        client.ask(&request).await?;
        request["do"] = "create".into();
        request["path"] = path.as_str().into();
        request["value"] = "x".into();
        // On another server than the first one's, or there would be one already.
        let created = client.ask(&request).await?;
        ensure!(created["value"] == path, "{} has {created}", pod.name());
        let requests = pod.count(&[".zookeeper.create_rq", stage.case()]).await?;
        ensure!(
            requests == wanted,
            "{} counts {requests} create_rq",
            pod.name()
        );
        request["do"] = "close".into();
        client.ask(&request).await?;
    }
    Ok(())
}
