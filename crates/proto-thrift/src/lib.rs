//! The Thrift protocol: Envoy's `thrift_proxy` in the place of Istio's `tcp_proxy`, on both sides of the call.
//!
//! - `wire`: transport and protocol, from annotations.
//! - `multiplex`: the service names of multiplexed clients, from annotations.
//! - `routes`: the route table, in the filter's terms.
//! - `filter`: the shell around it.
//! - `checks`: what Envoy refuses in this filter.

use aeraki_core::diagnostic::Diagnostic;
use aeraki_core::draft::{Direction, FilterDraft};
use aeraki_core::generator::{GenerateError, Generator, ServiceContext, annotation_field};
use aeraki_core::network_filter;
use aeraki_core::protocol::Protocol;
use aeraki_core::registry::{Annotation, Expresses, Forms, Maturity, Registration, Routing};
use aeraki_core::route::RouteTable;

use crate::multiplex::Multiplex;
use crate::wire::Wire;

mod checks;
mod filter;
mod multiplex;
mod routes;
mod wire;

/// Makes the filters of Thrift ports.
pub struct Thrift;

impl Generator for Thrift {
    fn generate(&self, ctx: &ServiceContext<'_>) -> Result<Vec<FilterDraft>, GenerateError> {
        let table = ctx.outbound_routes();
        let wire = Wire::read(ctx);
        report_lost_headers(ctx, wire, &table);
        let multiplex = Multiplex::read(ctx)?;
        let routes = routes::render(&table, &multiplex);
        let outbound = (Direction::Outbound, ctx.outbound_cluster(), routes);
        let inbound = ctx.inbound().map(|inbound| {
            let table = RouteTable::to(inbound.cluster());
            let routes = routes::render(&table, &multiplex.of_any_service());
            (Direction::Inbound, inbound.cluster(), routes)
        });
        std::iter::once(outbound)
            .chain(inbound)
            .map(|(direction, stat_prefix, routes)| {
                let config = filter::config(stat_prefix, wire, routes);
                network_filter::replace(direction, filter::NAME, &config)
            })
            .collect()
    }
}

/// A route that asks for a header can match nothing where the transport is set to one that carries none.
fn report_lost_headers(ctx: &ServiceContext<'_>, wire: Wire, table: &RouteTable) {
    let wanted = table
        .routes
        .iter()
        .flat_map(|route| &route.conditions.headers);
    if wire.carries_headers() || wanted.clone().all(|header| header.inverted) {
        return;
    }
    let names: Vec<&str> = wanted
        .filter(|header| !header.inverted)
        .map(|header| header.name.as_str())
        .collect();
    let sentence = format!(
        "this transport carries no headers, so the routes that ask for `{}` match no call",
        names.join("`, `")
    );
    let diagnostic = Diagnostic::new(&wire::HEADERS_ARE_LOST, ctx.service().object(), sentence);
    ctx.report(diagnostic.at(annotation_field(wire::TRANSPORT)));
}

const ANNOTATIONS: [Annotation; 4] = {
    let [transport, protocol] = wire::ANNOTATIONS;
    let [service_name, strip] = multiplex::ANNOTATIONS;
    [transport, protocol, service_name, strip]
};

aeraki_core::register!(
    Registration::new(Protocol::Thrift, &Thrift)
        .envoy_filter(filter::NAME)
        .counter("thrift.outbound|9090||a.test.request_call")
        .maturity(Maturity::Beta)
        .expresses(Expresses {
            routing: Routing::Http,
            method: Forms::EXACT,
            headers: Forms::ALL,
            header_presence: true,
            without_headers: true,
            weights: true,
            mirror: true,
        })
        .annotations(&ANNOTATIONS)
        .codes(&[&wire::HEADERS_ARE_LOST])
        .checks(checks::ALL)
);
