//! The engine: events in, changes of the desired EnvoyFilters out.
//!
//! It is level-triggered and incremental. [`Engine::apply`] only marks the service objects that an event can touch;
//! [`Engine::drain`] makes those again and says what came out different. The result equals a recompute from scratch,
//! for every order of events. A service whose generator fails keeps what it had.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::assemble::{Filter, FilterKey};
use crate::content::Content;
use crate::diagnostic::Diagnostic;
use crate::few_set::{self, FewSet};
use crate::generate::{self, Output};
use crate::generator::Interest;
use crate::hold::Held;
use crate::host::HostIndex;
use crate::idle;
use crate::object::{ConfigEvent, Object, ObjectKey};
use crate::registry::{Decision, Registry};
use crate::service::{Port, Service};
use crate::settings::Settings;
use crate::table::Table;
use crate::world::{Touched, World};

/// Turns config into EnvoyFilters, and keeps them right.
pub struct Engine {
    world: World,
    units: Table<(ObjectKey, Unit)>,
    dirty: Table<ObjectKey>,
    /// By the hosts of others; what is said about its own host concerns each service.
    by_host: HostIndex<ObjectKey>,
    by_object: FxHashMap<ObjectKey, FewSet<ObjectKey>>,
    filters: BTreeMap<FilterKey, Arc<Filter>>,
    /// The units that hold an EnvoyFilter, by its name.
    held_names: FxHashMap<Arc<str>, FewSet<ObjectKey>>,
}

/// What one service object came to, and what it depends on.
#[derive(Default)]
struct Unit {
    /// By key.
    filters: Vec<Arc<Filter>>,
    diagnostics: Vec<Diagnostic>,
    interests: BTreeSet<Interest>,
    held: Vec<Held>,
}

/// What a [`Engine::drain`] changed.
#[derive(Clone, Default, Debug, PartialEq)]
pub struct Changes {
    /// EnvoyFilters that are new or different, by key.
    pub upserted: BTreeMap<FilterKey, Arc<Filter>>,
    /// EnvoyFilters that are no longer wanted.
    pub removed: BTreeSet<FilterKey>,
    /// Service objects that were looked at again.
    pub recomputed: usize,
}

/// One change of the filter called `key`, of which several can follow each other in one pass.
struct Step {
    key: FilterKey,
    from: Option<Arc<Filter>>,
    to: Option<Arc<Filter>>,
}

impl Changes {
    /// What many steps come to.
    fn of(mut log: Vec<Step>) -> Self {
        // The steps of one key keep their order.
        log.sort_by(|a, b| a.key.cmp(&b.key));
        let mut changes = Self::default();
        let mut upserted = Vec::with_capacity(log.len());
        let mut steps = log.into_iter().peekable();
        while let Some(Step { key, from, mut to }) = steps.next() {
            while let Some(next) = steps.next_if(|next| next.key == key) {
                to = next.to;
            }
            match to {
                Some(now) if from.as_ref() != Some(&now) => upserted.push((key, now)),
                None if from.is_some() => {
                    changes.removed.insert(key);
                }
                _ => {}
            }
        }
        changes.upserted = upserted.into_iter().collect();
        changes
    }

    /// Whether nothing is to be written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.upserted.is_empty() && self.removed.is_empty()
    }
}

impl Engine {
    /// An engine with nothing in it.
    #[must_use]
    pub fn new(settings: Settings, registry: Registry) -> Self {
        Self {
            world: World::new(settings, registry),
            units: Table::default(),
            dirty: Table::default(),
            by_host: HostIndex::default(),
            by_object: FxHashMap::default(),
            filters: BTreeMap::new(),
            held_names: FxHashMap::default(),
        }
    }

    /// Takes an event in. Cheap: nothing is generated before [`Engine::drain`].
    pub fn apply(&mut self, event: ConfigEvent) {
        let touched = match event {
            ConfigEvent::Put(object) => {
                let key = object.key.clone();
                self.world.set(&key, Some(object))
            }
            ConfigEvent::Delete(key) => self.world.set(&key, None),
        };
        self.mark(touched);
    }

