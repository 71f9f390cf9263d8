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
