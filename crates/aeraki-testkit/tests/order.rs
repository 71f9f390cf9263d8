//! R17: the output depends on the config alone, never on the way it came to be; and whatever way that was, it is sound
//! at every moment, also where services have failed and keep what they had.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use aeraki_core::diagnostic::Diagnostic;
use aeraki_core::engine::Engine;
use aeraki_core::object::{ConfigEvent, Object, ObjectKey};
use aeraki_core::registry::Registry;
use aeraki_core::settings::{RuleSource, Scope, Settings};
use aeraki_core::{Filter, FilterKey};
use aeraki_testkit::mesh;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use sound::{Check, Objects};
use {
    proto_dubbo as _, proto_kafka as _, proto_redis as _, proto_thrift as _, proto_zookeeper as _,
};

#[path = "order/sound.rs"]
mod sound;

fn registry() -> Registry {
    Registry::linked().expect("no two protocols claim one token")
}

fn settings() -> impl Strategy<Value = Settings> {
    let rule_source = prop_oneof![Just(RuleSource::Strict), Just(RuleSource::Istio)];
    let scope = prop_oneof![3 => Just(Scope::ExportTo), 1 => Just(Scope::ServiceNamespace)];
    (rule_source, scope, any::<bool>(), any::<bool>()).prop_map(
        |(rule_source, scope, localhost_listeners, kafka)| Settings {
            rule_source,
            scope,
            localhost_listeners,
            enable_protocols: kafka.then(|| "kafka".to_owned()).into_iter().collect(),
            ..Settings::default()
        },
    )
}

/// A failure prints its smallest case, so no file of seeds is kept. Runs differ unless `AERAKI_MESH_SEED` is set.
fn cases(cases: u32) -> ProptestConfig {
    let seed = std::env::var("AERAKI_MESH_SEED").ok();
    let seed = seed.map(|seed| seed.parse().expect("a seed is a number"));
    ProptestConfig {
        cases,
        rng_seed: seed.map_or(RngSeed::Random, RngSeed::Fixed),
        failure_persistence: None,
        max_shrink_iters: 10_000,
        ..ProptestConfig::default()
    }
}

/// The objects that are there after a history.
fn survivors(events: &[Option<ConfigEvent>]) -> Objects {
    let mut objects = Objects::new();
    for event in events.iter().flatten() {
        follow(&mut objects, event);
    }
    objects
}

fn follow(objects: &mut Objects, event: &ConfigEvent) {
    match event {
        ConfigEvent::Put(object) => {
            objects.insert(object.key.clone(), Arc::clone(object));
        }
        ConfigEvent::Delete(key) => {
            objects.remove(key);
        }
        other => panic!("an event that this test does not know: {other:?}"),
    }
}

/// Runs a history and checks what is desired after each drain.
fn at_each_drain(
    history: &[mesh::Step],
    settings: &Settings,
    check: Check,
) -> Result<Engine, TestCaseError> {
    let mut engine = Engine::new(settings.clone(), registry());
    let mut objects = Objects::new();
    let last = std::iter::once(None);
    for event in mesh::events(history, &registry()).into_iter().chain(last) {
        match event {
            Some(event) => {
                follow(&mut objects, &event);
                engine.apply(event);
            }
            None => {
                engine.drain();
                check(engine.filters(), &objects).map_err(TestCaseError::fail)?;
            }
        }
    }
    Ok(engine)
}

fn fresh(settings: &Settings, objects: impl IntoIterator<Item = Arc<Object>>) -> Engine {
    let mut engine = Engine::new(settings.clone(), registry());
    for object in objects {
        engine.apply(ConfigEvent::Put(object));
    }
    engine.drain();
    engine
}

fn diagnostics(engine: &Engine) -> Vec<Diagnostic> {
    engine.diagnostics().into_iter().cloned().collect()
}

/// The filters of services that have not failed: a failed one keeps what it had, which is its history.
fn settled(
    engine: &Engine,
    held: &BTreeSet<ObjectKey>,
    others: &Engine,
) -> BTreeMap<FilterKey, Arc<Filter>> {
    let is_held = |engine: &Engine, key: &FilterKey| {
        engine
            .filters()
            .get(key)
            .is_some_and(|filter| held.contains(&filter.service))
    };
    engine
        .filters()
        .iter()
        .filter(|(key, _)| !is_held(engine, key) && !is_held(others, key))
        .map(|(key, filter)| (key.clone(), Arc::clone(filter)))
        .collect()
}

