//! Workflow commands: GitHub shows each as an annotation on the line of a pull request.

use aeraki_core::diagnostic::Severity;

use crate::finding::Finding;

pub(super) fn render(findings: &[Finding]) -> String {
    findings
        .iter()
        .map(|finding| command(finding) + "\n")
        .collect()
}

fn command(finding: &Finding) -> String {
    let diagnostic = &finding.diagnostic;
    let name = match diagnostic.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "notice",
    };
    let mut properties = Vec::new();
    if let Some(place) = &finding.place {
        properties.push(format!("file={}", property(&place.file)));
        if let Some(span) = &place.span {
            let (end_line, end_column) = place.end(span);
            properties.push(format!("line={},col={}", span.line, span.column));
            properties.push(format!("endLine={end_line},endColumn={end_column}"));
        }
    }
    properties.push(format!("title={}", property(diagnostic.code)));
    let mut message = format!("{} ({})", diagnostic.message, finding.origin());
    if let Some(help) = &diagnostic.help {
        message.push_str(&format!("\nhelp: {help}"));
    }
    format!("::{name} {}::{}", properties.join(","), data(&message))
}

/// Line ends and percent signs have a meaning in a command.
fn data(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

/// In a property, what parts properties has one too.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
