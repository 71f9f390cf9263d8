//! What is put into a cluster: `aeraki manifests`, the kustomize base and the Helm chart.
#![cfg(all(feature = "all", unix))]
#![expect(
    clippy::unwrap_used,
    reason = "every function here is a test or a part of one"
)]

mod chart;
mod objects;
mod rbac;
mod restricted;
mod same;
mod tools;
