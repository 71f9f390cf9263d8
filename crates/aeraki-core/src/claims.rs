//! Who owns what is shared: a listener, a host and port, a port number, an inbound chain.
//!
//! Istio builds one listener per address and port and gives it to the oldest service. Whoever patches it must know the
//! owner, so every service of the mesh stakes its claims here, ours or not. The answer depends on the set of claims
//! alone, never on the order in which they came.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use aeraki_api::Timestamp;
use rustc_hash::FxHashMap;

use crate::host::Host;
use crate::object::ObjectKey;
use crate::protocol::Protocol;
use crate::visibility::Visibility;

/// Something that only one service can own among those that see each other.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) enum ClaimKey {
    /// An outbound listener by its name.
    Listener(String),
    /// A host and port, and so Istio's cluster of that name.
    HostPort(Host, u32),
    /// A port number, for listeners that can be matched by it alone.
    Port(u32),
    /// The wildcard listener of a port, to whose chains somebody adds his own (an address range, TLS by SNI).
    SharedWildcard(u32),
    /// The name of an inbound EnvoyFilter, which is made of namespace, host and port.
    InboundName(Arc<str>, Host, u32),
    /// The inbound chain of a target port on workloads with a label. Selectors of which one includes the other have a
    /// label in common, so those that meet are found under one of these.
    InboundLabel {
        /// The namespace of the workloads.
        namespace: Arc<str>,
        /// The port they listen on.
        target_port: u32,
        /// One of their labels.
        label: (String, String),
    },
}

/// A claimant, ordered as Istio orders services: the oldest first, one without a time before all; then by name,
/// namespace and object. The hosts of one object keep their order.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Claimant {
    pub(crate) created: Option<Timestamp>,
    /// Istio's name of the service: a ServiceEntry's (first) host, a Service's own name.
    pub(crate) name: Arc<str>,
    pub(crate) namespace: Arc<str>,
    pub(crate) object: ObjectKey,
    pub(crate) host_index: usize,
    pub(crate) port: u32,
}

/// What a claimant says of itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Claim {
    pub(crate) key: ClaimKey,
    pub(crate) claimant: Arc<Claimant>,
    /// The protocol of ours whose output depends on who owns it; `None` for a service that is Istio's alone.
    pub(crate) ours: Option<Protocol>,
    /// Whether it counts as an owner, or only wants to know of one.
    pub(crate) holds: bool,
}

/// All claims.
#[derive(Default, Debug)]
pub(crate) struct Claims {
    by_key: FxHashMap<ClaimKey, Claimants>,
}

#[derive(Default, Debug)]
struct Claimants {
    everywhere: BTreeSet<Arc<Claimant>>,
    /// Those that not everybody sees, under each namespace that sees them.
    by_namespace: BTreeMap<Arc<str>, BTreeSet<Arc<Claimant>>>,
    ours: BTreeSet<Arc<Claimant>>,
}

impl Claims {
    /// Adds a claim.
    pub(crate) fn stake(&mut self, claim: Claim, visibility: &Visibility) {
        let claimants = self.by_key.entry(claim.key).or_default();
        let claimant = claim.claimant;
        if claim.ours.is_some() {
            claimants.ours.insert(Arc::clone(&claimant));
        }
        if !claim.holds {
            return;
        }
        match visibility {
            Visibility::Everywhere => {
                claimants.everywhere.insert(claimant);
            }
            Visibility::Namespaces(namespaces) => {
                for namespace in namespaces {
                    let seen = claimants
                        .by_namespace
                        .entry(Arc::clone(namespace))
                        .or_default();
                    seen.insert(Arc::clone(&claimant));
                }
            }
        }
    }

