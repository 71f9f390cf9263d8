//! The few fields by which messages are indexed, read from the wire form without the rest.

use prost::Message;

use crate::networking::{DestinationRule, ServiceEntry, VirtualService};

/// A message that has a head: a message of its own with some of the fields, under the same numbers.
pub trait HasHead {
    /// The head.
    type Head: Message + Default;
}

/// Whom a ServiceEntry is about, and who sees it.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct ServiceEntryHead {
    /// `hosts`
    #[prost(string, repeated, tag = "1")]
    pub hosts: Vec<String>,
    /// `exportTo`
    #[prost(string, repeated, tag = "7")]
    pub export_to: Vec<String>,
}

/// Whom a VirtualService is about, who sees it, and where it applies.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct VirtualServiceHead {
    /// `hosts`
    #[prost(string, repeated, tag = "1")]
    pub hosts: Vec<String>,
    /// `gateways`
    #[prost(string, repeated, tag = "2")]
    pub gateways: Vec<String>,
    /// `exportTo`
    #[prost(string, repeated, tag = "6")]
    pub export_to: Vec<String>,
}

/// Whom a DestinationRule is about, who sees it, and which subsets it defines.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct DestinationRuleHead {
    /// `host`
    #[prost(string, tag = "1")]
    pub host: String,
    /// `subsets`
    #[prost(message, repeated, tag = "3")]
    pub subsets: Vec<SubsetHead>,
    /// `exportTo`
    #[prost(string, repeated, tag = "4")]
    pub export_to: Vec<String>,
}

/// What a subset is called.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct SubsetHead {
    /// `name`
    #[prost(string, tag = "1")]
    pub name: String,
}

impl HasHead for ServiceEntry {
    type Head = ServiceEntryHead;
}

impl HasHead for VirtualService {
    type Head = VirtualServiceHead;
}

impl HasHead for DestinationRule {
    type Head = DestinationRuleHead;
}
