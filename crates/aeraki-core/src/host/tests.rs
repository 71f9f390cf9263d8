use proptest::prelude::*;
use rstest::rstest;

use super::*;

#[rstest]
#[case::short_name("reviews", "reviews.shop.svc.cluster.local")]
#[case::short_name_in_upper_case("Reviews", "Reviews.shop.svc.cluster.local")]
#[case::address("10.0.0.1", "10.0.0.1")]
#[case::ipv6_address("2001:db8::7", "2001:db8::7")]
#[case::dotted("reviews.prod", "reviews.prod")]
#[case::complete("a.example.com", "a.example.com")]
#[case::star("*", "*")]
#[case::wildcard("*.example.com", "*.example.com")]
#[case::star_within_a_label("*-web", "*-web.shop.svc.cluster.local")]
#[case::empty("", "")]
fn a_name_without_a_dot_belongs_to_the_namespace_of_its_rule(
    #[case] name: &str,
    #[case] resolved: &str,
) {
    assert_eq!(
        Host::resolve(name, "shop", "cluster.local").as_str(),
        resolved
    );
}

/// Istio compares hosts with their case, and so names clusters.
#[test]
fn letter_case_tells_hosts_apart() {
    assert_ne!(Host::new("Demo.Example.COM"), Host::new("demo.example.com"));
    assert_eq!(
        Host::new("Demo.Example.COM").to_string(),
        "Demo.Example.COM"
    );
}

#[rstest]
#[case::same("foo.com", "foo.com", true)]
#[case::other("foo.com", "bar.com", false)]
#[case::exact_name_is_no_suffix("foo.com", "a.foo.com", false)]
#[case::exact_name_is_narrower_than_a_wildcard("a.foo.com", "*.foo.com", false)]
#[case::star_and_host("*", "foo.com", true)]
#[case::star_and_wildcard("*", "*.foo.com", true)]
#[case::star_and_star("*", "*", true)]
#[case::wildcard_and_child("*.foo.com", "a.foo.com", true)]
#[case::wildcard_and_grandchild("*.foo.com", "a.b.foo.com", true)]
#[case::wildcard_and_itself("*.foo.com", "*.foo.com", true)]
#[case::wildcard_and_narrower("*.foo.com", "*.b.foo.com", true)]
#[case::wildcard_and_wider("*.b.foo.com", "*.foo.com", false)]
#[case::wildcard_and_star("*.foo.com", "*", false)]
#[case::wildcard_and_its_parent("*.foo.com", "foo.com", false)]
#[case::wildcard_and_other_ending("*.foo.com", "a.xfoo.com", false)]
#[case::star_within_a_label("*foo.com", "barfoo.com", true)]
#[case::star_for_nothing("*foo.com", "foo.com", true)]
#[case::star_within_a_label_and_dot("*foo.com", "*.foo.com", true)]
#[case::two_stars("**a", "*a", false)]
fn coverage(#[case] pattern: &str, #[case] host: &str, #[case] covers: bool) {
    assert_eq!(Host::new(pattern).covers(&Host::new(host)), covers);
}

#[test]
fn exact_names_come_before_longer_wildcards_before_shorter() {
    let mut hosts = ["*", "*.com", "b.c", "*.foo.com", "*.bar.com", "a.foo.com"].map(Host::new);
    hosts.sort_by(Host::most_specific_first);
    let expected = ["a.foo.com", "b.c", "*.bar.com", "*.foo.com", "*.com", "*"];
    assert_eq!(hosts.each_ref().map(Host::as_str), expected);
}

#[rstest]
#[case::host("a.example.com", false)]
#[case::wildcard("*.example.com", false)]
#[case::unicode("дуббо.example.com", false)]
#[case::empty("", true)]
#[case::bar("a|b", true)]
#[case::newline("a\nb", true)]
#[case::nul("a\0b", true)]
#[case::space("a b", true)]
#[case::no_break_space("a\u{a0}b", true)]
#[case::delete("a\u{7f}", true)]
fn characters_that_would_break_a_cluster_name(#[case] host: &str, #[case] forbidden: bool) {
    assert_eq!(has_forbidden_characters(host), forbidden);
}

