//! The loop: takes in whatever comes, makes something of it when it is time, and tells everybody.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aeraki_core::FilterKey;
use aeraki_core::plan::{Action, HoldReason};
use aeraki_core::reconcile::Step;
use aeraki_core::source::SourceUpdate;
use aeraki_kube::filters::Filters;
use aeraki_kube::writer::{Orders, Outcome};
use aeraki_kube::{Notice, Notices, Renewal};
use aeraki_xds::client::{Handle, Updates};
use anyhow::{Result, bail};
use tokio::sync::{mpsc, watch};
use tokio::task::block_in_place;
use tokio::time::{MissedTickBehavior, interval, sleep_until};
use tracing::{debug, info, warn};

use super::controller::{Controller, Input};
use super::debounce::Debounce;
use super::feedback::{Feedback, Journal};
use super::health::Health;
use super::http::Question;
use super::metrics::Metrics;
use super::page;
use super::proxies::Told;
use super::telling::Telling;

/// How often it is looked whether there is anything to tell or to ask.
const TICK: Duration = Duration::from_millis(500);

/// Where fewer wait, each write has a line of its own.
const FEW: usize = 32;

/// So many inputs are taken in before anything else gets its turn.
const AT_ONCE: usize = 64;

/// Where everything comes from.
pub(super) struct Inputs {
    pub(super) istiod: Option<Updates>,
    pub(super) api_server: mpsc::Receiver<SourceUpdate>,
    pub(super) filters: Filters,
    pub(super) outcomes: mpsc::UnboundedReceiver<Outcome>,
    pub(super) proxies: mpsc::Receiver<Told>,
}

/// Where it goes.
pub(super) struct Outputs {
    pub(super) orders: Orders,
    pub(super) writes: watch::Sender<u64>,
    pub(super) feedback: watch::Sender<Feedback>,
    pub(super) notices: watch::Sender<Vec<Notice>>,
    pub(super) health: Arc<Health>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) istiod: Option<Handle>,
    pub(super) api_server: Renewal,
}

/// The loop.
pub(super) struct Drive {
    controller: Controller,
    debounce: Debounce,
    notices: Notices,
    inputs: Inputs,
    questions: mpsc::Receiver<Question>,
    outputs: Outputs,
    state: State,
}

/// What the loop remembers between its rounds.
#[derive(Default)]
struct State {
    journal: Journal,
    /// Whether there may be something new to tell.
    is_news: bool,
    telling: Telling,
    was_whole: bool,
    /// In which epoch the sources were last asked to tell everything anew.
    asked_anew: Option<u64>,
    holds: HashMap<HoldReason, usize>,
    /// When the change came that a key's write follows from.
    since: HashMap<FilterKey, Instant>,
}

impl Inputs {
    /// The next thing that comes. Nothing is lost if it is not waited for to the end.
    async fn next(&mut self) -> Result<Input> {
        let istiod = async {
            match &mut self.istiod {
                Some(updates) => updates.next().await,
                None => std::future::pending().await,
            }
        };
        let (input, from) = tokio::select! {
            update = istiod => (update.map(Input::Istiod), "istiod"),
            update = self.api_server.recv() => (update.map(Input::ApiServer), "the API server"),
            changes = self.filters.changed() => (Some(Input::Filters(changes)), "the list of EnvoyFilters"),
            outcome = self.outcomes.recv() => (outcome.map(Input::Outcome), "the writer"),
            Some(told) = self.proxies.recv() => (Some(Input::Proxies(told)), "the proxies"),
        };
        match input {
            Some(input) => Ok(input),
            None => bail!("nothing comes from {from} any more"),
        }
    }
}

impl Drive {
    pub(super) fn new(
        controller: Controller,
        debounce: Debounce,
        notices: Notices,
        inputs: Inputs,
        questions: mpsc::Receiver<Question>,
        outputs: Outputs,
    ) -> Self {
        Self {
            controller,
            debounce,
            notices,
            inputs,
            questions,
            outputs,
            state: State::default(),
        }
    }

