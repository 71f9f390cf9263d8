//! Golden cases: Istio config in, EnvoyFilters and diagnostics out.
//!
//! No Envoy at hand has the Kafka filter, so here the proof is the descriptor: every config decodes into the message that
//! is held against Envoy's own fields elsewhere, and nothing of it is lost on the way.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};

use aeraki_api::envoy::kafka::KafkaBroker;
use aeraki_core::object::ConfigEvent;
use aeraki_core::registry::Registry;
use aeraki_file::Reader;
use aeraki_testkit::golden::{check, run};
use proto_kafka as _;
use serde_json::Value;

#[rstest::rstest]
fn golden(#[files("tests/cases/*.in.yaml")] case: PathBuf) {
    check(&case);
}

#[rstest::rstest]
fn every_config_is_a_kafka_broker_without_an_unknown_field(
    #[files("tests/cases/*.in.yaml")] case: PathBuf,
) {
    for config in typed_configs(&case) {
        let message: KafkaBroker = serde_json::from_value(config.clone()).unwrap();
        // The reader skips fields that it does not know, so what it kept must be all there was.
        assert_eq!(aeraki_api::typed_config(&message).unwrap(), config);
    }
}

#[test]
fn the_cases_hold_configs_to_prove() {
    let case = Path::new("tests/cases/api-keys-and-rewrite.in.yaml");
    assert_eq!(typed_configs(case).len(), 2);
}

fn typed_configs(case: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(case).unwrap();
    let filters = run(&text).engine.filters().clone();
    let patches = filters.values().flat_map(|filter| {
        let object = serde_json::to_value(filter.object()).unwrap();
        object["spec"]["configPatches"].as_array().unwrap().clone()
    });
    patches
        .map(|patch| patch["patch"]["value"]["typed_config"].clone())
        .collect()
}

#[test]
fn a_restriction_that_becomes_unreadable_stays_in_force() {
    let good = std::fs::read_to_string("tests/cases/api-keys-and-rewrite.in.yaml").unwrap();
    let bad = good.replace("\"20,19\"", "\"20;19\"");
    let mut engine = run(&good).engine;
    let before = engine.filters().clone();
    let reader = Reader::new(&Registry::linked().unwrap());
    for located in reader.read("case.yaml", &bad).objects {
        engine.apply(ConfigEvent::Put(located.object));
    }
    assert!(engine.drain().is_empty());
    assert_eq!(engine.filters(), &before);
    assert_eq!(engine.held().count(), 1);
}
