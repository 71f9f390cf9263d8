//! The documentation's commands, and the flags that the manifests give.

use std::process::Command;

use rstest::rstest;

use crate::objects::arguments;
use crate::tools::{chart, deploy, manifests, succeeded};

/// The arguments of every `aeraki manifests …` in a document, up to the pipe or the comment.
fn commands(document: &str) -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(deploy().join("..").join(document)).unwrap();
    let lines = text
        .lines()
        .filter_map(|line| line.strip_prefix("aeraki manifests"));
    let words = |line: &str| {
        line.split_whitespace()
            .take_while(|word| !["|", "#"].contains(word))
            .map(str::to_owned)
            .collect()
    };
    lines.map(words).collect()
}

#[rstest]
#[case("docs/install.md", 4)]
#[case("docs/upgrade-from-go-aeraki.md", 3)]
fn its_commands_are_understood(#[case] document: &str, #[case] count: usize) {
    let commands = commands(document);
    assert_eq!(commands.len(), count);
    for command in commands {
        let arguments: Vec<&str> = command.iter().map(String::as_str).collect();
        assert!(!manifests(&arguments).is_empty(), "{command:?}");
    }
}

#[rstest]
#[case::of_the_command(manifests(&["--config-source=kube"]))]
#[case::of_the_chart(chart(&[]))]
#[case::of_the_chart_in_plaintext(chart(&["--set", "istio.plaintext=true"]))]
fn aeraki_run_takes_the_arguments_of_the_deployment(#[case] objects: Vec<serde_json::Value>) {
    let mut run = Command::new(env!("CARGO_BIN_EXE_aeraki"));
    run.args(arguments(&objects)).arg("--print-config");
    assert!(succeeded(run.output().unwrap()).contains("rootNamespace: istio-system"));
}
