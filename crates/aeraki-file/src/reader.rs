//! Text in, config objects and problems out.

use std::collections::BTreeMap;
use std::sync::Arc;

use aeraki_api::networking::{DestinationRule, ServiceEntry, VirtualService};
use aeraki_api::{Cr, ObjectMeta, kubernetes, strip_nulls};
use aeraki_core::diagnostic::{Diagnostic, catalogue};
use aeraki_core::field::{self, Step};
use aeraki_core::object::{Kind, Object, ObjectKey};
use aeraki_core::registry::Registry;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::yaml::{self, Document, File, Span};

/// Reads files.
#[derive(Clone, Debug)]
pub struct Reader {
    registry: Registry,
}

/// What a file says.
#[derive(Debug, Default)]
pub struct ReadFile {
    /// The objects, in order.
    pub objects: Vec<Located>,
    /// What is wrong with it.
    pub problems: Vec<Problem>,
    /// How many objects of other kinds there are, by kind.
    pub passed_over: BTreeMap<String, usize>,
    /// Whether some object or document could not be read, so that what is not there may still be meant.
    pub broken: bool,
}

/// An object, and where it stands.
#[derive(Clone, Debug)]
pub struct Located {
    /// The object.
    pub object: Arc<Object>,
    /// The place of its document in the file, counted from 0.
    pub document: usize,
    place: Place,
}

/// A diagnostic, and where it points.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    /// The diagnostic. One about a text that yields no object is about `Document <file>/<number>`.
    pub diagnostic: Diagnostic,
    /// The place of the document in the file, counted from 0.
    pub document: usize,
    /// Where it points.
    pub span: Option<Span>,
}

/// Where an object stands: its document, and the way to it inside a list.
#[derive(Clone, Debug)]
struct Place {
    document: Arc<Document>,
    root: Vec<Step>,
}

impl Place {
    fn path(&self, field: &str) -> Vec<Step> {
        self.root.iter().cloned().chain(field::split(field)).collect()
    }

    fn span(&self, field: &str) -> Option<Span> {
        let range = self.document.tree().value(&self.path(field))?;
        Some(self.document.span(range))
    }

    fn key_span(&self, field: &str) -> Option<Span> {
        let range = self.document.tree().key(&self.path(field))?;
        Some(self.document.span(range))
    }
}

impl Located {
    /// Where a field's value stands, or the nearest part of its path that is there. The object as a whole, which is the
    /// empty path, is shown by its name.
    #[must_use]
    pub fn span(&self, field: &str) -> Option<Span> {
        self.place.span(if field.is_empty() { "metadata.name" } else { field })
    }

    /// Where a field's key stands.
    #[must_use]
    pub fn key_span(&self, field: &str) -> Option<Span> {
        self.place.key_span(field)
    }
}

impl Reader {
    /// A reader of Istio's kinds, Services, and what the registered protocols declare.
    #[must_use]
    pub fn new(registry: &Registry) -> Self {
        Self { registry: registry.clone() }
    }

    /// Reads a file of YAML or JSON documents. `origin` is its name, for problems that belong to no object.
    #[must_use]
    pub fn read(&self, origin: &str, text: &str) -> ReadFile {
        let mut read = ReadFile::default();
        for (number, document) in File::new(text).documents().into_iter().enumerate() {
            let key = ObjectKey::new(DOCUMENT, origin, (number + 1).to_string());
            let place = Place { document: Arc::new(document), root: Vec::new() };
            Reading { registry: &self.registry, number, key, read: &mut read }.document(place);
        }
        read
    }
}

/// What a text that yields no object is reported as.
const DOCUMENT: Kind = Kind::new("", "Document");

/// One document on its way into a [`ReadFile`].
struct Reading<'a> {
    registry: &'a Registry,
    number: usize,
    key: ObjectKey,
    read: &'a mut ReadFile,
}

impl Reading<'_> {
    fn document(&mut self, place: Place) {
        match yaml::parse(&place.document) {
            Ok(value) => self.value(place, value),
            Err(malformed) => {
                let diagnostic = Diagnostic::new(&catalogue::UNREADABLE, &self.key, malformed.message);
                self.fail(diagnostic, malformed.span);
            }
        }
    }

    fn fail(&mut self, diagnostic: Diagnostic, span: Option<Span>) {
        self.read.broken = true;
        self.read.problems.push(Problem { diagnostic, document: self.number, span });
    }

    fn value(&mut self, place: Place, mut value: Value) {
        strip_nulls(&mut value);
        let text = |field: &str| value.get(field).and_then(Value::as_str).unwrap_or_default();
        let (kind, version) = (text("kind").to_owned(), text("apiVersion").to_owned());
        if kind.ends_with("List") {
            if let Some(Value::Array(items)) = value.get_mut("items").map(Value::take) {
                for (index, item) in items.into_iter().enumerate() {
                    let mut place = place.clone();
                    place.root.extend([Step::Key("items".to_owned()), Step::Index(index)]);
                    self.value(place, item);
                }
            }
            return;
        }
        let (group, _version) = version.rsplit_once('/').unwrap_or(("", &version));
        let object = match (group, kind.as_str()) {
            ("networking.istio.io", "ServiceEntry") => decode::<Cr<ServiceEntry>>(value),
            ("networking.istio.io", "VirtualService") => decode::<Cr<VirtualService>>(value),
            ("networking.istio.io", "DestinationRule") => decode::<Cr<DestinationRule>>(value),
            ("", "Service") => decode::<kubernetes::Service>(value),
            ("discovery.k8s.io", "EndpointSlice") => decode::<kubernetes::EndpointSlice>(value),
            _ => match self.registry.input(group, &kind) {
                Some(input) => extra(input.kind, value),
                None => {
                    *self.read.passed_over.entry(kind).or_default() += 1;
                    return;
                }
            },
        };
        match object {
            Ok(object) => self.read.objects.push(Located {
                object: Arc::new(object),
                document: self.number,
                place,
            }),
            Err(error) => {
                let diagnostic = Diagnostic::new(&catalogue::UNREADABLE, &self.key, error.to_string());
                let span = place.span("kind");
                self.fail(diagnostic, span);
            }
        }
    }
}

fn decode<T: DeserializeOwned + Into<Object>>(value: Value) -> Result<Object, serde_json::Error> {
    serde_json::from_value::<T>(value).map(Into::into)
}

fn extra(kind: Kind, value: Value) -> Result<Object, serde_json::Error> {
    let meta = value.get("metadata").cloned().unwrap_or_default();
    let meta: ObjectMeta = serde_json::from_value(meta)?;
    Ok(Object::extra(kind, meta, value))
}
