//! What must hold when servers are down, slow or wrong: no filter is lost, none is wrong, and all is well soon after.

use std::time::Duration;

use aeraki_testbed::fault::{HttpFault, HttpProxy, Rule, TcpFault, TcpProxy, Verb};
use rstest::rstest;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::world::{ENVOY_FILTER, Filters, World, assert_untouched, dubbo_service, dubbo_services};

/// A mesh with so many Dubbo services and their filters, from a controller that has ended.
async fn settled(services: usize) -> (World, Filters) {
    let world = World::empty().await;
    world.namespace("shop").await;
    world
        .cluster
        .apply(&dubbo_services(services))
        .await
        .unwrap();
    let aeraki = world.start(&[]);
    let filters = world
        .until("all filters", |filters| filters.len() == 2 * services)
        .await;
    assert!(aeraki.end());
    (world, filters)
}

#[rstest]
#[case::refused(TcpFault::Refuse)]
#[case::reset(TcpFault::Reset)]
#[case::silent(TcpFault::BlackHole)]
#[tokio::test]
async fn without_istiod_nothing_is_deleted_and_it_is_not_ready(#[case] fault: TcpFault) {
    let (world, filters) = settled(20).await;
    // Meanwhile the world changes: one service goes, another comes.
    world
        .cluster
        .delete("networking.istio.io/v1/ServiceEntry", "shop", "s0")
        .await
        .unwrap();
    world
        .cluster
        .apply(&dubbo_service("new", "240.241.0.1"))
        .await
        .unwrap();
    let istiod = TcpProxy::start(world.bed.istiod().grpc_tls).unwrap();
    istiod.set(fault);
    let aeraki = world.start_as(&world.bed.kubeconfig(), &istiod.address().to_string(), &[]);
    aeraki.until_leading().await;
    while istiod.connections() == 0 && fault != TcpFault::Refuse {
        sleep(Duration::from_millis(20)).await;
    }
    sleep(Duration::from_secs(2)).await;
    assert_eq!(aeraki.page("/readyz").await.0, 503);
    assert_eq!(world.filters().await, filters);
    istiod.set(TcpFault::Pass);
    let after = world
        .until("what it should be", |filters| {
            let has = |part: &str| filters.keys().filter(|key| key.contains(part)).count();
            filters.len() == 40 && has("-new.example") == 2 && has("-s0.example") == 0
        })
        .await;
    for (key, filter) in filters
        .iter()
        .filter(|(key, _)| !key.contains("-s0.example"))
    {
        assert_eq!(after.get(key), Some(filter), "never touched");
    }
    assert_eq!(aeraki.page("/readyz").await.0, 200);
}

#[tokio::test]
async fn a_removal_of_everything_waits_for_a_second_look_and_then_goes_through() {
    let (world, filters) = settled(20).await;
    let aeraki = world.start(&[]);
    aeraki.until_synced().await;
    let istiod_before = aeraki
        .metric("aeraki_xds_stream_restarts_total", "renewed")
        .await;
    let kind = "networking.istio.io/v1/ServiceEntry";
    let mut removals = Vec::new();
    for index in 0..20 {
        let (cluster, name) = (&world.cluster, format!("s{index}"));
        removals.push(async move { cluster.delete(kind, "shop", &name).await.unwrap() });
    }
    for removal in removals {
        removal.await;
    }
    world.until("nothing is left", Filters::is_empty).await;
    assert_eq!(filters.len(), 40);
    let restarts = aeraki
        .metric("aeraki_xds_stream_restarts_total", "renewed")
        .await;
    let held = !aeraki.said("EnvoyFilters stay as they are").is_empty();
    assert_eq!(
        held,
        restarts > istiod_before,
        "held until istiod was asked anew"
    );
    assert!(held, "{:#?}", aeraki.said("EnvoyFilters"));
}

#[tokio::test]
async fn a_stream_that_is_cut_anywhere_changes_nothing() {
    let (world, filters) = settled(10).await;
    let istiod = TcpProxy::start(world.bed.istiod().grpc_tls).unwrap();
    let aeraki = world.start_as(&world.bed.kubeconfig(), &istiod.address().to_string(), &[]);
    aeraki.until_synced().await;
    let whole = istiod.bytes_to_clients();
    // Few cuts: the pause before the next connection doubles each time. Every byte's turn comes in aeraki-xds.
    for part in [1, 3, 5, 7] {
        let cuts = istiod.connections();
        istiod.set(TcpFault::CutAfter(whole * part / 8));
        while istiod.connections() < cuts + 1 {
            sleep(Duration::from_millis(20)).await;
        }
        assert!(istiod.open_connections() <= 1, "one stream at a time");
    }
    istiod.set(TcpFault::Pass);
    world
        .cluster
        .apply(&dubbo_service("new", "240.241.0.1"))
        .await
        .unwrap();
    let after = world
        .until("the new service", |all| all.len() == filters.len() + 2)
        .await;
    assert_untouched(&filters, &after);
}

