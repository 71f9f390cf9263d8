use std::sync::Arc;

use aeraki_api::ObjectMeta;
use aeraki_core::diagnostic::catalogue;
use aeraki_core::object::{Kind, Object};
use proptest::prelude::*;
use serde_json::json;

use super::*;

const KIND: Kind = Kind::new("redis.aeraki.io", "RedisService");

fn key(name: &str) -> ObjectKey {
    ObjectKey::new(KIND, "shop", name)
}

fn revision(number: u64) -> Revision {
    Revision::of(&number.to_string())
}

/// An object whose content is the revision that it was written at.
fn object(name: &str, at: u64) -> Arc<Object> {
    let meta = ObjectMeta {
        name: name.to_owned(),
        namespace: "shop".to_owned(),
        ..ObjectMeta::default()
    };
    Arc::new(Object::extra(KIND, meta, json!({ "at": at })))
}

fn reading(name: &str, at: u64, outcome: Outcome) -> Reading {
    let problems = match outcome {
        Outcome::Unreadable => vec![Diagnostic::new(&catalogue::UNREADABLE, &key(name), "odd")],
        Outcome::Read(_) | Outcome::Unneeded => Vec::new(),
    };
    Reading {
        key: key(name),
        uid: None,
        revision: revision(at),
        outcome,
        problems,
    }
}

fn good(name: &str, at: u64) -> Reading {
    reading(name, at, Outcome::Read(object(name, at)))
}

fn odd(name: &str, at: u64) -> Reading {
    reading(name, at, Outcome::Unreadable)
}

/// A state, and what the core has been told.
#[derive(Default)]
struct Client {
    state: KindState,
    told: BTreeMap<ObjectKey, Arc<Object>>,
}

impl Client {
    /// Takes a step; the keys that the core is told to delete.
    fn on(&mut self, step: Step) -> Vec<ObjectKey> {
        let mut events = Vec::new();
        self.state.on(step, &mut events);
        let mut deleted = Vec::new();
        for event in events {
            match event {
                ConfigEvent::Put(object) => {
                    self.told.insert(object.key.clone(), object);
                }
                ConfigEvent::Delete(key) => {
                    assert!(
                        self.told.remove(&key).is_some(),
                        "deleted what was never told"
                    );
                    deleted.push(key);
                }
                other => panic!("{other:?}"),
            }
        }
        deleted
    }

    fn all(steps: impl IntoIterator<Item = Step>) -> Self {
        let mut client = Self::default();
        for step in steps {
            client.on(step);
        }
        client
    }

    fn names(&self) -> Vec<&str> {
        self.told.keys().map(|key| &*key.name).collect()
    }
}

fn list(readings: impl IntoIterator<Item = Reading>, at: u64) -> Vec<Step> {
    let present = readings.into_iter().map(Step::Present);
    std::iter::once(Step::Begins)
        .chain(present)
        .chain([Step::Listed(revision(at))])
        .collect()
}

#[test]
fn what_a_new_list_lacks_is_deleted_when_the_list_is_complete_and_not_before() {
    let mut client = Client::all(list([good("a", 1), good("b", 2)], 2));
    assert_eq!(client.on(Step::Begins), []);
    assert_eq!(client.on(Step::Present(good("b", 2))), []);
    assert_eq!(client.names(), ["a", "b"]);
    assert_eq!(client.on(Step::Listed(revision(5))), [key("a")]);
}

#[test]
fn a_list_that_breaks_off_deletes_nothing_also_not_with_the_next() {
    let mut client = Client::all(list([good("a", 1), good("b", 2)], 2));
    client.on(Step::Begins);
    client.on(Step::Present(good("b", 2)));
    for step in list([good("a", 1)], 6) {
        client.on(step);
    }
    assert_eq!(client.names(), ["a"], "b is gone by the second list");
}

#[test]
fn a_list_without_a_change_tells_nothing() {
    let mut state = Client::all(list([good("a", 1)], 2)).state;
    let mut events = Vec::new();
    for step in list([good("a", 1)], 9) {
        state.on(step, &mut events);
    }
    assert_eq!(events, []);
}

