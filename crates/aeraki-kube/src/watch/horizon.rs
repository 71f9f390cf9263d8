//! How far the server's history has been told, so that a list from before is not taken for news.
//!
//! An API server that lags, or a proxy that replays, tells an old list once or twice. A store that was restored from a
//! backup tells of an older past for good, and then that is the truth.

use crate::kinds::Revision;

/// So many old lists in a row are taken for a server that lags.
const DOUBTS: u8 = 2;

/// The latest revision that the server has told of.
#[derive(Default, Debug)]
pub(crate) struct Horizon {
    newest: Revision,
    doubts: u8,
}

/// What a list is worth.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Admission {
    /// It goes as far as anything seen.
    Fresh,
    /// It is older: ask again.
    Stale,
    /// It is older, and stays so: history starts anew.
    Rewound,
}

impl Horizon {
    /// Judges a list by its revision.
    pub(crate) fn admit(&mut self, list: Revision) -> Admission {
        if !list.is_before(self.newest) {
            self.doubts = 0;
            self.newest = self.newest.max(list);
            return Admission::Fresh;
        }
        self.doubts += 1;
        if self.doubts <= DOUBTS {
            return Admission::Stale;
        }
        *self = Self {
            newest: list,
            doubts: 0,
        };
        Admission::Rewound
    }

    /// An event or a bookmark got this far.
    pub(crate) fn pass(&mut self, revision: Revision) {
        self.newest = self.newest.max(revision);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admissions(lists: &[&str]) -> Vec<Admission> {
        let mut horizon = Horizon::default();
        horizon.pass(Revision::of("100"));
        let admit = |text: &&str| horizon.admit(Revision::of(text));
        lists.iter().map(admit).collect()
    }

    #[test]
    fn a_list_that_goes_as_far_as_the_last_event_is_fresh() {
        let fresh = [Admission::Fresh; 2];
        assert_eq!(admissions(&["100", "101"]), fresh);
    }

    #[test]
    fn an_old_list_is_asked_for_again() {
        use Admission::{Fresh, Stale};
        assert_eq!(admissions(&["99", "99", "102"]), [Stale, Stale, Fresh]);
        assert_eq!(
            admissions(&["99", "102", "99", "99"]),
            [Stale, Fresh, Stale, Stale]
        );
    }

    #[test]
    fn a_server_that_stays_in_the_past_is_believed() {
        use Admission::{Fresh, Rewound, Stale};
        assert_eq!(
            admissions(&["7", "7", "8", "9"]),
            [Stale, Stale, Rewound, Fresh]
        );
    }

    #[test]
    fn revisions_that_are_no_numbers_are_always_fresh() {
        assert_eq!(admissions(&["x", "y"]), [Admission::Fresh; 2]);
    }
}
