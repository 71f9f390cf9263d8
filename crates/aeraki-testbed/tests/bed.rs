//! A bed with all its servers, shared by the tests of this file.
#![allow(clippy::unwrap_used, reason = "a test that meets an error has failed")]

use std::fs;

use aeraki_testbed::{AuditEntry, Options, Sidecar, SidecarOptions, Testbed};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;

static BED: OnceCell<Testbed> = OnceCell::const_new();

async fn bed() -> &'static Testbed {
    let start = || Testbed::start(Options::default().with_sidecars());
    BED.get_or_try_init(start).await.expect("the bed starts")
}

const SERVICE_ENTRY: &str = "networking.istio.io/v1/ServiceEntry";
const ENVOY_FILTER: &str = "networking.istio.io/v1alpha3/EnvoyFilter";

#[tokio::test]
async fn applied_object_is_read_back_listed_and_deleted() {
    let cluster = bed().await.cluster().await.unwrap();
    let applied = cluster
        .apply(
            "\
apiVersion: v1
kind: Namespace
metadata: {name: objects}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: orders, namespace: objects}
spec:
  hosts: [orders.example]
  ports: [{number: 20880, name: tcp-dubbo-orders, protocol: TCP}]
  resolution: NONE
",
        )
        .await
        .unwrap();
    assert_eq!(applied.len(), 2);
    let get = || cluster.get(SERVICE_ENTRY, "objects", "orders");
    let found = get().await.unwrap().expect("it was applied");
    assert_eq!(found["spec"]["hosts"][0], "orders.example");
    let list = cluster.list(SERVICE_ENTRY, "objects").await.unwrap();
    assert_eq!(list, [found]);
    let delete = || cluster.delete(SERVICE_ENTRY, "objects", "orders");
    assert!(delete().await.unwrap());
    assert!(!delete().await.unwrap());
    assert_eq!(get().await.unwrap(), None);
}

#[tokio::test]
async fn unbound_account_is_refused_and_a_bound_one_may_do_what_its_role_says() {
    let bed = bed().await;
    let admin = bed.cluster().await.unwrap();
    admin
        .create_service_account("default", "reader")
        .await
        .unwrap();
    let reader = bed.cluster_as("default", "reader").await.unwrap();
    let refused = reader.list(ENVOY_FILTER, "").await.unwrap_err();
    assert!(refused.to_string().contains("forbidden"), "{refused:#}");
    admin
        .apply(
            "\
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: reader}
rules: [{apiGroups: [networking.istio.io], resources: [envoyfilters], verbs: [list]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: reader}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: reader}
subjects: [{kind: ServiceAccount, name: reader, namespace: default}]
",
        )
        .await
        .unwrap();
    // RBAC learns of the binding by a watch of its own.
    while reader.list(ENVOY_FILTER, "").await.is_err() {}
    assert!(reader.get(ENVOY_FILTER, "default", "any").await.is_err());
    let seen = |verb: &str, code: u16| {
        let user = "system:serviceaccount:default:reader";
        let meant = |entry: &AuditEntry| {
            entry.user == user && entry.resource == "envoyfilters" && entry.verb == verb
        };
        let log = bed.audit_log().unwrap();
        log.iter()
            .any(|entry| meant(entry) && entry.code == code && entry.group == "networking.istio.io")
    };
    assert!(seen("list", 403) && seen("list", 200) && seen("get", 403));
    assert!(!seen("get", 200));
}

/// Its first frame in HTTP/2, as sent before it knows who asks.
async fn settings_frame(address: std::net::SocketAddr) -> std::io::Result<[u8; 9]> {
    let mut stream = TcpStream::connect(address).await?;
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    stream.write_all(preface).await?;
    let mut head = [0; 9];
    stream.read_exact(&mut head).await?;
    Ok(head)
}

