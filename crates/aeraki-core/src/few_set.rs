//! A sorted set that mostly has one member.
//!
//! A mesh has an index entry for each host, listener and chain, and nearly all of them name one object. The one member
//! stands in the set itself; only a second one makes it a tree.

use std::collections::BTreeSet;
use std::hash::Hash;
use std::ops::Bound;

use rustc_hash::FxHashMap;

/// A sorted set, without an allocation for its first member.
#[derive(Clone, Debug, Default)]
pub(crate) enum FewSet<T> {
    #[default]
    Empty,
    One(T),
    #[expect(
        clippy::box_collection,
        reason = "so that the set is no larger than the one member it mostly has"
    )]
    Many(Box<BTreeSet<T>>),
}

impl<T: Ord> FewSet<T> {
    pub(crate) fn is_empty(&self) -> bool {
        matches!(self, Self::Empty)
    }

    /// Adds `value`; adding it again changes nothing.
    pub(crate) fn insert(&mut self, value: T) {
        *self = match std::mem::take(self) {
            Self::Empty => Self::One(value),
            Self::One(only) if only == value => Self::One(only),
            Self::One(only) => Self::Many(Box::new([only, value].into())),
            Self::Many(mut all) => {
                all.insert(value);
                Self::Many(all)
            }
        };
    }

    /// Takes `value` out; one that is not there is no mistake.
    pub(crate) fn remove(&mut self, value: &T) {
        match self {
            Self::One(only) if *only == *value => *self = Self::Empty,
            Self::Empty | Self::One(_) => {}
            Self::Many(all) => {
                all.remove(value);
                if all.len() == 1
                    && let Some(last) = all.pop_first()
                {
                    *self = Self::One(last);
                }
            }
        }
    }

    pub(crate) fn first(&self) -> Option<&T> {
        match self {
            Self::Empty => None,
            Self::One(only) => Some(only),
            Self::Many(all) => all.first(),
        }
    }

    /// All members, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.range(Bound::Unbounded, Bound::Unbounded)
    }

    /// The members before `value`, in order.
    pub(crate) fn before<'a>(&'a self, value: &'a T) -> impl Iterator<Item = &'a T> {
        self.range(Bound::Unbounded, Bound::Excluded(value))
    }

    /// The members after `value`, in order.
    pub(crate) fn after<'a>(&'a self, value: &'a T) -> impl Iterator<Item = &'a T> {
        self.range(Bound::Excluded(value), Bound::Unbounded)
    }

    fn range<'a>(&'a self, from: Bound<&'a T>, to: Bound<&'a T>) -> impl Iterator<Item = &'a T> {
        use std::ops::RangeBounds;
        let (one, many) = match self {
            Self::Empty => (None, None),
            Self::One(only) => (Some(only).filter(|only| (from, to).contains(*only)), None),
            Self::Many(all) => (None, Some(all.range((from, to)))),
        };
        one.into_iter().chain(many.into_iter().flatten())
    }
}

/// Takes a value out of a set of a map, and the set with it if nothing is left.
pub(crate) fn remove_from<K: Eq + Hash, V: Ord>(
    map: &mut FxHashMap<K, FewSet<V>>,
    key: &K,
    value: &V,
) {
    if let Some(values) = map.get_mut(key) {
        values.remove(value);
        if values.is_empty() {
            map.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_agrees_with_a_tree(
            steps in prop::collection::vec((any::<bool>(), 0u8..6), 0..24),
            asked in 0u8..6,
        ) {
            let (mut few, mut tree) = (FewSet::default(), BTreeSet::new());
            for (add, value) in steps {
                if add {
                    few.insert(value);
                    tree.insert(value);
                } else {
                    few.remove(&value);
                    tree.remove(&value);
                }
                prop_assert!(few.iter().eq(&tree));
                prop_assert!(few.before(&asked).eq(tree.range(..asked)));
                prop_assert!(few.after(&asked).eq(tree.range(asked + 1..)));
                prop_assert_eq!(few.first(), tree.first());
                prop_assert_eq!(few.is_empty(), tree.is_empty());
                prop_assert_eq!(matches!(few, FewSet::Many(_)), tree.len() > 1);
            }
        }
    }
}
