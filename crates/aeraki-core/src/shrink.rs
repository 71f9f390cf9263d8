//! Holds deletions that look more like an accident than like a wish: many at one look.
//!
//! A directory that is mounted late, an istiod that answers with half a mesh: both look like a config that wants little. So
//! what one look would delete stays, if it is a large part of what is there, until a later look wants it gone as well
//! (R3: for a cluster, a complete view on a new connection). Knows keys and marks only; what a mark counts is the
//! caller's choice: milliseconds for files, connections for a cluster.

use std::collections::{BTreeMap, BTreeSet};

use crate::assemble::FilterKey;

/// So many deletions at one look are usual, however few objects there are.
const USUAL: usize = 10;

/// One in so many objects may go at one look.
const SHARE: usize = 5;

/// Which deletions wait, and since which mark.
#[derive(Debug)]
pub struct ShrinkGuard {
    wait: u64,
    waiting: BTreeMap<FilterKey, u64>,
}

impl ShrinkGuard {
    /// A guard that lets a deletion through when it is wanted `wait` marks after it was first held. Zero holds nothing.
    #[must_use]
    pub fn new(wait: u64) -> Self {
        Self {
            wait,
            waiting: BTreeMap::new(),
        }
    }

    /// How many marks a deletion waits.
    #[must_use]
    pub fn wait(&self) -> u64 {
        self.wait
    }

    /// Which of the deletions that a look at the mark `now` wants must wait, where `ours` objects are there.
    pub fn hold(
        &mut self,
        deletions: &BTreeSet<FilterKey>,
        ours: usize,
        now: u64,
    ) -> BTreeSet<FilterKey> {
        if deletions.len() <= USUAL.max(ours / SHARE) {
            self.waiting.clear();
            return BTreeSet::new();
        }
        self.waiting.retain(|key, _| deletions.contains(key));
        for key in deletions {
            self.waiting.entry(key.clone()).or_insert(now);
        }
        let wait = self.wait;
        self.waiting
            .retain(|_, since| now.saturating_sub(*since) < wait);
        self.waiting.keys().cloned().collect()
    }

    /// Forgets what waits: it waits anew when it is wanted again.
    pub fn forget(&mut self) {
        self.waiting.clear();
    }

    /// The mark at which a look can let something through, if anything waits.
    #[must_use]
    pub fn due(&self) -> Option<u64> {
        let first = self.waiting.values().min()?;
        Some(first.saturating_add(self.wait))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAIT: u64 = 5;

    fn keys(numbers: std::ops::Range<usize>) -> BTreeSet<FilterKey> {
        let key = |number| FilterKey {
            namespace: "shop".into(),
            name: format!("aeraki-outbound-{number}").into(),
        };
        numbers.map(key).collect()
    }

    #[test]
    fn few_deletions_pass_at_once() {
        let mut guard = ShrinkGuard::new(WAIT);
        assert!(guard.hold(&keys(0..10), 10, 1).is_empty());
        assert!(guard.hold(&keys(0..40), 200, 1).is_empty());
        assert_eq!(guard.due(), None);
    }

    #[test]
    fn many_wait_until_a_later_look_wants_the_same() {
        let mut guard = ShrinkGuard::new(WAIT);
        let all = keys(0..11);
        assert_eq!(guard.hold(&all, 11, 1), all);
        assert_eq!(guard.due(), Some(1 + WAIT));
        assert_eq!(guard.hold(&all, 11, WAIT), all);
        assert!(guard.hold(&all, 11, 1 + WAIT).is_empty());
        assert_eq!(guard.due(), None);
    }

    #[test]
    fn what_comes_later_waits_by_itself() {
        let mut guard = ShrinkGuard::new(WAIT);
        guard.hold(&keys(0..41), 100, 1);
        assert_eq!(guard.hold(&keys(0..43), 100, 1 + WAIT), keys(41..43));
    }

    #[test]
    fn what_is_wanted_again_is_forgotten() {
        let mut guard = ShrinkGuard::new(WAIT);
        let all = keys(0..30);
        guard.hold(&all, 30, 1);
        assert!(guard.hold(&BTreeSet::new(), 30, 1 + WAIT).is_empty());
        assert_eq!(guard.hold(&all, 30, 1 + WAIT), all);
    }

    #[test]
    fn no_wait_holds_nothing() {
        let mut guard = ShrinkGuard::new(0);
        assert!(guard.hold(&keys(0..99), 99, 1).is_empty());
    }
}
