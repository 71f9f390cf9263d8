//! For tests: a session, an istiod that says what it is told to, and an engine that notes what it hears.

use std::collections::BTreeMap;
use std::sync::Arc;

use aeraki_api::discovery::{DiscoveryRequest, DiscoveryResponse};
use aeraki_api::mcp::{Any, Metadata, Resource};
use aeraki_api::networking::{DestinationRule, ServiceEntry, VirtualService};
use aeraki_core::diagnostic::Diagnostic;
use aeraki_core::object::{ConfigEvent, Kind, Object, ObjectKey};
use aeraki_core::source::{Complete, SourceUpdate, View};
use prost::{Message, Name};

use super::{Input, Output, Session};
use crate::collection::COLLECTIONS;
use crate::node::Identity;

pub(super) const SE: &str = "networking.istio.io/v1/ServiceEntry";
pub(super) const VS: &str = "networking.istio.io/v1/VirtualService";
pub(super) const DR: &str = "networking.istio.io/v1/DestinationRule";
pub(super) const OLD_SE: &str = "networking.istio.io/v1alpha3/ServiceEntry";

pub(super) struct Talk {
    pub(super) session: Session,
    pub(super) engine: BTreeMap<ObjectKey, Arc<Object>>,
    pub(super) view: View,
    pub(super) problems: Vec<Diagnostic>,
    nonce: u64,
}

/// What one input led to.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) sent: Vec<DiscoveryRequest>,
    pub(super) updates: Vec<SourceUpdate>,
    pub(super) told: Vec<Vec<u8>>,
}

impl Talk {
    pub(super) fn new() -> Self {
        let identity = Identity {
            ip: [127, 0, 0, 1].into(),
            pod: "aeraki".to_owned(),
            namespace: "istio-system".to_owned(),
        };
        Self {
            session: Session::new(&identity),
            engine: BTreeMap::new(),
            view: View::Partial,
            problems: Vec::new(),
            nonce: 0,
        }
    }

    pub(super) fn connected() -> Self {
        let mut talk = Self::new();
        talk.on(Input::Connected);
        talk
    }

    pub(super) fn on(&mut self, input: Input) -> Outcome {
        let mut outcome = Outcome::default();
        for output in self.session.on(input) {
            match output {
                Output::Send(request) => outcome.sent.push(request),
                Output::Told(json) => outcome.told.push(json),
                Output::Update(update) => {
                    self.hear(&update);
                    outcome.updates.push(update);
                }
            }
        }
        outcome
    }

    fn hear(&mut self, update: &SourceUpdate) {
        for event in &update.events {
            match event {
                ConfigEvent::Put(object) => {
                    let old = self.engine.insert(object.key.clone(), Arc::clone(object));
                    assert!(
                        old.as_ref() != Some(object),
                        "{} did not change",
                        object.key
                    );
                }
                ConfigEvent::Delete(key) => {
                    assert!(self.engine.remove(key).is_some(), "{key} was not there");
                }
                other => panic!("{other:?}"),
            }
        }
        self.view = update.view.clone();
        self.problems.clone_from(&update.problems);
    }

    /// Istiod answers with these resources.
    pub(super) fn answer(&mut self, type_url: &str, resources: Vec<Any>) -> Outcome {
        self.nonce += 1;
        self.on(Input::Response(DiscoveryResponse {
            version_info: format!("v{}", self.nonce),
            resources,
            type_url: type_url.to_owned(),
            nonce: format!("n{}", self.nonce),
        }))
    }

    /// Istiod answers everything but `except` with nothing.
    pub(super) fn answer_empty(&mut self, except: &[&str]) {
        for collection in COLLECTIONS {
            if !except.contains(&collection.type_url) {
                self.answer(collection.type_url, Vec::new());
            }
        }
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.engine.keys().map(ToString::to_string).collect()
    }

    pub(super) fn complete(&self) -> Option<&Complete> {
        match &self.view {
            View::Complete(complete) => Some(complete),
            View::Partial => None,
        }
    }

    pub(super) fn hosts(&self, name: &str) -> Vec<String> {
        let key = ObjectKey::new(Kind::SERVICE_ENTRY, "shop", name);
        match &self.engine[&key].body {
            aeraki_core::object::Body::ServiceEntry { spec, .. } => spec.get().hosts,
            other => panic!("{other:?}"),
        }
    }
}

pub(super) fn pack(name: &str, body: Any, annotations: &[(&str, &str)]) -> Any {
    let texts = annotations.iter().map(|(k, v)| ((*k).into(), (*v).into()));
    Any::pack(&Resource {
        metadata: Some(Metadata {
            name: format!("shop/{name}"),
            annotations: texts.collect(),
            ..Metadata::default()
        }),
        body: Some(body),
    })
}

pub(super) fn entry(name: &str, host: &str) -> Any {
    let spec = ServiceEntry {
        hosts: vec![host.to_owned()],
        ..ServiceEntry::default()
    };
    pack(name, Any::pack(&spec), &[])
}

pub(super) fn virtual_service(name: &str, host: &str) -> Any {
    let spec = VirtualService {
        hosts: vec![host.to_owned()],
        ..VirtualService::default()
    };
    pack(name, Any::pack(&spec), &[])
}

pub(super) fn destination_rule(name: &str, host: &str) -> Any {
    let spec = DestinationRule {
        host: host.to_owned(),
        ..DestinationRule::default()
    };
    pack(name, Any::pack(&spec), &[])
}

/// An entry whose body does not decode.
pub(super) fn bad_entry(name: &str) -> Any {
    let body = Any {
        type_url: ServiceEntry::type_url(),
        value: vec![0x0a, 0x7f],
    };
    pack(name, body, &[])
}

/// A resource that does not even say whose it is.
pub(super) fn nameless() -> Any {
    Any {
        type_url: Resource::type_url(),
        value: vec![0x0a, 0x7f, 0x01],
    }
}

/// The resource without its last byte.
pub(super) fn cut(mut resource: Any) -> Any {
    resource.value.pop();
    resource
}

pub(super) fn as_another_type(mut resource: Any) -> Any {
    resource.type_url = "type.googleapis.com/google.protobuf.Empty".to_owned();
    resource
}

pub(super) fn wire<M: Message + Name>(message: &M) -> Any {
    Any::pack(message)
}