#[tokio::test]
async fn istiod_answers_is_gone_when_killed_and_comes_back_at_the_same_addresses() {
    const SETTINGS: u8 = 4;
    let bed = bed().await;
    let cluster = bed.cluster().await.unwrap();
    let address = bed.istiod().grpc_plain;
    assert_eq!(settings_frame(address).await.unwrap()[3], SETTINGS);
    let root = cluster.root_cert().await.unwrap();
    assert!(root.starts_with("-----BEGIN CERTIFICATE-----"));
    bed.kill_istiod().unwrap();
    assert!(settings_frame(address).await.is_err());
    bed.restart_istiod().await.unwrap();
    assert_eq!(settings_frame(address).await.unwrap()[3], SETTINGS);
    // Its CA is kept in the cluster.
    assert_eq!(cluster.root_cert().await.unwrap(), root);
    assert!(TcpStream::connect(bed.istiod().grpc_tls).await.is_ok());
}

#[tokio::test]
async fn tokens_carry_the_audience_that_was_asked_for() {
    let cluster = bed().await.cluster().await.unwrap();
    cluster
        .create_service_account("istio-system", "tokens")
        .await
        .unwrap();
    let token = |audience| cluster.token("istio-system", "tokens", audience);
    let payload = |token: &str| {
        use base64::Engine;
        let part = token.split('.').nth(1).expect("a JWT has three parts");
        let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(part);
        let claims: serde_json::Value = serde_json::from_slice(&bytes.unwrap()).unwrap();
        claims["aud"].clone()
    };
    let ours = payload(&token("istio-ca").await.unwrap());
    assert_eq!(ours, serde_json::json!(["istio-ca"]));
    assert_ne!(payload(&token("").await.unwrap()), ours);
}

#[tokio::test]
async fn envoy_has_the_mesh_and_its_refusals_are_seen_there_and_in_istiod() {
    let bed = bed().await;
    let cluster = bed.cluster().await.unwrap();
    cluster
        .apply(
            "\
apiVersion: v1
kind: Namespace
metadata: {name: mesh}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: cache, namespace: mesh}
spec:
  hosts: [cache.example]
  addresses: [240.240.7.1]
  ports: [{number: 6379, name: tcp-redis, protocol: TCP}]
  resolution: STATIC
  endpoints: [{address: 127.0.0.1}]
",
        )
        .await
        .unwrap();
    let options = SidecarOptions::new("mesh", "client");
    let sidecar = Sidecar::start(bed, &options).await.unwrap();
    sidecar.until_live().await.unwrap();
    let name = "240.240.7.1_6379";
    let listener = async || sidecar.listener(name).await.unwrap();
    while listener().await.is_none() {}
    // Envoy wants a cluster or a route, and istiod does not know that.
    cluster
        .apply(
            "\
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: {name: bad, namespace: mesh}
spec:
  configPatches:
  - applyTo: NETWORK_FILTER
    match:
      context: SIDECAR_OUTBOUND
      listener: {name: 240.240.7.1_6379, filterChain: {filter: {name: envoy.filters.network.tcp_proxy}}}
    patch:
      operation: REPLACE
      value:
        name: envoy.filters.network.tcp_proxy
        typed_config:
          '@type': type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy
          stat_prefix: bad
",
        )
        .await
        .unwrap();
    let refused = async || {
        let listener = listener().await.expect("the old one stays");
        listener.get("error_state").is_some() && listener.get("active_state").is_some()
    };
    while !refused().await {}
    let updates = sidecar.stat("listener_manager.lds.update_rejected").await;
    assert!(updates.unwrap() >= Some(1));
    let syncz = async || bed.istiod_page("/debug/syncz").await.unwrap();
    while !syncz().await.contains("lastError") {}
    let page = syncz().await;
    assert!(
        page.contains(&options.proxy_id()) && page.contains(name),
        "{page}"
    );
}

#[tokio::test]
async fn files_of_a_bed_lie_in_its_directory() {
    let bed = bed().await;
    let log = fs::read_to_string(bed.directory().join("logs/istiod.log")).unwrap();
    assert!(log.contains("istiod") || log.contains("info"), "{log}");
    assert!(bed.kubeconfig().starts_with(bed.directory()));
}
