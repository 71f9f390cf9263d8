//! Everything that is known, in one place, and what follows from it. No I/O; what time it is comes from outside.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use aeraki_core::FilterKey;
use aeraki_core::diagnostic::{Diagnostic, catalogue};
use aeraki_core::object::{ConfigEvent, Kind, Object, ObjectKey};
use aeraki_core::overlay::Overlay;
use aeraki_core::plan::Action;
use aeraki_core::reconcile::{Reconciler, Step};
use aeraki_core::source::SourceUpdate;
use aeraki_kube::filters::{Changes, Filters, Rival};
use aeraki_kube::writer::{Failure, Outcome};
use aeraki_kube::{Outputs, Verdict};
use aeraki_xds::syncz::Rejection;

use super::overdue::Overdue;
use super::proxies::Told;
use super::rejected;
use super::statistics::Statistics;
use super::views::Views;

/// What comes in.
#[derive(Debug)]
pub(super) enum Input {
    /// istiod tells of config.
    Istiod(SourceUpdate),
    /// The API server tells of config.
    ApiServer(SourceUpdate),
    /// EnvoyFilters of the cluster have changed.
    Filters(Changes),
    /// istiod tells of its proxies.
    Proxies(Told),
    /// What became of a write.
    Outcome(Outcome),
}

/// Where config comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Sources {
    /// The API server alone.
    ApiServer,
    /// istiod, and the API server for what istiod does not tell.
    Istiod,
}

/// The places of the sources in [`Views`].
const API_SERVER: usize = 0;
const ISTIOD: usize = 1;

/// A fight counts as over when it has been quiet so much longer than the next repair waits.
const CALM: Duration = Duration::from_secs(60);

/// The EnvoyFilters that are there cannot be read.
fn unlisted(problem: String) -> Diagnostic {
    let all = ObjectKey::new(Kind::new("networking.istio.io", "EnvoyFilter"), "*", "*");
    Diagnostic::new(&catalogue::UNLISTED_KIND, &all, problem)
}

/// Everything that is known.
pub(super) struct Controller {
    reconciler: Reconciler,
    overlay: Option<Overlay>,
    overdue: Overdue,
    views: Views,
    /// What each source says is wrong.
    problems: [Vec<Diagnostic>; 2],
    rejections: Vec<Rejection>,
    statistics: Statistics,
    /// Objects that the API server does not take, and why. What it does not do for any object is the writer's to tell.
    failures: BTreeMap<FilterKey, Failure>,
    /// What somebody else keeps changing back, and until when that counts.
    contested: BTreeMap<FilterKey, Instant>,
    /// Whether both sides have ever been whole.
    was_whole: bool,
    /// EnvoyFilters of others that have a name that we want.
    foreign: BTreeSet<FilterKey>,
    /// The objects that have conditions.
    judged: BTreeMap<ObjectKey, Arc<Object>>,
    judged_kinds: BTreeSet<Kind>,
}

impl Controller {
    /// One that knows nothing yet. Objects of `judged_kinds` get a [`Verdict`] each.
    pub(super) fn new(
        reconciler: Reconciler,
        sources: Sources,
        judged_kinds: BTreeSet<Kind>,
        statistics: Statistics,
    ) -> Self {
        let is_istiod = sources == Sources::Istiod;
        Self {
            reconciler,
            overlay: is_istiod.then(Overlay::new),
            overdue: Overdue::default(),
            views: Views::of(if is_istiod { 2 } else { 1 }),
            problems: [Vec::new(), Vec::new()],
            rejections: Vec::new(),
            statistics,
            failures: BTreeMap::new(),
            contested: BTreeMap::new(),
            was_whole: false,
            foreign: BTreeSet::new(),
            judged: BTreeMap::new(),
            judged_kinds,
        }
    }

    /// Takes in what came.
    pub(super) fn take(&mut self, input: Input, now: Instant) {
        match input {
            Input::Istiod(update) => self.config(ISTIOD, update, now),
            Input::ApiServer(update) => self.config(API_SERVER, update, now),
            Input::Filters(changes) => self.observe(changes),
            Input::Proxies(Told::Rejections(rejections)) => self.rejections = rejections,
            Input::Proxies(Told::Published(matcher)) => self.statistics.publish(matcher),
            Input::Outcome(outcome) => self.outcome(outcome, now),
        }
    }

