//! Which objects cannot be written just now, and which troubles that makes: many objects may share one.

use std::collections::BTreeMap;

use aeraki_core::FilterKey;

use crate::writer::failure::Trouble;

/// Objects whose last try failed.
#[derive(Debug, Default)]
pub(super) struct Failing {
    by_key: BTreeMap<FilterKey, Trouble>,
    troubles: BTreeMap<Trouble, usize>,
}

impl Failing {
    pub(super) fn len(&self) -> usize {
        self.by_key.len()
    }

    pub(super) fn has(&self, trouble: &Trouble) -> bool {
        self.sharing(trouble) > 0
    }

    /// How many objects are in this trouble.
    pub(super) fn sharing(&self, trouble: &Trouble) -> usize {
        self.troubles.get(trouble).copied().unwrap_or(0)
    }

    pub(super) fn insert(&mut self, key: &FilterKey, trouble: Trouble) {
        self.remove(key);
        *self.troubles.entry(trouble.clone()).or_default() += 1;
        self.by_key.insert(key.clone(), trouble);
    }

    pub(super) fn remove(&mut self, key: &FilterKey) {
        let Some(trouble) = self.by_key.remove(key) else {
            return;
        };
        if let Some(count) = self.troubles.get_mut(&trouble) {
            *count -= 1;
            if *count == 0 {
                self.troubles.remove(&trouble);
            }
        }
    }
}
