//! Who else gets a call.

use anyhow::{Result, ensure};
use futures::FutureExt as _;
use serde_json::json;

use super::Thrift;
use crate::case::{Case, Stage, Turn};
use crate::served::Served;
use crate::wait::{Seen, until, until_so};

pub(super) const CASES: &[Case] = &[
    Case {
        name: "thrift/mirror",
        proves: "`mirror`: another version gets a copy of each call, and its answers reach nobody",
        turn: Turn::Shared,
        run: |stage| mirror(stage, "Mirrored", MIRROR, 100).boxed_local(),
    },
    Case {
        name: "thrift/mirror-percentage",
        proves: "`mirrorPercentage`: of some calls only",
        turn: Turn::Shared,
        run: |stage| mirror(stage, "SomeMirrored", MIRROR_25, 25).boxed_local(),
    },
    Case {
        name: "thrift/mirror-of-none",
        proves: "`mirrorPercentage` of 0, or of more than 100: nothing is copied",
        turn: Turn::Shared,
        run: |stage| mirror_of_none(stage).boxed_local(),
    },
    Case {
        name: "thrift/mirrors",
        proves: "`mirrors[]`, each with a `percentage`",
        turn: Turn::Shared,
        run: |stage| mirror(stage, "ListMirrored", MIRRORS_40, 40).boxed_local(),
    },
];

const MIRROR: &str = "    mirror: {host: $CASE.test, subset: v2}\n";
const MIRROR_25: &str = "    mirror: {host: $CASE.test, subset: v2}
    mirrorPercentage: {value: 25}
";
const MIRRORS_40: &str =
    "    mirrors: [{destination: {host: $CASE.test, subset: v2}, percentage: {value: 40}}]\n";

/// Calls a method that no other case calls, and asks the server that gets the copies how often it was called.
async fn mirror(stage: &Stage<'_>, method: &str, mirror: &str, hundredths: u32) -> Result<()> {
    const CALLS: u64 = 400;
    let thrift = Thrift::of(stage).await?;
    let to_v1 = "  - route: [{destination: {host: $CASE.test, subset: v1}}]\n";
    let routes = format!("{to_v1}{mirror}");
    thrift.service(stage, &routes).await?;
    let served = thrift.call(stage, method, json!({"calls": CALLS})).await?;
    served.all_by("v1", CALLS)?;
    // Copies may arrive after the answers.
    let copies = until("no more copies come", async || {
        let before = thrift.calls_of(&thrift.v2, method).await?;
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        let after = thrift.calls_of(&thrift.v2, method).await?;
        Ok(if before == after && after > 0 {
            Seen::There(after)
        } else {
            Seen::Instead(format!("{after} copies"))
        })
    })
    .await?;
    Served::split("v2", copies, "none", CALLS - copies.min(CALLS)).share("v2", hundredths, CALLS)
}

async fn mirror_of_none(stage: &Stage<'_>) -> Result<()> {
    let thrift = Thrift::of(stage).await?;
    let mirrored = |method: &str, percentage: &str| {
        format!(
            "  - match: [{{method: {{exact: {method}}}}}]
    route: [{{destination: {{host: $CASE.test, subset: v1}}}}]
{MIRROR}{percentage}"
        )
    };
    let routes = [
        mirrored("MirroredNever", "    mirrorPercentage: {value: 0}\n"),
        mirrored("MirroredTwice", "    mirrorPercentage: {value: 200}\n"),
        mirrored("MirroredAfterwards", ""),
    ];
    thrift.service(stage, &routes.concat()).await?;
    let methods = ["MirroredNever", "MirroredTwice", "MirroredAfterwards"];
    for method in methods {
        let calls = json!({"calls": 20});
        thrift.call(stage, method, calls).await?.all_by("v1", 20)?;
    }
    // Copies may arrive after the answers: those of the last method say that none of the others are under way.
    until_so("all of the last copies are there", async || {
        Ok(thrift.calls_of(&thrift.v2, methods[2]).await? == 20)
    })
    .await?;
    for method in &methods[..2] {
        let copies = thrift.calls_of(&thrift.v2, method).await?;
        ensure!(copies == 0, "{copies} copies of {method}");
    }
    Ok(())
}
