//! Which cases there are, and in which order they run.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Result, ensure};
use futures::stream::{self, StreamExt as _};

use crate::case::{Case, Stage, Turn};
use crate::evidence;
use crate::mesh::{Mesh, Programs};
use crate::report::{self, Outcome};
use crate::{dubbo, kafka, redis, thrift, whole, zookeeper};

/// Every case, in the order of the list.
pub(crate) fn all() -> impl Iterator<Item = &'static Case> {
    let protocols = dubbo::CASES.into_iter().chain(thrift::CASES);
    let protocols = protocols.chain(redis::CASES).chain(zookeeper::CASES);
    protocols.chain([kafka::CASES, whole::CASES]).flatten()
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

/// How they are played.
pub(crate) struct Plan {
    /// How many at a time, where they allow it.
    pub(crate) jobs: usize,
    /// Whether a case that fails is played once more, by itself.
    pub(crate) again: bool,
    /// Where the evidence goes.
    pub(crate) output: PathBuf,
}

/// Runs the cases; whether all passed.
pub(crate) async fn run(
    cases: &[(u8, &'static Case)],
    programs: Programs,
    plan: &Plan,
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
    let play = |(number, case): (u8, &'static Case)| play(mesh, case, number, &plan.output);
    let mut outcomes: Vec<Outcome> = stream::iter(shared)
        .map(play)
        .buffer_unordered(plan.jobs)
        .collect()
        .await;
    let (alone, last): (Vec<_>, Vec<_>) = alone
        .into_iter()
        .partition(|(_, case)| case.turn == Turn::Alone);
    for case in alone {
        outcomes.push(play(case).await);
    }
    if plan.again {
        for outcome in &mut outcomes {
            let mut failed = cases.iter().filter(|_| outcome.result.is_err());
            if let Some(&case) = failed.find(|(_, case)| case.name == outcome.case) {
                println!("  again   {}", outcome.case);
                *outcome = play(case).await;
            }
        }
    }
    for case in last {
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
    // Before the case's services go, and their statistics with them.
    stage.look_at_statistics(case.protocol()).await;
    stage.statistics().played(case);
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
    use std::path::PathBuf;
    use std::{env, fs};

    use super::*;

    fn chosen(protocols: &[&str], names: &[&str]) -> Result<Vec<&'static str>> {
        let owned = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
        let choice = Choice {
            protocols: owned(protocols),
            names: owned(names),
        };
        Ok(choice.cases()?.iter().map(|(_, case)| case.name).collect())
    }

    #[test]
    fn names_are_of_the_protocol_and_no_two_are_the_same() {
        let names: BTreeSet<&str> = all().map(|case| case.name).collect();
        assert_eq!(names.len(), all().count());
        for name in names {
            let (protocol, what) = name.split_once('/').unwrap();
            let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            assert!(protocol.chars().chain(what.chars()).all(legal), "{name}");
        }
    }

    /// The number is a byte of the case's addresses.
    #[test]
    fn every_case_has_addresses_of_its_own() {
        assert!(all().count() < usize::from(u8::MAX));
    }

    #[test]
    fn cases_about_the_whole_go_with_any_choice_and_come_last() {
        let cases = chosen(&["zookeeper"], &["inbound"]).unwrap();
        assert_eq!(cases[0], "zookeeper/inbound");
        assert!(cases.len() > 1);
        assert!(cases[1..].iter().all(|name| name.starts_with("whole/")));
    }

    #[test]
    fn misspelt_choice_is_an_error_and_not_nothing() {
        assert!(chosen(&["reddis"], &[]).is_err());
        assert!(chosen(&[], &["no-such-case"]).is_err());
    }

    /// The cases of each protocol stand on its page, and those about the whole on the suite's.
    #[test]
    fn documents_list_the_cases() {
        let protocols: BTreeSet<&str> = all().map(Case::protocol).collect();
        for protocol in protocols {
            let page = match protocol {
                "whole" => "conformance.md".to_owned(),
                protocol => format!("protocols/{protocol}.md"),
            };
            lists(&page, all().filter(|case| case.protocol() == protocol));
        }
    }

    /// What a page says to be proven by a case is proven by one that there is.
    #[test]
    fn documents_name_cases_that_there_are() {
        let names: BTreeSet<&str> = all().map(|case| case.name).collect();
        let protocols: BTreeSet<&str> = all().map(Case::protocol).collect();
        let mut named = 0;
        for protocol in &protocols - &BTreeSet::from(["whole"]) {
            let page = format!("../../docs/protocols/{protocol}.md");
            let text = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(page);
            let text = fs::read_to_string(text).unwrap();
            let prefix = format!("{protocol}/");
            for word in text.split('`').filter(|word| word.starts_with(&prefix)) {
                assert!(names.contains(word), "no case {word}");
                named += 1;
            }
        }
        assert!(named > names.len(), "only {named} names are found");
    }

    fn lists(page: &str, cases: impl Iterator<Item = &'static Case>) {
        const BEGIN: &str = "<!-- The list is generated: AERAKI_UPDATE_DOCS=1 cargo test -p aeraki-conformance -->\n";
        let docs = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs");
        let path = docs.join(page);
        let text = fs::read_to_string(&path).unwrap();
        let (before, _) = text.split_once(BEGIN).unwrap();
        let mut wanted =
            format!("{before}{BEGIN}\n| case | what would be broken if it failed |\n|---|---|\n");
        for case in cases {
            writeln!(wanted, "| `{}` | {} |", case.name, case.proves).unwrap();
        }
        if env::var_os("AERAKI_UPDATE_DOCS").is_some() {
            fs::write(&path, &wanted).unwrap();
        }
        assert!(
            fs::read_to_string(&path).unwrap() == wanted,
            "docs/{page} is old: AERAKI_UPDATE_DOCS=1 cargo test -p aeraki-conformance"
        );
    }
}
