//! Dubbo: providers and consumers of Apache's Java library, old and new, without a registry.

use std::collections::BTreeMap;
use std::process::Command;
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

mod attachments;
mod demo;
mod listeners;
mod measure;
mod serialization;
mod trouble;

/// The cases, by what they are about.
pub(crate) const CASES: [&[Case]; 5] = [
    USE,
    attachments::CASES,
    serialization::CASES,
    listeners::CASES,
    trouble::CASES,
];

const USE: &[Case] = &[
    Case {
        name: "dubbo/plain-call",
        proves: "a port `tcp-dubbo` without more leads to the service itself; Dubbo 2.7 and 3.3 call each other",
        turn: Turn::Shared,
        run: |stage| plain_call(stage).boxed_local(),
    },
    Case {
        name: "dubbo/method",
        proves: "`match.method` exact, prefix and regex",
        turn: Turn::Shared,
        run: |stage| method(stage).boxed_local(),
    },
    Case {
        name: "dubbo/tcp-route",
        proves: "a VirtualService's `tcp` route is every method's route",
        turn: Turn::Shared,
        run: |stage| tcp_route(stage).boxed_local(),
    },
    Case {
        name: "dubbo/weights",
        proves: "several destinations: each gets its weight's share of calls",
        turn: Turn::Shared,
        run: |stage| weights(stage).boxed_local(),
    },
    Case {
        name: "dubbo/two-interfaces",
        proves: "the annotation `interface` names several interfaces of one port; one that it does not name has no route. The pseudo attachment `interface` parts them",
        turn: Turn::Shared,
        run: |stage| two_interfaces(stage).boxed_local(),
    },
    Case {
        name: "dubbo/interface-wildcards",
        proves: "in the annotation `interface` a `*` at the start or the end stands for anything",
        turn: Turn::Shared,
        run: |stage| interface_wildcards(stage).boxed_local(),
    },
    Case {
        name: "dubbo/undefined-subset",
        proves: "a destination whose subset nobody defines: its calls fail, and go to no other version",
        turn: Turn::Shared,
        run: |stage| undefined_subset(stage).boxed_local(),
    },
    Case {
        name: "dubbo/redirect",
        proves: "a rule with `redirect`, `directResponse` or `delegate`: the calls that it matches fail, and go to nobody else",
        turn: Turn::Shared,
        run: |stage| redirect(stage).boxed_local(),
    },
    Case {
        name: "dubbo/rule-of-no-effect",
        proves: "`mirror`, `timeout`, `retries`, `fault`, `rewrite`, `headers` and `corsPolicy` of a rule have no effect, and the rule routes",
        turn: Turn::Shared,
        run: |stage| no_effect(stage).boxed_local(),
    },
    Case {
        name: "dubbo/group-and-version",
        proves: "annotations for group and version: such calls are routed, and others fail",
        turn: Turn::Shared,
        run: |stage| group_and_version(stage).boxed_local(),
    },
];

const NAMESPACE: &str = "dubbo";
const PORT: u16 = 20880;
const OLD: &str = "2.7.23";
const NEW: &str = "3.3.5";

/// Dubbo reaches into the JDK, and writes to a log of its own where it is not told otherwise.
const JAVA: [&str; 6] = [
    "--add-opens=java.base/java.lang=ALL-UNNAMED",
    "--add-opens=java.base/java.math=ALL-UNNAMED",
    "-Ddubbo.application.logger=jdk",
    "-Xmx128m",
    "-XX:TieredStopAtLevel=1",
    "-cp",
];

/// A client pod with a consumer of each version, and two providers that answer with their names.
struct Dubbo {
    consumers: BTreeMap<&'static str, Client>,
    pod: Arc<Pod>,
    v1: Arc<Pod>,
    v2: Arc<Pod>,
}

impl Dubbo {
    async fn of(stage: &Stage<'_>) -> Result<Arc<Self>> {
        stage.shared(Self::start).await
    }

