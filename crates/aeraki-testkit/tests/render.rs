//! Istio's patch semantics, without an Envoy.

#![expect(
    clippy::needless_pass_by_value,
    reason = "json!(…) stands as an argument everywhere"
)]

use aeraki_testkit::render::{Bootstrap, RenderError, Rendered, Renderer};
use serde_json::{Value, json};

const LISTENER: &str = "240.240.0.1_9090";

fn filter(namespace: &str, name: &str, patches: Value) -> Value {
    json!({
        "kind": "EnvoyFilter",
        "metadata": {"namespace": namespace, "name": name},
        "spec": {"configPatches": patches},
    })
}

/// A patch of the TCP proxy that puts in a filter of the given name.
fn patch(operation: &str, context: &str, listener: Value, put: &str) -> Value {
    let mut matched = json!({"filterChain": {"filter": {
        "name": "envoy.filters.network.tcp_proxy",
    }}});
    for (key, value) in listener.as_object().expect("an object") {
        if key == "destinationPort" {
            matched["filterChain"][key] = value.clone();
        } else {
            matched[key] = value.clone();
        }
    }
    json!({
        "applyTo": "NETWORK_FILTER",
        "match": {"context": context, "listener": matched},
        "patch": {"operation": operation, "value": {"name": put}},
    })
}

fn replace(put: &str) -> Value {
    json!([patch(
        "REPLACE",
        "SIDECAR_OUTBOUND",
        json!({"name": LISTENER}),
        put
    )])
}

fn inbound(port: u16, put: &str) -> Value {
    let listener = json!({"name": "virtualInbound", "destinationPort": port});
    json!([patch("REPLACE", "SIDECAR_INBOUND", listener, put)])
}

fn cluster_patch(operation: &str, cluster: Value, value: Value) -> Value {
    json!([{
        "applyTo": "CLUSTER",
        "match": {"context": "SIDECAR_OUTBOUND", "cluster": cluster},
        "patch": {"operation": operation, "value": value},
    }])
}

fn render(filters: &[Value]) -> Rendered {
    Renderer::default().render(filters).expect("known patches")
}

fn names_in(chain: &Value) -> Vec<&str> {
    let filters = chain["filters"].as_array().expect("a chain has filters");
    filters
        .iter()
        .map(|f| f["name"].as_str().expect("a filter has a name"))
        .collect()
}

fn filters_of<'a>(bootstrap: &'a Bootstrap, listener: &str) -> Vec<&'a str> {
    names_in(&bootstrap.listener(listener).expect("it was rendered")["filter_chains"][0])
}

fn ineffective(rendered: &Rendered) -> Vec<&str> {
    rendered
        .ineffective
        .iter()
        .map(|id| id.name.as_str())
        .collect()
}

#[test]
fn first_replace_wins_and_the_second_is_reported() {
    let rendered = render(&[
        filter("demo", "b", replace("late")),
        filter("demo", "a", replace("early")),
    ]);
    assert_eq!(filters_of(&rendered.bootstraps[0], LISTENER), ["early"]);
    assert_eq!(ineffective(&rendered), ["b"]);
}

#[test]
fn order_is_priority_then_root_namespace_then_age_then_name() {
    let with = |namespace: &str, name: &str, priority: i64, created: &str| {
        let mut filter = filter(namespace, name, replace(name));
        filter["spec"]["priority"] = json!(priority);
        filter["metadata"]["creationTimestamp"] = json!(created);
        filter
    };
    let mut filters = vec![
        with("demo", "urgent", -10, "2026-09-09T00:00:00Z"),
        with("istio-system", "root", 0, "2026-08-08T00:00:00Z"),
        with("demo", "z-old", 0, "2026-01-01T00:00:00Z"),
        with("demo", "a-young", 0, "2026-02-02T00:00:00Z"),
        with("demo", "b-young", 0, "2026-02-02T00:00:00Z"),
    ];
    while !filters.is_empty() {
        let winner = filters[0]["metadata"]["name"].clone();
        let mut shuffled = filters.clone();
        shuffled.reverse();
        let rendered = render(&shuffled);
        let bootstrap = rendered
            .bootstraps
            .iter()
            .find(|b| b.listener(LISTENER).is_some());
        assert_eq!(
            filters_of(bootstrap.unwrap(), LISTENER),
            [winner.as_str().unwrap()]
        );
        filters.remove(0);
    }
}

#[test]
fn other_namespace_does_not_reach_this_one() {
    let rendered = render(&[
        filter("a", "a", replace("of-a")),
        filter("b", "b", replace("of-b")),
    ]);
    let namespaces: Vec<&str> = rendered
        .bootstraps
        .iter()
        .map(Bootstrap::namespace)
        .collect();
    assert_eq!(namespaces, ["a", "b"]);
    assert_eq!(filters_of(&rendered.bootstraps[0], LISTENER), ["of-a"]);
    assert_eq!(filters_of(&rendered.bootstraps[1], LISTENER), ["of-b"]);
    assert_eq!(ineffective(&rendered), [""; 0]);
}

