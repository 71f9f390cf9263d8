//! Findings as text, for people, for CI systems and for programs.
//!
//! All forms say the same; none decides what is reported. JSON and YAML have the keys that `istioctl analyze` prints, so
//! that what reads those reads these.

mod github;
mod sarif;
mod snippet;

use aeraki_core::diagnostic::Code;
use anyhow::Result;
use serde_json::{Map, Value};

use crate::codes;
use crate::finding::Finding;

/// The forms of a report.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Form {
    /// Each with the lines that it is about.
    Log {
        /// With colours.
        color: bool,
    },
    /// A list of objects.
    Json,
    /// The same as YAML.
    Yaml,
    /// Annotations of a GitHub workflow.
    Github,
    /// SARIF 2.1.0, for code scanning.
    Sarif,
}

/// The report. `codes` are all codes of this binary.
pub(crate) fn render(findings: &[Finding], codes: &[&Code], form: Form) -> Result<String> {
    Ok(match form {
        Form::Log { color } => snippet::render(findings, color),
        Form::Json => format!("{}\n", serde_json::to_string_pretty(&list(findings))?),
        Form::Yaml => aeraki_file::to_yaml_value(&list(findings)),
        Form::Github => github::render(findings),
        Form::Sarif => format!(
            "{}\n",
            serde_json::to_string_pretty(&sarif::log(findings, codes))?
        ),
    })
}

fn list(findings: &[Finding]) -> Value {
    findings.iter().map(entry).collect()
}

/// The keys of `istioctl analyze`, and a few more where there is something to say.
fn entry(finding: &Finding) -> Value {
    let diagnostic = &finding.diagnostic;
    let mut entry = Map::new();
    let mut put = |key: &str, value: Value| entry.insert(key.to_owned(), value);
    put("code", diagnostic.code.into());
    put("level", diagnostic.severity.name().into());
    put("origin", finding.origin().into());
    put("message", diagnostic.message.clone().into());
    put(
        "documentationUrl",
        codes::documentation(diagnostic.code).into(),
    );
    if !diagnostic.field.is_empty() {
        put("field", diagnostic.field.clone().into());
    }
    if let Some(help) = &diagnostic.help {
        put("help", help.clone().into());
    }
    if let Some(place) = &finding.place {
        put("reference", place.reference().into());
    }
    Value::Object(entry)
}

#[cfg(test)]
mod tests;
