//! The conversation with istiod, without a socket, a clock or a task: what comes in, and what is to be done.
//!
//! ```text
//!            Connected, Response, …                Send(request)
//! stream ──────────────────────────▶ Session ──────────────────────▶ stream
//!                                  sets │ held     Update
//!                                       └──────────────────────────▶ the engine
//! ```
//!
//! Istiod speaks the state of the world: every answer is the whole set of a collection, and what is absent is gone. The
//! session makes changes of that, and holds to four rules:
//!
//! - **Absence counts only where the set is whole**: the kind's collections have all been answered on this very stream,
//!   and every resource in the answers had a name. Until then nothing is reported as deleted.
//! - **One bad resource stays alone.** It is refused by name and keeps its last good state; the rest of the push applies.
//! - **The version of an answer means nothing**: a change of annotations comes under the version as before. Contents are
//!   compared, and equal contents are no change.
//! - **The result is a function of the last answers**: not of their order, and not of what came before.

mod outline;
#[cfg(test)]
mod properties;
mod refusal;
mod resource;
mod set;
#[cfg(test)]
mod talk;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::Arc;

use aeraki_api::discovery::{DiscoveryRequest, DiscoveryResponse, Node};
use aeraki_core::diagnostic::Diagnostic;
use aeraki_core::object::{ConfigEvent, Kind, Object, ObjectKey};
use aeraki_core::source::{Complete, SourceUpdate, View};
use rustc_hash::FxHashMap;

use crate::collection::{COLLECTIONS, DEBUG};
use crate::node::Identity;
use set::{Difference, Set};

/// What happens to a session.
#[derive(Clone, PartialEq, Debug)]
pub enum Input {
    /// A stream is open.
    Connected,
    /// An answer has come.
    Response(DiscoveryResponse),
    /// The stream is over.
    Disconnected,
    /// It is time to ask for everything again: istiod does not push everything, as changes of annotations.
    ResyncDue,
    /// A kind is to be asked for again: istiod does not push all that becomes of ServiceEntries.
    Refresh(Kind),
    /// Somebody wants to know something that is no config.
    Asked(Topic),
}

/// What istiod tells on the same stream whom it trusts: one of its pages for debugging.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Topic {
    /// What the proxies make of their configuration.
    Syncz,
    /// The mesh's own configuration.
    Mesh,
}

impl Topic {
    /// Istiod's name for it.
    const fn name(self) -> &'static str {
        match self {
            Self::Syncz => "syncz",
            Self::Mesh => "mesh",
        }
    }
}

/// What is to be done.
#[derive(Clone, PartialEq, Debug)]
pub enum Output {
    /// Send this to istiod.
    Send(DiscoveryRequest),
    /// Tell the engine.
    Update(SourceUpdate),
    /// The answer to [`Input::Asked`], in JSON.
    Told(Vec<u8>),
}

/// The state of the conversation.
#[derive(Debug)]
pub struct Session {
    node: Node,
    sets: Vec<Set>,
    /// What the engine has been told is there.
    held: FxHashMap<ObjectKey, Arc<Object>>,
    /// Held objects that no answer has any more, while it is not known whether that counts.
    absent: BTreeSet<ObjectKey>,
    stream: Stream,
    epoch: u64,
    told: Told,
}

/// What belongs to one stream.
#[derive(Clone, Copy, Debug, Default)]
struct Stream {
    is_open: bool,
    has_been_complete: bool,
}

/// The last that the engine was told besides events.
#[derive(PartialEq, Debug, Default)]
struct Told {
    view: View,
    problems: Vec<Diagnostic>,
}

impl Session {
    /// A session that has seen nothing.
    #[must_use]
    pub fn new(identity: &Identity) -> Self {
        Self {
            node: identity.node(),
            sets: COLLECTIONS.iter().copied().map(Set::new).collect(),
            held: FxHashMap::default(),
            absent: BTreeSet::new(),
            stream: Stream::default(),
            epoch: 0,
            told: Told::default(),
        }
    }

    /// Takes in what happened.
    pub fn on(&mut self, input: Input) -> Vec<Output> {
        match input {
            Input::Connected => self.connected(),
            Input::Disconnected => self.disconnected(),
            // All else needs a stream.
            _ if !self.stream.is_open => Vec::new(),
            Input::Response(response) if response.type_url == DEBUG => vec![told(response)],
            Input::Response(response) => self.answered(response),
            Input::ResyncDue => self.request(|_| true),
            Input::Refresh(kind) => self.request(|asked| asked == kind),
            Input::Asked(topic) => vec![Output::Send(question(topic))],
        }
    }

