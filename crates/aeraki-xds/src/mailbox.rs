//! Updates on their way to a reader that may be slow.
//!
//! The stream must be read whether or not anybody has time for what it brings. So what has not been fetched is merged: of
//! two events of an object the later one counts, and so does the later view.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use aeraki_core::diagnostic::Diagnostic;
use aeraki_core::object::{ConfigEvent, ObjectKey};
use aeraki_core::source::{SourceUpdate, View};
use tokio::sync::Notify;

/// Where updates are put in.
#[derive(Debug)]
pub(crate) struct Mailbox(Arc<Shared>);

/// Where updates are taken out, one reader's.
#[derive(Debug)]
pub struct Updates(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    pending: Mutex<Pending>,
    /// Something has been put in, or the client has ended.
    filled: Notify,
    /// The reader is gone.
    abandoned: Notify,
}

#[derive(Debug, Default)]
struct Pending {
    update: Option<Merged>,
    is_over: bool,
}

/// Any number of updates as one.
#[derive(Debug)]
struct Merged {
    events: BTreeMap<ObjectKey, ConfigEvent>,
    view: View,
    problems: Vec<Diagnostic>,
}

/// Both ends of a mailbox.
pub(crate) fn mailbox() -> (Mailbox, Updates) {
    let shared = Arc::new(Shared::default());
    (Mailbox(Arc::clone(&shared)), Updates(shared))
}

impl Mailbox {
    /// Puts an update in; never waits.
    pub(crate) fn put(&self, update: SourceUpdate) {
        let mut pending = self.0.pending();
        let merged = pending.update.get_or_insert_with(Merged::empty);
        merged.take_in(update);
        drop(pending);
        self.0.filled.notify_one();
    }

    /// Waits until the reader is gone.
    pub(crate) async fn abandoned(&self) {
        self.0.abandoned.notified().await;
    }
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        self.0.pending().is_over = true;
        self.0.filled.notify_one();
    }
}

impl Updates {
    /// Waits for what is new; all that has come since the last call is one update. `None` once the client has ended.
    ///
    /// May be cancelled without loss.
    pub async fn next(&mut self) -> Option<SourceUpdate> {
        loop {
            let filled = self.0.filled.notified();
            {
                let mut pending = self.0.pending();
                if let Some(merged) = pending.update.take() {
                    return Some(merged.into());
                }
                if pending.is_over {
                    return None;
                }
            }
            filled.await;
        }
    }
}

impl Drop for Updates {
    fn drop(&mut self) {
        self.0.abandoned.notify_one();
    }
}

impl Shared {
    fn pending(&self) -> std::sync::MutexGuard<'_, Pending> {
        // Nothing that is done under the lock can leave it half done.
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Merged {
    fn empty() -> Self {
        Self {
            events: BTreeMap::new(),
            view: View::Partial,
            problems: Vec::new(),
        }
    }

    fn take_in(&mut self, update: SourceUpdate) {
        for event in update.events {
            self.events.insert(event.key().clone(), event);
        }
        self.view = update.view;
        self.problems = update.problems;
    }
}

impl From<Merged> for SourceUpdate {
    fn from(merged: Merged) -> Self {
        Self {
            events: merged.events.into_values().collect(),
            view: merged.view,
            problems: merged.problems,
        }
    }
}

#[cfg(test)]
mod tests {
    use aeraki_core::object::{Kind, Object};
    use aeraki_core::source::Complete;

    use super::*;

    fn key(name: &str) -> ObjectKey {
        ObjectKey::new(Kind::SERVICE_ENTRY, "shop", name)
    }

    fn put(name: &str, label: &str) -> ConfigEvent {
        let mut cr = aeraki_api::Cr::new(
            name,
            "shop",
            aeraki_api::networking::ServiceEntry::default(),
        );
        cr.metadata.labels.insert("l".to_owned(), label.to_owned());
        ConfigEvent::Put(Arc::new(Object::from(cr)))
    }

    fn update(events: Vec<ConfigEvent>, epoch: u64) -> SourceUpdate {
        SourceUpdate {
            events,
            view: View::Complete(Complete {
                epoch,
                ..Complete::default()
            }),
            problems: Vec::new(),
        }
    }

    #[tokio::test]
    async fn what_was_not_fetched_is_one_update_with_the_last_of_each_object() {
        let (mailbox, mut updates) = mailbox();
        mailbox.put(update(vec![put("a", "1"), put("b", "1")], 1));
        mailbox.put(update(vec![ConfigEvent::Delete(key("b"))], 1));
        mailbox.put(update(vec![put("a", "2")], 2));
        let merged = updates.next().await;
        let events = vec![put("a", "2"), ConfigEvent::Delete(key("b"))];
        assert_eq!(merged, Some(update(events, 2)));
        mailbox.put(update(Vec::new(), 3));
        assert_eq!(updates.next().await, Some(update(Vec::new(), 3)));
    }

    #[tokio::test]
    async fn a_reader_that_waits_is_woken_and_told_of_the_end() {
        let (mailbox, mut updates) = mailbox();
        let reader = tokio::spawn(async move {
            let first = updates.next().await;
            (first, updates.next().await)
        });
        tokio::task::yield_now().await;
        mailbox.put(update(Vec::new(), 1));
        tokio::task::yield_now().await;
        drop(mailbox);
        let (first, second) = reader.await.unwrap();
        assert_eq!((first, second), (Some(update(Vec::new(), 1)), None));
    }

    #[tokio::test]
    async fn what_was_put_in_before_the_end_is_still_there_after_it() {
        let (mailbox, mut updates) = mailbox();
        mailbox.put(update(Vec::new(), 1));
        drop(mailbox);
        assert!(updates.next().await.is_some());
        assert!(updates.next().await.is_none());
    }

    #[tokio::test]
    async fn a_reader_that_goes_is_noticed_by_whoever_asks_later() {
        let (mailbox, updates) = mailbox();
        drop(updates);
        mailbox.abandoned().await;
    }
}
