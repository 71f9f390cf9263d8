//! Against an istiod that says what a test wants: of some years ago, or wrong for a moment.

use std::time::Duration;

use aeraki_api::mcp::Any;
use aeraki_api::networking::ServiceEntry;
use aeraki_testbed::fake_istiod::{FakeIstiod, Scenario, resource};
use serde_json::json;
use tokio::time::sleep;

use crate::world::{Filters, World};

const KIND: &str = "ServiceEntry";

/// So many Dubbo services, as istiod tells them.
fn services(count: usize) -> Vec<Any> {
    let service = |index: usize| {
        let spec: ServiceEntry = serde_json::from_value(json!({
            "hosts": [format!("s{index}.example")], "addresses": [format!("240.240.0.{}", index + 1)],
            "ports": [{"number": 20880, "name": "tcp-dubbo", "protocol": "TCP"}], "resolution": "STATIC",
        }))
        .unwrap();
        resource(&format!("s{index}"), Any::pack(&spec))
    };
    (0..count).map(service).collect()
}

/// Pushes, and waits until it has been acknowledged.
async fn push(istiod: &FakeIstiod) {
    let answers = || {
        let seen = istiod.seen();
        let of_entries = seen.requests.iter().filter(|request| {
            request.type_url.ends_with("v1/ServiceEntry") && !request.response_nonce.is_empty()
        });
        of_entries.count()
    };
    let before = answers();
    istiod.push();
    while answers() == before {
        sleep(Duration::from_millis(1)).await;
    }
}

/// The controller, from this istiod.
fn start(world: &World, istiod: &FakeIstiod, args: &[&str]) -> crate::aeraki::Aeraki {
    let args: Vec<&str> = args.iter().copied().chain(["--istiod-plaintext"]).collect();
    world.start_as(&world.bed.kubeconfig(), &istiod.address(), &args)
}

#[tokio::test]
async fn an_istiod_of_some_years_ago_serves_v1alpha3_in_plaintext() {
    let world = World::empty().await;
    world.namespace("shop").await;
    let istiod = FakeIstiod::start(Scenario::Old).await;
    istiod.set(KIND, services(2));
    let aeraki = start(&world, &istiod, &[]);
    world
        .until("outbound filters", |filters| filters.len() == 2)
        .await;
    istiod.set(KIND, services(1));
    istiod.push();
    world
        .until("one is gone", |filters| filters.len() == 1)
        .await;
    assert!(aeraki.end());
}

#[tokio::test]
async fn an_empty_answer_that_is_taken_back_deletes_nothing() {
    let world = World::empty().await;
    world.namespace("shop").await;
    let istiod = FakeIstiod::start(Scenario::Current).await;
    istiod.set(KIND, services(30));
    let aeraki = start(&world, &istiod, &[]);
    let filters = world.until("all", |filters| filters.len() == 30).await;
    // Empty on the stream that is open, whole again for the next one.
    istiod.set(KIND, Vec::new());
    push(&istiod).await;
    istiod.set(KIND, services(30));
    aeraki.until_said("EnvoyFilters stay as they are").await;
    aeraki.until_said("No EnvoyFilter is held any more").await;
    assert_eq!(world.filters().await, filters);
    assert_eq!(aeraki.metric("aeraki_apply_total", "delete").await, 0.0);
    assert_eq!(istiod.seen().most_open, 1, "one stream at a time");
}

#[tokio::test]
async fn an_empty_answer_that_is_repeated_is_believed() {
    let world = World::empty().await;
    world.namespace("shop").await;
    let istiod = FakeIstiod::start(Scenario::Current).await;
    istiod.set(KIND, services(30));
    let aeraki = start(&world, &istiod, &[]);
    world.until("all", |filters| filters.len() == 30).await;
    istiod.set(KIND, Vec::new());
    push(&istiod).await;
    aeraki.until_said("EnvoyFilters stay as they are").await;
    world.until("nothing is left", Filters::is_empty).await;
}

#[tokio::test]
async fn an_object_that_cannot_be_read_keeps_its_filter_and_harms_no_other() {
    let world = World::empty().await;
    world.namespace("shop").await;
    let istiod = FakeIstiod::start(Scenario::Current).await;
    istiod.set(KIND, services(20));
    let aeraki = start(&world, &istiod, &[]);
    let before = world.until("all", |filters| filters.len() == 20).await;

    // One is damaged, one goes, one comes.
    let mut damaged = services(21);
    let body = Any {
        value: vec![0xff; 9],
        ..Any::pack(&ServiceEntry::default())
    };
    damaged[3] = resource("s3", body);
    damaged.remove(7);
    istiod.set(KIND, damaged);
    push(&istiod).await;
    let is_there = |filters: &Filters, name: &str| filters.keys().any(|key| key.contains(name));
    let after = world
        .until("what can be read is followed", |filters| {
            is_there(filters, "-s20.example") && !is_there(filters, "-s7.example")
        })
        .await;
    assert_eq!(after.len(), 20);
    for (key, filter) in before
        .iter()
        .filter(|(key, _)| !key.contains("-s7.example"))
    {
        assert_eq!(after.get(key), Some(filter), "never touched");
    }
    aeraki.until_said("cannot be read").await;
    assert!(
        aeraki
            .metric("aeraki_xds_rejects_total", "ServiceEntry")
            .await
            >= 1.0
    );
    assert_eq!(aeraki.metric("aeraki_diagnostics", "AER0400").await, 1.0);

    istiod.set(KIND, services(21));
    push(&istiod).await;
    while aeraki.metric("aeraki_diagnostics", "AER0400").await != 0.0 {
        sleep(Duration::from_millis(50)).await;
    }
    world
        .until("all of it", |filters| filters.len() == 21)
        .await;
    assert!(aeraki.end());
}
