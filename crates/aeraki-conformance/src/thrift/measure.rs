//! Everything to one version or the other; and many calls in a row.

use anyhow::Result;
use futures::FutureExt as _;
use serde_json::json;

use super::{PORT, Thrift, rule};
use crate::case::Stage;
use crate::measure::{Connection, Subject};
use crate::overhead::{Load, both};
use crate::served::Served;

pub(crate) const SUBJECT: Subject = Subject {
    protocol: "thrift",
    begin: |stage| async { Thrift::of(stage).await?.service(stage, "").await }.boxed_local(),
    rule: |version| {
        rule(&format!(
            "  - route: [{{destination: {{host: $CASE.test, subset: {version}}}}}]\n"
        ))
    },
    call: |stage, connection| {
        async move {
            let request = json!({"calls": 5, "fresh": connection == Connection::New});
            let thrift = Thrift::of(stage).await?;
            thrift.call(stage, "SayHello", request).await
        }
        .boxed_local()
    },
};

pub(crate) const LOAD: Load = Load {
    protocol: "thrift",
    begin: |stage| {
        async {
            let server = Thrift::of(stage).await?.v1.address();
            both(stage, "thrift", PORT, server, "").await
        }
        .boxed_local()
    },
    call: |stage, address, calls| load(stage, address, calls).boxed_local(),
};

async fn load(stage: &Stage<'_>, address: String, calls: u64) -> Result<()> {
    let thrift = Thrift::of(stage).await?;
    let request =
        json!({"address": format!("{address}:{PORT}"), "method": "SayHello", "calls": calls});
    Served::of(&thrift.client.ask(&request).await?)?.all_by("v1", calls)
}
