//! Whether this process lives and whether it is ready, for whoever asks.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The loop beats at least so often when all is well; silence of this length means that it hangs.
const SILENCE: Duration = Duration::from_secs(30);

/// What the process knows of its own state. Shared by those who change it and those who ask.
#[derive(Debug)]
pub(super) struct Health {
    start: Instant,
    /// Milliseconds after the start.
    beat: AtomicU64,
    is_synced: AtomicBool,
    is_role_known: AtomicBool,
}

/// One thing that must be so.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Check {
    /// What.
    pub(super) name: &'static str,
    /// Whether it is.
    pub(super) holds: bool,
}

impl Health {
    /// Of a process that has just begun.
    pub(super) fn new() -> Self {
        Self {
            start: Instant::now(),
            beat: AtomicU64::new(0),
            is_synced: AtomicBool::new(false),
            is_role_known: AtomicBool::new(false),
        }
    }

    /// The loop has come round.
    pub(super) fn beat(&self) {
        let now = self.start.elapsed().as_millis();
        let now = u64::try_from(now).unwrap_or(u64::MAX);
        self.beat.store(now, Ordering::Relaxed);
    }

    /// Everything has been seen once. That is not taken back: a follower that lost istiod has still its old world.
    pub(super) fn synced(&self) {
        self.is_synced.store(true, Ordering::Relaxed);
    }

    /// It is known who leads.
    pub(super) fn role_known(&self) {
        self.is_role_known.store(true, Ordering::Relaxed);
    }

    /// Whether the process lives.
    pub(super) fn live(&self) -> Check {
        self.live_at(self.start.elapsed())
    }

    fn live_at(&self, elapsed: Duration) -> Check {
        let beat = Duration::from_millis(self.beat.load(Ordering::Relaxed));
        Check {
            name: "loop",
            holds: elapsed.saturating_sub(beat) < SILENCE,
        }
    }

    /// All that must hold for it to be ready.
    pub(super) fn ready(&self) -> [Check; 3] {
        let check = |name, flag: &AtomicBool| Check {
            name,
            holds: flag.load(Ordering::Relaxed),
        };
        [
            self.live(),
            check("config", &self.is_synced),
            check("leader", &self.is_role_known),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_ready_when_it_has_seen_everything_and_knows_its_role() {
        let health = Health::new();
        let ready = || health.ready().iter().all(|check| check.holds);
        assert!(!ready());
        health.synced();
        assert!(!ready());
        health.role_known();
        assert!(ready());
    }

    #[test]
    fn a_loop_that_is_silent_too_long_is_dead() {
        let health = Health::new();
        assert!(health.live_at(SILENCE / 2).holds);
        assert!(!health.live_at(SILENCE * 2).holds);
    }
}
