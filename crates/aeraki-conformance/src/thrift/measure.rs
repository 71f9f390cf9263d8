//! Everything to one version or the other.

use futures::FutureExt as _;
use serde_json::json;

use super::{Thrift, rule};
use crate::measure::{Connection, Subject};

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
