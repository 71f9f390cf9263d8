//! `aeraki run` end to end: files change, the output directory follows, a signal ends it.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::support;

/// Long enough for a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running command, its directories and what it has logged so far.
struct Running {
    dir: TempDir,
    child: Child,
    log: Arc<Mutex<String>>,
}

impl Running {
    fn start(files: &[(&str, &str)], flags: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("in")).unwrap();
        for (name, text) in files {
            fs::write(dir.path().join("in").join(name), text).unwrap();
        }
        Self::start_in(dir, flags)
    }

    fn start_in(dir: TempDir, flags: &[&str]) -> Self {
        let mut child = support::command(&["run", "--config-source", "file"])
            .args(["--config-dir", "in", "--output-dir", "out"])
            .args(flags)
            .current_dir(dir.path())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let (lines, kept) = (
            BufReader::new(child.stderr.take().unwrap()).lines(),
            Arc::clone(&log),
        );
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                kept.lock().unwrap().push_str(&(line + "\n"));
            }
        });
        let running = Self { dir, child, log };
        running.wait("it is ready", || {
            running.log().contains("Output is up to date")
        });
        running
    }

    fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    fn input(&self, name: &str) -> PathBuf {
        self.dir.path().join("in").join(name)
    }

    fn output(&self, name: &str) -> PathBuf {
        self.dir.path().join("out").join(name)
    }

    fn outputs(&self) -> Vec<String> {
        files_below(&self.dir.path().join("out"))
    }

    fn wait(&self, what: &str, is_so: impl Fn() -> bool) {
        let until = Instant::now() + PATIENCE;
        while !is_so() {
            assert!(
                Instant::now() < until,
                "waited in vain until {what}; log:\n{}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Ends it with a signal; how long that took and with which code.
    fn end(mut self, signal: &str) -> (Duration, Option<i32>) {
        let start = Instant::now();
        let id = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args([signal, &id])
                .status()
                .unwrap()
                .success()
        );
        let code = self.child.wait().unwrap().code();
        (start.elapsed(), code)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It has ended, unless the test has failed.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// What is written: all but the lock.
fn files_below(directory: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![directory.to_owned()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(next).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.file_name().is_some_and(|name| name != ".aeraki.lock") {
                found.push(path.strip_prefix(directory).unwrap().display().to_string());
            }
        }
    }
    found.sort();
    found
}

fn service(name: &str, address: &str) -> String {
    format!(
        "apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: {name}, namespace: shop}}
spec:
  hosts: [{name}.shop.example]
  addresses: [{address}]
  ports: [{{number: 9090, name: tcp-thrift-{name}, protocol: TCP}}]
  resolution: STATIC
  workloadSelector: {{labels: {{app: {name}}}}}
"
    )
}

fn outbound(name: &str, address: &str) -> String {
    format!("istio-system/aeraki-outbound-{name}.shop.example-{address}-9090.yaml")
}

fn inbound(name: &str) -> String {
    format!("shop/aeraki-inbound-{name}.shop.example-9090.yaml")
}

#[test]
fn the_output_follows_the_files_until_a_signal_ends_it() {
    let running = Running::start(&[("carts.yaml", &service("carts", "240.0.0.1"))], &[]);
    assert!(
        running.log().contains("thrift (proto-thrift)"),
        "{}",
        running.log()
    );
    assert_eq!(
        running.outputs(),
        [outbound("carts", "240.0.0.1"), inbound("carts")]
    );

    // Added.
    fs::write(running.input("stock.yaml"), service("stock", "240.0.0.2")).unwrap();
    running.wait("the new service has its filters", || {
        running.outputs().len() == 4
    });

    // Edited: another address is another object.
    fs::write(running.input("carts.yaml"), service("carts", "240.0.0.3")).unwrap();
    running.wait("the new address is served", || {
        running.output(&outbound("carts", "240.0.0.3")).exists()
            && !running.output(&outbound("carts", "240.0.0.1")).exists()
    });

    // Broken: what it stood for stays, and the log says so.
    let before = running.outputs();
    fs::write(running.input("carts.yaml"), "kind: [ServiceEntry\n").unwrap();
    running.wait("the broken file is reported", || {
        let log = running.log();
        log.contains("AER0001") && log.contains("Kept as it was last read")
    });
    assert_eq!(running.outputs(), before);

    // While one file is broken, the others are served.
    fs::write(running.input("stock.yaml"), service("stock", "240.0.0.4")).unwrap();
    running.wait("the other file is served", || {
        running.output(&outbound("stock", "240.0.0.4")).exists()
    });
    assert!(running.output(&inbound("carts")).exists());

    // Mended.
    fs::write(running.input("carts.yaml"), service("carts", "240.0.0.3")).unwrap();
    running.wait("it is solved", || running.log().contains("Solved"));

    // Removed.
    fs::remove_file(running.input("stock.yaml")).unwrap();
    running.wait("its filters are gone", || {
        running.outputs() == [outbound("carts", "240.0.0.3"), inbound("carts")]
    });

    let log = running.log();
    assert_eq!(
        log.matches("AER0001").count(),
        2,
        "once when it came, once when it went:\n{log}"
    );
    let (took, code) = running.end("-TERM");
    assert_eq!(code, Some(0));
    assert!(took < Duration::from_secs(1), "{took:?}");
}

#[test]
fn what_is_not_ours_is_never_touched_and_what_is_ours_is_put_right() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("in")).unwrap();
    fs::create_dir_all(dir.path().join("out/shop")).unwrap();
    fs::write(
        dir.path().join("in/carts.yaml"),
        service("carts", "240.0.0.1"),
    )
    .unwrap();
    let foreign = "# somebody's own\nkind: EnvoyFilter\n";
    fs::write(dir.path().join("out").join(inbound("carts")), foreign).unwrap();
    fs::write(dir.path().join("out/shop/notes.txt"), "mine").unwrap();
    let running = Running::start_in(dir, &["--log-format", "json"]);

    assert_eq!(
        fs::read_to_string(running.output(&inbound("carts"))).unwrap(),
        foreign
    );
    assert_eq!(
        fs::read_to_string(running.output("shop/notes.txt")).unwrap(),
        "mine"
    );
    let log = running.log();
    assert!(log.contains("not an EnvoyFilter of ours"), "{log}");
    for line in log.lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap();
    }

    let ours = running.output(&outbound("carts", "240.0.0.1"));
    let text = fs::read_to_string(&ours).unwrap();
    fs::write(&ours, text.replace("priority: 10", "priority: 11")).unwrap();
    running.wait("what was tampered with is put right", || {
        fs::read_to_string(&ours).unwrap_or_default() == text
    });
    assert_eq!(running.end("-INT").1, Some(0));
}

