//! What people are told: Events about objects, conditions on our own kinds, and the log of what appeared and what is
//! solved.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aeraki_api::Timestamp;
use aeraki_core::diagnostic::{Diagnostic, Severity};
use aeraki_core::object::{Object, ObjectKey};
use aeraki_kube::{Notices, StatusWriter, Verdict};
use tokio::sync::watch;
use tracing::{error, info, warn};

/// What there is to say by now.
#[derive(Clone, Debug, Default)]
pub(super) struct Feedback {
    /// Everything that is to be said of objects.
    pub(super) diagnostics: Arc<BTreeSet<Diagnostic>>,
    /// The objects that have conditions, and what these should say.
    pub(super) verdicts: Arc<Vec<(Arc<Object>, Verdict)>>,
}

/// Logs what appeared and what is solved, however often all of it is told.
#[derive(Debug, Default)]
pub(super) struct Journal {
    told: BTreeSet<Diagnostic>,
}

impl Journal {
    /// Takes the newest word.
    pub(super) fn tell(&mut self, all: &BTreeSet<Diagnostic>, notices: &Notices) {
        let is_told = |one: &&Diagnostic| one.severity >= Severity::Warning;
        let now: BTreeSet<Diagnostic> = all.iter().filter(is_told).cloned().collect();
        for new in now.difference(&self.told) {
            let (code, object) = (new.code, new.object.to_string());
            let field = Some(new.field.as_str()).filter(|field| !field.is_empty());
            let help = notices.help(new);
            if new.severity == Severity::Error {
                error!(code, object, field, help, "{}", new.message);
            } else {
                warn!(code, object, field, help, "{}", new.message);
            }
        }
        for gone in self.told.difference(&now) {
            let (code, object) = (gone.code, gone.object.to_string());
            let field = Some(gone.field.as_str()).filter(|field| !field.is_empty());
            info!(code, object, field, "Solved");
        }
        self.told = now;
    }
}

/// After a condition could not be written.
const PAUSE: Duration = Duration::from_secs(5);

/// Keeps conditions as they should be, as long as this process leads. Ends when nothing more can come.
pub(super) async fn conditions(
    mut writer: StatusWriter,
    mut feedback: watch::Receiver<Feedback>,
    mut leads: watch::Receiver<bool>,
) {
    let mut is_failing = false;
    loop {
        let is_leading = *leads.borrow_and_update();
        let verdicts = Arc::clone(&feedback.borrow_and_update().verdicts);
        let mut failure = None;
        let there: BTreeSet<ObjectKey> = verdicts
            .iter()
            .map(|(object, _)| object.key.clone())
            .collect();
        writer.retain(&there);
        if is_leading {
            for (object, verdict) in verdicts.iter() {
                if let Err(error) = writer.write(object, verdict, now()).await {
                    failure = Some((object.key.to_string(), error.to_string()));
                }
            }
        }
        if let Some((object, error)) = failure.as_ref().filter(|_| !is_failing) {
            warn!(
                object,
                error,
                "Conditions cannot be written; trying again. It takes get and update on the kind's status"
            );
        }
        is_failing = failure.is_some();
        tokio::select! {
            changed = feedback.changed() => if changed.is_err() { return },
            Ok(()) = leads.changed() => {}
            () = tokio::time::sleep(PAUSE), if is_failing => {}
        }
    }
}

/// The time, for people to read.
fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let seconds = since.map_or(0, |since| since.as_secs());
    Timestamp::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX))
}
