//! What is to be written, and whose turn it is. No I/O, no clock, no chance: those come as arguments.
//!
//! Every key has at most one order, the planner's last word, and at most one try under way. A word that comes during a try
//! waits for its end. A try that failed comes again after a pause of the key's own; nobody else waits for it, but for what
//! [`gates`] says.

mod failing;
mod fights;
mod gates;
mod lanes;
mod order;
mod places;
mod stuck;
mod weather;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use aeraki_core::FilterKey;

use super::Pending;
use super::failure::Trouble;
use super::intent::Intent;
use crate::watch::backoff::pause_after;
use failing::Failing;
pub(super) use fights::Contest;
use fights::Fights;
use gates::Gates;
use lanes::{Lane, Lanes};
use order::{Next, Order, Place};
use stuck::Stuck;
use weather::Weather;

/// A batch with no more writes than this overtakes larger ones.
const SMALL: usize = 64;

/// So many objects that failed with no success in between make a storm.
const STORM: usize = 32;

/// Of so many places one is for namespaces in which nothing gets on.
const SHARE_OF_STUCK: usize = 4;

/// Writes wait for so many tries of a deletion that is to go before them.
const PATIENCE: u32 = 3;

/// A word of the planner.
#[derive(Clone, Debug)]
pub(super) struct Word {
    pub(super) key: FilterKey,
    /// What is to be done; nothing any more where there is none.
    pub(super) intent: Option<Intent>,
    /// Deletions in the same batch that must have been done before.
    pub(super) after: Vec<FilterKey>,
}

/// One try to make.
#[derive(Clone, Debug)]
pub(super) struct Task {
    pub(super) key: FilterKey,
    pub(super) intent: Intent,
    /// Whether the last try failed.
    pub(super) is_retry: bool,
}

/// How a try ended.
#[derive(Clone, Debug)]
pub(super) enum End {
    /// A write was done.
    Written,
    /// Nothing was to be done; or the planner has not seen what is there, and will speak again.
    Settled,
    /// We may not write at the moment.
    Fenced,
    /// It failed.
    Failed(Setback),
}

/// A failure, as far as it decides when to try again.
#[derive(Clone, Debug)]
pub(super) struct Setback {
    pub(super) trouble: Trouble,
    /// Whether it is not about this object alone.
    pub(super) is_common: bool,
    /// The longest pause until the next try.
    pub(super) longest: Duration,
    /// How long the API server asks to wait.
    pub(super) rest: Option<Duration>,
}

/// What follows from the end of a try.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Followup {
    /// When it is tried again, after a failure.
    pub(super) again: Option<Duration>,
    /// Failures in a row.
    pub(super) failures: u32,
    /// How many objects are in the same trouble, this one included.
    pub(super) sharing: usize,
    /// Somebody else keeps changing the object back.
    pub(super) contest: Option<Contest>,
}

/// All orders.
#[derive(Debug)]
pub(super) struct Queue {
    limit: usize,
    orders: BTreeMap<FilterKey, Order>,
    lanes: Lanes,
    /// Orders that wait for a time.
    later: BTreeMap<(Instant, u64), FilterKey>,
    tickets: u64,
    in_flight: usize,
    gates: Gates,
    weather: Weather,
    stuck: Stuck,
    fights: Fights,
    failing: Failing,
}

