//! Kubernetes: config by watch, EnvoyFilters by write, the Lease, Events and status.

mod jitter;

pub mod client;
pub mod discovery;
pub mod events;
pub mod filters;
pub mod kinds;
pub mod lease;
pub mod status;
pub mod watch;
pub mod writer;

pub use events::{Notice, Notices, Recorder};
pub use filters::Filters;
pub use kinds::{Identity, WantedKind};
pub use status::{Outputs, StatusWriter, Verdict};
pub use watch::{Identities, KubeSource, Pace, Renewal, SourceError};
pub use writer::{Orders, Outcome, Pending, Writer, WriterOptions};