#[test]
fn an_index_answers_most_specific_first() {
    let mut index = HostIndex::default();
    for (position, name) in ["*", "*.com", "a.foo.com", "*.foo.com", "b.foo.com"]
        .iter()
        .enumerate()
    {
        index.insert(&Host::new(name), position);
    }
    index.insert(&Host::new("*.com"), 0);
    let host = Host::new("a.foo.com");
    let found: Vec<_> = index
        .covering(&host)
        .map(|(host, entry)| (host.as_str(), *entry))
        .collect();
    let expected = [
        ("a.foo.com", 2),
        ("*.foo.com", 3),
        ("*.com", 0),
        ("*.com", 1),
        ("*", 0),
    ];
    assert_eq!(found, expected);
}

#[test]
fn a_removed_entry_leaves_nothing_behind() {
    let mut index = HostIndex::default();
    let hosts = ["a.b", "*.b", "*"].map(Host::new);
    for host in &hosts {
        index.insert(host, 1);
        index.insert(host, 1);
        index.remove(host, &2);
    }
    for host in &hosts {
        assert_eq!(index.at(host).count(), 1);
        index.remove(host, &1);
        index.remove(host, &1);
        assert_eq!(index.at(host).count(), 0);
    }
    assert!(index.is_empty());
}

#[test]
fn a_suffix_within_a_letter_is_no_suffix() {
    let mut index = HostIndex::default();
    index.insert(&Host::new("*a"), 1);
    assert_eq!(index.covering(&Host::new("é")).count(), 0);
    index.insert(&Host::new("*é"), 2);
    assert_eq!(index.covering(&Host::new("xé")).count(), 1);
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        "\\*{0,2}[ab.]{0,4}",
        "(\\*|a|b)(\\.[ab]){0,3}",
        "\\*?[aé日]{0,3}",
        "[A-B.]{1,3}"
    ]
}

/// What a test does to the index and to the plain list beside it.
fn steps() -> impl Strategy<Value = Vec<(bool, String, u8)>> {
    prop::collection::vec((prop::bool::weighted(0.7), name(), 0u8..4), 0..60)
}

proptest! {
    #[test]
    fn the_index_agrees_with_a_scan_of_all_hosts(
        steps in steps(),
        asked in name(),
        first_asked in 0usize..60,
    ) {
        let mut index = HostIndex::default();
        let mut list: Vec<(Host, u8)> = Vec::new();
        for (at, (add, name, entry)) in steps.into_iter().enumerate() {
            if at == first_asked {
                // From here on the index keeps what a wildcard needs.
                index.covered_by(&Host::new("*")).count();
            }
            let host = Host::new(&name);
            list.retain(|filed| *filed != (host.clone(), entry));
            if add {
                index.insert(&host, entry);
                list.push((host, entry));
            } else {
                index.remove(&host, &entry);
            }
        }
        list.sort_by(|(a, x), (b, y)| a.most_specific_first(b).then(x.cmp(y)));
        let asked = Host::new(&asked);

        let covering: Vec<_> = index.covering(&asked).map(|(h, e)| (h.clone(), *e)).collect();
        let expected: Vec<_> = list.iter().filter(|(h, _)| h.covers(&asked)).cloned().collect();
        prop_assert_eq!(covering, expected);

        let mut covered: Vec<_> = index.covered_by(&asked).copied().collect();
        covered.sort_unstable();
        let mut expected: Vec<_> = list.iter().filter(|(h, _)| asked.covers(h)).map(|(_, e)| *e).collect();
        expected.sort_unstable();
        prop_assert_eq!(covered, expected);

        let at: Vec<_> = index.at(&asked).copied().collect();
        let expected: Vec<_> = list.iter().filter(|(h, _)| *h == asked).map(|(_, e)| *e).collect();
        prop_assert_eq!(at, expected);
        prop_assert_eq!(index.is_empty(), list.is_empty());
    }

    #[test]
    fn coverage_is_a_partial_order(a in name(), b in name(), c in name()) {
        let [a, b, c] = [a, b, c].map(|name| Host::new(&name));
        prop_assert!(a.covers(&a));
        prop_assert!(!(a.covers(&b) && b.covers(&c)) || a.covers(&c));
        prop_assert!(!(a.covers(&b) && b.covers(&a)) || a == b);
    }
}
