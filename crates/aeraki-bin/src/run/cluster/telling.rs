//! When people are told again what there is to say. No clock.

use std::time::{Duration, Instant};

/// Making the whole list takes a while in a large mesh: for so many times as long it is not made again.
const SHARE: u32 = 20;

/// What took long because the machine had no time for us is no reason to stay silent.
const MOST: Duration = Duration::from_secs(10);

/// Decides when.
#[derive(Debug, Default)]
pub(super) struct Telling {
    rests_until: Option<Instant>,
}

impl Telling {
    /// Whether it may be told now.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.rests_until.is_none_or(|until| until <= now)
    }

    /// It has been told.
    pub(super) fn told(&mut self, began: Instant, ended: Instant) {
        let took = ended.saturating_duration_since(began);
        self.rests_until = Some(ended + (took * SHARE).min(MOST));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_is_in_proportion_and_has_an_end() {
        let (mut telling, start) = (Telling::default(), Instant::now());
        let after = |millis| start + Duration::from_millis(millis);
        assert!(telling.is_due(start));
        telling.told(start, after(60));
        assert!(!telling.is_due(after(1259)));
        assert!(telling.is_due(after(1260)));
        telling.told(start, after(3000));
        assert!(!telling.is_due(after(12_999)));
        assert!(telling.is_due(after(13_000)));
    }
}