    fn config(&mut self, source: usize, update: SourceUpdate, now: Instant) {
        for event in update.events {
            self.judge(&event);
            let event = self.overlaid(source, event, now);
            if let Some(event) = event {
                self.reconciler.apply(event);
            }
        }
        self.problems[source] = update.problems;
        self.views.set(source, update.view);
        let (view, epoch) = self.views.joint();
        self.reconciler.view(view, epoch);
    }

    /// Lays the sources' words on ServiceEntries together; of all other kinds only one speaks.
    fn overlaid(&mut self, source: usize, event: ConfigEvent, now: Instant) -> Option<ConfigEvent> {
        let is_of_both = event.key().kind == Kind::SERVICE_ENTRY;
        let Some(overlay) = self.overlay.as_mut().filter(|_| is_of_both) else {
            return Some(event);
        };
        let key = event.key().clone();
        let before = overlay.words(&key);
        let event = if source == ISTIOD {
            Some(overlay.from_istiod(event))
        } else {
            overlay.from_api_server(event)
        };
        let after = overlay.words(&key);
        self.overdue.note(key, before, after, now);
        event
    }

    /// Whether istiod is to be asked for its ServiceEntries now; that counts as done. While it tells everything anyway
    /// there is nothing to ask.
    pub(super) fn take_overdue(&mut self, now: Instant) -> bool {
        let istiod = self.views.are_complete().nth(ISTIOD);
        istiod == Some(true) && self.overdue.take(now)
    }

    /// Remembers objects that have conditions.
    fn judge(&mut self, event: &ConfigEvent) {
        match event {
            ConfigEvent::Put(object) if self.judged_kinds.contains(&object.key.kind) => {
                self.judged.insert(object.key.clone(), Arc::clone(object));
            }
            ConfigEvent::Delete(key) => {
                self.judged.remove(key);
            }
            _ => {}
        }
    }

    fn observe(&mut self, changes: Changes) {
        for (key, content) in changes.changed {
            self.reconciler.observe(&key, content);
        }
        self.reconciler.observed_whole(changes.is_whole);
    }

    fn outcome(&mut self, outcome: Outcome, now: Instant) {
        if let Some(pause) = outcome.contested {
            self.contested
                .insert(outcome.key.clone(), now + pause + CALM);
        }
        match outcome.result {
            // What is not tried again has been taken back meanwhile.
            Err(failure) if failure.is_own() && failure.again.is_some() => {
                self.failures.insert(outcome.key, failure);
            }
            Ok(()) | Err(_) => {
                self.failures.remove(&outcome.key);
            }
        }
    }

    /// Whether somebody else keeps changing something back.
    pub(super) fn is_contested(&self) -> bool {
        !self.contested.is_empty()
    }

    /// Whether a step can be answered: both sides have been seen whole.
    pub(super) fn is_whole(&self) -> bool {
        self.reconciler.is_whole()
    }

    /// What is to be done now about the EnvoyFilters that something happened to.
    pub(super) fn step(&mut self) -> Step {
        let step = self.reconciler.step();
        for (key, action) in &step.actions {
            match action {
                Some(Action::Foreign(_)) => self.foreign.insert(key.clone()),
                _ => self.foreign.remove(key),
            };
            if !matches!(
                action,
                Some(Action::Create(_) | Action::Update(_) | Action::Delete(_))
            ) {
                self.failures.remove(key);
            }
        }
        self.was_whole |= self.is_whole();
        step
    }

    /// Whether deletions wait until every source has seen everything anew.
    pub(super) fn awaits_epoch(&self) -> bool {
        self.reconciler.awaits_epoch()
    }

    /// From now on every source must see everything anew before held deletions may go. The API server has been asked to
    /// in this epoch of its own.
    pub(super) fn start_epoch(&mut self, api_server: u64) {
        self.views.start();
        self.views.ask(API_SERVER, api_server);
    }

