//! What an EnvoyFilter says, in the compact form in which the desired and the observed are kept and compared.
//!
//! The spec is canonical JSON text: equal specs have equal texts, whoever wrote them and in whatever order. Twenty
//! thousand decoded specs would fill a controller's memory; texts do not, and comparing them is comparing bytes.

use std::collections::BTreeMap;
use std::sync::Arc;

use aeraki_api::networking::EnvoyFilter;
use aeraki_api::{Cr, ObjectMeta};
use xxhash_rust::xxh3::xxh3_64;

use crate::pairs::Pairs;

/// Labels, annotations and spec of an EnvoyFilter.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Content {
    labels: Pairs,
    annotations: Pairs,
    spec: Arc<str>,
}

impl Content {
    /// The content of an object.
    ///
    /// # Panics
    /// When an enum of the spec has a number without a name. Neither our own specs nor decoded JSON have one.
    #[must_use]
    pub fn of(object: &Cr<EnvoyFilter>) -> Self {
        Self {
            labels: Pairs::from(&object.metadata.labels),
            annotations: Pairs::from(&object.metadata.annotations),
            spec: canonical(&object.spec),
        }
    }

    pub(crate) fn new(labels: Pairs, annotations: Pairs, spec: Arc<str>) -> Self {
        Self {
            labels,
            annotations,
            spec,
        }
    }

    /// A label's value.
    #[must_use]
    pub fn label(&self, key: &str) -> Option<&str> {
        self.labels.get(key)
    }

    /// An annotation's value.
    #[must_use]
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.annotations.get(key)
    }

    /// All labels.
    pub fn labels(&self) -> impl Iterator<Item = (&str, &str)> {
        self.labels.iter()
    }

    /// All annotations.
    pub fn annotations(&self) -> impl Iterator<Item = (&str, &str)> {
        self.annotations.iter()
    }

    /// The spec as canonical JSON.
    #[must_use]
    pub fn spec_text(&self) -> &Arc<str> {
        &self.spec
    }

    /// The spec, decoded.
    ///
    /// # Panics
    /// Never: the text was made from a spec.
    #[must_use]
    pub fn spec(&self) -> EnvoyFilter {
        serde_json::from_str(&self.spec).expect("the text was made from a spec")
    }

    /// Whether an object that says this must be written over to say what is wanted. Foreign labels and annotations do
    /// not count.
    #[must_use]
    pub fn differs_from(&self, wanted: &Self) -> bool {
        let lacks = |have: &Pairs, want: &Pairs| {
            want.iter().any(|(key, value)| have.get(key) != Some(value))
        };
        self.spec != wanted.spec
            || lacks(&self.labels, &wanted.labels)
            || lacks(&self.annotations, &wanted.annotations)
    }

    /// The same content; what is equal in `other` is kept once.
    #[must_use]
    pub fn sharing(mut self, other: &Self) -> Self {
        if self.spec == other.spec {
            self.spec = Arc::clone(&other.spec);
        }
        self.labels.share(&other.labels);
        self.annotations.share(&other.annotations);
        self
    }

    /// The object of this content.
    #[must_use]
    pub fn object(&self, namespace: &str, name: &str) -> Cr<EnvoyFilter> {
        let mut object = Cr::new(name, namespace, self.spec());
        object.metadata = ObjectMeta {
            labels: owned(&self.labels),
            annotations: owned(&self.annotations),
            ..object.metadata
        };
        object
    }
}

/// The canonical JSON of a spec.
pub(crate) fn canonical(spec: &EnvoyFilter) -> Arc<str> {
    let text = serde_json::to_string(spec).expect("only known enum values were put in");
    Arc::from(text)
}

/// A hash of canonical text: sixteen hex digits.
pub(crate) fn hash(text: &str) -> String {
    format!("{:016x}", xxh3_64(text.as_bytes()))
}

fn owned(pairs: &Pairs) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}
