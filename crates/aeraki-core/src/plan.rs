//! What to write: `plan(desired, observed)`, pure.
//!
//! The writer behind it may be the Kubernetes API or a directory. Three rules make it safe: nothing that is there is
//! deleted or changed unless the view of the config is complete (a rule that could not be read would be missing from a new
//! version); what a failed service owns is held; what is not ours by label and name is never touched.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::assemble::{Filter, FilterKey, MANAGER_LABEL, SOURCE_ANNOTATION, reference};
use crate::content::Content;
use crate::engine::Engine;
use crate::object::ObjectKey;

/// Proof that every kind of config has arrived whole, so that what is not there is gone and not just unseen.
///
/// Only a source can tell, so only a source should make one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CompleteView {
    /// Objects that are there but could not be read, as they stand in annotations.
    unread: BTreeSet<String>,
}

impl CompleteView {
    /// States that all of the config has been read.
    #[must_use]
    pub fn assert() -> Self {
        Self {
            unread: BTreeSet::new(),
        }
    }

    /// States that all of the config has been seen, and all of it read but these objects.
    #[must_use]
    pub fn except<'a>(unread: impl IntoIterator<Item = &'a ObjectKey>) -> Self {
        Self {
            unread: unread.into_iter().map(reference).collect(),
        }
    }

    /// Whether an unread object went into this content, or may have: objects of Go Aeraki do not say what did.
    fn lacks_source_of(&self, content: &Content) -> bool {
        if self.unread.is_empty() {
            return false;
        }
        match content.annotation(SOURCE_ANNOTATION) {
            Some(sources) => sources.split(',').any(|one| self.unread.contains(one)),
            None => true,
        }
    }
}

/// What is there.
pub type Observed = BTreeMap<FilterKey, Content>;

/// One thing to do.
#[derive(Clone, PartialEq, Debug)]
pub enum Action {
    /// Write an object that is not there.
    Create(Arc<Filter>),
    /// Write over one of ours that differs.
    Update(Arc<Filter>),
    /// Remove one of ours that is no longer wanted.
    Delete(FilterKey),
    /// Leave one of ours as it is that is not wanted, or not like this, and why.
    Hold(FilterKey, HoldReason),
    /// Leave a foreign object that has the name of one that is wanted.
    Foreign(FilterKey),
}

impl Action {
    /// The object that it is about.
    #[must_use]
    pub fn key(&self) -> &FilterKey {
        match self {
            Self::Create(filter) | Self::Update(filter) => &filter.key,
            Self::Delete(key) | Self::Hold(key, _) | Self::Foreign(key) => key,
        }
    }
}

/// Why an object stays as it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum HoldReason {
    /// Its service failed, so what is wanted is not known.
    ServiceFailed,
    /// Not all config has been seen.
    IncompleteView,
    /// An object that went into it is there and cannot be read.
    UnreadSource,
    /// Too many would go at once: see [`ShrinkGuard`](crate::shrink::ShrinkGuard).
    Shrink,
}

impl HoldReason {
    /// A name for programs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ServiceFailed => "service_failed",
            Self::IncompleteView => "incomplete_view",
            Self::UnreadSource => "unread_source",
            Self::Shrink => "shrink",
        }
    }

    /// Why, in words: a sentence without a full stop.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::ServiceFailed => "its service failed, so what is wanted is not known",
            Self::IncompleteView => "not all config could be read, so what is wanted is not known",
            Self::UnreadSource => "an object that it was made from is there and cannot be read",
            Self::Shrink => "too many EnvoyFilters would go at once",
        }
    }
}

/// What to do so that `observed` becomes what `engine` wants; in the order in which to do it: creations, updates, then
/// deletions.
#[must_use]
pub fn plan(engine: &Engine, observed: &Observed, view: Option<&CompleteView>) -> Vec<Action> {
    let (mut creates, mut updates, mut rest) = (Vec::new(), Vec::new(), Vec::new());
    let unwanted = observed
        .keys()
        .filter(|key| !engine.filters().contains_key(*key));
    for key in engine.filters().keys().chain(unwanted) {
        match action(engine, key, observed.get(key), view) {
            Some(create @ Action::Create(_)) => creates.push(create),
            Some(update @ Action::Update(_)) => updates.push(update),
            other => rest.extend(other),
        }
    }
    creates.into_iter().chain(updates).chain(rest).collect()
}

/// What to do about one object; nothing if it is as it should be.
#[must_use]
pub fn action(
    engine: &Engine,
    key: &FilterKey,
    there: Option<&Content>,
    view: Option<&CompleteView>,
) -> Option<Action> {
    match (engine.filters().get(key), there) {
        (None, None) => None,
        (Some(wanted), None) => Some(Action::Create(Arc::clone(wanted))),
        (Some(wanted), Some(there)) => replace(wanted, there, view),
        (None, Some(there)) => is_ours(key, there).then(|| match hold(engine, key, there, view) {
            Some(reason) => Action::Hold(key.clone(), reason),
            None => Action::Delete(key.clone()),
        }),
    }
}

fn replace(wanted: &Arc<Filter>, there: &Content, view: Option<&CompleteView>) -> Option<Action> {
    let key = &wanted.key;
    if !is_ours(key, there) {
        return Some(Action::Foreign(key.clone()));
    }
    if !there.differs_from(&wanted.content) {
        return None;
    }
    Some(match view {
        None => Action::Hold(key.clone(), HoldReason::IncompleteView),
        Some(view) if view.lacks_source_of(there) => {
            Action::Hold(key.clone(), HoldReason::UnreadSource)
        }
        Some(_) => Action::Update(Arc::clone(wanted)),
    })
}

/// Why an object that is not wanted stays, if it does.
fn hold(
    engine: &Engine,
    key: &FilterKey,
    there: &Content,
    view: Option<&CompleteView>,
) -> Option<HoldReason> {
    if engine.holds(key, there) {
        return Some(HoldReason::ServiceFailed);
    }
    match view {
        None => Some(HoldReason::IncompleteView),
        Some(view) => view
            .lacks_source_of(there)
            .then_some(HoldReason::UnreadSource),
    }
}

/// Ours by label and by the form of the name.
#[must_use]
pub fn is_ours(key: &FilterKey, content: &Content) -> bool {
    let (label, value) = MANAGER_LABEL;
    content.label(label) == Some(value)
        && ["aeraki-outbound-", "aeraki-inbound-"]
            .iter()
            .any(|form| key.name.starts_with(form))
}
