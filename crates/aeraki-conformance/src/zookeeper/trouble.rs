//! What people see when something is wrong: the filter only looks on, so it is what the server says, or does not say.

use anyhow::{Result, ensure};
use futures::FutureExt as _;
use serde_json::json;

use super::{PORT, V1, ZooKeeper, service, settled};
use crate::case::{Case, Stage, Turn};
use crate::stranger::speaks_http;

pub(super) const CASES: &[Case] = &[
    Case {
        name: "zookeeper/other-protocol",
        proves: "who speaks HTTP to the port is left to the server, counted, and disturbs nobody",
        turn: Turn::Shared,
        run: |stage| other_protocol(stage).boxed_local(),
    },
    Case {
        name: "zookeeper/dead-server",
        proves: "no session comes about with a server that is down",
        turn: Turn::Shared,
        run: |stage| dead_server(stage).boxed_local(),
    },
];

async fn other_protocol(stage: &Stage<'_>) -> Result<()> {
    let zookeeper = settled(stage, "").await?;
    let heard = speaks_http(stage, &zookeeper.pod, PORT).await?;
    ensure!(heard.is_closed && heard.text.is_empty(), "{heard:?}");
    let errors = zookeeper.count(stage, "decoder_error").await?;
    ensure!(errors == 1, "decoder_error is {errors}");
    let create = json!({"path": stage.fill("/$CASE"), "value": "x"});
    zookeeper.ask(stage, "create", create).await?;
    zookeeper.close(stage).await
}

async fn dead_server(stage: &Stage<'_>) -> Result<()> {
    let zookeeper = ZooKeeper::of(stage).await?;
    let dead = service(V1, "").replace("protocol: TCP", "protocol: TCP, targetPort: 2199");
    stage.apply(&dead).await?;
    stage.settled().await?;
    let open = json!({"do": "open", "connection": stage.case(), "host": stage.vip(1), "port": PORT, "patience": 3});
    let answer = zookeeper.client.ask(&open).await?;
    let error = answer["error"].as_str().unwrap_or_default();
    ensure!(error.contains("Connection time-out"), "{answer}");
    Ok(())
}
