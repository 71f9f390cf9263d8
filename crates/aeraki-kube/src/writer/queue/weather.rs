//! Whether it is the API server that fails, or all of a namespace, and not this or that object: then it is asked seldom,
//! until it is well.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use aeraki_core::FilterKey;

use crate::watch::backoff::pause_after;

/// The longest time between two probes.
const LONGEST: Duration = Duration::from_secs(2);

/// What the last tries say of all objects as a whole.
#[derive(Debug)]
pub(super) struct Weather {
    /// So many objects that failed with no success in between make it foul.
    storm: usize,
    /// Whose tries failed since the last success; no more than it takes.
    failing: BTreeSet<FilterKey>,
    /// Probes that failed in a row.
    probes: u32,
    next_probe: Option<Instant>,
}

impl Weather {
    /// Fair weather, until so many objects have failed with no success in between.
    pub(super) const fn foul_after(storm: usize) -> Self {
        Self {
            storm,
            failing: BTreeSet::new(),
            probes: 0,
            next_probe: None,
        }
    }

    /// Whether one request at a time is enough.
    pub(super) fn is_foul(&self) -> bool {
        self.failing.len() >= self.storm
    }

    /// From when on the next request may be sent, in foul weather.
    pub(super) fn next_probe(&self) -> Option<Instant> {
        self.next_probe.filter(|_| self.is_foul())
    }

    /// The API server did what it was asked, or had its reasons not to. Whether that is news.
    pub(super) fn clear(&mut self) -> bool {
        let was_foul = self.is_foul();
        *self = Self::foul_after(self.storm);
        was_foul
    }

    /// The API server failed; it may have said how long to leave it alone.
    pub(super) fn worsen(
        &mut self,
        key: &FilterKey,
        now: Instant,
        unit: f64,
        rest: Option<Duration>,
    ) {
        if !self.is_foul() {
            self.failing.insert(key.clone());
        }
        if self.is_foul() {
            let pause = pause_after(self.probes, LONGEST, unit);
            self.probes = self.probes.saturating_add(1);
            self.next_probe = Some(now + pause.max(rest.unwrap_or_default()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STORM: usize = 32;

    fn key(n: usize) -> FilterKey {
        FilterKey {
            namespace: "shop".into(),
            name: n.to_string().into(),
        }
    }

    #[test]
    fn many_objects_that_fail_make_a_storm_and_one_alone_never_does() {
        let (mut weather, now) = (Weather::foul_after(STORM), Instant::now());
        for _ in 0..1000 {
            weather.worsen(&key(0), now, 1.0, None);
        }
        assert!(!weather.is_foul());
        for n in 1..STORM {
            assert_eq!(weather.next_probe(), None);
            weather.worsen(&key(n), now, 1.0, None);
        }
        assert_eq!(weather.next_probe(), Some(now + Duration::from_millis(400)));
        for _ in 0..9 {
            weather.worsen(&key(0), now, 1.0, None);
        }
        assert_eq!(weather.next_probe(), Some(now + LONGEST));
        assert!(weather.clear() && !weather.is_foul() && !weather.clear());
    }

    #[test]
    fn a_server_that_asks_for_a_rest_gets_it() {
        let (mut weather, now) = (Weather::foul_after(STORM), Instant::now());
        for n in 0..STORM {
            weather.worsen(&key(n), now, 1.0, Some(Duration::from_secs(7)));
        }
        assert_eq!(weather.next_probe(), Some(now + Duration::from_secs(7)));
    }
}
