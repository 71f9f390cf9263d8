//! How long things take, and how much memory. Ignored: what they print is to be read, on a quiet machine.
//!
//! `cargo test --release -p aeraki-bin --test cluster -- --ignored --nocapture pace`

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use aeraki_testbed::Usage;
use futures::stream::{self, StreamExt as _};
use kube::Api;
use kube::api::{
    ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams,
    PostParams,
};
use rstest::rstest;
use serde_json::{Value, json};

use crate::aeraki::Aeraki;
use crate::world::{ENVOY_FILTER, World};

fn api(world: &World, version: &str, kind: &str, namespace: &str) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk("networking.istio.io", version, kind);
    let resource = ApiResource::from_gvk(&kind);
    Api::namespaced_with(world.cluster.client(), namespace, &resource)
}

/// So many Dubbo services with a VirtualService and a DestinationRule each.
async fn fill(world: &World, count: usize) {
    world.namespace("shop").await;
    let service = |index: usize| {
        let address = format!(
            "240.{}.{}.{}",
            240 + index / 62_500,
            index / 250 % 250,
            index % 250 + 1
        );
        json!({"apiVersion": "networking.istio.io/v1", "kind": "ServiceEntry",
            "metadata": {"name": format!("s{index}"), "namespace": "shop",
                "annotations": {"interface": format!("com.acme.S{index}")}},
            "spec": {"hosts": [format!("s{index}.example")], "addresses": [address], "resolution": "STATIC",
                "ports": [{"number": 20880, "name": "tcp-dubbo", "protocol": "TCP"}],
                "workloadSelector": {"labels": {"app": format!("s{index}")}}}})
    };
    let services = api(world, "v1", "ServiceEntry", "shop");
    let routes = api(world, "v1", "VirtualService", "shop");
    let subsets = api(world, "v1", "DestinationRule", "shop");
    let made = stream::iter(0..count).map(|index| {
        let (services, routes, subsets) = (&services, &routes, &subsets);
        async move {
            let create = PostParams::default();
            let entry = serde_json::from_value(service(index)).unwrap();
            services.create(&create, &entry).await.unwrap();
            let rule = serde_json::from_value(rule(index, 90)).unwrap();
            routes.create(&create, &rule).await.unwrap();
            let defined = serde_json::from_value(destination_rule(index)).unwrap();
            subsets.create(&create, &defined).await.unwrap();
        }
    });
    made.buffer_unordered(32).collect::<Vec<()>>().await;
}

fn rule(index: usize, weight: u32) -> Value {
    let host = format!("s{index}.example");
    json!({"apiVersion": "networking.istio.io/v1", "kind": "VirtualService",
        "metadata": {"name": format!("s{index}"), "namespace": "shop"},
        "spec": {"hosts": [host], "http": [{"route": [
            {"destination": {"host": host, "subset": "v1"}, "weight": weight},
            {"destination": {"host": host, "subset": "v2"}, "weight": 100 - weight}]}]}})
}

fn destination_rule(index: usize) -> Value {
    json!({"apiVersion": "networking.istio.io/v1", "kind": "DestinationRule",
        "metadata": {"name": format!("s{index}"), "namespace": "shop"},
        "spec": {"host": format!("s{index}.example"), "subsets": [
            {"name": "v1", "labels": {"version": "v1"}}, {"name": "v2", "labels": {"version": "v2"}}]}})
}

fn usage(aeraki: &Aeraki) -> Usage {
    Usage::of(aeraki.process.id()).unwrap()
}

/// As many services as the case has, or as `AERAKI_SERVICES` says.
fn services(usual: usize) -> usize {
    let asked = std::env::var("AERAKI_SERVICES").ok();
    asked.map_or(usual, |asked| asked.parse().expect("a number"))
}

