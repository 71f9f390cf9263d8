//! The MCP-over-xDS client of istiod: a session without I/O and a small async loop.
//!
//! Istiod hands out the mesh's ServiceEntries, VirtualServices and DestinationRules to whoever proves to be of Istio's
//! root namespace. Two halves get them from there:
//!
//! - [`session`] is the conversation: what to ask, what to acknowledge, what an answer changes, and how much has been
//!   seen. It holds no socket and no clock, so that its tests need none.
//! - [`client`] is the loop around it: connections, credentials, deadlines, waiting and trying again. It knows nothing
//!   of what is in an answer.
//!
//! [`syncz`] reads what the proxies make of their configuration, and [`mesh`] what is set for all of them; istiod tells both
//! on the same stream.

pub mod backoff;
pub mod client;
pub mod collection;
pub mod mesh;
pub mod metrics;
pub mod node;
pub mod session;
pub mod settings;
pub mod syncz;
pub mod termination;

mod credentials;
mod dial;
mod journal;
mod mailbox;
mod stream;
