//! What each port claims of the things that services share, and where an inbound filter can stand.

use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64;

use super::{Touched, World};
use crate::claims::{Claim, ClaimKey, Claimant};
use crate::listener;
use crate::pairs::Pairs;
use crate::protocol::Protocol;
use crate::registry::{Decision, Registration};
use crate::service::{Port, Selector, Service, TargetPort};

/// Where an inbound filter can stand.
#[derive(Clone, Copy)]
pub(crate) struct InboundPlace<'a> {
    pub(crate) selector: &'a Pairs,
    pub(crate) target_port: u32,
}

impl World {
    /// Puts the claims of an object's new services in the place of those of its old ones.
    pub(super) fn move_claims(
        &mut self,
        old: &Arc<[Service]>,
        new: &Arc<[Service]>,
        touched: &mut Touched,
    ) {
        let before = self.claims_of(old);
        let after = self.claims_of(new);
        for claim in &before {
            self.claims.release(claim);
        }
        for claim in &after {
            self.claims.stake(claim.clone());
        }
        let stays = |(a, b): (&Claim, &Claim)| a == b && a.visibility() == b.visibility();
        if before.len() == after.len() && before.iter().zip(&after).all(stays) {
            return;
        }
        for claim in before.iter().chain(&after) {
            touched.objects.extend(self.claims.affected(claim).cloned());
        }
    }

    fn claims_of(&self, services: &Arc<[Service]>) -> Vec<Claim> {
        let mut claims = Vec::new();
        for (index, service) in services.iter().enumerate() {
            for port in service.listening_ports() {
                let registration = match self.decide(port) {
                    Decision::Ours(registration) => Some(registration),
                    _ => None,
                };
                let claimant = Claimant::new(services, index, port.number());
                let ours = registration.map(Registration::protocol);
                let mut staker = Staker {
                    claimant,
                    ours,
                    claims: &mut claims,
                };
                staker.outbound(self, service, port);
                if let Some(inbound) = registration.and_then(|r| self.inbound_of(service, port, r))
                {
                    staker.inbound(service, port, inbound);
                }
            }
        }
        claims
    }

    /// The workloads and the target port of a port's inbound side, if a filter can stand there.
    pub(crate) fn inbound_of<'a>(
        &self,
        service: &'a Service,
        port: &Port,
        registration: &Registration,
    ) -> Option<InboundPlace<'a>> {
        let in_root = *service.namespace() == self.settings.root_namespace;
        match (service.selector(), port.target()) {
            (Selector::Labels(selector), TargetPort::Number(target_port @ 1..=65535))
                if !in_root && !registration.is_outbound_only() =>
            {
                Some(InboundPlace {
                    selector,
                    target_port: *target_port,
                })
            }
            _ => None,
        }
    }

    /// The older service whose inbound chain a port's would meet on some workload, and its protocol.
    pub(crate) fn inbound_rival<'a>(
        &'a self,
        service: &Service,
        place: &InboundPlace<'_>,
        claimant: &'a Claimant,
    ) -> Option<(&'a Claimant, Protocol)> {
        inbound_labels(service, *place)
            .filter_map(|key| {
                self.claims
                    .older(&key, claimant)
                    .filter(|older| meets(older, place.selector))
                    .find_map(|older| Some((older, self.protocol_of(older)?)))
            })
            .min()
    }

    /// The protocol of the port that a claimant stands for.
    fn protocol_of(&self, claimant: &Claimant) -> Option<Protocol> {
        let mut ports = claimant.service().listening_ports();
        let port = ports.find(|port| port.number() == claimant.port())?;
        match self.decide(port) {
            Decision::Ours(registration) => Some(registration.protocol()),
            _ => None,
        }
    }
}

/// Whether the workloads of one selector are among those of the other.
fn meets(other: &Claimant, selector: &Pairs) -> bool {
    let Selector::Labels(theirs) = other.service().selector() else {
        return false;
    };
    let within = |a: &Pairs, b: &Pairs| a.iter().all(|(key, value)| b.get(key) == Some(value));
    within(theirs, selector) || within(selector, theirs)
}

/// Gathers what one port claims, and what it wants to know of.
struct Staker<'a> {
    claimant: Claimant,
    ours: Option<Protocol>,
    claims: &'a mut Vec<Claim>,
}

impl Staker<'_> {
    fn outbound(&mut self, world: &World, service: &Service, port: &Port) {
        let number = port.number();
        let ours = self.ours;
        for address in listener::addresses(service, port, world.settings()) {
            self.hold(ClaimKey::Listener(address, number), ours);
        }
        let by_number = ours.filter(|_| listener::needs_number(service));
        self.hold(ClaimKey::Port(number), by_number);
        self.hold(ClaimKey::HostPort(service.host().clone(), number), ours);
        let wildcard = ClaimKey::SharedWildcard(number);
        if listener::adds_to_wildcard(service, port) {
            self.hold(wildcard, None);
        } else if ours.is_some() && listener::wants_wildcard(service) {
            self.claim(wildcard, ours, false);
        }
    }

    fn inbound(&mut self, service: &Service, port: &Port, place: InboundPlace<'_>) {
        let namespace = service.namespace().clone();
        let host = service.host().clone();
        let ours = self.ours;
        self.hold(ClaimKey::InboundName(namespace, host, port.number()), ours);
        for key in inbound_labels(service, place) {
            self.hold(key, ours);
        }
    }

    fn hold(&mut self, key: ClaimKey, ours: Option<Protocol>) {
        self.claim(key, ours, true);
    }

    fn claim(&mut self, key: ClaimKey, ours: Option<Protocol>, holds: bool) {
        let claimant = self.claimant.clone();
        self.claims.push(Claim {
            key,
            claimant,
            ours,
            holds,
        });
    }
}

fn inbound_labels(service: &Service, place: InboundPlace<'_>) -> impl Iterator<Item = ClaimKey> {
    let labels = place.selector.iter();
    labels.map(move |(key, value)| ClaimKey::InboundLabel {
        namespace: service.namespace().clone(),
        target_port: place.target_port,
        label: xxh3_64(key.as_bytes()) ^ xxh3_64(value.as_bytes()).rotate_left(1),
    })
}