#[tokio::test]
async fn a_stream_that_goes_silent_is_left_for_a_new_one() {
    let (world, _) = settled(1).await;
    let istiod = TcpProxy::start(world.bed.istiod().grpc_tls).unwrap();
    let aeraki = world.start_as(&world.bed.kubeconfig(), &istiod.address().to_string(), &[]);
    aeraki.until_synced().await;
    istiod.set(TcpFault::BlackHole);
    world
        .cluster
        .apply(&dubbo_service("new", "240.241.0.1"))
        .await
        .unwrap();
    // Pings each 20 s, 10 s for an answer.
    while istiod.connections() == 1 {
        sleep(Duration::from_millis(100)).await;
    }
    istiod.set(TcpFault::Pass);
    world
        .until("the new service", |filters| filters.len() == 4)
        .await;
}

#[rstest]
#[case::conflict(HttpFault::Status(409))]
#[case::too_many(HttpFault::RetryAfter(429, 1))]
#[case::broken(HttpFault::Status(500))]
#[case::busy(HttpFault::Status(503))]
#[case::late(HttpFault::Status(504))]
#[case::cut_before(HttpFault::Cut)]
#[case::cut_after(HttpFault::ForwardThenCut)]
#[tokio::test]
async fn whatever_the_api_server_does_for_a_while_all_comes_right(#[case] fault: HttpFault) {
    fail_for_a_while(fault, 3).await;
}

#[rstest]
#[case::too_many(HttpFault::RetryAfter(429, 1))]
#[case::broken(HttpFault::Status(500))]
#[case::cut_before(HttpFault::Cut)]
#[case::cut_after(HttpFault::ForwardThenCut)]
#[tokio::test]
#[ignore = "some minutes: twenty failures in a row come to the longest pauses"]
async fn whatever_the_api_server_does_twenty_times_all_comes_right(#[case] fault: HttpFault) {
    fail_for_a_while(fault, 20).await;
}

/// The first so many requests of each verb fail, and so do those after them of the next verb.
async fn fail_for_a_while(fault: HttpFault, times: u32) {
    let world = World::empty().await;
    world.namespace("shop").await;
    world.grant_everything().await;
    let api_server = HttpProxy::start(world.bed).await.unwrap();
    for verb in [Verb::List, Verb::Create, Verb::Update, Verb::Delete] {
        let rule = Rule::new(fault).verbs(&[verb]).path("/envoyfilters");
        api_server.add(rule.times(times as usize));
    }
    let failed = |verb: Verb| {
        let requests = api_server.requests();
        let of_verb = requests
            .iter()
            .filter(|request| request.verb == verb && request.path.contains("/envoyfilters"));
        // A write whose answer is lost is done all the same, and not tried again once it is seen.
        let is_done = fault == HttpFault::ForwardThenCut && verb.writes();
        of_verb.count() > if is_done { 0 } else { times as usize }
    };
    let kubeconfig = world.kubeconfig_through(&api_server).await;
    let istiod = world.bed.istiod().grpc_tls.to_string();
    let aeraki = world.start_as(&kubeconfig, &istiod, &["--resync-interval=1s"]);
    world.cluster.apply(&dubbo_services(4)).await.unwrap();
    world
        .until_within(times, "all are made", |filters| filters.len() == 8)
        .await;
    assert!(failed(Verb::List) && failed(Verb::Create));
    let other = dubbo_services(4).replace("com.acme.", "com.other.");
    world.cluster.apply(&other).await.unwrap();
    let says_other =
        |(_, filter): &(&String, &Value)| filter["spec"].to_string().contains("com.other.");
    world
        .until_within(times, "four are changed", |filters| {
            filters.iter().filter(says_other).count() == 4
        })
        .await;
    assert!(failed(Verb::Update));
    for index in 0..2 {
        let (kind, name) = ("networking.istio.io/v1/ServiceEntry", format!("s{index}"));
        world.cluster.delete(kind, "shop", &name).await.unwrap();
    }
    world
        .until_within(times, "four are gone", |filters| filters.len() == 4)
        .await;
    assert!(failed(Verb::Delete));
    assert!(aeraki.end());
}

#[tokio::test]
async fn an_api_server_that_is_gone_for_a_while_costs_no_filter() {
    let (world, filters) = settled(5).await;
    let aeraki = world.start(&[]);
    aeraki.until_synced().await;
    world.bed.stop_apiserver().unwrap();
    sleep(Duration::from_secs(3)).await;
    world.bed.start_apiserver().await.unwrap();
    world
        .cluster
        .apply(&dubbo_service("new", "240.241.0.1"))
        .await
        .unwrap();
    let after = world
        .until("the new service", |all| all.len() == filters.len() + 2)
        .await;
    assert_untouched(&filters, &after);
    assert!(aeraki.end());
}

