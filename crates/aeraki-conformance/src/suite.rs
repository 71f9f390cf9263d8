//! Which cases there are, and in which order they run.

use std::path::Path;
use std::time::Instant;

use anyhow::{Result, ensure};
use futures::stream::{self, StreamExt as _};

use crate::case::{Case, Stage, Turn};
use crate::evidence;
use crate::mesh::{Mesh, Programs};
use crate::report::{self, Outcome};
use crate::{dubbo, redis, thrift, whole, zookeeper};

/// Every case, in the order of the list.
pub(crate) fn all() -> impl Iterator<Item = &'static Case> {
    let protocols = [dubbo::CASES, thrift::CASES].into_iter();
    let protocols = protocols.chain(redis::CASES).chain([zookeeper::CASES]);
    protocols.chain([whole::CASES]).flatten()
}

/// What is to run.
pub(crate) struct Choice {
    /// Only these protocols, or all.
    pub(crate) protocols: Vec<String>,
    /// Only cases whose name contains one of these, or all.
    pub(crate) names: Vec<String>,
}

impl Choice {
    /// The cases, each with a number that it has in every choice. Those about the whole go with any.
    pub(crate) fn cases(&self) -> Result<Vec<(u8, &'static Case)>> {
        for wanted in &self.protocols {
            let mut known = all().map(Case::protocol);
            ensure!(
                known.any(|known| known == wanted),
                "no cases of a protocol {wanted:?}: see --list"
            );
        }
        let is_wanted = |case: &Case| {
            let protocol = |wanted: &String| wanted == case.protocol();
            let name = |wanted: &String| case.name.contains(wanted.as_str());
            case.turn == Turn::Last
                || (self.protocols.is_empty() || self.protocols.iter().any(protocol))
                    && (self.names.is_empty() || self.names.iter().any(name))
        };
        let mut cases: Vec<_> = (1..)
            .zip(all())
            .filter(|(_, case)| is_wanted(case))
            .collect();
        ensure!(
            cases.iter().any(|(_, case)| case.turn != Turn::Last),
            "no case is called like {:?}: see --list",
            self.names
        );
        cases.sort_by_key(|(_, case)| case.turn);
        Ok(cases)
    }
}

/// Runs the cases, `jobs` at a time where they allow it; whether all passed.
pub(crate) async fn run(
    cases: &[(u8, &'static Case)],
    programs: Programs,
    jobs: usize,
    output: &Path,
) -> Result<bool> {
    let start = Instant::now();
    let mesh = Mesh::start(programs).await?;
    println!(
        "  the mesh is up after {:.1} s",
        start.elapsed().as_secs_f64()
    );
    let mesh = &mesh;
    let (shared, alone): (Vec<_>, Vec<_>) = cases
        .iter()
        .partition(|(_, case)| case.turn == Turn::Shared);
    let play = |(number, case): (u8, &'static Case)| play(mesh, case, number, output);
    let mut outcomes: Vec<Outcome> = stream::iter(shared)
        .map(play)
        .buffer_unordered(jobs)
        .collect()
        .await;
    for case in alone {
        outcomes.push(play(case).await);
    }
    outcomes.sort_by_key(|outcome| all().position(|case| case.name == outcome.case));
    let passed = report::print(&outcomes);
    Ok(passed)
}

async fn play(mesh: &Mesh, case: &'static Case, number: u8, output: &Path) -> Outcome {
    let start = Instant::now();
    let stage = Stage::new(mesh, case, number);
    let mut result = (case.run)(&stage).await;
    if let Err(error) = result {
        let kept = match evidence::keep(&stage, output, &error).await {
            Ok(directory) => format!("see {}", directory.display()),
            Err(trouble) => format!("no evidence could be kept: {trouble:#}"),
        };
        result = Err(error.context(kept));
    }
    let cleared = stage.clear().await;
    let outcome = Outcome {
        case: case.name,
        result: result.and(cleared),
        took: start.elapsed(),
    };
    outcome.announce();
    outcome
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fmt::Write as _;

    use super::*;

    const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/conformance.md");
    const MARK: &str =
        "<!-- cases: written by `AERAKI_UPDATE_DOCS=1 cargo test -p aeraki-conformance` -->\n";

    #[test]
    fn no_two_cases_have_one_name() {
        let names: BTreeSet<_> = all().map(|case| case.name).collect();
        assert_eq!(names.len(), all().count());
    }

    #[test]
    fn the_document_lists_every_case() {
        let mut table = String::from("\n| case | proves |\n|---|---|\n");
        for case in all() {
            let proves = case.proves.replace('|', "\\|");
            writeln!(table, "| `{}` | {proves} |", case.name).unwrap();
        }
        let text = std::fs::read_to_string(DOCUMENT).unwrap();
        let (before, after) = text.split_once(MARK).unwrap();
        if std::env::var_os("AERAKI_UPDATE_DOCS").is_some() {
            std::fs::write(DOCUMENT, format!("{before}{MARK}{table}")).unwrap();
            return;
        }
        assert!(
            after == table,
            "docs/conformance.md is not what the code says; run the tests once with AERAKI_UPDATE_DOCS=1"
        );
    }
}
