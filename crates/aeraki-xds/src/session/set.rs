//! What istiod last said of one collection.

use std::sync::Arc;

use aeraki_api::mcp::Any;
use aeraki_core::object::{Object, ObjectKey};
use rustc_hash::FxHashMap;

use super::resource::{self, Reading};
use crate::collection::Collection;

/// The objects of a collection, and whether these are all of them.
#[derive(Debug)]
pub(super) struct Set {
    pub(super) collection: Collection,
    pub(super) standing: Standing,
    /// Whether a request for the whole set is out, and its answer is not in.
    pub(super) awaited: bool,
    /// The version that was last acknowledged on this stream.
    pub(super) version: String,
    /// By the objects' own keys, so that a name is kept once.
    members: FxHashMap<ObjectKey, Member>,
    /// The number of the newest answer.
    round: u64,
}

/// What the current stream has brought of a collection.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Standing {
    /// Nothing yet; the members are those of an earlier stream.
    Unanswered,
    /// A set with resources in it that are nobody knows whose. What was there before may be among them.
    Torn(Vec<String>),
    /// The whole set.
    Whole,
}

#[derive(Debug)]
struct Member {
    digest: u128,
    reading: Reading,
    /// The last answer that it stood in.
    round: u64,
}

/// What an answer changed in a set.
#[derive(Debug, Default)]
pub(super) struct Difference {
    /// What is new, or no longer what it was.
    pub(super) changed: Vec<ObjectKey>,
    /// What is no longer there.
    pub(super) gone: Vec<ObjectKey>,
}

impl Set {
    pub(super) fn new(collection: Collection) -> Self {
        Self {
            collection,
            standing: Standing::Unanswered,
            awaited: false,
            version: String::new(),
            members: FxHashMap::default(),
            round: 0,
        }
    }

    /// Nothing of an earlier stream vouches for what is there now.
    pub(super) fn start_over(&mut self) {
        self.standing = Standing::Unanswered;
        self.awaited = false;
        self.version.clear();
    }

    /// Takes in the whole set anew. `known` gives the object that is held under a key, so that an equal one is not kept
    /// twice. Each resource goes as soon as it is read: an answer has all there are.
    pub(super) fn replace<'a>(
        &mut self,
        resources: Vec<Any>,
        known: impl Fn(&ObjectKey) -> Option<&'a Arc<Object>>,
    ) -> Difference {
        self.round += 1;
        let mut difference = Difference::default();
        let mut nameless = Vec::new();
        let count = resources.len();
        for (index, resource) in resources.into_iter().enumerate() {
            let Some(key) = self.identify(&resource) else {
                nameless.push(format!("resource {index} of {count}"));
                continue;
            };
            let digest = resource::digest(&resource);
            match self.members.get_mut(&key) {
                // Istiod never names an object twice; should it, the first one counts, however often it is said.
                Some(member) if member.round == self.round => {}
                Some(member) if member.digest == digest => member.round = self.round,
                _ => {
                    let reading = resource::read(key.kind, &resource);
                    let member = Member::new(&key, digest, reading, self.round, &known);
                    let key = member.own_key().unwrap_or(key);
                    difference.changed.push(key.clone());
                    // An insertion alone would leave the key of the object that goes.
                    self.members.remove(&key);
                    self.members.insert(key, member);
                }
            }
        }
        if nameless.is_empty() {
            let round = self.round;
            let gone = self.members.extract_if(|_, member| member.round != round);
            difference.gone = gone.map(|(key, _)| key).collect();
            difference.gone.sort_unstable();
            // A mesh that was large once need not take its room for ever.
            self.members.shrink_to(2 * self.members.len());
            self.standing = Standing::Whole;
        } else {
            self.standing = Standing::Torn(nameless);
        }
        difference
    }

    fn identify(&self, resource: &Any) -> Option<ObjectKey> {
        resource::key(self.collection.kind, &resource::name(resource)?)
    }

    pub(super) fn is_whole(&self) -> bool {
        self.standing == Standing::Whole
    }

    pub(super) fn reading(&self, key: &ObjectKey) -> Option<&Reading> {
        self.members.get(key).map(|member| &member.reading)
    }

    /// What is there and unusable, and why, by key.
    pub(super) fn flawed(&self) -> impl Iterator<Item = (&ObjectKey, &str)> {
        let flaws = self.members.iter().filter_map(|(key, member)| {
            let flaw = member.reading.as_ref().err()?;
            Some((key, flaw.as_str()))
        });
        let mut flaws: Vec<_> = flaws.collect();
        flaws.sort_unstable();
        flaws.into_iter()
    }
}

impl Member {
    fn new<'a>(
        key: &ObjectKey,
        digest: u128,
        reading: Result<Object, String>,
        round: u64,
        known: impl Fn(&ObjectKey) -> Option<&'a Arc<Object>>,
    ) -> Self {
        let reading = reading.map(|object| match known(key) {
            Some(held) if **held == object => Arc::clone(held),
            _ => Arc::new(object),
        });
        Self {
            digest,
            reading,
            round,
        }
    }

    /// The key inside the object, if it could be read.
    fn own_key(&self) -> Option<ObjectKey> {
        let object = self.reading.as_ref().ok()?;
        Some(object.key.clone())
    }
}
