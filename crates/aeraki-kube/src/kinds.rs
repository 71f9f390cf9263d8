//! Which kinds are watched, in which versions, and how one object's JSON becomes what the core reads.
//!
//! Knows what of an object the core never looks at, and drops it at once. Knows nothing of requests and streams.

mod identity;
mod reading;

use std::sync::Arc;

use aeraki_api::IstioKind;
use aeraki_api::networking::{DestinationRule, ServiceEntry, VirtualService};
use aeraki_core::object::{Kind, ObjectKey};
use aeraki_core::registry::{Input, Registry};

pub use identity::Identity;
pub(crate) use identity::{Revision, Uid};
pub(crate) use reading::{Outcome, Reading, read};

/// A kind to be watched.
#[derive(Clone, Debug)]
pub struct WantedKind {
    kind: Kind,
    versions: &'static [&'static str],
    input: Option<&'static Input>,
    namespace: Option<Arc<str>>,
    is_optional: bool,
}

/// The core Secret. No set of kinds holds it unless it is asked for by namespace: see [`WantedKind::secrets`].
const SECRET: Kind = Kind::new("", "Secret");

impl WantedKind {
    const fn new(kind: Kind, versions: &'static [&'static str]) -> Self {
        Self {
            kind,
            versions,
            input: None,
            namespace: None,
            is_optional: false,
        }
    }

    /// A kind that a protocol declares.
    #[must_use]
    pub const fn declared(input: &'static Input) -> Self {
        Self {
            kind: input.kind,
            versions: input.versions,
            input: Some(input),
            namespace: None,
            is_optional: false,
        }
    }

    /// The Secrets of one namespace, for those who grant them; none where no protocol reads Secrets.
    ///
    /// They are no part of a complete view: what needs a Secret that cannot be read is held, and nothing else is.
    #[must_use]
    pub fn secrets(registry: &Registry, namespace: &str) -> Option<Self> {
        let is_read = registry.inputs().any(|input| input.kind == SECRET);
        let secrets = Self {
            is_optional: true,
            ..Self::new(SECRET, &["v1"]).within(namespace)
        };
        is_read.then_some(secrets)
    }

    /// One of the kinds of Istio's and Kubernetes' own that the core reads.
    #[must_use]
    pub fn own(kind: Kind) -> Option<Self> {
        let mut own = Self::whole_config(&Registry::default()).into_iter();
        own.find(|wanted| wanted.kind == kind)
    }

    /// Only the objects of one namespace.
    #[must_use]
    pub fn within(mut self, namespace: &str) -> Self {
        self.namespace = Some(namespace.into());
        self
    }

    /// Everything that the core reads: where the API server is the only source.
    #[must_use]
    pub fn whole_config(registry: &Registry) -> Vec<Self> {
        let routing = [
            Self::new(Kind::VIRTUAL_SERVICE, VirtualService::VERSIONS),
            Self::new(Kind::DESTINATION_RULE, DestinationRule::VERSIONS),
        ];
        let mut all = Self::beside_istiod(registry);
        all.splice(1..1, routing);
        all
    }

    /// What istiod does not tell, or not all of it: where istiod is the source of the rest.
    #[must_use]
    pub fn beside_istiod(registry: &Registry) -> Vec<Self> {
        let own = [
            Self::new(Kind::SERVICE_ENTRY, ServiceEntry::VERSIONS),
            Self::new(Kind::SERVICE, &["v1"]),
            Self::new(Kind::ENDPOINT_SLICE, &["v1"]),
        ];
        let declared = registry.inputs().filter(|input| input.kind != SECRET);
        own.into_iter()
            .chain(declared.map(Self::declared))
            .collect()
    }

    /// The kind.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// The versions that are read, the preferred one first.
    #[must_use]
    pub const fn versions(&self) -> &'static [&'static str] {
        self.versions
    }

    /// The namespace that it is confined to.
    #[must_use]
    pub fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
    }

    /// One that a view is complete without.
    #[cfg(test)]
    pub(crate) fn optional(mut self) -> Self {
        self.is_optional = true;
        self
    }

    /// Whether a view is complete without it, if it cannot be read.
    pub(crate) const fn is_optional(&self) -> bool {
        self.is_optional
    }

    pub(crate) const fn input(&self) -> Option<&'static Input> {
        self.input
    }

    /// All objects of the kind, for a problem that is not one object's.
    pub(crate) fn all_objects(&self) -> ObjectKey {
        ObjectKey::new(self.kind, self.namespace().unwrap_or("*"), "*")
    }
}
