//! Which Event is to be sent next, and when: each once, again now and then while it is true, and not too many at once.
//!
//! Pure; time is what the caller says it is.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use super::notice::Notice;

/// While a notice is true it is told again after so long. The API server forgets an Event after an hour.
const AGAIN: Duration = Duration::from_secs(20 * 60);

/// What could not be sent is tried again after so long.
const RETRY: Duration = Duration::from_secs(60);

/// So many may be sent at once after a quiet time.
const BURST: f64 = 50.0;

/// So many are sent each second when there are many.
const RATE: f64 = 5.0;

/// What has been told, and what is to be.
#[derive(Debug)]
pub(super) struct Ledger {
    entries: HashMap<Arc<Notice>, Entry>,
    /// Never told. Warnings go first.
    fresh: BTreeSet<(Reverse<bool>, Arc<Notice>)>,
    /// Told, and when they may be again.
    told: BTreeSet<(Duration, Arc<Notice>)>,
    tokens: f64,
    filled: Duration,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    /// How often it has been told.
    count: u32,
    /// Whether it is true by now.
    is_true: bool,
    again: Duration,
}

/// What to do next.
#[derive(PartialEq, Debug)]
pub(super) enum Next {
    /// Send this.
    Send(Dispatch),
    /// Nothing for so long.
    Wait(Duration),
    /// Nothing until something new is observed.
    Idle,
}

/// An Event to be sent.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Dispatch {
    pub(super) notice: Arc<Notice>,
    /// How often it will have been told.
    pub(super) count: u32,
}

impl Default for Ledger {
    fn default() -> Self {
        Self {
            entries: HashMap::new(),
            fresh: BTreeSet::new(),
            told: BTreeSet::new(),
            tokens: BURST,
            filled: Duration::ZERO,
        }
    }
}

impl Ledger {
    /// Takes in all that is true by now.
    pub(super) fn observe(&mut self, notices: Vec<Notice>) {
        let current: HashSet<Arc<Notice>> = notices.into_iter().map(Arc::new).collect();
        for notice in &current {
            match self.entries.get_mut(notice) {
                Some(entry) => entry.is_true = true,
                None => self.enter(notice),
            }
        }
        let fresh = &mut self.fresh;
        self.entries.retain(|notice, entry| {
            entry.is_true = current.contains(notice);
            if !entry.is_true && entry.count == 0 {
                fresh.remove(&fresh_place(notice));
            }
            // What comes and goes is not told anew each time.
            entry.is_true || entry.count > 0
        });
    }

    fn enter(&mut self, notice: &Arc<Notice>) {
        let entry = Entry {
            count: 0,
            is_true: true,
            again: Duration::ZERO,
        };
        self.entries.insert(Arc::clone(notice), entry);
        self.fresh.insert(fresh_place(notice));
    }

    /// What to do next. What it says to send counts as sent.
    pub(super) fn next(&mut self, now: Duration) -> Next {
        self.drop_bygone(now);
        let notice = match (self.fresh.first(), self.told.first()) {
            (Some((_, notice)), _) => Arc::clone(notice),
            (None, Some((again, notice))) if *again <= now => Arc::clone(notice),
            (None, Some((again, _))) => return Next::Wait(*again - now),
            (None, None) => return Next::Idle,
        };
        match self.take_token(now) {
            Ok(()) => Next::Send(self.tell(notice, now)),
            Err(wait) => Next::Wait(wait),
        }
    }

    /// It could not be sent.
    pub(super) fn failed(&mut self, notice: &Arc<Notice>, now: Duration) {
        self.postpone(notice, now + RETRY);
    }

    /// It was not to be sent after all: it is due as before.
    pub(super) fn put_back(&mut self, notice: &Arc<Notice>, now: Duration) {
        self.postpone(notice, now);
    }

    /// It counts as not sent; it is next told at this time.
    fn postpone(&mut self, notice: &Arc<Notice>, again: Duration) {
        let Some(entry) = self.entries.get_mut(notice) else {
            return;
        };
        self.told.remove(&(entry.again, Arc::clone(notice)));
        entry.again = again;
        entry.count = entry.count.saturating_sub(1).max(1);
        self.told.insert((entry.again, Arc::clone(notice)));
    }

    fn tell(&mut self, notice: Arc<Notice>, now: Duration) -> Dispatch {
        let entry = self
            .entries
            .get_mut(&notice)
            .expect("what is queued has an entry");
        self.fresh.remove(&fresh_place(&notice));
        self.told.remove(&(entry.again, Arc::clone(&notice)));
        entry.count += 1;
        entry.again = now + AGAIN;
        self.told.insert((entry.again, Arc::clone(&notice)));
        Dispatch {
            count: entry.count,
            notice,
        }
    }

    /// Forgets what is no longer true once it could be told again.
    fn drop_bygone(&mut self, now: Duration) {
        while let Some((again, notice)) = self.told.first() {
            if *again > now || self.entries.get(notice).is_some_and(|entry| entry.is_true) {
                return;
            }
            self.entries.remove(notice);
            self.told.pop_first();
        }
    }

    fn take_token(&mut self, now: Duration) -> Result<(), Duration> {
        let passed = now.saturating_sub(self.filled).as_secs_f64();
        self.tokens = (self.tokens + passed * RATE).min(BURST);
        self.filled = self.filled.max(now);
        if self.tokens < 1.0 {
            return Err(Duration::from_secs_f64((1.0 - self.tokens) / RATE));
        }
        self.tokens -= 1.0;
        Ok(())
    }
}

fn fresh_place(notice: &Arc<Notice>) -> (Reverse<bool>, Arc<Notice>) {
    (Reverse(notice.is_warning), Arc::clone(notice))
}

#[cfg(test)]
mod tests;
