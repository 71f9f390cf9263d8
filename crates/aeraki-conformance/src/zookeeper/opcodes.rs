//! What is counted per opcode, where somebody asks for it.

use anyhow::{Context as _, Result, ensure};
use futures::FutureExt as _;
use serde_json::json;

use super::{PORT, ZooKeeper, counts, settled};
use crate::case::{Case, Stage, Turn};
use crate::stranger::says;

pub(super) const CASES: &[Case] = &[
    Case {
        name: "zookeeper/per-opcode-metrics",
        proves: "`per-opcode-metrics`: bytes of requests or of responses per opcode, as asked for",
        turn: Turn::Shared,
        run: |stage| per_opcode_metrics(stage).boxed_local(),
    },
    Case {
        name: "zookeeper/per-opcode-errors",
        proves: "`per-opcode-metrics`: with `decoder-errors` what cannot be decoded is counted per opcode; `true` is all of them, `false` none",
        turn: Turn::Shared,
        run: |stage| per_opcode_errors(stage).boxed_local(),
    },
];

async fn per_opcode_metrics(stage: &Stage<'_>) -> Result<()> {
    let bytes = "zookeeper.aeraki.io/per-opcode-metrics: request-bytes";
    let zookeeper = settled(stage, bytes).await?;
    let path = stage.fill("/$CASE");
    let create = json!({"path": path, "value": "x".repeat(100)});
    zookeeper.ask(stage, "create", create).await?;
    counts(stage, &zookeeper, "create_resp", 1).await?;
    let sent = zookeeper.count(stage, "create_rq_bytes").await?;
    let wanted = 100 + u64::try_from(path.len())?;
    ensure!(
        sent > wanted,
        "create_rq_bytes is {sent}, not above {wanted}"
    );
    let received = zookeeper.count(stage, "create_resp_bytes").await?;
    ensure!(received == 0, "create_resp_bytes is {received}");
    zookeeper.close(stage).await?;
    let bytes = "zookeeper.aeraki.io/per-opcode-metrics: response-bytes";
    let zookeeper = settled(stage, bytes).await?;
    let create = json!({"path": format!("{path}-again"), "value": "x"});
    zookeeper.ask(stage, "create", create).await?;
    counts(stage, &zookeeper, "create_resp", 2).await?;
    let received = zookeeper.count(stage, "create_resp_bytes").await?;
    ensure!(received > 0, "create_resp_bytes is {received}");
    let same = zookeeper.count(stage, "create_rq_bytes").await?;
    ensure!(same == sent, "create_rq_bytes is {same}, after {sent}");
    zookeeper.close(stage).await
}

/// An `exists` that ends after its opcode.
const CUT_OFF: &str = "\0\0\0\u{8}\0\0\0\u{1}\0\0\0\u{3}";

async fn per_opcode_errors(stage: &Stage<'_>) -> Result<()> {
    let path = stage.fill("/$CASE");
    let (mut cut_off, mut errors, mut bytes) = (0, 0, [0, 0]);
    // What each asks for: errors, bytes.
    for (metrics, has_errors, has_bytes) in [
        ("decoder-errors", true, false),
        ("\"false\"", false, false),
        ("\"true\"", true, true),
    ] {
        let annotation = format!("zookeeper.aeraki.io/per-opcode-metrics: {metrics}");
        let zookeeper = settled(stage, &annotation).await?;
        says(stage, &zookeeper.pod, PORT, CUT_OFF).await?;
        cut_off += 1;
        counts(stage, &zookeeper, "decoder_error", cut_off).await?;
        let exists = json!({"path": path});
        zookeeper.ask(stage, "exists", exists).await?;
        counts(stage, &zookeeper, "exists_resp", cut_off).await?;
        errors += u64::from(has_errors);
        let counted = zookeeper.count(stage, "exists_decoder_error").await?;
        ensure!(
            counted == errors,
            "{metrics}: exists_decoder_error is {counted} after {cut_off} of them, not {errors}"
        );
        let now = exists_bytes(stage, &zookeeper).await?;
        let more = [now[0] > bytes[0], now[1] > bytes[1]];
        ensure!(
            more == [has_bytes; 2],
            "{metrics}: bytes of requests and responses are {now:?}, after {bytes:?}"
        );
        bytes = now;
        zookeeper.close(stage).await.context(metrics)?;
    }
    Ok(())
}

/// Of requests, and of responses.
async fn exists_bytes(stage: &Stage<'_>, zookeeper: &ZooKeeper) -> Result<[u64; 2]> {
    let requests = zookeeper.count(stage, "exists_rq_bytes").await?;
    let responses = zookeeper.count(stage, "exists_resp_bytes").await?;
    Ok([requests, responses])
}
