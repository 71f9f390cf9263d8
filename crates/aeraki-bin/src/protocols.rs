//! `aeraki protocols`: what is linked into this binary, and what each protocol can express.

use std::process::ExitCode;

use aeraki_core::annotation::COMMON;
use aeraki_core::registry::{Availability, Description, Forms, Routing};
use anyhow::Result;

use crate::console::Console;
use crate::linked;
use crate::table::Table;

/// How to print them.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The form of the answer
    #[arg(short, long, value_enum, default_value_t = Format::Table, value_name = "FORMAT")]
    output: Format,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Format {
    /// One line for each protocol
    Table,
    /// Also what each can express of a VirtualService, and its annotations
    Wide,
    /// Everything, for programs
    Json,
    /// The table of the documentation
    Markdown,
}

pub(crate) fn run(args: &Args, console: Console) -> Result<ExitCode> {
    let linked: Vec<Description> = linked::registry()?.iter().map(|r| r.describe()).collect();
    let text = match args.output {
        Format::Table => summary(&linked).plain(),
        Format::Wide => wide(&linked),
        Format::Json => format!("{}\n", serde_json::to_string_pretty(&linked)?),
        Format::Markdown => markdown(&linked),
    };
    console.print(&text)?;
    if linked.is_empty() {
        console.say("no protocol is linked into this binary");
    }
    Ok(ExitCode::SUCCESS)
}

fn summary(protocols: &[Description]) -> Table {
    let mut table = Table::new([
        "PROTOCOL",
        "ALIASES",
        "MATURITY",
        "PROXIES",
        "ENVOY FILTER",
        "CRATE",
    ]);
    for protocol in protocols {
        table.row([
            protocol.name.to_owned(),
            list(protocol.aliases),
            protocol.maturity.name().to_owned(),
            proxies(protocol).to_owned(),
            protocol.envoy_filter.to_owned(),
            protocol.origin.to_owned(),
        ]);
    }
    table
}

fn wide(protocols: &[Description]) -> String {
    let mut text = summary(protocols).plain();
    for part in [expressions(protocols), annotations(protocols)] {
        if !part.is_empty() {
            text.push('\n');
            text.push_str(&part.plain());
        }
    }
    text
}

fn markdown(protocols: &[Description]) -> String {
    format!(
        "# Protocols\n\n\
         Generated from the code by `aeraki protocols -o markdown`.\n\n\
         A port speaks a protocol if its name is `tcp-<protocol>` or `tcp-<protocol>-<anything>`, in any letter case.\n\
         Each protocol has a page of its own beside this one.\n\n\
         {}\n\
         ## What of a VirtualService each can express\n\n\
         The rest is left out with a diagnostic (AER0200) that names the field.\n\n\
         {}\n\
         ## Annotations\n\n\
         {}",
        summary(protocols).markdown(),
        expressions(protocols).markdown(),
        annotations(protocols).markdown()
    )
}

fn expressions(protocols: &[Description]) -> Table {
    let mut table = Table::new([
        "PROTOCOL",
        "ROUTES",
        "METHOD",
        "HEADERS",
        "HEADER PRESENCE",
        "WITHOUT HEADERS",
        "WEIGHTS",
        "MIRROR",
        "OTHER KINDS",
    ]);
    for protocol in protocols {
        let can = protocol.expresses;
        table.row([
            protocol.name.to_owned(),
            routes(can.routing).to_owned(),
            forms(can.method),
            forms(can.headers),
            yes(can.header_presence),
            yes(can.without_headers),
            yes(can.weights),
            yes(can.mirror),
            list(&protocol.inputs),
        ]);
    }
    table
}

fn annotations(protocols: &[Description]) -> Table {
    let mut table = Table::new(["PROTOCOL", "ANNOTATION", "ON", "MEANING"]);
    for annotation in COMMON {
        let cells = [
            "every one",
            annotation.key,
            annotation.on,
            annotation.meaning,
        ];
        table.row(cells.map(str::to_owned));
    }
    for protocol in protocols {
        for annotation in protocol.annotations {
            let cells = [
                protocol.name,
                annotation.key,
                annotation.on,
                annotation.meaning,
            ];
            table.row(cells.map(str::to_owned));
        }
    }
    table
}

fn proxies(protocol: &Description) -> &'static str {
    match protocol.availability {
        Availability::Stock => "stock",
        Availability::Gated => "with the filter (off by default)",
    }
}

fn routes(routing: Routing) -> &'static str {
    match routing {
        Routing::Istio => "Istio's own",
        Routing::Default => "tcp, one destination",
        Routing::Http => "http, tcp",
    }
}

fn forms(forms: Forms) -> String {
    let named = [
        (forms.exact, "exact"),
        (forms.prefix, "prefix"),
        (forms.regex, "regex"),
    ];
    let names: Vec<&str> = named
        .into_iter()
        .filter(|(can, _)| *can)
        .map(|(_, name)| name)
        .collect();
    list(&names)
}

fn list(words: &[&str]) -> String {
    if words.is_empty() {
        "-".to_owned()
    } else {
        words.join(", ")
    }
}

fn yes(can: bool) -> String {
    (if can { "yes" } else { "-" }).to_owned()
}

#[cfg(all(test, feature = "all"))]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_the_documentation_is_what_the_registrations_say() {
        let registry = linked::registry().unwrap();
        let linked: Vec<Description> = registry.iter().map(|r| r.describe()).collect();
        crate::docs::check("docs/protocols/README.md", &markdown(&linked));
    }
}
