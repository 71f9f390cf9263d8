//! One that claims: a port of a service.

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use aeraki_api::Timestamp;

use crate::object::{Kind, ObjectKey};
use crate::service::Service;
use crate::table::Keyed;

/// A claimant, ordered as Istio orders services: the oldest first, one without a time before all; then by name,
/// namespace and object. The hosts of one object keep their order.
#[derive(Clone)]
pub(crate) struct Claimant {
    services: Arc<[Service]>,
    index: u32,
    port: u32,
}

impl Claimant {
    /// The port called `port` of the `index`-th service of an object.
    pub(crate) fn new(services: &Arc<[Service]>, index: usize, port: u32) -> Self {
        Self {
            services: Arc::clone(services),
            index: u32::try_from(index).expect("no object has four billion hosts"),
            port,
        }
    }

    /// The service.
    pub(crate) fn service(&self) -> &Service {
        &self.services[self.index as usize]
    }

    /// The number of its port.
    pub(crate) fn port(&self) -> u32 {
        self.port
    }

    /// The object that the service is read from.
    pub(crate) fn object(&self) -> &ObjectKey {
        self.service().object()
    }

    /// Istio's name of the service: a ServiceEntry's (first) host, a Service's own name.
    pub(crate) fn name(&self) -> &str {
        let object = self.object();
        match object.kind {
            Kind::SERVICE => &object.name,
            _ => self.services[0].host().as_str(),
        }
    }

    fn place(&self) -> (Option<Timestamp>, &str, &str, &ObjectKey, u32, u32) {
        let object = self.object();
        (
            self.service().created(),
            self.name(),
            &object.namespace,
            object,
            self.index,
            self.port,
        )
    }

    fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.services, &other.services)
            && (self.index, self.port) == (other.index, other.port)
    }
}

impl Ord for Claimant {
    fn cmp(&self, other: &Self) -> Ordering {
        if self.is_same(other) {
            return Ordering::Equal;
        }
        self.place().cmp(&other.place())
    }
}

impl PartialOrd for Claimant {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Claimant {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Claimant {}

impl Hash for Claimant {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // Equal claimants are of one object, and few objects have one name.
        self.object().name.hash(state);
        (self.index, self.port).hash(state);
    }
}

impl Keyed for Claimant {
    type Key = Self;

    fn key(&self) -> &Self {
        self
    }
}

impl std::fmt::Debug for Claimant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} [{}]:{}", self.object(), self.index, self.port)
    }
}
