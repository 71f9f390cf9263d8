//! Thrift: a client and servers of Apache's Python library, which speaks every transport and protocol.

use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use futures::FutureExt as _;
use serde_json::{Value, json};

use crate::case::{Case, Stage, Turn};
use crate::client::Client;
use crate::mesh::{LOCALHOST_LISTENERS, Mesh, Pod, PodOptions};
use crate::served::{self, Served};
use crate::wait::{Seen, until};

pub(crate) use demo::DEMO;
pub(crate) use measure::{LOAD, SUBJECT};

mod annotations;
mod demo;
mod measure;
mod trouble;

/// The cases, by what they are about.
pub(crate) const CASES: [&[Case]; 3] = [USE, annotations::CASES, trouble::CASES];

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
        name: "thrift/header",
        proves: "`match.headers` exact, prefix, regex and presence, and `withoutHeaders`, by THeader",
        turn: Turn::Shared,
        run: |stage| header(stage).boxed_local(),
    },
    Case {
        name: "thrift/without-header",
        proves: "`withoutHeaders`: prefix, absence, and a value that an empty text satisfies; an absent header always matches",
        turn: Turn::Shared,
        run: |stage| without_header(stage).boxed_local(),
    },
    Case {
        name: "thrift/ignore-case",
        proves: "the annotation `aeraki.net/ignore-case`: the values of the headers that it names match in any case",
        turn: Turn::Shared,
        run: |stage| ignore_case(stage).boxed_local(),
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
        proves: "a rule with `redirect` or `directResponse`: the calls that it matches fail, and go to nobody else",
        turn: Turn::Shared,
        run: |stage| redirect(stage).boxed_local(),
    },
    Case {
        name: "thrift/inexpressible-method",
        proves: "a prefix of a method cannot be expressed: the entry has no effect, and nothing gets wider",
        turn: Turn::Shared,
        run: |stage| inexpressible(stage).boxed_local(),
    },
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
        name: "thrift/mirrors",
        proves: "`mirrors[]`, each with a `percentage`",
        turn: Turn::Shared,
        run: |stage| mirror(stage, "ListMirrored", MIRRORS_40, 40).boxed_local(),
    },
    Case {
        name: "thrift/own-namespace",
        proves: "`exportTo: [\".\"]`: clients of other namespaces are not routed",
        turn: Turn::Shared,
        run: |stage| own_namespace(stage).boxed_local(),
    },
    Case {
        name: "thrift/kubernetes-service",
        proves: "a Kubernetes Service by the name of its port is routed as a ServiceEntry is",
        turn: Turn::Shared,
        run: |stage| kubernetes(stage, "name: tcp-thrift").boxed_local(),
    },
    Case {
        name: "thrift/app-protocol",
        proves: "a Kubernetes Service by its port's `appProtocol: thrift`",
        turn: Turn::Shared,
        run: |stage| kubernetes(stage, "appProtocol: thrift").boxed_local(),
    },
    Case {
        name: "thrift/inbound",
        proves: "the servers' sidecars speak Thrift too, on the target port",
        turn: Turn::Shared,
        run: |stage| inbound(stage).boxed_local(),
    },
    Case {
        name: "thrift/removed",
        proves: "without its VirtualService a service is called as if there had been none",
        turn: Turn::Shared,
        run: |stage| removed(stage).boxed_local(),
    },
    Case {
        name: "thrift/interception-none",
        proves: "`--localhost-listeners`: a sidecar that captures nothing routes the calls that it gets on loopback",
        turn: Turn::Alone,
        run: |stage| interception_none(stage).boxed_local(),
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

async fn header(stage: &Stage<'_>) -> Result<()> {
    let thrift = Thrift::of(stage).await?;
    let routes = "  - match: [{headers: {x-env: {exact: canary}}}, {headers: {x-env: {prefix: dev-}}}, {headers: {x-env: {regex: \"q[0-9]+\"}}}]
    route: [{destination: {host: $CASE.test, subset: v2}}]
  - match: [{headers: {x-tenant: {}}, withoutHeaders: {x-env: {exact: live}}}]
    route: [{destination: {host: $CASE.test, subset: v2}}]
  - route: [{destination: {host: $CASE.test, subset: v1}}]
";
    thrift.service(stage, routes).await?;
    for (value, server) in [
        ("canary", "v2"),
        ("canary2", "v1"),
        ("dev-1", "v2"),
        ("q17", "v2"),
        ("q", "v1"),
    ] {
        let request = json!({"transport": "header", "headers": {"x-env": value}, "calls": 5});
        thrift
            .call(stage, "SayHello", request)
            .await?
            .all_by(server, 5)?;
    }
    for (env, server) in [("live", "v1"), ("test", "v2")] {
        let headers = json!({"x-env": env, "x-tenant": "gold"});
        let request = json!({"transport": "header", "headers": headers, "calls": 5, "fresh": true});
        let served = thrift.call(stage, "SayHello", request).await?;
        served.all_by(server, 5)?;
    }
    let without = json!({"transport": "framed", "calls": 5});
    thrift
        .call(stage, "SayHello", without)
        .await?
        .all_by("v1", 5)
}

/// Each rule is for one value of `x-rule`, and leads to v2.
const WITHOUT: &str =
    "  - match: [{headers: {x-rule: {exact: prefix}}, withoutHeaders: {x-env: {prefix: dev-}}}]
    route: [{destination: {host: $CASE.test, subset: v2}}]
  - match: [{headers: {x-rule: {exact: absent}}, withoutHeaders: {x-env: {}}}]
    route: [{destination: {host: $CASE.test, subset: v2}}]
  - match: [{headers: {x-rule: {exact: letters}}, withoutHeaders: {x-env: {regex: \"[a-z]*\"}}}]
    route: [{destination: {host: $CASE.test, subset: v2}}]
  - route: [{destination: {host: $CASE.test, subset: v1}}]
";

async fn without_header(stage: &Stage<'_>) -> Result<()> {
    let thrift = Thrift::of(stage).await?;
    thrift.service(stage, WITHOUT).await?;
    for (rule, env, server) in [
        ("prefix", None, "v2"),
        ("prefix", Some("live"), "v2"),
        ("prefix", Some("dev-1"), "v1"),
        ("absent", None, "v2"),
        ("absent", Some("live"), "v1"),
        ("letters", None, "v2"),
        ("letters", Some("17"), "v2"),
        ("letters", Some("live"), "v1"),
    ] {
        let mut headers = json!({"x-rule": rule});
        if let Some(env) = env {
            headers["x-env"] = env.into();
        }
        let request = json!({"transport": "header", "headers": headers, "calls": 3, "fresh": true});
        let served = thrift.call(stage, "SayHello", request).await?;
        served.all_by(server, 3).context(headers.to_string())?;
    }
    Ok(())
}

async fn ignore_case(stage: &Stage<'_>) -> Result<()> {
    let thrift = Thrift::of(stage).await?;
    let routes = "  - match: [{headers: {x-env: {exact: canary}}}, {headers: {x-zone: {exact: a}}}]
    route: [{destination: {host: $CASE.test, subset: v2}}]
  - route: [{destination: {host: $CASE.test, subset: v1}}]
";
    let annotated = "namespace: $NAMESPACE, annotations: {aeraki.net/ignore-case: x-env}}";
    stage
        .apply(&rule(routes).replace("namespace: $NAMESPACE}", annotated))
        .await?;
    thrift.service(stage, "").await?;
    for (header, value, server) in [
        ("x-env", "CaNaRy", "v2"),
        ("x-env", "live", "v1"),
        ("x-zone", "a", "v2"),
        ("x-zone", "A", "v1"),
    ] {
        let request =
            json!({"transport": "header", "headers": {header: value}, "calls": 3, "fresh": true});
        let served = thrift.call(stage, "SayHello", request).await?;
        served
            .all_by(server, 3)
            .with_context(|| format!("{header}: {value}"))?;
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

async fn own_namespace(stage: &Stage<'_>) -> Result<()> {
    let thrift = Thrift::of(stage).await?;
    let outsider = stage.pod(&PodOptions::new("elsewhere", "client")).await?;
    let outsider = stage.python(&outsider, "thrift", "client.py")?;
    let to_v2 = "  - route: [{destination: {host: $CASE.test, subset: v2}}]\n";
    thrift.service(stage, to_v2).await?;
    let (v1, v2) = (thrift.v1.address(), thrift.v2.address());
    stage
        .apply(&served::own("thrift", PORT, &v2.to_string()))
        .await?;
    stage
        .apply(&served::foreign("thrift", PORT, &v1.to_string()))
        .await?;
    stage.settled().await?;
    let address = format!("{}:{PORT}", stage.vip(2));
    let request = json!({"address": address, "method": "SayHello", "calls": 5});
    Served::of(&thrift.client.ask(&request).await?)?.all_by("v2", 5)?;
    Served::of(&outsider.ask(&request).await?)?.all_by("v1", 5)
}

/// A Service whose port says `named`, and its EndpointSlice, which in a cluster a controller writes.
async fn kubernetes(stage: &Stage<'_>, named: &str) -> Result<()> {
    let thrift = Thrift::of(stage).await?;
    let (v1, v2) = (thrift.v1.address(), thrift.v2.address());
    let name = named.strip_prefix("name: ").unwrap_or_default();
    let host = "$CASE.$NAMESPACE.svc.cluster.local";
    let service = format!(
        "\
apiVersion: v1
kind: Service
metadata: {{name: $CASE, namespace: $NAMESPACE}}
spec:
  clusterIP: $CLUSTERIP
  ports: [{{{named}, port: 9090}}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: $CASE, namespace: $NAMESPACE, labels: {{kubernetes.io/service-name: $CASE}}}}
addressType: IPv4
ports: [{{name: \"{name}\", port: 9090, protocol: TCP}}]
endpoints:
- {{addresses: [{v1}], conditions: {{ready: true}}, targetRef: {{kind: Pod, name: server-v1, namespace: $NAMESPACE}}}}
- {{addresses: [{v2}], conditions: {{ready: true}}, targetRef: {{kind: Pod, name: server-v2, namespace: $NAMESPACE}}}}
---
"
    );
    let routes = format!(
        "  - match: [{{method: {{exact: SayBye}}}}]
    route: [{{destination: {{host: {host}, subset: v2}}}}]
  - route: [{{destination: {{host: {host}, subset: v1}}}}]
"
    );
    let rules = format!("{SUBSETS}---\n{}", rule(&routes));
    let rules = rules.replace("$CASE.test", host);
    stage.apply(&(service + &rules)).await?;
    stage.settled().await?;
    for (method, server) in [("SayBye", "v2"), ("SayHello", "v1")] {
        let address = format!("{}:{PORT}", stage.cluster_ip());
        let request = json!({"address": address, "method": method, "calls": 5});
        Served::of(&thrift.client.ask(&request).await?)?.all_by(server, 5)?;
    }
    Ok(())
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
  - route: [{destination: {host: $CASE.test, subset: v1}}]
";
    stage.expects("AER0205");
    thrift.service(stage, routes).await?;
    let calls = json!({"calls": 2});
    for method in ["SayBye", "SayNothing"] {
        let served = thrift.call(stage, method, calls.clone()).await?;
        served.none(2, "").context(method)?;
    }
    thrift.call(stage, "SayHello", calls).await?.all_by("v1", 2)
}

async fn inexpressible(stage: &Stage<'_>) -> Result<()> {
    let thrift = Thrift::of(stage).await?;
    let routes = "  - match: [{method: {prefix: Say}}]
    route: [{destination: {host: $CASE.test, subset: v2}}]
  - route: [{destination: {host: $CASE.test, subset: v1}}]
";
    thrift.service(stage, routes).await?;
    let calls = json!({"calls": 5});
    thrift.call(stage, "SayHello", calls).await?.all_by("v1", 5)
}

async fn inbound(stage: &Stage<'_>) -> Result<()> {
    let thrift = Thrift::of(stage).await?;
    let service = "\
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: $CASE, namespace: $NAMESPACE}
spec:
  hosts: [$CASE.test]
  addresses: [$VIP1]
  ports: [{number: 9191, name: tcp-thrift, protocol: TCP, targetPort: 9090}]
  resolution: STATIC
  workloadSelector: {labels: {app: thrift, version: v2}}
";
    stage.apply(service).await?;
    stage.settled().await?;
    let requests = ["thrift.inbound|9090||", "request_call"];
    let before = thrift.v2.count(&requests).await?;
    let request =
        json!({"address": format!("{}:9191", stage.vip(1)), "method": "SayHello", "calls": 7});
    Served::of(&thrift.client.ask(&request).await?)?.all_by("v2", 7)?;
    let counted = thrift.v2.count(&requests).await? - before;
    // Other cases call the server too; without this one's filter nothing would be counted.
    ensure!(
        counted >= 7,
        "the server's sidecar has counted {counted} calls of 7"
    );
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

async fn interception_none(stage: &Stage<'_>) -> Result<()> {
    let thrift = Thrift::of(stage).await?;
    let pod = PodOptions::new(NAMESPACE, "client-without-interception").without_interception();
    let pod = stage.pod(&pod).await?;
    let client = stage.python(&pod, "thrift", "client.py")?;
    let routes = "  - match: [{method: {exact: SayBye}}]
    route: [{destination: {host: $CASE.test, subset: v2}}]
  - route: [{destination: {host: $CASE.test, subset: v1}}]
";
    thrift.service(stage, routes).await?;
    stage
        .with_settings(LOCALHOST_LISTENERS, async || {
            stage.settled().await?;
            for (method, server) in [("SayBye", "v2"), ("SayHello", "v1")] {
                let address = format!("127.0.0.1:{PORT}");
                // On one connection, which plain TCP would lead to one server.
                let request = json!({"address": address, "method": method, "calls": 20});
                Served::of(&client.ask(&request).await?)?.all_by(server, 20)?;
            }
            Ok(())
        })
        .await
}
