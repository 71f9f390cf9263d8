//! When to ask istiod about what the API server has told already. No clock.
//!
//! Istiod pushes nothing of a ServiceEntry that `exportTo` hides from our namespace; it answers when asked. Of most others
//! it tells in a moment; and of some never, as it may be set to leave namespaces out. So it is asked about each change that
//! it does not tell, and once more, should its own watch have been late.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use aeraki_core::object::ObjectKey;
use aeraki_core::overlay::Words;

/// From the API server to our stream it takes istiod's 100 ms of debouncing and a push.
const GRACE: Duration = Duration::from_secs(1);

/// After the first question about a change.
const AGAIN: Duration = Duration::from_secs(10);

/// Between two questions: an answer has every ServiceEntry of the mesh, and istiod makes it anew each time.
const BETWEEN: Duration = Duration::from_secs(5);

/// What istiod is late with.
#[derive(Debug, Default)]
pub(super) struct Overdue {
    late: BTreeMap<ObjectKey, Late>,
    asked: Option<Instant>,
}

#[derive(Debug)]
struct Late {
    due: Instant,
    was_asked: bool,
}

impl Overdue {
    /// One of the sources has spoken of a ServiceEntry, of which they said something else `before`.
    pub(super) fn note(&mut self, key: ObjectKey, before: Words, after: Words, now: Instant) {
        let is_news = after.api_server != before.api_server;
        // As where another istiod answers, which has not seen it yet.
        let fell_back = before.agree() && after.api_server.is_some();
        if after.agree() {
            self.late.remove(&key);
        } else if is_news || fell_back {
            let late = Late {
                due: now + GRACE,
                was_asked: false,
            };
            self.late.insert(key, late);
        }
    }

    /// Whether istiod is to be asked for its ServiceEntries now; that counts as done.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        if self.asked.is_some_and(|asked| now < asked + BETWEEN) {
            return false;
        }
        let is_due = self.late.values().any(|late| late.due <= now);
        if is_due {
            self.asked = Some(now);
            self.late
                .retain(|_, late| late.due > now || !late.was_asked);
            for late in self.late.values_mut().filter(|late| late.due <= now) {
                late.due = now + AGAIN;
                late.was_asked = true;
            }
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use aeraki_core::object::Kind;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn words(api_server: Option<u64>, istiod: Option<u64>) -> Words {
        Words { api_server, istiod }
    }

    /// Sources that speak of objects, and the seconds at which istiod is asked.
    struct Play {
        overdue: Overdue,
        words: BTreeMap<&'static str, Words>,
        start: Instant,
    }

    impl Play {
        fn new() -> Self {
            Self {
                overdue: Overdue::default(),
                words: BTreeMap::new(),
                start: Instant::now(),
            }
        }

        fn say(&mut self, name: &'static str, second: u32, api: Option<u64>, istiod: Option<u64>) {
            let after = words(api, istiod);
            let before = self.words.insert(name, after);
            let before = before.unwrap_or(words(None, None));
            let key = ObjectKey::new(Kind::SERVICE_ENTRY, "shop", name);
            let now = self.start + second * SECOND;
            self.overdue.note(key, before, after, now);
        }

        fn asked(&mut self, seconds: std::ops::Range<u32>) -> Vec<u32> {
            let now = |second: &u32| self.start + *second * SECOND;
            seconds.filter(|it| self.overdue.take(now(it))).collect()
        }
    }

    #[test]
    fn who_is_in_time_is_not_asked() {
        let mut play = Play::new();
        play.say("a", 0, Some(1), None);
        play.say("a", 0, Some(1), Some(1));
        // Where istiod is first there is nothing to ask.
        play.say("b", 0, None, Some(1));
        assert!(play.asked(0..60).is_empty());
    }

    #[test]
    fn what_is_never_told_is_asked_about_twice_for_each_change() {
        let mut play = Play::new();
        play.say("a", 0, Some(1), None);
        assert_eq!(play.asked(0..60), [1, 11]);
        // Another word on the same spec.
        play.say("a", 60, Some(1), None);
        assert!(play.asked(60..120).is_empty());
        play.say("a", 120, Some(2), None);
        assert_eq!(play.asked(120..180), [121, 131]);
        play.say("a", 180, None, None);
        assert!(play.asked(180..240).is_empty());
    }

    #[test]
    fn a_change_during_another_has_its_own_grace_and_questions_keep_their_distance() {
        let mut play = Play::new();
        play.say("a", 0, Some(1), None);
        play.say("b", 1, Some(1), None);
        assert_eq!(play.asked(0..2), [1]);
        play.say("a", 1, Some(1), Some(1));
        assert_eq!(play.asked(2..60), [6, 16]);
    }

    #[test]
    fn an_istiod_that_falls_back_is_asked() {
        let mut play = Play::new();
        play.say("a", 0, Some(2), None);
        play.say("a", 0, Some(2), Some(2));
        play.say("a", 5, Some(2), Some(1));
        assert_eq!(play.asked(5..10), [6]);
    }
}
