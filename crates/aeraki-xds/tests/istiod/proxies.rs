//! What Envoys refuse comes back.

use aeraki_testbed::{Sidecar, SidecarOptions};
use aeraki_xds::syncz::{LISTENER, Rejection};

use super::mesh::{Files, ISTIOD, bed, namespace};
use super::running::Running;

async fn until(client: &Running, holds: impl Fn(&[Rejection]) -> bool) -> Vec<Rejection> {
    for _ in 0..600 {
        let rejections = client.handle.rejections().await.unwrap();
        if holds(&rejections) {
            return rejections;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("it never came to that");
}

#[tokio::test]
async fn a_listener_that_envoy_refuses_is_told_by_name_and_forgotten_once_it_is_mended() {
    let _stays = ISTIOD.read().await;
    let bed = bed().await;
    let cluster = bed.cluster().await.unwrap();
    namespace(&cluster, "refused").await;
    let files = Files::new(&cluster, "istio-system", "istio-ca").await;
    let mut client = Running::start(files.settings(bed.istiod().grpc_tls));
    client.until_complete().await;
    let options = SidecarOptions::new("refused", "orders-0");
    let sidecar = Sidecar::start(bed, &options).await.unwrap();
    sidecar.until_live().await.unwrap();
    assert_eq!(until(&client, |_| true).await, []);

    // Kafka's filter is in no stock Envoy.
    let objects = "\
{apiVersion: networking.istio.io/v1, kind: ServiceEntry, metadata: {name: k, namespace: refused},
 spec: {hosts: [k.refused.com], addresses: [240.240.7.7], resolution: STATIC,
        ports: [{number: 9092, name: tcp-kafka, protocol: TCP}]}}
---
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: {name: f, namespace: refused}
spec:
  configPatches:
  - applyTo: NETWORK_FILTER
    match:
      context: SIDECAR_OUTBOUND
      listener:
        name: 240.240.7.7_9092
        filterChain: {filter: {name: envoy.filters.network.tcp_proxy}}
    patch:
      operation: INSERT_BEFORE
      value:
        name: envoy.filters.network.kafka_broker
        typed_config:
          '@type': type.googleapis.com/envoy.extensions.filters.network.kafka_broker.v3.KafkaBroker
          stat_prefix: k
";
    cluster.apply(objects).await.unwrap();
    let rejections = until(&client, |rejections| !rejections.is_empty()).await;
    println!("{rejections:#?}");
    let [rejection] = rejections.as_slice() else {
        panic!("{rejections:?}")
    };
    assert_eq!(rejection.proxy, "orders-0.refused");
    assert_eq!(rejection.type_url, LISTENER);
    assert_eq!(rejection.resource.as_deref(), Some("240.240.7.7_9092"));
    assert!(
        rejection
            .error
            .contains("envoy.filters.network.kafka_broker"),
        "{}",
        rejection.error
    );

    let filter = "networking.istio.io/v1alpha3/EnvoyFilter";
    assert!(cluster.delete(filter, "refused", "f").await.unwrap());
    until(&client, <[Rejection]>::is_empty).await;
    assert_eq!(
        client.ends("unauthenticated") + client.ends("closed"),
        0,
        "one stream for all"
    );
}
