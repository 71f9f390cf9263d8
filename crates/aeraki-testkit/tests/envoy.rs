//! The renderer's bootstraps against the real Envoy: what it must take, and what it must refuse.

#![expect(
    clippy::needless_pass_by_value,
    reason = "json!(…) stands as an argument everywhere"
)]

use aeraki_testkit::envoy::{Envoy, Rejection, Resource};
use aeraki_testkit::explain::{Explanation, Outcome, explain};
use aeraki_testkit::render::{Rendered, Renderer};
use serde_json::{Value, json};

const HOST: &str = "demo.svc";

fn envoy() -> Envoy {
    Envoy::locate().expect("tests need a real Envoy")
}

fn filter(namespace: &str, name: &str, patches: Value) -> Value {
    json!({
        "apiVersion": "networking.istio.io/v1alpha3",
        "kind": "EnvoyFilter",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"configPatches": patches},
    })
}

fn outbound(operation: &str, listener: &str, value: Value) -> Value {
    json!({
        "applyTo": "NETWORK_FILTER",
        "match": {"context": "SIDECAR_OUTBOUND", "listener": {
            "name": listener,
            "filterChain": {"filter": {"name": "envoy.filters.network.tcp_proxy"}},
        }},
        "patch": {"operation": operation, "value": value},
    })
}

fn inbound(operation: &str, port: u16, value: Value) -> Value {
    json!({
        "applyTo": "NETWORK_FILTER",
        "match": {"context": "SIDECAR_INBOUND", "listener": {
            "name": "virtualInbound",
            "filterChain": {
                "destinationPort": port,
                "filter": {"name": "envoy.filters.network.tcp_proxy"},
            },
        }},
        "patch": {"operation": operation, "value": value},
    })
}

fn cluster(operation: &str, name: &str, value: Value) -> Value {
    let mut patch = json!({
        "applyTo": "CLUSTER",
        "match": {"context": "SIDECAR_OUTBOUND"},
        "patch": {"operation": operation, "value": value},
    });
    if operation != "ADD" {
        patch["match"]["cluster"] = json!({"name": name});
    }
    patch
}

fn network_filter(name: &str, message: &str, mut config: Value) -> Value {
    config["@type"] = json!(format!(
        "type.googleapis.com/envoy.extensions.filters.network.{message}"
    ));
    json!({"name": format!("envoy.filters.network.{name}"), "typed_config": config})
}

fn thrift(route_config: Value) -> Value {
    let config = json!({"stat_prefix": "s", "route_config": route_config});
    network_filter("thrift_proxy", "thrift_proxy.v3.ThriftProxy", config)
}

fn thrift_to(cluster: &str) -> Value {
    thrift(json!({"name": "r", "validate_clusters": false, "routes": [
        {"match": {"method_name": "SayBye"}, "route": {"cluster": cluster}},
        {"match": {"method_name": ""}, "route": {"weighted_clusters": {"clusters": [
            {"name": format!("outbound|9090|v1|{HOST}"), "weight": 90},
            {"name": format!("outbound|9090|v2|{HOST}"), "weight": 10},
        ]}}},
    ]}))
}

fn dubbo(matched: &Value) -> Value {
    let config = json!({"stat_prefix": "s", "multiple_route_config": {"name": "m", "route_config": [
        {"name": "r", "interface": "demo.GreetService", "routes": [
            {"match": matched, "route": {"cluster": format!("outbound|20880||{HOST}")}},
        ]},
    ]}});
    network_filter("dubbo_proxy", "dubbo_proxy.v3.DubboProxy", config)
}

fn any_method() -> Value {
    json!({"method": {"name": {"safe_regex": {"regex": ".*"}}}})
}

fn redis(settings: Value, prefix_routes: Value) -> Value {
    let config = json!({"stat_prefix": "s", "settings": settings, "prefix_routes": prefix_routes});
    network_filter("redis_proxy", "redis_proxy.v3.RedisProxy", config)
}

fn redis_to(cluster: &str) -> Value {
    redis(
        json!({"op_timeout": "5s"}),
        json!({"catch_all_route": {"cluster": cluster}}),
    )
}

fn zookeeper(threshold: &str) -> Value {
    let overrides = json!([{"opcode": "Ping", "threshold": threshold}]);
    let config = json!({"stat_prefix": "zk", "latency_threshold_overrides": overrides});
    network_filter(
        "zookeeper_proxy",
        "zookeeper_proxy.v3.ZooKeeperProxy",
        config,
    )
}