    /// Makes again what was touched, and says what came out different.
    pub fn drain(&mut self) -> Changes {
        let dirty = std::mem::take(&mut self.dirty);
        let outputs = compute(&self.world, dirty);
        let recomputed = outputs.len();
        let mut log = Vec::new();
        for (key, output) in outputs {
            self.store(key, output, &mut log);
        }
        Changes {
            recomputed,
            ..Changes::of(log)
        }
    }

    /// Every EnvoyFilter that should exist, by key.
    #[must_use]
    pub fn filters(&self) -> &BTreeMap<FilterKey, Arc<Filter>> {
        &self.filters
    }

    /// Service objects whose generator failed. What they own must be left as it is, known here or not.
    pub fn held(&self) -> impl Iterator<Item = &ObjectKey> {
        let failed = self.units.iter().filter(|(_, unit)| !unit.held.is_empty());
        let mut keys: Vec<&ObjectKey> = failed.map(|(key, _)| key).collect();
        keys.sort_unstable();
        keys.into_iter()
    }

    /// Whether an object that is not wanted must stay, because a port failed that may keep it.
    #[must_use]
    pub fn holds(&self, key: &FilterKey, content: &Content) -> bool {
        let holding = self.held_names.get(&key.name);
        let mut units = holding
            .into_iter()
            .flat_map(FewSet::iter)
            .filter_map(|object| self.units.get(object));
        units.any(|(_, unit)| unit.held.iter().any(|held| held.keeps(key, content)))
    }

    /// All diagnostics, sorted by object and field, each once.
    #[must_use]
    pub fn diagnostics(&self) -> BTreeSet<&Diagnostic> {
        self.units
            .iter()
            .flat_map(|(_, unit)| &unit.diagnostics)
            .collect()
    }

    /// A diagnostic for each rule that applies to no known service, sorted by object.
    #[must_use]
    pub fn idle_rules(&self) -> Vec<Diagnostic> {
        idle::rules(&self.world)
    }

    /// Every service port, and what becomes of it.
    pub fn decisions(&self) -> impl Iterator<Item = (&Service, &Port, Decision)> {
        self.world.services().flat_map(move |service| {
            service
                .ports()
                .iter()
                .map(move |port| (service, port, self.world.decide(port)))
        })
    }

    /// Every object of config that is known, in no order.
    pub fn objects(&self) -> impl Iterator<Item = &Arc<Object>> {
        self.world.objects()
    }

    /// The settings.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        self.world.settings()
    }

    fn mark(&mut self, touched: Touched) {
        for host in &touched.hosts {
            let having = self.world.service_objects(host);
            let interested = having.chain(self.by_host.covered_by(host));
            for object in interested {
                self.dirty.get_or_insert_with(object, || object.clone());
            }
        }
        for object in touched.objects {
            let interested = self.by_object.get(&object);
            for interested in interested.into_iter().flat_map(FewSet::iter) {
                self.dirty.insert(interested.clone());
            }
            if object.kind.is_service() {
                self.dirty.insert(object);
            }
        }
    }

    /// Puts a unit's new output in the place of the old one.
    fn store(&mut self, key: ObjectKey, output: Output, log: &mut Vec<Step>) {
        let old = self.units.remove(&key).map(|(_, unit)| unit);
        let old = old.unwrap_or_default();
        self.forget(&key, &old);
        let filters = merged(&old.filters, output.filters, &output.held);
        for filter in &old.filters {
            if find(&filters, &filter.key).is_none() {
                self.drop_filter(filter, log);
            }
        }
        for filter in &filters {
            let from = self.filters.insert(filter.key.clone(), Arc::clone(filter));
            if from.as_ref() != Some(filter) {
                let (key, to) = (filter.key.clone(), Some(Arc::clone(filter)));
                log.push(Step { key, from, to });
            }
        }
        let is_gone = self.world.services_of(&key).is_empty() && output.diagnostics.is_empty();
        if is_gone {
            return;
        }
        let unit = Unit {
            filters,
            diagnostics: output.diagnostics,
            interests: output.interests,
            held: output.held,
        };
        self.remember(&key, &unit);
        self.units.insert((key, unit));
    }

    /// Takes a filter away that its unit no longer makes, unless another unit has taken the name over in this very pass.
    fn drop_filter(&mut self, filter: &Arc<Filter>, log: &mut Vec<Step>) {
        let is_its_own = |now: &Arc<Filter>| Arc::ptr_eq(now, filter);
        if self.filters.get(&filter.key).is_some_and(is_its_own) {
            let from = self.filters.remove(&filter.key);
            let key = filter.key.clone();
            log.push(Step {
                key,
                from,
                to: None,
            });
        }
    }

    /// Notes what a unit depends on, and what it holds.
    fn remember(&mut self, key: &ObjectKey, unit: &Unit) {
        self.take_interests(key, &unit.interests);
        for name in unit.held.iter().flat_map(Held::names) {
            let holding = self.held_names.entry(Arc::clone(name)).or_default();
            holding.insert(key.clone());
        }
    }

    fn forget(&mut self, key: &ObjectKey, unit: &Unit) {
        self.forget_interests(key, &unit.interests);
        for name in unit.held.iter().flat_map(Held::names) {
            few_set::remove_from(&mut self.held_names, name, key);
        }
    }

    fn take_interests(&mut self, unit: &ObjectKey, interests: &BTreeSet<Interest>) {
        for interest in interests {
            match interest {
                Interest::Host(host) => self.by_host.insert(host, unit.clone()),
                Interest::Object(object) => {
                    self.by_object
                        .entry(object.clone())
                        .or_default()
                        .insert(unit.clone());
                }
            }
        }
    }

    fn forget_interests(&mut self, unit: &ObjectKey, interests: &BTreeSet<Interest>) {
        for interest in interests {
            match interest {
                Interest::Host(host) => self.by_host.remove(host, unit),
                Interest::Object(object) => {
                    few_set::remove_from(&mut self.by_object, object, unit);
                }
            }
        }
    }
}

