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
    by_object: FxHashMap<ObjectKey, BTreeSet<ObjectKey>>,
    filters: BTreeMap<FilterKey, Arc<Filter>>,
}

/// What one service object came to, and what it depends on.
#[derive(Default)]
struct Unit {
    filters: BTreeMap<FilterKey, Arc<Filter>>,
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

impl Changes {
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
        let mut changes = Changes {
            recomputed: outputs.len(),
            ..Changes::default()
        };
        let mut before = FxHashMap::default();
        for (key, output) in outputs {
            self.store(key, output, &mut before);
        }
        let mut upserted = Vec::new();
        for (key, old) in before {
            match (old, self.filters.get(&key)) {
                (Some(_), None) => {
                    changes.removed.insert(key);
                }
                (old, Some(new)) if old.as_ref() != Some(new) => {
                    upserted.push((key, Arc::clone(new)));
                }
                _ => {}
            }
        }
        // Sorting many once is cheaper than inserting each.
        changes.upserted = upserted.into_iter().collect();
        changes
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
        self.units
            .iter()
            .flat_map(|(_, unit)| &unit.held)
            .any(|held| held.keeps(key, content))
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
            for interested in self.by_object.get(&object).into_iter().flatten() {
                self.dirty.insert(interested.clone());
            }
            if object.kind.is_service() {
                self.dirty.insert(object);
            }
        }
    }

    /// Puts a unit's new output in the place of the old one. `before` gets the former state of every key it changes.
    fn store(
        &mut self,
        key: ObjectKey,
        output: Output,
        before: &mut FxHashMap<FilterKey, Option<Arc<Filter>>>,
    ) {
        let old = self.units.remove(&key).map(|(_, unit)| unit);
        let mut old = old.unwrap_or_default();
        self.forget_interests(&key, &old.interests);
        let filters = merged(&old.filters, output.filters, &output.held);
        for (name, filter) in &old.filters {
            if !filters.contains_key(name) {
                // Another service may have taken the name over in this very pass.
                if self
                    .filters
                    .get(name)
                    .is_some_and(|now| Arc::ptr_eq(now, filter))
                {
                    before
                        .entry(name.clone())
                        .or_insert_with(|| Some(Arc::clone(filter)));
                    self.filters.remove(name);
                }
            }
        }
        for (name, filter) in &filters {
            let former = self.filters.insert(name.clone(), Arc::clone(filter));
            if former.as_ref() != Some(filter) {
                before.entry(name.clone()).or_insert(former);
            }
        }
        let is_gone = self.world.services_of(&key).is_empty() && output.diagnostics.is_empty();
        if is_gone {
            return;
        }
        self.take_interests(&key, &output.interests);
        old.filters = filters;
        old.diagnostics = output.diagnostics;
        old.interests = output.interests;
        old.held = output.held;
        self.units.insert((key, old));
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
                    if let Some(units) = self.by_object.get_mut(object) {
                        units.remove(unit);
                        if units.is_empty() {
                            self.by_object.remove(object);
                        }
                    }
                }
            }
        }
    }
}

/// The new filters by key, and the old ones that failed ports keep. Equal ones stay the same allocation.
fn merged(
    old: &BTreeMap<FilterKey, Arc<Filter>>,
    new: Vec<Filter>,
    held: &[Held],
) -> BTreeMap<FilterKey, Arc<Filter>> {
    let stays =
        |key: &FilterKey, filter: &Filter| held.iter().any(|held| held.keeps(key, &filter.content));
    let mut filters: BTreeMap<FilterKey, Arc<Filter>> = old
        .iter()
        .filter(|(key, filter)| stays(key, filter))
        .map(|(key, filter)| (key.clone(), Arc::clone(filter)))
        .collect();
    for filter in new {
        let kept = old.get(&filter.key).filter(|old| ***old == filter).cloned();
        let key = filter.key.clone();
        filters.insert(key, kept.unwrap_or_else(|| Arc::new(filter)));
    }
    filters
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
    let share = keys.len().div_ceil(workers);
    std::thread::scope(|scope| {
        let handles: Vec<_> = keys
            .chunks(share)
            .map(|chunk| scope.spawn(move || chunk.iter().map(one).collect::<Vec<_>>()))
            .collect();
        handles
            .into_iter()
            .flat_map(|handle| handle.join().expect("generators' panics are caught inside"))
            .collect()
    })
}

/// From how many services on a pass pays for its threads.
const PARALLEL_FROM: usize = 256;