    async fn start(mesh: &Mesh) -> Result<Self> {
        let pod = mesh.pod(&PodOptions::new(NAMESPACE, "client")).await?;
        let mut consumers = BTreeMap::new();
        for version in [OLD, NEW] {
            let command = java(mesh, &pod, version, &[], "Consumer")?;
            let client = mesh.client(&pod, &format!("consumer-{version}"), command)?;
            consumers.insert(version, client);
        }
        Ok(Self {
            consumers,
            pod,
            v1: provider(mesh, "v1", NEW).await?,
            v2: provider(mesh, "v2", OLD).await?,
        })
    }

    /// Applies the service, with v1 and v2 as its subsets, and these `http` routes where there are any.
    async fn service(&self, stage: &Stage<'_>, interface: &str, routes: &str) -> Result<()> {
        let annotations = format!("interface: \"{interface}\"");
        self.annotated(stage, &annotations, routes).await
    }

    /// The same with other annotations than one for the interface.
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
  ports: [{{number: 20880, name: tcp-dubbo, protocol: TCP}}]
  resolution: STATIC
  endpoints:
  - {{address: {v1}, labels: {{version: v1}}}}
  - {{address: {v2}, labels: {{version: v2}}}}
"
        );
        stage.apply(&service).await?;
        stage.apply(&rules("$CASE.test", routes)).await?;
        stage.settled().await
    }

    /// Calls the case's service by the new library. What the request does not say is usual: `Greeter.greet`, once.
    async fn call(&self, stage: &Stage<'_>, request: Value) -> Result<Served> {
        self.call_at(NEW, &stage.vip(1), request).await
    }

    async fn call_at(&self, version: &str, address: &str, mut request: Value) -> Result<Served> {
        request["address"] = format!("{address}:{PORT}").into();
        for (field, usual) in [
            ("interfaceName", "Greeter"),
            ("method", "greet"),
            // What a filter can read: Dubbo 3.2 may choose another.
            ("parameters", "serialization=hessian2"),
        ] {
            if request[field].is_null() {
                request[field] = usual.into();
            }
        }
        let consumer = self.consumers.get(version);
        let consumer = consumer.with_context(|| format!("no consumer {version}"))?;
        Served::of(&consumer.ask(&request).await?)
    }
}

/// One of the programs, with these settings of Dubbo's.
fn java(mesh: &Mesh, pod: &Pod, version: &str, settings: &[&str], class: &str) -> Result<Command> {
    let place = mesh.application(&format!("dubbo-{version}"))?.display();
    let mut command = pod.command("java");
    command
        .args(settings)
        .args(JAVA)
        .arg(format!("{place}/application.jar:{place}/dependency/*"))
        .arg(format!("net.aeraki.conformance.{class}"));
    Ok(command)
}

async fn provider(mesh: &Mesh, name: &str, version: &str) -> Result<Arc<Pod>> {
    let options = PodOptions::new(NAMESPACE, &format!("server-{name}"))
        .label("app", "dubbo")
        .label("version", name);
    let pod = mesh.pod(&options).await?;
    let mut command = java(mesh, &pod, version, &[], "Provider")?;
    command.args([name, &PORT.to_string()]);
    mesh.serve(&pod, "provider", command).await?;
    Ok(pod)
}

/// The subsets v1 and v2 of a host, and a VirtualService with these `http` routes where there are any.
fn rules(host: &str, routes: &str) -> String {
    let subsets = format!(
        "\
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: $CASE, namespace: $NAMESPACE}}
spec:
  host: {host}
  subsets:
  - {{name: v1, labels: {{version: v1}}}}
  - {{name: v2, labels: {{version: v2}}}}
"
    );
    if routes.is_empty() {
        return subsets;
    }
    format!(
        "\
{subsets}---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: $CASE, namespace: $NAMESPACE}}
spec:
  hosts: [{host}]
  http:
{routes}"
    )
}

const GREETER: &str = "net.aeraki.conformance.Greeter";
const TO_V1: &str = "  - route: [{destination: {host: $CASE.test, subset: v1}}]\n";

