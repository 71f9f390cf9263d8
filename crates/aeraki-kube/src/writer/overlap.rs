//! Which deletions of a batch go before which writes of it.
//!
//! Two EnvoyFilters of ours on one listener are worse than none for a moment: the second one does nothing, and a cluster
//! that both add makes Envoy refuse all clusters. So an object that goes from a listener goes before another of a different
//! name comes to it (a virtual address that moved, a name of old). Of two with one name in different namespaces the new
//! one comes first: the filter only moves.

use std::collections::BTreeMap;

use aeraki_core::FilterKey;

use super::intent::Intent;
use super::queue::Word;
use crate::filters::{Filters, Touch, touches};

/// Listeners that are to be left, by port; those of any port at 0.
type Leaving = BTreeMap<u32, Vec<(FilterKey, Touch)>>;

/// Tells each write which deletions go before it.
pub(super) fn arrange(words: &mut [Word], filters: &Filters) {
    let leaving = leaving(words, filters);
    if leaving.is_empty() {
        return;
    }
    for word in words {
        let Some(wanted) = word.intent.as_ref().and_then(Intent::wanted) else {
            continue;
        };
        for touch in touches(&wanted.content.spec()) {
            let met = candidates(&leaving, touch.known_port());
            let met = met.filter(|(key, other)| {
                key.name != word.key.name && touch.overlaps(other) && filters.meet(key, &word.key)
            });
            word.after.extend(met.map(|(key, _)| key.clone()));
        }
    }
}

fn leaving(words: &[Word], filters: &Filters) -> Leaving {
    let mut leaving = Leaving::new();
    let deletions = words
        .iter()
        .filter(|word| matches!(word.intent, Some(Intent::Delete)));
    for word in deletions {
        let live = filters.get(&word.key).filter(|live| live.is_ours);
        for touch in live.into_iter().flat_map(|live| live.touches) {
            let entry = leaving.entry(touch.known_port()).or_default();
            entry.push((word.key.clone(), touch));
        }
    }
    leaving
}

fn candidates(leaving: &Leaving, port: u32) -> impl Iterator<Item = &(FilterKey, Touch)> {
    let is_near = move |other: u32| port == 0 || other == 0 || other == port;
    leaving
        .iter()
        .filter(move |(other, _)| is_near(**other))
        .flat_map(|(_, touches)| touches)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use aeraki_core::draft::Direction;
    use aeraki_core::object::{Kind, ObjectKey};
    use aeraki_core::protocol::Protocol;
    use aeraki_core::{Content, Filter};
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;

    fn key(namespace: &str, name: &str) -> FilterKey {
        FilterKey {
            namespace: namespace.into(),
            name: format!("aeraki-outbound-{name}").into(),
        }
    }

    fn object(key: &FilterKey, listener: &str) -> Value {
        json!({
            "metadata": {"name": &*key.name, "namespace": &*key.namespace, "resourceVersion": "4",
                "uid": "00f0a4c2-0e3d-4b8e-9d53-1a2b3c4d5e6f",
                "labels": {"manager": "Aeraki"}, "annotations": {"aeraki.net/service": "a"}},
            "spec": {"configPatches": [{"applyTo": "NETWORK_FILTER", "patch": {"operation": "REPLACE"},
                "match": {"context": "SIDECAR_OUTBOUND", "listener": {"name": listener}}}]},
        })
    }

    fn creation(key: FilterKey, listener: &str) -> Word {
        let object = serde_json::from_value(object(&key, listener)).expect("an EnvoyFilter");
        let filter = Filter {
            key: key.clone(),
            service: ObjectKey::new(Kind::SERVICE_ENTRY, "shop", "a"),
            host: aeraki_core::host::Host::new("a"),
            port: 1,
            protocol: Protocol::Dubbo,
            direction: Direction::Outbound,
            content: Content::of(&object),
        };
        Word {
            key,
            intent: Some(Intent::Create(Arc::new(filter))),
            after: Vec::new(),
        }
    }

    #[rstest]
    #[case::same_listener(key("shop", "new"), "10.0.0.1_80", true)]
    #[case::from_the_root(key("istio-system", "new"), "10.0.0.1_80", true)]
    #[case::other_listener(key("shop", "new"), "10.0.0.2_80", false)]
    #[case::other_namespace(key("stock", "new"), "10.0.0.1_80", false)]
    #[case::same_name_elsewhere(key("istio-system", "old"), "10.0.0.1_80", false)]
    fn what_leaves_a_listener_goes_before_what_comes_to_it(
        #[case] new: FilterKey,
        #[case] listener: &str,
        #[case] waits: bool,
    ) {
        let (filters, old) = (Filters::new("istio-system"), key("shop", "old"));
        let text = object(&old, "10.0.0.1_80").to_string();
        filters.put(&text).expect("an object");
        let deletion = Word {
            key: old.clone(),
            intent: Some(Intent::Delete),
            after: Vec::new(),
        };
        let mut words = vec![creation(new, listener), deletion];
        arrange(&mut words, &filters);
        assert_eq!(words[0].after, if waits { vec![old] } else { Vec::new() });
        assert_eq!(words[1].after, []);
    }
}
