//! What is to be done about one EnvoyFilter.

use std::fmt;
use std::sync::Arc;

use aeraki_core::Filter;
use aeraki_core::plan::Action;

use crate::filters::fingerprint;

/// What a write does to an EnvoyFilter, named as RBAC names it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Verb {
    /// It comes to be.
    Create,
    /// It says something else.
    Update,
    /// It goes.
    Delete,
}

impl Verb {
    /// The verb's name, for labels and sentences.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
        }
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What the planner wants of an EnvoyFilter.
#[derive(Clone, Debug)]
pub(super) enum Intent {
    /// It is to be there, and was not.
    Create(Arc<Filter>),
    /// It is to say this, and says something else.
    Update(Arc<Filter>),
    /// It is to go.
    Delete,
}

/// What a write leaves behind, in few bytes: a fingerprint of what is said, or that nothing is there.
pub(super) type Mark = Option<u64>;

impl Intent {
    /// The intent of an action; none if it is to leave the object alone.
    pub(super) fn of(action: Action) -> Option<Self> {
        match action {
            Action::Create(filter) => Some(Self::Create(filter)),
            Action::Update(filter) => Some(Self::Update(filter)),
            Action::Delete(_) => Some(Self::Delete),
            Action::Hold(..) | Action::Foreign(_) => None,
        }
    }

    /// What is wanted to be there, if anything.
    pub(super) fn wanted(&self) -> Option<&Arc<Filter>> {
        match self {
            Self::Create(filter) | Self::Update(filter) => Some(filter),
            Self::Delete => None,
        }
    }

    pub(super) fn is_deletion(&self) -> bool {
        matches!(self, Self::Delete)
    }

    /// Whether both would leave the same behind.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        match (self.wanted(), other.wanted()) {
            (Some(one), Some(two)) => Arc::ptr_eq(one, two) || one.content == two.content,
            (None, None) => true,
            _ => false,
        }
    }

    pub(super) fn mark(&self) -> Mark {
        self.wanted().map(|filter| fingerprint(&filter.content))
    }

    /// The verb that it most likely takes.
    pub(super) fn verb(&self) -> Verb {
        match self {
            Self::Create(_) => Verb::Create,
            Self::Update(_) => Verb::Update,
            Self::Delete => Verb::Delete,
        }
    }
}
