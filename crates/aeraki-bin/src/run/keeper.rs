//! Files → engine → plan → directory, once per look; and what the log says about it.
//!
//! The log tells what changed, not how things are: a diagnostic, a held file and a failure are told when they appear and
//! when they are gone, however many looks lie between.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use aeraki_core::diagnostic::{Diagnostic, Severity};
use aeraki_core::engine::Engine;
use aeraki_core::plan::{Action, Observed, is_ours, plan};
use aeraki_core::shrink::ShrinkGuard;
use aeraki_core::{FilterKey, SERVICE_ANNOTATION, reference};
use aeraki_file::{Files, Sink, Source, Written};
use anyhow::{Context as _, Result, bail};
use tracing::{debug, enabled, error, info, warn};

use crate::finding::{self, Finding};
use crate::input::plural;

/// Keeps a directory of EnvoyFilters right.
pub(super) struct Keeper {
    files: Files,
    engine: Engine,
    sink: Sink,
    guard: ShrinkGuard,
    /// The guard's marks are milliseconds since then.
    start: Instant,
    issues: BTreeMap<Diagnostic, String>,
    troubles: BTreeMap<String, String>,
}

impl Keeper {
    /// A keeper that has not looked yet.
    pub(super) fn new(files: Files, engine: Engine, sink: Sink, guard: ShrinkGuard) -> Self {
        Self {
            files,
            engine,
            sink,
            guard,
            start: Instant::now(),
            issues: BTreeMap::new(),
            troubles: BTreeMap::new(),
        }
    }

    /// The first look. A path that was named and is not there is more likely misspelt than late.
    pub(super) fn start(&mut self) -> Result<()> {
        self.sink
            .observe()
            .context("the output directory cannot be used")?;
        self.look(&BTreeSet::new());
        if let Some((path, reason)) = self.files.unlisted_root() {
            bail!("cannot read {}: {reason}", path.display());
        }
        let source = self.files.source();
        let (files, objects) = (source.files().count(), source.objects().count());
        info!(
            files,
            objects,
            filters = self.engine.filters().len(),
            "Output is up to date"
        );
        Ok(())
    }

    /// Looks what changed, `touched` files in any case, and makes the directory right again.
    pub(super) fn look(&mut self, touched: &BTreeSet<PathBuf>) {
        let update = self.files.refresh(touched);
        debug!(
            touched = touched.len(),
            events = update.events.len(),
            "Looked at the files"
        );
        for key in &update.kept {
            info!(object = key.to_string(), "Kept as it was last read");
        }
        for event in update.events {
            self.engine.apply(event);
        }
        self.engine.drain();
        self.report_issues();
        let troubles = self.write();
        self.report_troubles(troubles);
    }

    /// When it is worth a look though nothing has changed: when deletions that wait may be done.
    pub(super) fn due(&self) -> Option<Instant> {
        Some(self.start + Duration::from_millis(self.guard.due()?))
    }

    /// Whether everything could be read, made and written.
    pub(super) fn is_all_well(&self) -> bool {
        let is_read = self.files.complete_view().is_some() || self.files.awaits_first_file();
        is_read && self.engine.held().next().is_none() && self.troubles.is_empty()
    }

    /// Does what the plan says. Answers what could not be done, by what it is about.
    fn write(&mut self) -> BTreeMap<String, String> {
        let observed = match self.sink.observe() {
            Ok(observed) => observed,
            Err(error) => {
                // What was seen before says nothing about what is there by then.
                self.guard.forget();
                return [("output".to_owned(), sentence(&error))].into();
            }
        };
        let mut actions = plan(&self.engine, observed, self.files.complete_view().as_ref());
        let withheld = withhold(&mut actions, self.files.source());
        let ours = observed
            .iter()
            .filter(|(key, content)| is_ours(key, content))
            .count();
        let now = self.start.elapsed().as_millis() as u64;
        let waiting = hold_back(&mut actions, &mut self.guard, ours, now);
        let services = owners(&actions, observed);
        let Written { failures, .. } = self.sink.apply(&actions);
        let mut troubles: BTreeMap<String, String> = if self.files.awaits_first_file() {
            empty_config(&actions).into_iter().collect()
        } else {
            actions.iter().filter_map(held).collect()
        };
        troubles.extend(waiting);
        troubles.extend(withheld);
        let failed: BTreeMap<&FilterKey, String> = failures
            .iter()
            .map(|(key, error)| (key, sentence(error)))
            .collect();
        for (action, service) in actions.iter().zip(services) {
            log_action(action, &service, &failed);
        }
        troubles.extend(
            failed
                .into_iter()
                .map(|(key, error)| (key.to_string(), error)),
        );
        for (path, reason) in self.files.unlisted() {
            troubles.insert(
                path.display().to_string(),
                format!("it cannot be read: {reason}"),
            );
        }
        troubles
    }

