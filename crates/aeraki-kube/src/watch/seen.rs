//! All watched kinds together: how much of the config has been seen, and what is wrong with it.
//!
//! Pure. The view is complete once every kind has been listed. It stays so while a watch is merely broken, because what
//! was seen is still the best that is known; what a broken watch cannot tell is a problem, not a hole. An optional kind
//! that cannot be read is a problem from the start.

use std::collections::BTreeSet;

use aeraki_core::diagnostic::Diagnostic;
use aeraki_core::object::{ConfigEvent, Kind, ObjectKey};
use aeraki_core::source::{Complete, View};

use super::kind_state::{KindState, Step};
use crate::kinds::{Identity, WantedKind};

/// What a kind's watch says.
#[derive(Clone, Debug)]
pub(super) enum Word {
    /// It is about to be listed, and this is the newest renewal that it knows of.
    Begins {
        /// The number of the renewal.
        renewal: u64,
    },
    /// Something about its objects.
    Step(Step),
    /// The version that the server serves.
    Version(String),
    /// It cannot be read, and why; or it can again.
    Trouble(Option<Diagnostic>),
}

/// All that has been seen.
#[derive(Debug)]
pub(super) struct Seen {
    kinds: Vec<Watched>,
    look: Look,
    /// The kinds that this look has come to an end with.
    anew: BTreeSet<usize>,
}

/// A look at all kinds. It begins when the one before is over, or anew when a renewal is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
struct Look {
    /// Complete looks before it.
    epoch: u64,
    /// The renewal that asked for it: what was listed before that does not count.
    renewal: u64,
}

#[derive(Debug)]
struct Watched {
    kind: Kind,
    is_optional: bool,
    api_version: String,
    state: KindState,
    /// The look in which the list in progress began.
    began: Look,
    trouble: Option<Diagnostic>,
}

impl Seen {
    /// Nothing yet.
    pub(super) fn new(wanted: &[WantedKind]) -> Self {
        let watched = |wanted: &WantedKind| Watched {
            kind: wanted.kind(),
            is_optional: wanted.is_optional(),
            api_version: String::new(),
            state: KindState::default(),
            began: Look::default(),
            trouble: None,
        };
        Self {
            kinds: wanted.iter().map(watched).collect(),
            look: Look::default(),
            anew: BTreeSet::new(),
        }
    }

    /// Takes in what the watch of the kind at `index` says; what follows for the core goes to `events`.
    pub(super) fn on(&mut self, index: usize, word: Word, events: &mut Vec<ConfigEvent>) {
        let look = self.look;
        let Some(watched) = self.kinds.get_mut(index) else {
            return;
        };
        let step = match word {
            Word::Begins { renewal } => {
                watched.began = Look { renewal, ..look };
                Step::Begins
            }
            Word::Step(step) => step,
            Word::Version(version) => return watched.api_version = version,
            Word::Trouble(trouble) => {
                let is_end = watched.is_optional && trouble.is_some() && watched.began == look;
                watched.trouble = trouble;
                if is_end {
                    self.finish(index);
                }
                return;
            }
        };
        let is_end = matches!(step, Step::Listed(_) | Step::Unserved);
        let is_anew = is_end && watched.began == look;
        watched.state.on(step, events);
        if is_anew {
            self.finish(index);
        }
    }

    fn finish(&mut self, index: usize) {
        self.anew.insert(index);
        if self.anew.len() == self.kinds.len() {
            self.look.epoch += 1;
            self.anew.clear();
        }
    }

    /// The look begins anew: only lists that know of this renewal count. Returns its number.
    pub(super) fn renew(&mut self) -> u64 {
        self.anew.clear();
        self.look.renewal += 1;
        self.look.renewal
    }

    /// How often all kinds have been seen, one complete look after the other.
    pub(super) fn epoch(&self) -> u64 {
        self.look.epoch
    }

    /// How much of the config has been seen.
    pub(super) fn view(&self) -> View {
        if self.look.epoch == 0 {
            return View::Partial;
        }
        let unread = self.kinds.iter().flat_map(|w| w.state.unread()).cloned();
        View::Complete(Complete {
            epoch: self.look.epoch,
            unread: unread.collect(),
        })
    }

    /// Everything that is wrong by now.
    pub(super) fn problems(&self) -> Vec<Diagnostic> {
        let of_kinds = self.kinds.iter().filter_map(|w| w.trouble.as_ref());
        let of_objects = self.kinds.iter().flat_map(|w| w.state.problems());
        of_kinds.chain(of_objects).cloned().collect()
    }

