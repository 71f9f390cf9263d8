//! Claimants of which the oldest owns.

use super::Claimant;
use super::stakes::Stakes;
use crate::few_set::FewSet;
use crate::visibility::Visibility;

/// The claimants of one key, by age.
pub(super) type Ranks = Stakes<FewSet<Claimant>>;

impl Ranks {
    /// The oldest that shares an observer with `visibility`.
    pub(super) fn oldest(&self, visibility: &Visibility) -> Option<&Claimant> {
        let of_all = self.everywhere.first().into_iter();
        match visibility {
            Visibility::Everywhere => {
                let of_some = self.by_namespace.values().filter_map(FewSet::first);
                of_all.chain(of_some).min()
            }
            Visibility::Namespaces(none) if none.is_empty() => None,
            Visibility::Namespaces(namespaces) => {
                let seen = namespaces
                    .iter()
                    .filter_map(|name| self.by_namespace.get(name)?.first());
                of_all.chain(seen).min()
            }
        }
    }

    /// Those that everybody sees and that are older than `claimant`, the oldest first.
    pub(super) fn older<'a>(
        &'a self,
        claimant: &'a Claimant,
    ) -> impl Iterator<Item = &'a Claimant> {
        self.everywhere.before(claimant)
    }

    /// Ours that are younger than `claimant`.
    pub(super) fn younger<'a>(
        &'a self,
        claimant: &'a Claimant,
    ) -> impl Iterator<Item = &'a Claimant> {
        self.ours.after(claimant)
    }
}
