//! The pages about what is going on, as JSON.

use std::collections::BTreeMap;

use aeraki_core::reference;
use aeraki_core::registry::Decision;
use serde_json::{Value, json};

use super::controller::Controller;
use super::http::Page;

/// The page, as things stand.
pub(super) fn of(controller: &Controller, page: Page) -> Value {
    match page {
        Page::Config => config(controller),
        Page::Services => services(controller),
        Page::Filters => filters(controller),
    }
}

fn config(controller: &Controller) -> Value {
    let mut kinds: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for object in controller.reconciler().engine().objects() {
        let key = &object.key;
        let name = format!("{}/{}", key.namespace, key.name);
        kinds.entry(key.kind.name()).or_default().push(name);
    }
    for names in kinds.values_mut() {
        names.sort_unstable();
    }
    json!({
        "isWhole": controller.is_whole(),
        "sources": controller.sources().collect::<BTreeMap<_, _>>(),
        "completeViews": controller.epoch(),
        "problems": controller.problems().map(ToString::to_string).collect::<Vec<_>>(),
        "objects": kinds,
    })
}

fn services(controller: &Controller) -> Value {
    let decisions = controller.reconciler().engine().decisions();
    let mut rows: Vec<Value> = decisions
        .filter(|(_, _, decision)| !matches!(decision, Decision::NotOurs))
        .map(|(service, port, decision)| {
            let (protocol, state) = match decision {
                Decision::Ours(found) => (Some(found), "served"),
                Decision::NotTcp(found) => (Some(found), "not TCP"),
                Decision::Disabled(found) => (Some(found), "switched off"),
                Decision::Unknown | Decision::NotOurs => (None, "no known protocol"),
            };
            json!({
                "host": service.host().to_string(),
                "object": reference(service.object()),
                "port": port.number(),
                "portName": port.name(),
                "protocol": protocol.map(|found| found.protocol().name()),
                "state": state,
            })
        })
        .collect();
    rows.sort_by_cached_key(ToString::to_string);
    Value::Array(rows)
}

fn filters(controller: &Controller) -> Value {
    let reconciler = controller.reconciler();
    let (wanted, there) = (reconciler.engine().filters(), reconciler.observed());
    let ours = there
        .iter()
        .filter(|(key, content)| aeraki_core::plan::is_ours(key, content));
    let mut keys: Vec<_> = wanted.keys().chain(ours.map(|(key, _)| key)).collect();
    keys.sort_unstable();
    keys.dedup();
    let row = |key: &&aeraki_core::FilterKey| {
        let (want, have) = (wanted.get(*key), there.get(*key));
        let state = match (want, have) {
            (Some(want), Some(have)) if !have.differs_from(&want.content) => "current",
            (Some(_), Some(_)) => "differs",
            (Some(_), None) => "absent",
            (None, _) if !controller.is_whole() => "unknown: not all config has been seen",
            (None, _) => "not wanted",
        };
        json!({
            "name": key.to_string(),
            "service": want.map(|want| reference(&want.service)),
            "state": state,
            "held": reconciler.on_hold().get(*key).map(|reason| reason.sentence()),
        })
    };
    Value::Array(keys.iter().map(row).collect())
}