    /// Who the object is, if it is there.
    pub(super) fn identity(&self, key: &ObjectKey) -> Option<Identity> {
        let of_its_kind = self.kinds.iter().filter(|w| w.kind == key.kind);
        of_its_kind.into_iter().find_map(|watched| {
            let (uid, revision) = watched.state.identity(key)?;
            Some(Identity {
                api_version: watched.api_version.clone(),
                uid: uid.to_string(),
                resource_version: revision.to_string(),
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use aeraki_core::diagnostic::catalogue::UNLISTED_KIND;
    use rstest::rstest;

    use super::*;
    use crate::kinds::Revision;

    fn seen() -> Seen {
        let wanted = |kind| WantedKind::own(kind).unwrap();
        Seen::new(&[Kind::SERVICE_ENTRY, Kind::VIRTUAL_SERVICE].map(wanted))
    }

    /// Trouble with a kind that is not `seen`'s alone.
    fn trouble(kind: Kind) -> Diagnostic {
        Diagnostic::new(&UNLISTED_KIND, &ObjectKey::new(kind, "*", "*"), "gone")
    }

    fn look(seen: &mut Seen, index: usize, words: impl IntoIterator<Item = Word>) {
        for word in words {
            seen.on(index, word, &mut Vec::new());
        }
    }

    const BEGINS: Word = begins(0);
    const LISTED: Word = Word::Step(Step::Listed(Revision::UNKNOWN));
    const LIST: [Word; 2] = [BEGINS, LISTED];

    const fn begins(renewal: u64) -> Word {
        Word::Begins { renewal }
    }

    fn epoch(seen: &Seen) -> u64 {
        match seen.view() {
            View::Partial => 0,
            View::Complete(complete) => complete.epoch,
        }
    }

    #[test]
    fn the_view_is_partial_until_every_kind_is_listed() {
        let mut seen = seen();
        look(&mut seen, 0, LIST);
        look(&mut seen, 0, LIST);
        assert_eq!(seen.view(), View::Partial);
        look(&mut seen, 1, LIST);
        assert_eq!(epoch(&seen), 1);
    }

    #[test]
    fn a_kind_that_the_server_lacks_is_complete_and_empty() {
        let mut seen = seen();
        look(&mut seen, 0, LIST);
        look(&mut seen, 1, [BEGINS, Word::Step(Step::Unserved)]);
        assert_eq!(epoch(&seen), 1);
    }

    #[test]
    fn the_epoch_grows_when_every_kind_has_been_listed_anew() {
        let mut seen = seen();
        for (index, expected) in [(0, 0), (1, 1), (0, 1), (0, 1), (1, 2), (1, 2), (0, 3)] {
            look(&mut seen, index, LIST);
            assert_eq!(epoch(&seen), expected);
        }
    }

    #[test]
    fn a_list_that_began_before_the_last_look_was_over_is_no_second_look() {
        let mut seen = seen();
        look(&mut seen, 0, LIST);
        look(&mut seen, 0, [BEGINS]);
        look(&mut seen, 1, LIST);
        look(&mut seen, 0, [LISTED]);
        look(&mut seen, 1, LIST);
        assert_eq!(
            epoch(&seen),
            1,
            "the list of kind 0 began in the first look"
        );
        look(&mut seen, 0, LIST);
        assert_eq!(epoch(&seen), 2);
    }

    #[test]
    fn what_was_listed_before_a_renewal_does_not_count_after_it() {
        let mut seen = seen();
        look(&mut seen, 0, LIST);
        look(&mut seen, 1, LIST);
        look(&mut seen, 0, LIST);
        let renewal = seen.renew();
        look(&mut seen, 1, [begins(renewal), LISTED]);
        assert_eq!(epoch(&seen), 1, "kind 0 was listed before");
        look(&mut seen, 0, [begins(renewal), LISTED]);
        assert_eq!(epoch(&seen), 2);
    }

    #[rstest]
    #[case::its_beginning_was_heard_of(true)]
    #[case::its_beginning_was_still_on_the_way(false)]
    fn a_list_under_way_when_a_renewal_is_asked_for_does_not_count(#[case] is_heard: bool) {
        let mut seen = seen();
        if is_heard {
            look(&mut seen, 0, [BEGINS]);
        }
        let renewal = seen.renew();
        if !is_heard {
            look(&mut seen, 0, [BEGINS]);
        }
        look(&mut seen, 0, [LISTED]);
        look(&mut seen, 1, [begins(renewal), LISTED]);
        assert_eq!(seen.view(), View::Partial);
        look(&mut seen, 0, [begins(renewal), LISTED]);
        assert_eq!(epoch(&seen), 1);
    }

    #[test]
    fn trouble_after_the_first_look_is_a_problem_and_no_hole() {
        let mut seen = seen();
        look(&mut seen, 0, LIST);
        look(&mut seen, 1, LIST);
        let trouble = trouble(Kind::SERVICE_ENTRY);
        seen.on(0, Word::Trouble(Some(trouble.clone())), &mut Vec::new());
        assert_eq!((epoch(&seen), seen.problems()), (1, vec![trouble]));
        seen.on(0, Word::Trouble(None), &mut Vec::new());
        assert_eq!(seen.problems(), []);
    }

    #[test]
    fn an_optional_kind_that_cannot_be_read_is_a_problem_and_no_hole() {
        let needed = WantedKind::own(Kind::SERVICE_ENTRY).unwrap();
        let optional = WantedKind::own(Kind::SERVICE).unwrap().optional();
        let mut seen = Seen::new(&[needed, optional]);
        look(&mut seen, 0, LIST);
        assert_eq!(seen.view(), View::Partial, "it may still come");
        let trouble = trouble(Kind::SERVICE);
        let refused = [BEGINS, Word::Trouble(Some(trouble.clone()))];
        look(&mut seen, 1, refused.clone());
        assert_eq!((epoch(&seen), seen.problems()), (1, vec![trouble]));
        let renewal = seen.renew();
        look(&mut seen, 0, [begins(renewal), LISTED]);
        look(&mut seen, 1, refused);
        assert_eq!(epoch(&seen), 1, "it was tried before the renewal");
        look(&mut seen, 1, [begins(renewal), LISTED]);
        assert_eq!(epoch(&seen), 2);
    }
}
