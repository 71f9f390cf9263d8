//! Diagnostics that only Kafka has.

use aeraki_core::diagnostic::{Code, Severity};

/// All codes of the protocol.
pub(crate) const ALL: &[&Code] = &[&OPENING_REFUSED];

/// The api keys shut out a request that clients open with.
pub(crate) static OPENING_REFUSED: Code = Code {
    id: "AER0550",
    severity: Severity::Warning,
    title: "the api keys shut out a request that clients open with",
    explanation: "Kafka clients open a connection with ApiVersions (18) and ask for Metadata (3) before anything else. Envoy closes the connection of a client that sends a key which is not allowed, so such a client can do nothing at all. The filter is written as asked.",
    remedy: "Add 3 and 18 to the allowed keys, or remove them from the denied ones.",
};
