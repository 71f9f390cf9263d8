//! One kind as the API server tells of it: lists that come in pages, and what happens in between.
//!
//! A pure machine. Whatever order lists and events come in, broken off, repeated, or late, two things hold: nothing is
//! reported as deleted before a list that lacks it is complete or the server says so, and after a complete list the
//! state is the server's.

use std::collections::{BTreeMap, BTreeSet};

use aeraki_core::diagnostic::Diagnostic;
use aeraki_core::object::{ConfigEvent, ObjectKey};

use crate::kinds::{Outcome, Reading, Revision, Uid};

/// What the API server tells of a kind.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// The kind is about to be listed. A list that was not finished counts for nothing.
    Begins,
    /// The server's history starts anew: from here on it tells of older revisions than before.
    Rewound,
    /// The list holds this. The list is not older than anything that was seen: see [`Horizon`](super::horizon::Horizon).
    Present(Reading),
    /// That was all of the list.
    Listed(Revision),
    /// An object is new or changed.
    Changed(Reading),
    /// An object is gone since this revision.
    Gone(ObjectKey, Revision),
    /// The server has no such kind.
    Unserved,
}

/// All that is known of one kind.
#[derive(Default, Debug)]
pub(super) struct KindState {
    known: BTreeMap<ObjectKey, Known>,
    /// What of the list in progress has come.
    listing: Option<BTreeSet<ObjectKey>>,
    /// Whatever happened up to here is in the last complete list.
    floor: Revision,
    /// Objects that went after that list, and when.
    gone: BTreeMap<ObjectKey, Revision>,
    problems: BTreeMap<ObjectKey, Vec<Diagnostic>>,
    unread: BTreeSet<ObjectKey>,
}

/// One object that is there.
#[derive(Clone, Copy, Debug)]
struct Known {
    uid: Option<Uid>,
    revision: Revision,
    /// Whether the core has it.
    is_told: bool,
}

/// So many deletions are remembered between two lists. They guard against events that come late, which a watch promises
/// not to send.
const GONE_AT_MOST: usize = 4096;

impl KindState {
    /// What follows from a step for the core, appended to `events`.
    pub(super) fn on(&mut self, step: Step, events: &mut Vec<ConfigEvent>) {
        match step {
            Step::Begins => self.listing = Some(BTreeSet::new()),
            Step::Rewound => self.rewind(),
            Step::Present(reading) => self.present(reading, events),
            Step::Listed(revision) => self.listed(revision, events),
            Step::Changed(reading) => {
                if !reading.revision.is_by(self.floor) {
                    self.take(reading, events);
                }
            }
            Step::Gone(key, revision) => self.went(key, revision, events),
            Step::Unserved => {
                self.listing = Some(BTreeSet::new());
                self.listed(Revision::UNKNOWN, events);
            }
        }
    }

    /// Who the object is, if it is there.
    pub(super) fn identity(&self, key: &ObjectKey) -> Option<(Uid, Revision)> {
        let known = self.known.get(key)?;
        Some((known.uid?, known.revision))
    }

    /// What is wrong with the objects that are there.
    pub(super) fn problems(&self) -> impl Iterator<Item = &Diagnostic> {
        self.problems.values().flatten()
    }

    /// The objects that are there and have never been readable.
    pub(super) fn unread(&self) -> &BTreeSet<ObjectKey> {
        &self.unread
    }

    /// Forgets when things happened, and keeps what they are.
    fn rewind(&mut self) {
        self.floor = Revision::UNKNOWN;
        self.gone.clear();
        for known in self.known.values_mut() {
            known.revision = Revision::UNKNOWN;
        }
    }

    fn present(&mut self, reading: Reading, events: &mut Vec<ConfigEvent>) {
        if let Some(listing) = &mut self.listing {
            listing.insert(reading.key.clone());
        }
        self.take(reading, events);
    }

    /// Takes a state of an object over, unless a later one is known.
    fn take(&mut self, reading: Reading, events: &mut Vec<ConfigEvent>) {
        let Reading {
            key,
            uid,
            revision,
            outcome,
            problems,
        } = reading;
        let known = self.known.get(&key).copied();
        let is_old = known.is_some_and(|known| revision.is_by(known.revision))
            || self
                .gone
                .get(&key)
                .is_some_and(|gone| revision.is_by(*gone));
        if is_old {
            return;
        }
        self.gone.remove(&key);
        self.note(&key, problems);
        let was_told = known.is_some_and(|known| known.is_told);
        self.unread.remove(&key);
        let is_told = match outcome {
            Outcome::Read(object) => {
                events.push(ConfigEvent::Put(object));
                true
            }
            Outcome::Unneeded => {
                events.extend(was_told.then(|| ConfigEvent::Delete(key.clone())));
                false
            }
            // Its last good state stays.
            Outcome::Unreadable if was_told => true,
            Outcome::Unreadable => {
                self.unread.insert(key.clone());
                false
            }
        };
        self.known.insert(
            key,
            Known {
                uid,
                revision,
                is_told,
            },
        );
    }

    fn note(&mut self, key: &ObjectKey, problems: Vec<Diagnostic>) {
        if problems.is_empty() {
            self.problems.remove(key);
        } else {
            self.problems.insert(key.clone(), problems);
        }
    }

    /// A complete list, or the server's word, says that everything else is gone.
    fn listed(&mut self, revision: Revision, events: &mut Vec<ConfigEvent>) {
        let Some(listing) = self.listing.take() else {
            return;
        };
        let is_gone = |(key, known): &(&ObjectKey, &Known)| {
            !listing.contains(*key) && !revision.is_before(known.revision)
        };
        let gone: Vec<ObjectKey> = self
            .known
            .iter()
            .filter(is_gone)
            .map(|(key, _)| key.clone())
            .collect();
        for key in gone {
            self.forget(&key, events);
        }
        self.floor = self.floor.max(revision);
        let floor = self.floor;
        self.gone.retain(|_, gone| !gone.is_by(floor));
    }

    fn went(&mut self, key: ObjectKey, revision: Revision, events: &mut Vec<ConfigEvent>) {
        let known = self.known.get(&key);
        let is_old = revision.is_by(self.floor)
            || known.is_some_and(|known| revision.is_before(known.revision));
        if is_old {
            return;
        }
        self.forget(&key, events);
        if self.gone.len() < GONE_AT_MOST {
            let gone = self.gone.entry(key).or_default();
            *gone = gone.max(revision);
        }
    }

    fn forget(&mut self, key: &ObjectKey, events: &mut Vec<ConfigEvent>) {
        self.problems.remove(key);
        self.unread.remove(key);
        if self.known.remove(key).is_some_and(|known| known.is_told) {
            events.push(ConfigEvent::Delete(key.clone()));
        }
    }
}

#[cfg(test)]
mod tests;