/// The new filters by key, and the old ones that failed ports keep. Equal ones stay the same allocation.
fn merged(old: &[Arc<Filter>], new: Vec<Filter>, held: &[Held]) -> Vec<Arc<Filter>> {
    let mut filters: Vec<Arc<Filter>> = Vec::with_capacity(new.len());
    for filter in new.into_iter().rev() {
        let kept = find(old, &filter.key).filter(|old| ***old == filter);
        filters.push(kept.cloned().unwrap_or_else(|| Arc::new(filter)));
    }
    let stays = |filter: &&Arc<Filter>| {
        let mut held = held.iter();
        held.any(|held| held.keeps(&filter.key, &filter.content))
    };
    let staying = old.iter().filter(stays);
    filters.extend(staying.cloned());
    // A new one counts before an old one of its name, and of two new ones the later.
    filters.sort_by(|a, b| a.key.cmp(&b.key));
    filters.dedup_by(|b, a| a.key == b.key);
    filters
}

/// The filter called `key` in a list that is sorted by key.
fn find<'f>(filters: &'f [Arc<Filter>], key: &FilterKey) -> Option<&'f Arc<Filter>> {
    let place = filters.binary_search_by(|filter| filter.key.cmp(key));
    place.ok().map(|place| &filters[place])
}

/// Generates for all keys, on all cores where there are many. The order of the result is that of the keys.
fn compute(world: &World, keys: Table<ObjectKey>) -> Vec<(ObjectKey, Output)> {
    let mut keys: Vec<ObjectKey> = keys.into_rows().collect();
    keys.sort_unstable();
    let one = |key: &ObjectKey| (key.clone(), generate::generate(world, key));
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    if keys.len() < PARALLEL_FROM || workers < 2 {
        return keys.iter().map(one).collect();
    }
    // This thread takes a share too, instead of only waiting for the others.
    let (own, others) = keys.split_at(keys.len() / workers);
    std::thread::scope(|scope| {
        let handles: Vec<_> = others
            .chunks(others.len().div_ceil(workers - 1))
            .map(|share| scope.spawn(move || share.iter().map(one).collect::<Vec<_>>()))
            .collect();
        let mut outputs = Vec::with_capacity(keys.len());
        outputs.extend(own.iter().map(one));
        for handle in handles {
            outputs.extend(handle.join().expect("generators' panics are caught inside"));
        }
        outputs
    })
}

/// From how many services on a pass pays for its threads.
const PARALLEL_FROM: usize = 256;
