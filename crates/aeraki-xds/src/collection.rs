//! The sets of objects that istiod is asked for.
//!
//! Istiod serves a kind in one version of its API and answers an empty set for the others, without an error: newer ones
//! have `v1`, older ones `v1alpha3`. So both are asked for, and a kind is the union of its collections.

use aeraki_core::object::Kind;

/// A kind in one version of its API, by the name that MCP has for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Collection {
    /// What to ask for.
    pub type_url: &'static str,
    /// What comes.
    pub kind: Kind,
}

/// All that is asked for. Of two collections of a kind the first one counts where both have an object.
pub const COLLECTIONS: &[Collection] = &[
    Collection::new("networking.istio.io/v1/ServiceEntry", Kind::SERVICE_ENTRY),
    Collection::new(
        "networking.istio.io/v1/VirtualService",
        Kind::VIRTUAL_SERVICE,
    ),
    Collection::new(
        "networking.istio.io/v1/DestinationRule",
        Kind::DESTINATION_RULE,
    ),
    Collection::new(
        "networking.istio.io/v1alpha3/ServiceEntry",
        Kind::SERVICE_ENTRY,
    ),
    Collection::new(
        "networking.istio.io/v1alpha3/VirtualService",
        Kind::VIRTUAL_SERVICE,
    ),
    Collection::new(
        "networking.istio.io/v1alpha3/DestinationRule",
        Kind::DESTINATION_RULE,
    ),
];

/// What istiod answers questions about itself under.
pub(crate) const DEBUG: &str = "istio.io/debug";

impl Collection {
    const fn new(type_url: &'static str, kind: Kind) -> Self {
        Self { type_url, kind }
    }
}
