//! Thrift: a client and servers of Apache's Python library, which speaks every transport and protocol.

use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use futures::FutureExt as _;
use serde_json::{Value, json};

use crate::case::{Case, Stage, Turn};
use crate::client::Client;
use crate::mesh::{Mesh, Pod, PodOptions};
use crate::served::{NO_EFFECT, Served};

pub(crate) use demo::DEMO;
pub(crate) use measure::{LOAD, SUBJECT};

mod annotations;
mod demo;
mod headers;
mod listeners;
mod measure;
mod mirrors;
mod trouble;

/// The cases, by what they are about.
pub(crate) const CASES: [&[Case]; 6] = [
    USE,
    mirrors::CASES,
    headers::CASES,
    annotations::CASES,
    listeners::CASES,
    trouble::CASES,
];

const USE: &[Case] = &[
    Case {
        name: "thrift/plain-call",
        proves: "a port `tcp-thrift` without more: framed, unframed and THeader, binary and compact are detected",
        turn: Turn::Shared,
        run: |stage| plain_call(stage).boxed_local(),
    },
    Case {
        name: "thrift/method",
        proves: "`match.method.exact`: the named method goes to its subset, all others to the next route",
        turn: Turn::Shared,
        run: |stage| method(stage).boxed_local(),
    },
    Case {
        name: "thrift/tcp-route",
        proves: "a VirtualService's `tcp` route is every method's route",
        turn: Turn::Shared,
        run: |stage| tcp_route(stage).boxed_local(),
    },
    Case {
        name: "thrift/weights",
        proves: "several destinations: each gets its weight's share of calls",
        turn: Turn::Shared,
        run: |stage| weights(stage).boxed_local(),
    },
    Case {
        name: "thrift/multiplexed",
        proves: "a multiplexed client's method is `<service>:<method>`",
        turn: Turn::Shared,
        run: |stage| multiplexed(stage).boxed_local(),
    },
    Case {
        name: "thrift/undefined-subset",
        proves: "a destination whose subset nobody defines: its calls fail, and go to no other version",
        turn: Turn::Shared,
        run: |stage| undefined_subset(stage).boxed_local(),
    },
    Case {
        name: "thrift/redirect",
        proves: "a rule with `redirect`, `directResponse` or `delegate`: the calls that it matches fail, and go to nobody else",
        turn: Turn::Shared,
        run: |stage| redirect(stage).boxed_local(),
    },
    Case {
        name: "thrift/inexpressible-method",
        proves: "a prefix or a regex of a method cannot be expressed: the entry has no effect, and nothing gets wider",
        turn: Turn::Shared,
        run: |stage| inexpressible(stage).boxed_local(),
    },
    Case {
        name: "thrift/rule-of-no-effect",
        proves: "`timeout`, `retries`, `fault`, `rewrite`, `headers` and `corsPolicy` of a rule have no effect, and the rule routes",
        turn: Turn::Shared,
        run: |stage| no_effect(stage).boxed_local(),
    },
    Case {
        name: "thrift/removed",
        proves: "without its VirtualService a service is called as if there had been none",
        turn: Turn::Shared,
        run: |stage| removed(stage).boxed_local(),
    },
];

const NAMESPACE: &str = "thrift";
const PORT: u16 = 9090;

/// A client pod, and two servers that answer with their names.
struct Thrift {
    client: Client,
    pod: Arc<Pod>,
    v1: Arc<Pod>,
    v2: Arc<Pod>,
}

impl Thrift {
    async fn of(stage: &Stage<'_>) -> Result<Arc<Self>> {
        stage.shared(Self::start).await
    }

    async fn start(mesh: &Mesh) -> Result<Self> {
        let pod = mesh.pod(&PodOptions::new(NAMESPACE, "client")).await?;
        Ok(Self {
            client: mesh.python(&pod, "thrift", "client.py")?,
            pod,
            v1: server(mesh, "v1").await?,
            v2: server(mesh, "v2").await?,
        })
    }

    /// Applies the service, with v1 and v2 as its subsets, and these `http` routes where there are any.
    async fn service(&self, stage: &Stage<'_>, routes: &str) -> Result<()> {
        self.annotated(stage, "", routes).await
    }

