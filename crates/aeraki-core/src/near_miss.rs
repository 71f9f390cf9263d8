//! "Did you mean …": the known word nearest to one that nobody knows.

/// The candidate nearest to `word`, if one is near enough to be a slip of the finger.
///
/// Distance counts insertions, deletions, substitutions and swaps of neighbours, each as one and
/// blind to letter case. Near enough is a third of the word's length, and always one slip. The
/// first of equally near candidates wins. A word that is a candidate, letter by letter, has no
/// near miss; one that differs in letter case alone does, because field names heed case.
pub fn closest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    nearest(word, candidates, |word, candidate| {
        (word.to_owned(), candidate.to_owned())
    })
}

/// As [`closest`], of hosts: the labels that two hosts share at either end say nothing. Otherwise all services of one
/// namespace would be near each other, for the sake of `.svc.cluster.local`.
pub fn closest_host<'a>(
    host: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    nearest(host, candidates, |host, candidate| {
        let (mut one, mut other): (Vec<&str>, Vec<&str>) =
            (host.split('.').collect(), candidate.split('.').collect());
        while one.last().is_some_and(|label| other.last() == Some(label)) {
            one.pop();
            other.pop();
        }
        let shared = one.iter().zip(&other).take_while(|(a, b)| a == b).count();
        (one[shared..].join("."), other[shared..].join("."))
    })
}

/// The candidate that is nearest by those parts of the two that count.
fn nearest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
    what_counts: impl Fn(&str, &str) -> (String, String),
) -> Option<&'a str> {
    let mut best: Option<(usize, &'a str)> = None;
    for candidate in candidates {
        if candidate == word {
            return None;
        }
        let (one, other) = what_counts(word, candidate);
        let (one, other) = (fold(&one), fold(&other));
        let threshold = (one.len() / 3).max(1);
        let limit = best.map_or(threshold, |(distance, _)| {
            threshold.min(distance.saturating_sub(1))
        });
        // Keeps a hostile word of a megabyte cheap: the table is only built for similar lengths.
        if one.len().abs_diff(other.len()) > limit {
            continue;
        }
        let distance = distance(&one, &other);
        if distance <= limit && best.is_none_or(|(nearest, _)| distance < nearest) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

fn fold(word: &str) -> Vec<char> {
    word.chars().flat_map(char::to_lowercase).collect()
}

/// Optimal string alignment distance, with the three rows of the table that are still needed.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = vec![0; b.len() + 1];
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let substitution = above[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = substitution.min(above[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        before = std::mem::replace(&mut above, row);
    }
    above[b.len()]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    const PROTOCOLS: [&str; 5] = ["dubbo", "thrift", "kafka", "zookeeper", "redis"];

    #[rstest]
    #[case::deletion("dubo", "dubbo")]
    #[case::insertion("dubbbo", "dubbo")]
    #[case::substitution("rediz", "redis")]
    #[case::swap("thrfit", "thrift")]
    #[case::three_slips_in_a_long_word("zokeepr", "zookeeper")]
    #[case::letter_case("Kafak", "kafka")]
    #[case::only_letter_case("ZooKeeper", "zookeeper")]
    fn a_slip_finds_its_word(#[case] word: &str, #[case] meant: &str) {
        assert_eq!(closest(word, PROTOCOLS), Some(meant));
    }

    #[rstest]
    #[case::exact("dubbo")]
    #[case::far("mongo")]
    #[case::empty("")]
    #[case::two_slips_in_a_short_word("dobo")]
    #[case::much_longer("dubbodubbodubbo")]
    fn exact_and_far_words_have_no_near_miss(#[case] word: &str) {
        assert_eq!(closest(word, PROTOCOLS), None);
    }

    #[rstest]
    #[case::label_of_a_service(
        "chache.shop.svc.cluster.local",
        Some("cache.shop.svc.cluster.local")
    )]
    #[case::namespace("cache.shopp.svc.cluster.local", Some("cache.shop.svc.cluster.local"))]
    #[case::other_service("nosuch.shop.svc.cluster.local", None)]
    #[case::last_label("com.acme.orders.OrderServce", Some("com.acme.orders.OrderService"))]
    #[case::other_last_label("com.acme.orders.Billing", None)]
    #[case::first_label_is_missing("shop.svc.cluster.local", None)]
    #[case::letter_case("com.acme.orders.orderservice", Some("com.acme.orders.OrderService"))]
    fn hosts_are_compared_where_they_differ(#[case] host: &str, #[case] meant: Option<&str>) {
        let hosts = [
            "cache.shop.svc.cluster.local",
            "com.acme.orders.OrderService",
        ];
        assert_eq!(closest_host(host, hosts), meant);
    }

    #[test]
    fn an_exact_candidate_wins_over_an_earlier_near_one() {
        assert_eq!(closest("hosts", ["host", "hosts"]), None);
    }

    #[test]
    fn the_nearest_wins_and_then_the_first() {
        assert_eq!(
            closest("abcdef", ["abcdxx", "abcdex", "abcdey"]),
            Some("abcdex")
        );
        assert_eq!(closest("HOST", ["Host", "hosT"]), Some("Host"));
        assert_eq!(closest("a", []), None);
    }

    #[test]
    fn a_swap_counts_one_where_two_substitutions_would_be_too_many() {
        assert_eq!(distance(&fold("ab"), &fold("ba")), 1);
        assert_eq!(distance(&fold("ca"), &fold("abc")), 3);
        assert_eq!(distance(&fold(""), &fold("abc")), 3);
        assert_eq!(distance(&fold("kitten"), &fold("sitting")), 3);
    }

    proptest! {
        #[test]
        fn distance_is_symmetric_and_zero_only_for_equals(a in "[abc]{0,7}", b in "[abc]{0,7}") {
            let (x, y) = (fold(&a), fold(&b));
            prop_assert_eq!(distance(&x, &y), distance(&y, &x));
            prop_assert_eq!(distance(&x, &y) == 0, a == b);
            prop_assert!(distance(&x, &y) <= x.len().max(y.len()));
        }

        #[test]
        fn one_slip_is_always_found(word in "[a-z]{2,12}", at in any::<prop::sample::Index>()) {
            let mut slipped = word.clone();
            slipped.remove(at.index(word.len()));
            prop_assert_eq!(closest(&slipped, [word.as_str()]), Some(word.as_str()));
        }

        #[test]
        fn any_words_are_answered(word in any::<String>(), candidate in any::<String>()) {
            if let Some(found) = closest(&word, [candidate.as_str()]) {
                prop_assert_eq!(found, &candidate);
                prop_assert_ne!(found, &word);
            }
        }
    }
}
