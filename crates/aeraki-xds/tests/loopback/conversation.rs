//! What is said, by whom, how often.

use std::time::Duration;

use aeraki_api::mcp::Any;
use aeraki_api::networking::{DestinationRule, VirtualService};
use aeraki_testbed::fake_istiod::{FakeIstiod, Scenario, entry, resource};
use aeraki_xds::client::TellError;
use aeraki_xds::collection::COLLECTIONS;
use tonic::Code;

use super::running::{Running, eventually, settings};

#[tokio::test]
async fn config_arrives_follows_changes_and_goes() {
    let istiod = FakeIstiod::start(Scenario::Current).await;
    istiod.set(
        "ServiceEntry",
        vec![entry("a", "a.com"), entry("b", "b.com")],
    );
    istiod.set(
        "VirtualService",
        vec![resource("v", Any::pack(&VirtualService::default()))],
    );
    let rule = DestinationRule {
        host: "a.com".to_owned(),
        ..DestinationRule::default()
    };
    istiod.set("DestinationRule", vec![resource("d", Any::pack(&rule))]);
    let mut client = Running::start(settings(istiod.address()));
    client.until_complete().await;
    let names = [
        "DestinationRule shop/d",
        "ServiceEntry shop/a",
        "ServiceEntry shop/b",
        "VirtualService shop/v",
    ];
    assert_eq!(client.names(), names);
    assert_eq!(client.metric("connected"), 1);
    assert_eq!(client.metric("synced"), 1);

    istiod.set("VirtualService", Vec::new());
    istiod.set("DestinationRule", Vec::new());
    istiod.set("ServiceEntry", vec![entry("b", "new.com")]);
    istiod.push();
    client
        .until(|client| client.objects.len() == 1 && client.hosts() == ["new.com"])
        .await;
    assert_eq!(client.epoch(), Some(1), "the view stays complete");

    let line = "responses_total{type=\"networking.istio.io/v1/ServiceEntry\"}";
    assert_eq!(client.metric(line), 2);
    let verdicts = |seen: &aeraki_api::discovery::DiscoveryRequest| !seen.response_nonce.is_empty();
    let count = || {
        istiod
            .seen()
            .requests
            .iter()
            .filter(|r| verdicts(r))
            .count()
    };
    eventually(
        || count() == 2 * COLLECTIONS.len(),
        "every answer is acknowledged",
    )
    .await;
    assert!(
        istiod
            .seen()
            .requests
            .iter()
            .all(|r| r.error_detail.is_none())
    );
    client.stop().await;
    eventually(
        || istiod.seen().open == 0,
        "the stream ends with the client",
    )
    .await;
}

#[tokio::test]
async fn an_old_istiod_on_plaintext_is_understood() {
    let istiod = FakeIstiod::start(Scenario::Old).await;
    istiod.set("ServiceEntry", vec![entry("a", "a.com")]);
    let mut client = Running::start(settings(istiod.address()));
    client.until_complete().await;
    assert_eq!(client.names(), ["ServiceEntry shop/a"]);
}

#[tokio::test]
async fn only_the_first_request_says_who_asks() {
    let istiod = FakeIstiod::start(Scenario::Current).await;
    let mut settings = settings(istiod.address());
    settings.cluster_id = Some("Kubernetes".to_owned());
    let mut client = Running::start(settings);
    client.until_complete().await;
    let seen = istiod.seen();
    let id = "router~127.0.0.1~aeraki.istio-system~istio-system.svc.cluster.local";
    assert_eq!(seen.requests[0].node.as_ref().unwrap().id, id);
    assert!(seen.requests[1..].iter().all(|r| r.node.is_none()));
    assert_eq!(seen.cluster_ids, [Some("Kubernetes".to_owned())]);
    assert_eq!(seen.tokens, [None], "no token goes over plaintext");
}