proptest! {
    #![proptest_config(cases(400))]

    #[test]
    fn a_history_ends_where_a_fresh_start_does(history in mesh::history(1..60), settings in settings()) {
        let events = mesh::events(&history, &registry());
        let mut incremental = Engine::new(settings.clone(), registry());
        let mut mirrored: BTreeMap<FilterKey, Arc<Filter>> = BTreeMap::new();
        for event in events.iter().cloned() {
            match event {
                Some(event) => incremental.apply(event),
                None => mirror(&mut mirrored, &mut incremental),
            }
        }
        mirror(&mut mirrored, &mut incremental);
        prop_assert_eq!(&mirrored, incremental.filters(), "the changes do not add up");

        let scratch = fresh(&settings, survivors(&events).into_values());
        let held: BTreeSet<ObjectKey> = scratch.held().cloned().collect();
        prop_assert_eq!(&held, &incremental.held().cloned().collect::<BTreeSet<_>>());
        prop_assert_eq!(diagnostics(&incremental), diagnostics(&scratch));
        let (now, then) = (settled(&incremental, &held, &scratch), settled(&scratch, &held, &incremental));
        prop_assert_eq!(now, then);
    }

    #[test]
    fn order_and_repetition_change_nothing(
        jsons in proptest::collection::vec(mesh::object_json(), 1..25),
        settings in settings(),
        seed in any::<u64>(),
    ) {
        let registry = registry();
        let objects: BTreeMap<ObjectKey, Arc<Object>> = jsons
            .iter()
            .filter_map(|json| mesh::decode(json, &registry))
            .map(|object| (object.key.clone(), object))
            .collect();
        let ordered = fresh(&settings, objects.values().cloned());
        let shuffled = fresh(&settings, shuffled_twice(&objects, seed));
        prop_assert_eq!(ordered.filters(), shuffled.filters());
        prop_assert_eq!(diagnostics(&ordered), diagnostics(&shuffled));
        let text = |engine: &Engine| {
            let objects: Vec<_> = engine.filters().values().map(|filter| filter.object()).collect();
            serde_json::to_string(&objects).expect("EnvoyFilters have a JSON form")
        };
        prop_assert_eq!(text(&ordered), text(&shuffled));
    }

    #[test]
    fn what_is_said_again_changes_nothing(jsons in proptest::collection::vec(mesh::object_json(), 1..15)) {
        let registry = registry();
        let objects: Vec<_> = jsons.iter().filter_map(|json| mesh::decode(json, &registry)).collect();
        let unique: BTreeMap<_, _> = objects.iter().map(|o| (o.key.clone(), Arc::clone(o))).collect();
        let mut engine = fresh(&Settings::default(), unique.values().cloned());
        for object in unique.values() {
            engine.apply(ConfigEvent::Put(Arc::new((**object).clone())));
        }
        let changes = engine.drain();
        prop_assert_eq!(changes.recomputed, 0);
        prop_assert!(changes.is_empty());
    }
}

proptest! {
    #![proptest_config(cases(400))]

    #[test]
    fn no_two_services_meet_on_an_outbound_listener(history in mesh::history(1..60), settings in settings()) {
        at_each_drain(&history, &settings, sound::listeners_have_one_owner)?;
    }

    #[test]
    fn no_two_services_meet_on_an_inbound_chain(history in mesh::history(1..60), settings in settings()) {
        at_each_drain(&history, &settings, sound::inbound_chains_have_one_owner)?;
    }

    #[test]
    fn no_cluster_is_added_twice(history in mesh::history(1..60), settings in settings()) {
        at_each_drain(&history, &settings, sound::clusters_are_added_once)?;
    }

    #[test]
    fn no_filter_of_the_root_namespace_selects_workloads(history in mesh::history(1..60), settings in settings()) {
        at_each_drain(&history, &settings, sound::root_selects_nothing)?;
    }

    #[test]
    fn no_filter_of_the_root_namespace_holds_a_password(history in mesh::history(1..60), settings in settings()) {
        at_each_drain(&history, &settings, sound::root_holds_no_secret)?;
    }

    #[test]
    fn the_api_server_takes_every_name(history in mesh::history(1..60), settings in settings()) {
        at_each_drain(&history, &settings, sound::names_are_legal)?;
    }

    #[test]
    fn no_outbound_filter_leaves_the_export_of_its_service(history in mesh::history(1..60), settings in settings()) {
        at_each_drain(&history, &settings, sound::nothing_leaves_its_export)?;
    }

    /// If two services claimed one name, the one that is looked at again would take it from the other.
    #[test]
    fn no_name_belongs_to_two_services(history in mesh::history(1..60), settings in settings()) {
        let mut engine = at_each_drain(&history, &settings, |_, _| Ok(()))?;
        let objects = survivors(&mesh::events(&history, &registry()));
        for (key, object) in objects.iter().filter(|(key, _)| sound::is_service(key)) {
            let mut touched = (**object).clone();
            let labels = touched.meta.labels.iter().chain([("touched", "")]).collect();
            touched.meta.labels = labels;
            engine.apply(ConfigEvent::Put(Arc::new(touched)));
            let changes = engine.drain();
            prop_assert!(changes.is_empty(), "{key} was looked at again: {:?} {:?}", changes.upserted.keys(), changes.removed);
        }
    }
}

/// Applies the changes of a drain, as a sink would.
fn mirror(mirrored: &mut BTreeMap<FilterKey, Arc<Filter>>, engine: &mut Engine) {
    let changes = engine.drain();
    for key in changes.removed {
        assert!(
            mirrored.remove(&key).is_some(),
            "{key} was removed without having been there"
        );
    }
    mirrored.extend(changes.upserted);
}

/// Every object twice, in an order that depends on the seed.
fn shuffled_twice(objects: &BTreeMap<ObjectKey, Arc<Object>>, seed: u64) -> Vec<Arc<Object>> {
    let mut keyed: Vec<(u64, Arc<Object>)> = objects
        .values()
        .chain(objects.values())
        .enumerate()
        .map(|(i, object)| {
            let mixed = (seed ^ i as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            (mixed.rotate_left(17) ^ mixed, Arc::clone(object))
        })
        .collect();
    keyed.sort_by_key(|(order, _)| *order);
    keyed.into_iter().map(|(_, object)| object).collect()
}
