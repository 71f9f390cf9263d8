//! What must hold for every RedisService and RedisDestination, whatever stands in them.

use aeraki_testkit::golden::{self, Golden};
use proptest::prelude::*;
use proptest::sample::select;
use proto_redis as _;
use serde_json::{Value, json};

/// Stands wherever a password can stand, and must not come out anywhere else.
const CANARY: &str = "canary-7f3a";
const OPT_IN: &str = "redis.aeraki.io/inline-credentials";

fn auth() -> impl Strategy<Value = Value> {
    select(vec![
        json!({"plain": {"password": CANARY}}),
        json!({"plain": {"username": "app", "password": CANARY, "passwords": [CANARY]}}),
        json!({"plain": {"password": [CANARY]}}),
        json!({"plain": CANARY}),
        json!(CANARY),
        json!({"secret": {"name": "creds"}}),
        json!({"secret": {"name": "creds", "passwordField": "absent"}}),
        json!({"secret": {"name": "creds"}, "plain": {"password": CANARY}}),
        json!({"reference": {"password": {"environmentVariable": "REDIS_PASSWORD"}}}),
        json!({}),
        Value::Null,
    ])
}

fn route() -> impl Strategy<Value = Value> {
    let host = select(vec!["cache", "single", "nosuch.example.com", "a|b", ""]);
    let percentage = prop_oneof![
        Just(json!({})),
        any::<i8>().prop_map(|v| json!({"value": v}))
    ];
    (
        "[a-cA-C:]{0,3}",
        any::<bool>(),
        host,
        any::<u16>(),
        percentage,
    )
        .prop_map(|(prefix, keyed, host, port, percentage)| {
            let target = json!({"host": host, "port": port});
            let mirror = json!([{"route": target, "percentage": percentage}]);
            let mut route = json!({"route": target, "mirror": mirror});
            if keyed {
                route["match"] = json!({"key": {"prefix": prefix}});
            }
            route
        })
}

fn objects() -> impl Strategy<Value = (bool, Vec<Value>)> {
    let routes = proptest::collection::vec(route(), 0..5);
    let pool = select(vec![
        json!({}),
        json!({"maxConnections": 7, "connectTimeout": "1s"}),
    ]);
    let mode = select(vec!["PROXY", "CLUSTER"]);
    (
        any::<bool>(),
        any::<bool>(),
        routes,
        auth(),
        auth(),
        pool,
        mode,
    )
        .prop_map(|(opt_in, ignores_case, routes, down, up, pool, mode)| {
            let annotations = if opt_in {
                json!({OPT_IN: "true"})
            } else {
                json!({})
            };
            let metadata =
                json!({"name": "cache", "namespace": "redis", "annotations": annotations});
            let service = json!({
                "apiVersion": "redis.aeraki.io/v1alpha1", "kind": "RedisService",
                "metadata": metadata,
                "spec": {"host": ["cache"], "redis": routes,
                         "settings": {"auth": down, "caseInsensitive": ignores_case}},
            });
            let destination = json!({
                "apiVersion": "redis.aeraki.io/v1alpha1", "kind": "RedisDestination",
                "metadata": metadata,
                "spec": {"host": "cache", "trafficPolicy": {"connectionPool":
                         {"tcp": pool, "redis": {"mode": mode, "auth": up}}}},
            });
            (opt_in, vec![service, destination])
        })
}

fn run(objects: &[Value]) -> Golden {
    let entry = |name: &str, address: &str| {
        json!({
            "apiVersion": "networking.istio.io/v1", "kind": "ServiceEntry",
            "metadata": {"name": name, "namespace": "redis"},
            "spec": {"hosts": [format!("{name}.redis.svc.cluster.local")], "addresses": [address],
                     "resolution": "STATIC",
                     "ports": [{"number": 6379, "name": "tcp-redis", "protocol": "TCP"}]},
        })
    };
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "creds", "namespace": "redis"},
        "stringData": {"password": CANARY},
    });
    let fixed = [
        entry("cache", "10.0.0.1"),
        entry("single", "10.0.0.2"),
        secret,
    ];
    let documents: Vec<String> = fixed.iter().chain(objects).map(Value::to_string).collect();
    golden::run(&documents.join("\n---\n"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_password_stands_in_clear_text_only_where_it_was_allowed((opt_in, objects) in objects()) {
        let golden = run(&objects);
        for diagnostic in &golden.diagnostics {
            prop_assert!(!format!("{diagnostic:?}").contains(CANARY), "{diagnostic}");
        }
        for (key, filter) in golden.engine.filters() {
            let text = serde_json::to_string(&filter.object()).unwrap();
            if text.contains(CANARY) {
                prop_assert!(opt_in && &*key.namespace == "redis", "{key}");
                prop_assert!(!filter.object().metadata.annotations.values().any(|v| v.contains(CANARY)));
            }
        }
    }

    #[test]
    fn no_filter_comes_without_the_credentials_that_were_asked_for((_, objects) in objects()) {
        let golden = run(&objects);
        let asks = |pointer: &str, object: &Value| object.pointer(pointer).is_some_and(|a| !a.is_null());
        let down = asks("/spec/settings/auth", &objects[0]);
        let up = asks("/spec/trafficPolicy/connectionPool/redis/auth", &objects[1]);
        for (key, filter) in golden.engine.filters().iter().filter(|(key, _)| key.name.contains("cache")) {
            let text = serde_json::to_string(&filter.object()).unwrap();
            prop_assert!(!down || text.contains("downstream_auth_passwords"), "{key}");
            prop_assert!(!up || text.contains("auth_password\""), "{key}");
        }
    }

    #[test]
    fn the_generator_keeps_envoys_rules_by_itself((_, objects) in objects()) {
        let golden = run(&objects);
        for diagnostic in &golden.diagnostics {
            prop_assert!(!matches!(diagnostic.code, "AER0901" | "AER0902"), "{diagnostic}");
        }
    }
}

#[test]
fn what_random_objects_come_to_loads_in_envoy() {
    use proptest::strategy::ValueTree as _;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut filters = 0;
    for _ in 0..40 {
        let (_, objects) = objects().new_tree(&mut runner).unwrap().current();
        let golden = run(&objects);
        filters += golden.engine.filters().len();
        golden::load(&golden.engine, &aeraki_testkit::render::Renderer::default());
    }
    assert!(filters > 40, "{filters}");
}
