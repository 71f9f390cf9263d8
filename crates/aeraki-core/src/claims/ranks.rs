//! Claimants of which the oldest owns.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Claim, Claimant};
use crate::few_set::FewSet;
use crate::visibility::Visibility;

/// The claimants of one key, by age.
#[derive(Default, Debug)]
pub(super) struct Ranks {
    everywhere: FewSet<Claimant>,
    /// Those that not everybody sees, under each namespace that sees them.
    by_namespace: BTreeMap<Arc<str>, FewSet<Claimant>>,
    ours: FewSet<Claimant>,
}

impl Ranks {
    pub(super) fn stake(&mut self, claim: Claim) {
        if claim.ours.is_some() {
            self.ours.insert(claim.claimant.clone());
        }
        if !claim.holds {
            return;
        }
        if let Visibility::Namespaces(namespaces) = claim.visibility() {
            for namespace in namespaces {
                let seen = self.by_namespace.entry(Arc::clone(namespace)).or_default();
                seen.insert(claim.claimant.clone());
            }
        } else {
            self.everywhere.insert(claim.claimant);
        }
    }

    pub(super) fn release(&mut self, claim: &Claim) {
        self.ours.remove(&claim.claimant);
        let Visibility::Namespaces(namespaces) = claim.visibility() else {
            return self.everywhere.remove(&claim.claimant);
        };
        for namespace in namespaces {
            if let Some(seen) = self.by_namespace.get_mut(namespace) {
                seen.remove(&claim.claimant);
                if seen.is_empty() {
                    self.by_namespace.remove(namespace);
                }
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ours.is_empty() && self.everywhere.is_empty() && self.by_namespace.is_empty()
    }

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
