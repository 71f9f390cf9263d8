//! YAML and JSON text, and the values in it.
//!
//! Text is read as YAML 1.2, as Istio's users mean it, and written so that a YAML 1.1 reader such as kubectl's reads the
//! same. Knows nothing of kinds and objects.

mod documents;
mod text;
mod tree;
mod write;

use serde_json::Value;

pub use text::Span;
pub(crate) use text::{Document, File};
pub use write::{to_yaml, to_yaml_value};

/// Why a document is no YAML.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Malformed {
    pub(crate) message: String,
    pub(crate) span: Option<Span>,
}

/// The value of a document. An empty document is null.
pub(crate) fn parse(document: &Document) -> Result<Value, Malformed> {
    serde_saphyr::from_str_with_options(document.text(), options())
        .map_err(|error| malformed(document, &error))
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
        },
    }
}

fn malformed(document: &Document, error: &serde_saphyr::Error) -> Malformed {
    let error = error.without_snippet();
    let at = error.location().and_then(|location| {
        let start = usize::try_from(location.span().byte_offset()?).ok()?;
        let length = usize::try_from(location.span().byte_len()?).ok()?;
        Some(document.span(start..start.saturating_add(length)))
    });
    Malformed { message: error.to_string(), span: at }
}