#[tokio::test]
async fn a_poisoned_resource_is_refused_by_name_and_the_rest_applies() {
    let istiod = FakeIstiod::start(Scenario::Current).await;
    istiod.set(
        "ServiceEntry",
        vec![entry("a", "a.com"), entry("b", "b.com")],
    );
    let mut client = Running::start(settings(istiod.address()));
    client.until_complete().await;
    let poison = resource(
        "a",
        Any {
            type_url: "x/y".to_owned(),
            value: vec![0xff],
        },
    );
    istiod.set("ServiceEntry", vec![poison, entry("b", "new.com")]);
    istiod.push();
    client
        .until(|client| client.hosts() == ["a.com", "new.com"])
        .await;
    assert!(client.epoch().is_some());
    assert_eq!(client.last.problems.len(), 1);
    let refusal = || {
        let seen = istiod.seen();
        seen.requests.iter().find_map(|r| r.error_detail.clone())
    };
    eventually(|| refusal().is_some(), "the refusal").await;
    let message = refusal().unwrap().message;
    assert!(message.starts_with("shop/a: "), "{message}");
    assert_eq!(
        client.metric("rejects_total{type=\"networking.istio.io/v1/ServiceEntry\"}"),
        1
    );
}

#[tokio::test]
async fn a_resync_brings_what_istiod_does_not_push() {
    let istiod = FakeIstiod::start(Scenario::Current).await;
    istiod.set("ServiceEntry", vec![entry("a", "a.com")]);
    let mut settings = settings(istiod.address());
    settings.timing.resync = Duration::from_millis(50);
    let mut client = Running::start(settings);
    client.until_complete().await;
    istiod.set("ServiceEntry", vec![entry("a", "other.com")]);
    client.until(|client| client.hosts() == ["other.com"]).await;
    assert_eq!(istiod.seen().tokens.len(), 1, "all on one stream");
}

#[tokio::test]
async fn a_stream_that_istiod_closes_is_opened_again_and_nothing_is_lost() {
    let mut istiod = FakeIstiod::start(Scenario::Current).await;
    istiod.set(
        "ServiceEntry",
        vec![entry("a", "a.com"), entry("b", "b.com")],
    );
    let mut client = Running::start(settings(istiod.address()));
    client.until_complete().await;

    // As istiod does after half an hour; another one takes over the address.
    istiod.go_away();
    let address = istiod.address();
    istiod.kill().await;
    client.until_ended("closed").await;
    client.until_ended("refused").await;
    client.until(|client| client.epoch().is_none()).await;
    assert_eq!(client.objects.len(), 2, "objects stay while istiod is away");

    let istiod = FakeIstiod::start_at(&address, Scenario::Current, None).await;
    istiod.set("ServiceEntry", vec![entry("b", "b.com")]);
    client.until_complete().await;
    assert_eq!(client.epoch(), Some(2));
    assert_eq!(client.names(), ["ServiceEntry shop/b"]);
}

#[tokio::test]
async fn a_server_that_closes_early_again_and_again_deletes_nothing() {
    let istiod = FakeIstiod::start(Scenario::Current).await;
    istiod.set("ServiceEntry", vec![entry("a", "a.com")]);
    let mut client = Running::start(settings(istiod.address()));
    client.until_complete().await;
    istiod.set("ServiceEntry", Vec::new());
    istiod.play(Scenario::CloseAfter(3));
    client.handle.renew();
    eventually(|| client.ends("closed") >= 5, "five short streams").await;
    client.until(|client| client.epoch().is_none()).await;
    assert_eq!(client.names(), ["ServiceEntry shop/a"]);

    istiod.play(Scenario::Current);
    client.until_complete().await;
    assert!(client.objects.is_empty(), "now it is known to be gone");
}

#[tokio::test]
async fn a_silent_server_is_left_after_a_while() {
    let istiod = FakeIstiod::start(Scenario::Hang).await;
    let mut settings = settings(istiod.address());
    settings.timing.answer = Duration::from_millis(200);
    let mut client = Running::start(settings);
    client.until_ended("stalled").await;
    istiod.set("ServiceEntry", vec![entry("a", "a.com")]);
    istiod.play(Scenario::Current);
    client.until_complete().await;
    assert_eq!(client.names(), ["ServiceEntry shop/a"]);
}

