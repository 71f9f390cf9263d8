//! On which listeners the filter comes to stand, and on which it must not.

use anyhow::{Result, ensure};
use futures::FutureExt as _;
use serde_json::json;

use super::{Dubbo, GREETER, NEW, OLD, PORT, java, rules};
use crate::case::{Case, Stage, Turn};
use crate::kubernetes_service::KubernetesService;
use crate::mesh::PodOptions;
use crate::served::{self, Served};

pub(super) const CASES: &[Case] = &[
    Case {
        name: "dubbo/inbound",
        proves: "the servers' sidecars speak Dubbo too, on the target port",
        turn: Turn::Shared,
        run: |stage| inbound(stage).boxed_local(),
    },
    Case {
        name: "dubbo/own-namespace",
        proves: "`exportTo: [\".\"]`: clients of other namespaces are not routed",
        turn: Turn::Shared,
        run: |stage| own_namespace(stage).boxed_local(),
    },
    Case {
        name: "dubbo/kubernetes-service",
        proves: "a Kubernetes Service with such a port name is routed as a ServiceEntry is",
        turn: Turn::Shared,
        run: |stage| kubernetes(stage, "name: tcp-dubbo").boxed_local(),
    },
    Case {
        name: "dubbo/app-protocol",
        proves: "a Kubernetes Service by its port's `appProtocol: dubbo`",
        turn: Turn::Shared,
        run: |stage| kubernetes(stage, "appProtocol: dubbo").boxed_local(),
    },
];

async fn inbound(stage: &Stage<'_>) -> Result<()> {
    let dubbo = Dubbo::of(stage).await?;
    let service = format!(
        "\
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: $CASE, namespace: $NAMESPACE, annotations: {{interface: {GREETER}}}}}
spec:
  hosts: [$CASE.test]
  addresses: [$VIP1]
  ports: [{{number: 20880, name: tcp-dubbo, protocol: TCP}}]
  resolution: STATIC
  workloadSelector: {{labels: {{app: dubbo, version: v2}}}}
"
    );
    stage.apply(&service).await?;
    stage.settled().await?;
    let requests = ["dubbo.inbound|20880||", ".request_twoway"];
    let before = dubbo.v2.count(&requests).await?;
    dubbo
        .call(stage, json!({"calls": 7}))
        .await?
        .all_by("v2", 7)?;
    let counted = dubbo.v2.count(&requests).await? - before;
    // Other cases call the server too; without this one's filter nothing would be counted.
    ensure!(
        counted >= 7,
        "the server's sidecar has counted {counted} calls of 7"
    );
    Ok(())
}

async fn own_namespace(stage: &Stage<'_>) -> Result<()> {
    let dubbo = Dubbo::of(stage).await?;
    let pod = stage.pod(&PodOptions::new("elsewhere", "client")).await?;
    let command = java(stage, &pod, OLD, &[], "Consumer")?;
    let outsider = stage.client(&pod, "consumer", command)?;
    let (v1, v2) = (dubbo.v1.address(), dubbo.v2.address());
    stage
        .apply(&served::own("dubbo", PORT, &v2.to_string()))
        .await?;
    stage
        .apply(&served::foreign("dubbo", PORT, &v1.to_string()))
        .await?;
    stage.settled().await?;
    let address = stage.vip(2);
    let served = dubbo.call_at(NEW, &address, json!({"calls": 5})).await?;
    served.all_by("v2", 5)?;
    let request = json!({
        "address": format!("{address}:{PORT}"), "interfaceName": "Greeter", "method": "greet",
        "parameters": "serialization=hessian2", "calls": 5,
    });
    Served::of(&outsider.ask(&request).await?)?.all_by("v1", 5)
}

async fn kubernetes(stage: &Stage<'_>, named: &str) -> Result<()> {
    let dubbo = Dubbo::of(stage).await?;
    let [v1, v2] = [&dubbo.v1, &dubbo.v2].map(|pod| pod.address().to_string());
    let service = KubernetesService {
        named,
        annotations: &format!("interface: {GREETER}"),
        servers: &[("server-v1", &v1), ("server-v2", &v2)],
        ..KubernetesService::at(PORT)
    };
    stage.apply(&service.yaml()).await?;
    let host = "$CASE.$NAMESPACE.svc.cluster.local";
    let routes = format!(
        "  - match: [{{method: {{exact: bye}}}}]
    route: [{{destination: {{host: {host}, subset: v2}}}}]
  - route: [{{destination: {{host: {host}, subset: v1}}}}]
"
    );
    stage.apply(&rules(host, &routes)).await?;
    stage.settled().await?;
    for (method, server) in [("bye", "v2"), ("greet", "v1")] {
        let request = json!({"method": method, "calls": 5});
        let served = dubbo.call_at(NEW, &stage.cluster_ip(), request).await?;
        served.all_by(server, 5)?;
    }
    Ok(())
}