#[test]
fn root_namespace_is_the_one_that_was_set() {
    let filters = [
        filter("mesh", "root", replace("root")),
        filter("demo", "own", replace("own")),
    ];
    let rendered = Renderer::default()
        .root_namespace("mesh")
        .render(&filters)
        .unwrap();
    let namespaces: Vec<&str> = rendered
        .bootstraps
        .iter()
        .map(Bootstrap::namespace)
        .collect();
    assert_eq!(namespaces, ["demo", "mesh"]);
    assert_eq!(filters_of(&rendered.bootstraps[0], LISTENER), ["root"]);
}

#[test]
fn workloads_with_the_same_port_are_kept_apart() {
    let selected = |name: &str| {
        let mut filter = filter("demo", name, inbound(9090, name));
        filter["spec"]["workloadSelector"] = json!({"labels": {"app": name}});
        filter
    };
    let rendered = render(&[selected("cart"), selected("shop")]);
    assert_eq!(
        filters_of(&rendered.bootstraps[0], "virtualInbound#app=cart"),
        ["cart"]
    );
    assert_eq!(
        filters_of(&rendered.bootstraps[0], "virtualInbound#app=shop"),
        ["shop"]
    );
}

#[test]
fn filter_without_selector_reaches_selected_workloads() {
    let mut selected = filter("demo", "z", inbound(9090, "selected"));
    selected["spec"]["workloadSelector"] = json!({"labels": {"app": "cart"}});
    let rendered = render(&[selected, filter("demo", "a", inbound(9090, "everyone"))]);
    assert_eq!(
        filters_of(&rendered.bootstraps[0], "virtualInbound#app=cart"),
        ["everyone"]
    );
    assert_eq!(ineffective(&rendered), ["z"]);
}

#[test]
fn inbound_patch_changes_the_chain_of_its_port_alone() {
    let rendered = render(&[
        filter("demo", "a", inbound(9090, "a")),
        filter("demo", "b", inbound(9091, "b")),
    ]);
    let listener = rendered.bootstraps[0].listener("virtualInbound").unwrap();
    let chains: Vec<_> = listener["filter_chains"]
        .as_array()
        .unwrap()
        .iter()
        .map(|chain| {
            (
                chain["filter_chain_match"]["destination_port"].as_u64(),
                names_in(chain),
            )
        })
        .collect();
    assert_eq!(chains, [(Some(9090), vec!["a"]), (Some(9091), vec!["b"])]);
}

#[test]
fn context_that_contradicts_the_listener_has_no_effect() {
    let wrong = json!([patch(
        "REPLACE",
        "SIDECAR_INBOUND",
        json!({"name": LISTENER}),
        "x"
    )]);
    let rendered = render(&[filter("demo", "wrong", wrong)]);
    assert_eq!(
        filters_of(&rendered.bootstraps[0], LISTENER),
        ["envoy.filters.network.tcp_proxy"]
    );
    assert_eq!(ineffective(&rendered), ["wrong"]);
}

#[test]
fn port_number_alone_hits_every_listener_of_that_port() {
    let by_port = json!([patch(
        "REPLACE",
        "SIDECAR_OUTBOUND",
        json!({"portNumber": 9090}),
        "hit"
    )]);
    let other = json!([patch(
        "REPLACE",
        "SIDECAR_OUTBOUND",
        json!({"name": LISTENER}),
        "late"
    )]);
    let rendered = render(&[filter("demo", "a", by_port), filter("demo", "b", other)]);
    assert_eq!(filters_of(&rendered.bootstraps[0], LISTENER), ["hit"]);
    assert_eq!(
        filters_of(&rendered.bootstraps[0], "192.0.2.1_9090"),
        ["hit"]
    );
    assert_eq!(ineffective(&rendered), ["b"]);
}

#[test]
fn insertion_by_name_and_by_port_is_reported_as_doubled() {
    let insert = |listener| patch("INSERT_BEFORE", "SIDECAR_OUTBOUND", listener, "zk");
    let patches = json!([
        insert(json!({"name": LISTENER})),
        insert(json!({"portNumber": 9090}))
    ]);
    let rendered = render(&[filter("demo", "a", patches)]);
    let filters = filters_of(&rendered.bootstraps[0], LISTENER);
    assert_eq!(filters, ["zk", "zk", "envoy.filters.network.tcp_proxy"]);
    assert_eq!(rendered.doubled.len(), 1);
    assert_eq!(
        (&*rendered.doubled[0].listener, &*rendered.doubled[0].filter),
        (LISTENER, "zk")
    );
}

