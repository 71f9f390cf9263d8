//! Holds deletions that look more like an accident than like a wish: many at one look.
//!
//! A directory that is swapped, half copied or mounted late looks like a config that wants little. So what one look would
//! delete stays, if it is a large part of what is there, until a look that is some time later wants it gone as well.
//! Knows keys and times only.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use aeraki_core::FilterKey;

/// So many deletions at one look are usual, however few objects there are.
const USUAL: usize = 10;

/// One in so many objects may go at one look.
const SHARE: usize = 5;

/// Which deletions wait, and since when.
#[derive(Debug)]
pub(super) struct ShrinkGuard {
    wait: Duration,
    waiting: BTreeMap<FilterKey, Instant>,
}

impl ShrinkGuard {
    /// A guard that lets a deletion through when it is wanted `wait` after it was first held. Zero holds nothing.
    pub(super) fn new(wait: Duration) -> Self {
        Self {
            wait,
            waiting: BTreeMap::new(),
        }
    }

    /// How long a deletion waits.
    pub(super) fn wait(&self) -> Duration {
        self.wait
    }

    /// Which of the deletions that a look at `now` wants must wait, where `ours` objects are there.
    pub(super) fn hold(
        &mut self,
        deletions: &BTreeSet<FilterKey>,
        ours: usize,
        now: Instant,
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
            .retain(|_, since| now.saturating_duration_since(*since) < wait);
        self.waiting.keys().cloned().collect()
    }

    /// Forgets what waits: it waits anew when it is wanted again.
    pub(super) fn forget(&mut self) {
        self.waiting.clear();
    }

    /// When a look can let something through, if anything waits.
    pub(super) fn due(&self) -> Option<Instant> {
        let first = self.waiting.values().min()?;
        Some(*first + self.wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAIT: Duration = Duration::from_secs(5);

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
        let now = Instant::now();
        assert!(guard.hold(&keys(0..10), 10, now).is_empty());
        assert!(guard.hold(&keys(0..40), 200, now).is_empty());
        assert_eq!(guard.due(), None);
    }

    #[test]
    fn many_wait_until_a_later_look_wants_the_same() {
        let mut guard = ShrinkGuard::new(WAIT);
        let (now, all) = (Instant::now(), keys(0..11));
        assert_eq!(guard.hold(&all, 11, now), all);
        assert_eq!(guard.due(), Some(now + WAIT));
        let early = now + WAIT - Duration::from_millis(1);
        assert_eq!(guard.hold(&all, 11, early), all);
        assert!(guard.hold(&all, 11, now + WAIT).is_empty());
        assert_eq!(guard.due(), None);
    }

    #[test]
    fn what_comes_later_waits_by_itself() {
        let mut guard = ShrinkGuard::new(WAIT);
        let now = Instant::now();
        guard.hold(&keys(0..41), 100, now);
        assert_eq!(guard.hold(&keys(0..43), 100, now + WAIT), keys(41..43));
    }

    #[test]
    fn what_is_wanted_again_is_forgotten() {
        let mut guard = ShrinkGuard::new(WAIT);
        let (now, all) = (Instant::now(), keys(0..30));
        guard.hold(&all, 30, now);
        assert!(guard.hold(&BTreeSet::new(), 30, now + WAIT).is_empty());
        assert_eq!(guard.hold(&all, 30, now + WAIT), all);
    }

    #[test]
    fn no_wait_holds_nothing() {
        let mut guard = ShrinkGuard::new(Duration::ZERO);
        assert!(guard.hold(&keys(0..99), 99, Instant::now()).is_empty());
    }
}
