use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::json;

use super::*;

const NAMES: [&str; 3] = ["aeraki-outbound-a", "aeraki-outbound-b", "by-hand"];

fn key(name: &str) -> FilterKey {
    FilterKey {
        namespace: "shop".into(),
        name: name.into(),
    }
}

/// An object as the API server has it.
#[derive(Clone, PartialEq, Debug)]
struct State {
    name: usize,
    uid: u64,
    revision: u64,
    word: u8,
}

impl State {
    fn decoded(&self) -> Decoded {
        let word = self.word.to_string();
        // The last name is not always ours, and does not always patch a listener.
        let (manager, applies_to) = match (self.name, self.word) {
            (2, 1) => ("somebody", "NETWORK_FILTER"),
            (2, 2) => ("somebody", "CLUSTER"),
            _ => ("Aeraki", "NETWORK_FILTER"),
        };
        let text = json!({
            "metadata": {
                "name": NAMES[self.name], "namespace": "shop",
                "uid": format!("00000000-0000-0000-0000-{:012}", self.uid),
                "resourceVersion": self.revision.to_string(),
                "labels": {"manager": manager}, "annotations": {"aeraki.net/service": word},
            },
            "spec": {"configPatches": [{"applyTo": applies_to, "patch": {"operation": "MERGE"}}]},
        });
        Decoded::read(&text.to_string()).expect("an object")
    }

    fn glance(&self) -> Glance {
        let Decoded { key, live, .. } = self.decoded();
        let (uid, revision) = (live.uid, live.revision);
        Glance { key, uid, revision }
    }
}

/// An API server with its history: each state, and each end with the state before it.
#[derive(Default)]
struct Server {
    there: BTreeMap<usize, State>,
    history: Vec<(State, bool)>,
    revision: u64,
}

impl Server {
    fn put(&mut self, name: usize, word: u8) {
        self.revision += 1;
        let uid = self
            .there
            .get(&name)
            .map_or(self.revision, |state| state.uid);
        let revision = self.revision;
        let state = State {
            name,
            uid,
            revision,
            word,
        };
        self.history.push((state.clone(), true));
        self.there.insert(name, state);
    }

    fn delete(&mut self, name: usize) {
        if let Some(mut state) = self.there.remove(&name) {
            self.revision += 1;
            state.revision = self.revision;
            self.history.push((state, false));
        }
    }
}

/// An index, what was told of it, and how far its watch is.
struct Reader {
    index: Index,
    told: BTreeMap<FilterKey, Content>,
    watched: usize,
}

impl Reader {
    fn new() -> Self {
        Self {
            index: Index::new("istio-system"),
            told: BTreeMap::new(),
            watched: 0,
        }
    }

    fn list(&mut self, server: &Server, is_whole: bool) {
        self.index.begin_list(false);
        let shown = server.there.values();
        let some = if is_whole { usize::MAX } else { 1 };
        for state in shown.take(some) {
            self.index.listed(&state.glance().key);
            self.put(state);
        }
        if is_whole {
            self.index
                .end_list(Revision::of(&server.revision.to_string()));
            self.watched = server.history.len();
        }
    }

    fn put(&mut self, state: &State) {
        // What is not worth decoding would have changed nothing.
        let is_old = self.index.is_old(&state.glance());
        let before = self.index.there.clone();
        self.index.put(state.decoded());
        assert!(!is_old || self.index.there == before);
    }

    fn watch(&mut self, server: &Server) {
        let Some((state, is_put)) = server.history.get(self.watched) else {
            return;
        };
        self.watched += 1;
        if *is_put {
            self.put(state);
        } else {
            self.index.deleted(&state.glance());
        }
    }

    fn hear(&mut self) {
        let changes = self.index.take_changes().unwrap_or_default();
        for (key, content) in changes.changed {
            match content {
                Some(content) => self.told.insert(key, content),
                None => self.told.remove(&key),
            };
        }
    }

    /// Whether it shows what is there, and has told so.
    fn agrees(&mut self, server: &Server) -> bool {
        self.hear();
        let expected: BTreeMap<FilterKey, Decoded> = server
            .there
            .values()
            .map(|state| (state.glance().key, state.decoded()))
            .collect();
        let lives = expected
            .iter()
            .map(|(key, object)| (key.clone(), object.live.clone()));
        let contents = expected
            .iter()
            .map(|(key, object)| (key.clone(), object.content.clone()));
        let rivals = expected.iter().filter(|(_, object)| is_rival(&object.live));
        self.index.there == lives.collect()
            && self.told == contents.collect()
            && self.index.rivals == rivals.map(|(key, _)| key.clone()).collect()
    }
}

#[derive(Clone, Debug)]
enum Happening {
    Put(usize, u8),
    Delete(usize),
    /// The watch goes on by one event.
    Watch,
    List,
    /// A list that breaks off.
    HalfList,
    /// An answer to a request of our own, perhaps long after.
    Answer(usize),
    Hear,
}

