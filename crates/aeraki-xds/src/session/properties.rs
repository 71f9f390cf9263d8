//! What holds for every conversation.

use std::collections::{BTreeMap, BTreeSet};

use aeraki_api::mcp::Any;
use aeraki_core::object::ObjectKey;
use proptest::prelude::*;
use proptest::sample::Index;

use super::talk::*;
use super::*;
use crate::collection::{COLLECTIONS, Collection};

/// What istiod may say of an object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Say {
    Good(u8),
    Bad,
}

/// One thing that may happen.
#[derive(Clone, Debug)]
enum Step {
    Answer {
        collection: Index,
        objects: BTreeMap<u8, Say>,
        torn: bool,
    },
    /// Istiod says what it said last.
    Repeat(Index),
    Reconnect,
    Resync,
    Refresh(Index),
}

fn say() -> impl Strategy<Value = Say> {
    prop_oneof![4 => (0..3u8).prop_map(Say::Good), 1 => Just(Say::Bad)]
}

fn step() -> impl Strategy<Value = Step> {
    let objects = prop::collection::btree_map(0..4u8, say(), 0..4);
    let answer = (any::<Index>(), objects, prop::bool::weighted(0.1));
    prop_oneof![
        8 => answer.prop_map(|(collection, objects, torn)| Step::Answer { collection, objects, torn }),
        2 => any::<Index>().prop_map(Step::Repeat),
        1 => Just(Step::Reconnect),
        1 => Just(Step::Resync),
        1 => any::<Index>().prop_map(Step::Refresh),
    ]
}

fn resource(kind: Kind, name: u8, say: Say) -> Any {
    let name = format!("o{name}");
    match say {
        Say::Bad => bad_entry(&name),
        Say::Good(n) if kind == Kind::SERVICE_ENTRY => entry(&name, &format!("h{n}.com")),
        Say::Good(n) if kind == Kind::VIRTUAL_SERVICE => {
            virtual_service(&name, &format!("h{n}.com"))
        }
        Say::Good(n) => destination_rule(&name, &format!("h{n}.com")),
    }
}

/// An istiod that remembers what it said, and what follows from that.
#[derive(Default)]
struct Model {
    said: BTreeMap<&'static str, Said>,
    epoch: u64,
    was_complete: bool,
}

/// The last answer for a collection.
#[derive(Clone)]
struct Said {
    objects: BTreeMap<u8, Say>,
    torn: bool,
    on_this_stream: bool,
}

impl Model {
    fn of_kind(kind: Kind) -> impl Iterator<Item = Collection> {
        COLLECTIONS.iter().copied().filter(move |c| c.kind == kind)
    }

    fn kind_is_whole(&self, kind: Kind) -> bool {
        Self::of_kind(kind).all(|collection| {
            let said = self.said.get(collection.type_url);
            said.is_some_and(|said| said.on_this_stream && !said.torn)
        })
    }

    fn is_complete(&self) -> bool {
        COLLECTIONS.iter().all(|c| self.kind_is_whole(c.kind))
    }

    /// What the last answers say of an object, the version that counts first.
    fn sayings(&self, kind: Kind, name: u8) -> Vec<Say> {
        Self::of_kind(kind)
            .filter_map(|c| self.said.get(c.type_url)?.objects.get(&name).copied())
            .collect()
    }

    fn note(&mut self, url: &'static str, objects: BTreeMap<u8, Say>, torn: bool) {
        let mut all = BTreeMap::new();
        // A torn answer leaves what it does not have.
        if let Some(old) = self.said.remove(url).filter(|_| torn) {
            all = old.objects;
        }
        all.extend(objects);
        let said = Said {
            objects: all,
            torn,
            on_this_stream: true,
        };
        self.said.insert(url, said);
        if self.is_complete() && !self.was_complete {
            self.was_complete = true;
            self.epoch += 1;
        }
    }

    fn reconnect(&mut self) {
        for said in self.said.values_mut() {
            said.on_this_stream = false;
        }
        self.was_complete = false;
    }
}

/// Plays a conversation and holds every step against the model.
fn play(steps: Vec<Step>) -> Result<(), TestCaseError> {
    let mut talk = Talk::connected();
    let mut model = Model::default();
    for step in steps {
        let before: BTreeMap<_, _> = talk.engine.clone();
        match step {
            Step::Reconnect => {
                talk.on(Input::Disconnected);
                talk.on(Input::Connected);
                model.reconnect();
                prop_assert_eq!(&talk.engine, &before, "a new stream alone changes nothing");
            }
            Step::Resync => {
                let outcome = talk.on(Input::ResyncDue);
                prop_assert!(outcome.updates.is_empty());
            }
            Step::Refresh(index) => {
                let outcome = talk.on(Input::Refresh(index.get(COLLECTIONS).kind));
                prop_assert!(outcome.updates.is_empty());
            }
            Step::Answer {
                collection,
                objects,
                torn,
            } => {
                let collection = *collection.get(COLLECTIONS);
                answer(&mut talk, &mut model, collection, objects, torn)?;
            }
            Step::Repeat(index) => {
                let collection = *index.get(COLLECTIONS);
                if let Some(said) = model.said.get(collection.type_url).cloned() {
                    let (objects, torn) = (said.objects, said.torn);
                    answer(&mut talk, &mut model, collection, objects, torn)?;
                    let same = talk.engine == before;
                    prop_assert!(same || !said.on_this_stream, "a repetition changes nothing");
                }
            }
        }
        check(&talk, &model, &before)?;
    }
    Ok(())
}

