//! Text in, config objects and problems out.
//!
//! A file is read document by document and a list item by item; what is wrong with one leaves the others alone. Objects
//! remember where they stand, so that a diagnostic of any later stage can be shown in the text: the positions are only
//! worked out when somebody asks. Knows nothing of files on a disk.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use aeraki_api::strip_nulls;
use aeraki_core::annotation;
use aeraki_core::diagnostic::{Code, Diagnostic, catalogue};
use aeraki_core::field::{self, Step};
use aeraki_core::near_miss::closest;
use aeraki_core::object::{Kind, Object, ObjectKey};
use aeraki_core::registry::Registry;
use serde_json::{Map, Value};

use self::header::{Header, looks_like_an_object, name_of};
pub use self::lost::Lost;
use crate::boolean_key;
use crate::kind::{self, Readable};
use crate::shape::{Fault, Finding};
use crate::yaml::{self, Document, File, Span};

mod header;
mod lost;
#[cfg(test)]
mod tests;

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
    /// How many objects of other kinds there are, by kind; what has no kind at all counts under the empty one.
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
#[derive(Clone, Debug)]
pub struct Problem {
    /// The diagnostic. One about a text that yields no object is about `Document <file>/<number>`.
    pub diagnostic: Diagnostic,
    /// The place of the document in the file, counted from 0.
    pub document: usize,
    /// Where it points.
    pub span: Option<Span>,
    file: Arc<File>,
    lost: Option<Lost>,
}

impl Problem {
    /// What cannot be read because of it, unless it is only a part of an object.
    #[must_use]
    pub fn lost(&self) -> Option<&Lost> {
        self.lost.as_ref()
    }

    /// The name of the file.
    #[must_use]
    pub fn origin(&self) -> &str {
        self.file.origin()
    }

    /// The text that the span is of; empty if the file is no text.
    #[must_use]
    pub fn text(&self) -> &str {
        self.file.text()
    }

    pub(crate) fn of_file(origin: &str, diagnostic: Diagnostic) -> Self {
        Self {
            diagnostic,
            document: 0,
            span: None,
            file: File::new(origin, ""),
            lost: None,
        }
    }

    fn losing(mut self, lost: Option<Lost>) -> Self {
        self.lost = lost;
        self
    }

    pub(crate) fn about(located: &Located, diagnostic: Diagnostic) -> Self {
        Self {
            span: located.span_of(&diagnostic),
            diagnostic,
            document: located.document,
            file: Arc::clone(located.place.document.file()),
            lost: None,
        }
    }
}

/// Where an object stands: its document, and the way to it inside a list.
#[derive(Clone, Debug)]
struct Place {
    document: Arc<Document>,
    root: Vec<Step>,
}

impl Place {
    /// The text of the object; of an item of a list, which has no end that is known, what it says.
    fn text(&self) -> Cow<'_, str> {
        let whole = self.document.text();
        let item = || {
            let list = yaml::parse(&self.document).ok()?;
            let item = self.root.iter().try_fold(&list, |value, step| match step {
                Step::Key(key) => value.get(key),
                Step::Index(index) => value.get(index),
            });
            Some(Cow::Owned(item?.to_string()))
        };
        let is_item = !self.root.is_empty();
        is_item.then(item).flatten().unwrap_or(Cow::Borrowed(whole))
    }

    fn path(&self, field: &str) -> Vec<Step> {
        self.root
            .iter()
            .cloned()
            .chain(field::split(field))
            .collect()
    }

    fn item(&self, index: usize) -> Self {
        let mut root = self.root.clone();
        root.extend([Step::Key("items".to_owned()), Step::Index(index)]);
        Self {
            document: Arc::clone(&self.document),
            root,
        }
    }

    fn span(&self, field: &str) -> Option<Span> {
        // An object as a whole is best known by its name.
        let field = if field.is_empty() {
            "metadata.name"
        } else {
            field
        };
        let range = self.document.tree().value(&self.path(field))?;
        Some(self.document.span(range))
    }

    fn key_span(&self, field: &str) -> Option<Span> {
        match self.document.tree().key(&self.path(field)) {
            Some(key) => Some(self.document.span(key.range.clone())),
            None => self.span(field),
        }
    }

    fn span_of(&self, diagnostic: &Diagnostic) -> Option<Span> {
        let is_about_the_key = [
            catalogue::UNKNOWN_FIELD.id,
            catalogue::YAML_BOOLEAN_KEY.id,
            catalogue::UNKNOWN_ANNOTATION.id,
        ]
        .contains(&diagnostic.code);
        if is_about_the_key {
            self.key_span(&diagnostic.field)
        } else {
            self.span(&diagnostic.field)
        }
    }
}

