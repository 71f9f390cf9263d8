//! Objects that somebody else changes back again and again: they are repaired ever less often.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use aeraki_core::FilterKey;

use crate::writer::intent::Mark;

/// More repairs of one object than this in [`WINDOW`] are a fight.
const REPAIRS: usize = 5;
const WINDOW: Duration = Duration::from_secs(60);

/// The first pause in a fight, and the longest.
const SHORTEST: Duration = Duration::from_secs(10);
const LONGEST: Duration = Duration::from_secs(300);

/// What was written of late. To write the same once more is a repair.
#[derive(Debug, Default)]
pub(super) struct Fights {
    written: BTreeMap<FilterKey, Record>,
    swept: Option<Instant>,
}

#[derive(Debug)]
struct Record {
    mark: Mark,
    last: Instant,
    /// Repairs within the window.
    repairs: Vec<Instant>,
    /// How many pauses there were; none outside of a fight.
    rounds: u32,
}

/// A fight over an object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::writer) struct Contest {
    /// How long the next repair waits.
    pub(in crate::writer) pause: Duration,
    /// Whether it has just begun.
    pub(in crate::writer) is_new: bool,
}

impl Fights {
    /// A write succeeded. Says so if it is one of a fight.
    pub(super) fn wrote(&mut self, key: &FilterKey, mark: Mark, now: Instant) -> Option<Contest> {
        self.sweep(now);
        match self.written.get_mut(key) {
            Some(record) if record.mark == mark => record.repaired(now),
            _ => {
                let record = Record {
                    mark,
                    last: now,
                    repairs: Vec::new(),
                    rounds: 0,
                };
                self.written.insert(key.clone(), record);
                None
            }
        }
    }

    /// When it may be written, if it has to wait because it is fought over.
    pub(super) fn not_before(
        &self,
        key: &FilterKey,
        mark: impl FnOnce() -> Mark,
    ) -> Option<Instant> {
        let record = self.written.get(key)?;
        let is_repair = record.rounds > 0 && record.mark == mark();
        is_repair.then(|| record.last + record.pause())
    }

    /// Forgets what is long past.
    fn sweep(&mut self, now: Instant) {
        let swept = *self.swept.get_or_insert(now);
        if now.saturating_duration_since(swept) > WINDOW {
            self.swept = Some(now);
            self.written.retain(|_, record| !record.is_past(now));
        }
    }
}

impl Record {
    fn repaired(&mut self, now: Instant) -> Option<Contest> {
        if self.is_past(now) {
            self.rounds = 0;
        }
        self.last = now;
        self.repairs
            .retain(|at| now.saturating_duration_since(*at) < WINDOW);
        self.repairs.push(now);
        let is_new = self.rounds == 0;
        if is_new && self.repairs.len() <= REPAIRS {
            return None;
        }
        self.rounds = self.rounds.saturating_add(1);
        let pause = self.pause();
        Some(Contest { pause, is_new })
    }

    fn pause(&self) -> Duration {
        let doubled = SHORTEST.saturating_mul(1 << self.rounds.saturating_sub(1).min(16));
        doubled.min(LONGEST)
    }

    /// Whether the object has been left alone for so long that a fight would be a new one.
    fn is_past(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.last) > WINDOW.max(self.pause() * 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> FilterKey {
        FilterKey {
            namespace: "shop".into(),
            name: "a".into(),
        }
    }

    #[test]
    fn a_fight_slows_repairs_down_and_is_told_once() {
        let (mut fights, mut now) = (Fights::default(), Instant::now());
        for _ in 0..=REPAIRS {
            assert_eq!(fights.wrote(&key(), Some(1), now), None);
            assert_eq!(fights.not_before(&key(), || Some(1)), None);
            now += Duration::from_secs(1);
        }
        let mut pauses = Vec::new();
        for round in 0..7 {
            let contest = fights.wrote(&key(), Some(1), now).expect("a fight");
            assert_eq!(contest.is_new, round == 0);
            pauses.push(contest.pause.as_secs());
            let due = fights.not_before(&key(), || Some(1)).expect("a pause");
            assert_eq!(due, now + contest.pause);
            now = due;
        }
        assert_eq!(pauses, [10, 20, 40, 80, 160, 300, 300]);
    }

    #[test]
    fn what_is_newly_wanted_is_no_repair() {
        let (mut fights, now) = (Fights::default(), Instant::now());
        for _ in 0..20 {
            fights.wrote(&key(), Some(1), now);
        }
        assert_eq!(fights.not_before(&key(), || Some(2)), None);
        for n in 0..20 {
            assert_eq!(fights.wrote(&key(), Some(n), now), None);
        }
    }

    #[test]
    fn repairs_now_and_then_are_no_fight() {
        let (mut fights, mut now) = (Fights::default(), Instant::now());
        for _ in 0..100 {
            assert_eq!(fights.wrote(&key(), None, now), None);
            now += Duration::from_secs(13);
        }
    }

    #[test]
    fn a_fight_that_is_over_is_forgotten() {
        let (mut fights, now) = (Fights::default(), Instant::now());
        for _ in 0..10 {
            fights.wrote(&key(), Some(1), now);
        }
        let later = now + Duration::from_secs(3600);
        assert_eq!(fights.wrote(&key(), Some(1), later), None);
        assert_eq!(fights.not_before(&key(), || Some(1)), None);
    }
}
