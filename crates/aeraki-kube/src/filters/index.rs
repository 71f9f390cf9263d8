//! All EnvoyFilters of the cluster, by what lists, watches and our own writes say of them. No I/O, no clock.
//!
//! Words arrive late, twice and in the wrong order; the newer revision wins. An object that we saw deleted does not come
//! back through a word from before. A list takes away only what it is new enough to speak of.

use std::collections::{BTreeMap, BTreeSet};

use aeraki_core::{Content, FilterKey};

use super::live::{Decoded, Glance, Live};
use super::order::Rank;
use super::rival::Rival;
use crate::kinds::{Revision, Uid};

/// What changed since it was asked last.
#[derive(Debug, Default, PartialEq)]
pub struct Changes {
    /// What an EnvoyFilter says now, or that it is gone. A foreign one says nothing: its name is taken, no more.
    pub changed: BTreeMap<FilterKey, Option<Content>>,
    /// Whether all EnvoyFilters of the cluster have been seen at some time: before that, nothing may be written.
    pub is_whole: bool,
    /// Whether a foreign EnvoyFilter that patches listeners came, went or changed.
    pub rivals_changed: bool,
}

impl Changes {
    fn is_empty(&self) -> bool {
        self.changed.is_empty() && !self.rivals_changed
    }
}

/// All EnvoyFilters that are there.
#[derive(Debug, Default)]
pub(crate) struct Index {
    root_namespace: String,
    there: BTreeMap<FilterKey, Live>,
    /// Those of them that are foreign and patch listeners: few, as a rule, however many are ours.
    rivals: BTreeSet<FilterKey>,
    /// Objects that are known to be deleted, until a list that began later has ended.
    gone: BTreeMap<FilterKey, Gone>,
    /// The list under way: which one, and what it has shown so far.
    list: Option<BTreeSet<FilterKey>>,
    lists: u64,
    is_rewound: bool,
    changes: Changes,
    /// Whether the wholeness has been told.
    told_whole: bool,
}

#[derive(Debug)]
struct Gone {
    uid: Uid,
    during: u64,
}

impl Index {
    pub(crate) fn new(root_namespace: impl Into<String>) -> Self {
        Self {
            root_namespace: root_namespace.into(),
            ..Self::default()
        }
    }

    pub(crate) fn get(&self, key: &FilterKey) -> Option<&Live> {
        self.there.get(key)
    }

    /// A list begins. If history itself was set back (a restored backup), its words count whatever their revisions are.
    pub(crate) fn begin_list(&mut self, is_rewound: bool) {
        self.list = Some(BTreeSet::new());
        self.lists += 1;
        self.is_rewound = is_rewound;
        if is_rewound {
            self.gone.clear();
        }
    }

    /// The list shows an object of this name.
    pub(crate) fn listed(&mut self, key: &FilterKey) {
        if let Some(list) = &mut self.list {
            list.insert(key.clone());
        }
    }

    /// Whether this state of an object tells nothing: a later one is known, or the object's end.
    pub(crate) fn is_old(&self, state: &Glance) -> bool {
        self.outdates(&state.key, state.uid, state.revision)
    }

    fn outdates(&self, key: &FilterKey, uid: Uid, revision: Revision) -> bool {
        let is_gone = self.gone.get(key).is_some_and(|gone| gone.uid == uid);
        let there = self.there.get(key).filter(|_| !self.is_rewound);
        is_gone || there.is_some_and(|live| revision.is_by(live.revision))
    }

    /// The list has ended: what it did not show is gone, unless it came after.
    pub(crate) fn end_list(&mut self, at: Revision) {
        let Some(shown) = self.list.take() else {
            return;
        };
        let is_rewound = std::mem::take(&mut self.is_rewound);
        let is_missing = |(key, live): &(&FilterKey, &Live)| {
            !shown.contains(*key) && (is_rewound || !at.is_before(live.revision))
        };
        let missing = self.there.iter().filter(is_missing);
        let missing: Vec<FilterKey> = missing.map(|(key, _)| key.clone()).collect();
        for key in missing {
            self.take_out(&key);
        }
        let lists = self.lists;
        self.gone.retain(|_, gone| gone.during == lists);
        self.changes.is_whole = true;
    }