fn kafka() -> Value {
    network_filter(
        "kafka_broker",
        "kafka_broker.v3.KafkaBroker",
        json!({"stat_prefix": "k"}),
    )
}

fn redis_cluster(name: &str) -> Value {
    json!({
        "name": name,
        "connect_timeout": "5s",
        "lb_policy": "CLUSTER_PROVIDED",
        "wait_for_warm_on_init": false,
        "cluster_type": {"name": "envoy.clusters.redis", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.clusters.redis.v3.RedisClusterConfig",
            "cluster_refresh_rate": "5s",
        }},
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [{"endpoint": {
            "address": {"socket_address": {"address": "127.0.0.1", "port_value": 7000}},
        }}]}]},
    })
}

fn load(renderer: &Renderer, filters: &[Value]) -> Result<Rendered, Explanation> {
    match explain(&envoy(), renderer, filters).expect("the renderer knows these patches") {
        Outcome::Accepted(rendered) => Ok(rendered),
        Outcome::Rejected(explanation) => Err(explanation),
    }
}

/// Accepted, and every patch was part of what Envoy has seen.
fn accepted(filters: &[Value]) -> Rendered {
    let rendered = load(&Renderer::default(), filters).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(rendered.ineffective, [], "patches that nobody has checked");
    rendered
}

/// Rejected, for whatever reason.
fn rejected(patches: Value) -> Rejection {
    let filters = [filter("demo", "wrong", patches)];
    match load(&Renderer::default(), &filters) {
        Ok(_) => panic!("Envoy accepts it"),
        Err(explanation) => explanation.rejection,
    }
}

/// Rejected, and for this reason.
fn rejected_with(expected: &str, patches: Value) -> Rejection {
    let rejection = rejected(patches);
    assert!(
        rejection.message.contains(expected),
        "unexpected: {rejection}"
    );
    rejection
}

#[test]
fn right_sample_of_each_protocol_is_accepted_on_both_sides() {
    let redis_name = format!("outbound|6379||{HOST}");
    let filters = [
        filter(
            "demo",
            "thrift-out",
            json!([outbound(
                "REPLACE",
                "240.240.0.1_9090",
                thrift_to(&format!("outbound|9090|v2|{HOST}"))
            ),]),
        ),
        filter(
            "demo",
            "thrift-in",
            json!([inbound("REPLACE", 9091, thrift_to("inbound|9091||"))]),
        ),
        filter(
            "demo",
            "dubbo",
            json!([
                outbound("REPLACE", "240.240.0.1_20880", dubbo(&any_method())),
                inbound("REPLACE", 20880, dubbo(&any_method())),
            ]),
        ),
        filter(
            "demo",
            "redis",
            json!([
                outbound("REPLACE", "2001:db8::7_6379", redis_to(&redis_name)),
                cluster(
                    "MERGE",
                    &redis_name,
                    json!({"typed_extension_protocol_options": {
                        "envoy.filters.network.redis_proxy": {
                            "@type": "type.googleapis.com/envoy.extensions.filters.network.redis_proxy.v3.RedisProtocolOptions",
                            "auth_password": {"inline_string": "p"},
                        },
                    }})
                ),
            ]),
        ),
        filter(
            "demo",
            "zookeeper",
            json!([outbound(
                "INSERT_BEFORE",
                "0.0.0.0_2181",
                zookeeper("0.005s")
            ),]),
        ),
        filter(
            "demo",
            "kafka",
            json!([outbound("INSERT_BEFORE", "0.0.0.0_9092", kafka())]),
        ),
    ];
    let rendered = load(&Renderer::default(), &filters).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(rendered.kafka_filters, 1);
    assert_eq!(rendered.ineffective, []);
    assert_eq!(rendered.doubled, []);
}

#[test]
fn terminal_filter_before_the_tcp_proxy_is_rejected() {
    for value in [thrift_to("a"), dubbo(&any_method()), redis_to("a")] {
        rejected_with(
            "terminal filter",
            json!([outbound("INSERT_BEFORE", "1.1.1.1_1", value)]),
        );
    }
}

#[test]
fn thrift_destination_of_weight_0_is_rejected() {
    let value = thrift(json!({"name": "r", "validate_clusters": false, "routes": [
        {"match": {"method_name": ""}, "route": {"weighted_clusters": {"clusters": [
            {"name": "a", "weight": 100}, {"name": "b", "weight": 0}]}}}]}));
    rejected_with("Weight", json!([outbound("REPLACE", "1.1.1.1_1", value)]));
}