#[test]
fn a_start_with_a_broken_file_deletes_nothing() {
    let once = Once::new(1);
    let input = |name: &str| once.0.path().join("in").join(name);
    let before = once.outputs();
    fs::write(input("b.yaml"), "kind: {\n").unwrap();
    fs::remove_file(input("s0.yaml")).unwrap();
    let (code, log) = once.run(&[]);
    assert_eq!(code, Some(1));
    assert!(log.contains("not all config could be read"), "{log}");
    assert_eq!(once.outputs(), before);
    fs::write(input("b.yaml"), "").unwrap();
    assert_eq!(once.run(&[]).0, Some(0));
    assert!(once.outputs().is_empty());
}

/// A directory with the output of some services, and a way to run once more on it.
struct Once(TempDir);

impl Once {
    fn new(services: usize) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("in")).unwrap();
        for number in 0..services {
            let text = service(&format!("s{number}"), &format!("240.0.1.{number}"));
            fs::write(dir.path().join(format!("in/s{number}.yaml")), text).unwrap();
        }
        let once = Self(dir);
        assert_eq!(once.run(&[]).0, Some(0));
        assert_eq!(once.outputs().len(), 2 * services);
        once
    }

    fn run(&self, flags: &[&str]) -> (Option<i32>, String) {
        let ran = support::command(&["run", "--config-dir", "in", "--output-dir", "out", "--once"])
            .args(flags)
            .current_dir(self.0.path())
            .output()
            .unwrap();
        (ran.status.code(), String::from_utf8(ran.stderr).unwrap())
    }

    fn outputs(&self) -> Vec<String> {
        files_below(&self.0.path().join("out"))
    }

    fn empty(&self) {
        fs::remove_dir_all(self.0.path().join("in")).unwrap();
        fs::create_dir(self.0.path().join("in")).unwrap();
    }
}

#[test]
fn a_link_that_leads_nowhere_deletes_nothing() {
    let once = Once::new(2);
    let file = once.0.path().join("in/s0.yaml");
    fs::rename(&file, once.0.path().join("s0.yaml")).unwrap();
    std::os::unix::fs::symlink("../nowhere.yaml", &file).unwrap();
    let (code, log) = once.run(&[]);
    assert_eq!(code, Some(1), "{log}");
    assert!(
        log.contains("s0.yaml") && log.contains("it cannot be read"),
        "{log}"
    );
    assert_eq!(once.outputs().len(), 4);
    fs::remove_file(&file).unwrap();
    assert_eq!(once.run(&[]).0, Some(0));
    assert_eq!(once.outputs().len(), 2);
}

#[test]
fn an_empty_config_deletes_nothing_unless_it_is_said_to_be_meant() {
    let once = Once::new(1);
    once.empty();
    let (code, log) = once.run(&[]);
    assert_eq!(code, Some(1), "{log}");
    assert!(
        log.contains("there is no config file") && log.contains("2 EnvoyFilters"),
        "{log}"
    );
    assert!(log.contains("--allow-empty"), "{log}");
    assert_eq!(log.matches("Left as it is").count(), 1, "{log}");
    assert_eq!(once.outputs().len(), 2);

    let Once(dir) = once;
    let running = Running::start_in(dir, &[]);
    assert_eq!(running.outputs().len(), 2);
    fs::write(running.input("b.yaml"), service("stock", "240.0.0.2")).unwrap();
    running.wait("the first file counts, and the old output goes", || {
        running.outputs() == [outbound("stock", "240.0.0.2"), inbound("stock")]
    });
    fs::remove_file(running.input("b.yaml")).unwrap();
    running.wait("removing the last file removes its filters", || {
        running.outputs().is_empty()
    });
}

