//! The conversation with a control plane: aggregated discovery, state of the world.
//!
//! Only the wire form: nobody writes these by hand.

pub use crate::proto::envoy::config::core::v3::Node;
pub use crate::proto::envoy::service::discovery::v3::{DiscoveryRequest, DiscoveryResponse};
pub use crate::proto::google::rpc::Status;

/// The gRPC method that carries the conversation.
pub const STREAM_AGGREGATED_RESOURCES: &str =
    "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources";
