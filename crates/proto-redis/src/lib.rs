//! The redis protocol of Aeraki: RedisService and RedisDestination → `redis_proxy` and its clusters.
//!
//! | file | knows |
//! |---|---|
//! | `spec.rs` | the fields of RedisService and RedisDestination |
//! | `schema.rs`, `crd.rs` | their schemas, and the CustomResourceDefinitions that carry those |
//! | `shape.rs` | holds an object against its schema |
//! | `inputs.rs` | how those objects and Secrets are read and checked |
//! | `routes.rs` | the route table: which key goes to which cluster, and where copies go |
//! | `destination.rs` | a host and port of a route → Istio's cluster |
//! | `original_dst.rs` | which of Istio's clusters `redis_proxy` finds no server in |
//! | `filter.rs` | the filter around the route table: settings, faults, who may sign in |
//! | `faults.rs` | faults, and percentages |
//! | `credentials.rs` | user names and passwords: references first, clear text only if asked for |
//! | `clusters.rs`, `seeds.rs` | changes of Istio's cluster: sign-in, pool, cluster mode |
//! | `checks.rs` | what makes Envoy refuse the finished filter |
//!
//! There is no inbound filter: `redis_proxy` cannot use the ORIGINAL_DST cluster behind an inbound listener. It would
//! answer PING itself and fail everything else.

mod checks;
mod clusters;
mod codes;
mod crd;
mod credentials;
mod destination;
mod faults;
mod filter;
mod inputs;
mod original_dst;
mod routes;
mod schema;
mod seeds;
mod shape;
mod spec;

use aeraki_core::draft::{Direction, FilterDraft};
use aeraki_core::generator::{GenerateError, Generator, ServiceContext};
use aeraki_core::network_filter;
use aeraki_core::protocol::Protocol;
use aeraki_core::registry::{Annotation, Expresses, Maturity, Registration, Routing};

use crate::credentials::Form;

/// The Envoy filter, which is also the key of its options in a cluster.
const REDIS_PROXY: &str = "envoy.filters.network.redis_proxy";

/// The generator.
pub struct Redis;

impl Generator for Redis {
    fn generate(&self, ctx: &ServiceContext<'_>) -> Result<Vec<FilterDraft>, GenerateError> {
        let service = inputs::redis_service(ctx)?;
        let destination = inputs::redis_destination(ctx)?;
        let Some(filter) = filter::outbound(ctx, service.as_ref())? else {
            return Ok(Vec::new());
        };
        let clusters = match &destination {
            Some(destination) => clusters::changes(ctx, destination)?,
            None => clusters::Changes::default(),
        };
        let draft = network_filter::replace(Direction::Outbound, REDIS_PROXY, &filter.config)?
            .with_clusters(clusters.patches)
            .made_from(service.iter().map(|given| given.object))
            .made_from(destination.iter().map(|given| given.object));
        let forms = [filter.credentials, clusters.credentials];
        let namespace = ctx.service().namespace();
        let draft = if forms.contains(&Some(Form::Reference)) {
            draft.only_for(credentials::carriers(namespace))
        } else {
            draft
        };
        let confidential = forms.contains(&Some(Form::ClearText));
        Ok(vec![if confidential {
            draft.confidential()
        } else {
            draft
        }])
    }
}

aeraki_core::register!(
    Registration::new(Protocol::Redis, &Redis)
        .maturity(Maturity::Beta)
        .envoy_filter(REDIS_PROXY)
        .counter("redis.outbound|6379||a.test.downstream_rq_total")
        .outbound_only()
        .expresses(Expresses { routing: Routing::Default, ..Expresses::NOTHING })
        .inputs(inputs::INPUTS)
        .annotations(&[Annotation {
            key: credentials::INLINE,
            on: "RedisService, RedisDestination",
            meaning: "`true`: passwords of `auth.plain` and `auth.secret` may stand in clear text in EnvoyFilters",
        }])
        .codes(codes::CODES)
        .checks(checks::CHECKS)
);
