//! `cargo xtask static`: the binary of the image, built and run as the image will run it.
//!
//! No step of `test`: an optimised build of everything takes longer than all the tests, and finds what they do not only when
//! dependencies change.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::process::{capture, cargo, command, execute, root, succeeds};
use crate::setup::require_or_install;

/// The binary needs nothing of an image: no library, no shell, no user, nothing writable.
pub(crate) fn check() -> Result<()> {
    let binary = build()?;
    ensure_static(&binary)?;
    let image = EmptyRoot::with(&binary)?;
    let version = image.run(&["/aeraki", "version"])?;
    ensure!(version.starts_with("aeraki "), "not a version: {version}");
    let filters = image.run(&["/aeraki", "generate", "-f", "/examples"])?;
    let count = filters.matches("kind: EnvoyFilter\n").count();
    ensure!(count > 0, "no EnvoyFilter came out of the examples");
    println!("  {count} EnvoyFilters from an empty, read-only root as user 65532");
    Ok(())
}

/// With musl, as in the Dockerfile; with glibc where rustup cannot fetch musl's standard library.
fn build() -> Result<PathBuf> {
    let arch = std::env::consts::ARCH;
    let musl = format!("{arch}-unknown-linux-musl");
    let mut build = cargo(&["build", "--locked", "--release", "--package", "aeraki-bin"]);
    let target = if succeeds(command("rustup").args(["target", "add", &musl])) {
        let has_compiler = || succeeds(command("musl-gcc").arg("--version"));
        require_or_install(has_compiler, "musl-tools")?;
        // ring has parts in C.
        build.env(format!("CC_{}", musl.replace('-', "_")), "musl-gcc");
        musl
    } else {
        println!("  rustup has no {musl}: glibc instead");
        build.env("RUSTFLAGS", "-C target-feature=+crt-static");
        format!("{arch}-unknown-linux-gnu")
    };
    execute(build.args(["--target", &target]))?;
    let directory = std::env::var_os("CARGO_TARGET_DIR");
    let directory = directory.map_or_else(|| root().join("target"), PathBuf::from);
    Ok(directory.join(target).join("release/aeraki"))
}

/// No loader and no library is asked for.
fn ensure_static(binary: &Path) -> Result<()> {
    let mut readelf = command("readelf");
    let headers = capture(
        readelf
            .args(["--wide", "--program-headers", "--dynamic"])
            .arg(binary),
    )?;
    for word in ["INTERP", "(NEEDED)"] {
        ensure!(
            !headers.contains(word),
            "{} is not static: it has {word}",
            binary.display()
        );
    }
    Ok(())
}

/// Mounts the directory given read-only over itself and runs the rest of the arguments in it, without network; as
/// the image's user where that can be had.
const ENTER: &str = r#"
set -eu
root=$1; shift
mount --bind "$root" "$root"
mount -o remount,bind,ro "$root"
user=
[ "$(id -u)" != 0 ] || [ "$MAPPED" = yes ] || user=--userspec=65532:65532
exec env -i "$(PATH=$PATH:/usr/sbin:/sbin command -v chroot)" $user "$root" "$@"
"#;

/// What a container of the image sees: the binary, here with the examples beside it.
struct EmptyRoot(PathBuf);

impl EmptyRoot {
    fn with(binary: &Path) -> Result<Self> {
        let path = std::env::temp_dir().join(format!("aeraki-root-{}", std::process::id()));
        fs::create_dir(&path).with_context(|| format!("cannot make {}", path.display()))?;
        let root = Self(path);
        fs::copy(binary, root.0.join("aeraki"))?;
        execute(command("cp").args(["-r", "examples"]).arg(&root.0))?;
        Ok(root)
    }

    fn run(&self, line: &[&str]) -> Result<String> {
        let is_root = capture(command("id").arg("-u"))?.trim() == "0";
        let mut unshare = command("unshare");
        unshare.args(["--mount", "--net"]);
        if !is_root {
            unshare.arg("--map-root-user");
        }
        unshare.env("MAPPED", if is_root { "no" } else { "yes" });
        unshare.args(["sh", "-c", ENTER, "enter"]);
        capture(unshare.arg(&self.0).args(line))
    }
}

impl Drop for EmptyRoot {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            eprintln!("  cannot remove {}: {error}", self.0.display());
        }
    }
}
