//! What `cargo xtask …` understands.

use anyhow::{Result, bail};

use crate::bench;
use crate::conformance;
use crate::setup;
use crate::static_binary;
use crate::steps::{self, STEPS, Step};
use crate::testbed;

const HELP: &str = "\
Usage: cargo xtask <COMMAND>

Commands:
  setup                       Fetch or build what the tests need: Envoy, the servers of the test
                              bed, cargo-deny, cargo-machete, helm, hadolint
  test [STEP…] [OPTIONS]      Run every check in order, or the named ones
  static                      The release build as the image has it: one static binary, run in
                              an empty, read-only root
  conformance [OPTIONS]       Real applications behind real sidecars, in network namespaces: which
                              server answers the call; `--list` names the cases; needs root
  demo <PROTOCOL>             The same as a show, for dubbo, thrift, redis, zookeeper or kafka: rules
                              that change, and a live table of who answers; needs root
  bench [OPTIONS]             How fast and how small the release build is, at 100 to 100,000 services;
                              `cargo xtask bench --help` has the rest
  testbed up|down|status|…    Real etcd, kube-apiserver and istiod on this machine, to try things
                              out; `cargo xtask testbed help` has the rest
  help                        Print this

Options of test:
  --only <STEP>               The same as naming the step
  --keep-going                Do not stop at the first failure

`lint` stands for fmt, clippy and doc. Steps:
";

/// Whether everything went well.
pub(crate) fn run(arguments: impl IntoIterator<Item = String>) -> Result<bool> {
    let mut arguments = arguments.into_iter();
    match arguments.next().as_deref() {
        Some("setup") => match arguments.next() {
            Some(extra) => bail!("setup takes no arguments, not {extra:?}"),
            None => setup::run().map(|()| true),
        },
        Some("conformance") => conformance::run(arguments),
        Some("demo") => conformance::demo(arguments),
        Some("bench") => bench::run(arguments),
        Some("static") => static_binary::check().map(|()| true),
        Some("testbed") => testbed::run(arguments),
        Some("test") => {
            let test = Test::parse(arguments)?;
            Ok(steps::run(&test.steps, test.keep_going))
        }
        None | Some("help" | "--help" | "-h") => {
            print!("{HELP}");
            for step in &STEPS {
                println!("  {:<27} {}", step.name, step.about);
            }
            Ok(true)
        }
        Some(other) => bail!("no command {other:?}: see `cargo xtask help`"),
    }
}

struct Test {
    steps: Vec<&'static Step>,
    keep_going: bool,
}

impl Test {
    fn parse(arguments: impl Iterator<Item = String>) -> Result<Self> {
        let mut names: Vec<String> = vec![];
        let mut keep_going = false;
        for argument in arguments {
            match argument.as_str() {
                "--keep-going" => keep_going = true,
                "--only" => {}
                "lint" => names.extend(["fmt", "clippy", "doc"].map(str::to_owned)),
                name if STEPS.iter().any(|step| step.name == name) => names.push(argument),
                other => bail!("no step or option {other:?}: see `cargo xtask help`"),
            }
        }
        let chosen = |step: &&Step| names.is_empty() || names.iter().any(|name| name == step.name);
        Ok(Self {
            steps: STEPS.iter().filter(chosen).collect(),
            keep_going,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(arguments: &[&str]) -> Result<Vec<&'static str>> {
        let test = Test::parse(arguments.iter().map(|&argument| argument.to_owned()))?;
        Ok(test.steps.iter().map(|step| step.name).collect())
    }

    #[test]
    fn no_name_means_every_step() {
        assert_eq!(parsed(&["--keep-going"]).unwrap().len(), STEPS.len());
    }

    #[test]
    fn named_steps_run_in_the_fixed_order() {
        assert_eq!(
            parsed(&["purity", "--only", "lint"]).unwrap(),
            ["fmt", "clippy", "doc", "purity"]
        );
    }

    #[test]
    fn misspelt_step_is_an_error_and_not_everything() {
        assert!(parsed(&["clipy"]).is_err());
    }
}
