//! From an object at the API server to its EnvoyFilters, and after it whatever becomes of the object.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rstest::rstest;
use serde_json::{Value, json};

use crate::world::{Filters, World, dubbo_service};

/// After our writes istiod is quiet again: it merges pushes for 100 ms.
const SETTLED: Duration = Duration::from_secs(2);

const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples");

/// What `aeraki generate` makes of the same objects.
fn generated(paths: &[String]) -> Filters {
    let mut command = Command::new(env!("CARGO_BIN_EXE_aeraki"));
    command.args(["generate", "-o", "json", "--enable-protocol=kafka"]);
    for path in paths {
        command.args(["-f", path]);
    }
    let answer = command.output().unwrap();
    assert!(
        answer.status.success(),
        "{}",
        String::from_utf8_lossy(&answer.stderr)
    );
    let list: Value = serde_json::from_slice(&answer.stdout).unwrap();
    let items = list["items"].as_array().or(list.as_array()).unwrap();
    let key = |item: &Value| {
        let meta = &item["metadata"];
        format!(
            "{}/{}",
            meta["namespace"].as_str().unwrap(),
            meta["name"].as_str().unwrap()
        )
    };
    items.iter().map(|item| (key(item), item.clone())).collect()
}

fn specs(filters: &Filters) -> Vec<(&String, &Value)> {
    filters
        .iter()
        .map(|(key, filter)| (key, &filter["spec"]))
        .collect()
}

/// The files of config in an example: not those that say how its proxies are started.
fn files(protocol: &str) -> Vec<String> {
    let directory = Path::new(EXAMPLES).join(protocol);
    let mut files: Vec<String> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path().display().to_string())
        .filter(|path| path.ends_with(".yaml"))
        .collect();
    files.sort();
    files
}

#[rstest]
#[case::dubbo_by_istiod("dubbo", "xds")]
#[case::thrift_by_istiod("thrift", "xds")]
#[case::redis_by_istiod("redis", "xds")]
#[case::zookeeper_by_istiod("zookeeper", "xds")]
#[case::kafka_by_istiod("kafka", "xds")]
#[case::dubbo_by_the_api_server("dubbo", "kube")]
#[case::redis_by_the_api_server("redis", "kube")]
#[tokio::test]
async fn an_example_comes_to_what_generate_prints(#[case] protocol: &str, #[case] source: &str) {
    let world = World::empty().await;
    world.define_redis().await;
    let source = format!("--config-source={source}");
    let _aeraki = world.start(&[&source, "--enable-protocol=kafka"]);
    let files = files(protocol);
    for file in &files {
        let text = std::fs::read_to_string(file).unwrap();
        for namespace in namespaces(&text) {
            world.namespace(&namespace).await;
        }
        world.cluster.apply(&text).await.unwrap();
    }
    let wanted = generated(&files);
    assert!(!wanted.is_empty());
    let there = world
        .until("all are there", |there| specs(there) == specs(&wanted))
        .await;
    for (key, filter) in &there {
        let hash = "aeraki.net/config-hash";
        let (there, wanted) = (
            &filter["metadata"]["annotations"],
            &wanted[key]["metadata"]["annotations"],
        );
        assert_eq!(there[hash], wanted[hash]);
    }
}

fn namespaces(text: &str) -> Vec<String> {
    let mut found: Vec<String> = text
        .lines()
        .filter_map(|line| {
            let rest = line.split_once("namespace:")?.1;
            let name = rest.trim().split([',', '}', ' ']).next()?;
            Some(name.to_owned())
        })
        .collect();
    found.sort();
    found.dedup();
    found
}