    fn report_issues(&mut self) {
        let notes = enabled!(tracing::Level::DEBUG);
        let threshold = if notes {
            Severity::Info
        } else {
            Severity::Warning
        };
        let mut issues = BTreeMap::new();
        for finding in finding::all(self.files.source(), &self.engine, threshold) {
            let at = finding
                .place
                .as_ref()
                .map_or_else(String::new, |place| place.reference());
            if !self.issues.contains_key(&finding.diagnostic) {
                log_issue(&finding, &at);
            }
            issues.insert(finding.diagnostic, at);
        }
        for (gone, at) in &self.issues {
            if !issues.contains_key(gone) {
                let object = gone.object.to_string();
                info!(code = gone.code, object, at = at.as_str(), "Solved");
            }
        }
        self.issues = issues;
    }

    fn report_troubles(&mut self, troubles: BTreeMap<String, String>) {
        for (what, reason) in &troubles {
            if self.troubles.get(what) != Some(reason) {
                warn!(
                    what = what.as_str(),
                    reason = reason.as_str(),
                    "Left as it is"
                );
            }
        }
        for what in self
            .troubles
            .keys()
            .filter(|what| !troubles.contains_key(*what))
        {
            info!(what = what.as_str(), "No longer left as it is");
        }
        self.troubles = troubles;
    }
}

/// The service of each action, as its EnvoyFilter names it.
fn owners(actions: &[Action], observed: &Observed) -> Vec<String> {
    let there = |key: &FilterKey| {
        let service = observed.get(key)?.annotation(SERVICE_ANNOTATION)?;
        Some(service.to_owned())
    };
    let owner = |action: &Action| match action {
        Action::Create(filter) | Action::Update(filter) => reference(&filter.service),
        Action::Delete(key) | Action::Hold(key, _) | Action::Foreign(key) => {
            there(key).unwrap_or_default()
        }
    };
    actions.iter().map(owner).collect()
}

/// Takes out what would be made new without knowing all of it, and says why. What is there already the plan holds.
fn withhold(actions: &mut Vec<Action>, source: &Source) -> BTreeMap<String, String> {
    let mut withheld = BTreeMap::new();
    actions.retain(|action| {
        let Action::Create(filter) = action else {
            return true;
        };
        let Some(problem) = source.lost_about(filter.host.as_str()) else {
            return true;
        };
        let reason = format!(
            "{} could not be read and names {}, so what is wanted is not known",
            problem.origin(),
            filter.host
        );
        withheld.insert(filter.key.to_string(), reason);
        false
    });
    withheld
}

/// Takes those deletions out that must wait, and says so.
fn hold_back(
    actions: &mut Vec<Action>,
    guard: &mut ShrinkGuard,
    ours: usize,
    now: u64,
) -> Option<(String, String)> {
    let deletions: BTreeSet<FilterKey> = actions.iter().filter_map(deleted).cloned().collect();
    let waiting = guard.hold(&deletions, ours, now);
    actions.retain(|action| deleted(action).is_none_or(|key| !waiting.contains(key)));
    let reason = format!(
        "the config no longer wants {} of {ours} EnvoyFilters: they go if it is still so after {}",
        waiting.len(),
        plural(guard.wait() as usize / 1_000, "second"),
    );
    (!waiting.is_empty()).then(|| ("output".to_owned(), reason))
}

fn deleted(action: &Action) -> Option<&FilterKey> {
    match action {
        Action::Delete(key) => Some(key),
        Action::Create(_) | Action::Update(_) | Action::Hold(..) | Action::Foreign(_) => None,
    }
}

/// One word for everything that stays because there is no config file.
fn empty_config(actions: &[Action]) -> Option<(String, String)> {
    let held = actions.iter().filter_map(held).count();
    let reason = format!(
        "there is no config file, which may be a volume that is not mounted, so {} of earlier runs \
         stay until a file is there; to delete them, use --allow-empty",
        plural(held, "EnvoyFilter")
    );
    (held > 0).then(|| ("output".to_owned(), reason))
}

fn held(action: &Action) -> Option<(String, String)> {
    let Action::Hold(key, reason) = action else {
        return None;
    };
    Some((key.to_string(), reason.sentence().to_owned()))
}

fn log_action(action: &Action, service: &str, failed: &BTreeMap<&FilterKey, String>) {
    let (phrase, key) = match action {
        Action::Create(filter) => ("Created", &filter.key),
        Action::Update(filter) => ("Updated", &filter.key),
        Action::Delete(key) => ("Deleted", key),
        Action::Hold(..) | Action::Foreign(_) => return,
    };
    if !failed.contains_key(key) {
        info!(filter = key.to_string(), service, "{phrase}");
    }
}

fn log_issue(finding: &Finding, at: &str) {
    let Diagnostic {
        code,
        object,
        field,
        message,
        help,
        severity,
    } = &finding.diagnostic;
    let (object, field, message) = (object.to_string(), field.as_str(), message.as_str());
    let help = help.as_deref().unwrap_or_default();
    match severity {
        Severity::Error => error!(code, object, field, at, reason = message, help, "Issue"),
        Severity::Warning => warn!(code, object, field, at, reason = message, help, "Issue"),
        Severity::Info => debug!(code, object, field, at, reason = message, help, "Note"),
    }
}

/// The error with its causes.
fn sentence(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