impl Located {
    /// The name of the file.
    #[must_use]
    pub fn origin(&self) -> &str {
        self.place.document.file().origin()
    }

    /// The text that the object was read from, and that its spans are of. An object of a file that is broken by now
    /// has the text of the time when it was whole.
    #[must_use]
    pub fn text(&self) -> &str {
        self.place.document.file().text()
    }

    /// Where a diagnostic about the object points: at the key of a field that should not be there, and at the value
    /// otherwise.
    #[must_use]
    pub fn span_of(&self, diagnostic: &Diagnostic) -> Option<Span> {
        self.place.span_of(diagnostic)
    }

    /// Where a field's value stands, or the nearest part of its path that is there. The object as a whole, which is the
    /// empty path, is shown by its name, and a list or an object by its key.
    #[must_use]
    pub fn span(&self, field: &str) -> Option<Span> {
        self.place.span(field)
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
        Self {
            registry: registry.clone(),
        }
    }

    /// Reads a file of YAML or JSON documents. `origin` is its name, for problems that belong to no object.
    #[must_use]
    pub fn read(&self, origin: &str, text: &str) -> ReadFile {
        let mut read = ReadFile::default();
        let file = File::new(origin, text);
        for (number, document) in file.documents().into_iter().enumerate() {
            let key = document_key(origin, number);
            let place = Place {
                document: Arc::new(document),
                root: Vec::new(),
            };
            let (registry, read) = (&self.registry, &mut read);
            Reading {
                registry,
                number,
                key,
                file: &file,
                read,
            }
            .document(&place);
        }
        read
    }

    /// Reads a file's bytes.
    #[must_use]
    pub fn read_bytes(&self, origin: &str, bytes: &[u8]) -> ReadFile {
        match std::str::from_utf8(bytes) {
            Ok(text) => self.read(origin, text),
            Err(error) => not_text(origin, bytes, &error),
        }
    }
}

/// What a text that yields no object is reported as.
pub const DOCUMENT: Kind = Kind::new("", "Document");

/// The subject of a diagnostic about a document that yields no object. Numbers are counted from 1 there.
pub(crate) fn document_key(origin: &str, number: usize) -> ObjectKey {
    ObjectKey::new(DOCUMENT, origin, (number + 1).to_string())
}

fn not_text(origin: &str, bytes: &[u8], error: &std::str::Utf8Error) -> ReadFile {
    let good = error.valid_up_to();
    let line = bytes[..good].iter().filter(|byte| **byte == b'\n').count() + 1;
    let message = format!("the file is not UTF-8 text: byte {good}, in line {line}");
    let diagnostic = Diagnostic::new(&catalogue::UNREADABLE, &document_key(origin, 0), message)
        .help("save the file as UTF-8");
    let lost = Lost::of(&String::from_utf8_lossy(bytes));
    let problem = Problem::of_file(origin, diagnostic).losing(Some(lost));
    ReadFile {
        problems: vec![problem],
        broken: true,
        ..ReadFile::default()
    }
}

/// One document on its way into a [`ReadFile`].
struct Reading<'a> {
    registry: &'a Registry,
    number: usize,
    key: ObjectKey,
    file: &'a Arc<File>,
    read: &'a mut ReadFile,
}

