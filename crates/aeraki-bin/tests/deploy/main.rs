//! What is put into a cluster: `aeraki manifests`, the kustomize base and the Helm chart; as text, and in a real API server.
#![cfg(all(feature = "all", unix))]
#![expect(
    clippy::unwrap_used,
    reason = "every function here is a test or a part of one"
)]

mod accepted;
mod chart;
mod cluster;
mod definitions;
mod demo;
mod documents;
mod objects;
mod rbac;
mod restricted;
mod rights;
mod same;
mod tools;
mod uninstall;
mod upgrade;
mod used;
