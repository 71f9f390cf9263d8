//! How etcd is started.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use crate::plain_http;

/// Where etcd is reached.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Etcd {
    pub(crate) client: SocketAddr,
    pub(crate) peer: SocketAddr,
}

impl Etcd {
    /// The bed's data lives as long as the bed, so nothing waits for the disk.
    pub(crate) fn command(&self, binary: &Path, data: &Path) -> Command {
        let client = format!("http://{}", self.client);
        let peer = format!("http://{}", self.peer);
        let mut command = Command::new(binary);
        command
            .arg("--data-dir")
            .arg(data)
            .args(["--name", "testbed", "--unsafe-no-fsync"])
            .args(["--log-level", "warn"])
            .args(["--listen-client-urls", &client])
            .args(["--advertise-client-urls", &client])
            .args(["--listen-peer-urls", &peer])
            .args(["--initial-advertise-peer-urls", &peer])
            .args(["--initial-cluster", &format!("testbed={peer}")]);
        command
    }

    pub(crate) async fn is_ready(&self) -> bool {
        plain_http::is_ok(self.client, "/health").await
    }
}
