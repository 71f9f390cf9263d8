//! Labels and annotations: a few keys and values in two pieces of memory, which clones share.
//!
//! A tree of one pair takes half a kilobyte, and a mesh has ten thousands of objects with a label or two.

use std::collections::BTreeMap;
use std::sync::Arc;

/// Keys with their values, sorted by key.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Pairs {
    /// All keys and values, one after the other.
    text: Arc<str>,
    /// Where each of them ends.
    ends: Arc<[u32]>,
}

impl Pairs {
    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        let mut pairs = self.iter();
        pairs.find(|(known, _)| *known == key).map(|found| found.1)
    }

    /// Keeps the memory of `other` where both say the same.
    pub(crate) fn share(&mut self, other: &Self) {
        if self == other {
            self.clone_from(other);
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// All keys, sorted.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.iter().map(|(key, _)| key)
    }

    /// All keys with their values, sorted by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut start = 0;
        self.ends.chunks_exact(2).map(move |ends| {
            let (key_end, end) = (ends[0] as usize, ends[1] as usize);
            let pair = (&self.text[start..key_end], &self.text[key_end..end]);
            start = end;
            pair
        })
    }
}

impl Pairs {
    fn of_sorted(pairs: &[(&str, &str)]) -> Self {
        let lengths = pairs.iter().map(|(key, value)| key.len() + value.len());
        let mut text = String::with_capacity(lengths.sum());
        let mut ends = Vec::with_capacity(pairs.len() * 2);
        for piece in pairs.iter().flat_map(|(key, value)| [key, value]) {
            text.push_str(piece);
            let end = u32::try_from(text.len());
            ends.push(end.expect("the API server takes no 4 GiB of metadata"));
        }
        Self {
            text: text.into(),
            ends: ends.into(),
        }
    }
}

impl From<&BTreeMap<String, String>> for Pairs {
    fn from(map: &BTreeMap<String, String>) -> Self {
        map.iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
            .collect()
    }
}

impl<'a> FromIterator<(&'a str, &'a str)> for Pairs {
    fn from_iter<I: IntoIterator<Item = (&'a str, &'a str)>>(pairs: I) -> Self {
        let mut pairs: Vec<_> = pairs.into_iter().collect();
        pairs.sort_by_key(|(key, _)| *key);
        Self::of_sorted(&pairs)
    }
}

impl<'a, const N: usize> From<[(&'a str, &'a str); N]> for Pairs {
    fn from(mut pairs: [(&'a str, &'a str); N]) -> Self {
        pairs.sort_by_key(|(key, _)| *key);
        Self::of_sorted(&pairs)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn they_read_as_the_map_they_were_made_of(
            map in prop::collection::btree_map(".{0,4}", ".{0,4}", 0..5),
            asked in ".{0,1}",
        ) {
            let text = |(key, value): (&'_ String, &'_ String)| (key.clone(), value.clone());
            let pairs = Pairs::from(&map);
            let back: BTreeMap<String, String> =
                pairs.iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
            prop_assert!(pairs.iter().is_sorted());
            prop_assert_eq!(&back, &map.iter().map(text).collect());
            prop_assert_eq!(pairs.get(&asked), map.get(&asked).map(String::as_str));
        }
    }
}