/// Giving orders.
impl Queue {
    /// An empty queue, of which so many orders are tried at once.
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit: limit.max(1),
            orders: BTreeMap::new(),
            lanes: Lanes::default(),
            later: BTreeMap::new(),
            tickets: 0,
            in_flight: 0,
            gates: Gates::default(),
            weather: Weather::foul_after(STORM),
            stuck: Stuck::default(),
            fights: Fights::default(),
            failing: Failing::default(),
        }
    }

    pub(super) fn pending(&self) -> Pending {
        Pending {
            waiting: self.orders.len() - self.in_flight,
            in_flight: self.in_flight,
            failing: self.failing.len(),
        }
    }

    /// Whether some object is in this trouble.
    pub(super) fn has_trouble(&self, trouble: &Trouble) -> bool {
        self.failing.has(trouble)
    }

    /// Takes a batch of the planner's words. Each replaces what was said of its key before.
    pub(super) fn give(&mut self, words: Vec<Word>, now: Instant) {
        let writes = words.iter().filter(|word| word.intent.is_some()).count();
        let lane = if writes <= SMALL {
            Lane::Small
        } else {
            Lane::Large
        };
        let freed = self.build_gates(&words);
        for Word { key, intent, .. } in words {
            match intent {
                None => self.cancel(&key),
                Some(intent) => self.order(&key, intent, lane, now),
            }
        }
        self.place_all(&freed, now);
    }

    /// New deletions of the batch stand behind its writes that are yet to be tried, but for those that are to go first.
    /// Returns who stands behind no gate any more.
    fn build_gates(&mut self, words: &[Word]) -> Vec<FilterKey> {
        let early: BTreeSet<&FilterKey> = words.iter().flat_map(|word| &word.after).collect();
        let (mut writes, mut late, mut freed) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
        for Word { key, intent, .. } in words {
            let before = self.orders.get(key).and_then(Order::latest);
            let sort = |intent: Option<&Intent>| intent.map(Intent::is_deletion);
            let turns = sort(before) != sort(intent.as_ref());
            if turns {
                freed.extend(self.gates.pass(key));
            }
            let is_early = early.contains(key);
            if turns || is_early {
                self.gates.leave(key);
            }
            match intent {
                Some(Intent::Delete) if turns && !is_early => late.insert(key.clone()),
                Some(Intent::Delete) | None => false,
                Some(intent) => {
                    let order = self.orders.get(key);
                    order.is_none_or(|order| order.is_untried(intent)) && writes.insert(key.clone())
                }
            };
        }
        self.gates.build(writes, late);
        for Word { key, after, .. } in words {
            let before = after.iter().cloned().collect();
            self.gates.build(before, BTreeSet::from([key.clone()]));
        }
        freed
    }

    fn order(&mut self, key: &FilterKey, intent: Intent, lane: Lane, now: Instant) {
        match self.orders.get_mut(key) {
            None => {
                self.orders.insert(key.clone(), Order::new(intent, lane));
            }
            Some(order) => {
                if let Place::InFlight { next, .. } = &mut order.place {
                    *next = Some(Next::Order(intent, lane));
                    return;
                }
                if order.change(intent, lane.min(order.lane)) {
                    self.failing.remove(key);
                }
            }
        }
        self.place(key, now);
    }

    fn cancel(&mut self, key: &FilterKey) {
        match self.orders.get_mut(key).map(|order| &mut order.place) {
            Some(Place::InFlight { next, .. }) => *next = Some(Next::Cancelled),
            Some(_) => self.remove(key),
            None => {}
        }
    }

    fn remove(&mut self, key: &FilterKey) {
        self.take_out(key);
        self.orders.remove(key);
        self.failing.remove(key);
    }
}

/// Tries.
impl Queue {
    /// The next try to make now, if one may be made. Its end is to be told.
    pub(super) fn take(&mut self, now: Instant) -> Option<Task> {
        self.recall(now);
        let key = self.next(now)?;
        let order = self.orders.get_mut(&key)?;
        order.place = Place::InFlight {
            began: now,
            next: None,
        };
        self.in_flight += 1;
        let (intent, is_retry) = (order.intent.clone(), order.failures > 0);
        Some(Task {
            key,
            intent,
            is_retry,
        })
    }

    /// Whose turn it is. Namespaces in which nothing gets on come last.
    fn next(&mut self, now: Instant) -> Option<FilterKey> {
        if self.weather.next_probe().is_some_and(|probe| probe > now) {
            return None;
        }
        while self.has_place() {
            let Some(key) = self.lanes.next() else { break };
            if !self.stuck.is_stuck(&key.namespace) {
                return Some(key);
            }
            self.set_aside(&key, now);
        }
        self.has_place_for_stuck().then(|| self.stuck.next(now))?
    }

    /// When the next try may be made, if nothing happens until then.
    pub(super) fn due(&self, now: Instant) -> Option<Instant> {
        if self.is_full() {
            return None;
        }
        let ready = (self.has_place() && !self.lanes.is_empty()).then_some(now);
        let stuck = self.has_place_for_stuck().then(|| self.stuck.due());
        let later = self.later.first_key_value().map(|((due, _), _)| *due);
        let due = [ready, stuck.flatten(), later]
            .into_iter()
            .flatten()
            .min()?;
        Some(
            self.weather
                .next_probe()
                .map_or(due, |probe| due.max(probe)),
        )
    }

    fn is_full(&self) -> bool {
        self.in_flight >= self.limit
    }

    /// In foul weather one try at a time is enough.
    fn has_place(&self) -> bool {
        let others = self.in_flight - self.stuck.probes();
        !self.is_full() && (others == 0 || !self.weather.is_foul())
    }

