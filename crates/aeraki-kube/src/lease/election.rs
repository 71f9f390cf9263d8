//! The election as a machine: what to ask of the API server, and what its answers make of us. No I/O, no clock.

use std::time::{Duration, Instant};

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;

/// How long things last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// Others wait so long after the last change that they saw before they take the lease.
    pub lease: Duration,
    /// The holder stops writing so long after it began its last successful renewal.
    pub renew: Duration,
    /// Between two tries.
    pub retry: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(15),
            renew: Duration::from_secs(10),
            retry: Duration::from_secs(2),
        }
    }
}

/// What to ask of the API server.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// Read the Lease.
    Read,
    /// Make it, held by us.
    Create(LeaseSpec),
    /// Write this one, in place of the version that it carries.
    Replace(Box<Lease>),
}

/// What it answered.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// The Lease as it is: the answer to [`Request::Read`].
    Found(Box<Lease>),
    /// There is none.
    Missing,
    /// The Lease as it was written.
    Written(Box<Lease>),
    /// Someone else wrote in between.
    Conflict,
    /// No usable answer: it may have been written or not.
    Failed,
}

/// One candidate's view of the election.
#[derive(Debug)]
pub struct Election {
    identity: String,
    timing: Timing,
    seen: Option<Seen>,
    next: Next,
    /// Since when we hold it without a gap, and until when that lets us write.
    held: Option<Instant>,
}

/// The Lease as this process saw it last, and when it saw it change.
#[derive(Debug)]
struct Seen {
    lease: Box<Lease>,
    changed: Instant,
}

/// What comes next, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// Read it: what we know may be old.
    Read(Instant),
    /// Write it from what we know.
    Write(Instant),
    /// Make it: there was none.
    Create,
    /// Wait for an answer.
    Answer,
}

impl Election {
    /// A candidate that has seen nothing yet and looks at once.
    #[must_use]
    pub fn new(identity: impl Into<String>, timing: Timing, now: Instant) -> Self {
        Self {
            identity: identity.into(),
            timing,
            seen: None,
            next: Next::Read(now),
            held: None,
        }
    }

    /// Until when we may write, if we hold the Lease at `now`.
    #[must_use]
    pub fn leads_until(&self, now: Instant) -> Option<Instant> {
        self.held.filter(|until| now < *until)
    }

    /// Who holds it, as far as we have seen.
    #[must_use]
    pub fn holder(&self) -> Option<&str> {
        let holder = self.spec()?.holder_identity.as_deref()?;
        (!holder.is_empty()).then_some(holder)
    }

