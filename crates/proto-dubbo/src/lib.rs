//! The Dubbo protocol: Envoy's `dubbo_proxy` in the place of Istio's `tcp_proxy`, on both sides of the call.
//!
//! - `service_key`: which interfaces, group and version the service is called by, from its annotations.
//! - `routes`: the route table, in the filter's terms.
//! - `filter`: the shell around it, one route configuration per interface.
//! - `checks`: what Envoy refuses in this filter.
//!
//! It speaks of Dubbo 2 with hessian2. Triple is HTTP/2, so its ports are Istio's own.

use aeraki_core::draft::{Direction, FilterDraft};
use aeraki_core::generator::{GenerateError, Generator, ServiceContext};
use aeraki_core::network_filter;
use aeraki_core::protocol::Protocol;
use aeraki_core::registry::{Expresses, Forms, Maturity, Registration, Routing};
use aeraki_core::route::RouteTable;

use crate::service_key::ServiceKey;

mod checks;
mod filter;
mod routes;
mod service_key;

/// Makes the filters of Dubbo ports.
pub struct Dubbo;

impl Generator for Dubbo {
    fn generate(&self, ctx: &ServiceContext<'_>) -> Result<Vec<FilterDraft>, GenerateError> {
        let table = ctx.outbound_routes();
        let outbound = (
            Direction::Outbound,
            ctx.outbound_cluster(),
            ServiceKey::read(ctx)?,
            table,
        );
        let inbound = ctx.inbound().map(|inbound| {
            let table = RouteTable::to(inbound.cluster());
            (
                Direction::Inbound,
                inbound.cluster(),
                ServiceKey::any(),
                table,
            )
        });
        std::iter::once(outbound)
            .chain(inbound)
            .map(|(direction, cluster, key, table)| {
                let config = filter::config(cluster, &key, routes::render(&table));
                network_filter::replace(direction, filter::NAME, &config)
            })
            .collect()
    }
}

aeraki_core::register!(
    Registration::new(Protocol::Dubbo, &Dubbo)
        .envoy_filter(filter::NAME)
        .counter("dubbo.outbound|20880||a.test.request")
        .maturity(Maturity::Beta)
        .expresses(Expresses {
            routing: Routing::Http,
            method: Forms::ALL,
            headers: Forms::ALL,
            header_presence: true,
            without_headers: true,
            weights: true,
            mirror: false,
        })
        .annotations(service_key::ANNOTATIONS)
        .codes(&[&service_key::ANY_INTERFACE_COVERS_ALL])
        .checks(checks::ALL)
);
