//! A hash table that grows without looking at its keys again.
//!
//! Keys are names that lie all over the memory. The standard tables ask each of them for its hash whenever they double,
//! which took two fifths of the time of filling an engine; here the hash stands beside the row. A row may carry its key
//! inside, so that it is kept once.

use std::hash::{BuildHasher, Hash};

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use rustc_hash::FxBuildHasher;

/// What is found by a key that it carries.
pub(crate) trait Keyed {
    /// The key.
    type Key: Eq + Hash;

    /// Its own, which never changes.
    fn key(&self) -> &Self::Key;
}

/// Rows by their keys, in no order.
#[derive(Clone, Debug)]
pub(crate) struct Table<T> {
    rows: HashTable<(u64, T)>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self {
            rows: HashTable::new(),
        }
    }
}

impl<T> Table<T> {
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.rows.iter().map(|(_, row)| row)
    }

    pub(crate) fn into_rows(self) -> impl Iterator<Item = T> {
        self.rows.into_iter().map(|(_, row)| row)
    }
}

impl<T: Keyed> Table<T> {
    pub(crate) fn get(&self, key: &T::Key) -> Option<&T> {
        let hash = hash(key);
        let found = self.rows.find(hash, |row| is(row, hash, key));
        found.map(|(_, row)| row)
    }

    pub(crate) fn get_mut(&mut self, key: &T::Key) -> Option<&mut T> {
        let hash = hash(key);
        let found = self.rows.find_mut(hash, |row| is(row, hash, key));
        found.map(|(_, row)| row)
    }

    /// Makes room for `more` rows, so that the table does not grow in steps.
    pub(crate) fn reserve(&mut self, more: usize) {
        self.rows.reserve(more, |(hash, _)| *hash);
    }

    pub(crate) fn contains(&self, key: &T::Key) -> bool {
        self.get(key).is_some()
    }

    /// The row of a key; `make` makes one with this key if there is none.
    pub(crate) fn get_or_insert_with(&mut self, key: &T::Key, make: impl FnOnce() -> T) -> &mut T {
        let hash = hash(key);
        let entry = self
            .rows
            .entry(hash, |row| is(row, hash, key), |(hash, _)| *hash);
        &mut entry.or_insert_with(|| (hash, make())).into_mut().1
    }

    /// Puts a row in the place of the one with its key.
    pub(crate) fn insert(&mut self, row: T) {
        let hash = hash(row.key());
        let same = |other: &(u64, T)| is(other, hash, row.key());
        match self.rows.entry(hash, same, |(hash, _)| *hash) {
            Entry::Occupied(mut there) => there.get_mut().1 = row,
            Entry::Vacant(place) => {
                place.insert((hash, row));
            }
        }
    }

    pub(crate) fn remove(&mut self, key: &T::Key) -> Option<T> {
        let hash = hash(key);
        let found = self.rows.find_entry(hash, |row| is(row, hash, key));
        found.ok().map(|row| row.remove().0.1)
    }
}

/// Whether a row is that of a key. Its key, which lies elsewhere, is only looked at if the hash is right.
fn is<T: Keyed>((its_hash, row): &(u64, T), hash: u64, key: &T::Key) -> bool {
    *its_hash == hash && row.key() == key
}

fn hash(key: &impl Hash) -> u64 {
    FxBuildHasher.hash_one(key)
}

/// A map.
impl<K: Eq + Hash, V> Keyed for (K, V) {
    type Key = K;

    fn key(&self) -> &K {
        &self.0
    }
}

/// A large row that stays where it is when its table grows.
impl<T: Keyed> Keyed for Box<T> {
    type Key = T::Key;

    fn key(&self) -> &T::Key {
        (**self).key()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::hash::Hasher;

    use proptest::prelude::*;

    use super::*;

    /// Many of them have one hash.
    #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
    struct Crowded(u8);

    impl Hash for Crowded {
        fn hash<H: Hasher>(&self, state: &mut H) {
            (self.0 % 3).hash(state);
        }
    }

    #[derive(Clone, Debug)]
    enum Step {
        Insert(u8),
        GetOrInsert(u8),
        Remove(u8),
    }

    fn step() -> impl Strategy<Value = Step> {
        let key = 0u8..24;
        prop_oneof![
            key.clone().prop_map(Step::Insert),
            key.clone().prop_map(Step::GetOrInsert),
            key.prop_map(Step::Remove),
        ]
    }

    proptest! {
        #[test]
        fn it_agrees_with_a_tree(steps in prop::collection::vec(step(), 0..64)) {
            let (mut table, mut tree) = (Table::default(), BTreeMap::new());
            for (turn, step) in steps.into_iter().enumerate() {
                match step {
                    Step::Insert(key) => {
                        table.insert((Crowded(key), turn));
                        tree.insert(Crowded(key), turn);
                    }
                    Step::GetOrInsert(key) => {
                        table.get_or_insert_with(&Crowded(key), || (Crowded(key), turn)).1 += 1;
                        *tree.entry(Crowded(key)).or_insert(turn) += 1;
                    }
                    Step::Remove(key) => {
                        let removed = table.remove(&Crowded(key)).map(|row| row.1);
                        prop_assert_eq!(removed, tree.remove(&Crowded(key)));
                    }
                }
                prop_assert_eq!(table.len(), tree.len());
                prop_assert_eq!(table.is_empty(), tree.is_empty());
                for key in (0..24).map(Crowded) {
                    prop_assert_eq!(table.get(&key).map(|row| &row.1), tree.get(&key));
                    prop_assert_eq!(table.contains(&key), tree.contains_key(&key));
                    prop_assert_eq!(table.get_mut(&key).is_some(), tree.contains_key(&key));
                }
            }
            prop_assert_eq!(table.iter().count(), tree.len());
            prop_assert_eq!(table.into_rows().collect::<BTreeMap<_, _>>(), tree);
        }
    }
}
