//! A panic in one protocol's code is that service's misfortune, and nobody else's (goal R4).

use std::path::PathBuf;

use crate::world::{Filters, World, dubbo_service, dubbo_services};

/// The command with a protocol that can panic, which cargo builds beside the tests.
fn moody() -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let binary = tests.with_file_name("../examples/moody");
    assert!(
        binary.is_file(),
        "build it first: cargo build -p aeraki-bin --example moody"
    );
    binary
}

fn moody_service(mood: &str) -> String {
    dubbo_service("moody", "240.241.0.1")
        .replace("tcp-dubbo", "tcp-moody")
        .replace("annotations: {", &format!("annotations: {{mood: {mood}, "))
}

fn says(filters: &Filters, part: &str) -> bool {
    let mut all = filters.values();
    all.any(|filter| filter["spec"].to_string().contains(part))
}

#[tokio::test]
async fn a_panic_holds_the_filters_of_its_service_and_harms_no_other() {
    let world = World::empty().await;
    world.namespace("shop").await;
    world.cluster.apply(&dubbo_services(3)).await.unwrap();
    world.cluster.apply(&moody_service("calm")).await.unwrap();
    let aeraki = world.start_program(&moody(), &["--config-source=kube"]);
    let before = world.until("all", |filters| filters.len() == 7).await;
    assert!(says(&before, "\"stat_prefix\":\"calm\""));

    let other = dubbo_service("s1", "240.240.0.2").replace("com.acme.s1", "com.acme.Other");
    world.cluster.apply(&moody_service("panic")).await.unwrap();
    world.cluster.apply(&other).await.unwrap();
    let after = world
        .until("the other is followed", |filters| {
            says(filters, "com.acme.Other")
        })
        .await;
    while aeraki.metric("aeraki_diagnostics", "AER0901").await != 1.0 {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let is_other = |key: &String| key.contains("-outbound-s1.example");
    for (key, filter) in before.iter().filter(|(key, _)| !is_other(key)) {
        assert_eq!(after.get(key), Some(filter), "never touched");
    }
    assert_eq!(world.filters().await, after);

    world.cluster.apply(&moody_service("better")).await.unwrap();
    world
        .until("it is followed again", |filters| {
            says(filters, "\"stat_prefix\":\"better\"")
        })
        .await;
    assert!(aeraki.end());
}
