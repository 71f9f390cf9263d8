//! Lays what only the API server tells of a ServiceEntry over what istiod tells.
//!
//! istiod's word decides whether a ServiceEntry exists and what its spec is. It does not push a change of annotations
//! alone, and never tells `status.addresses`; both come from the API server's copy of the object. All other kinds come
//! from one source only, and pass through.
//!
//! Nor does istiod push what becomes of a ServiceEntry that our own namespace may not see (`exportTo`), though it answers
//! who asks. [`Overlay::words`] shows where the two differ.

use std::hash::BuildHasher;
use std::sync::Arc;

use aeraki_api::Packed;
use aeraki_api::networking::ServiceEntry;
use rustc_hash::{FxBuildHasher, FxHashMap};

use crate::object::{Body, ConfigEvent, Kind, Object, ObjectKey};

/// Both sources' word on every ServiceEntry.
#[derive(Debug, Default)]
pub struct Overlay {
    istiod: FxHashMap<ObjectKey, Arc<Object>>,
    api_server: FxHashMap<ObjectKey, Facts>,
}

/// What each source says of a ServiceEntry's spec, as a mark of it; nothing where it knows no such object. Different specs
/// may have one mark, as rarely as 64 bits allow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Words {
    /// The API server's word.
    pub api_server: Option<u64>,
    /// istiod's word, which counts.
    pub istiod: Option<u64>,
}

impl Words {
    /// Whether both say the same.
    #[must_use]
    pub fn agree(&self) -> bool {
        self.api_server == self.istiod
    }
}

/// What is kept of the API server's copy.
#[derive(Debug)]
struct Facts {
    /// The object without its spec, which istiod tells.
    object: Arc<Object>,
    /// A mark of the spec.
    spec: u64,
}

impl Overlay {
    /// An overlay that has heard nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What an event from istiod comes to.
    pub fn from_istiod(&mut self, event: ConfigEvent) -> ConfigEvent {
        match event {
            ConfigEvent::Put(object) if object.key.kind == Kind::SERVICE_ENTRY => {
                let whole = self.merged(&object);
                self.istiod.insert(object.key.clone(), object);
                ConfigEvent::Put(whole)
            }
            ConfigEvent::Delete(key) => {
                self.istiod.remove(&key);
                ConfigEvent::Delete(key)
            }
            other @ ConfigEvent::Put(_) => other,
        }
    }

    /// What an event from the API server comes to; nothing while istiod does not know the ServiceEntry.
    pub fn from_api_server(&mut self, event: ConfigEvent) -> Option<ConfigEvent> {
        let key = event.key();
        if key.kind != Kind::SERVICE_ENTRY {
            return Some(event);
        }
        let key = key.clone();
        match event {
            ConfigEvent::Put(object) => self.api_server.insert(key.clone(), Facts::of(object)),
            ConfigEvent::Delete(_) => self.api_server.remove(&key),
        };
        let base = self.istiod.get(&key)?;
        Some(ConfigEvent::Put(self.merged(base)))
    }

    /// What the sources say of a ServiceEntry.
    #[must_use]
    pub fn words(&self, key: &ObjectKey) -> Words {
        Words {
            api_server: self.api_server.get(key).map(|facts| facts.spec),
            istiod: self.istiod.get(key).and_then(|object| mark(object)),
        }
    }

    /// istiod's object with the annotations and addresses of the API server's; the same allocation where they say
    /// nothing new.
    fn merged(&self, base: &Arc<Object>) -> Arc<Object> {
        let Some(Facts { object: facts, .. }) = self.api_server.get(&base.key) else {
            return Arc::clone(base);
        };
        let addresses = auto_addresses(facts);
        if facts.meta.annotations == base.meta.annotations && addresses == auto_addresses(base) {
            return Arc::clone(base);
        }
        let mut whole = Object::clone(base);
        whole.meta.annotations.clone_from(&facts.meta.annotations);
        if let Body::ServiceEntry { auto_addresses, .. } = &mut whole.body {
            *auto_addresses = addresses.to_vec();
        }
        Arc::new(whole)
    }
}

impl Facts {
    fn of(object: Arc<Object>) -> Self {
        let spec = mark(&object).unwrap_or_default();
        let mut object = Arc::unwrap_or_clone(object);
        if let Body::ServiceEntry { spec, .. } = &mut object.body {
            *spec = Packed::of(&ServiceEntry::default());
        }
        Self {
            object: Arc::new(object),
            spec,
        }
    }
}

/// A mark of a ServiceEntry's spec.
fn mark(object: &Object) -> Option<u64> {
    match &object.body {
        Body::ServiceEntry { spec, .. } => Some(FxBuildHasher.hash_one(spec)),
        _ => None,
    }
}

