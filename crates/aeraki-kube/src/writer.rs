//! Writes EnvoyFilters as the planner wants them.
//!
//! ```text
//!  planner ── Orders ──▶ Queue (pure: whose turn, when again) ──▶ Courier: one try ──▶ API server
//!                          ▲                                         │ what is there, by Filters
//!                          └───────────── how it ended ──────────────┴──▶ Outcome ──▶ metrics, Events
//! ```
//!
//! Whoever plans says what is to be done for a key, and may say so again: it is done once. Each request asks the
//! [`Fence`] first; behind a closed one all orders wait, so that a follower that becomes the leader
//! has them at hand. Objects that are not ours are never written, whatever was ordered.
//!
//! Updates replace the whole object of a known version, deletions name it, creations fail where something is: nothing that
//! we have not seen is ever written over. kube's client logs each answer of 5xx as an error of its own, under the target
//! `kube_client`; this module logs each trouble once.

mod attempt;
mod failure;
mod intent;
mod overlap;
mod queue;
mod report;
mod wire;

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use aeraki_core::FilterKey;
use aeraki_core::plan::Action;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use kube::Client;
use tokio::sync::{Notify, mpsc};
use tokio::time::{sleep_until, timeout};
use tracing::warn;

use crate::filters::Filters;
use crate::jitter;
use crate::lease::Fence;
use attempt::{Courier, Report};
pub use failure::{Failure, Reason};
use intent::Intent;
pub use intent::Verb;
use queue::{End, Queue, Word};
use report::Log;

/// How often a closed fence is looked at; it opens without a sound.
const FENCE: Duration = Duration::from_millis(500);

/// With nothing to do there is nothing to look at.
const IDLE: Duration = Duration::from_secs(3600);

/// How long what is in flight may take to end when we are told to stop.
const GRACE: Duration = Duration::from_secs(3);

type Tries = FuturesUnordered<BoxFuture<'static, Report>>;

/// How the writer works.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WriterOptions {
    /// How many objects are written at once.
    pub in_flight: usize,
    /// How long one request may take. No longer than a lease outlives the last write under it: `lease - renew`.
    pub answer: Duration,
}

impl Default for WriterOptions {
    fn default() -> Self {
        Self {
            in_flight: 32,
            answer: Duration::from_secs(5),
        }
    }
}

/// Writes what is ordered.
pub struct Writer {
    courier: Courier,
    shared: Arc<Shared>,
    outcomes: mpsc::UnboundedSender<Outcome>,
    log: Log,
}

/// Where orders are given; clones share it.
#[derive(Clone, Debug)]
pub struct Orders {
    shared: Arc<Shared>,
    filters: Filters,
}

#[derive(Debug)]
struct Shared {
    queue: Mutex<Queue>,
    news: Notify,
}

/// How much is still to be done.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Pending {
    /// Objects whose turn has not come, or not come again.
    pub waiting: usize,
    /// Objects that are being written.
    pub in_flight: usize,
    /// Objects whose last try failed, wherever they stand.
    pub failing: usize,
}

impl Pending {
    /// Whether nothing is left to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting + self.in_flight == 0
    }
}

/// How a try ended for which something was sent, or that was refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outcome {
    /// The EnvoyFilter.
    pub key: FilterKey,
    /// What was tried.
    pub verb: Verb,
    /// Whether it is done now. After failures it may also have been done by somebody else.
    pub result: Result<(), Failure>,
    /// From the first request of the try to the last answer.
    pub took: Duration,
    /// Somebody else keeps changing the object back: it is next repaired after so long.
    pub contested: Option<Duration>,
}