fn happening() -> impl Strategy<Value = Happening> {
    let name = 0..NAMES.len();
    prop_oneof![
        4 => (name.clone(), 0..3u8).prop_map(|(name, word)| Happening::Put(name, word)),
        2 => name.prop_map(Happening::Delete),
        6 => Just(Happening::Watch),
        1 => Just(Happening::List),
        1 => Just(Happening::HalfList),
        3 => (0..100usize).prop_map(Happening::Answer),
        2 => Just(Happening::Hear),
    ]
}

proptest! {
    #[test]
    fn whatever_comes_late_twice_or_half_the_end_is_what_is_there(
        history in prop::collection::vec(happening(), 0..60)
    ) {
        let (mut server, mut reader) = (Server::default(), Reader::new());
        reader.list(&server, true);
        for happening in history {
            match happening {
                Happening::Put(name, word) => server.put(name, word),
                Happening::Delete(name) => server.delete(name),
                Happening::Watch => reader.watch(&server),
                Happening::List => reader.list(&server, true),
                Happening::HalfList => reader.list(&server, false),
                Happening::Answer(n) => {
                    let puts: Vec<&State> = server.history.iter().filter(|(_, is_put)| *is_put).map(|(state, _)| state).collect();
                    if let Some(state) = puts.get(n % puts.len().max(1)) {
                        reader.put(state);
                    }
                }
                Happening::Hear => reader.hear(),
            }
        }
        reader.list(&server, true);
        prop_assert!(reader.agrees(&server), "{:?}", reader.index);
        // And the watch from there on.
        server.put(0, 9);
        server.delete(1);
        reader.watch(&server);
        reader.watch(&server);
        prop_assert!(reader.agrees(&server), "{:?}", reader.index);
    }
}

fn state(name: usize, uid: u64, revision: u64, word: u8) -> State {
    State {
        name,
        uid,
        revision,
        word,
    }
}

#[test]
fn an_object_that_was_deleted_does_not_come_back_through_an_old_word() {
    let (server, mut reader) = (Server::default(), Reader::new());
    reader.list(&server, true);
    reader.put(&state(0, 1, 5, 1));
    reader
        .index
        .vanished(&key(NAMES[0]), state(0, 1, 5, 1).glance().uid);
    reader.put(&state(0, 1, 6, 2));
    reader.hear();
    assert!(reader.told.is_empty());
    // A new one of the same name does.
    reader.put(&state(0, 7, 7, 1));
    reader.hear();
    assert_eq!(reader.told.len(), 1);
    // The end of the old one, told late, does not end the new one.
    reader.index.deleted(&state(0, 1, 6, 2).glance());
    reader.hear();
    assert_eq!(reader.told.len(), 1);
}

#[test]
fn there_are_rivals_as_long_as_a_foreign_filter_patches_listeners() {
    let mut reader = Reader::new();
    let mut seen = Vec::new();
    for (name, word) in [(0, 1), (2, 1), (2, 2), (2, 1)] {
        reader.put(&state(name, 1, 5 + seen.len() as u64, word));
        seen.push(reader.index.has_rivals());
    }
    reader
        .index
        .vanished(&key(NAMES[2]), state(2, 1, 0, 0).glance().uid);
    seen.push(reader.index.has_rivals());
    assert_eq!(seen, [false, true, false, true, false]);
}

#[test]
fn half_a_list_takes_nothing_away() {
    let mut server = Server::default();
    for name in 0..3 {
        server.put(name, 1);
    }
    let mut reader = Reader::new();
    reader.list(&server, true);
    reader.list(&server, false);
    assert!(reader.agrees(&server));
    // The next list begins anew.
    reader.index.begin_list(false);
    reader.index.end_list(Revision::of("99"));
    reader.hear();
    assert!(reader.told.is_empty());
}

#[test]
fn a_list_says_nothing_of_what_came_after_it() {
    let mut reader = Reader::new();
    reader.index.begin_list(false);
    reader.put(&state(0, 1, 50, 1));
    reader.index.end_list(Revision::of("49"));
    reader.hear();
    assert_eq!(reader.told.len(), 1);
}

#[test]
fn a_history_that_was_set_back_counts_as_it_is() {
    let mut reader = Reader::new();
    reader.put(&state(0, 1, 500, 1));
    reader.put(&state(1, 2, 501, 1));
    reader.index.begin_list(true);
    reader.index.listed(&key(NAMES[0]));
    reader.put(&state(0, 1, 7, 2));
    reader.index.end_list(Revision::of("9"));
    reader.hear();
    let word = |name: &str| {
        reader
            .told
            .get(&key(name))?
            .annotation("aeraki.net/service")
    };
    assert_eq!(word(NAMES[0]), Some("2"));
    assert_eq!(word(NAMES[1]), None);
}

#[test]
fn a_state_that_says_the_same_is_no_news_and_wholeness_is_told_once() {
    let mut reader = Reader::new();
    reader.put(&state(0, 1, 5, 1));
    reader.hear();
    reader.put(&state(0, 1, 6, 1));
    assert_eq!(reader.index.take_changes(), None);
    reader.index.begin_list(false);
    reader.index.listed(&key(NAMES[0]));
    reader.index.end_list(Revision::of("6"));
    let changes = reader.index.take_changes().expect("it is whole now");
    assert!(changes.is_whole && changes.changed.is_empty());
    assert_eq!(reader.index.take_changes(), None);
}
