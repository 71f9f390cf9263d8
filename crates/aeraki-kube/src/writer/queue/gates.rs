//! Who waits for whom: keys behind a gate wait until every key before it has passed.
//!
//! A batch has one gate, with its creations and updates before it and its deletions behind it. A write that would meet an
//! old EnvoyFilter on a listener has one of its own, with that one's deletion before it. Nothing before a gate of the
//! second sort is ever behind one, so nobody waits in a circle.

use std::collections::{BTreeMap, BTreeSet};

use aeraki_core::FilterKey;

/// All gates that are closed.
#[derive(Debug, Default)]
pub(super) struct Gates {
    closed: BTreeMap<u64, Gate>,
    before: BTreeMap<FilterKey, BTreeSet<u64>>,
    behind: BTreeMap<FilterKey, BTreeSet<u64>>,
    built: u64,
}

#[derive(Debug)]
struct Gate {
    before: BTreeSet<FilterKey>,
    behind: BTreeSet<FilterKey>,
}

impl Gates {
    /// Builds a gate; none if nobody is before it or behind it.
    pub(super) fn build(&mut self, before: BTreeSet<FilterKey>, behind: BTreeSet<FilterKey>) {
        if before.is_empty() || behind.is_empty() {
            return;
        }
        self.built += 1;
        let gate = self.built;
        for key in &before {
            self.before.entry(key.clone()).or_default().insert(gate);
        }
        for key in &behind {
            self.behind.entry(key.clone()).or_default().insert(gate);
        }
        self.closed.insert(gate, Gate { before, behind });
    }

    /// Whether it has to wait.
    pub(super) fn is_behind(&self, key: &FilterKey) -> bool {
        self.behind.contains_key(key)
    }

    /// Nobody waits for it any more; returns who need not wait at all now.
    pub(super) fn pass(&mut self, key: &FilterKey) -> Vec<FilterKey> {
        let mut freed = Vec::new();
        for number in self.before.remove(key).unwrap_or_default() {
            let Some(gate) = self.closed.get_mut(&number) else {
                continue;
            };
            gate.before.remove(key);
            if gate.before.is_empty() {
                freed.extend(self.open(number));
            }
        }
        freed
    }

    /// It does not wait any more.
    pub(super) fn leave(&mut self, key: &FilterKey) {
        for number in self.behind.remove(key).unwrap_or_default() {
            let Some(gate) = self.closed.get_mut(&number) else {
                continue;
            };
            gate.behind.remove(key);
            if gate.behind.is_empty() {
                self.open(number);
            }
        }
    }

    /// Opens a gate; returns those behind it that are behind no other.
    fn open(&mut self, number: u64) -> Vec<FilterKey> {
        let Some(gate) = self.closed.remove(&number) else {
            return Vec::new();
        };
        for key in &gate.before {
            forget(&mut self.before, key, number);
        }
        let is_free = |key: &FilterKey| forget(&mut self.behind, key, number);
        gate.behind.into_iter().filter(is_free).collect()
    }
}

/// Takes a gate from a key's gates; whether none is left.
fn forget(gates: &mut BTreeMap<FilterKey, BTreeSet<u64>>, key: &FilterKey, number: u64) -> bool {
    let Some(numbers) = gates.get_mut(key) else {
        return false;
    };
    numbers.remove(&number);
    let is_last = numbers.is_empty();
    if is_last {
        gates.remove(key);
    }
    is_last
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys<const N: usize>(names: [&str; N]) -> BTreeSet<FilterKey> {
        names.map(key).into()
    }

    fn key(name: &str) -> FilterKey {
        FilterKey {
            namespace: "shop".into(),
            name: name.into(),
        }
    }

    #[test]
    fn who_is_behind_two_gates_waits_for_both() {
        let mut gates = Gates::default();
        gates.build(keys(["a", "b"]), keys(["x"]));
        gates.build(keys(["c"]), keys(["x", "y"]));
        assert_eq!(gates.pass(&key("a")), []);
        assert_eq!(gates.pass(&key("c")), [key("y")]);
        assert_eq!(gates.pass(&key("b")), [key("x")]);
        assert!(!gates.is_behind(&key("x")));
    }

    #[test]
    fn a_gate_with_nobody_behind_it_is_forgotten() {
        let mut gates = Gates::default();
        gates.build(keys([]), keys(["x"]));
        gates.build(keys(["a"]), keys([]));
        assert!(!gates.is_behind(&key("x")));
        gates.build(keys(["a"]), keys(["x"]));
        gates.leave(&key("x"));
        assert!(gates.closed.is_empty() && gates.before.is_empty() && gates.behind.is_empty());
        assert_eq!(gates.pass(&key("a")), []);
    }
}
