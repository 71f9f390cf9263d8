//! One key's order: what is wanted, and where it stands.

use std::time::Instant;

use super::lanes::Lane;
use crate::writer::intent::Intent;

#[derive(Debug)]
pub(super) struct Order {
    pub(super) intent: Intent,
    pub(super) lane: Lane,
    pub(super) place: Place,
    /// Failures in a row.
    pub(super) failures: u32,
    /// Whether the last failure was not about this object alone.
    pub(super) is_common: bool,
    /// Whether what is wanted now has been tried.
    pub(super) is_tried: bool,
}

#[derive(Debug)]
pub(super) enum Place {
    /// In a lane.
    Ready { lane: Lane, ticket: u64 },
    /// Not before then; `is_firm` if not even better weather makes it sooner.
    Later {
        due: Instant,
        ticket: u64,
        is_firm: bool,
    },
    /// Its turn has come, in a namespace in which nothing gets on.
    Aside { ticket: u64 },
    /// Behind a gate.
    Behind,
    /// Being tried since then. A word that came meanwhile waits.
    InFlight { began: Instant, next: Option<Next> },
}

/// What the planner said during a try.
#[derive(Debug)]
pub(super) enum Next {
    Cancelled,
    Order(Intent, Lane),
}

impl Order {
    /// An order that stands nowhere yet.
    pub(super) fn new(intent: Intent, lane: Lane) -> Self {
        Self {
            intent,
            lane,
            place: Place::Behind,
            failures: 0,
            is_common: false,
            is_tried: false,
        }
    }

    /// The planner's last word, unless it was that nothing is to be done.
    pub(super) fn latest(&self) -> Option<&Intent> {
        match &self.place {
            Place::InFlight {
                next: Some(Next::Cancelled),
                ..
            } => None,
            Place::InFlight {
                next: Some(Next::Order(intent, _)),
                ..
            } => Some(intent),
            _ => Some(&self.intent),
        }
    }

    /// Whether this intent would be news to it, or has not been tried yet.
    pub(super) fn is_untried(&self, intent: &Intent) -> bool {
        let is_superseded = matches!(self.place, Place::InFlight { next: Some(_), .. });
        is_superseded || !self.is_tried || !self.intent.is_same(intent)
    }

    /// Makes it another one. An object that was refused for what it says is tried anew when it says something else; whether
    /// that is so.
    pub(super) fn change(&mut self, intent: Intent, lane: Lane) -> bool {
        let is_same = self.intent.is_same(&intent);
        let begins_anew = !self.is_common && !is_same;
        self.is_tried &= is_same;
        self.intent = intent;
        self.lane = lane;
        if begins_anew {
            self.failures = 0;
        }
        begins_anew
    }

    /// Ends the try, if there is one: when it began, and what the planner said meanwhile.
    pub(super) fn land(&mut self) -> Option<(Instant, Option<Next>)> {
        match std::mem::replace(&mut self.place, Place::Behind) {
            Place::InFlight { began, next } => Some((began, next)),
            other => {
                self.place = other;
                None
            }
        }
    }

    pub(super) fn is_deletion(&self) -> bool {
        self.intent.is_deletion()
    }

    pub(super) fn is_in_flight(&self) -> bool {
        matches!(self.place, Place::InFlight { .. })
    }

    pub(super) fn awaits_retry(&self) -> bool {
        self.failures > 0 && matches!(self.place, Place::Later { .. })
    }

    /// Whether it waits for nothing but the API server to be well.
    pub(super) fn awaits_weather(&self) -> bool {
        self.is_common && matches!(self.place, Place::Later { is_firm: false, .. })
    }
}
