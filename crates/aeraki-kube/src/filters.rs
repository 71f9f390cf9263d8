//! The EnvoyFilters of the cluster, as they are: ours to compare and replace, everyone's so as not to touch them.
//!
//! ```text
//!  Follower ── list, watch ──▶ Index (pure) ──▶ Changes ──▶ whoever plans
//!  the writer ── answers ────▶  └──▶ what a replacement must carry over ──▶ the writer
//! ```
//!
//! All EnvoyFilters are followed, not only labelled ones: a foreign object may have a name that we want, or patch a
//! listener before we do. Of an object no more is kept than that takes; what it says is told once.
//!
//! Nothing here judges what is wanted.

mod follower;
mod index;
mod live;
mod order;
mod rival;
mod touch;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aeraki_core::FilterKey;
use kube::Client;
use tokio::sync::Notify;

pub use index::Changes;
pub use order::Rank;
pub use rival::Rival;
pub use touch::{Touch, touches};

pub(crate) use live::{Live, creation, fingerprint};

use crate::kinds::{Revision, Uid};
use crate::watch::Pace;
use follower::Follower;
use index::Index;
use live::{Decoded, Glance};

/// Where EnvoyFilters are, under the API's root.
pub(crate) const GROUP_PATH: &str = "/apis/networking.istio.io/v1alpha3";

/// What is known of the cluster's EnvoyFilters; clones share it.
#[derive(Clone, Debug)]
pub struct Filters(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    index: Mutex<Index>,
    problem: Mutex<Option<String>>,
    news: Notify,
}

impl Filters {
    /// Nothing is known yet.
    #[must_use]
    pub fn new(root_namespace: &str) -> Self {
        Self(Arc::new(Shared {
            index: Mutex::new(Index::new(root_namespace)),
            problem: Mutex::new(None),
            news: Notify::new(),
        }))
    }

    /// Keeps this current by list and watch, of one namespace or of all, as long as it is awaited. It never gives up.
    pub async fn follow(&self, client: Client, namespace: Option<&str>, pace: Pace) {
        Follower::new(client, self.clone(), namespace, pace)
            .run()
            .await;
    }

    /// Waits until something changed, and tells all that changed since the last call. For one caller only.
    pub async fn changed(&self) -> Changes {
        loop {
            let changes = self.index().take_changes();
            match changes {
                Some(changes) => return changes,
                None => self.0.news.notified().await,
            }
        }
    }

    /// Whether any foreign EnvoyFilter patches listeners of sidecars at all. If none does, none of ours has rivals.
    #[must_use]
    pub fn has_rivals(&self) -> bool {
        self.index().has_rivals()
    }

    /// The foreign EnvoyFilters that patch a listener which this EnvoyFilter of ours patches, and go before it.
    #[must_use]
    pub fn rivals(&self, key: &FilterKey) -> Vec<Rival> {
        self.index().rivals(key)
    }

    /// Why what is known may be old, if it may.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        let problem = self.0.problem.lock();
        problem.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What is kept of an EnvoyFilter, if it is there.
    pub(crate) fn get(&self, key: &FilterKey) -> Option<Live> {
        self.index().get(key).cloned()
    }

    /// Whether there is a proxy that both EnvoyFilters reach.
    pub(crate) fn meet(&self, one: &FilterKey, two: &FilterKey) -> bool {
        self.index().meet(one, two)
    }

    /// Takes in an object's JSON, from wherever it comes; returns which state of it that is. What is known already is not
    /// decoded again: the watch tells what the answer to a write told, or the other way round.
    pub(crate) fn put(&self, text: &str) -> Result<Revision, serde_json::Error> {
        let glance = Glance::read(text)?;
        if !self.index().is_old(&glance) {
            let object = Decoded::read(text)?;
            self.learn(|index| index.put(object));
        }
        Ok(glance.revision)
    }

    /// The object of this uid is gone, as we know for sure.
    pub(crate) fn vanished(&self, key: &FilterKey, uid: Uid) {
        self.learn(|index| index.vanished(key, uid));
    }

    /// Lets the index take something in, and wakes whoever waits for changes.
    fn learn<R>(&self, word: impl FnOnce(&mut Index) -> R) -> R {
        let result = word(&mut self.index());
        self.0.news.notify_one();
        result
    }

    fn index(&self) -> MutexGuard<'_, Index> {
        self.0.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_problem(&self, problem: Option<String>) {
        *self
            .0
            .problem
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = problem;
    }
}
