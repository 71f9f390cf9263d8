//! A running client, watched.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use aeraki_core::object::{Body, ConfigEvent, Object, ObjectKey};
use aeraki_core::source::{SourceUpdate, View};
use aeraki_xds::client::{Client, Handle, Updates};
use aeraki_xds::metrics::Metrics;
use aeraki_xds::node::Identity;
use aeraki_xds::settings::{Security, Settings, Timing};
use tokio::task::JoinHandle;

/// A bound for waits that should be short, on a machine that may be busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running client, and what it has brought so far.
pub struct Running {
    pub handle: Handle,
    updates: Updates,
    metrics: Metrics,
    pub objects: BTreeMap<ObjectKey, Arc<Object>>,
    pub last: SourceUpdate,
    task: JoinHandle<()>,
}

pub fn settings(address: impl Into<String>) -> Settings {
    Settings {
        address: address.into(),
        security: Security::Plaintext,
        identity: Identity {
            ip: [127, 0, 0, 1].into(),
            pod: "aeraki".to_owned(),
            namespace: "istio-system".to_owned(),
        },
        cluster_id: None,
        message_limit: 200 << 20,
        timing: Timing {
            least_backoff: Duration::from_millis(5),
            most_backoff: Duration::from_millis(50),
            ..Timing::default()
        },
    }
}

impl Running {
    pub fn start(settings: Settings) -> Self {
        let (client, handle, updates) = Client::new(settings);
        let metrics = client.metrics();
        Self {
            handle,
            updates,
            metrics,
            objects: BTreeMap::new(),
            last: SourceUpdate::default(),
            task: tokio::spawn(client.run()),
        }
    }

    pub async fn next(&mut self) {
        let next = tokio::time::timeout(PATIENCE, self.updates.next()).await;
        let update = next.expect("an update comes").expect("the client runs");
        for event in &update.events {
            match event {
                ConfigEvent::Put(object) => {
                    self.objects.insert(object.key.clone(), Arc::clone(object));
                }
                ConfigEvent::Delete(key) => {
                    self.objects.remove(key);
                }
                other => panic!("{other:?}"),
            }
        }
        self.last = update;
    }

    /// Takes updates in until this holds.
    pub async fn until(&mut self, holds: impl Fn(&Self) -> bool) {
        while !holds(self) {
            self.next().await;
        }
    }

    pub async fn until_complete(&mut self) {
        self.until(|running| running.epoch().is_some()).await;
    }

    pub fn epoch(&self) -> Option<u64> {
        match &self.last.view {
            View::Complete(complete) => Some(complete.epoch),
            View::Partial => None,
        }
    }

    pub fn names(&self) -> Vec<String> {
        self.objects.keys().map(ToString::to_string).collect()
    }

    pub fn hosts(&self) -> Vec<String> {
        let hosts = |object: &Arc<Object>| match &object.body {
            Body::ServiceEntry { spec, .. } => spec.get().hosts,
            other => panic!("{other:?}"),
        };
        self.objects.values().flat_map(hosts).collect()
    }

    fn metrics_text(&self) -> String {
        let mut registry = prometheus_client::registry::Registry::default();
        self.metrics.register(&mut registry);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        text
    }

    /// The value of a line of the metrics; 0 where there is none.
    pub fn metric(&self, line: &str) -> u64 {
        let text = self.metrics_text();
        let value = text
            .lines()
            .find_map(|l| l.strip_prefix(line)?.strip_prefix(' '));
        value.map_or(0, |value| value.parse().unwrap())
    }

    pub fn ends(&self, reason: &str) -> u64 {
        self.metric(&format!("stream_restarts_total{{reason=\"{reason}\"}}"))
    }

    /// Waits for a stream to end for this reason.
    pub async fn until_ended(&self, reason: &str) {
        let wait = async {
            while self.ends(reason) == 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, wait).await;
        waited.unwrap_or_else(|_| panic!("no end by {reason}:\n{}", self.metrics_text()));
    }

    pub async fn stop(self) {
        drop(self.updates);
        let ended = tokio::time::timeout(PATIENCE, self.task).await;
        ended.expect("the client ends when nobody listens").unwrap();
    }
}

pub async fn eventually(holds: impl Fn() -> bool, what: &str) {
    let wait = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let waited = tokio::time::timeout(PATIENCE, wait).await;
    waited.unwrap_or_else(|_| panic!("this never came: {what}"));
}
