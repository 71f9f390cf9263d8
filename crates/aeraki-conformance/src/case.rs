//! A case, and the stage that it plays on: the mesh, and the objects that are the case's own.

use std::collections::BTreeSet;
use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering};

use aeraki_testbed::Cluster;
use anyhow::{Context as _, Result};
use futures::future::LocalBoxFuture;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::mesh::Mesh;

/// One proof.
pub struct Case {
    /// `<protocol>/<what>`, also part of the names of its objects: lower case and dashes.
    pub name: &'static str,
    /// What would be broken if it failed, in one line: mostly a row of the protocol's documentation.
    pub proves: &'static str,
    /// Which other cases may run at the same time.
    pub turn: Turn,
    /// Makes the calls. An error says what was not as it should be.
    pub run: for<'a> fn(&'a Stage<'a>) -> LocalBoxFuture<'a, Result<()>>,
}

/// When a case runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Turn {
    /// Beside others.
    Shared,
    /// Alone, after those: it stops or starts something that all of them need.
    Alone,
    /// Alone, after everything: it judges the whole.
    Last,
}

impl Case {
    pub(crate) fn protocol(&self) -> &'static str {
        self.name.split('/').next().unwrap_or(self.name)
    }

    pub(crate) fn slug(&self) -> String {
        self.name.replace('/', "-")
    }
}

/// An object at the API server.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Object {
    version: String,
    kind: String,
    namespace: String,
    name: String,
}

impl Object {
    fn of(value: &Value) -> Result<Self> {
        let text = |pointer: &str| {
            let text = value.pointer(pointer).and_then(Value::as_str);
            text.map(str::to_owned)
                .with_context(|| format!("no {pointer} in {value}"))
        };
        Ok(Self {
            version: text("/apiVersion")?,
            kind: text("/kind")?,
            namespace: text("/metadata/namespace")?,
            name: text("/metadata/name")?,
        })
    }

    /// Whether Aeraki's annotation `<Kind>/<namespace>/<name>` means this.
    pub(crate) fn is_called(&self, annotation: &str) -> bool {
        let mut parts = annotation.split('/');
        [&self.kind, &self.namespace, &self.name]
            .iter()
            .all(|part| parts.next() == Some(part.as_str()))
    }

    pub(crate) fn as_value(&self) -> Value {
        json!({"kind": self.kind, "metadata": {"namespace": self.namespace, "name": self.name}})
    }

    pub(crate) async fn get(&self, cluster: &Cluster) -> Result<Option<Value>> {
        cluster
            .get(&self.full_kind(), &self.namespace, &self.name)
            .await
    }

    async fn delete(&self, cluster: &Cluster) -> Result<bool> {
        cluster
            .delete(&self.full_kind(), &self.namespace, &self.name)
            .await
    }

    fn full_kind(&self) -> String {
        format!("{}/{}", self.version, self.kind)
    }
}

/// What a case has at hand: the mesh, and objects that are removed after it.
pub struct Stage<'m> {
    mesh: &'m Mesh,
    case: String,
    namespace: &'static str,
    /// The first two bytes are those of all addresses, the third is the case's.
    number: u8,
    objects: Mutex<Objects>,
}

#[derive(Default)]
struct Objects {
    there: BTreeSet<Object>,
    gone: BTreeSet<Object>,
}

impl Deref for Stage<'_> {
    type Target = Mesh;

    fn deref(&self) -> &Mesh {
        self.mesh
    }
}

impl<'m> Stage<'m> {
    pub(crate) fn new(mesh: &'m Mesh, case: &Case, number: u8) -> Self {
        Self::named(mesh, &case.slug(), case.protocol(), number)
    }

    /// One that is no case's.
    pub(crate) fn named(mesh: &'m Mesh, name: &str, namespace: &'static str, number: u8) -> Self {
        Self {
            mesh,
            case: name.to_owned(),
            namespace,
            number,
            objects: Mutex::default(),
        }
    }

    /// A name that no other case has, for keys and the like.
    pub fn case(&self) -> &str {
        &self.case
    }

    /// A number that was never given before, for keys, paths and topics that are used once.
    pub(crate) fn unique(&self) -> u64 {
        static GIVEN: AtomicU64 = AtomicU64::new(0);
        GIVEN.fetch_add(1, Ordering::Relaxed)
    }

    /// An address for services that no other case has; `which` is 1 to 254. (istiod hands out 240.240.0.0/16 by itself.)
    pub fn vip(&self, which: u8) -> String {
        format!("240.241.{}.{which}", self.number)
    }

    /// A cluster IP for a Kubernetes Service that no other case has.
    pub fn cluster_ip(&self) -> String {
        format!("10.96.77.{}", self.number)
    }

    /// The text with these words in it replaced: `$CASE`, `$NAMESPACE`, `$VIP1` to `$VIP9`, `$CLUSTERIP`. Names and hosts have
    /// `$CASE` in them, so that cases never meet.
    pub fn fill(&self, text: &str) -> String {
        let text = text
            .replace("$CASE", &self.case)
            .replace("$NAMESPACE", self.namespace)
            .replace("$CLUSTERIP", &self.cluster_ip());
        (1..=9).fold(text, |text, which| {
            text.replace(&format!("$VIP{which}"), &self.vip(which))
        })
    }

    /// Applies YAML with [`Stage::fill`]'s words in it. The objects are removed after the case.
    pub async fn apply(&self, yaml: &str) -> Result<()> {
        let applied = self.mesh.cluster().apply(&self.fill(yaml)).await?;
        let mut objects = self.objects.lock().await;
        for value in &applied {
            let object = Object::of(value)?;
            objects.gone.remove(&object);
            objects.there.insert(object);
        }
        Ok(())
    }

    /// Deletes an object of the case by its kind, as in `VirtualService`, and its name.
    pub async fn delete(&self, kind: &str, name: &str) -> Result<()> {
        let name = self.fill(name);
        let mut objects = self.objects.lock().await;
        let mut all = objects.there.iter();
        let object = all
            .find(|object| object.kind == kind && object.name == name)
            .with_context(|| format!("the case has no {kind} {name}"))?
            .clone();
        object.delete(self.mesh.cluster()).await?;
        objects.there.remove(&object);
        objects.gone.insert(object);
        Ok(())
    }

    /// The case brings trouble on purpose: the controller may say this code, at level error, of an object of the case.
    pub fn expects(&self, code: &str) {
        self.mesh.expect(code, &self.case);
    }

    /// Waits until every proxy has what the objects come to.
    pub async fn settled(&self) -> Result<()> {
        let objects = self.objects.lock().await;
        self.mesh.settle(&objects.there, &objects.gone).await
    }

    /// The objects as they are, for whoever looks into a failure.
    pub(crate) async fn objects(&self) -> Result<Vec<Value>> {
        let objects = self.objects.lock().await;
        let mut all = vec![];
        for object in &objects.there {
            all.extend(object.get(self.mesh.cluster()).await?);
        }
        let owners = objects.there.union(&objects.gone).collect();
        all.extend(self.mesh.filters_of(&owners).await?);
        Ok(all)
    }

    /// Removes the objects. What follows from that is waited for by nobody but the last cases.
    pub(crate) async fn clear(&self) -> Result<()> {
        let mut objects = self.objects.lock().await;
        for object in std::mem::take(&mut objects.there) {
            object.delete(self.mesh.cluster()).await?;
        }
        Ok(())
    }
}
