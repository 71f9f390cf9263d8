//! The pure heart of Aeraki: Istio config in, EnvoyFilters and diagnostics out.

mod assemble;
mod claims;
mod generate;
mod listener;
mod loadable;
mod scope;
mod world;

pub mod cluster_name;
pub mod diagnostic;
pub mod draft;
pub mod engine;
pub mod field;
pub mod generator;
pub mod host;
pub mod names;
pub mod near_miss;
pub mod network_filter;
pub mod object;
pub mod plan;
pub mod port_name;
pub mod protocol;
pub mod regex_policy;
pub mod registry;
pub mod route;
pub mod service;
pub mod settings;
pub mod visibility;

pub use assemble::{
    Filter, FilterKey, HASH_ANNOTATION, MANAGED_BY_LABEL, MANAGER_LABEL, PROTOCOL_LABEL,
    SERVICE_ANNOTATION, SOURCE_ANNOTATION, reference,
};

#[doc(hidden)]
pub use inventory as __inventory;
