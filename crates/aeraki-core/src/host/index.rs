//! The index from hosts to entries, at a cost that does not grow with the number of hosts.
//!
//! Upwards (who covers this host?) an exact name is one hash lookup and wildcards are one lookup
//! per *length* of wildcard in use, of which a mesh has a handful. Downwards (whom does this
//! pattern cover?) names are kept sorted from their last letter, where a wildcard is a range; but
//! only once somebody has asked for a wildcard, since most meshes have none.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};
use std::ops::Bound;
use std::sync::OnceLock;

use rustc_hash::FxHashMap;

use super::Host;
use crate::few_set::FewSet;
use crate::table::Table;

/// Entries filed under hosts and wildcards, found from above and from below.
#[derive(Clone, Debug)]
pub struct HostIndex<T> {
    exact: Table<(Host, FewSet<T>)>,
    /// By the length of what follows the star.
    wildcards: BTreeMap<usize, FxHashMap<Wildcard, FewSet<T>>>,
    /// All names of the two; made when it is first asked for, and kept from then on.
    backwards: OnceLock<BTreeSet<Backwards>>,
}

impl<T> Default for HostIndex<T> {
    fn default() -> Self {
        Self {
            exact: Table::default(),
            wildcards: BTreeMap::new(),
            backwards: OnceLock::new(),
        }
    }
}

impl<T: Ord> HostIndex<T> {
    /// Files `entry` under `host`; filing it again changes nothing.
    pub fn insert(&mut self, host: &Host, entry: T) {
        let entries = if host.is_wildcard() {
            let same_length = self.wildcards.entry(host.fixed().len()).or_default();
            same_length.entry(Wildcard(host.clone())).or_default()
        } else {
            let make = || (host.clone(), FewSet::default());
            &mut self.exact.get_or_insert_with(host, make).1
        };
        if entries.is_empty()
            && let Some(backwards) = self.backwards.get_mut()
        {
            backwards.insert(Backwards(host.clone()));
        }
        entries.insert(entry);
    }

    /// Takes `entry` away from `host`; an entry that is not there is no mistake.
    pub fn remove(&mut self, host: &Host, entry: &T) {
        let Some(entries) = self.entries_mut(host) else {
            return;
        };
        entries.remove(entry);
        if entries.is_empty() {
            self.forget(host);
        }
    }

    /// Whether nothing is filed at all.
    pub fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.wildcards.is_empty()
    }

    /// The entries filed under exactly `host`, in order.
    pub fn at(&self, host: &Host) -> impl Iterator<Item = &T> {
        self.entries(host).into_iter().flat_map(FewSet::iter)
    }

    /// Every entry whose pattern covers `host`, with that pattern: most specific first, entries of
    /// one pattern in order.
    pub fn covering<'a, 'h>(
        &'a self,
        host: &'h Host,
    ) -> impl Iterator<Item = (&'a Host, &'a T)> + use<'a, 'h, T> {
        let exact = self.exact.get(host).map(|(host, entries)| (host, entries));
        let fixed = host.fixed();
        let wildcards = self.wildcards.range(..=fixed.len()).rev();
        let wildcards = wildcards.filter_map(move |(length, same_length)| {
            let suffix = fixed.as_bytes().get(fixed.len() - length..)?;
            same_length
                .get_key_value(suffix)
                .map(|(pattern, entries)| (&pattern.0, entries))
        });
        let patterns = exact.into_iter().chain(wildcards);
        patterns.flat_map(|(pattern, entries)| entries.iter().map(move |entry| (pattern, entry)))
    }

    /// Every entry whose host or wildcard is covered by `pattern`. An entry that is filed under
    /// several of them comes several times.
    pub fn covered_by<'a>(&'a self, pattern: &'a Host) -> impl Iterator<Item = &'a T> {
        let itself = if pattern.is_wildcard() {
            None
        } else {
            self.exact.get(pattern).map(|(_, entries)| entries)
        };
        let covered = pattern
            .is_wildcard()
            .then(|| self.ending_in(pattern.fixed()));
        let covered = covered.into_iter().flatten();
        // The star of a name is part of it here, so `**a` would find `*a`, which it does not cover.
        let covered = covered.filter(|host| pattern.covers(host));
        let covered = covered.filter_map(|host| self.entries(host));
        itself.into_iter().chain(covered).flat_map(FewSet::iter)
    }

    fn ending_in<'a>(&'a self, suffix: &'a str) -> impl Iterator<Item = &'a Host> {
        let start = Backwards(Host::new(suffix));
        let from_start = self
            .backwards()
            .range((Bound::Included(start), Bound::Unbounded));
        let names = from_start.map(|name| &name.0);
        names.take_while(move |name| name.as_str().ends_with(suffix))
    }

    fn backwards(&self) -> &BTreeSet<Backwards> {
        self.backwards.get_or_init(|| {
            let wildcards = self.wildcards.values().flat_map(FxHashMap::keys);
            let wildcards = wildcards.map(|wildcard| &wildcard.0);
            let names = self.exact.iter().map(|(host, _)| host).chain(wildcards);
            names.cloned().map(Backwards).collect()
        })
    }

    fn entries(&self, host: &Host) -> Option<&FewSet<T>> {
        if host.is_wildcard() {
            let fixed = host.fixed();
            self.wildcards.get(&fixed.len())?.get(fixed.as_bytes())
        } else {
            self.exact.get(host).map(|(_, entries)| entries)
        }
    }

    fn entries_mut(&mut self, host: &Host) -> Option<&mut FewSet<T>> {
        if host.is_wildcard() {
            let fixed = host.fixed();
            self.wildcards
                .get_mut(&fixed.len())?
                .get_mut(fixed.as_bytes())
        } else {
            self.exact.get_mut(host).map(|(_, entries)| entries)
        }
    }

    fn forget(&mut self, host: &Host) {
        if let Some(backwards) = self.backwards.get_mut() {
            backwards.remove(&Backwards(host.clone()));
        }
        self.exact.remove(host);
        let fixed = host.fixed();
        if host.is_wildcard()
            && let Some(same_length) = self.wildcards.get_mut(&fixed.len())
        {
            same_length.remove(fixed.as_bytes());
            if same_length.is_empty() {
                self.wildcards.remove(&fixed.len());
            }
        }
    }
}

/// A wildcard that is looked up by what follows its star. As bytes: a suffix may start within a
/// letter of some other host, where it finds nothing instead of panicking.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Wildcard(Host);

impl Borrow<[u8]> for Wildcard {
    fn borrow(&self) -> &[u8] {
        self.0.fixed().as_bytes()
    }
}

impl Hash for Wildcard {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.fixed().as_bytes().hash(state);
    }
}

/// A name that sorts from its last letter, so that names with one ending stand together.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Backwards(Host);

impl Ord for Backwards {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0
            .as_str()
            .bytes()
            .rev()
            .cmp(other.0.as_str().bytes().rev())
    }
}

impl PartialOrd for Backwards {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
