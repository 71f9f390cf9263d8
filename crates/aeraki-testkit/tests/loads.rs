//! R16: whatever the config says, the real Envoy loads what comes out.

use std::hash::{BuildHasher, Hasher, RandomState};
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

/// Meshes per run, and steps of the history of each. Pools are small, so longer histories bring no more EnvoyFilters.
const MESHES: usize = 18;
const STEPS: usize = 150;
const ENOUGH: usize = 80;
/// Sets the seed of the run that otherwise draws one: what a failure printed.
const SEED: &str = "AERAKI_MESH_SEED";

fn engine() -> Engine {
    let registry = Registry::linked().expect("no two protocols claim one token");
    Engine::new(Settings::default(), registry)
}

/// The same meshes in every run, so that a failure stays one.
#[test]
fn envoy_loads_whatever_a_random_mesh_comes_to() {
    load_meshes(7);
}

/// Other meshes in every run, so that more is found in the course of time.
#[test]
fn envoy_loads_meshes_that_nobody_has_seen() {
    let drawn = || RandomState::new().build_hasher().finish();
    let seed = std::env::var(SEED)
        .ok()
        .map(|seed| seed.parse().expect("a seed is a number"));
    let seed = seed.unwrap_or_else(drawn);
    // Tests print nothing unless they fail.
    println!("to see the same again: {SEED}={seed}");
    load_meshes(seed);
}

fn load_meshes(seed: u64) {
    let registry = Registry::linked().expect("no two protocols claim one token");
    let seed: Vec<u8> = seed.to_le_bytes().repeat(4);
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let strategy = mesh::history(STEPS);
    let mut loaded = 0;
    for turn in 0..MESHES {
        let history = strategy
            .new_tree(&mut runner)
            .expect("a mesh can be drawn")
            .current();
        let mut engine = engine();
        for event in mesh::events(&history, &registry) {
            match event {
                Some(event) => engine.apply(event),
                // Also what services keep that failed later is loaded.
                None => drop(engine.drain()),
            }
        }
        engine.drain();
        loaded += engine.filters().len();
        // Clusters may be missing: a rule may name what does not exist.
        let renderer = match turn % 2 {
            0 => Renderer::default(),
            _ => Renderer::default().without_referenced_clusters(),
        };
        golden::load(&engine, &renderer);
    }
    assert!(
        loaded >= ENOUGH,
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
    let text = serde_json::to_string(&filter.object()).expect("an EnvoyFilter has a JSON form");
    assert_eq!(text.matches("safe_regex").count(), accepted.len());
    golden::load(&engine, &Renderer::default());
}
