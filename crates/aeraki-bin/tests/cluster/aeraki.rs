//! A running `aeraki run`.

use std::path::Path;
use std::process::{Command, ExitStatus};
use std::time::Duration;

use aeraki_testbed::Process;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio::time::{sleep, timeout};

use crate::world::PATIENCE;

/// The process, its log and its ports.
pub(crate) struct Aeraki {
    pub(crate) process: Process,
    /// Where its pages are: its log says it once, and may grow long.
    network: OnceCell<String>,
    machine: OnceCell<String>,
}

/// The command as it is.
pub(crate) const AERAKI: &str = env!("CARGO_BIN_EXE_aeraki");

/// `<program> run` with these arguments; its pages are on ports of its own, its log is JSON.
pub(crate) fn command(program: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(program);
    command
        .arg("run")
        .args([
            "--metrics-address=127.0.0.1:0",
            "--admin-address=127.0.0.1:0",
        ])
        .args(["--log-format=json", "--log-level=info,aeraki=debug"])
        .args(args)
        .env_remove("RUST_LOG");
    command
}

impl Aeraki {
    /// One that has been started, with its log as JSON.
    pub(crate) fn new(process: Process) -> Self {
        Self {
            process,
            network: OnceCell::new(),
            machine: OnceCell::new(),
        }
    }

    /// Every line of the log that is whole.
    pub(crate) fn log(&self) -> Vec<Value> {
        let text = self.process.log().unwrap();
        text.lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    }

    /// Lines that say this.
    pub(crate) fn said(&self, message: &str) -> Vec<Value> {
        let mut log = self.log();
        log.retain(|line| {
            line["message"]
                .as_str()
                .is_some_and(|text| text.contains(message))
        });
        log
    }

    /// Waits until a line says this.
    pub(crate) async fn until_said(&self, message: &str) {
        let said = async {
            while self.said(message).is_empty() {
                sleep(Duration::from_millis(20)).await;
            }
        };
        if timeout(PATIENCE, said).await.is_err() {
            panic!("never said {message:?}:\n{}", self.process.log().unwrap());
        }
    }

    /// Waits until all of the config and all EnvoyFilters have been seen.
    pub(crate) async fn until_synced(&self) {
        self.until_said("All config and all EnvoyFilters have been seen")
            .await;
    }

    /// Waits until it leads.
    pub(crate) async fn until_leading(&self) {
        let leads = async {
            while self.metric("aeraki_leader", "").await != 1.0 {
                sleep(Duration::from_millis(50)).await;
            }
        };
        timeout(PATIENCE, leads).await.expect("it comes to lead");
    }

    /// The body and status of a page for the network.
    pub(crate) async fn page(&self, path: &str) -> (u16, String) {
        let address = self.address("Serving health and metrics");
        get(self.network.get_or_init(|| address).await, path).await
    }

    /// The body and status of a page for this machine.
    pub(crate) async fn admin(&self, path: &str) -> (u16, String) {
        let address = self.address("Serving pages for this machine");
        get(self.machine.get_or_init(|| address).await, path).await
    }

    async fn address(&self, message: &str) -> String {
        self.until_said(message).await;
        let line = self.said(message).remove(0);
        line["address"].as_str().unwrap().to_owned()
    }

    /// The sum of a metric over all labels that contain this text; 0 if there is none.
    pub(crate) async fn metric(&self, name: &str, labels: &str) -> f64 {
        let (_, text) = self.page("/metrics").await;
        let value = |line: &str| -> Option<f64> {
            let rest = line.strip_prefix(name)?;
            let is_it = rest.starts_with(['{', ' ']) && rest.contains(labels);
            is_it.then(|| rest.rsplit(' ').next()?.parse().ok())?
        };
        text.lines().filter_map(value).sum()
    }

    /// Waits until it has ended by itself.
    pub(crate) async fn until_ended(&mut self) -> ExitStatus {
        let ended = async {
            loop {
                if let Some(status) = self.process.ended().unwrap() {
                    return status;
                }
                sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(PATIENCE, ended).await.expect("it ends by itself")
    }

    /// Sends SIGTERM and waits for the end; answers whether that was a success.
    pub(crate) fn end(mut self) -> bool {
        self.process.signal("TERM").unwrap();
        self.process.wait().unwrap().success()
    }
}

/// HTTP/1.0, so that the answer ends with the connection.
async fn get(address: &str, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, body.to_owned())
}