    /// Whether all of the config has come on the stream that is open.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.sets.iter().all(Set::is_whole)
    }

    fn connected(&mut self) -> Vec<Output> {
        self.start_over();
        self.stream.is_open = true;
        let mut outputs = self.request(|_| true);
        // The first request says who asks.
        if let Some(Output::Send(first)) = outputs.first_mut() {
            first.node = Some(self.node.clone());
        }
        outputs.extend(self.update(Vec::new()));
        outputs
    }

    fn disconnected(&mut self) -> Vec<Output> {
        self.start_over();
        self.update(Vec::new()).into_iter().collect()
    }

    fn start_over(&mut self) {
        self.stream = Stream::default();
        self.sets.iter_mut().for_each(Set::start_over);
    }

    /// Asks for each set of such kinds, but where an answer is due anyway. Without a nonce this counts as a first request,
    /// and is answered at once whatever has been sent before.
    fn request(&mut self, is_wanted: impl Fn(Kind) -> bool) -> Vec<Output> {
        let sets = self.sets.iter_mut();
        sets.filter(|set| !set.awaited && is_wanted(set.collection.kind))
            .map(|set| {
                set.awaited = true;
                Output::Send(DiscoveryRequest {
                    type_url: set.collection.type_url.to_owned(),
                    ..DiscoveryRequest::default()
                })
            })
            .collect()
    }

    fn answered(&mut self, mut response: DiscoveryResponse) -> Vec<Output> {
        let url = &response.type_url;
        let Some(set) = self
            .sets
            .iter_mut()
            .find(|set| set.collection.type_url == url)
        else {
            return Vec::new();
        };
        let held = &self.held;
        let resources = std::mem::take(&mut response.resources);
        let difference = set.replace(resources, |key| held.get(key));
        set.awaited = false;
        let verdict = Output::Send(verdict(set, response));
        let kind = set.collection.kind;
        let events = self.settle(kind, difference);
        std::iter::once(verdict)
            .chain(self.update(events))
            .collect()
    }

    /// Brings what is held in line with the sets, where they changed.
    fn settle(&mut self, kind: Kind, difference: Difference) -> Vec<ConfigEvent> {
        let Difference { changed, gone } = difference;
        let mut events: Vec<ConfigEvent> = changed
            .iter()
            .chain(&gone)
            .filter_map(|key| self.put(key))
            .collect();
        self.absent.extend(gone);
        events.extend(self.bury(kind));
        events
    }

    /// What the sets have under a key becomes what is held.
    fn put(&mut self, key: &ObjectKey) -> Option<ConfigEvent> {
        let object = self
            .sets
            .iter()
            .filter_map(|set| set.reading(key))
            .find_map(|reading| reading.as_ref().ok())?;
        if self.held.get(key) == Some(object) {
            return None;
        }
        self.held.insert(object.key.clone(), Arc::clone(object));
        Some(ConfigEvent::Put(Arc::clone(object)))
    }

    /// Lets go of what is absent from every set of a kind, if these are whole.
    fn bury(&mut self, kind: Kind) -> Vec<ConfigEvent> {
        let mut sets = self.sets.iter().filter(|set| set.collection.kind == kind);
        if self.absent.is_empty() || !sets.all(Set::is_whole) {
            return Vec::new();
        }
        let (due, later) = std::mem::take(&mut self.absent)
            .into_iter()
            .partition(|key| key.kind == kind);
        self.absent = later;
        let due: BTreeSet<ObjectKey> = due;
        due.into_iter()
            .filter(|key| self.sets.iter().all(|set| set.reading(key).is_none()))
            .filter(|key| self.held.remove(key).is_some())
            .map(ConfigEvent::Delete)
            .collect()
    }

    /// What to tell the engine, if there is anything new.
    fn update(&mut self, events: Vec<ConfigEvent>) -> Option<Output> {
        let told = Told {
            view: self.view(),
            problems: self.problems(),
        };
        if events.is_empty() && told == self.told {
            return None;
        }
        self.told = told;
        Some(Output::Update(SourceUpdate {
            events,
            view: self.told.view.clone(),
            problems: self.told.problems.clone(),
        }))
    }

    fn view(&mut self) -> View {
        if !self.is_complete() {
            return View::Partial;
        }
        if !self.stream.has_been_complete {
            self.stream.has_been_complete = true;
            self.epoch += 1;
        }
        let flawed = self.sets.iter().flat_map(Set::flawed).map(|(key, _)| key);
        View::Complete(Complete {
            epoch: self.epoch,
            unread: flawed
                .filter(|key| !self.held.contains_key(key))
                .cloned()
                .collect(),
        })
    }

    fn problems(&self) -> Vec<Diagnostic> {
        let is_held = |key: &ObjectKey| self.held.contains_key(key);
        let all = self
            .sets
            .iter()
            .flat_map(|set| refusal::problems(set, is_held));
        let by_object: BTreeSet<Diagnostic> = all.collect();
        by_object.into_iter().collect()
    }
}

/// The answer to a question. It is never acknowledged: istiod would take that for the next question.
fn told(response: DiscoveryResponse) -> Output {
    let answer = response.resources.into_iter().next().unwrap_or_default();
    Output::Told(answer.value)
}

/// Acknowledges an answer, or refuses it if anything in it could not be used.
fn verdict(set: &mut Set, response: DiscoveryResponse) -> DiscoveryRequest {
    let error_detail = refusal::status(set);
    if error_detail.is_none() {
        set.version = response.version_info;
    }
    DiscoveryRequest {
        version_info: set.version.clone(),
        type_url: response.type_url,
        response_nonce: response.nonce,
        error_detail,
        ..DiscoveryRequest::default()
    }
}

fn question(topic: Topic) -> DiscoveryRequest {
    DiscoveryRequest {
        type_url: DEBUG.to_owned(),
        resource_names: vec![topic.name().to_owned()],
        ..DiscoveryRequest::default()
    }
}
