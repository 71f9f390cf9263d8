//! What real proxies make of it comes back to the user.

use std::time::Duration;

use aeraki_testbed::{Sidecar, SidecarOptions};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::world::{World, dubbo_service};

/// A Kafka service; the proxies with the metadata `AERAKI_KAFKA` get the filter, and stock ones do not have it.
const KAFKA: &str = "\
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: kafka, namespace: shop}
spec:
  hosts: [kafka.example]
  addresses: [240.240.9.9]
  ports: [{number: 9092, name: tcp-kafka, protocol: TCP}]
  resolution: STATIC
  endpoints: [{address: 127.0.0.1}]
";

async fn events(world: &World, reason: &str) -> Vec<Value> {
    let mut events = world
        .cluster
        .list("events.k8s.io/v1/Event", "shop")
        .await
        .unwrap();
    events.retain(|event| event["reason"] == reason);
    events
}

#[tokio::test]
async fn a_listener_that_a_proxy_refuses_is_traced_to_the_users_object() {
    let world = World::empty().await;
    world.namespace("shop").await;
    let aeraki = world.start(&["--enable-protocol=kafka"]);
    let options = SidecarOptions::new("shop", "client-0").metadata("AERAKI_KAFKA", "true");
    let sidecar = Sidecar::start(world.bed, &options).await.unwrap();
    sidecar.until_live().await.unwrap();
    world.cluster.apply(KAFKA).await.unwrap();
    world
        .until("the filter", |filters| !filters.is_empty())
        .await;

    let told = "proxy client-0.shop refuses 240.240.9.9_9092";
    aeraki.until_said(told).await;
    let line = aeraki.said(told).remove(0);
    assert_eq!(line["code"], "AER0301", "{line}");
    assert_eq!(line["object"], "ServiceEntry shop/kafka");
    let event = loop {
        if let Some(event) = events(&world, "ProxyRejected").await.pop() {
            break event;
        }
        sleep(Duration::from_millis(100)).await;
    };
    assert_eq!(event["regarding"]["kind"], "ServiceEntry");
    assert_eq!(event["regarding"]["name"], "kafka");
    assert!(
        event["note"].as_str().unwrap().contains("AER0301"),
        "{event}"
    );
    assert_eq!(aeraki.metric("aeraki_diagnostics", "AER0301").await, 1.0);

    // Mended: the service is no longer called Kafka, and what was said is taken back.
    world
        .cluster
        .apply(&KAFKA.replace("tcp-kafka", "tcp-other"))
        .await
        .unwrap();
    world.until("no filter", |filters| filters.is_empty()).await;
    while aeraki.metric("aeraki_diagnostics", "AER0301").await != 0.0 {
        sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn an_older_filter_on_the_same_listener_is_told() {
    let world = World::empty().await;
    world.namespace("shop").await;
    let rival = json!({"apiVersion": "networking.istio.io/v1alpha3", "kind": "EnvoyFilter",
        "metadata": {"name": "theirs", "namespace": "istio-system"},
        "spec": {"configPatches": [{"applyTo": "NETWORK_FILTER",
            "match": {"context": "SIDECAR_OUTBOUND", "listener": {"name": "240.240.0.1_20880",
                "filterChain": {"filter": {"name": "envoy.filters.network.tcp_proxy"}}}},
            "patch": {"operation": "REPLACE", "value": {"name": "envoy.filters.network.echo",
                "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.network.echo.v3.Echo"}}}}]}});
    world.cluster.apply(&rival.to_string()).await.unwrap();
    let aeraki = world.start(&[]);
    world
        .cluster
        .apply(&crate::world::dubbo_service("orders", "240.240.0.1"))
        .await
        .unwrap();
    world
        .until("ours and theirs", |filters| filters.len() == 3)
        .await;
    aeraki
        .until_said("the EnvoyFilter istio-system/theirs goes before")
        .await;
    let line = aeraki.said("istio-system/theirs goes before").remove(0);
    assert_eq!(line["code"], "AER0305");
    assert_eq!(line["object"], "ServiceEntry shop/orders");
}

#[tokio::test]
async fn statistics_that_sidecars_keep_to_themselves_are_told_while_the_protocol_is_in_use() {
    let world = World::empty().await;
    world.namespace("shop").await;
    let aeraki = world.start(&[]);
    let service = dubbo_service("orders", "240.240.0.1");
    world.cluster.apply(&service).await.unwrap();
    let is_told = async |count: f64| {
        while aeraki.metric("aeraki_diagnostics", "AER0306").await != count {
            sleep(Duration::from_millis(100)).await;
        }
    };
    is_told(1.0).await;
    let kind = "networking.istio.io/v1/ServiceEntry";
    world.cluster.delete(kind, "shop", "orders").await.unwrap();
    is_told(0.0).await;
}