fn auto_addresses(object: &Object) -> &[(String, String)] {
    match &object.body {
        Body::ServiceEntry { auto_addresses, .. } => auto_addresses,
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use aeraki_api::Cr;
    use aeraki_api::networking::ServiceEntry;
    use serde_json::json;

    use super::*;

    fn entry(interface: &str, host: &str, address: Option<&str>) -> ConfigEvent {
        let spec = ServiceEntry {
            hosts: vec![host.to_owned()],
            ..ServiceEntry::default()
        };
        let mut cr = Cr::new("orders", "shop", spec);
        let annotation = ("interface".to_owned(), interface.to_owned());
        cr.metadata.annotations = [annotation].into();
        cr.status = address.map(|value| json!({"addresses": [{"value": value}]}));
        ConfigEvent::Put(Arc::new(Object::from(cr)))
    }

    fn key() -> ObjectKey {
        ObjectKey::new(Kind::SERVICE_ENTRY, "shop", "orders")
    }

    /// Interface, host and address of the object in the event.
    fn said(event: &ConfigEvent) -> (String, String, Option<String>) {
        let ConfigEvent::Put(object) = event else {
            panic!("{event:?}")
        };
        let Body::ServiceEntry {
            spec,
            auto_addresses,
        } = &object.body
        else {
            panic!("{object:?}")
        };
        let interface = object.meta.annotations.get("interface").unwrap().to_owned();
        let address = auto_addresses.first().map(|(_, value)| value.clone());
        (interface, spec.get().hosts.remove(0), address)
    }

    fn words(
        interface: &str,
        host: &str,
        address: Option<&str>,
    ) -> (String, String, Option<String>) {
        (interface.into(), host.into(), address.map(str::to_owned))
    }

    #[test]
    fn order_of_the_sources_does_not_matter() {
        let expected = words("new", "istiod.example", Some("240.240.0.1"));
        let of_api = || entry("new", "api.example", Some("240.240.0.1"));
        let mut overlay = Overlay::new();
        overlay.from_istiod(entry("old", "istiod.example", None));
        assert_eq!(said(&overlay.from_api_server(of_api()).unwrap()), expected);

        let mut overlay = Overlay::new();
        assert_eq!(overlay.from_api_server(of_api()), None);
        let event = overlay.from_istiod(entry("old", "istiod.example", None));
        assert_eq!(said(&event), expected);
    }

    #[test]
    fn istiod_alone_decides_what_exists() {
        let mut overlay = Overlay::new();
        overlay.from_api_server(entry("a", "h", None));
        overlay.from_istiod(entry("a", "h", None));
        let gone = overlay.from_istiod(ConfigEvent::Delete(key()));
        assert_eq!(gone, ConfigEvent::Delete(key()));
        assert_eq!(overlay.from_api_server(entry("b", "h", None)), None);
    }

    #[test]
    fn what_the_api_server_forgets_is_istiods_word_again() {
        let mut overlay = Overlay::new();
        overlay.from_istiod(entry("old", "h", None));
        overlay.from_api_server(entry("new", "h", Some("240.240.0.1")));
        let event = overlay.from_api_server(ConfigEvent::Delete(key())).unwrap();
        assert_eq!(said(&event), words("old", "h", None));
    }

    #[test]
    fn the_sources_agree_on_a_spec_whatever_else_they_say() {
        let mut overlay = Overlay::new();
        assert!(overlay.words(&key()).agree(), "neither knows any");
        overlay.from_api_server(entry("a", "new", Some("240.240.0.1")));
        assert!(!overlay.words(&key()).agree());
        overlay.from_istiod(entry("b", "old", None));
        assert!(!overlay.words(&key()).agree());
        overlay.from_istiod(entry("b", "new", None));
        assert!(overlay.words(&key()).agree());
        overlay.from_api_server(ConfigEvent::Delete(key()));
        assert!(!overlay.words(&key()).agree());
        overlay.from_istiod(ConfigEvent::Delete(key()));
        assert!(overlay.words(&key()).agree());
    }

    #[test]
    fn nothing_new_costs_no_copy() {
        let mut overlay = Overlay::new();
        overlay.from_api_server(entry("a", "h", None));
        let ConfigEvent::Put(given) = entry("a", "h", None) else {
            unreachable!()
        };
        let ConfigEvent::Put(got) = overlay.from_istiod(ConfigEvent::Put(Arc::clone(&given)))
        else {
            unreachable!()
        };
        assert!(Arc::ptr_eq(&given, &got));
    }
}
