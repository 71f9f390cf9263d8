//! One object's JSON, read: which object it is, what it says, and what is wrong with it.
//!
//! The two are apart on purpose. An object whose body cannot be read is still there, and must not look deleted.

use std::borrow::Cow;
use std::sync::Arc;

use aeraki_api::kubernetes::EndpointSlice;
use aeraki_api::strip_nulls;
use aeraki_core::diagnostic::{Diagnostic, catalogue};
use aeraki_core::object::{Body, DEFAULT_NAMESPACE, Object, ObjectKey};
use aeraki_core::registry::{Input, InputProblem};
use serde::Deserialize;
use serde_json::Value;

use super::{Revision, Uid, WantedKind};

/// What came of an object's JSON.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Reading {
    pub(crate) key: ObjectKey,
    pub(crate) uid: Option<Uid>,
    pub(crate) revision: Revision,
    pub(crate) outcome: Outcome,
    /// What is wrong with it; says why where it is unreadable.
    pub(crate) problems: Vec<Diagnostic>,
}

/// What an object says.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Outcome {
    /// This.
    Read(Arc<Object>),
    /// Nothing that the core would look at.
    Unneeded,
    /// Something that is not of its kind's type.
    Unreadable,
}

#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow)]
    metadata: HeadMeta<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct HeadMeta<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow, default)]
    namespace: Cow<'a, str>,
    #[serde(borrow, default)]
    uid: Cow<'a, str>,
    #[serde(borrow, default)]
    resource_version: Cow<'a, str>,
}

/// Reads an object of a wanted kind.
///
/// # Errors
/// When the JSON does not even say which object it is.
pub(crate) fn read(wanted: &WantedKind, json: &str) -> Result<Reading, serde_json::Error> {
    let meta = serde_json::from_str::<Head<'_>>(json)?.metadata;
    let namespace = match &*meta.namespace {
        "" => DEFAULT_NAMESPACE,
        given => given,
    };
    let key = ObjectKey::new(wanted.kind(), namespace, &*meta.name);
    let mut problems = Vec::new();
    let outcome = match body(wanted, &key, json, &mut problems) {
        Ok(object) if is_needed(&object) => Outcome::Read(Arc::new(slim(object, &key))),
        Ok(_) => Outcome::Unneeded,
        Err(unreadable) => {
            problems.push(unreadable.report(&key));
            Outcome::Unreadable
        }
    };
    Ok(Reading {
        key,
        uid: meta.uid.parse().ok(),
        revision: Revision::of(&meta.resource_version),
        outcome,
        problems,
    })
}

/// Why an object cannot be read.
struct Unreadable {
    /// Where; empty for the object as a whole.
    field: String,
    reason: String,
}

impl Unreadable {
    fn new(field: &str, reason: &impl ToString) -> Self {
        Self {
            field: field.to_owned(),
            reason: reason.to_string(),
        }
    }

    fn report(self, key: &ObjectKey) -> Diagnostic {
        let message = format!("the object cannot be read: {}", self.reason);
        Diagnostic::new(&catalogue::UNREADABLE, key, message).at(self.field)
    }
}

impl From<serde_json::Error> for Unreadable {
    fn from(error: serde_json::Error) -> Self {
        Self::new("", &error)
    }
}

fn body(
    wanted: &WantedKind,
    key: &ObjectKey,
    json: &str,
    problems: &mut Vec<Diagnostic>,
) -> Result<Object, Unreadable> {
    if let Some(input) = wanted.input() {
        return declared(input, key, json, problems);
    }
    // Nulls are rare and the detour through a tree is dear, so it is taken only where the straight way fails.
    let mut straight = serde_json::Deserializer::from_str(json);
    Object::read(wanted.kind(), &mut straight).or_else(|_| without_nulls(key, json))
}

fn without_nulls(key: &ObjectKey, json: &str) -> Result<Object, Unreadable> {
    let mut tree: Value = serde_json::from_str(json)?;
    strip_nulls(&mut tree);
    let mut track = serde_path_to_error::Track::new();
    let tracked = serde_path_to_error::Deserializer::new(tree, &mut track);
    let read = Object::read(key.kind, tracked);
    read.map_err(|error| match track.path().to_string().as_str() {
        "." => error.into(),
        path => Unreadable::new(path, &error),
    })
}

/// An object of a declared kind: its protocol says whether it can be used.
fn declared(
    input: &'static Input,
    key: &ObjectKey,
    json: &str,
    problems: &mut Vec<Diagnostic>,
) -> Result<Object, Unreadable> {
    let mut tree: Value = serde_json::from_str(json)?;
    drop_bookkeeping(&mut tree);
    strip_nulls(&mut tree);
    for problem in (input.check)(&tree) {
        match problem {
            InputProblem::Invalid { field, message } => {
                return Err(Unreadable::new(&field, &message));
            }
            // The generator holds back the services that a mistyped object is about, so it stays.
            other => problems.push(other.diagnostic(key)),
        }
    }
    Object::read(key.kind, tree).map_err(|error| Unreadable::new("metadata", &error))
}

/// What kubectl keeps for itself: the whole object once more.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Drops what the API server and kubectl keep beside the object. It is often more than the object.
fn drop_bookkeeping(tree: &mut Value) {
    let Some(meta) = tree.get_mut("metadata").and_then(Value::as_object_mut) else {
        return;
    };
    meta.remove("managedFields");
    if let Some(annotations) = meta.get_mut("annotations").and_then(Value::as_object_mut) {
        annotations.remove(LAST_APPLIED);
    }
}

/// An EndpointSlice matters only for ports that may be ours: those that `tcp-…` or an application protocol names.
/// Whether its Service is headless cannot be told from it: slices made by hand lack the label.
fn is_needed(object: &Object) -> bool {
    match &object.body {
        Body::EndpointSlice(slice) => names_a_protocol(slice),
        _ => true,
    }
}

fn names_a_protocol(slice: &EndpointSlice) -> bool {
    slice.ports.iter().any(|port| {
        let prefix = port.name.as_deref().and_then(|name| name.get(..4));
        prefix.is_some_and(|four| four.eq_ignore_ascii_case("tcp-")) || port.app_protocol.is_some()
    })
}

/// The object without what nobody reads, and with its key's own texts.
fn slim(mut object: Object, key: &ObjectKey) -> Object {
    object.key = key.clone();
    if let Body::EndpointSlice(slice) = &mut object.body {
        for endpoint in &mut slice.endpoints {
            endpoint.hostname = None;
            endpoint.target_ref = None;
        }
    }
    object
}

#[cfg(test)]
mod tests;