#[rstest]
#[case::istiod("xds")]
#[case::the_api_server("kube")]
#[tokio::test]
async fn filters_follow_an_edit_a_rename_an_annotation_and_a_deletion(#[case] source: &str) {
    let world = World::empty().await;
    world.namespace("shop").await;
    let source = format!("--config-source={source}");
    let aeraki = world.start(&[&source, "--resync-interval=2s"]);
    world
        .cluster
        .apply(&dubbo_service("orders", "240.240.0.1"))
        .await
        .unwrap();
    let outbound = "istio-system/aeraki-outbound-orders.example-240.240.0.1-20880";
    let first = world
        .until("both sides", |filters| filters.len() == 2)
        .await;
    assert!(first.contains_key(outbound), "{:?}", first.keys());

    let routes = |weight: u32| {
        format!(
            "\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: orders, namespace: shop}}
spec:
  hosts: [orders.example]
  http:
  - route:
    - {{destination: {{host: orders.example, subset: v1}}, weight: {weight}}}
    - {{destination: {{host: orders.example, subset: v2}}, weight: {}}}
",
            100 - weight
        )
    };
    let says = |weight: u32| {
        move |filters: &Filters| {
            filters.get(outbound).is_some_and(|filter| {
                filter["spec"]
                    .to_string()
                    .contains(&format!("\"weight\":{weight}}}"))
                    || filter["spec"]
                        .to_string()
                        .contains(&format!("\"weight\":{weight},"))
            })
        }
    };
    world.cluster.apply(&routes(90)).await.unwrap();
    world.until("90", says(90)).await;
    world.cluster.apply(&routes(35)).await.unwrap();
    let edited = world.until("35", says(35)).await;
    assert_eq!(
        edited[outbound]["metadata"]["uid"], first[outbound]["metadata"]["uid"],
        "changed in place"
    );

    let service =
        dubbo_service("orders", "240.240.0.1").replace("com.acme.orders", "com.acme.Renamed");
    world.cluster.apply(&service).await.unwrap();
    let says_renamed = |filters: &Filters| {
        filters[outbound]["spec"]
            .to_string()
            .contains("com.acme.Renamed")
    };
    world.until("the annotation", says_renamed).await;

    let service_entry = "networking.istio.io/v1/ServiceEntry";
    world
        .cluster
        .delete(service_entry, "shop", "orders")
        .await
        .unwrap();
    world
        .cluster
        .apply(&dubbo_service("bills", "240.240.0.2"))
        .await
        .unwrap();
    let keys = [
        "istio-system/aeraki-outbound-bills.example-240.240.0.2-20880",
        "shop/aeraki-inbound-bills.example-20880",
    ];
    world
        .until("another service", |filters| filters.keys().eq(keys))
        .await;
    assert!(aeraki.end(), "SIGTERM is a clean end");
}

/// Istiod pushes nothing of it to who may not see it, and we are one of those.
#[tokio::test]
async fn a_service_that_only_its_own_namespace_sees_is_followed() {
    let world = World::empty().await;
    world.namespace("shop").await;
    let aeraki = world.start(&["--config-source=xds", "--resync-interval=1h"]);
    aeraki.until_synced().await;
    let service = |address: &str| {
        let service = dubbo_service("orders", address);
        service.replace("spec:", "spec:\n  exportTo: [\".\"]")
    };
    let outbound = |address: &str| format!("shop/aeraki-outbound-orders.example-{address}-20880");
    for address in ["240.240.0.1", "240.240.0.2"] {
        world.cluster.apply(&service(address)).await.unwrap();
        let key = outbound(address);
        let follows = |filters: &Filters| filters.len() == 2 && filters.contains_key(&key);
        world.until(address, follows).await;
        // Our own writes make istiod push, and what waits comes along.
        tokio::time::sleep(SETTLED).await;
    }
    let service_entry = "networking.istio.io/v1/ServiceEntry";
    let deleted = world.cluster.delete(service_entry, "shop", "orders");
    deleted.await.unwrap();
    world.until("none", Filters::is_empty).await;
    assert!(aeraki.end());
}

#[tokio::test]
async fn nothing_is_written_where_nothing_changed() {
    let world = World::empty().await;
    world.namespace("shop").await;
    let first = world.start(&["--resync-interval=1s"]);
    world
        .cluster
        .apply(&dubbo_service("orders", "240.240.0.1"))
        .await
        .unwrap();
    let filters = world
        .until("both sides", |filters| filters.len() == 2)
        .await;
    assert!(first.end());
    let second = world.start(&["--resync-interval=1s"]);
    second.until_synced().await;
    // istiod tells everything anew each second, and a change that means nothing to us comes with it.
    let other = json!({"apiVersion": "networking.istio.io/v1", "kind": "ServiceEntry",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"hosts": ["web.example"], "ports": [{"number": 80, "name": "http", "protocol": "HTTP"}],
                 "resolution": "DNS"}});
    world.cluster.apply(&other.to_string()).await.unwrap();
    let seen = async || second.admin("/debug/configz").await.1.contains("shop/web");
    while !seen().await {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let resyncs = second.metric("aeraki_xds_responses_total", "").await;
    while second.metric("aeraki_xds_responses_total", "").await < resyncs + 12.0 {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    assert_eq!(world.filters().await, filters);
    assert_eq!(second.metric("aeraki_apply_total", "").await, 0.0);
}
