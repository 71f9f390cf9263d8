//! Who owns what is shared: a listener, a host and port, a port number, an inbound chain.
//!
//! Istio builds one listener per address and port and gives it to the oldest service. Whoever patches it must know the
//! owner, so every service of the mesh stakes its claims here, ours or not. The answer depends on the set of claims
//! alone, never on the order in which they came.

use std::sync::Arc;

use crate::host::Host;
use crate::object::ObjectKey;
use crate::protocol::Protocol;
use crate::table::Table;
use crate::visibility::Visibility;

mod claimant;
mod crowd;
mod ranks;
mod stakes;

pub(crate) use claimant::Claimant;
use crowd::Crowd;
use ranks::Ranks;

/// Something that only one service can own among those that see each other.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) enum ClaimKey {
    /// An outbound listener, by the address and port of its name.
    Listener(Arc<str>, u32),
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
        /// A hash of one of their labels. Two labels with one hash bring selectors together that do not meet; whoever
        /// looks them up compares them anyway.
        label: u64,
    },
}

impl ClaimKey {
    /// Who sees a service matters to its clients, not to its workloads.
    fn is_inbound(&self) -> bool {
        matches!(self, Self::InboundName(..) | Self::InboundLabel { .. })
    }

    /// Whether the question is who is alone, and not who was first.
    fn is_of_a_crowd(&self) -> bool {
        matches!(self, Self::Port(_) | Self::SharedWildcard(_))
    }
}

/// What a claimant says of itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Claim {
    pub(crate) key: ClaimKey,
    pub(crate) claimant: Claimant,
    /// The protocol of ours whose output depends on who owns it; `None` for a service that is Istio's alone.
    pub(crate) ours: Option<Protocol>,
    /// Whether it counts as an owner, or only wants to know of one.
    pub(crate) holds: bool,
}

impl Claim {
    /// Who sees it.
    pub(crate) fn visibility(&self) -> &Visibility {
        if self.key.is_inbound() {
            return &Visibility::Everywhere;
        }
        self.claimant.service().visibility()
    }
}

/// All claims.
#[derive(Default, Debug)]
pub(crate) struct Claims {
    /// Boxed: there are several per service, and a table that grows must not move them.
    by_key: Table<Box<(ClaimKey, Claimants)>>,
}

#[derive(Debug)]
enum Claimants {
    Ranks(Ranks),
    Crowd(Box<Crowd>),
}

impl Claims {
    /// Adds a claim.
    pub(crate) fn stake(&mut self, claim: Claim) {
        let make = || Box::new((claim.key.clone(), Claimants::of(&claim.key)));
        match &mut self.by_key.get_or_insert_with(&claim.key, make).1 {
            Claimants::Ranks(ranks) => ranks.stake(claim),
            Claimants::Crowd(crowd) => crowd.stake(claim),
        }
    }

    /// Takes a claim back.
    pub(crate) fn release(&mut self, claim: &Claim) {
        let claimants = self.by_key.get_mut(&claim.key);
        let is_empty = match claimants.map(|row| &mut row.1) {
            None => return,
            Some(Claimants::Ranks(ranks)) => {
                ranks.release(claim);
                ranks.is_empty()
            }
            Some(Claimants::Crowd(crowd)) => {
                crowd.release(claim);
                crowd.is_empty()
            }
        };
        if is_empty {
            self.by_key.remove(&claim.key);
        }
    }

    /// The owner that stands before `claimant` where `visibility` reaches: the oldest one that is older.
    pub(crate) fn owner_before<'a>(
        &'a self,
        key: &ClaimKey,
        claimant: &Claimant,
        visibility: &Visibility,
    ) -> Option<&'a Claimant> {
        let oldest = self.ranks(key)?.oldest(visibility)?;
        (oldest < claimant).then_some(oldest)
    }

    /// Whether nobody else claims a port's number or wildcard listener where `visibility` reaches.
    pub(crate) fn is_sole(
        &self,
        key: &ClaimKey,
        claimant: &Claimant,
        visibility: &Visibility,
    ) -> bool {
        match self.at(key) {
            Some(Claimants::Crowd(crowd)) => crowd.is_sole(claimant, visibility),
            Some(Claimants::Ranks(_)) | None => true,
        }
    }

    /// All owners that are older than `claimant`, the oldest first, whoever sees them.
    pub(crate) fn older<'a>(
        &'a self,
        key: &ClaimKey,
        claimant: &'a Claimant,
    ) -> impl Iterator<Item = &'a Claimant> {
        self.ranks(key)
            .into_iter()
            .flat_map(move |ranks| ranks.older(claimant))
    }

    /// Our claimants whose standing a change of `claim` can alter: all others, or for what is owned by age the younger.
    pub(crate) fn affected<'a>(&'a self, claim: &'a Claim) -> impl Iterator<Item = &'a ObjectKey> {
        let claimants = self.at(&claim.key).filter(|_| claim.holds);
        let (ranks, crowd) = match claimants {
            None => (None, None),
            Some(Claimants::Ranks(ranks)) => (Some(ranks.younger(&claim.claimant)), None),
            Some(Claimants::Crowd(crowd)) => (None, Some(crowd.ours())),
        };
        let ranks = ranks.into_iter().flatten();
        ranks
            .chain(crowd.into_iter().flatten())
            .map(Claimant::object)
    }

    fn at(&self, key: &ClaimKey) -> Option<&Claimants> {
        self.by_key.get(key).map(|row| &row.1)
    }

    fn ranks(&self, key: &ClaimKey) -> Option<&Ranks> {
        match self.at(key)? {
            Claimants::Ranks(ranks) => Some(ranks),
            Claimants::Crowd(_) => None,
        }
    }
}

impl Claimants {
    fn of(key: &ClaimKey) -> Self {
        if key.is_of_a_crowd() {
            Self::Crowd(Box::default())
        } else {
            Self::Ranks(Ranks::default())
        }
    }
}
