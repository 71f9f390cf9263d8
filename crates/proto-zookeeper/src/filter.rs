//! The filter shell: what the annotations say, as Envoy's `ZooKeeperProxy`.

use aeraki_api::envoy::zookeeper::ZooKeeperProxy;
use aeraki_core::draft::{Direction, FilterDraft};
use aeraki_core::generator::{GenerateError, ServiceContext};
use aeraki_core::network_filter;

use crate::annotations::{self, PerOpcode};

/// The Envoy filter.
pub(crate) const NAME: &str = "envoy.filters.network.zookeeper_proxy";

/// The filter but for its stat prefix, which is all that differs between the two sides.
pub(crate) fn shell(ctx: &ServiceContext<'_>) -> ZooKeeperProxy {
    let default = ctx.annotation(annotations::LATENCY_THRESHOLD, annotations::threshold);
    let overrides = ctx
        .annotation(
            annotations::LATENCY_THRESHOLD_OVERRIDES,
            annotations::overrides,
        )
        .unwrap_or_default();
    let PerOpcode {
        request_bytes,
        response_bytes,
        decoder_errors,
    } = ctx
        .annotation(annotations::PER_OPCODE_METRICS, annotations::per_opcode)
        .unwrap_or_default();
    ZooKeeperProxy {
        max_packet_bytes: ctx.annotation(annotations::MAX_PACKET_BYTES, annotations::packet_bytes),
        // Thresholds have no effect without it, and whoever names one wants its effect.
        enable_latency_threshold_metrics: default.is_some() || !overrides.is_empty(),
        default_latency_threshold: default,
        latency_threshold_overrides: overrides,
        enable_per_opcode_request_bytes_metrics: request_bytes,
        enable_per_opcode_response_bytes_metrics: response_bytes,
        enable_per_opcode_decoder_error_metrics: decoder_errors,
        ..ZooKeeperProxy::default()
    }
}

/// The filter of one side. Its counters are called `<stat_prefix>.zookeeper.…`.
pub(crate) fn draft(
    direction: Direction,
    stat_prefix: String,
    shell: &ZooKeeperProxy,
) -> Result<FilterDraft, GenerateError> {
    network_filter::insert_before(
        direction,
        NAME,
        &ZooKeeperProxy {
            stat_prefix,
            ..shell.clone()
        },
    )
}
