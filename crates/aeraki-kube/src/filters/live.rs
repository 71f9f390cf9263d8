//! One EnvoyFilter as it stands in the cluster: decoded from the API server's JSON, kept in few bytes.
//!
//! What a replacement must carry over is kept; what it says is handed on ([`Decoded::content`]) and not kept, but for a
//! fingerprint. Whether it is ours is decided here, by label, name and writer.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use aeraki_api::networking::EnvoyFilter;
use aeraki_api::{Cr, ObjectMeta, Timestamp};
use aeraki_core::plan::is_ours;
use aeraki_core::{Content, FilterKey, MANAGED_BY_LABEL, MANAGER_LABEL, SERVICE_ANNOTATION};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::touch::{Touch, touches};
use crate::client::FIELD_MANAGER;
use crate::kinds::{Revision, Uid};

/// An EnvoyFilter that is there.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Live {
    /// Its identity: an object that is made anew under the same name has another.
    pub(crate) uid: Uid,
    /// Which state of it this is.
    pub(crate) revision: Revision,
    /// When it was made.
    pub(crate) created: Option<Timestamp>,
    /// Its priority in Istio's order.
    pub(crate) priority: i32,
    /// Whether it is ours: then we may write over it and delete it.
    pub(crate) is_ours: bool,
    /// Whether it is to be deleted, and only waits for its finalizers.
    pub(crate) is_ending: bool,
    /// Which listeners it patches.
    pub(crate) touches: Box<[Touch]>,
    /// What others put on it.
    kept: Option<Box<Kept>>,
    /// Of what it says.
    fingerprint: u64,
}

/// What a replacement of the object must carry over.
#[derive(Clone, PartialEq, Debug, Default)]
struct Kept {
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
    /// JSON text.
    owner_references: Option<String>,
    /// JSON text.
    finalizers: Option<String>,
}

/// An object, decoded.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Decoded {
    /// Which.
    pub(crate) key: FilterKey,
    /// What is kept of it.
    pub(crate) live: Live,
    /// What it says; empty for a foreign object, of which nobody needs to know more than that its name is taken.
    pub(crate) content: Content,
}

/// Which state of which object a JSON is, read without the rest of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Glance {
    pub(crate) key: FilterKey,
    pub(crate) uid: Uid,
    pub(crate) revision: Revision,
}

#[derive(Deserialize)]
struct RawGlance<'a> {
    #[serde(borrow)]
    metadata: RawName<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawName<'a> {
    name: &'a str,
    #[serde(default)]
    namespace: &'a str,
    #[serde(default)]
    uid: &'a str,
    #[serde(default)]
    resource_version: &'a str,
}

impl Glance {
    /// Looks at an object's JSON.
    ///
    /// # Errors
    /// When it has no name or no identity, which the API server gives to all.
    pub(crate) fn read(text: &str) -> Result<Self, serde_json::Error> {
        let RawGlance { metadata } = serde_json::from_str(text)?;
        let uid = metadata.uid.parse();
        Ok(Self {
            key: FilterKey {
                namespace: metadata.namespace.into(),
                name: metadata.name.into(),
            },
            uid: uid.map_err(|_| serde::de::Error::custom("its uid is no UUID"))?,
            revision: Revision::of(metadata.resource_version),
        })
    }
}

#[derive(Deserialize)]
struct Raw<'a> {
    #[serde(borrow)]
    metadata: RawMeta<'a>,
    #[serde(borrow, default)]
    spec: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawMeta<'a> {
    name: String,
    #[serde(default)]
    namespace: String,
    #[serde(default)]
    uid: String,
    #[serde(default)]
    resource_version: String,
    #[serde(default)]
    creation_timestamp: Option<Timestamp>,
    #[serde(default)]
    deletion_timestamp: Option<Timestamp>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
    #[serde(borrow, default)]
    owner_references: Option<&'a RawValue>,
    #[serde(borrow, default)]
    finalizers: Option<&'a RawValue>,
    #[serde(default)]
    managed_fields: Vec<RawManager>,
}

#[derive(Deserialize)]
struct RawManager {
    #[serde(default)]
    manager: String,
}

impl Decoded {
    /// Decodes an object's JSON.
    ///
    /// # Errors
    /// When its metadata cannot be read. A spec that cannot is no error: of an object of ours it counts as an empty one, so
    /// that it is mended; of a foreign one it does not matter.
    pub(crate) fn read(text: &str) -> Result<Self, serde_json::Error> {
        let raw: Raw<'_> = serde_json::from_str(text)?;
        let uid = raw.metadata.uid.parse();
        let uid = uid.map_err(|_| serde::de::Error::custom("its uid is no UUID"))?;
        let spec = raw.spec.map_or("{}", RawValue::get);
        let spec: EnvoyFilter = serde_json::from_str(spec).unwrap_or_default();
        let key = FilterKey {
            namespace: raw.metadata.namespace.as_str().into(),
            name: raw.metadata.name.as_str().into(),
        };
        let (touches, priority) = (touches(&spec).into(), spec.priority);
        let content = said(&raw.metadata, spec);
        let is_ours = is_ours(&key, &content) && was_written_by_us(&raw.metadata, &content);
        let live = Live {
            uid,
            revision: Revision::of(&raw.metadata.resource_version),
            created: raw.metadata.creation_timestamp,
            priority,
            is_ours,
            is_ending: raw.metadata.deletion_timestamp.is_some(),
            touches,
            fingerprint: fingerprint(&content),
            kept: Kept::of(
                &content,
                raw.metadata.owner_references,
                raw.metadata.finalizers,
            ),
        };
        Ok(Self {
            key,
            live,
            content: if is_ours { content } else { Content::default() },
        })
    }
}

