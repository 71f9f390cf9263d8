//! The checks of the workspace, in order, and the report about them.

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::deploy_tools;
use crate::process::{cargo, command, execute, root};
use crate::setup;

mod golden;
mod graph;
mod protocols;
mod traffic;

/// One check.
pub(crate) struct Step {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    check: fn() -> Result<()>,
}

/// Cheap and telling ones first, but what others need before them.
pub(crate) const STEPS: [Step; 15] = [
    Step {
        name: "setup",
        about: "Envoy, the test bed's servers and the cargo tools are there",
        check: setup::run,
    },
    Step {
        name: "fmt",
        about: "rustfmt would change nothing",
        check: fmt,
    },
    Step {
        name: "clippy",
        about: "no warning in any target",
        check: clippy,
    },
    Step {
        name: "doc",
        about: "the documentation builds without a warning",
        check: doc,
    },
    Step {
        name: "purity",
        about: "core knows no I/O, no crate brings unwanted ones",
        check: graph::purity,
    },
    Step {
        name: "tests",
        about: "every test of the workspace",
        check: tests,
    },
    Step {
        name: "traffic",
        about: "every case of the conformance suite, where network namespaces can be made",
        check: traffic::conformance,
    },
    Step {
        name: "crates-alone",
        about: "every crate builds by itself",
        check: graph::crates_alone,
    },
    Step {
        name: "features",
        about: "none, each and all protocols build and are listed",
        check: protocols::features,
    },
    Step {
        name: "instructions",
        about: "no hot path takes more instructions than were recorded for it",
        check: instructions,
    },
    Step {
        name: "golden-go",
        about: "the golden bytes are what Istio's Go module writes",
        check: golden::go,
    },
    Step {
        name: "external",
        about: "the example's protocol stands beside the built-in ones",
        check: protocols::external,
    },
    Step {
        name: "deploy-lint",
        about: "helm and hadolint have nothing against the chart and the Dockerfile",
        check: deploy_lint,
    },
    Step {
        name: "deny",
        about: "licences, bans and sources of dependencies",
        check: deny,
    },
    Step {
        name: "machete",
        about: "no unused dependency",
        check: machete,
    },
];

/// Why this machine cannot make a check: no failure of the checkout.
#[derive(Debug)]
struct Skip(String);

impl fmt::Display for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Skip {}

enum Outcome {
    Passed,
    Skipped(Skip),
    Failed(anyhow::Error),
    NotRun,
}

/// Runs the steps and reports; whether all of them passed.
pub(crate) fn run(steps: &[&Step], keep_going: bool) -> bool {
    let mut report: Vec<(&str, Outcome, Duration)> = vec![];
    let mut stopped = false;
    for step in steps {
        if stopped {
            report.push((step.name, Outcome::NotRun, Duration::ZERO));
            continue;
        }
        println!("\n==> {}: {}", step.name, step.about);
        let start = Instant::now();
        let outcome = match (step.check)() {
            Ok(()) => Outcome::Passed,
            Err(error) => match error.downcast() {
                Ok(skip) => Outcome::Skipped(skip),
                Err(error) => {
                    eprintln!("  FAILED {}: {error:#}", step.name);
                    stopped = !keep_going;
                    Outcome::Failed(error)
                }
            },
        };
        report.push((step.name, outcome, start.elapsed()));
    }
    print(&report)
}

fn print(report: &[(&str, Outcome, Duration)]) -> bool {
    println!();
    let (mut passed, mut failed) = (0, 0);
    for (name, outcome, duration) in report {
        let word = match outcome {
            Outcome::Passed => "passed".to_owned(),
            Outcome::Skipped(reason) => format!("skipped: {reason}"),
            Outcome::Failed(error) => format!("FAILED: {error:#}"),
            Outcome::NotRun => "not run".to_owned(),
        };
        println!("{name:<14} {:>7.1} s  {word}", duration.as_secs_f64());
        passed += usize::from(matches!(outcome, Outcome::Passed));
        failed += usize::from(matches!(outcome, Outcome::Failed(_)));
    }
    println!("\n{passed} passed, {failed} failed");
    failed == 0
}

fn fmt() -> Result<()> {
    execute(&mut cargo(&[
        "fmt",
        "--all",
        "--check",
        "--",
        "--files-with-diff",
    ]))
}

fn clippy() -> Result<()> {
    let arguments = [
        "clippy",
        "--workspace",
        "--all-targets",
        "--locked",
        "--",
        "-D",
        "warnings",
    ];
    execute(&mut cargo(&arguments))
}

fn doc() -> Result<()> {
    let mut doc = cargo(&["doc", "--workspace", "--no-deps", "--locked"]);
    execute(doc.env("RUSTDOCFLAGS", "-D warnings"))
}

fn instructions() -> Result<()> {
    let mut bench = cargo(&["bench", "--locked", "--package", "aeraki-core"]);
    bench.args(["--bench", "instructions"]);
    execute(bench.env("GUNGRAUN_RUNNER", setup::gungraun_runner()?))
}

fn tests() -> Result<()> {
    let mut tests = cargo(&["test", "--workspace", "--locked"]);
    // A snapshot that differs is a failure; nothing is written beside it.
    execute(
        tests
            .env("INSTA_UPDATE", "no")
            .env("AERAKI_ENVOY", aeraki_testcache::envoy()?)
            .env("AERAKI_HELM", deploy_tools::helm()?),
    )
}

/// What the objects say is tested with the binary, in `crates/aeraki-bin/tests/deploy`.
fn deploy_lint() -> Result<()> {
    let mut helm = command(deploy_tools::helm()?);
    execute(helm.args(["lint", "--strict", "--quiet", "deploy/charts/aeraki"]))?;
    execute(command(deploy_tools::hadolint()?).arg("Dockerfile"))
}

fn deny() -> Result<()> {
    let mut deny = command(setup::cargo_deny()?);
    execute(deny.args([
        "--locked",
        "--workspace",
        "check",
        "--hide-inclusion-graph",
        "licenses",
        "bans",
        "sources",
    ]))
}

fn machete() -> Result<()> {
    execute(
        command(setup::cargo_machete()?)
            .arg("--skip-target-dir")
            .arg(root()),
    )
}
