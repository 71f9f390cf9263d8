//! YAML and JSON text, and the values in it.
//!
//! Text is read as YAML 1.2, as Istio's users mean it, and written so that a YAML 1.1 reader such as kubectl's reads the
//! same. Knows nothing of kinds and objects.

mod documents;
mod malformed;
mod text;
mod tree;
mod write;

use serde_json::Value;

pub(crate) use malformed::Malformed;
pub use text::Span;
pub(crate) use text::{Document, File};
pub use write::{to_yaml, to_yaml_value};

/// The value of a document. An empty document is null.
pub(crate) fn parse(document: &Document) -> Result<Value, Malformed> {
    serde_saphyr::from_str_with_options(document.text(), options())
        .map_err(|error| Malformed::new(document, &error))
}

/// What may stand in a file. The limits on depth and aliases bound the work that a short text can ask for; what grows
/// with the length of the text alone is not limited.
fn options() -> serde_saphyr::Options {
    serde_saphyr::options! {
        with_snippet: false,
        strict_booleans: true,
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: 100_000 },
        budget: serde_saphyr::budget! {
            max_events: usize::MAX,
            max_nodes: usize::MAX,
            max_total_scalar_bytes: usize::MAX,
            // Many uses of one anchor are no attack.
            enforce_alias_anchor_ratio: false,
        },
    }
}
