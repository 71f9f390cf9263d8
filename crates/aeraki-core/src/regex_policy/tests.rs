use std::collections::BTreeSet;

use proptest::prelude::*;
use rstest::rstest;

use super::*;

const CORPUS: &str = include_str!("../../tests/corpus/regex.txt");

#[test]
fn the_policy_agrees_with_its_corpus() {
    let mut seen = BTreeSet::new();
    for line in CORPUS.lines() {
        let (verdict, pattern) = line
            .split_once('\t')
            .expect("a verdict, a tab and a pattern");
        match (verdict, check(pattern)) {
            ("accept", Ok(())) | ("reject", Err(_)) => {}
            (_, answer) => panic!("{line}: {answer:?}"),
        }
        assert!(seen.insert(pattern), "{pattern} stands twice");
    }
    for verdict in ["accept", "reject"] {
        let lines = CORPUS
            .lines()
            .filter(|line| line.starts_with(verdict))
            .count();
        assert!(lines >= 50, "only {lines} lines to {verdict}");
    }
}

#[rstest]
#[case::empty("", RegexRejection::Empty)]
#[case::look_ahead("(?!a)", RegexRejection::LookAround)]
#[case::back_reference(r"(a)\1", RegexRejection::Backreference)]
#[case::octal(r"\012", RegexRejection::Backreference)]
#[case::repeat("a{1001}", RegexRejection::RepeatTooLarge)]
#[case::huge_repeat("a{99999999999}", RegexRejection::RepeatTooLarge)]
#[case::nested_repeats("(a{32}){32}", RegexRejection::RepeatTooLarge)]
#[case::program("[^/]{1000}.{1000}.{100}", RegexRejection::TooComplex)]
fn a_rejection_says_what_the_author_can_do(
    #[case] pattern: &str,
    #[case] rejection: RegexRejection,
) {
    assert_eq!(check(pattern), Err(rejection));
}

#[rstest]
#[case::stacked("xa**", "a**")]
#[case::class_operation("x[a&&b]", "a&&b")]
#[case::flag("(?ix)a", "x")]
#[case::group_name("(?<n>a)", "(?<n")]
#[case::spaces_in_a_repeat("a{ 2 }", "{ 2 }")]
#[case::unicode_class(r"x\pL", r"\pL")]
#[case::letter_in_a_class("[aé]", "é")]
#[case::half_a_letter("xé+", "é+")]
fn an_unsupported_piece_is_shown(#[case] pattern: &str, #[case] piece: &str) {
    match check(pattern) {
        Err(RegexRejection::Unsupported { syntax, .. }) => assert_eq!(syntax, piece),
        other => panic!("{pattern}: {other:?}"),
    }
}

#[test]
fn a_shown_piece_is_never_empty_and_never_long() {
    let nested = format!("{}a{}", "(".repeat(300), ")".repeat(300));
    for pattern in [r"\x", "a(", "(?P<n", &nested, r"é\"] {
        match check(pattern) {
            Err(RegexRejection::Invalid { syntax, .. }) => {
                assert!((1..=41).contains(&syntax.chars().count()), "{syntax}");
            }
            other => panic!("{pattern}: {other:?}"),
        }
    }
}

#[test]
fn length_counts_characters() {
    assert_eq!(check(&"é".repeat(MAX_LENGTH)), Ok(()));
    let length = MAX_LENGTH + 1;
    assert_eq!(
        check(&"a".repeat(length)),
        Err(RegexRejection::TooLong { length })
    );
}

#[test]
fn repeats_side_by_side_do_not_multiply() {
    assert_eq!(check("a{1000}b{1000}"), Ok(()));
    assert_eq!(check("(?:a{500}|b{500}){2}"), Ok(()));
    assert_eq!(
        check("(?:a{500}|b{501}){2}"),
        Err(RegexRejection::RepeatTooLarge)
    );
    assert_eq!(check("(?:a{501})*"), Ok(()));
}

/// Sizes that RE2 reports for these patterns in UTF-8, its larger mode.
#[rstest]
#[case("abc", 7)]
#[case(".{1000}", 8004)]
#[case("[^/]{1000}", 8004)]
#[case("(?i)k", 8)]
#[case(r"(?i:\W)", 31)]
#[case("^*", 9)]
#[case("(a*)*", 11)]
#[case("(a{10}){100}", 1204)]
fn a_program_is_never_larger_than_its_bound(#[case] pattern: &str, #[case] size: u64) {
    let tree = Parser::new().parse(pattern).unwrap();
    let bound = size::upper_bound(&tree, pattern.contains('i'));
    assert!(
        (size..=3 * size + 32).contains(&bound),
        "{pattern}: {bound}"
    );
}

proptest! {
    #[test]
    fn any_string_gets_an_answer_in_one_line(
        pattern in prop_oneof![any::<String>(), r"[-a-cé0-9\\^$.|?*+(){}\[\]:<>&~,iPx]{0,24}"],
    ) {
        if let Err(rejection) = check(&pattern) {
            let text = rejection.to_string();
            prop_assert!(!text.is_empty() && !text.ends_with('.'));
        }
    }

    #[test]
    fn escaped_text_is_always_accepted(text in r"[ -~]{1,40}") {
        prop_assert_eq!(check(&regex_syntax::escape(&text)), Ok(()));
    }
}
