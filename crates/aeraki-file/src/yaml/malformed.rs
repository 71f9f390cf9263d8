//! Why a document is no YAML, in words that suit a diagnostic: one sentence, and the place beside it.

use std::borrow::Cow;

use serde_saphyr::budget::BudgetBreach;
use serde_saphyr::{DefaultMessageFormatter, Error, Localizer, Location, MessageFormatter};

use super::text::{Document, Span};

/// Why a document is no YAML.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Malformed {
    pub(crate) message: String,
    pub(crate) span: Option<Span>,
}

impl Malformed {
    pub(super) fn new(document: &Document, error: &Error) -> Self {
        let error = error.without_snippet();
        let message = error.render_with_formatter(&Sentence);
        Self {
            message,
            span: error
                .location()
                .and_then(|location| span(document, location)),
        }
    }
}

fn span(document: &Document, location: Location) -> Option<Span> {
    let number = |number: u64| usize::try_from(number).ok();
    let stretch = location.span();
    // Errors of the scanner know lines and columns only.
    match (stretch.byte_offset(), stretch.byte_len()) {
        (Some(start), Some(length)) => {
            let start = number(start)?;
            Some(document.span(start..start.saturating_add(number(length)?)))
        }
        _ => document.point(number(location.line())?, number(location.column())?),
    }
}

/// Words without a place.
struct Sentence;

impl MessageFormatter for Sentence {
    fn localizer(&self) -> &dyn Localizer {
        &Placeless
    }

    fn format_message<'a>(&self, error: &'a Error) -> Cow<'a, str> {
        match error {
            Error::DuplicateMappingKey { key: Some(key), .. } => {
                format!("the key `{key}` is given twice").into()
            }
            Error::DuplicateMappingKey { key: None, .. } => "a key is given twice".into(),
            Error::Budget {
                breach: BudgetBreach::Depth { .. },
                ..
            } => "the document is nested too deeply".into(),
            Error::Budget { .. }
            | Error::AliasReplayLimitExceeded { .. }
            | Error::AliasExpansionLimitExceeded { .. }
            | Error::AliasReplayStackDepthExceeded { .. } => {
                "the aliases of the document stand for too much".into()
            }
            Error::RecursiveReferencesRequireWeakTypes { .. } => {
                "the alias stands inside what it refers to".into()
            }
            Error::NullIntoString { .. } => "the key is empty".into(),
            Error::NonFiniteFloat { .. } => "JSON has no such number".into(),
            _ => DefaultMessageFormatter.format_message(error),
        }
    }
}

struct Placeless;

impl Localizer for Placeless {
    fn attach_location<'a>(&self, base: Cow<'a, str>, _: Location) -> Cow<'a, str> {
        base
    }
}
