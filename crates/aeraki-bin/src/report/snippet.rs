//! Findings with the lines that they are about, as a compiler prints them.

use aeraki_core::diagnostic::Severity;
use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use crate::console::{masked, without_controls};
use crate::finding::{Finding, Place};

/// A line longer than this is not shown: it was not written by hand.
const LONGEST_LINE: usize = 2_000;

pub(super) fn render(findings: &[Finding], color: bool) -> String {
    let renderer = if color {
        Renderer::styled()
    } else {
        Renderer::plain()
    };
    let renderer = renderer.decor_style(DecorStyle::Unicode).term_width(120);
    let mut text = String::new();
    for finding in findings {
        text.push_str(&renderer.render(&[group(finding)]));
        text.push_str("\n\n");
    }
    text
}

fn group(finding: &Finding) -> Group<'_> {
    let diagnostic = &finding.diagnostic;
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Info => Level::INFO,
    };
    let title = level
        .primary_title(without_controls(&diagnostic.message))
        .id(diagnostic.code);
    let mut group = Group::with_title(title);
    if let Some(place) = &finding.place {
        group = match excerpt(place) {
            Some(excerpt) => group.element(excerpt.snippet(&place.file)),
            None => group.element(Origin::path(place.reference())),
        };
    }
    let about = match diagnostic.field.as_str() {
        "" => finding.origin(),
        field => format!("{} {field}", finding.origin()),
    };
    group = group.element(
        Level::NOTE
            .with_name("in")
            .message(without_controls(&about)),
    );
    match &diagnostic.help {
        Some(help) => group.element(Level::HELP.message(without_controls(help))),
        None => group,
    }
}

/// The lines around a place, and where in them it is.
struct Excerpt {
    text: String,
    first_line: usize,
    annotation: Annotation<'static>,
}

impl Excerpt {
    fn snippet(self, file: &str) -> Snippet<'static, Annotation<'static>> {
        Snippet::source(self.text)
            .line_start(self.first_line)
            .path(file.to_owned())
            .fold(false)
            .annotation(self.annotation)
    }
}

/// The line of the place and the one before it. What reaches over several lines is marked in its first.
fn excerpt(place: &Place) -> Option<Excerpt> {
    let (span, text) = (place.span?, &place.text);
    let head = text.get(..span.start)?;
    let line = head.rfind('\n').map_or(0, |at| at + 1);
    let before = head[..line]
        .trim_end_matches('\n')
        .rfind('\n')
        .map_or(0, |at| at + 1);
    let end = text[span.start..]
        .find('\n')
        .map_or(text.len(), |at| span.start + at);
    let is_long = end - line > LONGEST_LINE;
    if is_long || end == line {
        return None;
    }
    let (from, first_line) = if line - before > LONGEST_LINE {
        (line, span.line)
    } else {
        (before, span.line.max(2) - 1)
    };
    let first_line = if from == line { span.line } else { first_line };
    let marked = (span.start - from)..(span.end.clamp(span.start, end) - from);
    Some(Excerpt {
        text: masked(&text[from..end]),
        first_line,
        annotation: AnnotationKind::Primary.span(marked),
    })
}
