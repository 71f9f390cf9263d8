//! In which order Istio applies EnvoyFilters; the first one that replaces a filter wins, the others do nothing.

use aeraki_api::Timestamp;

/// An EnvoyFilter's place in Istio's order: the smallest goes first.
///
/// Lower priority first, then the root namespace, then the older, then the smaller name. Only filters that reach the same
/// proxy can be compared: those of the root namespace, and those of the proxy's own.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Rank {
    priority: i32,
    scope: Scope,
    created: Option<Timestamp>,
    /// `<name>.<namespace>`, as Istio compares it.
    name: String,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Scope {
    Root,
    Namespace,
}

impl Rank {
    /// The rank of an EnvoyFilter.
    #[must_use]
    pub fn new(
        priority: i32,
        is_in_root: bool,
        created: Option<Timestamp>,
        namespace: &str,
        name: &str,
    ) -> Self {
        Self {
            priority,
            scope: if is_in_root {
                Scope::Root
            } else {
                Scope::Namespace
            },
            created,
            name: format!("{name}.{namespace}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn rank(priority: i32, root: bool, second: i64, name: &str) -> Rank {
        let namespace = if root { "istio-system" } else { "shop" };
        let created = Some(Timestamp::from_secs(second));
        Rank::new(priority, root, created, namespace, name)
    }

    #[rstest]
    #[case::lower_priority(rank(-1, false, 9, "z"), rank(0, true, 1, "a"))]
    #[case::root_namespace(rank(0, true, 9, "z"), rank(0, false, 1, "a"))]
    #[case::older(rank(0, true, 1, "z"), rank(0, true, 9, "a"))]
    #[case::smaller_name(rank(0, true, 1, "a"), rank(0, true, 1, "z"))]
    fn the_first_goes_first(#[case] first: Rank, #[case] second: Rank) {
        assert!(first < second);
    }

    #[test]
    fn the_name_is_compared_with_its_namespace_after_it() {
        let created = Some(Timestamp::from_secs(1));
        let with_dash = Rank::new(0, false, created, "shop", "a-b");
        let with_dot = Rank::new(0, false, created, "shop", "a");
        assert!(with_dash < with_dot, "`a-b.shop` < `a.shop`");
    }
}
