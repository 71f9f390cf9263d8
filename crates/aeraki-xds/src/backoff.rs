//! How long to wait before the next try.
//!
//! Knows no clock and no source of chance: both are the caller's.

use std::time::Duration;

/// Waits that double from try to try, each cut by chance to between its half and its whole, so that clients that lost
/// the same server do not come back together.
#[derive(Clone, Debug)]
pub struct Backoff {
    least: Duration,
    most: Duration,
    next: Duration,
}

impl Backoff {
    /// Waits of `least` to `most`.
    #[must_use]
    pub fn new(least: Duration, most: Duration) -> Self {
        Self {
            least,
            most,
            next: least,
        }
    }

    /// How long to wait now. `chance` is anything, as long as it is another each time.
    pub fn wait(&mut self, chance: u64) -> Duration {
        let whole = self.next;
        self.next = whole.saturating_mul(2).min(self.most);
        let share = chance as f64 / u64::MAX as f64;
        whole
            .mul_f64(0.5 + 0.5 * share)
            .clamp(self.least, self.most)
    }

    /// All is well again: the next wait is the shortest.
    pub fn reset(&mut self) {
        self.next = self.least;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LEAST: Duration = Duration::from_millis(100);
    const MOST: Duration = Duration::from_secs(15);

    proptest! {
        #[test]
        fn no_wait_is_shorter_than_the_least_or_longer_than_the_most(chances: Vec<u64>) {
            let mut backoff = Backoff::new(LEAST, MOST);
            for chance in chances {
                let wait = backoff.wait(chance);
                prop_assert!((LEAST..=MOST).contains(&wait), "{wait:?}");
            }
        }
    }

    #[test]
    fn waits_grow_to_the_most_and_start_small_again_after_success() {
        let mut backoff = Backoff::new(LEAST, MOST);
        let waits: Vec<_> = (0..9).map(|_| backoff.wait(u64::MAX).as_millis()).collect();
        assert_eq!(
            waits,
            [100, 200, 400, 800, 1600, 3200, 6400, 12_800, 15_000]
        );
        backoff.reset();
        assert_eq!(backoff.wait(u64::MAX), LEAST);
    }

    #[test]
    fn chance_takes_up_to_half_of_a_wait() {
        let mut backoff = Backoff::new(LEAST, MOST);
        let _first = backoff.wait(0);
        assert_eq!(backoff.wait(0).as_millis(), 100);
        assert_eq!(backoff.wait(u64::MAX / 2).as_millis(), 300);
    }
}
