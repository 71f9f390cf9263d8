//! Everything to one version or the other.

use futures::FutureExt as _;
use serde_json::json;

use super::{Dubbo, GREETER, rules};
use crate::measure::{Connection, Subject};

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