    /// The same with annotations.
    async fn annotated(&self, stage: &Stage<'_>, annotations: &str, routes: &str) -> Result<()> {
        let (v1, v2) = (self.v1.address(), self.v2.address());
        let service = format!(
            "\
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: $CASE, namespace: $NAMESPACE, annotations: {{{annotations}}}}}
spec:
  hosts: [$CASE.test]
  addresses: [$VIP1]
  ports: [{{number: 9090, name: tcp-thrift, protocol: TCP}}]
  resolution: STATIC
  endpoints:
  - {{address: {v1}, labels: {{version: v1}}}}
  - {{address: {v2}, labels: {{version: v2}}}}
---
{SUBSETS}"
        );
        stage.apply(&service).await?;
        if !routes.is_empty() {
            stage.apply(&rule(routes)).await?;
        }
        stage.settled().await
    }

    /// Calls the case's service. What the request does not say is usual: framed, binary, one call.
    async fn call(&self, stage: &Stage<'_>, method: &str, mut request: Value) -> Result<Served> {
        request["address"] = format!("{}:{PORT}", stage.vip(1)).into();
        request["method"] = method.into();
        Served::of(&self.client.ask(&request).await?)
    }

    /// How often a server was called with a method, as it says itself.
    async fn calls_of(&self, server: &Pod, method: &str) -> Result<u64> {
        let address = format!("{}:{PORT}", server.address());
        let method = format!("CallsOf.{method}");
        let request = json!({"address": address, "method": method, "fresh": true});
        let answer = self.client.ask(&request).await?;
        let served = answer["served"]
            .as_object()
            .and_then(|served| served.keys().next());
        let count = served.with_context(|| format!("no count in {answer}"))?;
        Ok(count.parse()?)
    }
}

/// The versions of the service.
const SUBSETS: &str = "\
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: $CASE, namespace: $NAMESPACE}
spec:
  host: $CASE.test
  subsets:
  - {name: v1, labels: {version: v1}}
  - {name: v2, labels: {version: v2}}
";

/// A VirtualService with these `http` routes.
fn rule(routes: &str) -> String {
    format!(
        "\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: $CASE, namespace: $NAMESPACE}}
spec:
  hosts: [$CASE.test]
  http:
{routes}"
    )
}

async fn server(mesh: &Mesh, version: &str) -> Result<Arc<Pod>> {
    let options = PodOptions::new(NAMESPACE, &format!("server-{version}"))
        .label("app", "thrift")
        .label("version", version);
    let pod = mesh.pod(&options).await?;
    let arguments = [version, &PORT.to_string()];
    mesh.serve_python(&pod, "thrift", "server.py", &arguments)
        .await?;
    Ok(pod)
}

async fn plain_call(stage: &Stage<'_>) -> Result<()> {
    let thrift = Thrift::of(stage).await?;
    thrift.service(stage, "").await?;
    for transport in ["framed", "unframed", "header"] {
        for protocol in ["binary", "compact"] {
            // Envoy cannot tell where an unframed compact message ends and the next begins.
            if (transport, protocol) == ("unframed", "compact") {
                continue;
            }
            let form = json!({"transport": transport, "protocol": protocol, "calls": 10});
            let served = thrift.call(stage, "SayHello", form).await?;
            served.share("v1", 50, 10)?;
        }
    }
    Ok(())
}

async fn method(stage: &Stage<'_>) -> Result<()> {
    let thrift = Thrift::of(stage).await?;
    let routes = "  - match: [{method: {exact: SayBye}}]
    route: [{destination: {host: $CASE.test, subset: v2}}]
  - route: [{destination: {host: $CASE.test, subset: v1}}]
";
    thrift.service(stage, routes).await?;
    let calls = json!({"calls": 20});
    thrift
        .call(stage, "SayBye", calls.clone())
        .await?
        .all_by("v2", 20)?;
    for other in ["SayHello", "SayByes", "sayBye"] {
        thrift
            .call(stage, other, calls.clone())
            .await?
            .all_by("v1", 20)?;
    }
    Ok(())
}

async fn tcp_route(stage: &Stage<'_>) -> Result<()> {
    let thrift = Thrift::of(stage).await?;
    let routes = "  - route: [{destination: {host: $CASE.test, subset: v2}}]\n";
    let tcp = rule(routes).replace("  http:", "  tcp:");
    stage.apply(&tcp).await?;
    thrift.service(stage, "").await?;
    for method in ["SayHello", "SayBye"] {
        let calls = json!({"calls": 5});
        thrift.call(stage, method, calls).await?.all_by("v2", 5)?;
    }
    // Plain TCP would lead there too, and count no call.
    let prefix = stage.fill("thrift.outbound|9090||$CASE.test.");
    let count = thrift.pod.count(&[&prefix, "request_call"]).await?;
    ensure!(count == 10, "the sidecar has counted {count} calls of 10");
    Ok(())
}

