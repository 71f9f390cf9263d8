//! The fence: until when this process may write.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Until when this process may write, shared by all who write.
///
/// It closes by the clock alone, so it is closed after a deadline even if the task that moves the deadline hangs.
#[derive(Clone, Debug)]
pub struct Fence {
    base: Instant,
    /// Nanoseconds after `base`.
    until: Arc<AtomicU64>,
}

impl Fence {
    /// A fence that is closed until it is told otherwise.
    #[must_use]
    pub fn closed() -> Self {
        Self {
            base: Instant::now(),
            until: Arc::new(AtomicU64::new(0)),
        }
    }

    /// A fence that never closes: for a process without leader election.
    #[must_use]
    pub fn open() -> Self {
        let fence = Self::closed();
        fence.until.store(u64::MAX, Ordering::SeqCst);
        fence
    }

    /// Whether a write may start now.
    #[must_use]
    pub fn may_write(&self) -> bool {
        self.may_write_at(Instant::now())
    }

    fn may_write_at(&self, now: Instant) -> bool {
        nanoseconds(now.saturating_duration_since(self.base)) < self.until.load(Ordering::SeqCst)
    }

    /// Lets writes start until then; closes it at once if there is no such time.
    pub(crate) fn set(&self, until: Option<Instant>) {
        let after = until.map_or(0, |until| {
            nanoseconds(until.saturating_duration_since(self.base))
        });
        self.until.store(after, Ordering::SeqCst);
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fence_closes_by_the_clock_alone() {
        let fence = Fence::closed();
        let now = Instant::now();
        assert!(!fence.may_write_at(now));
        fence.set(Some(now + Duration::from_secs(10)));
        assert!(fence.may_write_at(now + Duration::from_secs(9)));
        assert!(!fence.may_write_at(now + Duration::from_secs(10)));
    }

    #[test]
    fn a_fence_can_be_closed_early_and_every_holder_sees_it() {
        let fence = Fence::closed();
        let seen_by_writer = fence.clone();
        fence.set(Some(Instant::now() + Duration::from_secs(3600)));
        assert!(seen_by_writer.may_write());
        fence.set(None);
        assert!(!seen_by_writer.may_write());
    }

    #[test]
    fn without_an_election_it_never_closes() {
        let fence = Fence::open();
        assert!(fence.may_write_at(Instant::now() + Duration::from_secs(1 << 30)));
    }
}
