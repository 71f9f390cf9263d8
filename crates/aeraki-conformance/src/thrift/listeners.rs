//! On which listeners the filter comes to stand, and on which it must not.

use anyhow::{Result, ensure};
use futures::FutureExt as _;
use serde_json::json;

use super::{NAMESPACE, PORT, SUBSETS, Thrift, rule};
use crate::case::{Case, Stage, Turn};
use crate::kubernetes_service::KubernetesService;
use crate::mesh::{LOCALHOST_LISTENERS, PodOptions};
use crate::served::{self, Served};

pub(super) const CASES: &[Case] = &[
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
        name: "thrift/interception-none",
        proves: "`--localhost-listeners`: a sidecar that captures nothing routes the calls that it gets on loopback",
        turn: Turn::Alone,
        run: |stage| interception_none(stage).boxed_local(),
    },
];

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

async fn kubernetes(stage: &Stage<'_>, named: &str) -> Result<()> {
    let thrift = Thrift::of(stage).await?;
    let (v1, v2) = (thrift.v1.address(), thrift.v2.address());
    let [v1, v2] = [v1, v2].map(|address| address.to_string());
    let service = KubernetesService {
        named,
        servers: &[("server-v1", &v1), ("server-v2", &v2)],
        ..KubernetesService::at(PORT)
    };
    let host = "$CASE.$NAMESPACE.svc.cluster.local";
    let routes = format!(
        "  - match: [{{method: {{exact: SayBye}}}}]
    route: [{{destination: {{host: {host}, subset: v2}}}}]
  - route: [{{destination: {{host: {host}, subset: v1}}}}]
"
    );
    let rules = format!("{SUBSETS}---\n{}", rule(&routes));
    let rules = rules.replace("$CASE.test", host);
    stage.apply(&(service.yaml() + &rules)).await?;
    stage.settled().await?;
    for (method, server) in [("SayBye", "v2"), ("SayHello", "v1")] {
        let address = format!("{}:{PORT}", stage.cluster_ip());
        let request = json!({"address": address, "method": method, "calls": 5});
        Served::of(&thrift.client.ask(&request).await?)?.all_by(server, 5)?;
    }
    Ok(())
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