async fn weights(stage: &Stage<'_>) -> Result<()> {
    let thrift = Thrift::of(stage).await?;
    let routes = "  - route:
    - {destination: {host: $CASE.test, subset: v1}, weight: 80}
    - {destination: {host: $CASE.test, subset: v2}, weight: 20}
";
    thrift.service(stage, routes).await?;
    let served = thrift
        .call(stage, "SayHello", json!({"calls": 1000}))
        .await?;
    served.share("v1", 80, 1000)
}

async fn multiplexed(stage: &Stage<'_>) -> Result<()> {
    let thrift = Thrift::of(stage).await?;
    let routes = "  - match: [{method: {exact: \"Greeter:SayBye\"}}]
    route: [{destination: {host: $CASE.test, subset: v2}}]
  - route: [{destination: {host: $CASE.test, subset: v1}}]
";
    thrift.service(stage, routes).await?;
    let calls = json!({"calls": 5});
    thrift
        .call(stage, "Greeter:SayBye", calls.clone())
        .await?
        .all_by("v2", 5)?;
    thrift
        .call(stage, "Teller:SayBye", calls.clone())
        .await?
        .all_by("v1", 5)?;
    thrift.call(stage, "SayBye", calls).await?.all_by("v1", 5)
}

async fn undefined_subset(stage: &Stage<'_>) -> Result<()> {
    let thrift = Thrift::of(stage).await?;
    let routes = "  - match: [{method: {exact: SayBye}}]
    route: [{destination: {host: $CASE.test, subset: v3}}]
  - route: [{destination: {host: $CASE.test, subset: v1}}]
";
    thrift.service(stage, routes).await?;
    let calls = json!({"calls": 3});
    thrift
        .call(stage, "SayBye", calls.clone())
        .await?
        .none(3, "")?;
    thrift.call(stage, "SayHello", calls).await?.all_by("v1", 3)
}

async fn redirect(stage: &Stage<'_>) -> Result<()> {
    let thrift = Thrift::of(stage).await?;
    let routes = "  - match: [{method: {exact: SayBye}}]
    redirect: {uri: /elsewhere}
  - match: [{method: {exact: SayNothing}}]
    directResponse: {status: 503}
  - match: [{method: {exact: SayLess}}]
    delegate: {name: $CASE-elsewhere}
  - route: [{destination: {host: $CASE.test, subset: v1}}]
";
    stage.expects("AER0205");
    thrift.service(stage, routes).await?;
    let calls = json!({"calls": 2});
    for method in ["SayBye", "SayNothing", "SayLess"] {
        let served = thrift.call(stage, method, calls.clone()).await?;
        served.none(2, "").context(method)?;
    }
    thrift.call(stage, "SayHello", calls).await?.all_by("v1", 2)
}

async fn inexpressible(stage: &Stage<'_>) -> Result<()> {
    let thrift = Thrift::of(stage).await?;
    let routes = "  - match: [{method: {prefix: Say}}, {method: {regex: \"Say.*\"}}]
    route: [{destination: {host: $CASE.test, subset: v2}}]
  - route: [{destination: {host: $CASE.test, subset: v1}}]
";
    thrift.service(stage, routes).await?;
    let calls = json!({"calls": 5});
    thrift.call(stage, "SayHello", calls).await?.all_by("v1", 5)
}

async fn no_effect(stage: &Stage<'_>) -> Result<()> {
    let thrift = Thrift::of(stage).await?;
    let routes = format!(
        "  - match: [{{method: {{exact: SayBye}}}}]
    route: [{{destination: {{host: $CASE.test, subset: v2}}}}]
{NO_EFFECT}  - route: [{{destination: {{host: $CASE.test, subset: v1}}}}]
"
    );
    thrift.service(stage, &routes).await?;
    for (method, server) in [("SayBye", "v2"), ("SayHello", "v1")] {
        let calls = json!({"calls": 5});
        let served = thrift.call(stage, method, calls).await?;
        served.all_by(server, 5).context(method)?;
    }
    Ok(())
}

async fn removed(stage: &Stage<'_>) -> Result<()> {
    let thrift = Thrift::of(stage).await?;
    let routes = "  - route: [{destination: {host: $CASE.test, subset: v2}}]\n";
    thrift.service(stage, routes).await?;
    let calls = json!({"calls": 10, "fresh": true});
    thrift
        .call(stage, "SayHello", calls.clone())
        .await?
        .all_by("v2", 10)?;
    stage.delete("VirtualService", "$CASE").await?;
    stage.settled().await?;
    thrift
        .call(stage, "SayHello", calls)
        .await?
        .share("v1", 50, 10)
}
