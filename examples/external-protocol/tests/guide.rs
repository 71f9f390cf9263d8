//! The README and the guide say what this crate does, and nothing else.

use std::path::Path;
use std::process::Command;

use aeraki_core::registry::Registry;
use aeraki_testkit::golden;
use aeraki_testkit::render::Renderer;
use external_protocol as _;

const README: &str = include_str!("../README.md");
const GUIDE: &str = include_str!("../../../docs/adding-a-protocol.md");

#[test]
fn the_readme_shows_the_input_and_the_output() {
    let [input, output] = blocks(README, "yaml")
        .try_into()
        .expect("the README has two YAML blocks");
    let golden = golden::run(&input);
    assert!(golden.diagnostics.is_empty(), "{:?}", golden.diagnostics);
    assert_eq!(golden::snapshot(&golden), format!("---\n{output}"));
    golden::load(&golden.engine, &Renderer::default());
}

#[test]
fn a_limit_that_cannot_be_read_is_reported_and_the_default_holds() {
    let [input, _] = blocks(README, "yaml")
        .try_into()
        .expect("the README has two YAML blocks");
    let golden = golden::run(&input.replace("\"5000\"", "\"0\""));
    let codes: Vec<&str> = golden.diagnostics.iter().map(|found| found.code).collect();
    assert_eq!(codes, ["AER0111"]);
    assert!(golden::snapshot(&golden).contains("max_connections: 1024"));
    golden::load(&golden.engine, &Renderer::default());
}

#[test]
fn every_rust_block_of_the_guide_stands_in_this_crate() {
    let sources = ["src/lib.rs", "src/main.rs"]
        .map(|file| std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)));
    let blocks = blocks(GUIDE, "rust");
    assert!(blocks.len() >= 4);
    for block in blocks {
        let is_there = sources
            .iter()
            .any(|source| source.as_ref().is_ok_and(|text| text.contains(&block)));
        assert!(is_there, "not in this crate:\n{block}");
    }
}

#[test]
fn the_command_lists_mqtt_beside_the_protocols_of_aeraki() {
    let run = Command::new(env!("CARGO_BIN_EXE_external-protocol"))
        .arg("protocols")
        .output();
    let output = run.expect("the binary was built for this test");
    assert!(output.status.success(), "{output:?}");
    let listing = String::from_utf8_lossy(&output.stdout).into_owned();
    for name in ["dubbo", "kafka", "mqtt", "redis", "thrift", "zookeeper"] {
        assert!(
            listing.lines().any(|line| line.starts_with(name)),
            "{name} in:\n{listing}"
        );
    }
}

#[test]
fn the_protocol_says_which_crate_it_comes_from() {
    let registry = Registry::linked().expect("no two protocols claim one token");
    let mqtt = registry.find("MQTT").expect("it is linked").describe();
    assert_eq!((mqtt.name, mqtt.origin), ("mqtt", "external-protocol"));
}

/// The text of every code block of a language.
fn blocks(page: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    page.split(&fence)
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap_or_default().to_owned())
        .collect()
}
