//! A diagnostic together with its place in a file.

use std::sync::Arc;

use aeraki_core::diagnostic::Diagnostic;
use aeraki_file::Span;

/// A diagnostic, and where it points if the object came from a file.
#[derive(Clone, Debug)]
pub(crate) struct Finding {
    pub(crate) diagnostic: Diagnostic,
    pub(crate) place: Option<Place>,
}

/// A place in a file.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// The file's name as it was given; `-` is standard input.
    pub(crate) file: Arc<str>,
    /// What the file says.
    pub(crate) text: Arc<str>,
    /// The part of it that is meant.
    pub(crate) span: Option<Span>,
}

impl Place {
    /// `file:line:column`, or the file alone.
    pub(crate) fn reference(&self) -> String {
        match &self.span {
            Some(span) => format!("{}:{}:{}", self.file, span.line, span.column),
            None => self.file.to_string(),
        }
    }
}

impl Finding {
    /// What it is about: the object as Istio's tools write it, `Kind namespace/name`.
    pub(crate) fn origin(&self) -> String {
        self.diagnostic.object.to_string()
    }

    /// One line: level, code, object, place, sentence, and what to do.
    pub(crate) fn line(&self) -> String {
        let Diagnostic { code, severity, message, help, .. } = &self.diagnostic;
        let place = match &self.place {
            Some(place) => format!(" {}", place.reference()),
            None => String::new(),
        };
        let help = match help {
            Some(help) => format!(" ({help})"),
            None => String::new(),
        };
        format!("{severity} [{code}] ({}{place}) {message}{help}", self.origin())
    }

    /// What the findings are sorted by: file, line, column, code.
    pub(crate) fn order(&self) -> impl Ord + use<> {
        let place = self.place.as_ref();
        let at = place.and_then(|place| place.span.as_ref()).map(|span| (span.line, span.column));
        (place.map(|place| Arc::clone(&place.file)), at, self.diagnostic.clone())
    }
}

impl Place {
    /// The line and column behind the last character of a span, both counted from 1.
    pub(crate) fn end(&self, span: &Span) -> (usize, usize) {
        let inside = self.text.get(span.start..span.end).unwrap_or_default();
        let lines = inside.matches('\n').count();
        let last = inside.rsplit('\n').next().unwrap_or_default().chars().count();
        let column = if lines == 0 { span.column + last } else { last + 1 };
        (span.line + lines, column)
    }
}