    /// What there is to say of objects. Sorted, each once.
    pub(super) fn diagnostics(&mut self, filters: &Filters, now: Instant) -> BTreeSet<Diagnostic> {
        self.contested.retain(|_, until| *until > now);
        let engine = self.reconciler.engine();
        let mut all: BTreeSet<Diagnostic> = engine.diagnostics().into_iter().cloned().collect();
        // A rule whose service has not come yet is not idle; one that has been seen whole stays so while a stream is away.
        if self.was_whole {
            all.extend(engine.idle_rules());
        }
        all.extend(self.problems().cloned());
        all.extend(filters.problem().map(unlisted));
        all.extend(rejected::diagnostics(
            &self.rejections,
            engine.filters(),
            &engine.settings().root_namespace,
        ));
        let used = engine.filters().values().map(|filter| filter.protocol);
        all.extend(
            self.statistics
                .diagnostics(used, &engine.settings().root_namespace),
        );
        all.extend(self.foreign.iter().filter_map(|key| self.taken(key)));
        all.extend(self.contested.keys().filter_map(|key| self.fought(key)));
        let failed = self.failures.iter();
        all.extend(failed.filter_map(|(key, failure)| self.failed(key, failure)));
        if filters.has_rivals() {
            for key in engine.filters().keys() {
                let rivals = filters.rivals(key);
                all.extend(rivals.iter().filter_map(|rival| self.rival(key, rival)));
            }
        }
        all
    }

    fn service(&self, key: &FilterKey) -> Option<&ObjectKey> {
        Some(&self.reconciler.engine().filters().get(key)?.service)
    }

    fn taken(&self, key: &FilterKey) -> Option<Diagnostic> {
        let sentence = format!("the EnvoyFilter {key} is somebody else's");
        let service = self.service(key)?;
        Some(Diagnostic::new(
            &catalogue::FOREIGN_OBJECT,
            service,
            sentence,
        ))
    }

    fn fought(&self, key: &FilterKey) -> Option<Diagnostic> {
        let sentence = format!("somebody else keeps changing the EnvoyFilter {key}");
        let service = self.service(key)?;
        Some(Diagnostic::new(&catalogue::CONTESTED, service, sentence))
    }

    fn failed(&self, key: &FilterKey, failure: &Failure) -> Option<Diagnostic> {
        let sentence = format!("the EnvoyFilter {key} cannot be written: {failure}");
        let service = self.service(key)?;
        Some(Diagnostic::new(&catalogue::WRITE_FAILED, service, sentence))
    }

    fn rival(&self, key: &FilterKey, rival: &Rival) -> Option<Diagnostic> {
        let Rival {
            key: other,
            listener,
            displaces_ours,
        } = rival;
        if !displaces_ours {
            return None;
        }
        let sentence = format!(
            "the EnvoyFilter {other} goes before {key} on listener {listener} and takes the TCP proxy's place"
        );
        let service = self.service(key)?;
        Some(Diagnostic::new(&catalogue::RIVAL_FILTER, service, sentence))
    }

    /// Every object that has conditions, and what they should say.
    pub(super) fn verdicts(
        &self,
        diagnostics: &BTreeSet<Diagnostic>,
    ) -> Vec<(Arc<Object>, Verdict)> {
        if self.judged.is_empty() || !self.is_whole() {
            return Vec::new();
        }
        let engine = self.reconciler.engine();
        let mut outputs = Outputs::new(self.judged_kinds.iter().copied());
        for (key, filter) in engine.filters() {
            let there = self.reconciler.observed().get(key);
            let is_there = there.is_some_and(|there| !there.differs_from(&filter.content));
            outputs.count(&filter.content, is_there);
        }
        let verdict = |(key, object): (&ObjectKey, &Arc<Object>)| {
            let about = diagnostics.iter().filter(|one| one.object == *key);
            (Arc::clone(object), Verdict::of(about, outputs.of(key)))
        };
        self.judged.iter().map(verdict).collect()
    }

    /// The reconciler, to be looked at.
    pub(super) fn reconciler(&self) -> &Reconciler {
        &self.reconciler
    }

    /// The sources by name, and whether each has told everything.
    pub(super) fn sources(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let names = ["API server", "istiod"];
        let word = |is_complete: bool| if is_complete { "complete" } else { "partial" };
        names.into_iter().zip(self.views.are_complete().map(word))
    }

    /// What sources say is wrong.
    pub(super) fn problems(&self) -> impl Iterator<Item = &Diagnostic> {
        self.problems.iter().flatten()
    }

    /// How many refusals of proxies are known, ours or not.
    pub(super) fn rejections(&self) -> usize {
        self.rejections.len()
    }

    /// How often everything has been seen anew.
    pub(super) fn epoch(&self) -> u64 {
        self.views.epoch()
    }
}
