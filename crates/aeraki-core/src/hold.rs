//! What a failed port may keep.
//!
//! Its generator could not say what is wanted, but everything around it is still known: which listeners are the port's
//! and who may get its filters. So only what is right in that respect stays: a filter never outlives its listener's
//! owner or its service's visibility.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use aeraki_api::networking::EnvoyFilter;

use crate::assemble::{self, FilterKey, PROTOCOL_LABEL};
use crate::content::Content;
use crate::pairs::Pairs;

/// The EnvoyFilters that a port may keep. They are known by name, so that objects of Go Aeraki and of an earlier process
/// are found as well.
#[derive(Default, Debug)]
pub(crate) struct Held {
    /// Names of outbound EnvoyFilters, with the listeners that each may patch.
    pub(crate) outbound: BTreeMap<Arc<str>, BTreeSet<String>>,
    /// Namespaces that may have them.
    pub(crate) outbound_namespaces: BTreeSet<Arc<str>>,
    /// The protocol's name.
    pub(crate) protocol: &'static str,
    /// The inbound EnvoyFilter, if one may stand.
    pub(crate) inbound: Option<HeldInbound>,
    /// Namespaces that may have it: the service's, and the root one, where Go Aeraki put it.
    pub(crate) inbound_namespaces: BTreeSet<Arc<str>>,
}

/// An inbound EnvoyFilter that may stand.
#[derive(Debug)]
pub(crate) struct HeldInbound {
    pub(crate) name: Arc<str>,
    pub(crate) target_port: u32,
    pub(crate) selector: Pairs,
}

impl HeldInbound {
    /// Whether the object stands on the very chain and workloads.
    fn fits(&self, spec: &EnvoyFilter) -> bool {
        let selector = spec
            .workload_selector
            .as_ref()
            .map(|selector| Pairs::from(&selector.labels));
        selector.as_ref() == Some(&self.selector)
            && assemble::target_ports_of(spec).all(|port| port == self.target_port)
    }
}

impl Held {
    /// The names of what may stay.
    pub(crate) fn names(&self) -> impl Iterator<Item = &Arc<str>> {
        let inbound = self.inbound.as_ref().map(|inbound| &inbound.name);
        self.outbound.keys().chain(inbound)
    }

    /// Whether the object called `key` stays.
    pub(crate) fn keeps(&self, key: &FilterKey, content: &Content) -> bool {
        // An object of Go Aeraki carries no protocol; it is known by its name alone.
        let protocol = content.label(PROTOCOL_LABEL);
        if protocol.is_some_and(|protocol| protocol != self.protocol) {
            return false;
        }
        if let Some(inbound) = self
            .inbound
            .as_ref()
            .filter(|inbound| *inbound.name == *key.name)
        {
            return self.inbound_namespaces.contains(&key.namespace)
                && (protocol.is_none() || inbound.fits(&content.spec()));
        }
        let Some(owned) = self.outbound.get(&*key.name) else {
            return false;
        };
        self.outbound_namespaces.contains(&key.namespace)
            && assemble::listeners_of(&content.spec()).all(|listener| owned.contains(&listener))
    }
}
