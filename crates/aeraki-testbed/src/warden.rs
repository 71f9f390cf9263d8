//! Who ends a bed's servers and removes its directory when nobody else does.
//!
//! A bed must leave nothing behind, even when its process is killed and even when it lies in a
//! `static`, which is never dropped. So its servers share a process group, and a small shell outside
//! of the group reads from a pipe whose other end only we hold. The end of the pipe is the end of
//! the bed, whatever caused it. (`PR_SET_PDEATHSIG` would not do: it is tied to the *thread* that
//! started the server, and a test's thread ends with the test.)

use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};

/// The signals are those of a terminal that a user closes or interrupts: the end of the pipe follows,
/// and then there is work to do. A process that nobody waits for still counts, hence the bound.
const SCRIPT: &str = r#"
trap '' INT TERM HUP
while read -r _; do :; done
kill -s KILL -- "-$1"
tries=0
while kill -s 0 -- "-$1" && [ "$tries" -lt 200 ]; do tries=$((tries + 1)); sleep 0.02; done
rm -rf -- "$2" || { sleep 1; rm -rf -- "$2"; }
"#;

/// Holds the pipe. Dropping it ends the group, removes the directory and waits for both.
#[derive(Debug)]
pub(crate) struct Warden {
    /// Leads the group, so that its id is not taken before the first server comes.
    leader: Child,
    shell: Child,
}

impl Warden {
    pub(crate) fn watch(directory: &Path) -> Result<Self> {
        let leader = silent(&mut Command::new("cat")).context("cannot start `cat`")?;
        let shell = silent(
            Command::new("sh")
                .args(["-c", SCRIPT, "warden"])
                .arg(leader.id().to_string())
                .arg(directory),
        )
        .context("cannot start `sh`")?;
        Ok(Self { leader, shell })
    }

    /// What makes a process a member of the group.
    pub(crate) fn group(&self) -> i32 {
        i32::try_from(self.leader.id()).expect("process ids are small")
    }
}

impl Drop for Warden {
    fn drop(&mut self) {
        for child in [&mut self.leader, &mut self.shell] {
            drop(child.stdin.take());
            if let Err(error) = child.wait() {
                eprintln!("the bed's warden does not end: {error}");
            }
        }
    }
}

/// In a group of its own, with a pipe for its input and no output. The standard library closes our
/// end of the pipe in every other program that we start.
fn silent(command: &mut Command) -> io::Result<Child> {
    command
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(warden: &Warden) -> Child {
        let mut sleep = Command::new("sleep");
        sleep.arg("600").process_group(warden.group());
        sleep.spawn().unwrap()
    }

    #[test]
    fn end_of_the_warden_is_the_end_of_group_and_directory() {
        let directory = tempfile::tempdir().unwrap().keep();
        std::fs::write(directory.join("file"), "x").unwrap();
        let warden = Warden::watch(&directory).unwrap();
        let mut member = member(&warden);
        // As a bed does it: the members are reaped while the shell works.
        let reaper = std::thread::spawn(move || member.wait().unwrap());
        drop(warden);
        assert!(!reaper.join().unwrap().success());
        assert!(!directory.exists());
    }
}
