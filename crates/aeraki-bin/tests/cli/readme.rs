//! What the README promises: its commands, its example and the output that it shows.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::support::{self, Ran, aeraki_reading};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The blocks of one language, without their fences.
fn blocks(language: &str) -> Vec<String> {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let opening = format!("```{language}\n");
    let behind = readme.split(&opening).skip(1);
    behind
        .map(|text| text.split_once("```").unwrap().0.to_owned())
        .collect()
}

/// The arguments of the first command that is shown with them, and what is shown below it.
fn shown(command: &str) -> (Vec<String>, String) {
    let prompt = "$ cargo run -- ";
    let wanted = format!("{prompt}{command}");
    let block = blocks("console")
        .into_iter()
        .find(|block| block.starts_with(&wanted))
        .unwrap_or_else(|| panic!("the README shows no `{command}`"));
    let (line, output) = block.split_once('\n').unwrap();
    let line = line.strip_prefix(prompt).unwrap();
    let line = line.split(" #").next().unwrap_or_default();
    (
        line.split_whitespace().map(str::to_owned).collect(),
        output.to_owned(),
    )
}

fn run_in_root(line: &[String]) -> Ran {
    let line: Vec<&str> = line.iter().map(String::as_str).collect();
    let mut command = support::command(&line);
    support::ran(command.current_dir(root()).output().unwrap())
}

/// The protocols that EnvoyFilters are for, as their labels have it.
fn protocols(text: &str) -> BTreeSet<&str> {
    let label = "aeraki.net/protocol: ";
    let labels = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix(label));
    labels.collect()
}

const ALL: [&str; 5] = ["dubbo", "kafka", "redis", "thrift", "zookeeper"];

#[test]
fn its_generate_command_shows_all_protocols_and_the_same_bytes_each_time() {
    let (line, _) = shown("generate -f examples");
    let first = run_in_root(&line);
    assert_eq!(first.code, 0, "{}", first.err);
    assert_eq!(protocols(&first.out), ALL.into());
    assert_eq!(run_in_root(&line).out, first.out);
}

#[test]
fn its_run_command_writes_files_of_all_protocols() {
    let (mut line, _) = shown("run ");
    let dir = tempfile::tempdir().unwrap();
    let out = line.iter_mut().find(|word| *word == "out").unwrap();
    *out = dir.path().join("out").to_str().unwrap().to_owned();
    line.push("--once".to_owned());
    let ran = run_in_root(&line);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let mut written = String::new();
    for namespace in std::fs::read_dir(dir.path().join("out")).unwrap() {
        // The lock is no directory.
        for file in std::fs::read_dir(namespace.unwrap().path())
            .into_iter()
            .flatten()
        {
            written += &std::fs::read_to_string(file.unwrap().path()).unwrap();
        }
    }
    assert_eq!(protocols(&written), ALL.into());
}

#[test]
fn its_example_is_clean_and_has_the_output_that_is_shown() {
    let example = &blocks("yaml")[0];
    let analyzed = aeraki_reading(&["analyze", "-f", "-"], example);
    assert_eq!((analyzed.code, analyzed.out.as_str()), (0, ""));
    let (mut line, table) = shown("generate -f orders.yaml");
    let file = line.iter_mut().find(|word| *word == "orders.yaml").unwrap();
    *file = "-".to_owned();
    let line: Vec<&str> = line.iter().map(String::as_str).collect();
    let ran = aeraki_reading(&line, example);
    assert_eq!((ran.code, ran.out.as_str()), (0, table.as_str()));
}
