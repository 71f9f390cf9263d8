//! When to ask istiod about what the API server has told already. No clock.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use aeraki_core::object::ObjectKey;

/// From the API server to our stream it takes istiod's 100 ms of debouncing and a push.
const GRACE: Duration = Duration::from_secs(1);

/// An answer has every ServiceEntry of the mesh, and is made anew for each question.
const REST: Duration = Duration::from_secs(5);

/// What istiod is late with.
#[derive(Debug, Default)]
pub(super) struct Overdue {
    since: BTreeMap<ObjectKey, Instant>,
    asked: Option<Instant>,
}

impl Overdue {
    /// What istiod is to be asked about now, of what the API server is `ahead` with.
    pub(super) fn take(&mut self, ahead: &BTreeSet<ObjectKey>, now: Instant) -> Vec<ObjectKey> {
        self.since.retain(|key, _| ahead.contains(key));
        for key in ahead {
            self.since.entry(key.clone()).or_insert(now);
        }
        if self.asked.is_some_and(|asked| now < asked + REST) {
            return Vec::new();
        }
        let overdue = self.since.extract_if(.., |_, since| now >= *since + GRACE);
        let overdue: Vec<ObjectKey> = overdue.map(|(key, _)| key).collect();
        if !overdue.is_empty() {
            self.asked = Some(now);
        }
        overdue
    }
}

#[cfg(test)]
mod tests {
    use aeraki_core::object::Kind;

    use super::*;

    fn keys(names: &[&str]) -> BTreeSet<ObjectKey> {
        let key = |name: &&str| ObjectKey::new(Kind::SERVICE_ENTRY, "shop", *name);
        names.iter().map(key).collect()
    }

    fn asks(overdue: &mut Overdue, ahead: &[&str], now: Instant) -> BTreeSet<ObjectKey> {
        overdue.take(&keys(ahead), now).into_iter().collect()
    }

    #[test]
    fn who_is_in_time_is_not_asked() {
        let (mut overdue, start) = (Overdue::default(), Instant::now());
        assert_eq!(asks(&mut overdue, &["a"], start), keys(&[]));
        assert_eq!(asks(&mut overdue, &[], start + GRACE), keys(&[]));
        // What comes anew has its own grace.
        let again = start + GRACE + GRACE / 2;
        assert_eq!(asks(&mut overdue, &["a"], again), keys(&[]));
        assert_eq!(asks(&mut overdue, &["a"], again + GRACE), keys(&["a"]));
    }

    #[test]
    fn what_is_too_young_waits_for_the_next_question() {
        let (mut overdue, start) = (Overdue::default(), Instant::now());
        assert_eq!(asks(&mut overdue, &["a"], start), keys(&[]));
        let later = start + GRACE / 2;
        assert_eq!(asks(&mut overdue, &["a", "b"], later), keys(&[]));
        let asked = start + GRACE;
        assert_eq!(asks(&mut overdue, &["a", "b"], asked), keys(&["a"]));
        assert_eq!(asks(&mut overdue, &["b"], later + GRACE), keys(&[]));
        assert_eq!(asks(&mut overdue, &["b"], asked + REST), keys(&["b"]));
    }
}
