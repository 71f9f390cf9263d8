//! Drafts of network filters from typed configuration.

use aeraki_api::prost::Name;
use serde::Serialize;

use crate::config::Config;
use crate::draft::{Direction, FilterDraft, NetworkFilter, Placement};
use crate::generator::GenerateError;

/// A filter that stands in for `tcp_proxy`: dubbo, thrift, redis, and all that end the chain.
///
/// # Errors
/// [`GenerateError::Encode`] if `config` has no JSON form.
pub fn replace<M: Name + Serialize>(
    direction: Direction,
    name: &'static str,
    config: &M,
) -> Result<FilterDraft, GenerateError> {
    place(direction, Placement::Replace, name, config)
}

/// A filter that looks on before `tcp_proxy`: zookeeper, kafka.
///
/// # Errors
/// [`GenerateError::Encode`] if `config` has no JSON form.
pub fn insert_before<M: Name + Serialize>(
    direction: Direction,
    name: &'static str,
    config: &M,
) -> Result<FilterDraft, GenerateError> {
    place(direction, Placement::InsertBefore, name, config)
}

fn place<M: Name + Serialize>(
    direction: Direction,
    placement: Placement,
    name: &'static str,
    config: &M,
) -> Result<FilterDraft, GenerateError> {
    let typed_config = Config::typed(config)?;
    Ok(FilterDraft::network(
        direction,
        NetworkFilter {
            placement,
            name,
            typed_config,
        },
    ))
}
