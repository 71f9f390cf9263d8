//! Several controllers, one writer.

use std::time::Duration;

use rstest::rstest;
use tokio::time::sleep;

use crate::aeraki::Aeraki;
use crate::world::{World, assert_untouched, dubbo_service};

const TOGETHER: &str = "--election-id=together";

/// A leader, and a follower that knows everything.
async fn pair(world: &World) -> (Aeraki, Aeraki) {
    world.namespace("shop").await;
    world
        .cluster
        .delete("coordination.k8s.io/v1/Lease", "istio-system", "together")
        .await
        .unwrap();
    world
        .cluster
        .apply(&dubbo_service("orders", "240.240.0.1"))
        .await
        .unwrap();
    let leader = world.start(&[TOGETHER, "--pod-name=first"]);
    world
        .until("the first writes", |filters| filters.len() == 2)
        .await;
    let follower = world.start(&[TOGETHER, "--pod-name=second"]);
    follower.until_synced().await;
    follower.until_said("Role changed").await;
    (leader, follower)
}

#[tokio::test]
async fn a_follower_is_ready_and_writes_nothing() {
    let world = World::empty().await;
    let (leader, follower) = pair(&world).await;
    assert_eq!(follower.page("/readyz").await.0, 200);
    assert_eq!(follower.metric("aeraki_leader", "").await, 0.0);
    world
        .cluster
        .apply(&dubbo_service("bills", "240.240.0.2"))
        .await
        .unwrap();
    world
        .until("the leader writes", |filters| filters.len() == 4)
        .await;
    assert_eq!(leader.metric("aeraki_leader", "").await, 1.0);
    assert_eq!(follower.metric("aeraki_apply_total", "").await, 0.0);
}

#[rstest]
#[case::told_to_end("TERM")]
#[case::killed("KILL")]
#[tokio::test]
async fn a_leader_that_ends_is_followed_and_nothing_is_lost(#[case] signal: &str) {
    let world = World::empty().await;
    let (mut leader, follower) = pair(&world).await;
    let before = world.filters().await;
    leader.process.signal(signal).unwrap();
    leader.process.wait().unwrap();
    world
        .cluster
        .apply(&dubbo_service("bills", "240.240.0.2"))
        .await
        .unwrap();
    let after = world
        .until("the second writes", |filters| filters.len() == 4)
        .await;
    assert_untouched(&before, &after);
    assert_eq!(follower.metric("aeraki_leader", "").await, 1.0);
}

#[tokio::test]
async fn a_leader_that_was_stopped_finds_its_lead_gone_and_writes_nothing() {
    let world = World::empty().await;
    let (first, second) = pair(&world).await;
    first.process.signal("STOP").unwrap();
    world
        .cluster
        .apply(&dubbo_service("bills", "240.240.0.2"))
        .await
        .unwrap();
    world
        .until("the second writes", |filters| filters.len() == 4)
        .await;
    let written = world.filters().await;
    first.process.signal("CONT").unwrap();
    while first.metric("aeraki_leader", "").await != 0.0 {
        sleep(Duration::from_millis(100)).await;
    }
    sleep(Duration::from_secs(2)).await;
    assert_eq!(world.filters().await, written);
    assert_eq!(
        first.metric("aeraki_apply_total", "").await,
        2.0,
        "what it wrote at first"
    );
    assert_eq!(second.metric("aeraki_leader", "").await, 1.0);
}
