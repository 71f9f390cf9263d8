//! Config from the API server: each kind is listed and then watched, and all of them make one view.
//!
//! ```text
//!  Follower ── list, watch, wait ──▶ Words ──▶ Seen (pure) ──▶ SourceUpdate
//!  (one per kind)                               └ KindState per kind, the epoch, the problems
//! ```
//!
//! kube's own watcher is not used: a page or a line that holds one unreadable object fails as a whole there, and a watch
//! that may not start at a lost revision is tried again at the same one.

pub(crate) mod backoff;
mod follower;
pub(crate) mod horizon;
mod kind_state;
mod pace;
mod seen;
pub(crate) mod trouble;
pub(crate) mod wire;

use std::sync::{Arc, PoisonError, RwLock};

use aeraki_core::diagnostic::Diagnostic;
use aeraki_core::object::ObjectKey;
use aeraki_core::source::{SourceUpdate, View};
use kube::Client;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::kinds::{Identity, WantedKind};
use follower::{Follower, Outlet, Words};
use seen::Seen;

pub use pace::Pace;

/// So many batches of words may wait for the core: what more comes waits in the API server.
const WAITING: usize = 16;

/// The API server as a source of config.
pub struct KubeSource {
    client: Client,
    wanted: Vec<WantedKind>,
    pace: Pace,
    seen: Arc<RwLock<Seen>>,
    renewal: Renewal,
}

/// Why the source ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The watch of a kind ended by itself, which it never should.
    #[error("the watch of a kind ended unexpectedly")]
    Follower(#[source] Option<tokio::task::JoinError>),
}

/// Asks for a new list of every kind.
#[derive(Clone, Debug)]
pub struct Renewal {
    seen: Arc<RwLock<Seen>>,
    /// The number of the newest one.
    newest: watch::Sender<u64>,
}

impl Renewal {
    /// Lists every kind anew, at once. The view's epoch grows when all of them have arrived; lists that began before do
    /// not count.
    ///
    /// Returns the view's epoch at this moment, which updates still on their way may have: a view has seen everything
    /// after this moment when its epoch is greater than that.
    pub fn renew(&self) -> u64 {
        // The lock keeps two renewals in the order of their numbers.
        let mut seen = self.seen.write().unwrap_or_else(PoisonError::into_inner);
        self.newest.send_replace(seen.renew());
        seen.epoch()
    }
}

/// Tells who an object is, as long as it is there.
#[derive(Clone, Debug)]
pub struct Identities(Arc<RwLock<Seen>>);

impl Identities {
    /// Who the object is; `None` if it is not there or its kind is not watched.
    #[must_use]
    pub fn get(&self, key: &ObjectKey) -> Option<Identity> {
        let seen = self.0.read().unwrap_or_else(PoisonError::into_inner);
        seen.identity(key)
    }
}

impl KubeSource {
    /// A source of these kinds.
    #[must_use]
    pub fn new(client: Client, wanted: Vec<WantedKind>) -> Self {
        let seen = Seen::new(&wanted);
        let seen = Arc::new(RwLock::new(seen));
        Self {
            client,
            wanted,
            pace: Pace::default(),
            renewal: Renewal {
                seen: Arc::clone(&seen),
                newest: watch::Sender::new(0),
            },
            seen,
        }
    }

    /// Other page sizes and waits than the usual ones.
    #[must_use]
    pub fn pace(mut self, pace: Pace) -> Self {
        self.pace = pace;
        self
    }

    /// Asks for a new list of every kind.
    #[must_use]
    pub fn renewal(&self) -> Renewal {
        self.renewal.clone()
    }

    /// Tells who the objects are, for Events about them.
    #[must_use]
    pub fn identities(&self) -> Identities {
        Identities(Arc::clone(&self.seen))
    }

    /// Tells `updates` what there is and what changes, until nobody listens any more.
    ///
    /// # Errors
    /// When a task of its own ends that must live.
    pub async fn run(self, updates: mpsc::Sender<SourceUpdate>) -> Result<(), SourceError> {
        let (words, mut incoming) = mpsc::channel(WAITING);
        let mut followers = self.follow(&words);
        drop(words);
        let mut teller = Teller::new(self.seen);
        loop {
            let first = tokio::select! {
                () = updates.closed() => return Ok(()),
                Some(ended) = followers.join_next() => return Err(SourceError::Follower(ended.err())),
                Some(words) = incoming.recv() => words,
            };
            let waiting = std::iter::from_fn(|| incoming.try_recv().ok()).take(WAITING);
            let Some(update) = teller.take(std::iter::once(first).chain(waiting)) else {
                continue;
            };
            if updates.send(update).await.is_err() {
                return Ok(());
            }
        }
    }

    fn follow(&self, words: &mpsc::Sender<Words>) -> JoinSet<()> {
        let follower = |(index, wanted): (usize, &WantedKind)| {
            let words = words.clone();
            let out = Outlet { index, words };
            let renewals = self.renewal.newest.subscribe();
            Follower::new(
                self.client.clone(),
                wanted.clone(),
                self.pace,
                out,
                renewals,
            )
            .run()
        };
        self.wanted.iter().enumerate().map(follower).collect()
    }
}

/// Makes updates of words, and leaves out those that tell nothing new.
struct Teller {
    seen: Arc<RwLock<Seen>>,
    view: View,
    problems: Vec<Diagnostic>,
}

impl Teller {
    fn new(seen: Arc<RwLock<Seen>>) -> Self {
        Self {
            seen,
            view: View::Partial,
            problems: Vec::new(),
        }
    }

    fn take(&mut self, batches: impl Iterator<Item = Words>) -> Option<SourceUpdate> {
        let mut events = Vec::new();
        let seen = Arc::clone(&self.seen);
        let mut seen = seen.write().unwrap_or_else(PoisonError::into_inner);
        for Words { index, words } in batches {
            for word in words {
                seen.on(index, word, &mut events);
            }
        }
        let (view, problems) = (seen.view(), seen.problems());
        if events.is_empty() && view == self.view && problems == self.problems {
            return None;
        }
        self.view.clone_from(&view);
        self.problems.clone_from(&problems);
        Some(SourceUpdate {
            events,
            view,
            problems,
        })
    }
}
