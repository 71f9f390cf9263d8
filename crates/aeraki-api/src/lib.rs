//! Wire and JSON types: what Aeraki reads from Istio and Kubernetes and what it writes for Envoy.
//!
//! One Rust type per message serves both protobuf bytes (MCP) and JSON (Kubernetes objects, patch
//! values). Everything is data: nothing here decides, reads files, or knows a protocol's rules.
//!
//! - [`networking`], [`mcp`]: Istio's API, complete, in camelCase JSON.
//! - [`discovery`]: how a control plane is asked for it.
//! - [`envoy`]: the filter and cluster configurations that we emit, in snake_case JSON.
//! - [`kubernetes`]: the few fields that we read of core objects.
//! - [`schema`]: the fields of Istio's messages, as data.
//! - [`Packed`]: a message kept in its wire form, [`HasHead`] what is read of it most often.
//! - [`Cr`]: the envelope of a custom resource, [`IstioKind`] what its API is called.

mod duration;
mod head;
mod json_struct;
mod nulls;
mod object;
mod packed;
mod proto;
mod timestamp;
mod typed_config;

pub mod discovery;
pub mod envoy;
pub mod kubernetes;
pub mod mcp;
pub mod networking;
pub mod schema;

pub use prost;

pub use duration::{Duration, ParseDurationError};
pub use head::{DestinationRuleHead, HasHead, ServiceEntryHead, SubsetHead, VirtualServiceHead};
pub use json_struct::JsonStruct;
pub use nulls::strip_nulls;
pub use object::{Cr, IstioKind, ObjectMeta};
pub use packed::Packed;
pub use timestamp::{ParseTimestampError, Timestamp};
pub use typed_config::typed_config;
