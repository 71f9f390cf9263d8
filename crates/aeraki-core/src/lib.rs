//! The pure heart of Aeraki: Istio config in, EnvoyFilters and diagnostics out.
//!
//! ```text
//!            ConfigEvent                                              Changes
//! source ──────────────▶ world ─▶ service ─▶ Generator ─▶ draft ─▶ assemble ──────────▶ sink
//!                        (index)   (view)    (a protocol)          (EnvoyFilter)  plan
//! ```
//!
//! The crate is synchronous and has no clock, no environment and no I/O. Two pure functions carry it: one service and
//! what is visible from it → filters and diagnostics ([`engine`] decides for which services that runs again), and
//! desired and observed → what to write ([`plan`]). It knows no protocol by name: a protocol is a
//! [`Registration`](registry::Registration) of some crate, found through the [`Registry`](registry::Registry).
//!
//! Embedding it takes a registry, an engine and events:
//!
//! ```
//! use std::sync::Arc;
//! use aeraki_api::{Cr, networking::{ServiceEntry, ServicePort}};
//! use aeraki_core::{engine::Engine, object::{ConfigEvent, Object}, registry::Registry, settings::Settings};
//! # use aeraki_core::{draft::{Direction, FilterDraft, NetworkFilter, Placement}, generator::*, protocol::Protocol, registry::Registration};
//! # struct Mqtt;
//! # impl Generator for Mqtt {
//! #     fn generate(&self, _: &ServiceContext<'_>) -> Result<Vec<FilterDraft>, GenerateError> {
//! #         let typed_config = serde_json::json!({"@type": "type.googleapis.com/example.Mqtt"}).into();
//! #         let filter = NetworkFilter { placement: Placement::Replace, name: "example.mqtt", typed_config };
//! #         Ok(vec![FilterDraft::network(Direction::Outbound, filter)])
//! #     }
//! # }
//! # static MQTT: Registration = Registration::new(Protocol::Custom("mqtt"), &Mqtt);
//!
//! // Usually `Registry::linked()`, with `use proto_dubbo as _;` and so on.
//! let registry = Registry::of([&MQTT])?;
//! let mut engine = Engine::new(Settings::default(), registry);
//!
//! let port = ServicePort { number: 1883, name: "tcp-mqtt".into(), protocol: "TCP".into(), ..Default::default() };
//! let entry = ServiceEntry {
//!     hosts: vec!["broker.example.com".into()],
//!     addresses: vec!["240.240.0.9".into()],
//!     ports: vec![port],
//!     ..Default::default()
//! };
//! engine.apply(ConfigEvent::Put(Arc::new(Object::from(Cr::new("broker", "iot", entry)))));
//!
//! let changes = engine.drain();
//! let names: Vec<String> = changes.upserted.keys().map(ToString::to_string).collect();
//! assert_eq!(names, ["istio-system/aeraki-outbound-broker.example.com-240.240.0.9-1883"]);
//! # Ok::<(), aeraki_core::registry::RegistryError>(())
//! ```

mod assemble;
mod claims;
mod content;
mod few_set;
mod generate;
mod hold;
mod idle;
mod listener;
mod loadable;
mod scope;
mod spec_text;
mod table;
mod world;

pub mod annotation;
pub mod cluster_name;
pub mod config;
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
pub mod overlay;
pub mod pairs;
pub mod plan;
pub mod port_name;
pub mod protocol;
pub mod reconcile;
pub mod regex_policy;
pub mod registry;
pub mod route;
pub mod service;
pub mod settings;
pub mod shrink;
pub mod source;
pub mod visibility;

pub use assemble::{
    Filter, FilterKey, HASH_ANNOTATION, MANAGED_BY_LABEL, MANAGER_LABEL, PROTOCOL_LABEL,
    SERVICE_ANNOTATION, SOURCE_ANNOTATION, reference,
};
pub use content::Content;

#[doc(hidden)]
pub use inventory as __inventory;
