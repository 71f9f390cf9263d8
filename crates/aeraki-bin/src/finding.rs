//! A diagnostic together with its place in a file.

use std::collections::BTreeMap;
use std::sync::Arc;

use aeraki_core::diagnostic::{Diagnostic, Severity, catalogue};
use aeraki_core::engine::Engine;
use aeraki_core::registry::Decision;
use aeraki_file::{DOCUMENT, Source, Span};

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
        let Diagnostic {
            code,
            severity,
            message,
            help,
            ..
        } = &self.diagnostic;
        let about = match (&self.place, self.is_about_text()) {
            (Some(place), true) => place.reference(),
            (Some(place), false) => format!("{} {}", self.origin(), place.reference()),
            (None, _) => self.origin(),
        };
        let help = match help {
            Some(help) => format!(" ({help})"),
            None => String::new(),
        };
        format!("{severity} [{code}] ({about}) {message}{help}")
    }

    /// Whether it is about a text that no object could be read from.
    pub(crate) fn is_about_text(&self) -> bool {
        self.diagnostic.object.kind == DOCUMENT
    }

    /// What the findings are sorted by: file, line, column, code.
    pub(crate) fn order(&self) -> impl Ord + use<> {
        let place = self.place.as_ref();
        let at = place
            .and_then(|place| place.span.as_ref())
            .map(|span| (span.line, span.column));
        (
            place.map(|place| Arc::clone(&place.file)),
            at,
            self.diagnostic.clone(),
        )
    }
}

impl Place {
    /// The line and column behind the last character of a span, both counted from 1.
    pub(crate) fn end(&self, span: &Span) -> (usize, usize) {
        let inside = self.text.get(span.start..span.end).unwrap_or_default();
        let lines = inside.matches('\n').count();
        let last = inside
            .rsplit('\n')
            .next()
            .unwrap_or_default()
            .chars()
            .count();
        let column = if lines == 0 {
            span.column + last
        } else {
            last + 1
        };
        (span.line + lines, column)
    }
}

/// Everything there is to say of a level or above it.
pub(crate) fn all(source: &Source, engine: &Engine, threshold: Severity) -> Vec<Finding> {
    some(source, engine, |diagnostic| {
        diagnostic.severity >= threshold
    })
}

/// What is wanted of everything there is to say: what reading found, what the engine found, and ports that are Istio's
/// own; by file and line. Only what is wanted is looked up in the files: that costs time.
pub(crate) fn some(
    source: &Source,
    engine: &Engine,
    is_wanted: impl Fn(&Diagnostic) -> bool,
) -> Vec<Finding> {
    let mut texts = Texts::default();
    let mut findings = Vec::new();
    for problem in source
        .problems()
        .filter(|problem| is_wanted(&problem.diagnostic))
    {
        let place = texts.place(problem.origin(), problem.text(), problem.span);
        findings.push(Finding {
            diagnostic: problem.diagnostic,
            place: Some(place),
        });
    }
    let found = engine
        .diagnostics()
        .into_iter()
        .cloned()
        .chain(engine.idle_rules())
        .chain(not_ours(engine));
    for diagnostic in found.filter(|diagnostic| is_wanted(diagnostic)) {
        findings.push(texts.find(source, diagnostic));
    }
    findings.sort_by_cached_key(Finding::order);
    // Reading and generating may both say that a field is of the wrong type.
    findings.dedup_by(|a, b| a.diagnostic == b.diagnostic && a.order() == b.order());
    findings
}

/// One diagnostic about an object, with its place.
pub(crate) fn about(source: &Source, diagnostic: &Diagnostic) -> Finding {
    Texts::default().find(source, diagnostic.clone())
}

/// The texts that findings point into, each once, however many point there.
#[derive(Default)]
struct Texts(BTreeMap<(String, usize), Arc<str>>);

impl Texts {
    fn find(&mut self, source: &Source, diagnostic: Diagnostic) -> Finding {
        let located = source.located(&diagnostic.object);
        let place = located.map(|it| self.place(it.origin(), it.text(), it.span_of(&diagnostic)));
        Finding { diagnostic, place }
    }

    fn place(&mut self, file: &str, text: &str, span: Option<Span>) -> Place {
        // One name can stand for two texts: an object of a broken file points into the last good one.
        let known = (file.to_owned(), text.as_ptr() as usize);
        let text = self.0.entry(known).or_insert_with(|| Arc::from(text));
        Place {
            file: Arc::from(file),
            text: Arc::clone(text),
            span,
        }
    }
}

/// Ports that are Istio's own business. Core says nothing of them: most ports of a mesh are.
fn not_ours(engine: &Engine) -> impl Iterator<Item = Diagnostic> {
    engine.decisions().filter_map(|(service, port, decision)| {
        if !matches!(decision, Decision::NotOurs) {
            return None;
        }
        let (host, number, name) = (service.host(), port.number(), port.name());
        let sentence = format!("port {number} (`{name}`) of {host} is Istio's own");
        let diagnostic = Diagnostic::new(&catalogue::NOT_OURS, service.object(), sentence);
        Some(diagnostic.at(format!("{}.name", port.field())))
    })
}
