//! `aeraki version`: what this binary is and what it speaks.

use std::process::ExitCode;

use anyhow::Result;
use serde_json::json;

use crate::console::Console;
use crate::linked;

/// The version of the command.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// How to print it.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The form of the answer
    #[arg(short, long, value_enum, default_value_t = Format::Text, value_name = "FORMAT")]
    output: Format,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Format {
    Text,
    Json,
}

pub(crate) fn run(args: &Args, console: Console) -> Result<ExitCode> {
    let registry = linked::registry()?;
    let linked: Vec<_> = registry.iter().map(|r| r.describe()).collect();
    let text = match args.output {
        Format::Text => {
            let names: Vec<String> = linked
                .iter()
                .map(|d| format!("{} ({})", d.name, d.maturity.name()))
                .collect();
            let names = if names.is_empty() {
                "none".to_owned()
            } else {
                names.join(", ")
            };
            format!("aeraki {VERSION}\nprotocols: {names}\n")
        }
        Format::Json => {
            let protocols: Vec<_> = linked
                .iter()
                .map(|d| json!({"name": d.name, "maturity": d.maturity, "origin": d.origin}))
                .collect();
            let answer = json!({"version": VERSION, "protocols": protocols});
            format!("{answer:#}\n")
        }
    };
    console.print(&text)?;
    Ok(ExitCode::SUCCESS)
}