#[test]
fn an_unreadable_object_keeps_its_last_good_state() {
    let mut client = Client::all(list([good("a", 1)], 1));
    client.on(Step::Changed(odd("a", 2)));
    assert_eq!(client.told[&key("a")], object("a", 1));
    assert_eq!(client.state.problems().count(), 1);
    assert!(client.state.unread().is_empty(), "it has been readable");
    client.on(Step::Changed(good("a", 3)));
    assert_eq!(client.told[&key("a")], object("a", 3));
    assert_eq!(client.state.problems().count(), 0);
}

#[test]
fn an_object_that_was_never_readable_is_unread_until_it_is_or_goes() {
    let mut client = Client::all(list([odd("a", 1), odd("b", 1)], 1));
    assert_eq!(
        client.state.unread().iter().collect::<Vec<_>>(),
        [&key("a"), &key("b")]
    );
    client.on(Step::Changed(good("a", 2)));
    client.on(Step::Gone(key("b"), revision(3)));
    assert!(client.state.unread().is_empty());
    assert_eq!(client.state.problems().count(), 0);
}

#[test]
fn an_unreadable_object_that_goes_takes_its_last_good_state_along() {
    let mut client = Client::all(list([good("a", 1)], 1));
    client.on(Step::Changed(odd("a", 2)));
    assert_eq!(client.on(Step::Gone(key("a"), revision(3))), [key("a")]);
}

#[test]
fn an_object_that_nobody_needs_any_more_is_deleted_for_the_core() {
    let mut client = Client::all(list([good("a", 1)], 1));
    let unneeded = reading("a", 2, Outcome::Unneeded);
    assert_eq!(client.on(Step::Changed(unneeded)), [key("a")]);
    client.on(Step::Changed(good("a", 3)));
    assert_eq!(client.names(), ["a"]);
}

#[test]
fn a_kind_that_the_server_lost_takes_its_objects_along() {
    let mut client = Client::all(list([good("a", 1)], 1));
    client.on(Step::Begins);
    assert_eq!(client.on(Step::Unserved), [key("a")]);
}

#[test]
fn after_a_rewind_older_revisions_count() {
    let mut client = Client::all(list([good("a", 50), good("b", 60)], 60));
    for step in [Step::Begins, Step::Rewound] {
        client.on(step);
    }
    for step in [good("a", 7)].map(Step::Present) {
        client.on(step);
    }
    client.on(Step::Listed(revision(9)));
    client.on(Step::Changed(good("c", 10)));
    assert_eq!(client.names(), ["a", "c"]);
    assert_eq!(client.told[&key("a")], object("a", 7));
}

/// What happened at the server: at revision `i + 1` object `.0` got a content, or went.
#[derive(Clone, Debug)]
struct History(Vec<(u8, Change)>);

#[derive(Clone, Copy, PartialEq, Debug)]
enum Change {
    Write,
    Empty,
    Remove,
}

impl History {
    /// The objects after so many changes.
    fn at(&self, revision: usize) -> BTreeMap<String, (usize, Change)> {
        let mut objects = BTreeMap::new();
        for (i, (name, change)) in self.0[..revision].iter().enumerate() {
            match change {
                Change::Remove => objects.remove(&name.to_string()),
                there => objects.insert(name.to_string(), (i + 1, *there)),
            };
        }
        objects
    }

    /// What the core shall know in the end.
    fn told(&self) -> BTreeMap<ObjectKey, Arc<Object>> {
        let at =
            |(name, (at, _)): (String, (usize, Change))| (key(&name), object(&name, at as u64));
        let written = |(_, (_, change)): &(String, (usize, Change))| *change == Change::Write;
        self.at(self.0.len())
            .into_iter()
            .filter(written)
            .map(at)
            .collect()
    }

    /// The event of a revision.
    fn event(&self, revision_of: usize) -> Step {
        let (name, change) = self.0[revision_of - 1];
        let (name, at) = (name.to_string(), revision_of as u64);
        match change {
            Change::Write => Step::Changed(good(&name, at)),
            Change::Empty => Step::Changed(reading(&name, at, Outcome::Unneeded)),
            Change::Remove => Step::Gone(key(&name), revision(at)),
        }
    }