#[test]
fn an_empty_config_that_is_meant_deletes_all_and_one_without_output_is_no_failure() {
    let once = Once::new(1);
    once.empty();
    assert_eq!(once.run(&["--allow-empty"]).0, Some(0));
    assert!(once.outputs().is_empty());
    assert_eq!(once.run(&[]).0, Some(0));
}

#[test]
fn many_deletions_wait_for_a_second_look_but_not_with_once() {
    let shrink = |once: &Once| {
        for number in 1..7 {
            fs::remove_file(once.0.path().join(format!("in/s{number}.yaml"))).unwrap();
        }
    };
    let once = Once::new(7);
    shrink(&once);
    assert_eq!(once.run(&[]).0, Some(0));
    assert_eq!(once.outputs().len(), 2);

    let once = Once::new(7);
    shrink(&once);
    let Once(dir) = once;
    let running = Running::start_in(dir, &["--shrink-wait", "2"]);
    assert_eq!(running.outputs().len(), 14, "{}", running.log());
    let log = running.log();
    assert!(
        log.contains("no longer wants 12 of 14 EnvoyFilters"),
        "{log}"
    );
    assert!(log.contains("still so after 2 seconds"), "{log}");
    running.wait("a second look confirms it", || running.outputs().len() == 2);
}

#[test]
fn output_inside_the_config_does_not_feed_on_itself() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("carts.yaml"), service("carts", "240.0.0.1")).unwrap();
    let flags = ["run", "--config-dir", ".", "--output-dir", "out", "--once"];
    for _ in 0..2 {
        let ran = support::command(&flags)
            .current_dir(dir.path())
            .output()
            .unwrap();
        let log = String::from_utf8(ran.stderr).unwrap();
        assert_eq!(ran.status.code(), Some(0), "{log}");
        assert!(log.contains("files=1 objects=1 filters=2"), "{log}");
    }
    let flags = ["run", "--config-dir", "out", "--output-dir", ".", "--once"];
    let ran = support::command(&flags)
        .current_dir(dir.path())
        .output()
        .unwrap();
    assert_eq!(ran.status.code(), Some(1));
    assert!(
        String::from_utf8(ran.stderr)
            .unwrap()
            .contains("choose another output directory")
    );
}

#[test]
fn a_config_directory_that_is_not_there_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let flags = ["run", "--config-dir", "nowhere", "--output-dir", "out"];
    let ran = support::command(&flags)
        .current_dir(dir.path())
        .output()
        .unwrap();
    assert_eq!(ran.status.code(), Some(1));
    assert!(
        String::from_utf8(ran.stderr)
            .unwrap()
            .contains("cannot read nowhere")
    );
}

#[test]
fn a_second_process_on_one_output_directory_is_refused_until_the_first_has_ended() {
    let carts = service("carts", "240.0.0.1");
    let running = Running::start(&[("carts.yaml", &carts)], &[]);
    let flags = ["run", "--config-dir", "in", "--output-dir", "out", "--once"];
    let second = || {
        let ran = support::command(&flags)
            .current_dir(running.dir.path())
            .output()
            .unwrap();
        (ran.status.code(), String::from_utf8(ran.stderr).unwrap())
    };
    let (code, log) = second();
    assert_eq!(code, Some(1), "{log}");
    let process = format!("(process {})", running.child.id());
    assert!(
        log.contains(&process) && log.contains("output directory of its own"),
        "{log}"
    );
    // Even an end without a chance to tidy up leaves no lock.
    Command::new("kill")
        .args(["-KILL", &running.child.id().to_string()])
        .status()
        .unwrap();
    running.wait("the system gives the lock up", || second().0 == Some(0));
}

#[test]
fn a_first_start_over_a_broken_rule_makes_no_filter_without_it() {
    let rule = "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: carts, namespace: shop\n\
                spec: {hosts: [carts.shop.example]}\n";
    let files = [
        ("carts.yaml", &*service("carts", "240.0.0.1")),
        ("stock.yaml", &*service("stock", "240.0.0.2")),
        ("rule.yaml", rule),
    ];
    let running = Running::start(&files, &[]);
    assert_eq!(
        running.outputs(),
        [outbound("stock", "240.0.0.2"), inbound("stock")]
    );
    assert!(
        running.log().contains("names carts.shop.example"),
        "{}",
        running.log()
    );
    fs::write(running.input("rule.yaml"), "").unwrap();
    running.wait("the rule is gone, and the filters come", || {
        running.outputs().len() == 4
    });
}