async fn plain_call(stage: &Stage<'_>) -> Result<()> {
    let dubbo = Dubbo::of(stage).await?;
    dubbo.service(stage, GREETER, "").await?;
    for version in [OLD, NEW] {
        let calls = json!({"calls": 20});
        let served = dubbo.call_at(version, &stage.vip(1), calls).await?;
        served.share("v1", 50, 20)?;
    }
    Ok(())
}

async fn method(stage: &Stage<'_>) -> Result<()> {
    let dubbo = Dubbo::of(stage).await?;
    let routes = format!(
        "  - match: [{{method: {{exact: bye}}}}, {{method: {{regex: \"a.d\"}}}}]
    route: [{{destination: {{host: $CASE.test, subset: v2}}}}]
{TO_V1}"
    );
    dubbo.service(stage, GREETER, &routes).await?;
    for (method, server) in [("bye", "v2"), ("add", "v2"), ("greet", "v1")] {
        let request = json!({"method": method, "calls": 10});
        dubbo.call(stage, request).await?.all_by(server, 10)?;
    }
    let prefix = format!(
        "  - match: [{{method: {{prefix: gr}}}}]
    route: [{{destination: {{host: $CASE.test, subset: v2}}}}]
{TO_V1}"
    );
    stage.apply(&rules("$CASE.test", &prefix)).await?;
    stage.settled().await?;
    // Of the old library there is no connection yet, which would have the old routes.
    for (method, server) in [("bye", "v1"), ("greet", "v2")] {
        let request = json!({"method": method, "calls": 10});
        let served = dubbo.call_at(OLD, &stage.vip(1), request).await?;
        served.all_by(server, 10)?;
    }
    Ok(())
}

async fn tcp_route(stage: &Stage<'_>) -> Result<()> {
    let dubbo = Dubbo::of(stage).await?;
    let tcp = rules("$CASE.test", &TO_V1.replace("v1", "v2")).replace("  http:", "  tcp:");
    stage.apply(&tcp).await?;
    dubbo.service(stage, GREETER, "").await?;
    for method in ["greet", "bye"] {
        let request = json!({"method": method, "calls": 10});
        dubbo.call(stage, request).await?.all_by("v2", 10)?;
    }
    // Plain TCP would lead there too, and count no call.
    let prefix = stage.fill("dubbo.outbound|20880||$CASE.test.");
    let count = dubbo.pod.count(&[&prefix, "request_twoway"]).await?;
    ensure!(count == 20, "the sidecar has counted {count} calls of 20");
    Ok(())
}

async fn weights(stage: &Stage<'_>) -> Result<()> {
    let dubbo = Dubbo::of(stage).await?;
    let routes = "  - route:
    - {destination: {host: $CASE.test, subset: v1}, weight: 80}
    - {destination: {host: $CASE.test, subset: v2}, weight: 20}
";
    dubbo.service(stage, GREETER, routes).await?;
    let served = dubbo.call(stage, json!({"calls": 1000})).await?;
    served.share("v1", 80, 1000)
}

async fn two_interfaces(stage: &Stage<'_>) -> Result<()> {
    let dubbo = Dubbo::of(stage).await?;
    let both = format!("{GREETER},net.aeraki.conformance.Teller");
    let teller_to_v2 = format!(
        "  - match: [{{headers: {{interface: {{exact: net.aeraki.conformance.Teller}}}}}}]
    route: [{{destination: {{host: $CASE.test, subset: v2}}}}]
{TO_V1}"
    );
    dubbo.service(stage, &both, &teller_to_v2).await?;
    let tell = json!({"interfaceName": "Teller", "method": "tell", "calls": 5});
    dubbo
        .call(stage, json!({"calls": 5}))
        .await?
        .all_by("v1", 5)?;
    dubbo.call(stage, tell.clone()).await?.all_by("v2", 5)?;
    dubbo.service(stage, GREETER, TO_V1).await?;
    let served = dubbo.call_at(OLD, &stage.vip(1), tell).await?;
    served.none(5, "")
}

