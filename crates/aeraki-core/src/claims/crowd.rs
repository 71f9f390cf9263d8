//! Claimants of which it only matters whether somebody is alone.
//!
//! Thousands of services share a port number, so nothing here is sorted.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustc_hash::FxHashSet;

use super::{Claim, Claimant};
use crate::visibility::Visibility;

/// The claimants of one key, in no order.
#[derive(Default, Debug)]
pub(super) struct Crowd {
    everywhere: FxHashSet<Claimant>,
    /// Those that not everybody sees, under each namespace that sees them.
    by_namespace: BTreeMap<Arc<str>, FxHashSet<Claimant>>,
    ours: FxHashSet<Claimant>,
}

impl Crowd {
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
            self.everywhere.remove(&claim.claimant);
            return;
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

    /// Whether nobody else shares an observer with `visibility`.
    pub(super) fn is_sole(&self, claimant: &Claimant, visibility: &Visibility) -> bool {
        let is_alone_in =
            |set: &FxHashSet<Claimant>| set.len() == usize::from(set.contains(claimant));
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
