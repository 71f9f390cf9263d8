//! What the conformance suite's applications need, put into the cache directory: a Python environment, and a directory of
//! libraries for each protocol whose server is written in Java.
//!
//! The name of each place has a hash of the files that say what it is made of.

use std::fs;
use std::path::{Path, PathBuf};

use aeraki_testcache::root as cache;
use anyhow::{Context as _, Result, ensure};
use xxhash_rust::xxh3::xxh3_64;

use crate::process::{command, execute, require, root, succeeds};
use crate::setup::require_or_install;

const SOURCES: &str = "crates/aeraki-conformance/applications";

const COPY_DEPENDENCIES: &str =
    "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies";

/// Sets up what is absent; where each thing is, by its name.
pub(crate) fn set_up() -> Result<Vec<(&'static str, PathBuf)>> {
    for (program, arguments, package) in [
        ("ip", &["-V"][..], "iproute2"),
        ("iptables-restore", &["--version"], "iptables"),
    ] {
        require_or_install(|| succeeds(command(program).args(arguments)), package)?;
        require(program, arguments, package)?;
    }
    redis()?;
    Ok(vec![
        ("python", python()?),
        ("zookeeper", java("zookeeper")?),
        ("kafka", java("kafka")?),
        ("dubbo-2.7.23", dubbo("2.7.23")?),
        ("dubbo-3.2.16", dubbo("3.2.16")?),
        ("dubbo-3.3.5", dubbo("3.3.5")?),
    ])
}

/// The provider and the consumer, with one version of Dubbo and all that it needs. An old and a new one are still used, and
/// must be able to call each other; 3.2 alone prefers a serialization that Envoy cannot read.
fn dubbo(version: &str) -> Result<PathBuf> {
    let sources = root().join(SOURCES).join("dubbo");
    made_of(&format!("dubbo-{version}"), &sources, |fresh| {
        require_maven()?;
        let mut build = command("mvn");
        build
            .args(["--batch-mode", "--quiet", "--file"])
            .arg(sources.join("pom.xml"))
            .arg(format!("-Ddubbo.version={version}"))
            .arg(format!("-Doutput={}", fresh.display()));
        execute(build.arg("package"))
    })
}

/// Maven, and a Java to build with.
fn require_maven() -> Result<()> {
    let version = ["-version"];
    for (program, package) in [("javac", "default-jdk-headless"), ("mvn", "maven")] {
        require_or_install(|| succeeds(command(program).args(version)), package)?;
        require(program, &version, package)?;
    }
    Ok(())
}

/// The libraries that a protocol's `pom.xml` names, and all that they need.
fn java(protocol: &str) -> Result<PathBuf> {
    let pom = root().join(SOURCES).join(protocol).join("pom.xml");
    made_of(protocol, &pom, |fresh| {
        require_maven()?;
        let output = format!("-DoutputDirectory={}", fresh.display());
        let mut copy = command("mvn");
        copy.args(["--batch-mode", "--quiet", "--file"]).arg(&pom);
        execute(copy.args([COPY_DEPENDENCIES, "-DincludeScope=runtime", &output]))
    })
}

/// The package, without its service: that would be a server that nobody asked for.
fn redis() -> Result<()> {
    let version = ["--version"];
    let is_there = || succeeds(command("redis-server").args(version));
    let was_there = is_there();
    require_or_install(is_there, "redis-server")?;
    require("redis-server", &version, "redis-server")?;
    if !was_there && succeeds(command("systemctl").args(["is-active", "redis-server"])) {
        execute(command("systemctl").args(["disable", "--now", "redis-server"]))?;
    }
    Ok(())
}

fn python() -> Result<PathBuf> {
    let requirements = root().join(SOURCES).join("requirements.txt");
    made_of("python", &requirements, |fresh| {
        let venv = ["-m", "venv", "--help"];
        require_or_install(|| succeeds(command("python3").args(venv)), "python3-venv")?;
        execute(command("python3").args(["-m", "venv"]).arg(fresh))?;
        execute(
            command(fresh.join("bin/python"))
                .args(["-m", "pip", "install", "--quiet", "--requirement"])
                .arg(&requirements),
        )
    })
}

/// What a recipe says: a file, or all files below a directory in the order of their names.
fn text_of(recipe: &Path) -> Result<Vec<u8>> {
    if !recipe.is_dir() {
        return fs::read(recipe).with_context(|| format!("cannot read {}", recipe.display()));
    }
    let entries = fs::read_dir(recipe)?.map(|entry| Ok(entry?.path()));
    let mut entries = entries.collect::<Result<Vec<_>>>()?;
    entries.sort();
    let texts = entries.iter().map(|entry| text_of(entry));
    Ok(texts.collect::<Result<Vec<_>>>()?.concat())
}

/// The place of what is made of this file or directory, made where it is absent. Another text is another place, so checkouts never fight over one.
fn made_of(name: &str, recipe: &Path, make: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    let text = text_of(recipe)?;
    let applications = cache()?.join("applications");
    let place = applications.join(format!("{name}-{:016x}", xxh3_64(&text)));
    if place.exists() {
        return Ok(place);
    }
    fs::create_dir_all(&applications)?;
    let fresh = place.with_extension(format!("partial-{}", std::process::id()));
    let made = make(&fresh);
    if made.is_ok() && fs::rename(&fresh, &place).is_ok() {
        return Ok(place);
    }
    // What was begun is of no use. (Where somebody else was faster, his is as good.)
    if fresh.exists() {
        fs::remove_dir_all(&fresh)?;
    }
    made?;
    ensure!(place.exists(), "cannot make {}", place.display());
    Ok(place)
}
