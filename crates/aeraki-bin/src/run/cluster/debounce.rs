//! When to make something of changes: the first after quiet at once, those that follow closely together. No clock.

use std::time::{Duration, Instant};

/// Decides when.
#[derive(Debug)]
pub(super) struct Debounce {
    quiet: Duration,
    most: Duration,
    /// The first and the last change that wait.
    waiting: Option<(Instant, Instant)>,
    acted: Option<Instant>,
}

impl Debounce {
    /// After a burst it must be `quiet` so long; no change waits longer than `most`.
    pub(super) const fn new(quiet: Duration, most: Duration) -> Self {
        Self {
            quiet,
            most,
            waiting: None,
            acted: None,
        }
    }

    /// A change has come.
    pub(super) fn note(&mut self, now: Instant) {
        let first = self.waiting.map_or(now, |(first, _)| first);
        self.waiting = Some((first, now));
    }

    /// When the first change came that waits.
    pub(super) fn first(&self) -> Option<Instant> {
        self.waiting.map(|(first, _)| first)
    }

    /// When to act; never, while nothing waits.
    pub(super) fn due(&self) -> Option<Instant> {
        let (first, last) = self.waiting?;
        let was_quiet = |acted| first.saturating_duration_since(acted) >= self.quiet;
        Some(if self.acted.is_none_or(was_quiet) {
            first
        } else {
            (last + self.quiet).min(first + self.most)
        })
    }

    /// What waited has been acted on.
    pub(super) fn acted(&mut self, now: Instant) {
        self.waiting = None;
        self.acted = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const QUIET: Duration = Duration::from_millis(5);
    const MOST: Duration = Duration::from_millis(100);

    fn after(start: Instant, millis: u64) -> Instant {
        start + Duration::from_millis(millis)
    }

    #[test]
    fn the_first_change_after_quiet_goes_at_once_and_the_next_waits_for_quiet() {
        let start = Instant::now();
        let mut debounce = Debounce::new(QUIET, MOST);
        assert_eq!(debounce.due(), None);
        debounce.note(start);
        assert_eq!(debounce.due(), Some(start));
        debounce.acted(start);
        debounce.note(after(start, 1));
        debounce.note(after(start, 3));
        assert_eq!(debounce.due(), Some(after(start, 8)));
        debounce.acted(after(start, 8));
        debounce.note(after(start, 13));
        assert_eq!(debounce.due(), Some(after(start, 13)));
    }

    proptest! {
        /// However changes come: none waits longer than the most, and a burst costs no more than a step in each
        /// time of quiet.
        #[test]
        fn no_change_waits_longer_than_the_most(gaps in prop::collection::vec(0..200_u64, 1..200)) {
            let start = Instant::now();
            let mut debounce = Debounce::new(QUIET, MOST);
            let (mut now, mut first, mut last_step) = (start, None, None);
            for gap in gaps {
                let next = after(now, gap);
                while let Some(due) = debounce.due().filter(|due| *due <= next) {
                    let at = due.max(now);
                    prop_assert!(at <= first.unwrap_or(at) + MOST);
                    if let Some(last) = last_step {
                        prop_assert!(at >= last + QUIET);
                    }
                    debounce.acted(at);
                    (first, last_step, now) = (None, Some(at), at);
                }
                now = next;
                first = first.or(Some(now));
                debounce.note(now);
            }
        }
    }
}
