//! Who staked a claim, sorted out by who sees them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Claim, Claimant};
use crate::few_set::FewSet;
use crate::table::Table;
use crate::visibility::Visibility;

/// The claimants of one key, in sets of the kind that the question about them needs.
#[derive(Default, Debug)]
pub(super) struct Stakes<S> {
    pub(super) everywhere: S,
    /// Those that not everybody sees, under each namespace that sees them.
    pub(super) by_namespace: BTreeMap<Arc<str>, S>,
    pub(super) ours: S,
}

/// A set of claimants.
pub(super) trait ClaimantSet: Default {
    fn insert(&mut self, claimant: Claimant);
    fn remove(&mut self, claimant: &Claimant);
    fn is_empty(&self) -> bool;
}

impl<S: ClaimantSet> Stakes<S> {
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
}

impl ClaimantSet for FewSet<Claimant> {
    fn insert(&mut self, claimant: Claimant) {
        self.insert(claimant);
    }

    fn remove(&mut self, claimant: &Claimant) {
        self.remove(claimant);
    }

    fn is_empty(&self) -> bool {
        self.is_empty()
    }
}

impl ClaimantSet for Table<Claimant> {
    fn insert(&mut self, claimant: Claimant) {
        self.insert(claimant);
    }

    fn remove(&mut self, claimant: &Claimant) {
        self.remove(claimant);
    }

    fn is_empty(&self) -> bool {
        self.is_empty()
    }
}
