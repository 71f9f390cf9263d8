//! The filter shell: what the annotations say, as Envoy's `KafkaBroker`.

use aeraki_api::envoy::kafka::kafka_broker::BrokerAddressRewriteSpec;
use aeraki_api::envoy::kafka::{IdBasedBrokerRewriteSpec, KafkaBroker};
use aeraki_core::diagnostic::Diagnostic;
use aeraki_core::draft::{Direction, FilterDraft};
use aeraki_core::generator::{GenerateError, ServiceContext, annotation_field};
use aeraki_core::network_filter;

use crate::annotations;
use crate::codes::OPENING_REFUSED;

/// The Envoy filter.
pub(crate) const NAME: &str = "envoy.filters.network.kafka_broker";

/// The requests that clients open with: their api keys and names.
const OPENING: [(u32, &str); 2] = [(3, "Metadata"), (18, "ApiVersions")];

/// The filter but for its stat prefix, which is all that differs between the two sides.
pub(crate) fn shell(ctx: &ServiceContext<'_>) -> Result<KafkaBroker, GenerateError> {
    let allowed = api_keys(ctx, annotations::API_KEYS_ALLOWED)?;
    let denied = api_keys(ctx, annotations::API_KEYS_DENIED)?;
    report_opening(ctx, &allowed, &denied);
    let rewrite = ctx
        .annotation(
            annotations::BROKER_ADDRESS_REWRITE,
            annotations::rewrite_rules,
        )
        .map(|rules| IdBasedBrokerRewriteSpec { rules });
    let force = ctx.annotation(annotations::FORCE_RESPONSE_REWRITE, annotations::flag);
    Ok(KafkaBroker {
        force_response_rewrite: force.unwrap_or_default(),
        broker_address_rewrite_spec: rewrite
            .map(BrokerAddressRewriteSpec::IdBasedBrokerAddressRewriteSpec),
        api_keys_allowed: allowed,
        api_keys_denied: denied,
        ..KafkaBroker::default()
    })
}

/// The filter of one side. Its counters are called `kafka.<stat_prefix>.…`.
pub(crate) fn draft(
    direction: Direction,
    stat_prefix: String,
    shell: &KafkaBroker,
) -> Result<FilterDraft, GenerateError> {
    network_filter::insert_before(
        direction,
        NAME,
        &KafkaBroker {
            stat_prefix,
            ..shell.clone()
        },
    )
}

/// A list of api keys is a restriction. One that cannot be read is no reason to let everything pass, so it holds the
/// filter that was there before.
fn api_keys(ctx: &ServiceContext<'_>, key: &'static str) -> Result<Vec<u32>, GenerateError> {
    let Some(text) = ctx.service().annotation(key) else {
        return Ok(Vec::new());
    };
    annotations::api_keys(text).map_err(|reason| GenerateError::InvalidInput {
        object: None,
        field: annotation_field(key),
        reason: format!("annotation `{key}` restricts the service and cannot be read: {reason}"),
    })
}

fn report_opening(ctx: &ServiceContext<'_>, allowed: &[u32], denied: &[u32]) {
    for (key, name) in OPENING {
        let (annotation, problem) = if denied.contains(&key) {
            (annotations::API_KEYS_DENIED, "denies")
        } else if !allowed.is_empty() && !allowed.contains(&key) {
            (annotations::API_KEYS_ALLOWED, "does not allow")
        } else {
            continue;
        };
        let sentence = format!("`{annotation}` {problem} {name} ({key}), which clients open with");
        ctx.report(
            Diagnostic::new(&OPENING_REFUSED, ctx.service().object(), sentence)
                .at(annotation_field(annotation)),
        );
    }
}
