//! Where istiod is, how it is to be believed, and how patient to be.

use std::path::PathBuf;
use std::time::Duration;

use crate::node::Identity;

/// All that a client must be told.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `host:port`.
    pub address: String,
    /// How the two sides know each other.
    pub security: Security,
    /// Who we say we are.
    pub identity: Identity,
    /// Istiod's `CLUSTER_ID`, if it is to be sent. It must then be the right one.
    pub cluster_id: Option<String>,
    /// The largest answer to accept, in bytes. An answer holds all objects of a collection.
    pub message_limit: usize,
    /// How patient to be.
    pub timing: Timing,
}

/// How the two sides know each other.
#[derive(Clone, Debug)]
pub enum Security {
    /// Not at all. Istiod before 1.29.7 answers that by default, and newer ones if told to.
    Plaintext,
    /// By certificates, and by a token.
    Tls(Tls),
}

/// Files are read again for each stream, so that rotation needs no restart.
#[derive(Clone, Debug)]
pub struct Tls {
    /// The certificates to believe, in PEM: `root-cert.pem` of the configmap `istio-ca-root-cert`.
    pub root_cert: PathBuf,
    /// The name that istiod's certificate must bear.
    pub server_name: String,
    /// A token of a service account of the root namespace, for the audience `istio-ca`.
    pub token: Option<PathBuf>,
    /// A certificate of Istio's CA and its key, both in PEM: instead of a token.
    pub certificate: Option<(PathBuf, PathBuf)>,
}

/// How patient to be.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// For a connection, with all that belongs to it.
    pub connect: Duration,
    /// For the next answer, while not all of the config has come.
    pub answer: Duration,
    /// Between two pings. Istiod takes them no more often than every 15 s.
    pub ping: Duration,
    /// For a ping's answer.
    pub pong: Duration,
    /// Between two looks at everything: istiod does not push everything, as changes of annotations.
    pub resync: Duration,
    /// Between two looks at the root certificate.
    pub root_check: Duration,
    /// Before the first try after a failure.
    pub least_backoff: Duration,
    /// Before any try.
    pub most_backoff: Duration,
}

/// The name in istiod's certificate, where Istio's own charts installed it.
pub const SERVER_NAME: &str = "istiod.istio-system.svc";

impl Default for Timing {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            answer: Duration::from_secs(120),
            ping: Duration::from_secs(20),
            pong: Duration::from_secs(10),
            resync: Duration::from_secs(30),
            root_check: Duration::from_secs(10),
            least_backoff: Duration::from_millis(100),
            most_backoff: Duration::from_secs(15),
        }
    }
}