#[tokio::test]
async fn what_is_changed_by_hand_is_repaired_and_what_is_foreign_is_left_alone() {
    let (world, filters) = settled(10).await;
    for (name, label) in [
        ("theirs", "Aeraki"),
        ("aeraki-outbound-theirs-1", "Somebody"),
    ] {
        let object = json!({"apiVersion": "networking.istio.io/v1alpha3", "kind": "EnvoyFilter",
            "metadata": {"name": name, "namespace": "shop", "labels": {"manager": label}},
            "spec": {"configPatches": []}});
        world.cluster.apply(&object.to_string()).await.unwrap();
    }
    let with_foreign = world.filters().await;
    let aeraki = world.start(&[]);
    aeraki.until_synced().await;
    for (number, key) in filters.keys().enumerate() {
        let (namespace, name) = key.split_once('/').unwrap();
        if number % 2 == 0 {
            world
                .cluster
                .delete(ENVOY_FILTER, namespace, name)
                .await
                .unwrap();
        } else {
            let mut object = filters[key].clone();
            object["spec"]["priority"] = json!(77);
            object["metadata"] = json!({"name": name, "namespace": namespace,
                "labels": object["metadata"]["labels"]});
            world.cluster.apply(&object.to_string()).await.unwrap();
        }
    }
    let specs = |all: &Filters| -> Vec<Value> {
        all.values().map(|filter| filter["spec"].clone()).collect()
    };
    let repaired = world
        .until("as before", |now| {
            now.len() == 22 && specs(now) == specs(&with_foreign)
        })
        .await;
    for key in ["shop/theirs", "shop/aeraki-outbound-theirs-1"] {
        assert_eq!(repaired[key], with_foreign[key]);
    }
}

/// What Go Aeraki leaves: everything in the root namespace, the label and no annotation.
fn of_go_aeraki(name: &str, listener: &Value) -> Value {
    json!({"apiVersion": "networking.istio.io/v1alpha3", "kind": "EnvoyFilter",
        "metadata": {"name": name, "namespace": "istio-system", "labels": {"manager": "Aeraki"}},
        "spec": {"configPatches": [{"applyTo": "NETWORK_FILTER", "match": {"listener": listener},
            "patch": {"operation": "REPLACE", "value": {"name": "envoy.filters.network.dubbo_proxy",
                "typed_config": {"@type": "type.googleapis.com/udpa.type.v1.TypedStruct",
                    "type_url": "type.googleapis.com/envoy.extensions.filters.network.dubbo_proxy.v3.DubboProxy",
                    "value": {"statPrefix": "s"}}}}}]}})
}

#[tokio::test]
async fn filters_of_go_aeraki_are_taken_over_without_a_gap() {
    let world = World::empty().await;
    world.namespace("shop").await;
    world
        .cluster
        .apply(&dubbo_service("orders", "240.240.0.1"))
        .await
        .unwrap();
    let tcp_proxy = json!({"filter": {"name": "envoy.filters.network.tcp_proxy"}});
    let outbound = "aeraki-outbound-orders.example-240.240.0.1-20880";
    let inbound = "aeraki-inbound-orders.example-20880";
    let old = [
        of_go_aeraki(
            outbound,
            &json!({"name": "240.240.0.1_20880", "filterChain": tcp_proxy}),
        ),
        of_go_aeraki(
            inbound,
            &json!({"name": "virtualInbound", "filterChain":
            {"destinationPort": 20880, "filter": {"name": "envoy.filters.network.tcp_proxy"}}}),
        ),
    ];
    for object in old {
        world.create_as("Aeraki", object).await;
    }
    let before = world.filters().await;
    let requests = world.bed.audit_log().unwrap().len();
    let _aeraki = world.start(&[]);
    let (outbound_key, inbound_key) = (
        format!("istio-system/{outbound}"),
        format!("shop/{inbound}"),
    );
    let keys = [outbound_key.as_str(), inbound_key.as_str()];
    let after = world
        .until("inbound has moved", |filters| filters.keys().eq(keys))
        .await;
    for field in ["uid", "creationTimestamp"] {
        let of = |filters: &Filters| filters[&outbound_key]["metadata"][field].clone();
        assert_eq!(of(&after), of(&before), "{field}");
    }
    assert!(
        !after[&outbound_key]["spec"]
            .to_string()
            .contains("\"statPrefix\":\"s\"")
    );
    let log = world.bed.audit_log().unwrap();
    let writes: Vec<(&str, &str)> = log[requests..]
        .iter()
        .filter(|entry| entry.resource == "envoyfilters" && entry.code < 300)
        .filter(|entry| ["create", "update", "delete"].contains(&entry.verb.as_str()))
        .map(|entry| (entry.verb.as_str(), entry.namespace.as_str()))
        .collect();
    let mut sorted = writes.clone();
    sorted.sort_unstable();
    assert_eq!(
        sorted,
        [
            ("create", "shop"),
            ("delete", "istio-system"),
            ("update", "istio-system")
        ]
    );
    assert_eq!(
        writes.last(),
        Some(&("delete", "istio-system")),
        "make before break"
    );
}
