//! Kubernetes: config by watch, EnvoyFilters by write, the Lease, Events and status.

mod jitter;

pub mod discovery;
pub mod kinds;
pub mod watch;

pub use kinds::{Identity, WantedKind};
pub use watch::{Identities, KubeSource, Pace, Renewal, SourceError};