impl Orders {
    /// Takes new answers of the planner as one batch; `None` cancels what has not begun. Each replaces every earlier one for
    /// its key.
    pub fn give(&self, actions: impl IntoIterator<Item = (FilterKey, Option<Action>)>) {
        let intents = actions
            .into_iter()
            .map(|(key, action)| (key, action.and_then(Intent::of)));
        // A key that is there twice counts as it was given last.
        let intents: BTreeMap<_, _> = intents.collect();
        let words = intents.into_iter().map(|(key, intent)| Word {
            key,
            intent,
            after: Vec::new(),
        });
        let mut words: Vec<Word> = words.collect();
        overlap::arrange(&mut words, &self.filters);
        self.shared.queue().give(words, Instant::now());
        self.wake();
    }

    /// Something changed that may let writes go on: the role, the fence.
    pub fn wake(&self) {
        self.shared.news.notify_one();
    }

    /// How much is still to be done.
    #[must_use]
    pub fn pending(&self) -> Pending {
        self.shared.queue().pending()
    }
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Writer {
    /// A writer of what is given to the [`Orders`]; it tells how each try ends. `filters` must be followed by somebody.
    #[must_use]
    pub fn new(
        client: Client,
        filters: Filters,
        fence: Fence,
        options: WriterOptions,
    ) -> (Self, Orders, mpsc::UnboundedReceiver<Outcome>) {
        let shared = Arc::new(Shared {
            queue: Mutex::new(Queue::new(options.in_flight)),
            news: Notify::new(),
        });
        let orders = Orders {
            shared: Arc::clone(&shared),
            filters: filters.clone(),
        };
        let courier = Courier {
            client,
            filters,
            fence,
            answer: options.answer,
        };
        let (outcomes, told) = mpsc::unbounded_channel();
        let log = Log::default();
        let writer = Self {
            courier,
            shared,
            outcomes,
            log,
        };
        (writer, orders, told)
    }

    /// Writes until `stop` is ready; then begins nothing new, and gives what is in flight a few seconds to end.
    pub async fn run(mut self, stop: impl Future<Output = ()>) {
        tokio::pin!(stop);
        let mut tries = Tries::new();
        loop {
            let due = self.begin(&mut tries);
            tokio::select! {
                () = &mut stop => break,
                Some(report) = tries.next() => self.end(report),
                () = self.shared.news.notified() => {}
                () = sleep_until(due.into()) => {}
            }
        }
        let rest = timeout(GRACE, async {
            while let Some(report) = tries.next().await {
                self.end(report);
            }
        });
        if rest.await.is_err() {
            warn!(
                left = tries.len(),
                "Stopped before every write was answered"
            );
        }
    }

    /// Begins what may begin now; returns when to look again, if nothing happens until then.
    fn begin(&mut self, tries: &mut Tries) -> Instant {
        let mut queue = self.shared.queue();
        self.log.close(|trouble| queue.has_trouble(trouble));
        let now = Instant::now();
        if !self.courier.fence.may_write() {
            return now + queue.due(now).map_or(IDLE, |_| FENCE);
        }
        while let Some(task) = queue.take(now) {
            tries.push(self.courier.clone().carry(task).boxed());
        }
        queue.due(now).unwrap_or(now + IDLE)
    }

    fn end(&mut self, report: Report) {
        let (key, verb) = (&report.task.key, report.verb);
        let end = report.end();
        let followup = {
            let mut queue = self.shared.queue();
            queue.ended(key, &end, Instant::now(), jitter::unit())
        };
        if let Some(contest) = followup.contest {
            self.log.contested(key, contest);
        }
        let mut result = report.result;
        if let Err(failure) = &mut result {
            failure.again = followup.again;
            self.log.failed(key, verb, failure, &followup);
        }
        let is_told = report.has_asked || report.task.is_retry || result.is_err();
        if is_told && !matches!(end, End::Fenced) {
            let outcome = Outcome {
                key: report.task.key,
                verb,
                result: result.map(drop),
                took: report.took,
                contested: followup.contest.map(|contest| contest.pause),
            };
            // Whoever does not listen does not need to know.
            drop(self.outcomes.send(outcome));
        }
    }
}