#[tokio::test]
async fn a_server_that_is_not_ready_or_refuses_is_asked_again_until_it_is() {
    let istiod = FakeIstiod::start(Scenario::Refuse(Code::Unavailable, "not ready")).await;
    let mut client = Running::start(settings(istiod.address()));
    client.until_ended("unavailable").await;
    istiod.play(Scenario::Refuse(Code::Unauthenticated, "who are you"));
    client.until_ended("unauthenticated").await;
    istiod.play(Scenario::Current);
    client.until_complete().await;
}

#[tokio::test]
async fn nobody_there_is_waited_for() {
    let istiod = FakeIstiod::start(Scenario::Current).await;
    let address = istiod.address();
    istiod.kill().await;
    let mut client = Running::start(settings(address.clone()));
    client.until_ended("refused").await;
    let _istiod = FakeIstiod::start_at(&address, Scenario::Current, None).await;
    client.until_complete().await;
}

#[tokio::test]
async fn a_name_without_an_address_is_told_apart() {
    let client = Running::start(settings("nobody.invalid:15010"));
    client.until_ended("resolve").await;
    client.stop().await;
}

#[tokio::test]
async fn bytes_that_are_no_answer_end_the_stream() {
    let istiod = FakeIstiod::start(Scenario::Garbage).await;
    let client = Running::start(settings(istiod.address()));
    client.until_ended("decode").await;
    assert!(client.objects.is_empty());
}

#[tokio::test]
async fn an_answer_over_the_limit_ends_the_stream_and_changes_nothing() {
    let istiod = FakeIstiod::start(Scenario::Current).await;
    istiod.set("ServiceEntry", vec![entry("a", "a.com")]);
    let mut settings = settings(istiod.address());
    settings.message_limit = 10_000;
    let mut client = Running::start(settings);
    client.until_complete().await;
    istiod.set("ServiceEntry", vec![entry("b", &"x".repeat(20_000))]);
    istiod.push();
    client.until_ended("too_large").await;
    client.until(|client| client.epoch().is_none()).await;
    assert_eq!(client.names(), ["ServiceEntry shop/a"]);
}

#[tokio::test]
async fn a_renewal_brings_a_new_epoch_and_never_two_streams() {
    let istiod = FakeIstiod::start(Scenario::Current).await;
    istiod.set("ServiceEntry", vec![entry("a", "a.com")]);
    let mut client = Running::start(settings(istiod.address()));
    client.until_complete().await;
    for round in 2..6 {
        client.handle.renew();
        client.until(|client| client.epoch() == Some(round)).await;
    }
    assert_eq!(client.ends("renewed"), 4);
    assert_eq!(istiod.seen().most_open, 1);
    assert_eq!(client.names(), ["ServiceEntry shop/a"]);
}

#[tokio::test]
async fn a_slow_reader_gets_one_merged_update_and_keeps_nothing_waiting() {
    let istiod = FakeIstiod::start(Scenario::Current).await;
    istiod.set(
        "ServiceEntry",
        vec![entry("a", "0.com"), entry("b", "b.com")],
    );
    let mut client = Running::start(settings(istiod.address()));
    client.until_complete().await;
    istiod.set("ServiceEntry", vec![entry("a", "gone.com")]);
    istiod.push();
    for round in 1..10 {
        istiod.set("ServiceEntry", vec![entry("a", &format!("{round}.com"))]);
        istiod.push();
    }
    let line = "responses_total{type=\"networking.istio.io/v1/ServiceEntry\"}";
    let pushed = || istiod.seen().requests.len();
    let mut before = 0;
    while pushed() != before {
        before = pushed();
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert!(client.metric(line) > 1);
    client.next().await;
    assert_eq!(client.hosts(), ["9.com"], "one update tells it all");
    assert_eq!(client.last.events.len(), 2, "one event for each object");
}

#[tokio::test]
async fn on_plaintext_the_question_about_the_proxies_is_not_even_asked() {
    let istiod = FakeIstiod::start(Scenario::Current).await;
    let mut client = Running::start(settings(istiod.address()));
    client.until_complete().await;
    let answer = client.handle.rejections().await;
    assert!(matches!(answer, Err(TellError::Plaintext)), "{answer:?}");
    let asked = |istiod: &FakeIstiod| {
        let seen = istiod.seen();
        seen.requests.iter().any(|r| r.type_url == "istio.io/debug")
    };
    assert!(!asked(&istiod));
}
