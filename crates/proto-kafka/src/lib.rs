//! The Kafka protocol: Envoy's `kafka_broker` before Istio's `tcp_proxy`, on both sides of the call.
//!
//! The filter decodes and counts, and on request refuses api keys and rewrites broker addresses; it never routes. So
//! there is no route table here: Istio's own tcp routes stay in force, and all that a user can set comes from annotations
//! of the service. Stock Istio proxies lack the filter and refuse the listener, hence the gate.

use aeraki_core::draft::{Direction, FilterDraft};
use aeraki_core::generator::{GenerateError, Generator, ServiceContext};
use aeraki_core::protocol::Protocol;
use aeraki_core::registry::{Expresses, Maturity, Registration};

mod annotations;
mod checks;
mod codes;
mod filter;

/// Makes the filters of Kafka ports.
pub struct Kafka;

impl Generator for Kafka {
    fn generate(&self, ctx: &ServiceContext<'_>) -> Result<Vec<FilterDraft>, GenerateError> {
        let shell = filter::shell(ctx)?;
        let outbound = (Direction::Outbound, ctx.outbound_cluster());
        let inbound = ctx
            .inbound()
            .map(|inbound| (Direction::Inbound, inbound.cluster()));
        std::iter::once(outbound)
            .chain(inbound)
            .map(|(direction, stat_prefix)| filter::draft(direction, stat_prefix, &shell))
            .collect()
    }
}

aeraki_core::register!(
    Registration::new(Protocol::Kafka, &Kafka)
        .gated()
        .envoy_filter(filter::NAME)
        .counter("kafka.outbound|9092||a.test.request.produce_request")
        .maturity(Maturity::Alpha)
        .expresses(Expresses::NOTHING)
        .annotations(annotations::ALL)
        .codes(codes::ALL)
        .checks(checks::ALL)
);
