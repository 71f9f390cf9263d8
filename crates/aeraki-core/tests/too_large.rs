//! An EnvoyFilter that the API server would not take is not made: the last good one stays, and somebody is told.

use std::sync::Arc;

use aeraki_api::Cr;
use aeraki_api::networking::VirtualService;
use aeraki_core::engine::Engine;
use aeraki_core::object::{ConfigEvent, Object};
use aeraki_core::registry::Registry;
use aeraki_core::settings::Settings;
use aeraki_testkit::large_mesh::{Member, objects};
use proto_dubbo as _;

const MEBIBYTE: usize = 1 << 20;

/// The service's VirtualService, its first rule repeated so often.
fn rules(count: usize) -> ConfigEvent {
    let mut rule: Cr<VirtualService> = Member(0).virtual_service("a");
    rule.spec.http = vec![rule.spec.http[0].clone(); count];
    ConfigEvent::Put(Arc::new(Object::from(rule)))
}

#[test]
fn a_filter_that_is_too_large_keeps_the_last_good_one_and_harms_no_other() {
    let mut engine = Engine::new(Settings::default(), Registry::linked().unwrap());
    for object in objects(2) {
        engine.apply(ConfigEvent::Put(object));
    }
    let before = engine.drain().upserted;
    assert_eq!(before.len(), 4);

    engine.apply(rules(20_000));
    let changes = engine.drain();
    assert!(changes.is_empty(), "{:?}", changes.removed);
    assert_eq!(*engine.filters(), before);
    let codes: Vec<_> = engine
        .diagnostics()
        .iter()
        .map(|it| (it.code, it.object.to_string()))
        .collect();
    assert!(
        codes.contains(&("AER0904", "ServiceEntry shop/service0".to_owned())),
        "{codes:?}"
    );

    engine.apply(rules(1_000));
    let changes = engine.drain();
    let largest = changes
        .upserted
        .values()
        .map(|filter| filter.content.spec_text().len())
        .max();
    assert!(
        (100_000..MEBIBYTE).contains(&largest.unwrap()),
        "{largest:?}"
    );
    assert!(engine.diagnostics().iter().all(|it| it.code != "AER0904"));
}
