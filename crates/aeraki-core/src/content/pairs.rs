//! A few keys and values, such as labels, in two pieces of memory, which clones share.

use std::sync::Arc;

/// Keys with their values, sorted by key.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Pairs {
    /// All keys and values, one after the other.
    text: Arc<str>,
    /// Where each of them ends.
    ends: Arc<[u32]>,
}

impl Pairs {
    /// The value of a key.
    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        let mut pairs = self.iter();
        pairs.find(|(known, _)| *known == key).map(|found| found.1)
    }

    /// Keeps the memory of `other` where both say the same.
    pub(crate) fn share(&mut self, other: &Self) {
        if self == other {
            self.clone_from(other);
        }
    }

    /// All keys with their values.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
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
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn they_read_as_the_map_they_were_made_of(
            map in prop::collection::btree_map(".{0,4}", ".{0,4}", 0..5),
            asked in ".{0,1}",
        ) {
            let text = |(key, value): (&'_ String, &'_ String)| (key.clone(), value.clone());
            let pairs: Pairs = map.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
            let back: BTreeMap<String, String> =
                pairs.iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
            prop_assert!(pairs.iter().is_sorted());
            prop_assert_eq!(&back, &map.iter().map(text).collect());
            prop_assert_eq!(pairs.get(&asked), map.get(&asked).map(String::as_str));
        }
    }
}
