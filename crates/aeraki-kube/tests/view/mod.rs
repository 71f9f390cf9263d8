//! A running source, and what it has told so far.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use aeraki_core::diagnostic::Diagnostic;
use aeraki_core::object::{ConfigEvent, Kind, Object, ObjectKey};
use aeraki_core::registry::{Input, InputProblem, Registry};
use aeraki_core::source::{SourceUpdate, View};
use aeraki_kube::{Identities, KubeSource, Pace, Renewal, WantedKind};
use kube::Client;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Nothing here takes so long, unless it never comes.
const LONG: Duration = Duration::from_secs(90);

/// A kind of a protocol's own, whose `size` must be a number.
pub(crate) static CACHE: Input = Input {
    kind: Kind::new("cache.example.com", "Cache"),
    versions: &["v1"],
    hosts: |_| Vec::new(),
    check: |json| match json["spec"]["size"] {
        Value::Number(_) => Vec::new(),
        _ => vec![InputProblem::Invalid {
            field: "spec.size".to_owned(),
            message: "it is no number".to_owned(),
        }],
    },
    crd: None,
};

/// A source and all that it has told.
pub(crate) struct Running {
    updates: mpsc::Receiver<SourceUpdate>,
    task: JoinHandle<()>,
    pub(crate) renewal: Renewal,
    pub(crate) identities: Identities,
    pub(crate) objects: BTreeMap<ObjectKey, Arc<Object>>,
    pub(crate) view: View,
    pub(crate) problems: Vec<Diagnostic>,
    /// Deletions in order.
    pub(crate) deleted: Vec<ObjectKey>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The kinds that the core reads, of one namespace.
pub(crate) fn whole_config(namespace: &str) -> Vec<WantedKind> {
    let all = WantedKind::whole_config(&Registry::default()).into_iter();
    all.map(|wanted| wanted.within(namespace)).collect()
}

/// One kind of a namespace.
pub(crate) fn only(kind: Kind, namespace: &str) -> Vec<WantedKind> {
    let all = whole_config(namespace).into_iter();
    all.filter(|wanted| wanted.kind() == kind).collect()
}

/// Shorter waits than the usual ones.
pub(crate) fn brisk() -> Pace {
    Pace {
        answer: Duration::from_secs(20),
        absent: Duration::from_millis(500),
        doubt: Duration::from_millis(100),
        ..Pace::default()
    }
}

impl Running {
    pub(crate) fn start(client: Client, wanted: Vec<WantedKind>, pace: Pace) -> Self {
        let source = KubeSource::new(client, wanted).pace(pace);
        let (renewal, identities) = (source.renewal(), source.identities());
        let (sender, updates) = mpsc::channel(1);
        let task = tokio::spawn(async move { source.run(sender).await.expect("the source lives") });
        Self {
            updates,
            task,
            renewal,
            identities,
            objects: BTreeMap::new(),
            view: View::Partial,
            problems: Vec::new(),
            deleted: Vec::new(),
        }
    }

    /// Takes updates in until the condition holds.
    pub(crate) async fn until(&mut self, what: &str, condition: impl Fn(&Self) -> bool) {
        let reached = timeout(LONG, async {
            while !condition(self) {
                let update = self.updates.recv().await.expect("the source lives");
                self.take(update);
            }
        });
        if reached.await.is_err() {
            panic!(
                "not in time: {what}; {:?} {:?} {:?}",
                self.names(),
                self.view,
                self.problems
            );
        }
    }

    /// Takes in whatever has been told by now and within a moment more.
    pub(crate) async fn settle(&mut self) {
        while let Ok(Some(update)) = timeout(Duration::from_secs(1), self.updates.recv()).await {
            self.take(update);
        }
    }

    fn take(&mut self, update: SourceUpdate) {
        for event in update.events {
            match event {
                ConfigEvent::Put(object) => {
                    self.objects.insert(object.key.clone(), object);
                }
                ConfigEvent::Delete(key) => {
                    assert!(self.objects.remove(&key).is_some(), "{key} was never told");
                    self.deleted.push(key);
                }
                other => panic!("{other:?}"),
            }
        }
        assert!(
            self.epoch() <= epoch(&update.view),
            "the view went backwards"
        );
        self.view = update.view;
        self.problems = update.problems;
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.objects.keys().map(ToString::to_string).collect()
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.names().iter().any(|there| there == name)
    }

    pub(crate) fn epoch(&self) -> u64 {
        epoch(&self.view)
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.epoch() > 0
    }

    pub(crate) fn codes(&self) -> Vec<&str> {
        self.problems.iter().map(|problem| problem.code).collect()
    }
}

fn epoch(view: &View) -> u64 {
    match view {
        View::Partial => 0,
        View::Complete(complete) => complete.epoch,
    }
}

/// A ServiceEntry, as YAML.
pub(crate) fn service_entry(namespace: &str, name: &str) -> String {
    format!(
        "\
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  hosts: [{name}.example]
  ports: [{{number: 20880, name: tcp-dubbo-{name}, protocol: TCP}}]
  resolution: NONE
---
"
    )
}

/// The definition of a kind like [`CACHE`], in a group of its own.
pub(crate) fn definition(group: &str, subresources: &str) -> String {
    format!(
        "\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {{name: caches.{group}}}
spec:
  group: {group}
  scope: Namespaced
  names: {{plural: caches, singular: cache, kind: Cache, listKind: CacheList}}
  versions:
  - name: v1
    served: true
    storage: true
    subresources: {subresources}
    schema:
      openAPIV3Schema:
        type: object
        x-kubernetes-preserve-unknown-fields: true
"
    )
}

/// An object of such a kind.
pub(crate) fn cache(group: &str, namespace: &str, name: &str, size: &str) -> String {
    format!(
        "\
apiVersion: {group}/v1
kind: Cache
metadata: {{name: {name}, namespace: {namespace}, annotations: {{mine: \"yes\"}}}}
spec: {{size: {size}}}
"
    )
}

/// A namespace, as YAML.
pub(crate) fn namespace(name: &str) -> String {
    format!("{{apiVersion: v1, kind: Namespace, metadata: {{name: {name}}}}}")
}
