//! What a source tells: what changed, and how much of the config it has seen.
//!
//! The sources of a cluster (istiod, the API server) speak in these words; the controller reads them all alike. A source
//! reports an object as deleted only when the whole set of its kind arrived without it on the current connection.

use std::collections::BTreeSet;

use crate::diagnostic::Diagnostic;
use crate::object::{ConfigEvent, ObjectKey};

/// One step of a source.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SourceUpdate {
    /// What changed, in order.
    pub events: Vec<ConfigEvent>,
    /// How much has been seen by now.
    pub view: View,
    /// Everything that is wrong by now, not only what is new.
    pub problems: Vec<Diagnostic>,
}

/// How much of its config a source has seen on its current connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum View {
    /// Not all of it.
    #[default]
    Partial,
    /// All of it.
    Complete(Complete),
}

/// A complete view.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Complete {
    /// Counts the connections (for the API server: the lists) that have come to a complete view.
    pub epoch: u64,
    /// Objects that are there but have never been readable.
    pub unread: BTreeSet<ObjectKey>,
}
