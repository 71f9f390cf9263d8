//! Go Aeraki's lock: nobody writes while Go Aeraki does.
//!
//! It is a record in an annotation of a ConfigMap in Istio's root namespace. Swapping the image leaves it there, unchanged.
//! So it counts as dead when this process has seen it unchanged for its duration. A record that by its own words is hours
//! old is not waited for: clocks differ by less, and a ConfigMap that was left behind must not slow down every start.

use std::time::{Duration, Instant};

use k8s_openapi::jiff::Timestamp;
use serde::Deserialize;

/// The name of the ConfigMap.
pub(super) const CONFIG_MAP: &str = "aeraki-envoyfilter-controller-election";
const ANNOTATION: &str = "control-plane.alpha.kubernetes.io/leader";
/// Go Aeraki's own duration, for a record that does not say.
const DURATION: Duration = Duration::from_secs(30);
/// So old by the wall clock is dead, whatever clocks do.
const LONG_DEAD: Duration = Duration::from_secs(2 * 3600);

/// What this process has seen of the lock.
#[derive(Debug, Default)]
pub(super) struct Predecessor {
    seen: Option<(String, Instant)>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Record {
    holder_identity: String,
    lease_duration_seconds: u64,
    renew_time: Option<Timestamp>,
}

impl Default for Record {
    fn default() -> Self {
        Self {
            holder_identity: String::new(),
            lease_duration_seconds: DURATION.as_secs(),
            renew_time: None,
        }
    }
}

impl Predecessor {
    /// Whether the lock may still be held, given the annotations of its ConfigMap.
    pub(super) fn is_alive<'a>(
        &mut self,
        annotations: impl IntoIterator<Item = (&'a String, &'a String)>,
        now: Instant,
        wall: Timestamp,
    ) -> bool {
        let text = annotations
            .into_iter()
            .find_map(|(key, value)| (key == ANNOTATION).then_some(value));
        let Some((text, record)) = text.and_then(|text| parsed(text)) else {
            return false;
        };
        if record.holder_identity.is_empty() || is_long_dead(&record, wall) {
            return false;
        }
        let since = match &self.seen {
            Some((seen, since)) if seen == text => *since,
            _ => {
                self.seen = Some((text.to_owned(), now));
                now
            }
        };
        now < since + Duration::from_secs(record.lease_duration_seconds)
    }
}

fn parsed(text: &str) -> Option<(&str, Record)> {
    Some((text, serde_json::from_str(text).ok()?))
}

fn is_long_dead(record: &Record, wall: Timestamp) -> bool {
    let age = record
        .renew_time
        .map(|renewed| wall.duration_since(renewed));
    age.is_some_and(|age| age.unsigned_abs() > LONG_DEAD && age.is_positive())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use rstest::rstest;

    use super::*;

    const WALL: &str = "2026-03-04T12:00:00Z";

    fn wall() -> Timestamp {
        WALL.parse().unwrap()
    }

    fn lock(holder: &str, renewed: &str) -> BTreeMap<String, String> {
        let text = format!(
            r#"{{"holderIdentity":"{holder}","leaseDurationSeconds":30,"acquireTime":"2026-03-04T08:00:00Z","renewTime":"{renewed}","leaderTransitions":3}}"#
        );
        BTreeMap::from([(ANNOTATION.to_owned(), text)])
    }

    #[test]
    fn a_lock_that_changes_is_alive_and_one_that_does_not_dies_after_its_duration() {
        let mut predecessor = Predecessor::default();
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let first = lock("aeraki-0", "2026-03-04T11:59:58Z");
        assert!(predecessor.is_alive(&first, at(0), wall()));
        assert!(predecessor.is_alive(&first, at(29), wall()));
        let renewed = lock("aeraki-0", "2026-03-04T12:00:28Z");
        assert!(predecessor.is_alive(&renewed, at(29), wall()));
        assert!(predecessor.is_alive(&renewed, at(58), wall()));
        assert!(!predecessor.is_alive(&renewed, at(59), wall()));
    }

    #[rstest]
    #[case::released(lock("", WALL))]
    #[case::left_behind_hours_ago(lock("aeraki-0", "2026-03-04T09:59:00Z"))]
    #[case::without_the_annotation(BTreeMap::new())]
    #[case::unreadable(BTreeMap::from([(ANNOTATION.to_owned(), "{".to_owned())]))]
    fn a_lock_that_nobody_can_hold_is_not_waited_for(
        #[case] annotations: BTreeMap<String, String>,
    ) {
        assert!(!Predecessor::default().is_alive(&annotations, Instant::now(), wall()));
    }

    #[rstest]
    #[case::an_hour_behind("2026-03-04T11:00:00Z")]
    #[case::an_hour_ahead("2026-03-04T13:00:00Z")]
    #[case::a_day_ahead("2026-03-05T12:00:00Z")]
    fn clocks_that_differ_do_not_make_it_dead(#[case] renewed: &str) {
        let annotations = lock("aeraki-0", renewed);
        assert!(Predecessor::default().is_alive(&annotations, Instant::now(), wall()));
    }
}
