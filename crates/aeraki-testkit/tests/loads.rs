//! R16: whatever the config says, the real Envoy loads what comes out.

use std::sync::Arc;

use aeraki_core::engine::Engine;
use aeraki_core::object::ConfigEvent;
use aeraki_core::registry::Registry;
use aeraki_core::settings::Settings;
use aeraki_testkit::{golden, mesh, render::Renderer};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};
use {proto_dubbo as _, proto_redis as _, proto_thrift as _, proto_zookeeper as _};

/// Meshes per run, and objects drawn per mesh. Together some hundreds of EnvoyFilters.
const MESHES: usize = 40;
const OBJECTS: usize = 80;

fn engine() -> Engine {
    let registry = Registry::linked().expect("no two protocols claim one token");
    Engine::new(Settings::default(), registry)
}

#[test]
fn envoy_loads_whatever_a_random_mesh_comes_to() {
    let registry = Registry::linked().expect("no two protocols claim one token");
    // The same meshes in every run, so that a failure stays one.
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let strategy = proptest::collection::vec(mesh::object_json(), OBJECTS);
    let mut loaded = 0;
    for _ in 0..MESHES {
        let jsons = strategy
            .new_tree(&mut runner)
            .expect("a mesh can be drawn")
            .current();
        let mut engine = engine();
        for object in jsons
            .iter()
            .filter_map(|json| mesh::decode(json, &registry))
        {
            engine.apply(ConfigEvent::Put(object));
        }
        engine.drain();
        loaded += engine.filters().len();
        golden::load(&engine, Renderer::default());
        // Clusters may be missing: a rule may name what does not exist.
        golden::load(&engine, Renderer::default().without_referenced_clusters());
    }
    assert!(
        loaded >= 300,
        "only {loaded} EnvoyFilters were put to the test"
    );
}

/// S6: what the policy lets through, Envoy takes.
#[test]
fn envoy_accepts_every_regex_that_the_policy_accepts() {
    let corpus = include_str!("../../aeraki-core/tests/corpus/regex.txt");
    let accepted: Vec<&str> = corpus
        .lines()
        .filter_map(|line| line.strip_prefix("accept\t"))
        .collect();
    assert!(accepted.len() > 30);
    let matches: Vec<Value> = accepted
        .iter()
        .map(|regex| json!({"method": {"regex": regex}}))
        .collect();
    let host = "com.acme.orders";
    let entry = json!({
        "kind": "ServiceEntry", "metadata": {"name": "orders", "namespace": "shop"},
        "spec": {
            "hosts": [host], "addresses": ["240.240.0.1"], "resolution": "STATIC",
            "ports": [{"number": 20880, "name": "tcp-dubbo", "protocol": "TCP"}],
        },
    });
    let rule = json!({
        "kind": "VirtualService", "metadata": {"name": "orders", "namespace": "shop"},
        "spec": {"hosts": [host], "http": [{"match": matches, "route": [{"destination": {"host": host}}]}]},
    });
    let registry = Registry::linked().expect("no two protocols claim one token");
    let mut engine = engine();
    for json in [entry, rule] {
        let object = mesh::decode(&json, &registry).expect("a kind of Istio's");
        engine.apply(ConfigEvent::Put(object));
    }
    engine.drain();
    let filter: &Arc<_> = engine.filters().values().next().expect("one EnvoyFilter");
    let text = serde_json::to_string(&filter.object).expect("an EnvoyFilter has a JSON form");
    assert_eq!(text.matches("safe_regex").count(), accepted.len());
    golden::load(&engine, Renderer::default());
}
