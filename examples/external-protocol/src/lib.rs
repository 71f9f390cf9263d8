//! MQTT for Aeraki, in a crate that Aeraki has never heard of.
//!
//! A port named `tcp-mqtt` gets Envoy's `connection_limit` before `tcp_proxy` on the broker's side, so that a flood of
//! devices meets the broker's sidecar first.

use aeraki_core::config::{Config, Part};
use aeraki_core::draft::{Direction, FilterDraft, NetworkFilter, Placement};
use aeraki_core::generator::{GenerateError, Generator, ServiceContext};
use aeraki_core::protocol::Protocol;
use aeraki_core::registry::{Annotation, Registration};
use serde_json::json;

const FILTER: &str = "envoy.filters.network.connection_limit";
const TYPE: &str =
    "type.googleapis.com/envoy.extensions.filters.network.connection_limit.v3.ConnectionLimit";
const MAX_CONNECTIONS: &str = "mqtt.example.com/max-connections";
const MAX_CONNECTIONS_DEFAULT: u64 = 1024;

/// Makes the filters of MQTT ports.
pub struct Mqtt;

impl Generator for Mqtt {
    fn generate(&self, ctx: &ServiceContext<'_>) -> Result<Vec<FilterDraft>, GenerateError> {
        let limit = ctx.annotation(MAX_CONNECTIONS, connections);
        let Some(inbound) = ctx.inbound() else {
            return Ok(Vec::new());
        };
        let filter = NetworkFilter {
            placement: Placement::InsertBefore,
            name: FILTER,
            typed_config: Config::from(json!({
                "@type": TYPE,
                "stat_prefix": inbound.cluster(),
                "max_connections": limit.unwrap_or(MAX_CONNECTIONS_DEFAULT),
            })),
        };
        Ok(vec![FilterDraft::network(Direction::Inbound, filter)])
    }
}

fn connections(text: &str) -> Result<u64, String> {
    text.parse()
        .ok()
        .filter(|limit| *limit > 0)
        .ok_or_else(|| format!("`{text}` is not a positive number"))
}

/// Envoy refuses the listener without a limit of at least one.
fn limits_nothing(config: Part<'_>) -> Option<String> {
    let limit = config.get("max_connections").and_then(Part::as_u64);
    (limit.unwrap_or(0) == 0).then(|| "`max_connections` is below one".to_owned())
}

aeraki_core::register!(
    Registration::new(Protocol::Custom("mqtt"), &Mqtt)
        .envoy_filter(FILTER)
        .annotations(&[Annotation {
            key: MAX_CONNECTIONS,
            on: "ServiceEntry, Service",
            meaning: "how many connections the broker's sidecar lets through, 1024 if absent",
        }])
        .checks(&[limits_nothing])
);
