//! What istiod tells, and when.

use std::time::Duration;

use aeraki_core::object::{Body, Kind, ObjectKey};
use aeraki_testbed::Cluster;

use super::mesh::{Files, ISTIOD, bed, namespace, of_namespace};
use super::running::{Running, eventually};

async fn client(cluster: &Cluster) -> (Running, Files) {
    let files = Files::new(cluster, "istio-system", "istio-ca").await;
    let client = Running::start(files.settings(bed().await.istiod().grpc_tls));
    (client, files)
}

fn service_entry(namespace: &str, name: &str, host: &str, interface: &str) -> String {
    format!(
        "\
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata:
  name: {name}
  namespace: {namespace}
  labels: {{team: shop}}
  annotations: {{interface: {interface}}}
spec:
  hosts: [{host}]
  addresses: [240.240.0.1]
  ports: [{{number: 20880, name: tcp-dubbo, protocol: TCP}}]
  resolution: STATIC
"
    )
}

fn of_team(client: &Running, namespace: &str) -> Vec<String> {
    of_namespace(client.names(), namespace)
}

#[tokio::test]
async fn config_is_read_pushed_and_deleted() {
    let _stays = ISTIOD.read().await;
    let cluster = bed().await.cluster().await.unwrap();
    namespace(&cluster, "pushed").await;
    cluster
        .apply(&service_entry(
            "pushed",
            "orders",
            "orders.pushed.com",
            "a.B",
        ))
        .await
        .unwrap();
    let (mut client, _files) = client(&cluster).await;
    client.until_complete().await;
    let key = ObjectKey::new(Kind::SERVICE_ENTRY, "pushed", "orders");
    client
        .until(|client| client.objects.contains_key(&key))
        .await;
    let object = &client.objects[&key];
    assert_eq!(object.meta.labels.get("team"), Some("shop"));
    assert_eq!(object.meta.annotations.get("interface"), Some("a.B"));
    assert!(object.meta.created.is_some());
    let Body::ServiceEntry { spec, .. } = &object.body else {
        panic!("{object:?}")
    };
    assert_eq!(spec.get().hosts, ["orders.pushed.com"]);
    assert_eq!(spec.get().ports[0].number, 20880);

    let rules = "\
{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: v, namespace: pushed},
 spec: {hosts: [orders.pushed.com], http: [{route: [{destination: {host: orders.pushed.com}}]}]}}
---
{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: d, namespace: pushed},
 spec: {host: nobody.pushed.com}}
";
    cluster.apply(rules).await.unwrap();
    client
        .until(|client| of_team(client, "pushed").len() == 3)
        .await;
    let virtual_service = "networking.istio.io/v1/VirtualService";
    assert!(
        cluster
            .delete(virtual_service, "pushed", "v")
            .await
            .unwrap()
    );
    client
        .until(|client| of_team(client, "pushed").len() == 2)
        .await;
    assert_eq!(client.epoch(), Some(1), "the view stays complete");
}

#[tokio::test]
async fn a_change_of_annotations_comes_with_a_resync_on_the_open_stream() {
    let _stays = ISTIOD.read().await;
    let cluster = bed().await.cluster().await.unwrap();
    namespace(&cluster, "annotated").await;
    cluster
        .apply(&service_entry("annotated", "a", "a.annotated.com", "first"))
        .await
        .unwrap();
    let files = Files::new(&cluster, "istio-system", "istio-ca").await;
    let mut settings = files.settings(bed().await.istiod().grpc_tls);
    settings.timing.resync = Duration::from_millis(500);
    let mut client = Running::start(settings);
    let key = ObjectKey::new(Kind::SERVICE_ENTRY, "annotated", "a");
    let interface = |client: &Running| {
        let object = client.objects.get(&key)?;
        object.meta.annotations.get("interface").map(str::to_owned)
    };
    client
        .until(|client| interface(client).as_deref() == Some("first"))
        .await;
    cluster
        .apply(&service_entry(
            "annotated",
            "a",
            "a.annotated.com",
            "second",
        ))
        .await
        .unwrap();
    client
        .until(|client| interface(client).as_deref() == Some("second"))
        .await;
    assert_eq!(client.epoch(), Some(1), "all on one stream");
}