async fn interface_wildcards(stage: &Stage<'_>) -> Result<()> {
    let dubbo = Dubbo::of(stage).await?;
    let tell = json!({"interfaceName": "Teller", "method": "tell", "calls": 2});
    dubbo.service(stage, "*.Greeter", TO_V1).await?;
    let greet = dubbo.call(stage, json!({"calls": 2})).await?;
    greet.all_by("v1", 2)?;
    dubbo.call(stage, tell.clone()).await?.none(2, "")?;
    let of_package = "net.aeraki.conformance.T*";
    dubbo.service(stage, of_package, TO_V1).await?;
    // Of the old library there is no connection yet, which would have the old routes.
    let address = stage.vip(1);
    let tell = dubbo.call_at(OLD, &address, tell).await?;
    tell.all_by("v1", 2)?;
    let greet = dubbo.call_at(OLD, &address, json!({"calls": 2})).await?;
    greet.none(2, "")
}

async fn undefined_subset(stage: &Stage<'_>) -> Result<()> {
    let dubbo = Dubbo::of(stage).await?;
    let routes = format!(
        "  - match: [{{method: {{exact: bye}}}}]
    route: [{{destination: {{host: $CASE.test, subset: v3}}}}]
{TO_V1}"
    );
    dubbo.service(stage, GREETER, &routes).await?;
    let bye = json!({"method": "bye", "calls": 2});
    dubbo.call(stage, bye).await?.none(2, "")?;
    dubbo
        .call(stage, json!({"calls": 2}))
        .await?
        .all_by("v1", 2)
}

async fn redirect(stage: &Stage<'_>) -> Result<()> {
    let dubbo = Dubbo::of(stage).await?;
    let routes = format!(
        "  - match: [{{method: {{exact: bye}}}}]
    redirect: {{uri: /elsewhere}}
  - match: [{{method: {{exact: add}}}}]
    directResponse: {{status: 503}}
  - match: [{{method: {{exact: tell}}}}]
    delegate: {{name: $CASE-elsewhere}}
{TO_V1}"
    );
    stage.expects("AER0205");
    let both = format!("{GREETER},net.aeraki.conformance.Teller");
    dubbo.service(stage, &both, &routes).await?;
    for (interface, method) in [("Greeter", "bye"), ("Greeter", "add"), ("Teller", "tell")] {
        let request = json!({"interfaceName": interface, "method": method, "calls": 2});
        let served = dubbo.call(stage, request).await?;
        served.none(2, "").context(method)?;
    }
    let greet = dubbo.call(stage, json!({"calls": 2})).await?;
    greet.all_by("v1", 2)
}

async fn no_effect(stage: &Stage<'_>) -> Result<()> {
    let dubbo = Dubbo::of(stage).await?;
    let mirror = "    mirror: {host: $CASE.test, subset: v1}\n";
    let routes = format!(
        "  - match: [{{method: {{exact: bye}}}}]
    route: [{{destination: {{host: $CASE.test, subset: v2}}}}]
{mirror}{NO_EFFECT}{TO_V1}"
    );
    dubbo.service(stage, GREETER, &routes).await?;
    for (method, server) in [("bye", "v2"), ("greet", "v1")] {
        let request = json!({"method": method, "calls": 5});
        let served = dubbo.call(stage, request).await?;
        served.all_by(server, 5).context(method)?;
    }
    Ok(())
}

async fn group_and_version(stage: &Stage<'_>) -> Result<()> {
    let dubbo = Dubbo::of(stage).await?;
    let annotations = format!(
        "interface: {GREETER}, dubbo.aeraki.io/group: blue, dubbo.aeraki.io/version: \"2.0.0\""
    );
    let to_v2 = TO_V1.replace("v1", "v2");
    dubbo.annotated(stage, &annotations, &to_v2).await?;
    let blue = json!({"group": "blue", "version": "2.0.0", "calls": 5});
    for version in [OLD, NEW] {
        let served = dubbo.call_at(version, &stage.vip(1), blue.clone()).await?;
        served.all_by("v2", 5)?;
    }
    dubbo.call(stage, json!({"calls": 2})).await?.none(2, "")?;
    let green = json!({"group": "green", "version": "2.0.0", "calls": 2});
    dubbo.call(stage, green).await?.none(2, "")
}
