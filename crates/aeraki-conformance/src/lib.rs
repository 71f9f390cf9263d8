//! Proof by real traffic. What counts is not the YAML but which server answers the call.
//!
//! ```text
//!   the suite's own network, mount and process namespaces (isolation)
//!   ┌──────────────────────────────────────────────────────────────────────────────────────┐
//!   │ etcd, kube-apiserver (loopback)   istiod (10.77.0.1)   aeraki run, as it is installed │
//!   │ ───────────────────────────── bridge 10.77.0.0/16 ─────────────────────────────────── │
//!   │   pod: client, Envoy, iptables        pod: server v1, …        pod: server v2, …      │
//!   └──────────────────────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! A [`Case`] brings ServiceEntries, Services and rules of its own that lead to applications which all cases of its protocol
//! share. It waits by looking until the sidecars have its filters ([`Stage::settled`]), makes calls through the client's
//! sidecar, and asks the servers which of them was called. Everything ends with the process, whatever ends it.
//!
//! This crate knows how a mesh behaves. What it knows of Aeraki is its command line and its documents.

pub use case::{Case, Stage, Turn};
pub use client::Client;
pub use mesh::{Mesh, Pod, PodOptions};

mod case;
mod client;
mod command_line;
mod demo;
mod dubbo;
mod evidence;
mod isolation;
mod kafka;
mod kubernetes_service;
mod measure;
mod mesh;
mod network;
mod overhead;
mod promql;
mod redis;
mod report;
mod served;
mod statistics;
mod stranger;
mod suite;
mod thrift;
mod wait;
mod whole;
mod zookeeper;

/// Runs the command line of this process, and answers with the exit code: 0 if every case passed.
#[must_use]
pub fn main() -> std::process::ExitCode {
    command_line::main()
}
