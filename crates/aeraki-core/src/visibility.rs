//! `exportTo`: the namespaces that may see an object.

use std::collections::BTreeSet;
use std::sync::Arc;

/// The set of client namespaces an object is visible in.
///
/// Istio's rule: an empty `exportTo` means `*`; `.` is the object's own namespace; `~` is nowhere.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Visibility {
    /// Every namespace of the mesh.
    Everywhere,
    /// Exactly these namespaces; none when empty.
    Namespaces(BTreeSet<Arc<str>>),
}

impl Visibility {
    /// Reads an `exportTo` list of an object that lives in `own` namespace.
    pub fn from_export_to<'a>(
        export_to: impl IntoIterator<Item = &'a str>,
        own: &Arc<str>,
    ) -> Self {
        let mut namespaces = BTreeSet::new();
        let mut empty = true;
        for entry in export_to {
            empty = false;
            match entry.trim() {
                "*" => return Self::Everywhere,
                "." => {
                    namespaces.insert(Arc::clone(own));
                }
                named if !is_entry(named) => {}
                "~" => {}
                named => {
                    namespaces.insert(Arc::from(named));
                }
            }
        }
        if empty {
            Self::Everywhere
        } else {
            Self::Namespaces(namespaces)
        }
    }

    /// Whether a client in `namespace` sees the object.
    #[must_use]
    pub fn includes(&self, namespace: &str) -> bool {
        match self {
            Self::Everywhere => true,
            Self::Namespaces(set) => set.contains(namespace),
        }
    }

    /// Whether any client sees both.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Namespaces(a), Self::Namespaces(b)) => !a.is_disjoint(b),
            (Self::Namespaces(a), Self::Everywhere) | (Self::Everywhere, Self::Namespaces(a)) => {
                !a.is_empty()
            }
            (Self::Everywhere, Self::Everywhere) => true,
        }
    }
}

/// Whether Istio knows what an entry of `exportTo` means: `*`, `.`, `~` or a namespace.
#[must_use]
pub fn is_entry(entry: &str) -> bool {
    matches!(entry.trim(), "*" | "." | "~") || crate::names::is_rfc1123_label(entry.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn visibility(list: &[&str]) -> Visibility {
        Visibility::from_export_to(list.iter().copied(), &Arc::from("own"))
    }

    #[test]
    fn empty_means_everywhere_and_tilde_means_nowhere() {
        assert_eq!(visibility(&[]), Visibility::Everywhere);
        assert!(!visibility(&["~"]).includes("own"));
        assert!(!visibility(&["~"]).overlaps(&Visibility::Everywhere));
    }

    #[test]
    fn dot_is_the_own_namespace() {
        let both = visibility(&[".", "shop"]);
        assert!(both.includes("own") && both.includes("shop") && !both.includes("other"));
        assert!(both.overlaps(&visibility(&["shop"])));
        assert!(!both.overlaps(&visibility(&["other"])));
    }
}
