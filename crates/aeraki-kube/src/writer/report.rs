//! What the log says of writing: each trouble once, however many objects share it, and when it is over.

use std::collections::BTreeSet;

use aeraki_core::FilterKey;
use tracing::{debug, info, warn};

use super::failure::{Failure, Trouble};
use super::intent::Verb;
use super::queue::Contest;

/// The troubles that have been told of.
#[derive(Debug, Default)]
pub(super) struct Log {
    open: BTreeSet<Trouble>,
}

impl Log {
    /// A try failed, the latest of so many in a row.
    pub(super) fn failed(&mut self, key: &FilterKey, verb: Verb, failure: &Failure, failures: u32) {
        let help = failure.help.as_deref().unwrap_or_default();
        let error = &failure.message;
        let is_fleeting = failure.reason.is_passing() && failures < 2;
        if is_fleeting || !self.open.insert(failure.trouble(key, verb)) {
            debug!(%key, %verb, error, help, failures, "EnvoyFilter not written");
        } else {
            let reason = failure.reason.name();
            warn!(%key, %verb, reason, error, help, "EnvoyFilter cannot be written");
        }
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