    /// An object is like this: from a watch, or the answer to a write or a look of our own.
    pub(crate) fn put(&mut self, object: Decoded) {
        let Decoded { key, live, content } = object;
        if self.outdates(&key, live.uid, live.revision) {
            return;
        }
        let before = self.there.get(&key);
        let is_same = before.is_some_and(|before| before.says_the_same_as(&live));
        let was_rival = self.note_rival(&key, is_rival(&live));
        if !is_same {
            self.changes.rivals_changed |= was_rival || is_rival(&live);
            self.changes.changed.insert(key.clone(), Some(content));
        }
        self.there.insert(key, live);
    }

    /// Notes whether this is a rival now; returns whether it was one.
    fn note_rival(&mut self, key: &FilterKey, is_rival: bool) -> bool {
        if is_rival {
            !self.rivals.insert(key.clone())
        } else {
            self.rivals.remove(key)
        }
    }

    /// The watch says that an object is gone; its revision is that of its end.
    pub(crate) fn deleted(&mut self, last: &Glance) {
        let is_known = |live: &Live| !last.revision.is_before(live.revision);
        if self.get(&last.key).is_some_and(is_known) {
            self.take_out(&last.key);
        }
        self.bury(&last.key, last.uid);
    }

    /// We know that the object of this uid is gone: we deleted it, or it was not there when we looked.
    pub(crate) fn vanished(&mut self, key: &FilterKey, uid: Uid) {
        if self.get(key).is_some_and(|live| live.uid == uid) {
            self.take_out(key);
        }
        self.bury(key, uid);
    }

    fn bury(&mut self, key: &FilterKey, uid: Uid) {
        let during = self.lists;
        self.gone.insert(key.clone(), Gone { uid, during });
    }

    fn take_out(&mut self, key: &FilterKey) {
        if self.there.remove(key).is_some() {
            self.changes.rivals_changed |= self.note_rival(key, false);
            self.changes.changed.insert(key.clone(), None);
        }
    }

    /// What changed since the last time, if anything did.
    pub(crate) fn take_changes(&mut self) -> Option<Changes> {
        let is_news = self.changes.is_whole && !self.told_whole;
        if self.changes.is_empty() && !is_news {
            return None;
        }
        self.told_whole = self.changes.is_whole;
        let rest = Changes {
            is_whole: self.changes.is_whole,
            ..Changes::default()
        };
        Some(std::mem::replace(&mut self.changes, rest))
    }

    /// Whether any foreign EnvoyFilter patches listeners at all.
    pub(crate) fn has_rivals(&self) -> bool {
        !self.rivals.is_empty()
    }

    /// The foreign EnvoyFilters that patch a listener which an EnvoyFilter of ours patches, and go before it.
    pub(crate) fn rivals(&self, key: &FilterKey) -> Vec<Rival> {
        let Some(ours) = self.there.get(key) else {
            return Vec::new();
        };
        let our_rank = self.rank(key, ours);
        let reaching = self.rivals.iter().filter(|other| self.meet(key, other));
        reaching
            .filter_map(|other| {
                let live = self.there.get(other)?;
                let rank = self.rank(other, live);
                let wins = rank < our_rank;
                let rival = Rival::of(other, &live.touches, &ours.touches)?;
                wins.then_some(rival)
            })
            .collect()
    }

    /// Whether there is a proxy that both can reach.
    pub(crate) fn meet(&self, one: &FilterKey, two: &FilterKey) -> bool {
        one.namespace == two.namespace || self.is_root(one) || self.is_root(two)
    }

    fn is_root(&self, key: &FilterKey) -> bool {
        *key.namespace == *self.root_namespace
    }

    fn rank(&self, key: &FilterKey, live: &Live) -> Rank {
        let (namespace, name) = (&key.namespace, &key.name);
        Rank::new(
            live.priority,
            self.is_root(key),
            live.created,
            namespace,
            name,
        )
    }
}

fn is_rival(live: &Live) -> bool {
    !live.is_ours && !live.touches.is_empty()
}

#[cfg(test)]
mod tests;