#[tokio::test]
async fn a_push_after_a_filter_was_written_changes_nothing() {
    let _stays = ISTIOD.write().await;
    let cluster = bed().await.cluster().await.unwrap();
    namespace(&cluster, "filtered").await;
    cluster
        .apply(&service_entry("filtered", "a", "a.filtered.com", "x"))
        .await
        .unwrap();
    let (mut client, _files) = client(&cluster).await;
    client
        .until(|client| !of_team(client, "filtered").is_empty() && client.epoch().is_some())
        .await;
    let answers = "responses_total{type=\"networking.istio.io/v1/ServiceEntry\"}";
    let before = client.metric(answers);
    let filter = "\
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: {name: f, namespace: filtered}
spec:
  configPatches:
  - applyTo: NETWORK_FILTER
    match: {context: SIDECAR_OUTBOUND, listener: {name: nobody_1}}
    patch: {operation: REMOVE}
";
    cluster.apply(filter).await.unwrap();
    eventually(|| client.metric(answers) > before, "a push").await;
    let nothing = tokio::time::timeout(Duration::from_millis(500), client.next()).await;
    assert!(
        nothing.is_err(),
        "no update comes of it: {:?}",
        client.last.events
    );
    assert_eq!(client.ends("closed") + client.ends("cut"), 0);
}

#[tokio::test]
async fn a_service_of_kubernetes_comes_as_a_service_entry() {
    let _stays = ISTIOD.read().await;
    let cluster = bed().await.cluster().await.unwrap();
    namespace(&cluster, "services").await;
    let service = "\
{apiVersion: v1, kind: Service, metadata: {name: cache, namespace: services},
 spec: {ports: [{name: tcp-redis, port: 6379}]}}
";
    cluster.apply(service).await.unwrap();
    let (mut client, _files) = client(&cluster).await;
    let key = ObjectKey::new(Kind::SERVICE_ENTRY, "services", "synthetic-cache");
    client
        .until(|client| client.objects.contains_key(&key))
        .await;
}

#[tokio::test]
async fn a_restart_of_istiod_loses_nothing_and_deletes_what_is_gone() {
    let _alone = ISTIOD.write().await;
    let bed = bed().await;
    let cluster = bed.cluster().await.unwrap();
    namespace(&cluster, "restarted").await;
    for name in ["stays", "goes"] {
        let host = format!("{name}.restarted.com");
        cluster
            .apply(&service_entry("restarted", name, &host, "x"))
            .await
            .unwrap();
    }
    let (mut client, _files) = client(&cluster).await;
    client
        .until(|client| of_team(client, "restarted").len() == 2 && client.epoch().is_some())
        .await;

    bed.kill_istiod().unwrap();
    client.until(|client| client.epoch().is_none()).await;
    client.until_ended("refused").await;
    assert_eq!(of_team(&client, "restarted").len(), 2);
    let service_entry = "networking.istio.io/v1/ServiceEntry";
    assert!(
        cluster
            .delete(service_entry, "restarted", "goes")
            .await
            .unwrap()
    );
    bed.restart_istiod().await.unwrap();
    client.until(|client| client.epoch() == Some(2)).await;
    assert_eq!(
        of_team(&client, "restarted"),
        ["ServiceEntry restarted/stays"]
    );
}

#[tokio::test]
async fn a_renewed_stream_comes_to_a_new_epoch_with_the_same_objects() {
    let _stays = ISTIOD.read().await;
    let cluster = bed().await.cluster().await.unwrap();
    namespace(&cluster, "renewed").await;
    cluster
        .apply(&service_entry("renewed", "a", "a.renewed.com", "x"))
        .await
        .unwrap();
    let (mut client, _files) = client(&cluster).await;
    client
        .until(|client| !of_team(client, "renewed").is_empty() && client.epoch().is_some())
        .await;
    client.handle.renew();
    client.until(|client| client.epoch() == Some(2)).await;
    assert_eq!(of_team(&client, "renewed"), ["ServiceEntry renewed/a"]);
}
