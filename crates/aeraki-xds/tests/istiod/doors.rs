//! Who is let in, and what the others are told.

use aeraki_testbed::{Options, Testbed};
use aeraki_xds::settings::{Security, Settings};
use aeraki_xds::termination::{Reason, Termination};

use super::certificate;
use super::mesh::{Files, ISTIOD, bed, namespace, secure};
use super::running::{Running, settings};

async fn assert_refused(settings: Settings, reason: &str) {
    let client = Running::start(settings);
    client.until_ended(reason).await;
    assert!(client.objects.is_empty() && client.epoch().is_none());
    client.stop().await;
}

#[tokio::test]
async fn a_token_for_istio_ca_of_the_root_namespace_opens_the_door() {
    let _stays = ISTIOD.read().await;
    let cluster = bed().await.cluster().await.unwrap();
    let files = Files::new(&cluster, "istio-system", "istio-ca").await;
    let mut client = Running::start(files.settings(bed().await.istiod().grpc_tls));
    client.until_complete().await;
    assert_eq!(client.metric("connected"), 1);
}

#[tokio::test]
async fn a_certificate_of_istios_ca_opens_the_door_without_a_token() {
    let _stays = ISTIOD.read().await;
    let bed = bed().await;
    let cluster = bed.cluster().await.unwrap();
    let files = Files::new(&cluster, "istio-system", "istio-ca").await;
    let read = |name| std::fs::read_to_string(files.path(name)).unwrap();
    let mut tls = files.tls();
    let address = bed.istiod().grpc_tls;
    let (certificate, key) = certificate::issue(
        &address.to_string(),
        &read("root.pem"),
        &tls.server_name,
        &read("token"),
    )
    .await;
    files.write("cert.pem", &certificate);
    files.write("key.pem", &key);
    tls.token = None;
    tls.certificate = Some((files.path("cert.pem"), files.path("key.pem")));
    Running::start(secure(address, tls)).until_complete().await;
}

#[tokio::test]
async fn on_plaintext_nobody_is_let_in_and_the_log_says_what_to_do() {
    let _stays = ISTIOD.read().await;
    let address = bed().await.istiod().grpc_plain;
    assert_refused(settings(address.to_string()), "unauthenticated").await;
    let end = Termination {
        reason: Reason::Unauthenticated,
        detail: String::new(),
    };
    assert!(end.explain(&Security::Plaintext).contains("--istiod-token"));
}

#[tokio::test]
async fn a_token_of_another_audience_or_none_is_not_known() {
    let _stays = ISTIOD.read().await;
    let bed = bed().await;
    let cluster = bed.cluster().await.unwrap();
    let address = bed.istiod().grpc_tls;
    let files = Files::new(&cluster, "istio-system", "somebody-else").await;
    assert_refused(files.settings(address), "unauthenticated").await;
    let mut tls = files.tls();
    tls.token = None;
    assert_refused(secure(address, tls), "unauthenticated").await;
}

#[tokio::test]
async fn a_token_of_another_namespace_is_known_and_not_let_in() {
    let _stays = ISTIOD.read().await;
    let bed = bed().await;
    let cluster = bed.cluster().await.unwrap();
    namespace(&cluster, "elsewhere").await;
    let files = Files::new(&cluster, "elsewhere", "istio-ca").await;
    let mut settings = files.settings(bed.istiod().grpc_tls);
    assert_refused(settings.clone(), "permission_denied").await;
    settings.identity.namespace = "elsewhere".to_owned();
    assert_refused(settings, "permission_denied").await;
}

#[tokio::test]
async fn the_certificate_of_istiod_must_bear_the_expected_name() {
    let _stays = ISTIOD.read().await;
    let bed = bed().await;
    let cluster = bed.cluster().await.unwrap();
    let files = Files::new(&cluster, "istio-system", "istio-ca").await;
    let mut tls = files.tls();
    tls.server_name = "istiod.other-system.svc".to_owned();
    assert_refused(secure(bed.istiod().grpc_tls, tls), "tls_name").await;
}

#[tokio::test]
async fn a_cluster_id_that_is_not_istiods_is_refused() {
    let _stays = ISTIOD.read().await;
    let bed = bed().await;
    let cluster = bed.cluster().await.unwrap();
    let files = Files::new(&cluster, "istio-system", "istio-ca").await;
    let mut settings = files.settings(bed.istiod().grpc_tls);
    settings.cluster_id = Some("elsewhere".to_owned());
    let client = Running::start(settings);
    client.until_ended("unauthenticated").await;
}

/// As every istiod before 1.29.7 does, and newer ones that are told to.
#[tokio::test]
async fn an_istiod_without_the_check_serves_plaintext() {
    let options = Options::default().istiod_env("ENABLE_XDS_API_GENERATOR_AUTH", "false");
    let bed = Testbed::start(options).await.unwrap();
    let cluster = bed.cluster().await.unwrap();
    namespace(&cluster, "open").await;
    let yaml = "{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: a, namespace: open}, spec: {host: a.com}}";
    cluster.apply(yaml).await.unwrap();
    let mut client = Running::start(settings(bed.istiod().grpc_plain.to_string()));
    client.until_complete().await;
    client
        .until(|client| {
            client
                .names()
                .contains(&"DestinationRule open/a".to_owned())
        })
        .await;
}
