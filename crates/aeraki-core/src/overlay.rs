//! Lays what only the API server tells of a ServiceEntry over what istiod tells.
//!
//! istiod's word decides whether a ServiceEntry exists and what its spec is. It does not push a change of annotations
//! alone, and never tells `status.addresses`; both come from the API server's copy of the object. All other kinds come
//! from one source only, and pass through.
//!
//! Nor does istiod push what becomes of a ServiceEntry that our own namespace may not see (`exportTo`), though it answers
//! who asks. So the overlay notes where the API server is ahead of it.

use std::collections::BTreeSet;
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
    ahead: BTreeSet<ObjectKey>,
}

/// What is kept of the API server's copy.
#[derive(Debug)]
struct Facts {
    /// The object without its spec, which istiod tells.
    object: Arc<Object>,
    /// Of the spec.
    digest: u64,
}

impl Overlay {
    /// An overlay that has heard nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What an event from istiod comes to.
    pub fn from_istiod(&mut self, event: ConfigEvent) -> ConfigEvent {
        if event.key().kind != Kind::SERVICE_ENTRY {
            return event;
        }
        let key = event.key().clone();
        let event = match event {
            ConfigEvent::Put(object) => {
                let whole = self.merged(&object);
                self.istiod.insert(key.clone(), object);
                ConfigEvent::Put(whole)
            }
            ConfigEvent::Delete(key) => {
                self.istiod.remove(&key);
                ConfigEvent::Delete(key)
            }
        };
        if self.agree(&key) {
            self.ahead.remove(&key);
        }
        event
    }

    /// What an event from the API server comes to; nothing while istiod does not know the ServiceEntry.
    pub fn from_api_server(&mut self, event: ConfigEvent) -> Option<ConfigEvent> {
        if event.key().kind != Kind::SERVICE_ENTRY {
            return Some(event);
        }
        let key = event.key().clone();
        let old = match event {
            ConfigEvent::Put(object) => self.api_server.insert(key.clone(), Facts::of(object)),
            ConfigEvent::Delete(_) => self.api_server.remove(&key),
        };
        let is_news = old.map(|old| old.digest) != self.api_server.get(&key).map(|new| new.digest);
        if self.agree(&key) {
            self.ahead.remove(&key);
        } else if is_news {
            self.ahead.insert(key.clone());
        }
        let base = self.istiod.get(&key)?;
        Some(ConfigEvent::Put(self.merged(base)))
    }

    /// The ServiceEntries of which the API server has told what istiod has not: that they are there, another spec, or that
    /// they are gone. Most are told in a moment; some only if istiod is asked, and some never, as it may be set to leave
    /// namespaces out.
    #[must_use]
    pub const fn ahead(&self) -> &BTreeSet<ObjectKey> {
        &self.ahead
    }

    /// istiod has been asked about a ServiceEntry; what it does not tell now counts as its word.
    pub fn asked(&mut self, key: &ObjectKey) {
        self.ahead.remove(key);
    }

    /// Whether both sources say the same of a ServiceEntry's existence and spec.
    fn agree(&self, key: &ObjectKey) -> bool {
        let api_server = self.api_server.get(key).map(|facts| facts.digest);
        let istiod = self.istiod.get(key).map(|object| digest(object));
        api_server == istiod
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
        let digest = digest(&object);
        let mut object = Arc::unwrap_or_clone(object);
        if let Body::ServiceEntry { spec, .. } = &mut object.body {
            *spec = Packed::of(&ServiceEntry::default());
        }
        Self {
            object: Arc::new(object),
            digest,
        }
    }
}

fn digest(object: &Object) -> u64 {
    match &object.body {
        Body::ServiceEntry { spec, .. } => FxBuildHasher.hash_one(spec),
        _ => 0,
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

    fn ahead(overlay: &Overlay) -> Vec<&ObjectKey> {
        overlay.ahead().iter().collect()
    }

    #[test]
    fn the_api_server_is_ahead_until_istiod_says_the_same() {
        let mut overlay = Overlay::new();
        overlay.from_api_server(entry("a", "new", None));
        assert_eq!(ahead(&overlay), [&key()]);
        overlay.from_istiod(entry("a", "old", None));
        assert_eq!(ahead(&overlay), [&key()], "that was an earlier state");
        overlay.from_istiod(entry("a", "new", None));
        assert!(ahead(&overlay).is_empty());

        overlay.from_api_server(ConfigEvent::Delete(key()));
        assert_eq!(ahead(&overlay), [&key()]);
        overlay.from_istiod(ConfigEvent::Delete(key()));
        assert!(ahead(&overlay).is_empty());
    }

    #[test]
    fn what_istiod_tells_first_is_not_ahead() {
        let mut overlay = Overlay::new();
        overlay.from_istiod(entry("old", "h", None));
        overlay.from_api_server(entry("new", "h", Some("240.240.0.1")));
        assert!(ahead(&overlay).is_empty());
    }

    #[test]
    fn what_istiod_keeps_to_itself_is_asked_about_once_for_each_spec() {
        let mut overlay = Overlay::new();
        overlay.from_api_server(entry("a", "h", None));
        overlay.asked(&key());
        overlay.from_api_server(entry("b", "h", Some("240.240.0.1")));
        assert!(ahead(&overlay).is_empty());
        overlay.from_api_server(entry("b", "i", None));
        assert_eq!(ahead(&overlay), [&key()]);
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
