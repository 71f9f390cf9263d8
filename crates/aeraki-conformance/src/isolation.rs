//! Namespaces of our own: nothing of the mesh is seen outside of them, and nothing outlives them.

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;
use std::{env, fs};

use anyhow::{Context as _, Result, ensure};

/// Set in the process that is already inside.
const INSIDE: &str = "AERAKI_CONFORMANCE_INSIDE";

/// Directories that get an empty, temporary file system: the named network namespaces lie in the first, files with Redis'
/// credentials in the second.
const SCRATCH: [&str; 2] = ["/run", "/etc/redis"];

/// Starts this program again in namespaces of its own, or, where it is there already, makes them ready.
pub(crate) fn enter() -> Result<()> {
    if env::var_os(INSIDE).is_none() {
        return Err(start_inside()?);
    }
    for directory in SCRATCH {
        if Path::new(directory).is_dir() {
            run("mount", &["-t", "tmpfs", "tmpfs", directory])?;
        }
    }
    own_names()?;
    run("ip", &["link", "set", "lo", "up"])
}

/// What proxies resolve names by: a file that cases may add to, and nobody to ask beside it.
fn own_names() -> Result<()> {
    for (file, text) in [
        ("hosts", "127.0.0.1 localhost\n"),
        ("resolv.conf", "nameserver 127.0.0.1\n"),
    ] {
        let (own, usual) = (format!("/run/{file}"), format!("/etc/{file}"));
        fs::write(&own, text).context(own.clone())?;
        run("mount", &["--bind", &own, &usual])?;
    }
    Ok(())
}

/// Comes back only where it fails.
fn start_inside() -> Result<anyhow::Error> {
    let id = Command::new("id").arg("-u").output()?.stdout;
    ensure!(
        id.trim_ascii() == b"0",
        "pods are network namespaces, and only root may make them: run it by `sudo -E`"
    );
    let error = Command::new("unshare")
        .args(["--net", "--mount", "--pid", "--fork"])
        .args(["--kill-child", "--mount-proc", "--"])
        .arg(env::current_exe()?)
        .args(env::args_os().skip(1))
        .env(INSIDE, "1")
        .exec();
    Ok(anyhow::Error::new(error)
        .context("cannot start `unshare`: install the Debian package util-linux"))
}

/// Runs a program of the system; its complaint is the error.
pub(crate) fn run(program: &str, arguments: &[&str]) -> Result<()> {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .with_context(|| format!("cannot start `{program}`"))?;
    ensure!(
        output.status.success(),
        "`{program} {}`: {}: {}",
        arguments.join(" "),
        output.status,
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(())
}
