//! Everything to one version or the other; and many calls in a row.

use anyhow::Result;
use futures::FutureExt as _;
use serde_json::json;

use super::{Dubbo, GREETER, PORT, rules};
use crate::case::Stage;
use crate::measure::{Connection, Subject};
use crate::overhead::{Load, both};

pub(crate) const SUBJECT: Subject = Subject {
    protocol: "dubbo",
    begin: |stage| {
        async { Dubbo::of(stage).await?.service(stage, GREETER, "").await }.boxed_local()
    },
    rule: |version| {
        let route =
            format!("  - route: [{{destination: {{host: $CASE.test, subset: {version}}}}}]\n");
        rules("$CASE.test", &route)
    },
    call: |stage, connection| {
        async move {
            let request = json!({"calls": 5, "fresh": connection == Connection::New});
            let version = match connection {
                // Of each library one instance keeps connections.
                Connection::Open => super::OLD,
                Connection::New => super::NEW,
            };
            let dubbo = Dubbo::of(stage).await?;
            dubbo.call_at(version, &stage.vip(1), request).await
        }
        .boxed_local()
    },
};

pub(crate) const LOAD: Load = Load {
    protocol: "dubbo",
    begin: |stage| {
        async {
            let server = Dubbo::of(stage).await?.v1.address();
            both(
                stage,
                "dubbo",
                PORT,
                server,
                &format!("interface: {GREETER}"),
            )
            .await
        }
        .boxed_local()
    },
    call: |stage, address, calls| load(stage, address, calls).boxed_local(),
};

async fn load(stage: &Stage<'_>, address: String, calls: u64) -> Result<()> {
    let dubbo = Dubbo::of(stage).await?;
    let request = json!({"calls": calls});
    let served = dubbo.call_at(super::NEW, &address, request).await?;
    served.all_by("v1", calls)
}