fn said(metadata: &RawMeta<'_>, spec: EnvoyFilter) -> Content {
    Content::of(&Cr {
        metadata: ObjectMeta {
            labels: metadata.labels.clone(),
            annotations: metadata.annotations.clone(),
            ..ObjectMeta::default()
        },
        spec,
        ..Cr::default()
    })
}

/// Whether we, or Go Aeraki, wrote to it at some time.
///
/// Our annotation tells it as well as the record of writers, and outlives a restored backup.
fn was_written_by_us(metadata: &RawMeta<'_>, content: &Content) -> bool {
    let mut managers = metadata.managed_fields.iter();
    managers.any(|entry| entry.manager.eq_ignore_ascii_case(FIELD_MANAGER))
        || content.annotation(SERVICE_ANNOTATION).is_some()
}

impl Live {
    /// The JSON of the object that says what is wanted in the place of this one.
    #[must_use]
    pub(crate) fn replacement(&self, key: &FilterKey, wanted: &Content) -> String {
        let meta = Meta {
            uid: Some(self.uid.to_string()),
            resource_version: Some(self.revision.to_string()),
            ..Meta::new(key, wanted, self.kept.as_deref())
        };
        meta.object(wanted)
    }

    /// Whether replacing it would change nothing.
    #[must_use]
    pub(crate) fn says(&self, wanted: &Content) -> bool {
        let kept = self.kept.as_deref();
        let merged = |kept: Option<&BTreeMap<String, String>>, ours: BTreeMap<String, String>| {
            let mut all = kept.cloned().unwrap_or_default();
            all.extend(ours);
            all
        };
        let labels = merged(kept.map(|kept| &kept.labels), owned(wanted.labels()));
        let annotations = merged(
            kept.map(|kept| &kept.annotations),
            owned(wanted.annotations()),
        );
        self.fingerprint == hash(&labels, &annotations, wanted.spec_text())
    }

    /// Whether two states say the same.
    #[must_use]
    pub(crate) fn says_the_same_as(&self, other: &Self) -> bool {
        self.fingerprint == other.fingerprint && self.is_ours == other.is_ours
    }
}

/// The JSON of a new object.
#[must_use]
pub(crate) fn creation(key: &FilterKey, wanted: &Content) -> String {
    Meta::new(key, wanted, None).object(wanted)
}

impl Kept {
    fn of(
        content: &Content,
        owner_references: Option<&RawValue>,
        finalizers: Option<&RawValue>,
    ) -> Option<Box<Self>> {
        let foreign = |pairs: BTreeMap<String, String>| -> BTreeMap<String, String> {
            pairs
                .into_iter()
                .filter(|(key, _)| !is_our_key(key))
                .collect()
        };
        let kept = Self {
            labels: foreign(owned(content.labels())),
            annotations: foreign(owned(content.annotations())),
            owner_references: owner_references.map(|raw| raw.get().to_owned()),
            finalizers: finalizers.map(|raw| raw.get().to_owned()),
        };
        (kept != Self::default()).then(|| Box::new(kept))
    }
}

/// Whether a label or annotation is ours to set and to remove.
fn is_our_key(key: &str) -> bool {
    key == MANAGER_LABEL.0 || key == MANAGED_BY_LABEL.0 || key.starts_with("aeraki.net/")
}

/// The metadata of an object to write.
#[derive(serde::Serialize)]
#[serde(rename_all = "camelCase")]
struct Meta<'a> {
    name: &'a str,
    namespace: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    uid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource_version: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    labels: BTreeMap<&'a str, &'a str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<&'a str, &'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    owner_references: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    finalizers: Option<&'a RawValue>,
}

impl<'a> Meta<'a> {
    fn new(key: &'a FilterKey, wanted: &'a Content, kept: Option<&'a Kept>) -> Self {
        let raw = |text: &'a Option<String>| {
            let text = text.as_deref()?;
            serde_json::from_str::<&RawValue>(text).ok()
        };
        let pairs = |kept: Option<&'a BTreeMap<String, String>>| {
            let kept = kept.into_iter().flatten();
            kept.map(|(key, value)| (key.as_str(), value.as_str()))
        };
        let labels = pairs(kept.map(|kept| &kept.labels));
        let annotations = pairs(kept.map(|kept| &kept.annotations));
        Self {
            name: &key.name,
            namespace: &key.namespace,
            uid: None,
            resource_version: None,
            labels: labels.chain(wanted.labels()).collect(),
            annotations: annotations.chain(wanted.annotations()).collect(),
            owner_references: kept.and_then(|kept| raw(&kept.owner_references)),
            finalizers: kept.and_then(|kept| raw(&kept.finalizers)),
        }
    }

    fn object(&self, wanted: &Content) -> String {
        let metadata = serde_json::to_string(self).expect("text and text maps are JSON");
        let spec = wanted.spec_text();
        format!(
            r#"{{"apiVersion":"networking.istio.io/v1alpha3","kind":"EnvoyFilter","metadata":{metadata},"spec":{spec}}}"#
        )
    }
}

/// A short mark of what an object says.
pub(crate) fn fingerprint(content: &Content) -> u64 {
    let (labels, annotations) = (owned(content.labels()), owned(content.annotations()));
    hash(&labels, &annotations, content.spec_text())
}

fn hash(
    labels: &BTreeMap<String, String>,
    annotations: &BTreeMap<String, String>,
    spec: &str,
) -> u64 {
    let mut hasher = DefaultHasher::new();
    (labels, annotations, spec).hash(&mut hasher);
    hasher.finish()
}

fn owned<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> BTreeMap<String, String> {
    pairs
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests;
