//! What a failed port may keep.
//!
//! Its generator could not say what is wanted, but everything around it is still known: which listeners are the port's
//! and who may get its filters. So only what is right in that respect stays: a filter never outlives its listener's
//! owner or its service's visibility.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use aeraki_api::Cr;
use aeraki_api::networking::EnvoyFilter;

use crate::assemble::{self, FilterKey};

/// The EnvoyFilters that a port may keep. They are known by name, so that objects of Go Aeraki and of an earlier process
/// are found as well.
#[derive(Default, Debug)]
pub(crate) struct Held {
    /// Names of outbound EnvoyFilters, with the listeners that each may patch.
    pub(crate) outbound: BTreeMap<String, BTreeSet<String>>,
    /// Namespaces that may have them.
    pub(crate) outbound_namespaces: BTreeSet<Arc<str>>,
    /// The name of the inbound EnvoyFilter, if one may stand.
    pub(crate) inbound: Option<String>,
    /// Namespaces that may have it: the service's, and the root one, where Go Aeraki put it.
    pub(crate) inbound_namespaces: BTreeSet<Arc<str>>,
}

impl Held {
    /// Whether the object called `key` stays.
    pub(crate) fn keeps(&self, key: &FilterKey, object: &Cr<EnvoyFilter>) -> bool {
        if self.inbound.as_deref() == Some(&*key.name) {
            return self.inbound_namespaces.contains(&key.namespace);
        }
        let Some(owned) = self.outbound.get(&*key.name) else {
            return false;
        };
        self.outbound_namespaces.contains(&key.namespace)
            && assemble::listeners_of(object).all(|listener| owned.contains(&listener))
    }
}
