//! Conditions on the objects of our own kinds: whether they are accepted, and whether they have taken effect.
//!
//! Those are the kinds whose definition a protocol brings along: see [`Input::crd`]. What the conditions are is computed
//! by pure functions; the [`StatusWriter`] only carries them out.

mod conditions;
mod verdict;

use std::collections::{BTreeSet, HashMap};

use aeraki_api::Timestamp;
use aeraki_core::object::{Body, Kind, Object, ObjectKey};
use aeraki_core::registry::{Input, Registry};
use kube::api::{DynamicObject, PostParams};
use kube::core::{ApiResource, Request};
use kube::{Api, Client, Error};
use serde_json::Value;

use crate::discovery;
use crate::kinds::Revision;
use crate::lease::Fence;

pub use conditions::with_conditions;
pub use verdict::{Finding, Output, Outputs, Verdict};

/// So many writes of one status may meet somebody else's before it is left for the next time.
const TRIES: usize = 3;

/// Writes the status of objects.
pub struct StatusWriter {
    client: Client,
    fence: Fence,
    inputs: Vec<&'static Input>,
    resources: HashMap<Kind, ApiResource>,
    /// Kinds without a status to write, which has been said.
    without: BTreeSet<Kind>,
    /// What the server answered to the last write of an object, until the source has seen as much.
    written: HashMap<ObjectKey, Value>,
}

/// What became of a status.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Written {
    /// It is as it should be.
    Unchanged,
    /// It was written.
    Written,
    /// There is no such object any more, or its kind has no status.
    Absent,
    /// It should be written, but this process may not write now.
    Fenced,
}

impl StatusWriter {
    /// A writer for all kinds that the protocols of the registry define. It writes nothing while the fence is closed.
    #[must_use]
    pub fn new(client: Client, registry: &Registry, fence: Fence) -> Self {
        Self {
            client,
            fence,
            inputs: registry
                .inputs()
                .filter(|input| input.crd.is_some())
                .collect(),
            resources: HashMap::new(),
            without: BTreeSet::new(),
            written: HashMap::new(),
        }
    }

    /// The kinds that have conditions.
    pub fn kinds(&self) -> impl Iterator<Item = Kind> + '_ {
        self.inputs.iter().map(|input| input.kind)
    }

    /// Makes an object's conditions say what the verdict is. Writes nothing if they do.
    ///
    /// # Errors
    /// When the API server does not take it; the next try may.
    pub async fn write(
        &mut self,
        object: &Object,
        verdict: &Verdict,
        now: Timestamp,
    ) -> Result<Written, Error> {
        let Body::Extra(seen) = &object.body else {
            return Ok(Written::Absent);
        };
        let Some(mut wanted) = with_conditions(self.newest(&object.key, &seen.0), verdict, now)
        else {
            return Ok(Written::Unchanged);
        };
        let Some(resource) = self.resource(object.key.kind).await? else {
            return Ok(Written::Absent);
        };
        for _ in 0..TRIES {
            if !self.fence.may_write() {
                return Ok(Written::Fenced);
            }
            match self.put(&resource, &object.key, &wanted).await {
                Ok(answer) => {
                    self.written.insert(object.key.clone(), answer);
                    return Ok(Written::Written);
                }
                Err(Error::Api(status)) if status.code == 409 => {}
                Err(Error::Api(status)) if status.code == 404 => {
                    return self.absent(&resource, &object.key).await;
                }
                Err(error) => return Err(error),
            }
            let Some(fresh) = self.get(&resource, &object.key).await? else {
                return Ok(Written::Absent);
            };
            match with_conditions(&fresh, verdict, now) {
                Some(again) => wanted = again,
                None => return Ok(Written::Unchanged),
            }
        }
        Ok(Written::Unchanged)
    }

    /// Forgets all objects but these: those that are there.
    pub fn retain(&mut self, keys: &BTreeSet<ObjectKey>) {
        self.written.retain(|key, _| keys.contains(key));
    }

    /// The object as seen, or as it was written if the source has not seen that yet.
    fn newest<'a>(&'a mut self, key: &ObjectKey, seen: &'a Value) -> &'a Value {
        let is_behind = |written: &Value| revision(seen).is_before(revision(written));
        if !self.written.get(key).is_some_and(is_behind) {
            self.written.remove(key);
        }
        self.written.get(key).unwrap_or(seen)
    }

    async fn resource(&mut self, kind: Kind) -> Result<Option<ApiResource>, Error> {
        if self.without.contains(&kind) {
            return Ok(None);
        }
        if let Some(resource) = self.resources.get(&kind) {
            return Ok(Some(resource.clone()));
        }
        let Some(input) = self.inputs.iter().find(|input| input.kind == kind) else {
            return Ok(None);
        };
        let found = discovery::locate(&self.client, kind, input.versions).await?;
        if let Some(resource) = &found {
            self.resources.insert(kind, resource.clone());
        }
        Ok(found)
    }

    async fn put(
        &self,
        resource: &ApiResource,
        key: &ObjectKey,
        object: &Value,
    ) -> Result<Value, Error> {
        let url = <DynamicObject as kube::Resource>::url_path(resource, Some(&key.namespace));
        let body = serde_json::to_vec(object).map_err(Error::SerdeError)?;
        let params = PostParams::default();
        let request = Request::new(url).replace_subresource("status", &key.name, &params, body);
        self.client
            .request(request.map_err(Error::BuildRequest)?)
            .await
    }

    async fn get(&self, resource: &ApiResource, key: &ObjectKey) -> Result<Option<Value>, Error> {
        let api: Api<DynamicObject> =
            Api::namespaced_with(self.client.clone(), &key.namespace, resource);
        let object = api.get_opt(&key.name).await?;
        object
            .map(serde_json::to_value)
            .transpose()
            .map_err(Error::SerdeError)
    }

    /// Either the object is gone, or its kind has no status to write: the server says the same of both.
    async fn absent(&mut self, resource: &ApiResource, key: &ObjectKey) -> Result<Written, Error> {
        if self.get(resource, key).await?.is_some() && self.without.insert(key.kind) {
            tracing::warn!(kind = %key.kind, "The CRD has no status subresource, so no conditions are written");
        }
        Ok(Written::Absent)
    }
}

fn revision(object: &Value) -> Revision {
    let text = object["metadata"]["resourceVersion"].as_str();
    text.map_or(Revision::UNKNOWN, Revision::of)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const KIND: Kind = Kind::new("redis.aeraki.io", "RedisService");

    fn key(name: &str) -> ObjectKey {
        ObjectKey::new(KIND, "shop", name)
    }

    #[tokio::test]
    async fn what_was_written_of_an_object_that_is_gone_is_forgotten() {
        // Nothing is asked of it.
        let config = kube::Config::new(http::Uri::from_static("http://127.0.0.1:1"));
        let client = Client::try_from(config).expect("a client");
        let mut writer = StatusWriter::new(client, &Registry::default(), Fence::closed());
        for name in ["a", "b"] {
            let answer = json!({"metadata": {"name": name, "resourceVersion": "9"}});
            writer.written.insert(key(name), answer);
        }
        writer.retain(&BTreeSet::from([key("b"), key("c")]));
        assert_eq!(writer.written.keys().collect::<Vec<_>>(), [&key("b")]);
    }
}
