//! What the conformance suite's applications need, put into the cache directory: a Python environment, and a directory of
//! libraries for each protocol whose server is written in Java.
//!
//! The directory's name carries a hash of the recipes, so checkouts with different ones never meet. Within it a place is
//! made once.

use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};

use aeraki_testcache::root as cache;
use anyhow::{Context as _, Result};

use crate::process::{command, execute, require, root, succeeds};
use crate::setup::require_or_install;

/// An old and a new Dubbo: they are still used, and must be able to call each other.
const DUBBO: [&str; 2] = ["2.7.23", "3.3.5"];

const SOURCES: &str = "crates/aeraki-conformance/applications";

/// Sets up what is absent; where it is.
pub(crate) fn set_up() -> Result<PathBuf> {
    let applications = cache()?.join(format!("applications-{}", recipes()?));
    fs::create_dir_all(&applications)?;
    for (program, arguments, package) in [
        ("ip", &["-V"][..], "iproute2"),
        ("iptables-restore", &["--version"], "iptables"),
    ] {
        require_or_install(|| succeeds(command(program).args(arguments)), package)?;
        require(program, arguments, package)?;
    }
    redis()?;
    python(&applications.join("python"))?;
    for version in DUBBO {
        dubbo(&applications.join("dubbo").join(version), version)?;
    }
    Ok(applications)
}

/// A hash of all that decides what is set up. It only has to be another one where that is other.
fn recipes() -> Result<String> {
    let sources = root().join(SOURCES);
    let mut hasher = DefaultHasher::new();
    for recipe in ["requirements.txt", "dubbo"] {
        for file in files(&sources.join(recipe))? {
            let text =
                fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
            text.hash(&mut hasher);
        }
    }
    Ok(format!("{:016x}", hasher.finish()))
}

/// A file, or all files below a directory, in order.
fn files(path: &Path) -> Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let entries = fs::read_dir(path)?.map(|entry| Ok(entry?.path()));
    let mut entries = entries.collect::<Result<Vec<_>>>()?;
    entries.sort();
    let below = entries.iter().map(|entry| files(entry));
    Ok(below.collect::<Result<Vec<_>>>()?.concat())
}

/// The provider and the consumer, with one version of Dubbo and all that it needs.
fn dubbo(place: &Path, version: &str) -> Result<()> {
    let sources = root().join(SOURCES).join("dubbo");
    let recipe = sources.join("pom.xml");
    once(place, |fresh| {
        let maven = ["--version"];
        require_or_install(|| succeeds(command("mvn").args(maven)), "maven")?;
        require("mvn", &maven, "maven")?;
        execute(
            command("mvn")
                .args(["--quiet", "--batch-mode", "--file"])
                .arg(&recipe)
                .arg(format!("-Ddubbo.version={version}"))
                .arg(format!("-Doutput={}", fresh.display()))
                .arg("package"),
        )
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

fn python(place: &Path) -> Result<()> {
    let requirements = root().join(SOURCES).join("requirements.txt");
    once(place, |fresh| {
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

/// Makes the place unless it is there and whole. What was begun and not ended is made again.
fn once(place: &Path, make: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let whole = place.join("is-whole");
    if whole.is_file() {
        return Ok(());
    }
    if place.exists() {
        fs::remove_dir_all(place)?;
    }
    make(place)?;
    Ok(fs::write(whole, "")?)
}
