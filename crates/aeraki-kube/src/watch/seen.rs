//! All watched kinds together: how much of the config has been seen, and what is wrong with it.
//!
//! Pure. The view is complete once every kind has been listed. It stays so while a watch is merely broken, because what
//! was seen is still the best that is known; what a broken watch cannot tell is a problem, not a hole.

use std::collections::BTreeSet;

use aeraki_core::diagnostic::Diagnostic;
use aeraki_core::object::{ConfigEvent, Kind, ObjectKey};
use aeraki_core::source::{Complete, View};

use super::kind_state::{KindState, Step};
use crate::kinds::Identity;

/// What a kind's watch says.
#[derive(Clone, Debug)]
pub(super) enum Word {
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
    /// Complete looks at all kinds, one after the other.
    epoch: u64,
    /// The kinds that this look has come to an end with.
    anew: BTreeSet<usize>,
}

#[derive(Debug)]
struct Watched {
    kind: Kind,
    api_version: String,
    state: KindState,
    /// The look in which the list in progress began.
    began: u64,
    trouble: Option<Diagnostic>,
}

impl Seen {
    /// Nothing yet.
    pub(super) fn new(kinds: impl IntoIterator<Item = Kind>) -> Self {
        let watched = |kind| Watched {
            kind,
            api_version: String::new(),
            state: KindState::default(),
            began: 0,
            trouble: None,
        };
        Self {
            kinds: kinds.into_iter().map(watched).collect(),
            epoch: 0,
            anew: BTreeSet::new(),
        }
    }

    /// Takes in what the watch of the kind at `index` says; what follows for the core goes to `events`.
    pub(super) fn on(&mut self, index: usize, word: Word, events: &mut Vec<ConfigEvent>) {
        let epoch = self.epoch;
        let Some(watched) = self.kinds.get_mut(index) else {
            return;
        };
        let step = match word {
            Word::Step(step) => step,
            Word::Version(version) => return watched.api_version = version,
            Word::Trouble(trouble) => return watched.trouble = trouble,
        };
        let is_end = matches!(step, Step::Listed(_) | Step::Unserved);
        if matches!(step, Step::Begins) {
            watched.began = epoch;
        }
        let is_anew = is_end && watched.began == epoch;
        watched.state.on(step, events);
        if is_anew {
            self.finish(index);
        }
    }

    fn finish(&mut self, index: usize) {
        self.anew.insert(index);
        if self.anew.len() == self.kinds.len() {
            self.epoch += 1;
            self.anew.clear();
        }
    }

    /// How much of the config has been seen.
    pub(super) fn view(&self) -> View {
        if self.epoch == 0 {
            return View::Partial;
        }
        let unread = self.kinds.iter().flat_map(|w| w.state.unread()).cloned();
        View::Complete(Complete {
            epoch: self.epoch,
            unread: unread.collect(),
        })
    }

    /// Everything that is wrong by now.
    pub(super) fn problems(&self) -> Vec<Diagnostic> {
        let of_kinds = self.kinds.iter().filter_map(|w| w.trouble.as_ref());
        let of_objects = self.kinds.iter().flat_map(|w| w.state.problems());
        of_kinds.chain(of_objects).cloned().collect()
    }

    /// What is wrong with kinds as a whole.
    pub(super) fn troubles(&self) -> impl Iterator<Item = &Diagnostic> {
        self.kinds.iter().filter_map(|w| w.trouble.as_ref())
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
    use super::*;
    use crate::kinds::Revision;

    fn seen() -> Seen {
        Seen::new([Kind::SERVICE_ENTRY, Kind::VIRTUAL_SERVICE])
    }

    fn look(seen: &mut Seen, index: usize, steps: impl IntoIterator<Item = Step>) {
        for step in steps {
            seen.on(index, Word::Step(step), &mut Vec::new());
        }
    }

    const LIST: [Step; 2] = [Step::Begins, Step::Listed(Revision::UNKNOWN)];

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
        look(&mut seen, 1, [Step::Begins, Step::Unserved]);
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
        look(&mut seen, 0, [Step::Begins]);
        look(&mut seen, 1, LIST);
        look(&mut seen, 0, [Step::Listed(Revision::UNKNOWN)]);
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
    fn trouble_after_the_first_look_is_a_problem_and_no_hole() {
        use aeraki_core::diagnostic::catalogue;
        let mut seen = seen();
        look(&mut seen, 0, LIST);
        look(&mut seen, 1, LIST);
        let key = ObjectKey::new(Kind::SERVICE_ENTRY, "*", "*");
        let trouble = Diagnostic::new(&catalogue::UNLISTED_KIND, &key, "gone");
        seen.on(0, Word::Trouble(Some(trouble.clone())), &mut Vec::new());
        assert_eq!((epoch(&seen), seen.problems()), (1, vec![trouble]));
        seen.on(0, Word::Trouble(None), &mut Vec::new());
        assert_eq!(seen.problems(), []);
    }
}
