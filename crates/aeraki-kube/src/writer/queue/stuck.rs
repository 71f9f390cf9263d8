//! Namespaces in which nothing gets on, as where a policy's webhook hangs: there one try at a time is enough, and all others
//! go before.
//!
//! Without this, the tries of one namespace would fill every place there is, each until it is given up.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound::{Excluded, Unbounded};
use std::sync::Arc;
use std::time::{Duration, Instant};

use aeraki_core::FilterKey;

use super::weather::Weather;

/// A namespace is stuck when so many of its objects failed with no success in between.
const STUCK: usize = 8;

/// Namespaces with failures since their last success.
#[derive(Debug, Default)]
pub(super) struct Stuck {
    namespaces: BTreeMap<Arc<str>, Namespace>,
    /// What is being tried in stuck namespaces.
    probes: BTreeSet<FilterKey>,
    /// Where the last probe went: the next one goes elsewhere, if it can.
    last: Option<Arc<str>>,
}

#[derive(Debug)]
struct Namespace {
    weather: Weather,
    /// Keys whose turn has come, by ticket.
    aside: BTreeMap<u64, FilterKey>,
}

impl Stuck {
    /// Whether one try at a time is enough in this namespace.
    pub(super) fn is_stuck(&self, namespace: &str) -> bool {
        let known = self.namespaces.get(namespace);
        known.is_some_and(|known| known.weather.is_foul())
    }

    /// How many tries are under way that began as probes.
    pub(super) fn probes(&self) -> usize {
        self.probes.len()
    }

    /// A try failed for a reason that is not the object's own.
    pub(super) fn worsen(
        &mut self,
        key: &FilterKey,
        now: Instant,
        unit: f64,
        rest: Option<Duration>,
    ) {
        let namespace = self.namespaces.entry(Arc::clone(&key.namespace));
        let namespace = namespace.or_insert_with(|| Namespace {
            weather: Weather::foul_after(STUCK),
            aside: BTreeMap::new(),
        });
        namespace.weather.worsen(key, now, unit, rest);
    }

    /// Something in the namespace was done, or refused with reason. If it was stuck: who stood aside.
    pub(super) fn clear(&mut self, namespace: &str) -> Option<BTreeMap<u64, FilterKey>> {
        let cleared = self.namespaces.remove(namespace)?;
        cleared.weather.is_foul().then_some(cleared.aside)
    }

    /// A key of a stuck namespace waits for its turn to be a probe.
    pub(super) fn set_aside(&mut self, ticket: u64, key: FilterKey) {
        if let Some(namespace) = self.namespaces.get_mut(&key.namespace) {
            namespace.aside.insert(ticket, key);
        }
    }

    /// It waits no longer.
    pub(super) fn leave(&mut self, ticket: u64, key: &FilterKey) {
        if let Some(namespace) = self.namespaces.get_mut(&key.namespace) {
            namespace.aside.remove(&ticket);
        }
    }

    /// The next probe, where the pause since the last one is over: one in each namespace, each in its turn.
    pub(super) fn next(&mut self, now: Instant) -> Option<FilterKey> {
        let after = self.last.clone().map_or(Unbounded, Excluded);
        let later = self.waiting(self.namespaces.range((after, Unbounded)));
        let anywhere = self.waiting(self.namespaces.iter());
        let (name, _) = later.chain(anywhere).find(|(_, due)| *due <= now)?;
        let name = Arc::clone(name);
        let (_, key) = self.namespaces.get_mut(&name)?.aside.pop_first()?;
        self.last = Some(name);
        self.probes.insert(key.clone());
        Some(key)
    }

    /// A try has ended, whether it was a probe or not.
    pub(super) fn ended(&mut self, key: &FilterKey) {
        self.probes.remove(key);
    }

    /// When the next probe may be made.
    pub(super) fn due(&self) -> Option<Instant> {
        let all = self.waiting(self.namespaces.iter());
        all.map(|(_, due)| due).min()
    }

    /// Those of these namespaces in which somebody waits and nobody is tried, and when that may end.
    fn waiting<'n>(
        &self,
        namespaces: impl Iterator<Item = (&'n Arc<str>, &'n Namespace)>,
    ) -> impl Iterator<Item = (&'n Arc<str>, Instant)> {
        namespaces
            .filter(|(name, namespace)| !namespace.aside.is_empty() && !self.is_probed(name))
            .filter_map(|(name, namespace)| Some((name, namespace.weather.next_probe()?)))
    }

    fn is_probed(&self, namespace: &str) -> bool {
        let mut probes = self.probes.iter();
        probes.any(|probe| *probe.namespace == *namespace)
    }
}
