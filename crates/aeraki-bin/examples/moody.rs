//! Aeraki with one more protocol, whose generator panics when a service's annotation `mood` says so. For tests of the
//! whole command.

use aeraki_core::draft::{Direction, FilterDraft, NetworkFilter, Placement};
use aeraki_core::generator::{GenerateError, Generator, ServiceContext};
use aeraki_core::protocol::Protocol;
use aeraki_core::registry::Registration;
use serde_json::json;

const FILTER: &str = "envoy.filters.network.connection_limit";
const TYPE: &str =
    "type.googleapis.com/envoy.extensions.filters.network.connection_limit.v3.ConnectionLimit";

struct Moody;

impl Generator for Moody {
    fn generate(&self, ctx: &ServiceContext<'_>) -> Result<Vec<FilterDraft>, GenerateError> {
        let mood = ctx.service().annotation("mood").unwrap_or("none");
        assert_ne!(mood, "panic", "in a mood");
        let filter = NetworkFilter {
            placement: Placement::InsertBefore,
            name: FILTER,
            typed_config: json!({"@type": TYPE, "stat_prefix": mood, "max_connections": 1}).into(),
        };
        Ok(vec![FilterDraft::network(Direction::Outbound, filter)])
    }
}

aeraki_core::register!(Registration::new(Protocol::Custom("moody"), &Moody).envoy_filter(FILTER));

fn main() -> std::process::ExitCode {
    aeraki_bin::main()
}
