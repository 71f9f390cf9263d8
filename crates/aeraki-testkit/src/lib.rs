//! Test harness: the real Envoy, and what a sidecar would be given.
//!
//! - [`render`] turns EnvoyFilter objects into the bootstraps that Istio would make of them.
//! - [`envoy`] loads such a bootstrap into a real Envoy and says what it rejects.
//! - [`explain`] narrows a rejection down to the EnvoyFilters that cause it.
//!
//! Dev-only: nothing that ships depends on this crate. A test that cannot find Envoy fails; it
//! never skips.

pub mod envoy;
pub mod explain;
pub mod render;
