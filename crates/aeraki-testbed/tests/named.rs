//! `cargo xtask testbed`, as users run it.
#![allow(clippy::unwrap_used, reason = "a test that meets an error has failed")]

use std::path::Path;
use std::process::{Command, Output};
use std::thread::sleep;
use std::time::Duration;

use aeraki_testbed::Named;

fn testbed(arguments: &[&str], bed: &Named) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_aeraki-testbed"));
    let (verb, rest) = arguments.split_first().expect("a verb");
    command.args([verb, "--name", bed.name()]).args(rest);
    command.output().unwrap()
}

fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn status() -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_aeraki-testbed"));
    stdout(&command.arg("status").output().unwrap())
}

fn until_gone(directory: &Path) {
    while directory.exists() {
        sleep(Duration::from_millis(50));
    }
}

#[test]
fn bed_is_up_until_it_is_told_to_end_or_its_keeper_is_killed() {
    let bed = Named::new(&format!("test-{}", std::process::id())).unwrap();
    let up = || stdout(&testbed(&["up", "--without-istiod"], &bed));
    let told = up();
    assert!(
        told.contains(&*bed.kubeconfig().to_string_lossy()),
        "{told}"
    );
    assert!(status().contains(bed.name()));
    let flags = stdout(&testbed(&["flags"], &bed));
    assert!(flags.contains("--config-source kube"), "{flags}");
    // A second `up` changes nothing.
    let card = bed.card().unwrap().unwrap();
    up();
    assert_eq!(bed.card().unwrap().unwrap(), card);
    let namespaces = testbed(&["kubectl", "get", "namespaces"], &bed);
    assert!(stdout(&namespaces).contains("istio-system"));

    // Nobody is left to clean up, and yet it is done.
    let keeper = card["keeper"].to_string();
    let killed = Command::new("kill").args(["-s", "KILL", &keeper]).status();
    assert!(killed.unwrap().success());
    until_gone(&bed.directory());
    assert!(!status().contains(bed.name()));

    up();
    assert!(stdout(&testbed(&["down"], &bed)).contains("is gone"));
    assert!(!bed.directory().exists());
    assert!(stdout(&testbed(&["down"], &bed)).contains("was not running"));
    assert!(!testbed(&["kubectl", "version"], &bed).status.success());
    assert!(!testbed(&["flags"], &bed).status.success());
}

#[test]
fn wrong_setting_is_told_at_once() {
    let bed = Named::new("test-wrong").unwrap();
    let output = testbed(&["up", "--mesh", "enableAutoMtls=no"], &bed);
    assert!(!output.status.success());
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(told.contains("is no JSON"), "{told}");
}