fn answer(
    talk: &mut Talk,
    model: &mut Model,
    collection: Collection,
    objects: BTreeMap<u8, Say>,
    torn: bool,
) -> Result<(), TestCaseError> {
    let is_bad = torn || objects.values().any(|say| *say == Say::Bad);
    let mut resources: Vec<Any> = objects
        .iter()
        .map(|(name, say)| resource(collection.kind, *name, *say))
        .collect();
    resources.extend(torn.then(nameless));
    let outcome = talk.answer(collection.type_url, resources);
    model.note(collection.type_url, objects, torn);
    let [verdict] = outcome.sent.as_slice() else {
        return Err(TestCaseError::fail(format!("{:?}", outcome.sent)));
    };
    prop_assert!(!verdict.response_nonce.is_empty());
    if is_bad {
        prop_assert!(
            verdict.error_detail.is_some(),
            "never acknowledge what was rejected"
        );
    }
    Ok(())
}

fn check(
    talk: &Talk,
    model: &Model,
    before: &BTreeMap<ObjectKey, std::sync::Arc<Object>>,
) -> Result<(), TestCaseError> {
    prop_assert_eq!(talk.complete().is_some(), model.is_complete());
    if let Some(complete) = talk.complete() {
        prop_assert_eq!(complete.epoch, model.epoch);
    }
    for kind in [
        Kind::SERVICE_ENTRY,
        Kind::VIRTUAL_SERVICE,
        Kind::DESTINATION_RULE,
    ] {
        let whole = model.kind_is_whole(kind);
        for name in 0..4u8 {
            let key = ObjectKey::new(kind, "shop", format!("o{name}"));
            let sayings = model.sayings(kind, name);
            let held = talk.engine.get(&key);
            if !whole && before.contains_key(&key) {
                prop_assert!(held.is_some(), "{} went without a whole set", key);
            }
            if whole && sayings.is_empty() {
                prop_assert!(held.is_none(), "{} is gone", key);
            }
            let good = sayings.iter().find(|say| **say != Say::Bad);
            if let (true, Some(good)) = (whole, good) {
                let expected = resource::read(kind, &resource(kind, name, *good));
                prop_assert_eq!(held.map(|object| (**object).clone()), expected.ok());
            }
            let is_bad = sayings.contains(&Say::Bad);
            if let Some(complete) = talk.complete() {
                let unread = is_bad && held.is_none();
                prop_assert_eq!(complete.unread.contains(&key), unread);
                let named: BTreeSet<_> = talk.problems.iter().map(|p| &p.object).collect();
                prop_assert_eq!(named.contains(&key), is_bad);
            }
            if is_bad && good.is_none() && before.contains_key(&key) {
                prop_assert_eq!(held, before.get(&key), "the bad one keeps its state");
            }
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn what_is_held_follows_from_the_last_answers(steps in prop::collection::vec(step(), 0..60)) {
        play(steps)?;
    }

    /// The end is the same in whatever order the last answers come, and whatever came before.
    #[test]
    fn the_order_of_answers_does_not_matter(
        earlier in prop::collection::vec(step(), 0..20),
        objects in prop::collection::vec(prop::collection::btree_map(0..4u8, (0..3u8).prop_map(Say::Good), 0..4), 6),
        order in Just((0..6).collect::<Vec<usize>>()).prop_shuffle(),
    ) {
        let said = |index: usize| -> Vec<Any> {
            let kind = COLLECTIONS[index].kind;
            objects[index].iter().map(|(name, say)| resource(kind, *name, *say)).collect()
        };
        let mut straight = Talk::connected();
        (0..6).for_each(|i| { straight.answer(COLLECTIONS[i].type_url, said(i)); });

        let mut shuffled = Talk::connected();
        for step in earlier {
            if let Step::Answer { collection, objects, torn } = step {
                let collection = *collection.get(COLLECTIONS);
                let mut resources: Vec<Any> =
                    objects.iter().map(|(name, say)| resource(collection.kind, *name, *say)).collect();
                resources.extend(torn.then(nameless));
                shuffled.answer(collection.type_url, resources);
            }
        }
        shuffled.on(Input::Disconnected);
        shuffled.on(Input::Connected);
        order.iter().for_each(|i| { shuffled.answer(COLLECTIONS[*i].type_url, said(*i)); });

        prop_assert_eq!(&straight.engine, &shuffled.engine);
        prop_assert!(shuffled.complete().is_some() && shuffled.problems.is_empty());
    }

    #[test]
    fn no_bytes_panic_and_what_cannot_be_read_is_refused(
        resources in prop::collection::vec((any::<bool>(), prop::collection::vec(any::<u8>(), 0..200)), 0..5),
        cut_at in any::<Index>(),
        flip in any::<(Index, u8)>(),
    ) {
        let mut talk = Talk::connected();
        let mut damaged: Vec<Any> = resources.into_iter().map(|(right, value)| {
            let mut any = entry("x", "x.com");
            any.value = value;
            if right { any } else { as_another_type(any) }
        }).collect();
        let whole = entry("a", "a.com");
        let mut part = whole.clone();
        part.value.truncate(cut_at.index(whole.value.len()));
        let mut flipped = whole.clone();
        *flip.0.get_mut(&mut flipped.value) ^= flip.1;
        damaged.extend([part, flipped]);
        for resource in damaged {
            let named = resource::name(&resource);
            let outcome = talk.answer(SE, vec![resource, entry("good", "good.com")]);
            let refused = outcome.sent[0].error_detail.is_some();
            let held = named.as_deref().and_then(|n| resource::key(Kind::SERVICE_ENTRY, n))
                .is_some_and(|key| talk.engine.contains_key(&key));
            prop_assert!(refused || held, "neither refused nor taken in");
            let good = ObjectKey::new(Kind::SERVICE_ENTRY, "shop", "good");
            prop_assert!(named.as_deref() == Some("shop/good") || talk.engine.contains_key(&good));
        }
    }
}
