//! The engine: events in, changes of the desired EnvoyFilters out.
//!
//! It is level-triggered and incremental. [`Engine::apply`] only marks the service objects that an event can touch;
//! [`Engine::drain`] makes those again and says what came out different. The result equals a recompute from scratch,
//! for every order of events. A service whose generator fails keeps what it had.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use rustc_hash::FxHashMap;

use crate::assemble::{Filter, FilterKey};
use crate::content::Content;
use crate::diagnostic::Diagnostic;
use crate::draft::Direction;
use crate::few_set::{self, FewSet};
use crate::generate;
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
    /// Sorted, each once.
    interests: Box<[Interest]>,
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

/// What one unit does to a filter in a pass. Several units can do something to one name.
enum Step {
    /// The filter is now this.
    Put(Arc<Filter>),
    /// The unit no longer makes this filter.
    Drop(Arc<Filter>),
}

impl Step {
    fn filter(&self) -> &Arc<Filter> {
        match self {
            Self::Put(filter) | Self::Drop(filter) => filter,
        }
    }

    /// What there is after the step where `now` was before. A name that another unit has taken over stays.
    fn after(self, now: Option<Arc<Filter>>) -> Option<Arc<Filter>> {
        match self {
            Self::Put(filter) => Some(filter),
            Self::Drop(filter) => now.filter(|now| now.service != filter.service),
        }
    }
}

/// The steps by name, those of one name in the order in which they were taken.
fn by_name(log: Vec<Step>) -> Vec<Step> {
    // Units come by name, and so do the filters of one side: two runs, which cost next to no sorting.
    let is_outbound = |step: &Step| step.filter().direction == Direction::Outbound;
    let (mut steps, inbound): (Vec<Step>, Vec<Step>) = log.into_iter().partition(is_outbound);
    steps.extend(inbound);
    steps.sort_by(|a, b| a.filter().key.cmp(&b.filter().key));
    steps
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
        let made = self.compute(dirty);
        let recomputed = made.iter().map(Vec::len).sum();
        self.units.reserve(recomputed);
        let mut log = Vec::with_capacity(2 * recomputed);
        for (key, unit) in made.into_iter().flatten() {
            self.store(key, unit, &mut log);
        }
        Changes {
            recomputed,
            ..self.take_steps(log)
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

    /// Makes the units of all keys anew, on all cores where there are many. They come in shares, in the order of the keys.
    fn compute(&self, keys: Table<ObjectKey>) -> Vec<Vec<(ObjectKey, Unit)>> {
        let mut keys: Vec<ObjectKey> = keys.into_rows().collect();
        keys.sort_unstable();
        let one = |key: &ObjectKey| (key.clone(), self.unit(key));
        let make = |keys: &[ObjectKey]| keys.iter().map(one).collect::<Vec<_>>();
        let workers = std::thread::available_parallelism().map_or(1, usize::from);
        if keys.len() < PARALLEL_FROM || workers < 2 {
            return vec![make(&keys)];
        }
        let shares: Vec<&[ObjectKey]> = keys.chunks(SHARE).collect();
        let next = AtomicUsize::new(0);
        let work = || {
            let turns = std::iter::repeat_with(|| next.fetch_add(1, Relaxed));
            let shares = turns.map_while(|turn| Some((turn, *shares.get(turn)?)));
            let made = shares.map(|(turn, share)| (turn, make(share)));
            made.collect::<Vec<_>>()
        };
        let mut made = std::thread::scope(|scope| {
            let others: Vec<_> = (1..workers).map(|_| scope.spawn(work)).collect();
            // This thread works too, instead of only waiting for the others.
            let mut made = work();
            for other in others {
                made.extend(other.join().expect("generators' panics are caught inside"));
            }
            made
        });
        made.sort_unstable_by_key(|(turn, _)| *turn);
        made.into_iter().map(|(_, units)| units).collect()
    }

    /// What a service object comes to now. Filters that did not change stay the same allocation.
    fn unit(&self, key: &ObjectKey) -> Unit {
        let output = generate::generate(&self.world, key);
        let old = self.units.get(key).map(|(_, unit)| &*unit.filters);
        Unit {
            filters: merged(old.unwrap_or_default(), output.filters, &output.held),
            diagnostics: output.diagnostics,
            interests: output.interests.into_iter().collect(),
            held: output.held,
        }
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

    /// Puts a unit in the place of the old one.
    fn store(&mut self, key: ObjectKey, unit: Unit, log: &mut Vec<Step>) {
        let old = self.units.remove(&key).map(|(_, unit)| unit);
        let old = old.unwrap_or_default();
        self.forget(&key, &old);
        let no_longer = |filter: &Arc<Filter>| find(&unit.filters, &filter.key).is_none();
        let dropped = old.filters.into_iter().filter(no_longer);
        log.extend(dropped.map(Step::Drop));
        log.extend(unit.filters.iter().cloned().map(Step::Put));
        let is_gone = self.world.services_of(&key).is_empty() && unit.diagnostics.is_empty();
        if !is_gone {
            self.remember(&key, &unit);
            self.units.insert((key, unit));
        }
    }

    /// Brings the filters to where the steps of a pass lead, and says what that changes.
    fn take_steps(&mut self, log: Vec<Step>) -> Changes {
        let (mut upserted, mut removed) = (Vec::with_capacity(log.len()), BTreeSet::new());
        let mut steps = by_name(log).into_iter().peekable();
        while let Some(first) = steps.next() {
            let key = first.filter().key.clone();
            let from = self.filters.get(&key);
            let mut now = first.after(from.cloned());
            while let Some(next) = steps.next_if(|next| next.filter().key == key) {
                now = next.after(now);
            }
            match now {
                Some(now) if from != Some(&now) => upserted.push((key, now)),
                None if from.is_some() => {
                    removed.insert(key);
                }
                _ => {}
            }
        }
        let upserted: BTreeMap<_, _> = upserted.into_iter().collect();
        self.put_filters(&upserted);
        for key in &removed {
            self.filters.remove(key);
        }
        Changes {
            upserted,
            removed,
            recomputed: 0,
        }
    }

    fn put_filters(&mut self, upserted: &BTreeMap<FilterKey, Arc<Filter>>) {
        // Appending goes through all there are, once; a few are put in faster one by one.
        if upserted.len() >= self.filters.len() / 8 {
            self.filters.append(&mut upserted.clone());
        } else {
            let filters = upserted.iter().map(|(key, now)| (key.clone(), now.clone()));
            self.filters.extend(filters);
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

    fn take_interests(&mut self, unit: &ObjectKey, interests: &[Interest]) {
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

    fn forget_interests(&mut self, unit: &ObjectKey, interests: &[Interest]) {
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

/// From how many services on a pass pays for its threads.
const PARALLEL_FROM: usize = 256;

/// How many services a thread takes at a time: a thread that is held up keeps the others waiting for so many at most.
const SHARE: usize = 128;
