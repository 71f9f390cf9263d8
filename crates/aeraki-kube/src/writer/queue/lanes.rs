//! Keys whose turn may come: in order of arrival, and small batches before large ones.

use std::collections::BTreeMap;

use aeraki_core::FilterKey;

/// Of so many turns in a row at most all but one go to small batches, so that a large one gets on.
const TURNS: u8 = 4;

/// Where a key stands.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Lane {
    /// Of a batch that is soon done.
    Small,
    /// Of a backfill.
    Large,
}

/// Both lanes. Tickets are numbers that grow.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    small: BTreeMap<u64, FilterKey>,
    large: BTreeMap<u64, FilterKey>,
    turn: u8,
}

impl Lanes {
    pub(super) fn is_empty(&self) -> bool {
        self.small.is_empty() && self.large.is_empty()
    }

    pub(super) fn enter(&mut self, lane: Lane, ticket: u64, key: FilterKey) {
        self.of(lane).insert(ticket, key);
    }

    pub(super) fn leave(&mut self, lane: Lane, ticket: u64) {
        self.of(lane).remove(&ticket);
    }

    /// Whose turn it is.
    pub(super) fn next(&mut self) -> Option<FilterKey> {
        self.turn = (self.turn + 1) % TURNS;
        let (first, second) = if self.turn == 0 {
            (&mut self.large, &mut self.small)
        } else {
            (&mut self.small, &mut self.large)
        };
        let next = first.pop_first().or_else(|| second.pop_first());
        next.map(|(_, key)| key)
    }

    fn of(&mut self, lane: Lane) -> &mut BTreeMap<u64, FilterKey> {
        match lane {
            Lane::Small => &mut self.small,
            Lane::Large => &mut self.large,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> FilterKey {
        FilterKey {
            namespace: "shop".into(),
            name: name.into(),
        }
    }

    #[test]
    fn a_small_batch_overtakes_a_large_one_and_does_not_stop_it() {
        let mut lanes = Lanes::default();
        for ticket in 0..3 {
            lanes.enter(Lane::Large, ticket, key(&format!("large{ticket}")));
        }
        for ticket in 3..9 {
            lanes.enter(Lane::Small, ticket, key(&format!("small{ticket}")));
        }
        let turns = std::iter::from_fn(|| lanes.next());
        let names: Vec<String> = turns.map(|key| key.name.to_string()).collect();
        assert_eq!(
            names,
            [
                "small3", "small4", "small5", "large0", "small6", "small7", "small8", "large1",
                "large2"
            ]
        );
        assert!(lanes.is_empty());
    }
}
