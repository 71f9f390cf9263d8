//! The controller's state in pure form: config and what is there in, what to write out.
//!
//! It plans again only for the keys that something happened to. Its answer for a key replaces every earlier one, so a
//! writer needs to remember no more than the last; "nothing to do" is an answer too, and cancels what has not begun.
//!
//! Nothing is answered before both sides are whole: all of the config ([`CompleteView`]), and all EnvoyFilters that are
//! there. What a step would write from half a config would lose routes; what it would write over an unseen object would
//! be foreign.

use std::collections::{BTreeMap, BTreeSet};

use crate::assemble::FilterKey;
use crate::content::Content;
use crate::engine::{Changes, Engine};
use crate::object::ConfigEvent;
use crate::plan::{self, Action, CompleteView, HoldReason, Observed, is_ours};
use crate::shrink::ShrinkGuard;

/// Keeps a set of EnvoyFilters right: see the module.
pub struct Reconciler {
    engine: Engine,
    observed: Observed,
    /// How many of the observed are ours.
    ours: usize,
    is_observed_whole: bool,
    view: Option<CompleteView>,
    epoch: u64,
    guard: ShrinkGuard,
    /// What something happened to since the last step.
    touched: BTreeSet<FilterKey>,
    /// Everything is to be planned again.
    replan: bool,
    /// What stays as it is though it is not wanted like this, and why.
    on_hold: BTreeMap<FilterKey, HoldReason>,
    /// Deletions that the guard has let through.
    released: BTreeSet<FilterKey>,
}

/// What a step came to.
#[derive(Debug, Default)]
pub struct Step {
    /// What the config changed.
    pub changes: Changes,
    /// The answers that are new: what to do about a key, or that nothing is to be done.
    pub actions: BTreeMap<FilterKey, Option<Action>>,
}

impl Reconciler {
    /// A reconciler that has seen nothing. A shrink waits for a complete view of the next epoch.
    #[must_use]
    pub fn new(engine: Engine) -> Self {
        Self {
            engine,
            observed: Observed::new(),
            ours: 0,
            is_observed_whole: false,
            view: None,
            epoch: 0,
            guard: ShrinkGuard::new(1),
            touched: BTreeSet::new(),
            replan: false,
            on_hold: BTreeMap::new(),
            released: BTreeSet::new(),
        }
    }

    /// Takes a change of the config in.
    pub fn apply(&mut self, event: ConfigEvent) {
        self.engine.apply(event);
    }

    /// Says how much of the config has been seen: all of it on the connection that `epoch` counts, or not all of it.
    pub fn view(&mut self, view: Option<CompleteView>, epoch: u64) {
        self.replan |= view.is_some() && view != self.view;
        self.view = view;
        self.epoch = epoch;
    }

    /// Says what an EnvoyFilter is now, or that it is gone.
    pub fn observe(&mut self, key: &FilterKey, content: Option<Content>) {
        let wanted = self.engine.filters().get(key);
        let content = content.map(|content| match wanted {
            Some(wanted) => content.sharing(&wanted.content),
            None => content,
        });
        let count = |content: &Content| usize::from(is_ours(key, content));
        self.ours += content.as_ref().map_or(0, count);
        let before = match content {
            Some(content) => self.observed.insert(key.clone(), content),
            None => self.observed.remove(key),
        };
        self.ours -= before.as_ref().map_or(0, count);
        self.touched.insert(key.clone());
    }

    /// Says whether every EnvoyFilter that is there has been observed.
    pub fn observed_whole(&mut self, is_whole: bool) {
        self.replan |= is_whole && !self.is_observed_whole;
        self.is_observed_whole = is_whole;
    }

    /// Works out what to do now.
    pub fn step(&mut self) -> Step {
        let changes = self.engine.drain();
        self.touched.extend(changes.upserted.keys().cloned());
        self.touched.extend(changes.removed.iter().cloned());
        if self.view.is_none() || !self.is_observed_whole {
            return Step {
                changes,
                actions: BTreeMap::new(),
            };
        }
        let mut actions: BTreeMap<FilterKey, Option<Action>> = BTreeMap::new();
        for key in self.keys() {
            let there = self.observed.get(&key);
            let action = plan::action(&self.engine, &key, there, self.view.as_ref());
            actions.insert(key, action);
        }
        self.guard(&mut actions);
        self.note_holds(&actions);
        Step { changes, actions }
    }

    /// The keys to plan again. What is held or about to go is looked at each time: what keeps it may be gone, or new.
    fn keys(&mut self) -> BTreeSet<FilterKey> {
        let mut keys = std::mem::take(&mut self.touched);
        keys.extend(self.on_hold.keys().cloned());
        keys.extend(self.released.iter().cloned());
        if std::mem::take(&mut self.replan) {
            keys.extend(self.engine.filters().keys().cloned());
            keys.extend(self.observed.keys().cloned());
        }
        keys
    }

    fn guard(&mut self, actions: &mut BTreeMap<FilterKey, Option<Action>>) {
        let is_delete = |action: &Option<Action>| matches!(action, Some(Action::Delete(_)));
        let wanted = actions.iter().filter(|(_, action)| is_delete(action));
        let deletions: BTreeSet<FilterKey> = wanted.map(|(key, _)| key.clone()).collect();
        self.released.retain(|key| deletions.contains(key));
        let fresh = deletions.difference(&self.released).cloned().collect();
        let waiting = self.guard.hold(&fresh, self.ours, self.epoch);
        for key in &waiting {
            let hold = Action::Hold(key.clone(), HoldReason::Shrink);
            actions.insert(key.clone(), Some(hold));
        }
        self.released
            .extend(fresh.into_iter().filter(|key| !waiting.contains(key)));
    }

    fn note_holds(&mut self, actions: &BTreeMap<FilterKey, Option<Action>>) {
        for (key, action) in actions {
            match action {
                Some(Action::Hold(_, reason)) => self.on_hold.insert(key.clone(), *reason),
                _ => self.on_hold.remove(key),
            };
        }
    }

    /// What stays as it is though it is not wanted like this, and why.
    #[must_use]
    pub fn on_hold(&self) -> &BTreeMap<FilterKey, HoldReason> {
        &self.on_hold
    }

    /// Whether deletions wait for a complete view on a new connection; then it is worth asking for one.
    #[must_use]
    pub fn awaits_epoch(&self) -> bool {
        self.guard.due().is_some_and(|due| due > self.epoch)
    }

    /// Whether both sides are whole, so that steps are answered.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.view.is_some() && self.is_observed_whole
    }

    /// The engine: desired EnvoyFilters, diagnostics, decisions.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// What is there.
    #[must_use]
    pub fn observed(&self) -> &Observed {
        &self.observed
    }
}
