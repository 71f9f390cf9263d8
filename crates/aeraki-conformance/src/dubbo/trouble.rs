//! What people see when something is wrong.
//!
//! A server that is down has no case: Envoy 1.40 does not outlive it. See the limits in `docs/protocols/dubbo.md`.

use anyhow::{Result, ensure};
use futures::FutureExt as _;
use serde_json::json;

use super::{Dubbo, GREETER, NEW, OLD, PORT, TO_V1};
use crate::case::{Case, Stage, Turn};
use crate::stranger::speaks_http;

pub(super) const CASES: &[Case] = &[
    Case {
        name: "dubbo/other-protocol",
        proves: "who speaks HTTP to the port is cut off without an answer, counted, and disturbs nobody",
        turn: Turn::Shared,
        run: |stage| other_protocol(stage).boxed_local(),
    },
    Case {
        name: "dubbo/unknown-service",
        proves: "a call that has no route fails at once, with no other reason than the sidecar's counters",
        turn: Turn::Shared,
        run: |stage| unknown_service(stage).boxed_local(),
    },
];

async fn other_protocol(stage: &Stage<'_>) -> Result<()> {
    let dubbo = Dubbo::of(stage).await?;
    dubbo.service(stage, GREETER, TO_V1).await?;
    let heard = speaks_http(stage, &dubbo.pod, PORT).await?;
    ensure!(heard.is_closed && heard.text.is_empty(), "{heard:?}");
    let prefix = stage.fill("dubbo.outbound|20880||$CASE.test.");
    let undecoded = [prefix.as_str(), "request_decoding_error"];
    let count = dubbo.pod.count(&undecoded).await?;
    ensure!(count == 1, "{count} request_decoding_error");
    dubbo.call(stage, json!({})).await?.all_by("v1", 1)
}

async fn unknown_service(stage: &Stage<'_>) -> Result<()> {
    let dubbo = Dubbo::of(stage).await?;
    dubbo.service(stage, GREETER, TO_V1).await?;
    let tell = json!({"interfaceName": "Teller", "method": "tell"});
    // Envoy writes its reason after a number, where Dubbo reads a text: consumers, old and new, say no more than `0`.
    for version in [OLD, NEW] {
        let served = dubbo.call_at(version, &stage.vip(1), tell.clone()).await?;
        served.none(1, "RemotingException: 0")?;
    }
    let prefix = stage.fill("dubbo.outbound|20880||$CASE.test.");
    let answered = [prefix.as_str(), "local_response_business_exception"];
    let count = dubbo.pod.count(&answered).await?;
    ensure!(count == 2, "{count} local_response_business_exception");
    Ok(())
}