#[test]
fn unknown_thrift_cluster_is_rejected_unless_clusters_are_not_validated() {
    let listener = |validate: Value| {
        let route = json!({"match": {"method_name": ""}, "route": {"cluster": "absent"}});
        let config = json!({"name": "r", "validate_clusters": validate, "routes": [route]});
        [filter(
            "demo",
            "t",
            json!([outbound("REPLACE", "1.1.1.1_1", thrift(config))]),
        )]
    };
    let bare = Renderer::default().without_referenced_clusters();
    for validate in [Value::Null, json!(true)] {
        let error = load(&bare, &listener(validate.clone())).unwrap_err();
        assert!(error.rejection.message.contains("absent"), "{error}");
        load(&Renderer::default(), &listener(validate)).unwrap();
    }
    load(&bare, &listener(json!(false))).unwrap();
}

#[test]
fn unknown_dubbo_and_redis_clusters_are_accepted() {
    let bare = Renderer::default().without_referenced_clusters();
    for value in [dubbo(&any_method()), redis_to("outbound|6379||absent")] {
        load(
            &bare,
            &[filter(
                "demo",
                "f",
                json!([outbound("REPLACE", "1.1.1.1_1", value)]),
            )],
        )
        .unwrap();
    }
}

#[test]
fn dubbo_match_without_a_matcher_is_rejected() {
    for matched in [
        json!({}),
        json!({"method": {}}),
        json!({"method": {"name": {}}}),
    ] {
        let patches = json!([outbound("REPLACE", "1.1.1.1_1", dubbo(&matched))]);
        let message = rejected(patches).message;
        assert!(
            message.contains("must define a matcher") || message.contains("is required"),
            "{message}"
        );
    }
}

#[test]
fn dubbo_with_both_kinds_of_route_config_is_rejected() {
    let mut value = dubbo(&any_method());
    let routes = value["typed_config"]["multiple_route_config"]["route_config"].clone();
    value["typed_config"]["route_config"] = routes;
    rejected_with(
        "route_config is present",
        json!([outbound("REPLACE", "1.1.1.1_1", value)]),
    );
}

#[test]
fn extension_without_a_typed_config_is_rejected() {
    let mut value = thrift_to("a");
    value["typed_config"]["thrift_filters"] = json!([{"name": "envoy.filters.thrift.router"}]);
    rejected_with(
        "Didn't find a registered implementation",
        json!([outbound("REPLACE", "1.1.1.1_1", value)]),
    );
}

#[test]
fn redis_without_op_timeout_is_rejected() {
    let value = redis(json!({}), json!({"catch_all_route": {"cluster": "a"}}));
    rejected_with(
        "OpTimeout",
        json!([outbound("REPLACE", "1.1.1.1_1", value)]),
    );
}

#[test]
fn redis_with_a_prefix_twice_is_rejected() {
    let route = json!({"prefix": "u:", "cluster": "a"});
    let value = redis(
        json!({"op_timeout": "5s"}),
        json!({"routes": [route, route]}),
    );
    rejected_with(
        "prefix `u:` already exists",
        json!([outbound("REPLACE", "1.1.1.1_1", value)]),
    );
}

#[test]
fn redis_without_any_route_is_rejected() {
    for routes in [Value::Null, json!({}), json!({"routes": []})] {
        let value = redis(json!({"op_timeout": "5s"}), routes);
        rejected_with(
            "without any upstream",
            json!([outbound("REPLACE", "1.1.1.1_1", value)]),
        );
    }
}

#[test]
fn zookeeper_threshold_below_a_millisecond_is_rejected() {
    let patches = json!([outbound(
        "INSERT_BEFORE",
        "1.1.1.1_1",
        zookeeper("0.000999s")
    )]);
    rejected_with("Threshold", patches);
    accepted(&[filter(
        "demo",
        "zk",
        json!([outbound("INSERT_BEFORE", "1.1.1.1_1", zookeeper("0.001s")),]),
    )]);
}

#[test]
fn zookeeper_opcode_twice_is_rejected() {
    let mut value = zookeeper("0.005s");
    let one = value["typed_config"]["latency_threshold_overrides"][0].clone();
    value["typed_config"]["latency_threshold_overrides"] = json!([one, one]);
    rejected_with(
        "Duplicated opcode",
        json!([outbound("INSERT_BEFORE", "1.1.1.1_1", value)]),
    );
}

