//! How long to wait after a failure: longer each time, and never quite as long as anybody else.

use std::time::Duration;

use crate::jitter;

/// The shortest pause, before jitter.
const SHORTEST: Duration = Duration::from_millis(400);

/// The longest pause, where nothing else is said: short enough that the view is whole again ten seconds after the API server is.
pub(crate) const LONGEST: Duration = Duration::from_secs(8);

/// Pauses after failures in a row.
#[derive(Default, Debug)]
pub(crate) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The pause after one more failure.
    pub(crate) fn pause(&mut self) -> Duration {
        let pause = self.pause_by(jitter::unit());
        self.failures = self.failures.saturating_add(1);
        pause
    }

    /// It works again.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }

    fn pause_by(&self, unit: f64) -> Duration {
        pause_after(self.failures, LONGEST, unit)
    }
}

/// The pause after so many failures before the last one: from half of it to all of it, as `unit` is from 0 to 1.
pub(crate) fn pause_after(failures: u32, longest: Duration, unit: f64) -> Duration {
    let doubled = SHORTEST.saturating_mul(1 << failures.min(16));
    doubled.min(longest).mul_f64(0.5 + unit / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_start_anew() {
        let whole = |failures| Backoff { failures }.pause_by(1.0).as_millis();
        let pauses: Vec<_> = [0, 1, 2, 4, 5, 31, u32::MAX].map(whole).into();
        assert_eq!(pauses, [400, 800, 1600, 6400, 8000, 8000, 8000]);
        let mut backoff = Backoff { failures: 9 };
        backoff.reset();
        assert!(backoff.pause() <= SHORTEST);
    }

    #[test]
    fn jitter_takes_up_to_half_of_a_pause() {
        let backoff = Backoff { failures: 1 };
        assert_eq!(backoff.pause_by(0.0).as_millis(), 400);
        assert_eq!(backoff.pause_by(0.5).as_millis(), 600);
    }
}