    /// A list as of a revision, or the beginning of one.
    fn list(&self, at: usize, is_whole: bool) -> Vec<Step> {
        let present = self.at(at).into_iter().map(|(name, (at, change))| {
            Step::Present(match change {
                Change::Write => good(&name, at as u64),
                _ => reading(&name, at as u64, Outcome::Unneeded),
            })
        });
        let mut steps: Vec<_> = std::iter::once(Step::Begins).chain(present).collect();
        if is_whole {
            steps.push(Step::Listed(revision(at as u64)));
        } else {
            steps.truncate(1 + steps.len() / 2);
        }
        steps
    }
}

fn history() -> impl Strategy<Value = History> {
    let change =
        prop_oneof![3 => Just(Change::Write), 1 => Just(Change::Empty), 2 => Just(Change::Remove)];
    prop::collection::vec((0u8..4, change), 1..24).prop_map(History)
}

/// What may come of a history: broken lists of some time since `listed`, any events in any order. Lists that are older
/// than what has been seen never come this far.
fn noise(history: &History, listed: usize) -> BoxedStrategy<Vec<Step>> {
    let len = history.0.len();
    let (for_lists, for_events) = (history.clone(), history.clone());
    let broken = (listed..=len).prop_map(move |at| for_lists.list(at, false));
    let event = (1..=len).prop_map(move |at| vec![for_events.event(at)]);
    let some = prop_oneof![1 => broken, 4 => event];
    prop::collection::vec(some, 0..20)
        .prop_map(|all| all.concat())
        .boxed()
}

/// Each of the events after a list at least once, with others in between, in any order.
fn shuffled(history: &History, after: usize) -> BoxedStrategy<Vec<Step>> {
    let len = history.0.len();
    let again = prop::collection::vec(1..=len, 0..12);
    let history = history.clone();
    again
        .prop_map(move |again| (after + 1..=len).chain(again).collect::<Vec<_>>())
        .prop_shuffle()
        .prop_map(move |order| order.into_iter().map(|at| history.event(at)).collect())
        .boxed()
}

type Run = (History, Vec<Step>, Vec<Step>);

fn listed_last() -> impl Strategy<Value = Run> {
    history().prop_flat_map(|history| {
        let late = noise(&history, history.0.len());
        let early = noise(&history, 0);
        (Just(history), early, late)
    })
}

fn watched_last() -> impl Strategy<Value = (History, Vec<Step>, usize, Vec<Step>)> {
    let with_list = history().prop_flat_map(|history| {
        let len = history.0.len();
        (Just(history), 0..=len)
    });
    with_list.prop_flat_map(|(history, at)| {
        let (before, after) = (noise(&history, 0), shuffled(&history, at));
        (Just(history), before, Just(at), after)
    })
}

proptest! {
    /// A complete list of now makes everything right, and what comes late changes nothing.
    #[test]
    fn after_a_complete_list_the_state_is_the_servers((history, before, late) in listed_last()) {
        let now = history.list(history.0.len(), true);
        let mut client = Client::all(before.into_iter().chain(now));
        prop_assert_eq!(&client.told, &history.told());
        for step in late {
            client.on(step);
        }
        prop_assert_eq!(&client.told, &history.told());
    }

    /// So does a list of then with everything that happened since, however late and often it comes.
    #[test]
    fn after_a_list_and_all_events_since_the_state_is_the_servers(
        (history, before, at, events) in watched_last(),
    ) {
        let then = history.list(at, true);
        let client = Client::all(before.into_iter().chain(then).chain(events));
        prop_assert_eq!(&client.told, &history.told());
    }

    /// Only the server's word deletes: the end of a list, or an event.
    #[test]
    fn no_part_of_a_list_deletes_anything((history, before, late) in listed_last()) {
        let mut client = Client::all(before);
        let part = history.list(history.0.len(), false);
        for step in part.into_iter().chain(late) {
            let by_word = matches!(step, Step::Gone(..) | Step::Listed(_))
                || matches!(&step, Step::Changed(r) | Step::Present(r) if r.outcome == Outcome::Unneeded);
            let deleted = client.on(step);
            prop_assert!(by_word || deleted.is_empty(), "{deleted:?}");
        }
    }
}
