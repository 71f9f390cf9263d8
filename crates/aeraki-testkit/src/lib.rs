//! Test harness: the real Envoy, and what a sidecar would be given.
//!
//! - [`render`] turns EnvoyFilter objects into the bootstraps that Istio would make of them.
//! - [`envoy`] loads such a bootstrap into a real Envoy and says what it rejects.
//! - [`golden`] runs a case from YAML to YAML and compares it with its snapshot.
//! - [`route`] builds routes for the unit tests of protocol crates.
//! - [`large_mesh`] is a regular mesh of any size for benchmarks.
//! - [`mesh`] draws random meshes for property tests.
//! - [`explain`] narrows a rejection down to the EnvoyFilters that cause it.
//!
//! Dev-only: nothing that ships depends on this crate. A test that cannot find Envoy fails; it
//! never skips.

pub mod envoy;
pub mod explain;
pub mod golden;
pub mod large_mesh;
pub mod mesh;
pub mod render;
pub mod route;