#[test]
fn merge_appends_lists_and_its_sibling_replaces_them() {
    let name = "outbound|6379||demo.svc";
    let value = json!({"circuitBreakers": {"thresholds": [{"maxRequests": 7}]}});
    for (operation, thresholds) in [("MERGE", 2), ("MERGE_AND_REPLACE_LIST", 1)] {
        let patches = cluster_patch(operation, json!({"name": name}), value.clone());
        let rendered = render(&[filter("demo", "a", patches)]);
        let cluster = rendered.bootstraps[0].cluster(name).unwrap();
        assert_eq!(cluster["type"], "EDS");
        let held = cluster["circuit_breakers"]["thresholds"]
            .as_array()
            .unwrap();
        assert_eq!(held.len(), thresholds, "{operation}");
        assert_eq!(held.last().unwrap()["maxRequests"], 7);
    }
}

#[test]
fn cluster_match_by_service_and_port_hits_subsets_too() {
    let by_service = json!({"service": "demo.svc", "portNumber": 6379});
    let merge = cluster_patch("MERGE", by_service, json!({"lb_policy": "MAGLEV"}));
    let subset = "outbound|6379|v1|demo.svc";
    let other_port = "outbound|6380||demo.svc";
    let route = |cluster: &str| json!({"name": "f", "typed_config": {"cluster": cluster}});
    let mut routes = replace("f");
    routes[0]["patch"]["value"] = json!({"clusters": [route(subset), route(other_port)]});
    routes[0]["patch"]["value"]["clusters"][0]["name"] = json!(subset);
    routes[0]["patch"]["value"]["clusters"][1]["name"] = json!(other_port);
    let rendered = render(&[filter("demo", "a", merge), filter("demo", "b", routes)]);
    let policy = |name| rendered.bootstraps[0].cluster(name).unwrap()["lb_policy"].clone();
    assert_eq!(policy("outbound|6379||demo.svc"), "MAGLEV");
    assert_eq!(policy(subset), "MAGLEV");
    assert_eq!(policy(other_port), "LEAST_REQUEST");
}

#[test]
fn removed_cluster_is_gone_and_added_cluster_is_not_merged_into() {
    let name = "outbound|6379||demo.svc";
    let mut patches = cluster_patch(
        "MERGE",
        json!({"name": name}),
        json!({"lb_policy": "MAGLEV"}),
    );
    let remove = cluster_patch("REMOVE", json!({"name": name}), Value::Null);
    let added = json!({"name": name, "lb_policy": "CLUSTER_PROVIDED"});
    let add = json!([{"applyTo": "CLUSTER", "patch": {"operation": "ADD", "value": added}}]);
    for more in [&remove, &add] {
        patches.as_array_mut().unwrap().push(more[0].clone());
    }
    let rendered = render(&[filter("demo", "a", patches)]);
    assert_eq!(rendered.bootstraps[0].cluster(name), Some(&added));
    assert_eq!(
        rendered
            .ineffective
            .iter()
            .map(|id| id.index)
            .collect::<Vec<_>>(),
        [0]
    );
}

#[test]
fn kafka_filters_are_left_out_and_counted_once() {
    let kafka = || replace("envoy.filters.network.kafka_broker");
    let rendered = render(&[
        filter("istio-system", "root", kafka()),
        filter("demo", "a", replace("mine")),
    ]);
    assert_eq!(rendered.kafka_filters, 1);
    assert_eq!(filters_of(&rendered.bootstraps[0], LISTENER), ["mine"]);
    assert_eq!(ineffective(&rendered), [""; 0]);
}

#[test]
fn listeners_have_addresses_of_their_own() {
    let filters: Vec<Value> = (0..300)
        .map(|i| {
            let name = format!("240.240.{i}.1_9090");
            let patch = patch("REPLACE", "SIDECAR_OUTBOUND", json!({"name": name}), "x");
            filter("demo", &name, json!([patch]))
        })
        .collect();
    let rendered = render(&filters);
    let listeners = rendered.bootstraps[0].config()["static_resources"]["listeners"].clone();
    let addresses: std::collections::BTreeSet<String> = listeners
        .as_array()
        .unwrap()
        .iter()
        .map(|l| l["address"].to_string())
        .collect();
    assert_eq!(addresses.len(), 300);
}

#[test]
fn what_the_renderer_cannot_do_is_an_error_and_never_left_out() {
    let error = |filter: Value| Renderer::default().render(&[filter]).unwrap_err();
    assert!(matches!(
        error(json!({"kind": "Gateway"})),
        RenderError::NotAnEnvoyFilter(0)
    ));
    let mut patches = replace("x");
    patches[0]["applyTo"] = json!("HTTP_ROUTE");
    let unsupported = error(filter("demo", "a", patches));
    assert!(
        unsupported.to_string().contains("demo/a configPatches[0]"),
        "{unsupported}"
    );
    let mut by_chain = replace("x");
    by_chain[0]["match"]["listener"]["filterChain"]["sni"] = json!("a");
    let unsupported = error(filter("demo", "a", by_chain));
    assert!(
        unsupported
            .to_string()
            .contains("destinationPort and filter"),
        "{unsupported}"
    );
}