    /// Takes a claim back.
    pub(crate) fn release(&mut self, claim: &Claim, visibility: &Visibility) {
        let Some(claimants) = self.by_key.get_mut(&claim.key) else {
            return;
        };
        claimants.ours.remove(&claim.claimant);
        match visibility {
            Visibility::Everywhere => {
                claimants.everywhere.remove(&claim.claimant);
            }
            Visibility::Namespaces(namespaces) => {
                for namespace in namespaces {
                    if let Some(seen) = claimants.by_namespace.get_mut(namespace) {
                        seen.remove(&claim.claimant);
                    }
                }
                claimants.by_namespace.retain(|_, seen| !seen.is_empty());
            }
        }
        if claimants.is_empty() {
            self.by_key.remove(&claim.key);
        }
    }

    /// The owner that stands before `claimant` where `visibility` reaches: the oldest one that is older.
    pub(crate) fn owner_before<'a>(
        &'a self,
        key: &ClaimKey,
        claimant: &Claimant,
        visibility: &'a Visibility,
    ) -> Option<&'a Claimant> {
        let claimants = self.by_key.get(key)?;
        let oldest = claimants.oldest(visibility)?;
        (oldest < claimant).then_some(oldest)
    }

    /// Whether nobody else claims it where `visibility` reaches.
    pub(crate) fn is_sole(
        &self,
        key: &ClaimKey,
        claimant: &Claimant,
        visibility: &Visibility,
    ) -> bool {
        let Some(claimants) = self.by_key.get(key) else {
            return true;
        };
        let others = |set: &BTreeSet<Arc<Claimant>>| set.iter().any(|one| **one != *claimant);
        let mut reached = claimants.reached(visibility);
        !reached.any(others)
    }

    /// All owners that are older than `claimant`, the oldest first, whoever sees them.
    pub(crate) fn older<'a>(
        &'a self,
        key: &ClaimKey,
        claimant: &'a Claimant,
    ) -> impl Iterator<Item = &'a Claimant> {
        let everywhere = self.by_key.get(key).map(|claimants| &claimants.everywhere);
        let range = (Bound::Unbounded, Bound::Excluded(claimant));
        everywhere
            .into_iter()
            .flat_map(move |set| set.range::<Claimant, _>(range))
            .map(|one| &**one)
    }

    /// Our claimants whose standing a change of `claim` can alter: all others, or for what is owned by age the younger.
    pub(crate) fn affected(&self, claim: &Claim) -> impl Iterator<Item = &ObjectKey> {
        let from = match claim.key {
            ClaimKey::Port(_) | ClaimKey::SharedWildcard(_) => Bound::Unbounded,
            _ => Bound::Excluded(&*claim.claimant),
        };
        let claimants = self.by_key.get(&claim.key).filter(|_| claim.holds);
        claimants
            .into_iter()
            .flat_map(move |found| found.ours.range::<Claimant, _>((from, Bound::Unbounded)))
            .map(|claimant| &claimant.object)
    }
}

impl Claimants {
    fn is_empty(&self) -> bool {
        self.ours.is_empty() && self.everywhere.is_empty() && self.by_namespace.is_empty()
    }

    /// The sets of claimants that share an observer with `visibility`. Each is ordered by age.
    fn reached<'a>(
        &'a self,
        visibility: &'a Visibility,
    ) -> Box<dyn Iterator<Item = &'a BTreeSet<Arc<Claimant>>> + 'a> {
        let everywhere = std::iter::once(&self.everywhere);
        match visibility {
            Visibility::Everywhere => Box::new(everywhere.chain(self.by_namespace.values())),
            Visibility::Namespaces(none) if none.is_empty() => Box::new(std::iter::empty()),
            Visibility::Namespaces(namespaces) => Box::new(
                everywhere.chain(
                    namespaces
                        .iter()
                        .filter_map(|name| self.by_namespace.get(name)),
                ),
            ),
        }
    }

    fn oldest<'a>(&'a self, visibility: &'a Visibility) -> Option<&'a Claimant> {
        self.reached(visibility)
            .filter_map(BTreeSet::first)
            .min()
            .map(|oldest| &**oldest)
    }
}
