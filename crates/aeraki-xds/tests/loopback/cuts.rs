//! Connections that break.

use std::time::Duration;

use super::running::{Running, settings};
use super::wire::{Fault, Wire};
use aeraki_testbed::fake_istiod::{FakeIstiod, Scenario, entry};

#[tokio::test]
async fn a_cut_at_any_byte_changes_nothing_by_half() {
    let istiod = FakeIstiod::start(Scenario::Current).await;
    let entries = (0..20).map(|i| entry(&format!("e{i:02}"), "host.example.com"));
    istiod.set("ServiceEntry", entries.collect());
    let wire = Wire::to(istiod.address, Fault::None).await;
    // All of the first answers is some 2,500 bytes.
    for bytes in (0..3_000).step_by(97) {
        wire.set(Fault::CutAfter(bytes));
        let mut settings = settings(wire.address());
        settings.timing.least_backoff = Duration::from_millis(1);
        let mut client = Running::start(settings);
        if bytes < 1_000 {
            let ended = || client.ends("cut") + client.ends("tls") > 1;
            super::running::eventually(ended, "the client sees the cut").await;
        }
        wire.set(Fault::None);
        let checked = |client: &Running| {
            let count = client.objects.len();
            assert!(
                count == 0 || count == 20,
                "{count} objects after a cut at {bytes}"
            );
            client.epoch().is_some()
        };
        client.until(checked).await;
        assert_eq!(client.objects.len(), 20);
        client.stop().await;
    }
}

#[tokio::test]
async fn a_connection_that_is_cut_after_sync_keeps_everything_and_recovers() {
    let istiod = FakeIstiod::start(Scenario::Current).await;
    istiod.set("ServiceEntry", vec![entry("a", "a.com")]);
    let wire = Wire::to(istiod.address, Fault::CutAfter(5_000)).await;
    let mut client = Running::start(settings(wire.address()));
    client.until_complete().await;
    wire.set(Fault::None);
    istiod.set("ServiceEntry", vec![entry("b", &"x".repeat(10_000))]);
    istiod.push();
    client.until_ended("cut").await;
    client.until(|client| client.epoch() == Some(2)).await;
    assert_eq!(client.names(), ["ServiceEntry shop/b"]);
}

#[tokio::test]
async fn a_dead_connection_that_nobody_closed_is_noticed_by_its_silence() {
    let istiod = FakeIstiod::start(Scenario::Current).await;
    istiod.set("ServiceEntry", vec![entry("a", "a.com")]);
    let wire = Wire::to(istiod.address, Fault::None).await;
    let mut settings = settings(wire.address());
    settings.timing.ping = Duration::from_millis(200);
    settings.timing.pong = Duration::from_millis(200);
    let mut client = Running::start(settings);
    client.until_complete().await;
    wire.set(Fault::Freeze);
    client.until_ended("keepalive").await;
    assert_eq!(client.names(), ["ServiceEntry shop/a"]);
    wire.set(Fault::None);
    client.until(|client| client.epoch() == Some(2)).await;
}
