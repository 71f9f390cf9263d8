//! The ZooKeeper protocol: Envoy's `zookeeper_proxy` before Istio's `tcp_proxy`, on both sides of the call.
//!
//! The filter decodes, counts and measures; it never routes or changes a byte. So there is no route table here: Istio's
//! own tcp routes stay in force, and all that a user can set comes from annotations of the service.

use aeraki_core::draft::{Direction, FilterDraft};
use aeraki_core::generator::{GenerateError, Generator, ServiceContext};
use aeraki_core::protocol::Protocol;
use aeraki_core::registry::{Expresses, Maturity, Registration};

mod annotations;
mod checks;
mod filter;

/// Makes the filters of ZooKeeper ports.
pub struct ZooKeeper;

impl Generator for ZooKeeper {
    fn generate(&self, ctx: &ServiceContext<'_>) -> Result<Vec<FilterDraft>, GenerateError> {
        let shell = filter::shell(ctx);
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
    Registration::new(Protocol::ZooKeeper, &ZooKeeper)
        .envoy_filter(filter::NAME)
        .counter("outbound|2181||a.test.zookeeper.getdata_rq")
        .maturity(Maturity::Beta)
        .expresses(Expresses::NOTHING)
        .annotations(annotations::ALL)
        .checks(checks::ALL)
);