    fn has_place_for_stuck(&self) -> bool {
        let places = if self.weather.is_foul() {
            1
        } else {
            self.limit.div_ceil(SHARE_OF_STUCK)
        };
        !self.is_full() && self.stuck.probes() < places
    }

    /// A try has ended. `unit` is a random number from 0 to 1.
    pub(super) fn ended(
        &mut self,
        key: &FilterKey,
        end: &End,
        now: Instant,
        unit: f64,
    ) -> Followup {
        let place = self.orders.get_mut(key).map(Order::land);
        let Some(Some((began, next))) = place else {
            return Followup::default();
        };
        self.in_flight -= 1;
        self.stuck.ended(key);
        let mut followup = self.judge(key, end, now, unit);
        match next {
            None => self.rest(key, end, now),
            Some(Next::Cancelled) => self.remove(key),
            Some(Next::Order(intent, lane)) => {
                let order = self.orders.get_mut(key);
                if order.is_some_and(|order| order.change(intent, lane)) {
                    self.failing.remove(key);
                }
                self.place(key, now);
            }
        }
        let failures = self.orders.get(key).map_or(0, |order| order.failures);
        if let End::Failed(setback) = end
            && failures > 0
        {
            let due = due_again(setback, failures, began, now, unit);
            self.take_out(key);
            self.postpone(key, due, setback.rest.is_some());
            followup.again = Some(due.saturating_duration_since(now));
            followup.failures = failures;
            followup.sharing = self.failing.sharing(&setback.trouble);
        }
        followup
    }

    /// What the end of a try says of its object, of the API server, and of others who write.
    fn judge(&mut self, key: &FilterKey, end: &End, now: Instant, unit: f64) -> Followup {
        let mut followup = Followup::default();
        let Some(order) = self.orders.get_mut(key) else {
            return followup;
        };
        order.is_tried |= matches!(end, End::Failed(_));
        match end {
            End::Fenced => return followup,
            End::Failed(setback) => {
                order.failures = order.failures.saturating_add(1);
                order.is_common = setback.is_common;
                self.failing.insert(key, setback.trouble.clone());
            }
            End::Written | End::Settled => {
                order.failures = 0;
                order.is_common = false;
                order.is_tried = false;
                self.failing.remove(key);
            }
        }
        match end {
            End::Written => {
                let mark = order.intent.mark();
                followup.contest = self.fights.wrote(key, mark, now);
                self.clear_up(key);
            }
            End::Failed(setback) if setback.is_common => {
                // A namespace that is stuck by itself says nothing new of the API server.
                if !self.stuck.is_stuck(&key.namespace) || self.weather.is_foul() {
                    self.weather.worsen(key, now, unit, setback.rest);
                }
                self.stuck.worsen(key, now, unit, setback.rest);
            }
            End::Failed(_) => self.clear_up(key),
            End::Settled | End::Fenced => {}
        }
        followup
    }

    /// The planner has said nothing new during the try.
    fn rest(&mut self, key: &FilterKey, end: &End, now: Instant) {
        let failures = self.orders.get(key).map_or(0, |order| order.failures);
        let is_deletion = self.orders.get(key).is_some_and(Order::is_deletion);
        let passes = match end {
            End::Fenced => return self.place(key, now),
            End::Failed(_) => !is_deletion || failures >= PATIENCE,
            End::Written | End::Settled => {
                self.remove(key);
                true
            }
        };
        if passes {
            let freed = self.gates.pass(key);
            self.place_all(&freed, now);
        }
    }

    /// The API server does what it is asked; if that is news, who waits only for that waits no longer.
    fn clear_up(&mut self, key: &FilterKey) {
        let is_news = self.weather.clear();
        let aside = self.stuck.clear(&key.namespace);
        if !is_news && aside.is_none() {
            return;
        }
        for (ticket, key) in aside.unwrap_or_default() {
            self.make_ready(&key, Some(ticket));
        }
        let all = self.later.values();
        let concerned = all.filter(|later| is_news || later.namespace == key.namespace);
        let keys: Vec<FilterKey> = concerned.cloned().collect();
        for key in keys {
            if self.orders.get(&key).is_some_and(Order::awaits_weather) {
                self.unpostpone(&key);
            }
        }
    }
}

/// Pauses count from the beginning of the try: one that had to wait for an answer has had its pause.
fn due_again(setback: &Setback, failures: u32, began: Instant, now: Instant, unit: f64) -> Instant {
    let pause = pause_after(failures - 1, setback.longest, unit);
    let rested = now + setback.rest.unwrap_or_default();
    rested.max(began + pause)
}
