//! Claimants of which it only matters whether somebody is alone.
//!
//! Thousands of services share a port number, so nothing here is sorted.

use super::Claimant;
use super::stakes::Stakes;
use crate::table::Table;
use crate::visibility::Visibility;

/// The claimants of one key, in no order.
pub(super) type Crowd = Stakes<Table<Claimant>>;

impl Crowd {
    /// Whether nobody else shares an observer with `visibility`.
    pub(super) fn is_sole(&self, claimant: &Claimant, visibility: &Visibility) -> bool {
        let is_alone_in = |set: &Table<Claimant>| set.len() == usize::from(set.contains(claimant));
        match visibility {
            Visibility::Everywhere => {
                is_alone_in(&self.everywhere) && self.by_namespace.values().all(is_alone_in)
            }
            Visibility::Namespaces(none) if none.is_empty() => true,
            Visibility::Namespaces(namespaces) => {
                let seen = namespaces
                    .iter()
                    .filter_map(|name| self.by_namespace.get(name));
                is_alone_in(&self.everywhere) && seen.into_iter().all(is_alone_in)
            }
        }
    }

    /// Ours, whom a change of another can make alone or not.
    pub(super) fn ours(&self) -> impl Iterator<Item = &Claimant> {
        self.ours.iter()
    }
}
