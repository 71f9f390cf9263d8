//! The test bed: real etcd, kube-apiserver (RBAC on) and istiod on loopback, without containers, and
//! proxies that break connections.
//!
//! ```no_run
//! use aeraki_testbed::{Options, Testbed};
//!
//! # async fn example() -> anyhow::Result<()> {
//! let bed = Testbed::start(Options::default()).await?;     // a few seconds, once built
//! let cluster = bed.cluster().await?;                      // an admin's client
//! cluster.apply("{apiVersion: v1, kind: Namespace, metadata: {name: shop}}").await?;
//! cluster.create_service_account("istio-system", "aeraki").await?;
//! let token = cluster.token("istio-system", "aeraki", "istio-ca").await?;
//! println!("{} {} {token}", bed.kubeconfig().display(), bed.istiod().grpc_tls);
//! bed.kill_istiod()?;
//! bed.restart_istiod().await?;
//! # Ok(())
//! # }
//! ```
//!
//! Several beds run side by side, each with ports and a directory of its own. A bed ends when it is
//! dropped, and also when the process ends in any way, so it may lie in a `static`: one bed for all
//! tests of a binary. Nothing in a bed belongs to the runtime that started it; a [`Cluster`] does,
//! so each test makes its own.
//!
//! This crate knows how servers are started and broken. It knows nothing of Aeraki.

pub use audit::AuditEntry;
pub use bed::{Options, Testbed};
pub use cluster::Cluster;
pub use istiod::Istiod;
pub use named::Named;
pub use process::Process;
pub use sidecar::{Sidecar, SidecarOptions};
pub use stats::StatsMatcher;
pub use usage::Usage;

mod apiserver;
mod audit;
mod bed;
mod cluster;
mod etcd;
#[expect(
    clippy::unwrap_used,
    reason = "it serves tests, which fail by panicking"
)]
pub mod fake_istiod;
pub mod fault;
mod istiod;
mod kubeconfig;
mod named;
mod pki;
pub mod plain_http;
mod ports;
mod process;
mod ready;
mod sidecar;
mod stats;
mod usage;
mod warden;
