//! Golden cases: `<what-it-shows>.in.yaml` beside `<what-it-shows>.snap`.
//!
//! A case goes the whole way: the file reader, the engine, the YAML writer, and then the real Envoy. The snapshot shows
//! the diagnostics first, then the EnvoyFilters. `INSTA_UPDATE=always` writes snapshots anew.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use aeraki_core::diagnostic::{Diagnostic, Severity};
use aeraki_core::engine::Engine;
use aeraki_core::object::ConfigEvent;
use aeraki_core::registry::Registry;
use aeraki_core::settings::Settings;
use aeraki_file::{Reader, to_yaml};
use serde_json::Value;

use crate::envoy::Envoy;
use crate::explain::{Outcome, explain};
use crate::render::{Rendered, Renderer};

/// The line of a case that sets settings, as JSON.
const SETTINGS: &str = "# settings: ";

/// What a case comes to.
pub struct Golden {
    /// Diagnostics of reading and of generating, sorted.
    pub diagnostics: Vec<Diagnostic>,
    /// The engine after all objects were applied and drained.
    pub engine: Engine,
}

/// Checks one case against its snapshot and against the real Envoy.
///
/// # Panics
/// If the case cannot be read, differs from its snapshot, or is refused by Envoy.
pub fn check(case: &Path) {
    let text = std::fs::read_to_string(case).expect("the case can be read");
    let golden = run(&text);
    compare(case, &snapshot(&golden));
    load(&golden.engine, &Renderer::default());
}

/// Checks an example that users start from: all YAML files of `examples/<directory>` together draw nothing worse than a
/// note, come to the EnvoyFilters of these names, and load in the real Envoy.
///
/// # Panics
/// If any of that is not so.
pub fn check_example(directory: &str, settings: &Settings, names: &[&str]) {
    let golden = run_with(&example(directory), settings.clone());
    let warnings: Vec<String> = golden
        .diagnostics
        .iter()
        .filter(|found| found.severity > Severity::Info)
        .map(ToString::to_string)
        .collect();
    assert_eq!(warnings, [""; 0]);
    let made: Vec<String> = golden
        .engine
        .filters()
        .keys()
        .map(ToString::to_string)
        .collect();
    assert_eq!(made, names);
    load(&golden.engine, &Renderer::default());
}

/// The YAML files of an example, as one text.
///
/// # Panics
/// If they cannot be read.
#[must_use]
pub fn example(directory: &str) -> String {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../examples")
        .join(directory);
    let entries = std::fs::read_dir(directory).expect("the example is there");
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.expect("it can be listed").path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "yaml"))
        .collect();
    files.sort();
    let read = |file: &PathBuf| std::fs::read_to_string(file).expect("it can be read");
    files.iter().map(read).collect::<Vec<_>>().join("---\n")
}

/// Runs the text of a case with the linked protocols.
///
/// # Panics
/// If the settings line cannot be read, or two protocols clash.
#[must_use]
pub fn run(text: &str) -> Golden {
    let settings = text.lines().find_map(|line| line.strip_prefix(SETTINGS));
    let settings = settings.map_or_else(Settings::default, |json| {
        serde_json::from_str(json).expect("the settings line is JSON of Settings")
    });
    run_with(text, settings)
}

fn run_with(text: &str, settings: Settings) -> Golden {
    let registry = Registry::linked().expect("no two protocols claim one token");
    let read = Reader::new(&registry).read("case.yaml", text);
    let mut diagnostics: Vec<Diagnostic> = read
        .problems
        .into_iter()
        .map(|problem| problem.diagnostic)
        .collect();
    let mut engine = Engine::new(settings, registry);
    for located in read.objects {
        engine.apply(ConfigEvent::Put(located.object));
    }
    engine.drain();
    diagnostics.extend(engine.diagnostics().into_iter().cloned());
    diagnostics.extend(engine.idle_rules());
    diagnostics.sort();
    diagnostics.dedup();
    Golden {
        diagnostics,
        engine,
    }
}

/// The text of a snapshot.
#[must_use]
pub fn snapshot(golden: &Golden) -> String {
    let mut text = String::new();
    for diagnostic in &golden.diagnostics {
        writeln!(text, "{diagnostic}").expect("a String takes all");
        if let Some(help) = &diagnostic.help {
            writeln!(text, "  help: {help}").expect("a String takes all");
        }
    }
    for filter in golden.engine.filters().values() {
        text.push_str("---\n");
        text.push_str(&to_yaml(&filter.object()));
    }
    text
}

/// Loads everything that an engine wants into the real Envoy.
///
/// # Panics
/// If Envoy is not there or refuses it.
pub fn load(engine: &Engine, renderer: &Renderer) {
    let filters: Vec<Value> = engine
        .filters()
        .values()
        .map(|filter| {
            serde_json::to_value(filter.object()).expect("an EnvoyFilter has a JSON form")
        })
        .collect();
    if filters.is_empty() {
        return;
    }
    let envoy = Envoy::locate().unwrap_or_else(|error| panic!("{error}"));
    match explain(&envoy, renderer, &filters) {
        Ok(Outcome::Accepted(rendered)) => check_effect(&rendered),
        other => panic!("Envoy refuses the output: {other:?}"),
    }
}

/// What Envoy accepted must be what was written: every patch changed something, and nothing stands there twice. Only an
/// inbound filter may be without effect: an older service has put the same one on the same chain.
fn check_effect(rendered: &Rendered) {
    assert!(
        rendered.doubled.is_empty(),
        "inserted twice: {:?}",
        rendered.doubled
    );
    let idle: Vec<_> = rendered
        .ineffective
        .iter()
        .filter(|patch| !format!("{patch:?}").contains("aeraki-inbound-"))
        .collect();
    assert!(idle.is_empty(), "without effect: {idle:?}");
}

fn compare(case: &Path, text: &str) {
    let directory = case.parent().expect("a case is a file in a directory");
    let file = case
        .file_name()
        .and_then(|name| name.to_str())
        .expect("a case has a name");
    let name = file
        .strip_suffix(".in.yaml")
        .expect("a case is called <name>.in.yaml");
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(directory);
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.set_input_file(file);
    settings.bind(|| insta::assert_snapshot!(name, text));
}
