//! "Did you mean …": the known word nearest to one that nobody knows.

/// The candidate nearest to `word`, if one is near enough to be a slip of the finger.
///
/// Distance counts insertions, deletions, substitutions and swaps of neighbours, each as one and
/// blind to letter case. Near enough is a third of the word's length, and always one slip. The
/// first of equally near candidates wins. A word that is a candidate, letter by letter, has no
/// near miss; one that differs in letter case alone does, because field names heed case.
pub fn closest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let folded = fold(word);
    let threshold = (folded.len() / 3).max(1);
    let mut best: Option<(usize, &'a str)> = None;
    for candidate in candidates {
        if candidate == word {
            return None;
        }
        let limit = best.map_or(threshold, |(distance, _)| distance.saturating_sub(1));
        let other = fold(candidate);
        // Keeps a hostile word of a megabyte cheap: the table is only built for similar lengths.
        if folded.len().abs_diff(other.len()) > limit {
            continue;
        }
        let distance = distance(&folded, &other);
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
