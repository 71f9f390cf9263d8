//! `aeraki analyze`: what is wrong with the objects in files, where, and what to do about it.

use std::path::PathBuf;
use std::process::ExitCode;

use aeraki_core::diagnostic::{Code, Severity};
use anyhow::Result;
use clap::ArgGroup;

use crate::cli::usage;
use crate::codes;
use crate::console::Console;
use crate::finding::{self, Finding};
use crate::input::{Input, plural};
use crate::report::{self, Form};
use crate::suppress::Suppressions;
use crate::{linked, settings};

/// The exit code when there are issues at or above the failure threshold, as `istioctl analyze` has it.
const ISSUES: u8 = 79;

/// What to look at, and what to say.
#[derive(clap::Args, Debug)]
#[command(group(
    ArgGroup::new("task").required(true).multiple(true).args(["paths", "files", "list", "explain", "print_config"])
))]
pub(crate) struct Args {
    /// Files and directories to analyze
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// A file, a directory, or `-` for standard input; may be repeated
    #[arg(short = 'f', long = "filename", value_name = "PATH")]
    files: Vec<PathBuf>,
    /// Do not report CODE, or not on some objects: `CODE=KIND NAME.NAMESPACE`, where `*` stands for anything; may be
    /// repeated. The annotation `aeraki.net/suppress: CODE,CODE` does the same for the object that it stands on
    #[arg(short = 'S', long = "suppress", value_name = "CODE[=OBJECT]")]
    suppress: Vec<String>,
    /// The lowest level that makes the exit code 79
    #[arg(long, value_enum, default_value_t = Level::Warning, value_name = "LEVEL")]
    failure_threshold: Level,
    /// The lowest level that is reported
    #[arg(long, value_enum, default_value_t = Level::Warning, value_name = "LEVEL")]
    output_threshold: Level,
    /// List every code
    #[arg(short = 'L', long)]
    list: bool,
    /// Say what a code means and what to do about it
    #[arg(long, value_name = "CODE")]
    explain: Option<String>,
    /// The form of the report
    #[arg(short, long, value_enum, default_value_t = Format::Log, value_name = "FORMAT")]
    output: Format,
    #[command(flatten)]
    settings: settings::Args,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
enum Level {
    Error,
    Warning,
    Info,
}

impl Level {
    fn severity(self) -> Severity {
        match self {
            Self::Error => Severity::Error,
            Self::Warning => Severity::Warning,
            Self::Info => Severity::Info,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
enum Format {
    /// For people, with the lines that each finding is about
    Log,
    /// With the keys of `istioctl analyze`
    Json,
    /// The same as YAML
    Yaml,
    /// Annotations of a GitHub workflow
    Github,
    /// SARIF 2.1.0, for code scanning
    Sarif,
    /// The reference of all codes; only with -L
    Markdown,
}

pub(crate) fn run(args: &Args, console: Console) -> Result<ExitCode> {
    let registry = linked::registry()?;
    if let Some(id) = &args.explain {
        console.print(&codes::explain(codes::find(&registry, id)?))?;
        return Ok(ExitCode::SUCCESS);
    }
    if args.list {
        console.print(&list(&codes::all(&registry), args.output)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    analyze(args, console)
}

fn list(codes: &[&Code], format: Format) -> Result<String> {
    match format {
        Format::Log => Ok(codes::table(codes)),
        Format::Json => Ok(format!("{:#}\n", codes::json(codes))),
        Format::Yaml => Ok(aeraki_file::to_yaml_value(&codes::json(codes))),
        Format::Markdown => Ok(codes::markdown(codes)),
        Format::Github | Format::Sarif => Err(usage(
            "-L has no such form; use log, json, yaml or markdown",
        )),
    }
}

fn analyze(args: &Args, console: Console) -> Result<ExitCode> {
    let form = form(args.output, console)?;
    let registry = linked::registry_of_some()?;
    let suppressions = Suppressions::parse(&args.suppress, &registry)?;
    let settings = args.settings.resolve(&registry)?;
    if args.settings.print_config {
        console.print(&settings::print(&settings, None))?;
        return Ok(ExitCode::SUCCESS);
    }
    let paths: Vec<PathBuf> = args.files.iter().chain(&args.paths).cloned().collect();
    let input = Input::read(&paths, &registry)?;
    let engine = input.engine(settings, registry.clone());
    let mut findings = finding::all(input.source(), &engine, Severity::Info);
    findings.retain(|finding| {
        let object = input.object(&finding.diagnostic.object);
        !suppressions.hides(finding, object)
    });
    let failing = count(&findings, args.failure_threshold);
    let all = findings.len();
    findings.retain(|finding| finding.diagnostic.severity >= args.output_threshold.severity());
    console.print(&report::render(&findings, &codes::all(&registry), form)?)?;
    input.report_unreadable(console);
    console.say(summary(&findings, all - findings.len(), &input));
    // Who looks at an empty place has mistaken it for another, and would be told for ever that all is well.
    let is_looking_at_nothing = findings.is_empty() && input.is_empty();
    Ok(
        match (input.is_unreadable() || is_looking_at_nothing, failing) {
            (true, _) => ExitCode::FAILURE,
            (false, 0) => ExitCode::SUCCESS,
            (false, _) => ExitCode::from(ISSUES),
        },
    )
}

fn form(format: Format, console: Console) -> Result<Form> {
    match format {
        Format::Log => Ok(Form::Log {
            color: console.colors_stdout(),
        }),
        Format::Json => Ok(Form::Json),
        Format::Yaml => Ok(Form::Yaml),
        Format::Github => Ok(Form::Github),
        Format::Sarif => Ok(Form::Sarif),
        Format::Markdown => Err(usage("markdown is the form of the list of codes: add -L")),
    }
}

fn count(findings: &[Finding], threshold: Level) -> usize {
    let severities = findings.iter().map(|finding| finding.diagnostic.severity);
    severities
        .filter(|severity| *severity >= threshold.severity())
        .count()
}

/// `✔ no issues found in 12 objects`, or how many of which level; and how many are below the output threshold. Where
/// nothing was looked at, no issue is no good news.
fn summary(findings: &[Finding], below: usize, input: &Input) -> String {
    let objects = input.counted();
    let below = match below {
        0 => String::new(),
        _ => format!(" ({below} more below the output threshold)"),
    };
    if findings.is_empty() && input.source().objects().next().is_none() {
        return match input.passed_over() {
            kinds if kinds.is_empty() => format!("error: nothing to analyze: {objects}"),
            kinds => format!("nothing to analyze: {objects}; passed over: {kinds}"),
        };
    }
    if findings.is_empty() {
        return format!("✔ no issues found in {objects}{below}");
    }
    let levels = [
        (Severity::Error, "error"),
        (Severity::Warning, "warning"),
        (Severity::Info, "note"),
    ];
    let counts: Vec<String> = levels
        .into_iter()
        .map(|(level, name)| {
            (
                findings
                    .iter()
                    .filter(|f| f.diagnostic.severity == level)
                    .count(),
                name,
            )
        })
        .filter(|(count, _)| *count > 0)
        .map(|(count, name)| plural(count, name))
        .collect();
    let issues = plural(findings.len(), "issue");
    format!(
        "{issues} in {objects}: {}{below}\nnext: `aeraki analyze --explain {}` says what a code means",
        counts.join(", "),
        findings[0].diagnostic.code
    )
}

#[cfg(all(test, feature = "all"))]
mod tests {
    use super::*;

    #[test]
    fn the_reference_of_the_codes_is_what_the_code_says() {
        let codes = codes::all(&linked::registry().unwrap());
        crate::docs::check("docs/diagnostics.md", &codes::markdown(&codes));
    }
}
