//! `aeraki generate`: the EnvoyFilters of the objects in files, without a cluster.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use aeraki_core::Filter;
use aeraki_core::diagnostic::{Diagnostic, Severity, catalogue};
use aeraki_core::draft::Direction;
use anyhow::Result;
use serde_json::json;

use crate::cli::usage;
use crate::console::Console;
use crate::finding::Finding;
use crate::input::{Input, plural};
use crate::table::Table;
use crate::{finding, linked, settings};

/// What to read, and what to print.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// A file, a directory (with all below it), or `-` for standard input; may be repeated
    #[arg(
        short = 'f',
        long = "filename",
        value_name = "PATH",
        required_unless_present = "print_config"
    )]
    files: Vec<PathBuf>,
    /// The form of the EnvoyFilters
    #[arg(short, long, value_enum, default_value_t = Format::Yaml, value_name = "FORMAT")]
    output: Format,
    /// Only the EnvoyFilters of this protocol; may be repeated
    #[arg(long = "protocol", value_name = "NAME", value_delimiter = ',')]
    protocols: Vec<String>,
    /// Also say which ports are Istio's own, and other notes. Whatever asked for Aeraki and is left out is said anyway
    #[arg(long)]
    show_skipped: bool,
    /// Say nothing but errors
    #[arg(short, long, conflicts_with = "show_skipped")]
    quiet: bool,
    #[command(flatten)]
    settings: settings::Args,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Format {
    /// Documents for `kubectl apply -f -`
    Yaml,
    /// A List
    Json,
    /// `namespace/name`, one in a line
    Name,
    /// One line each, for people
    Table,
}

pub(crate) fn run(args: &Args, console: Console) -> Result<ExitCode> {
    let start = Instant::now();
    let registry = linked::registry_of_some()?;
    let settings = args.settings.resolve(&registry)?;
    if args.settings.print_config {
        console.print(&settings::print(&settings, None))?;
        return Ok(ExitCode::SUCCESS);
    }
    let known = |name: &String| settings::known_protocol(name, &registry).map_err(usage);
    let protocols = args
        .protocols
        .iter()
        .map(known)
        .collect::<Result<Vec<_>>>()?;
    let input = Input::read(&args.files, &registry)?;
    let engine = input.engine(settings, registry.clone());
    let is_wanted = |filter: &Filter| {
        protocols.is_empty() || protocols.iter().any(|name| name == filter.protocol.name())
    };
    let mut withheld = BTreeSet::new();
    let mut filters: Vec<&Arc<Filter>> = engine
        .filters()
        .values()
        .filter(|filter| is_wanted(filter))
        .collect();
    filters.retain(|filter| {
        let reason = input.withheld(&filter.service, filter.host.as_str());
        let is_safe = reason.is_none();
        withheld.extend(reason);
        is_safe
    });
    console.print(&render(&filters, args.output))?;

    input.report_unreadable(console);
    let is_worth_a_line = |diagnostic: &Diagnostic| args.is_worth_a_line(diagnostic);
    let findings = finding::some(input.source(), &engine, is_worth_a_line);
    for finding in &findings {
        console.say(finding.line());
    }
    for diagnostic in &withheld {
        console.say(finding::about(input.source(), diagnostic).line());
    }
    if !args.quiet {
        let took = start.elapsed().as_millis();
        let made = plural(filters.len(), "EnvoyFilter");
        let read = input.counted();
        let hidden = engine
            .diagnostics()
            .iter()
            .filter(|diagnostic| !is_worth_a_line(diagnostic))
            .count();
        console.say(format_args!(
            "{made} from {read} in {took} ms{}",
            asides(&input, hidden)
        ));
    }
    // An object that no service uses may be mistyped too; who reads the exit code alone must not take it for good.
    let is_error = |finding: &Finding| finding.diagnostic.severity == Severity::Error;
    let has_failed = engine.held().next().is_some() || findings.iter().any(is_error);
    let is_whole = !input.is_unreadable() && input.is_whole() && !has_failed;
    Ok(if is_whole {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

impl Args {
    fn is_worth_a_line(&self, diagnostic: &Diagnostic) -> bool {
        match (self.quiet, self.show_skipped) {
            (true, _) => diagnostic.severity >= Severity::Error,
            (false, true) => true,
            (false, false) => diagnostic.severity >= Severity::Warning || is_skip(diagnostic),
        }
    }
}

/// Whether it says, at whatever level, that something got no filter or had no effect that may have been meant to.
fn is_skip(diagnostic: &Diagnostic) -> bool {
    let skips = [
        &catalogue::UNKNOWN_PROTOCOL,
        &catalogue::NOT_TCP,
        &catalogue::DISABLED_PROTOCOL,
        &catalogue::UNUSED_VIRTUAL_SERVICE,
        &catalogue::SHADOWED_VIRTUAL_SERVICE,
    ];
    skips.iter().any(|code| code.id == diagnostic.code)
}

fn asides(input: &Input, hidden: usize) -> String {
    let mut asides = String::new();
    let passed_over = input.passed_over();
    if !passed_over.is_empty() {
        asides.push_str(&format!("; passed over: {passed_over}"));
    }
    let skipped = input.skipped();
    if !skipped.is_empty() {
        asides.push_str(&format!("; not read: {skipped}"));
    }
    if hidden > 0 {
        asides.push_str(&format!(
            "; {} (--show-skipped prints them)",
            plural(hidden, "note")
        ));
    }
    asides
}

fn render(filters: &[&Arc<Filter>], format: Format) -> String {
    match format {
        Format::Yaml => {
            let documents: Vec<String> = filters
                .iter()
                .map(|filter| aeraki_file::to_yaml(&filter.object()))
                .collect();
            documents.join("---\n")
        }
        Format::Json => {
            let items: Vec<_> = filters.iter().map(|filter| filter.object()).collect();
            format!(
                "{:#}\n",
                json!({"apiVersion": "v1", "kind": "List", "items": items})
            )
        }
        Format::Name => filters
            .iter()
            .map(|filter| format!("{}\n", filter.key))
            .collect(),
        Format::Table => table(filters).plain(),
    }
}

/// By service, where the other forms are sorted by namespace and name.
fn table(filters: &[&Arc<Filter>]) -> Table {
    let mut filters = filters.to_vec();
    filters.sort_by(|a, b| {
        let order = |f: &Filter| (f.port, f.direction, f.key.clone());
        a.host.cmp(&b.host).then_with(|| order(a).cmp(&order(b)))
    });
    let mut table = Table::new([
        "SERVICE",
        "PORT",
        "PROTOCOL",
        "NAMESPACE",
        "ENVOYFILTER",
        "CONTEXT",
    ]);
    for filter in &filters {
        let context = match filter.direction {
            Direction::Outbound => "SIDECAR_OUTBOUND",
            Direction::Inbound => "SIDECAR_INBOUND",
        };
        table.row([
            filter.host.to_string(),
            filter.port.to_string(),
            filter.protocol.name().to_owned(),
            filter.key.namespace.to_string(),
            filter.key.name.to_string(),
            context.to_owned(),
        ]);
    }
    table
}
