//! What two sources have seen, taken together.
//!
//! A view is complete when both sources' are. Its epoch counts how often *both* have seen everything anew: what one of
//! them saw again says nothing about what the other may have lost.

use std::collections::BTreeSet;

use aeraki_core::object::ObjectKey;
use aeraki_core::plan::CompleteView;
use aeraki_core::source::{Complete, View};

/// What each source has seen.
#[derive(Debug)]
pub(super) struct Views {
    /// One for each source.
    views: Vec<View>,
    /// The epochs of the sources when ours began to be counted, or was asked for.
    since: Vec<u64>,
    epoch: u64,
}

impl Views {
    /// Of so many sources, which have seen nothing.
    pub(super) fn of(sources: usize) -> Self {
        Self {
            views: vec![View::Partial; sources],
            since: vec![0; sources],
            epoch: 0,
        }
    }

    /// A source says what it has seen.
    pub(super) fn set(&mut self, source: usize, view: View) {
        self.views[source] = view;
        let is_new = |(complete, since): (&Complete, &u64)| complete.epoch > *since;
        let whole = self.whole();
        if whole.is_some_and(|whole| whole.into_iter().zip(&self.since).all(is_new)) {
            self.epoch += 1;
            self.start();
        }
    }

    /// A source has been asked to see everything anew, in this epoch of its own: what it tells of it or of earlier ones was
    /// seen before.
    pub(super) fn ask(&mut self, source: usize, epoch: u64) {
        self.since[source] = self.since[source].max(epoch);
    }

    /// Lets the next epoch begin only when every source has seen everything anew after this moment.
    pub(super) fn start(&mut self) {
        for (since, view) in self.since.iter_mut().zip(&self.views) {
            if let View::Complete(complete) = view {
                *since = complete.epoch;
            }
        }
    }

    /// How often both have seen everything anew.
    pub(super) const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The view, and its epoch.
    pub(super) fn joint(&self) -> (Option<CompleteView>, u64) {
        let unread = |whole: Vec<&Complete>| {
            let unread: BTreeSet<&ObjectKey> =
                whole.into_iter().flat_map(|one| &one.unread).collect();
            CompleteView::except(unread)
        };
        (self.whole().map(unread), self.epoch)
    }

    /// Whether each source has seen everything.
    pub(super) fn are_complete(&self) -> impl Iterator<Item = bool> {
        let views = self.views.iter();
        views.map(|view| matches!(view, View::Complete(_)))
    }

    fn whole(&self) -> Option<Vec<&Complete>> {
        self.views
            .iter()
            .map(|view| match view {
                View::Complete(complete) => Some(complete),
                View::Partial => None,
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use aeraki_core::object::Kind;

    use super::*;

    const API_SERVER: usize = 0;
    const ISTIOD: usize = 1;

    fn complete(epoch: u64) -> View {
        View::Complete(Complete {
            epoch,
            unread: BTreeSet::new(),
        })
    }

    #[test]
    fn both_must_be_complete() {
        let mut views = Views::of(2);
        views.set(ISTIOD, complete(1));
        assert_eq!(views.joint(), (None, 0));
        views.set(API_SERVER, complete(1));
        assert_eq!(views.joint(), (Some(CompleteView::assert()), 1));
        views.set(ISTIOD, View::Partial);
        assert_eq!(views.joint(), (None, 1));
    }

    #[test]
    fn an_epoch_takes_both_to_see_everything_anew() {
        let mut views = Views::of(2);
        views.set(ISTIOD, complete(1));
        views.set(API_SERVER, complete(1));
        views.set(API_SERVER, complete(2));
        views.set(API_SERVER, complete(3));
        assert_eq!(views.joint().1, 1);
        views.set(ISTIOD, complete(2));
        assert_eq!(views.joint().1, 2);
    }

    #[test]
    fn what_was_seen_before_an_epoch_was_asked_for_does_not_count() {
        let mut views = Views::of(2);
        views.set(ISTIOD, complete(1));
        views.set(API_SERVER, complete(1));
        views.set(API_SERVER, complete(2));
        views.start();
        views.set(ISTIOD, complete(2));
        assert_eq!(views.joint().1, 1);
        views.set(API_SERVER, complete(3));
        assert_eq!(views.joint().1, 2);
    }

    #[test]
    fn what_was_under_way_when_a_source_was_asked_does_not_count() {
        let mut views = Views::of(1);
        views.set(API_SERVER, complete(1));
        views.start();
        views.ask(API_SERVER, 2);
        views.set(API_SERVER, complete(2));
        assert_eq!(views.joint().1, 1);
        views.set(API_SERVER, complete(3));
        assert_eq!(views.joint().1, 2);
    }

    #[test]
    fn what_either_could_not_read_is_unread() {
        let key = ObjectKey::new(Kind::SERVICE, "shop", "orders");
        let mut views = Views::of(2);
        views.set(ISTIOD, complete(1));
        views.set(
            API_SERVER,
            View::Complete(Complete {
                epoch: 1,
                unread: BTreeSet::from([key.clone()]),
            }),
        );
        assert_eq!(views.joint().0, Some(CompleteView::except([&key])));
    }
}
