//! What to write: `plan(desired, observed)`, pure.
//!
//! The writer behind it may be the Kubernetes API or a directory. Three rules make it safe: nothing that is there is
//! deleted or changed unless the view of the config is complete (a rule that could not be read would be missing from a new
//! version); what a failed service owns is held; what is not ours by label is never touched.

use std::collections::BTreeMap;
use std::sync::Arc;

use aeraki_api::Cr;
use aeraki_api::networking::EnvoyFilter;

use crate::assemble::{Filter, FilterKey, MANAGER_LABEL};
use crate::engine::Engine;

/// Proof that every kind of config has arrived whole, so that what is not there is gone and not just unseen.
///
/// Only a source can tell, so only a source should make one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CompleteView(());

impl CompleteView {
    /// States that all of the config has been read.
    #[must_use]
    pub fn assert() -> Self {
        Self(())
    }
}

/// What is there.
pub type Observed = BTreeMap<FilterKey, Cr<EnvoyFilter>>;

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

/// Why an object stays as it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HoldReason {
    /// Its service failed, so what is wanted is not known.
    ServiceFailed,
    /// Not all config has been read.
    IncompleteView,
}

/// What to do so that `observed` becomes what `engine` wants; in the order in which to do it: creations, updates, then
/// deletions.
#[must_use]
pub fn plan(engine: &Engine, observed: &Observed, view: Option<CompleteView>) -> Vec<Action> {
    let (mut creates, mut updates, mut rest) = (Vec::new(), Vec::new(), Vec::new());
    for (key, wanted) in engine.filters() {
        match observed.get(key) {
            None => creates.push(Action::Create(Arc::clone(wanted))),
            Some(there) if !is_ours(there) => rest.push(Action::Foreign(key.clone())),
            Some(there) if !differs(there, &wanted.object) => {}
            Some(_) if view.is_none() => {
                rest.push(Action::Hold(key.clone(), HoldReason::IncompleteView));
            }
            Some(_) => updates.push(Action::Update(Arc::clone(wanted))),
        }
    }
    for (key, there) in observed.iter().filter(|(_, there)| is_ours(there)) {
        if !engine.filters().contains_key(key) {
            rest.push(remove(engine, key, there, view));
        }
    }
    creates.into_iter().chain(updates).chain(rest).collect()
}

fn remove(
    engine: &Engine,
    key: &FilterKey,
    there: &Cr<EnvoyFilter>,
    view: Option<CompleteView>,
) -> Action {
    if engine.holds(key, there) {
        Action::Hold(key.clone(), HoldReason::ServiceFailed)
    } else if view.is_none() {
        Action::Hold(key.clone(), HoldReason::IncompleteView)
    } else {
        Action::Delete(key.clone())
    }
}

/// Ours by label and by the form of the name.
#[must_use]
pub fn is_ours(object: &Cr<EnvoyFilter>) -> bool {
    let (label, value) = MANAGER_LABEL;
    object
        .metadata
        .labels
        .get(label)
        .is_some_and(|v| v == value)
        && ["aeraki-outbound-", "aeraki-inbound-"]
            .iter()
            .any(|form| object.metadata.name.starts_with(form))
}

/// Whether what is there must be written over. Foreign labels and annotations do not count.
fn differs(there: &Cr<EnvoyFilter>, wanted: &Cr<EnvoyFilter>) -> bool {
    let lacks = |have: &BTreeMap<String, String>, want: &BTreeMap<String, String>| {
        want.iter().any(|(key, value)| have.get(key) != Some(value))
    };
    there.spec != wanted.spec
        || lacks(&there.metadata.labels, &wanted.metadata.labels)
        || lacks(&there.metadata.annotations, &wanted.metadata.annotations)
}