    /// Whether the API server has told who holds it, or that nobody does.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.seen.is_some()
    }

    /// When [`Election::request`] will have something to ask; `None` while an answer is awaited.
    #[must_use]
    pub fn due(&self, now: Instant) -> Option<Instant> {
        match self.next {
            Next::Read(at) | Next::Write(at) => Some(at),
            Next::Create => Some(now),
            Next::Answer => None,
        }
    }

    /// What to ask at `now`; `wall` is what goes into the record for people to read.
    pub fn request(&mut self, now: Instant, wall: &MicroTime) -> Option<Request> {
        let request = match self.next {
            Next::Read(at) if at <= now => Request::Read,
            Next::Write(at) if at <= now => self.claim(wall).unwrap_or(Request::Read),
            Next::Create => Request::Create(self.record(None, wall)),
            Next::Read(_) | Next::Write(_) | Next::Answer => return None,
        };
        self.next = Next::Answer;
        Some(request)
    }

    /// Takes the answer to a request that began at `began`; `jitter` (0 to 1) spreads the next one.
    pub fn answer(&mut self, answer: Answer, began: Instant, now: Instant, jitter: f64) {
        match answer {
            Answer::Found(lease) => {
                self.see(lease, now);
                self.next = if self.may_claim(now) {
                    Next::Write(now)
                } else {
                    Next::Read(now + self.follower_pause(jitter))
                };
            }
            Answer::Missing => {
                self.seen = None;
                self.held = None;
                self.next = Next::Create;
            }
            Answer::Written(lease) => {
                self.see(lease, now);
                if self.is_ours() {
                    self.held = Some(began + self.timing.renew);
                }
                self.next = Next::Write(now + self.timing.retry);
            }
            Answer::Conflict => self.next = Next::Read(now + self.follower_pause(jitter) / 10),
            Answer::Failed => self.next = Next::Read(now + self.follower_pause(jitter)),
        }
    }

    /// What to write so that others need not wait for a Lease of ours to run out; nothing if it is not ours.
    ///
    /// As in client-go, the record stays, without a holder and for one second. Close the fence first.
    pub fn release(&mut self, wall: &MicroTime) -> Option<Request> {
        self.held = None;
        self.next = Next::Answer;
        if !self.is_ours() {
            return None;
        }
        let mut lease = self.seen.as_ref()?.lease.clone();
        let spec = lease.spec.get_or_insert_default();
        spec.holder_identity = Some(String::new());
        spec.lease_duration_seconds = Some(1);
        spec.acquire_time = Some(wall.clone());
        spec.renew_time = Some(wall.clone());
        Some(Request::Replace(lease))
    }

    /// Remembers a Lease; if its record is not the one we knew, its time starts anew.
    fn see(&mut self, lease: Box<Lease>, now: Instant) {
        let same = self.spec().is_some() && self.spec() == lease.spec.as_ref();
        let changed = match &self.seen {
            Some(seen) if same => seen.changed,
            _ => now,
        };
        self.seen = Some(Seen { lease, changed });
        if !self.is_ours() {
            self.held = None;
        }
    }

    fn spec(&self) -> Option<&LeaseSpec> {
        self.seen.as_ref()?.lease.spec.as_ref()
    }

    fn is_ours(&self) -> bool {
        self.holder() == Some(self.identity.as_str())
    }

    /// Free, ours, or unchanged for as long as its holder asked for.
    fn may_claim(&self, now: Instant) -> bool {
        let Some(seen) = &self.seen else {
            return false;
        };
        self.holder().is_none() || self.is_ours() || seen.changed + self.duration() <= now
    }

    /// How long the record that we saw says that it lasts.
    fn duration(&self) -> Duration {
        let seconds = self.spec().and_then(|spec| spec.lease_duration_seconds);
        let seconds = seconds.and_then(|seconds| u64::try_from(seconds).ok());
        seconds.map_or(self.timing.lease, Duration::from_secs)
    }

    fn claim(&self, wall: &MicroTime) -> Option<Request> {
        let mut lease = self.seen.as_ref()?.lease.clone();
        lease.spec = Some(self.record(lease.spec.as_ref(), wall));
        Some(Request::Replace(lease))
    }

    /// The record that says that we hold it.
    fn record(&self, before: Option<&LeaseSpec>, wall: &MicroTime) -> LeaseSpec {
        let kept = before.filter(|before| {
            before.holder_identity.as_deref() == Some(self.identity.as_str())
                && before.acquire_time.is_some()
        });
        let transitions = before.and_then(|before| before.lease_transitions);
        LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: i32::try_from(self.timing.lease.as_secs()).ok(),
            acquire_time: kept.map_or_else(|| Some(wall.clone()), |kept| kept.acquire_time.clone()),
            renew_time: Some(wall.clone()),
            lease_transitions: match (before, kept) {
                (None, _) => Some(0),
                (Some(_), Some(_)) => transitions,
                (Some(_), None) => Some(transitions.unwrap_or(0).saturating_add(1)),
            },
            ..LeaseSpec::default()
        }
    }

    /// Half to nine tenths of the pause of a holder.
    fn follower_pause(&self, jitter: f64) -> Duration {
        self.timing
            .retry
            .mul_f64(0.5 + 0.4 * jitter.clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests;