impl Reading<'_> {
    fn document(&mut self, place: &Place) {
        match yaml::parse(&place.document) {
            Ok(value) => self.value(place, value),
            Err(malformed) => {
                let diagnostic =
                    Diagnostic::new(&catalogue::UNREADABLE, &self.key, malformed.message);
                self.read.broken = true;
                let text = place.document.text();
                let lost = may_be_readable(self.registry, text).then(|| Lost::of(text));
                self.push(diagnostic, malformed.span, lost);
            }
        }
    }

    fn value(&mut self, place: &Place, value: Value) {
        match &value {
            Value::Null => {}
            Value::Object(_) => match Header::of(&value) {
                Some(header) if header.is_list() => self.list(place, &header, value),
                Some(header) => self.object(place, &header, value),
                None if looks_like_an_object(&value) => {
                    let message = "the object names no kind";
                    self.refuse(place, &catalogue::REFUSED_OBJECT, message, "kind", None);
                }
                None => self.pass_over(NO_KIND),
            },
            Value::Array(_) => self.pass_over(NO_KIND),
            Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                let message =
                    "expected an object with apiVersion, kind and metadata, found one bare word";
                self.refuse(place, &catalogue::UNREADABLE, message, "", None);
            }
        }
    }

    fn list(&mut self, place: &Place, header: &Header, mut value: Value) {
        let Some(Value::Array(items)) = value.get_mut("items").map(Value::take) else {
            return;
        };
        for (index, mut item) in items.into_iter().enumerate() {
            header.complete(&mut item);
            self.value(&place.item(index), item);
        }
    }

    fn object(&mut self, place: &Place, header: &Header, value: Value) {
        if (header.group.as_str(), header.kind.as_str()) == DUBBO_AUTHORIZATION {
            self.dubbo_authorization(place, &value);
            return self.pass_over(&header.kind);
        }
        let mut kinds = kind::readable(self.registry);
        let found = kinds
            .find(|found| found.kind.group() == header.group && found.kind.name() == header.kind);
        match found {
            Some(found) if found.versions.contains(&header.version.as_str()) => {
                self.readable(place, found, value);
            }
            Some(found) => {
                let message = format!(
                    "`{}` is not read in version `{}`",
                    header.kind, header.version
                );
                let help = format!("use one of {}", found.versions.join(", "));
                self.refuse(
                    place,
                    &catalogue::UNREADABLE,
                    &message,
                    "apiVersion",
                    Some(help),
                );
            }
            None => match self.misspelt(header) {
                Some((message, field, help)) => {
                    self.refuse(place, &catalogue::UNREADABLE, &message, field, Some(help));
                }
                None => self.pass_over(&header.kind),
            },
        }
    }

    fn readable(&mut self, place: &Place, readable: Readable, mut value: Value) {
        let key = match name_of(readable.kind, &value) {
            Ok(key) => key,
            Err((field, message)) => {
                return self.refuse(place, &catalogue::REFUSED_OBJECT, &message, field, None);
            }
        };
        for field in boolean_key::fields(&value) {
            if place
                .document
                .tree()
                .key(&place.path(&field))
                .is_some_and(|key| key.bare)
            {
                self.report(place, boolean_key::diagnostic(&key, &field));
            }
        }
        self.annotations(place, &key, &value);
        strip_nulls(&mut value);
        let decoded = readable.decode(value);
        let explained = decoded
            .findings
            .iter()
            .any(|finding| finding.fault != Fault::Unknown);
        let lost = decoded.object.is_err().then(|| Lost::of(&place.text()));
        for finding in decoded.findings {
            let lost = lost.clone().filter(|_| finding.fault != Fault::Unknown);
            self.report_losing(place, diagnostic(&key, finding), lost);
        }
        match decoded.object {
            Ok(object) => {
                let (object, place) = (Arc::new(object), place.clone());
                self.read.objects.push(Located {
                    object,
                    document: self.number,
                    place,
                });
            }
            Err(reason) => {
                self.read.broken = true;
                if !explained {
                    let diagnostic = Diagnostic::new(&catalogue::UNREADABLE, &key, reason);
                    self.report_losing(place, diagnostic, lost);
                }
            }
        }
    }

    /// Those with a prefix of ours that nobody reads. What is nearly one of ours can only be told where ports are known.
    fn annotations(&mut self, place: &Place, key: &ObjectKey, value: &Value) {
        let annotations = value.pointer("/metadata/annotations");
        for name in annotations
            .and_then(Value::as_object)
            .into_iter()
            .flat_map(Map::keys)
        {
            if let Some(diagnostic) = annotation::unread(self.registry, key, name, false) {
                self.report(place, diagnostic);
            }
        }
    }

    /// A kind that is one of ours but for a slip of the finger, in its name or in its group.
    fn misspelt(&self, header: &Header) -> Option<(String, &'static str, String)> {
        let kinds: Vec<Kind> = kind::readable(self.registry)
            .map(|found| found.kind)
            .collect();
        let same_group = kinds
            .iter()
            .filter(|kind| kind.group() == header.group && !kind.group().is_empty());
        if !kind::OTHER_ISTIO.contains(&header.kind.as_str())
            && let Some(meant) = closest(&header.kind, same_group.map(|kind| kind.name()))
        {
            let message = format!("`{}` has no kind `{}`", header.group, header.kind);
            return Some((message, "kind", format!("did you mean `{meant}`?")));
        }
        let same_name = kinds
            .iter()
            .filter(|kind| kind.name() == header.kind && !kind.group().is_empty());
        let meant = closest(&header.group, same_name.map(|kind| kind.group()))?;
        let message = format!("`{}` has no group `{}`", header.kind, header.group);
        Some((
            message,
            "apiVersion",
            format!("did you mean `{meant}/{}`?", header.version),
        ))
    }

    fn dubbo_authorization(&mut self, place: &Place, value: &Value) {
        let kind = Kind::new(DUBBO_AUTHORIZATION.0, DUBBO_AUTHORIZATION.1);
        let key = name_of(kind, value).unwrap_or_else(|_| self.key.clone());
        let message = "the policy is not enforced: it has no form that a known Envoy would take";
        self.report(
            place,
            Diagnostic::new(&catalogue::DUBBO_AUTHORIZATION, &key, message),
        );
    }

    fn pass_over(&mut self, kind: &str) {
        *self.read.passed_over.entry(kind.to_owned()).or_default() += 1;
    }

    /// Reports an object that cannot be used, and of which no name is known.
    fn refuse(
        &mut self,
        place: &Place,
        code: &'static Code,
        message: &str,
        field: &str,
        help: Option<String>,
    ) {
        let mut diagnostic = Diagnostic::new(code, &self.key, message).at(field);
        diagnostic.help = help;
        self.read.broken = true;
        self.report_losing(place, diagnostic, Some(Lost::of(&place.text())));
    }

    fn report(&mut self, place: &Place, diagnostic: Diagnostic) {
        self.report_losing(place, diagnostic, None);
    }

    fn report_losing(&mut self, place: &Place, diagnostic: Diagnostic, lost: Option<Lost>) {
        let span = place.span_of(&diagnostic);
        self.push(diagnostic, span, lost);
    }

    fn push(&mut self, diagnostic: Diagnostic, span: Option<Span>, lost: Option<Lost>) {
        let file = Arc::clone(self.file);
        self.read.problems.push(Problem {
            diagnostic,
            document: self.number,
            span,
            file,
            lost,
        });
    }
}

/// Whether a text that is no YAML may stand for an object that is read: unless its kind can be made out, and is another.
fn may_be_readable(registry: &Registry, text: &str) -> bool {
    lost::kind_in(text).is_none_or(|name| {
        name.ends_with("List") || kind::readable(registry).any(|found| found.kind.name() == name)
    })
}

/// What documents and items without a kind are counted under.
const NO_KIND: &str = "";

/// The kind of Go Aeraki that cannot be served, by group and name.
const DUBBO_AUTHORIZATION: (&str, &str) = ("dubbo.aeraki.io", "DubboAuthorizationPolicy");

fn diagnostic(key: &ObjectKey, finding: Finding) -> Diagnostic {
    let code = match finding.fault {
        Fault::Unknown => &catalogue::UNKNOWN_FIELD,
        Fault::Mismatch => &catalogue::UNREADABLE,
        Fault::Refused => &catalogue::REFUSED_OBJECT,
    };
    let mut diagnostic = Diagnostic::new(code, key, finding.message).at(finding.field);
    diagnostic.help = finding.help;
    diagnostic
}