async fn until_all_are_written(aeraki: &Aeraki, count: usize) {
    let count = count as f64;
    while aeraki.metric("aeraki_apply_total", "\"ok\"").await < count {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[rstest]
#[case::by_the_api_server("kube", 1_000)]
#[case::by_istiod("xds", 1_000)]
#[tokio::test]
#[ignore = "a measurement"]
async fn from_a_change_to_its_filter(#[case] source: &str, #[case] usual: usize) {
    let services = services(usual);
    let world = World::empty().await;
    fill(&world, services).await;
    let aeraki = world.start(&[&format!("--config-source={source}")]);
    until_all_are_written(&aeraki, 2 * services).await;
    let routes = api(&world, "v1", "VirtualService", "shop");
    let filters = api(&world, "v1alpha3", "EnvoyFilter", "istio-system");
    let mut times = Vec::new();
    for turn in 0..200_usize {
        let index = turn * 7 % services;
        let weight = 10 + u32::try_from(turn / services + turn % 80).unwrap();
        let high = index / 250;
        let name = format!(
            "aeraki-outbound-s{index}.example-240.240.{high}.{}-20880",
            index % 250 + 1
        );
        let began = Instant::now();
        let patch = Patch::Merge(rule(index, weight));
        routes
            .patch(&format!("s{index}"), &PatchParams::default(), &patch)
            .await
            .unwrap();
        let changed = Instant::now();
        let text = format!("\"weight\":{weight}");
        while !filters
            .get(&name)
            .await
            .unwrap()
            .data
            .to_string()
            .contains(&text)
        {}
        times.push((changed.elapsed(), began.elapsed()));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let percentile = |part: usize, of: fn(&(Duration, Duration)) -> Duration| {
        let mut sorted: Vec<Duration> = times.iter().map(of).collect();
        sorted.sort_unstable();
        sorted[(sorted.len() - 1) * part / 100]
    };
    let Usage {
        peak_mib: peak,
        resident_mib: now,
        ..
    } = usage(&aeraki);
    println!(
        "{source}, {services} services, {} changes: after the API server's answer p50 {:?} p99 {:?}; with it p50 {:?} p99 {:?}; peak {peak:.0} MiB, now {now:.0} MiB",
        times.len(),
        percentile(50, |t| t.0),
        percentile(99, |t| t.0),
        percentile(50, |t| t.1),
        percentile(99, |t| t.1)
    );
    let (_, page) = aeraki.page("/metrics").await;
    for line in page
        .lines()
        .filter(|line| line.starts_with("aeraki_convergence_seconds"))
    {
        println!("  {line}");
    }
}

#[rstest]
#[case::by_the_api_server("kube", 10_000)]
#[case::by_istiod("xds", 10_000)]
#[tokio::test]
#[ignore = "a measurement"]
async fn from_the_start_to_all_filters(#[case] source: &str, #[case] usual: usize) {
    let services = services(usual);
    let world = World::empty().await;
    let idle = world.start(&[]);
    idle.until_synced().await;
    let without_services = usage(&idle).resident_mib;
    assert!(idle.end());
    fill(&world, services).await;
    let began = Instant::now();
    let aeraki = world.start(&[&format!("--config-source={source}")]);
    aeraki.until_synced().await;
    let synced = began.elapsed();
    let when_synced = usage(&aeraki).resident_mib;
    until_all_are_written(&aeraki, 2 * services).await;
    let written = began.elapsed();
    let Usage {
        peak_mib: peak,
        resident_mib: now,
        ..
    } = usage(&aeraki);
    assert!(aeraki.end());
    let again = Instant::now();
    let aeraki = world.start(&[&format!("--config-source={source}")]);
    aeraki.until_synced().await;
    println!(
        "{source}, {services} services: all seen after {synced:?}, {} EnvoyFilters written after {written:?}; a restart has seen all after {:?}; peak {peak:.0} MiB ({when_synced:.0} MiB when all was seen), now {now:.0} MiB, idle without services {without_services:.0} MiB",
        2 * services,
        again.elapsed()
    );
}

/// What one may write at once, as the command does by default.
const IN_FLIGHT: usize = 32;

/// All EnvoyFilters, each as it would be created.
async fn filters(world: &World) -> Vec<DynamicObject> {
    let listed = world.cluster.list(ENVOY_FILTER, "").await.unwrap();
    let bare = |mut filter: Value| {
        let meta = filter["metadata"].as_object_mut().unwrap();
        meta.retain(|key, _| {
            ["name", "namespace", "labels", "annotations"].contains(&key.as_str())
        });
        serde_json::from_value(filter).unwrap()
    };
    listed.into_iter().map(bare).collect()
}

async fn delete(world: &World, filters: &[DynamicObject]) {
    let namespaces: BTreeSet<_> = filters
        .iter()
        .map(|filter| filter.metadata.namespace.clone().unwrap())
        .collect();
    for namespace in namespaces {
        let api = api(world, "v1alpha3", "EnvoyFilter", &namespace);
        let all = ListParams::default();
        api.delete_collection(&DeleteParams::default(), &all)
            .await
            .unwrap();
    }
    assert_eq!(
        world.cluster.list(ENVOY_FILTER, "").await.unwrap(),
        [] as [Value; 0]
    );
}

/// How long a loop takes that does nothing but create them.
async fn create(world: &World, filters: &[DynamicObject]) -> Duration {
    let client = world.cluster.client();
    let requests = filters.iter().map(|filter| {
        let path = format!(
            "/apis/networking.istio.io/v1alpha3/namespaces/{}/envoyfilters",
            filter.metadata.namespace.as_deref().unwrap()
        );
        let body = serde_json::to_vec(filter).unwrap();
        let request = http::Request::post(path).header("content-type", "application/json");
        request.body(body).unwrap()
    });
    let requests: Vec<_> = requests.collect();
    let began = Instant::now();
    let created = stream::iter(requests)
        .map(|request| client.request_text(request))
        .buffer_unordered(IN_FLIGHT);
    created
        .for_each(|answer| async { drop(answer.unwrap()) })
        .await;
    began.elapsed()
}

/// From the start of the command to the last filter, next to a plain loop that creates the same objects at the same API
/// server, by turns.
#[rstest]
#[case::by_the_api_server("kube", 10_000)]
#[case::by_istiod("xds", 10_000)]
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
async fn creation_of_all_filters_next_to_a_plain_loop(#[case] source: &str, #[case] usual: usize) {
    let services = services(usual);
    let world = World::empty().await;
    fill(&world, services).await;
    for _ in 0..2 {
        let began = Instant::now();
        // As it logs for people, and not as it does for the other tests.
        let aeraki = world.start(&[&format!("--config-source={source}"), "--log-level=info"]);
        until_all_are_written(&aeraki, 2 * services).await;
        let by_aeraki = began.elapsed();
        let seconds = usage(&aeraki).cpu_seconds;
        assert!(aeraki.end());
        let filters = filters(&world).await;
        assert_eq!(filters.len(), 2 * services);
        delete(&world, &filters).await;
        let by_loop = create(&world, &filters).await;
        delete(&world, &filters).await;
        let rate = by_loop.as_secs_f64() / by_aeraki.as_secs_f64();
        println!(
            "{source}, {} EnvoyFilters: plain loop {by_loop:.2?}, aeraki from its start {by_aeraki:.2?} ({seconds:.1} s of processor time): {rate:.2} of the loop's rate",
            filters.len()
        );
    }
}