#[test]
fn regex_is_limited_as_under_istio() {
    let regex = |text: &str| {
        let matched = json!({"method": {"name": {"safe_regex": {"regex": text}}}});
        json!([outbound("REPLACE", "1.1.1.1_1", dubbo(&matched))])
    };
    for (wrong, reason) in [
        ("a{1001}", "invalid repetition size"),
        ("(a{100}){11}", "invalid repetition size"),
        ("(?=a)", "invalid perl operator"),
        (r"(a)\1", "invalid escape sequence"),
        ("", "Regex"),
    ] {
        rejected_with(reason, regex(wrong));
    }
    // Far over Envoy's own program size of 100, and under Istio's.
    for right in ["a{1000}", "(foo|bar|baz)+[a-z]{200}"] {
        accepted(&[filter("demo", "r", regex(right))]);
    }
}

#[test]
fn merge_of_a_redis_cluster_type_into_an_eds_cluster_crashes_envoy() {
    let name = format!("outbound|6379||{HOST}");
    let mut value = redis_cluster(&name);
    value.as_object_mut().unwrap().remove("name");
    let rejection = rejected(json!([
        outbound("REPLACE", "1.1.1.1_6379", redis_to(&name)),
        cluster("MERGE", &name, value),
    ]));
    assert_eq!(rejection.signal, Some(11), "{rejection}");
}

#[test]
fn redis_cluster_by_remove_and_add_is_accepted_in_either_order() {
    let name = format!("outbound|6379||{HOST}");
    let remove = cluster("REMOVE", &name, Value::Null);
    let add = cluster("ADD", &name, redis_cluster(&name));
    for patches in [json!([remove, add]), json!([add, remove])] {
        let rendered = accepted(&[filter("demo", "r", patches)]);
        let clusters = &rendered.bootstraps[0].config()["static_resources"]["clusters"];
        let same = clusters
            .as_array()
            .unwrap()
            .iter()
            .filter(|c| c["name"] == name.as_str());
        assert_eq!(same.count(), 1);
        assert_eq!(
            rendered.bootstraps[0].cluster(&name),
            Some(&redis_cluster(&name))
        );
    }
}

#[test]
fn cluster_added_without_removing_istios_is_rejected() {
    let name = format!("outbound|6379||{HOST}");
    let add = cluster("ADD", &name, redis_cluster(&name));
    rejected_with(&name, json!([add]));
}

#[test]
fn cluster_added_twice_is_rejected_and_both_objects_are_named() {
    let name = format!("outbound|6379||{HOST}");
    let add = || cluster("ADD", &name, redis_cluster(&name));
    let filters = [
        filter(
            "demo",
            "unrelated",
            json!([outbound("REPLACE", "1.1.1.1_1", dubbo(&any_method())),]),
        ),
        filter(
            "istio-system",
            "one",
            json!([cluster("REMOVE", &name, Value::Null), add()]),
        ),
        filter("demo", "other", json!([add()])),
    ];
    let explanation = load(&Renderer::default(), &filters).unwrap_err();
    assert_eq!(
        explanation.names,
        ["demo/other"],
        "it lacks the removal: {explanation}"
    );

    let both = [filters[1].clone(), filters[0].clone(), {
        let mut other = filters[1].clone();
        other["metadata"]["namespace"] = json!("demo");
        other
    }];
    let explanation = load(&Renderer::default(), &both).unwrap_err();
    assert_eq!(explanation.names, ["istio-system/one", "demo/one"]);
    assert_eq!(
        explanation.rejection.resource,
        Some(Resource::Cluster(name))
    );
}

#[test]
fn explain_finds_the_one_wrong_filter_among_hundreds() {
    let mut filters: Vec<Value> = (0..400)
        .map(|i| {
            let listener = format!("240.240.{}.{}_20880", i / 200, i % 200);
            let patches = json!([outbound("REPLACE", &listener, dubbo(&any_method()))]);
            filter("demo", &format!("f{i}"), patches)
        })
        .collect();
    accepted(&filters);
    filters[237]["spec"]["configPatches"][0]["patch"]["value"] = dubbo(&json!({}));
    let explanation = load(&Renderer::default(), &filters).unwrap_err();
    assert_eq!(explanation.culprits, [237]);
    assert_eq!(explanation.names, ["demo/f237"]);
}

#[test]
fn kafka_config_is_unknown_to_this_envoy_whatever_the_filter_is_called() {
    let mut value = kafka();
    value["name"] = json!("some.other.name");
    rejected_with(
        "could not find @type",
        json!([outbound("INSERT_BEFORE", "1.1.1.1_1", value)]),
    );
}