    /// Runs as long as everything that it lives on does.
    pub(super) async fn run(mut self) -> Result<()> {
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let due = self.due();
            tokio::select! {
                input = self.inputs.next() => {
                    self.take(input?);
                    self.take_more().await?;
                }
                () = sleep_until(due.unwrap_or_else(Instant::now).into()), if due.is_some() => block_in_place(|| self.step()),
                Some(question) = self.questions.recv() => {
                    let page = block_in_place(|| page::of(&self.controller, question.page));
                    // Who no longer waits misses nothing.
                    drop(question.answer.send(page));
                }
                _ = tick.tick() => {
                    self.outputs.health.beat();
                    block_in_place(|| self.tick());
                }
            }
        }
    }

    /// When to make something of what has come. Half a world is made nothing of: it would only be made again.
    fn due(&self) -> Option<Instant> {
        self.debounce.due().filter(|_| self.controller.is_whole())
    }

    fn take(&mut self, input: Input) {
        self.state.is_news = true;
        match &input {
            Input::Outcome(outcome) => self.acknowledge(outcome),
            Input::Proxies(_) => {}
            Input::Istiod(_) | Input::ApiServer(_) | Input::Filters(_) => {
                self.debounce.note(Instant::now());
            }
        }
        block_in_place(|| self.controller.take(input, Instant::now()));
    }

    /// What has come meanwhile belongs to the same step.
    async fn take_more(&mut self) -> Result<()> {
        for _ in 0..AT_ONCE {
            tokio::select! {
                biased;
                input = self.inputs.next() => self.take(input?),
                () = std::future::ready(()) => break,
            }
        }
        Ok(())
    }

    fn acknowledge(&mut self, outcome: &Outcome) {
        let key = outcome.key.to_string();
        let since = if outcome.result.is_ok() {
            let verb = outcome.verb.name();
            if self.outputs.orders.pending().waiting < FEW {
                info!(key, verb, took = ?outcome.took, "Written");
            } else {
                debug!(key, verb, took = ?outcome.took, "Written");
            }
            self.outputs.writes.send_modify(|count| *count += 1);
            self.state.since.remove(&outcome.key)
        } else {
            self.state.since.get(&outcome.key).copied()
        };
        let since = since.map(|since| since.elapsed());
        self.outputs.metrics.applied(outcome, since);
    }

    fn step(&mut self) {
        let now = Instant::now();
        let since = self.debounce.first().unwrap_or(now);
        let step = self.controller.step();
        self.debounce.acted(Instant::now());
        self.outputs.metrics.generated(now.elapsed());
        if !std::mem::replace(&mut self.state.was_whole, true) {
            let filters = self.controller.reconciler().engine().filters().len();
            info!(filters, "All config and all EnvoyFilters have been seen");
            self.outputs.health.synced();
        }
        Self::log(&step);
        self.note_since(&step, since);
        self.outputs.orders.give(step.actions);
        self.log_holds();
        self.ask_anew();
    }

    fn note_since(&mut self, step: &Step, since: Instant) {
        for (key, action) in &step.actions {
            match action {
                Some(Action::Create(_) | Action::Update(_) | Action::Delete(_)) => {
                    self.state.since.entry(key.clone()).or_insert(since);
                }
                Some(Action::Hold(..) | Action::Foreign(_)) => {
                    self.state.since.remove(key);
                }
                // The object may stand already though its write is still to be reported.
                None => {}
            }
        }
    }

    /// One line for a step, however much it is.
    fn log(step: &Step) {
        let (mut create, mut update, mut delete) = (0, 0, 0);
        for action in step.actions.values().flatten() {
            match action {
                Action::Create(_) => create += 1,
                Action::Update(_) => update += 1,
                Action::Delete(_) => delete += 1,
                Action::Hold(..) | Action::Foreign(_) => {}
            }
        }
        let services = step.changes.recomputed;
        if create + update + delete > 0 {
            info!(services, create, update, delete, "EnvoyFilters to write");
        } else {
            debug!(services, "Nothing to write");
        }
    }

    /// What is held, told when it changes.
    fn log_holds(&mut self) {
        let mut holds: HashMap<HoldReason, usize> = HashMap::new();
        for reason in self.controller.reconciler().on_hold().values() {
            *holds.entry(*reason).or_default() += 1;
        }
        for (reason, count) in &holds {
            let (known, reason) = (self.state.holds.get(reason), reason.sentence());
            match known {
                None => warn!(count, reason, "EnvoyFilters stay as they are"),
                Some(known) if known != count => debug!(count, reason, "Another number stays"),
                Some(_) => {}
            }
        }
        if holds.is_empty() && !self.state.holds.is_empty() {
            info!("No EnvoyFilter is held any more");
        }
        self.state.holds = holds;
    }

    /// Many deletions at once wait until every source has told everything anew: so it is asked to. What comes to be held
    /// in the very step that sees the new epoch is asked about again.
    fn ask_anew(&mut self) {
        let epoch = self.controller.epoch();
        if !self.controller.awaits_epoch() || self.state.asked_anew == Some(epoch) {
            return;
        }
        self.state.asked_anew = Some(epoch);
        let api_server = self.outputs.api_server.renew();
        self.controller.start_epoch(api_server);
        if let Some(istiod) = &self.outputs.istiod {
            istiod.renew();
        }
    }

    fn tick(&mut self) {
        if self.outputs.orders.pending().is_empty() {
            self.state.since.clear();
        }
        self.ask_for_overdue();
        self.tell_if_due();
    }

    /// Asks istiod for what it does not tell by itself.
    fn ask_for_overdue(&mut self) {
        if let Some(istiod) = &self.outputs.istiod
            && self.controller.take_overdue(Instant::now())
        {
            debug!("Asking istiod for ServiceEntries that the API server has told of");
            istiod.refresh_service_entries();
        }
    }

    /// Tells what is new, unless that was done a moment ago.
    fn tell_if_due(&mut self) {
        let began = Instant::now();
        // A fight ends by itself.
        let is_news = self.state.is_news || self.controller.is_contested();
        if !is_news || !self.state.telling.is_due(began) {
            return;
        }
        self.state.is_news = false;
        self.tell();
        self.state.telling.told(began, Instant::now());
    }

    fn tell(&mut self) {
        let diagnostics = self
            .controller
            .diagnostics(&self.inputs.filters, Instant::now());
        let verdicts = self.controller.verdicts(&diagnostics);
        let feedback = Feedback {
            diagnostics: Arc::new(diagnostics),
            verdicts: Arc::new(verdicts),
        };
        self.state
            .journal
            .tell(&feedback.diagnostics, &self.notices);
        let pending = self.outputs.orders.pending();
        let unfinished = pending.waiting + pending.in_flight;
        self.outputs
            .metrics
            .count(&self.controller, &feedback, unfinished);
        let notices = self.notices.of(feedback.diagnostics.iter());
        self.outputs.notices.send_if_modified(|old| {
            let is_new = *old != notices;
            *old = notices;
            is_new
        });
        self.outputs.feedback.send_replace(feedback);
    }
}
