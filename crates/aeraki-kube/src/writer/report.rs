//! What the log says of writing: each trouble once, however many objects share it, and when it is over.

use std::collections::BTreeSet;

use aeraki_core::FilterKey;
use tracing::{debug, info, warn};

use super::failure::{Failure, Trouble};
use super::intent::Verb;
use super::queue::{Contest, Followup};

/// What mostly passes does not when so many objects share it.
const MANY: usize = 8;

/// The troubles that have been told of.
#[derive(Debug, Default)]
pub(super) struct Log {
    open: BTreeSet<Trouble>,
}

impl Log {
    /// A try failed, and this follows from it.
    pub(super) fn failed(
        &mut self,
        key: &FilterKey,
        verb: Verb,
        failure: &Failure,
        followup: &Followup,
    ) {
        let help = failure.help.as_deref().unwrap_or_default();
        let error = &failure.message;
        if self.is_news(failure.trouble(key, verb), followup) {
            let reason = failure.reason.name();
            warn!(%key, %verb, reason, error, help, "EnvoyFilter cannot be written");
        } else {
            debug!(%key, %verb, error, help, failures = followup.failures, "EnvoyFilter not written");
        }
    }

    /// Whether people should hear of it: not for the first failure of a sort that mostly passes, and only once.
    fn is_news(&mut self, trouble: Trouble, followup: &Followup) -> bool {
        let is_rare = followup.failures < 2 && followup.sharing < MANY;
        let may_pass = trouble.reason.is_passing() && is_rare;
        !may_pass && self.open.insert(trouble)
    }

    /// Somebody keeps changing an object back.
    pub(super) fn contested(&self, key: &FilterKey, contest: Contest) {
        let pause = contest.pause.as_secs();
        if contest.is_new {
            warn!(
                %key,
                "Somebody else keeps changing this EnvoyFilter back; it is repaired less and less often"
            );
        } else {
            debug!(%key, pause, "EnvoyFilter repaired once more");
        }
    }

    /// Says which troubles are over.
    pub(super) fn close(&mut self, is_there: impl Fn(&Trouble) -> bool) {
        self.open.retain(|trouble| {
            let stays = is_there(trouble);
            if !stays {
                info!(reason = %trouble, "EnvoyFilters can be written again");
            }
            stays
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::writer::failure::Reason;

    fn trouble(reason: Reason) -> Trouble {
        Trouble {
            reason,
            about: None,
        }
    }

    fn nth(failures: u32) -> Followup {
        Followup {
            failures,
            sharing: 1,
            ..Followup::default()
        }
    }

    #[test]
    fn a_trouble_is_told_once_until_it_is_over() {
        let mut log = Log::default();
        assert!(log.is_news(trouble(Reason::Forbidden), &nth(1)));
        assert!(
            !log.is_news(trouble(Reason::Forbidden), &nth(1)),
            "of another object"
        );
        assert!(log.is_news(trouble(Reason::NoKind), &nth(1)));
        log.close(|open| open.reason == Reason::NoKind);
        assert!(log.is_news(trouble(Reason::Forbidden), &nth(1)));
        assert!(!log.is_news(trouble(Reason::NoKind), &nth(2)));
    }

    #[test]
    fn what_mostly_passes_is_told_when_it_does_not() {
        let mut log = Log::default();
        assert!(!log.is_news(trouble(Reason::Unavailable), &nth(1)));
        assert!(log.is_news(trouble(Reason::Unavailable), &nth(2)));
        assert!(!log.is_news(trouble(Reason::Unavailable), &nth(3)));
    }

    #[test]
    fn what_mostly_passes_is_told_at_once_when_many_share_it() {
        let mut log = Log::default();
        let shared = |sharing| Followup { sharing, ..nth(1) };
        assert!(!log.is_news(trouble(Reason::Late), &shared(MANY - 1)));
        assert!(log.is_news(trouble(Reason::Late), &shared(MANY)));
        assert!(!log.is_news(trouble(Reason::Late), &shared(MANY + 1)));
    }
}
