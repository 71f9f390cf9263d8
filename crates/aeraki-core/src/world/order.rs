//! Who stands before whom among those that say something of one host.
//!
//! What is filed is the thing itself, shared, so that a lookup needs no second one; its place is read off it.

use std::cmp::Ordering;
use std::sync::Arc;

use aeraki_api::Timestamp;

use crate::object::{Kind, Object, ObjectKey};
use crate::service::Service;

/// A rule among others for the same host: the oldest first, then by name and namespace, as in Istio.
#[derive(Clone, Debug)]
pub(super) struct Rule(pub(super) Arc<Object>);

impl Rule {
    fn place(&self) -> (Option<Timestamp>, &str, &str, Kind) {
        let key = &self.0.key;
        (self.0.meta.created, &key.name, &key.namespace, key.kind)
    }
}

/// A service among others for the same host: the oldest first, then by object.
#[derive(Clone, Debug)]
pub(super) struct Filed {
    services: Arc<[Service]>,
    index: usize,
}

impl Filed {
    /// All services of an object.
    pub(super) fn all(services: &Arc<[Service]>) -> impl Iterator<Item = Self> + '_ {
        (0..services.len()).map(|index| Self {
            services: Arc::clone(services),
            index,
        })
    }

    pub(super) fn service(&self) -> &Service {
        &self.services[self.index]
    }

    fn place(&self) -> (Option<Timestamp>, &ObjectKey, usize) {
        let service = self.service();
        (service.created(), service.object(), self.index)
    }
}

/// The order is that of the places, and so is equality.
macro_rules! ordered_by_place {
    ($type:ty) => {
        impl Ord for $type {
            fn cmp(&self, other: &Self) -> Ordering {
                self.place().cmp(&other.place())
            }
        }
        impl PartialOrd for $type {
            fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
                Some(self.cmp(other))
            }
        }
        impl PartialEq for $type {
            fn eq(&self, other: &Self) -> bool {
                self.cmp(other).is_eq()
            }
        }
        impl Eq for $type {}
    };
}

ordered_by_place!(Rule);
ordered_by_place!(Filed);
