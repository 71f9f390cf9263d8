//! What an object calls itself: group, version, kind, namespace and name.

use aeraki_core::names::is_rfc1123_subdomain;
use aeraki_core::object::{DEFAULT_NAMESPACE, Kind, ObjectKey};
use serde_json::Value;

/// What an object's JSON calls it.
pub(super) struct Header {
    pub(super) group: String,
    pub(super) version: String,
    pub(super) kind: String,
}

impl Header {
    pub(super) fn of(value: &Value) -> Option<Self> {
        let text = |field: &str| value.get(field).and_then(Value::as_str);
        let kind = text("kind")?.to_owned();
        let api_version = text("apiVersion").unwrap_or_default();
        let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
        Some(Self {
            group: group.to_owned(),
            version: version.to_owned(),
            kind,
        })
    }

    pub(super) fn is_list(&self) -> bool {
        self.kind.ends_with("List")
    }

    /// Items of a typed list, as the API server sends it, leave out what the list says for all of them.
    pub(super) fn complete(&self, item: &mut Value) {
        let Some(item) = item.as_object_mut() else {
            return;
        };
        let kind = self.kind.trim_end_matches("List");
        if kind.is_empty() || item.contains_key("kind") {
            return;
        }
        let slash = if self.group.is_empty() { "" } else { "/" };
        let api_version = format!("{}{slash}{}", self.group, self.version);
        item.insert("kind".to_owned(), Value::from(kind));
        item.entry("apiVersion")
            .or_insert_with(|| Value::from(api_version));
    }
}

/// Whether something without a kind is a Kubernetes object all the same, and not the values of a chart, for example.
pub(super) fn looks_like_an_object(value: &Value) -> bool {
    let has = |field: &str| value.get(field).is_some();
    has("kind") || has("metadata") && (has("apiVersion") || has("spec"))
}

/// The name of an object, or the field that makes it impossible and why.
pub(super) fn name_of(kind: Kind, value: &Value) -> Result<ObjectKey, (&'static str, String)> {
    let metadata = value.get("metadata");
    let text = |field: &str| metadata.and_then(|metadata| metadata.get(field)?.as_str());
    let name = text("name").unwrap_or_default();
    let namespace = text("namespace").filter(|namespace| !namespace.is_empty());
    let namespace = namespace.unwrap_or(DEFAULT_NAMESPACE);
    if metadata
        .and_then(|metadata| metadata.get("name"))
        .is_some_and(|name| !name.is_string())
    {
        return Err((
            "metadata.name",
            "the name is no string: put it in quotes".to_owned(),
        ));
    }
    if name.is_empty() {
        return Err(("metadata.name", format!("the {kind} has no name")));
    }
    if !is_rfc1123_subdomain(name) {
        return Err((
            "metadata.name",
            format!("the API server takes no object of the name {name:?}"),
        ));
    }
    if !is_rfc1123_subdomain(namespace) || namespace.contains('.') || namespace.len() > 63 {
        let message = format!("the API server takes no namespace of the name {namespace:?}");
        return Err(("metadata.namespace", message));
    }
    Ok(ObjectKey::new(kind, namespace, name))
}
