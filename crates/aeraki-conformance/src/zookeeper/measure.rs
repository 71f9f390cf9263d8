//! Many calls in a row.

use anyhow::Result;
use futures::FutureExt as _;
use serde_json::json;

use super::{PORT, ZooKeeper};
use crate::case::Stage;
use crate::overhead::{Load, both};

pub(crate) const LOAD: Load = Load {
    protocol: "zookeeper",
    begin: |stage| begin(stage).boxed_local(),
    call: |stage, address, calls| load(stage, address, calls).boxed_local(),
};

async fn begin(stage: &Stage<'_>) -> Result<()> {
    let zookeeper = ZooKeeper::of(stage).await?;
    both(stage, "zookeeper", PORT, zookeeper.v1.address(), "").await?;
    let path = stage.fill("/$CASE");
    for vip in [1, 2] {
        let address = stage.vip(vip);
        let open = json!({"do": "open", "connection": address, "host": address, "port": PORT});
        zookeeper.client.ask(&open).await?;
    }
    let create = json!({"do": "create", "connection": stage.vip(1), "path": path, "value": "x"});
    zookeeper.client.ask(&create).await.map(drop)
}

async fn load(stage: &Stage<'_>, address: String, calls: u64) -> Result<()> {
    let zookeeper = ZooKeeper::of(stage).await?;
    let get =
        json!({"do": "get", "connection": address, "path": stage.fill("/$CASE"), "times": calls});
    let answer = zookeeper.client.ask(&get).await?;
    anyhow::ensure!(answer["value"] == "x", "{answer}");
    Ok(())
}
