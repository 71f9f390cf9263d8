//! "Not like this, or absent", where an empty text is like this too.
//!
//! Envoy has one matcher for "not like `canary`, or absent": the inverted one, with an absent header taken as empty.
//! Where the empty text itself is like the value (`exact: ""`, `[a-z]*`), an absent header would not match then. Two
//! routes say it: one for the absent header, one for a header that is there and not like the value.
//!
//! It knows conditions only, nothing of rules or of Envoy's form of them.

use regex_syntax::ast::parse::Parser;
use regex_syntax::ast::{Ast, RepetitionKind, RepetitionOp, RepetitionRange};

use super::{Header, Text};

/// How many conditions of one entry may need two routes; each of them doubles the entry's routes.
pub(super) const MAX_DOUBLED: usize = 3;

/// The sets of conditions of which one must hold where `headers` were asked for. `None`: there would be too many.
pub(super) fn alternatives(headers: Vec<Header>) -> Option<Vec<Vec<Header>>> {
    let doubled = headers.iter().filter(|header| is_doubled(header)).count();
    if doubled > MAX_DOUBLED {
        return None;
    }
    let sets = headers.into_iter().fold(vec![Vec::new()], |sets, header| {
        let forms = forms(header);
        sets.iter()
            .flat_map(|set| forms.iter().map(|form| with(set, form)))
            .collect()
    });
    Some(sets)
}

fn with(set: &[Header], header: &Header) -> Vec<Header> {
    set.iter().chain([header]).cloned().collect()
}

fn forms(header: Header) -> Vec<Header> {
    if !is_doubled(&header) {
        return vec![header];
    }
    let absent = Header {
        name: header.name.clone(),
        value: None,
        inverted: true,
        ignore_case: false,
    };
    vec![absent, header]
}

fn is_doubled(header: &Header) -> bool {
    let value = header.value.as_ref();
    header.inverted && value.is_some_and(|value| !is_anything(value) && may_be_empty(value))
}

/// Whether every text is like this, so that only an absent header is not.
pub(super) fn is_anything(value: &Text) -> bool {
    matches!(value, Text::Regex(regex) if matches!(regex.as_str(), ".*" | "(?i).*"))
}

/// Whether an empty text is like this, or could be: a route too many does no harm, one too few does.
pub(super) fn may_be_empty(value: &Text) -> bool {
    match value {
        Text::Exact(text) | Text::Prefix(text) => text.is_empty(),
        Text::Regex(regex) => Parser::new()
            .parse(regex)
            .map_or(true, |tree| takes_nothing(&tree)),
    }
}

/// Whether the expression can match without a letter, whatever its assertions say. As deep as the parser's own nesting
/// limit lets a tree be.
fn takes_nothing(tree: &Ast) -> bool {
    match tree {
        Ast::Empty(_) | Ast::Flags(_) | Ast::Assertion(_) => true,
        Ast::Literal(_) | Ast::Dot(_) => false,
        Ast::ClassUnicode(_) | Ast::ClassPerl(_) | Ast::ClassBracketed(_) => false,
        Ast::Repetition(repetition) => {
            may_be_none(&repetition.op) || takes_nothing(&repetition.ast)
        }
        Ast::Group(group) => takes_nothing(&group.ast),
        Ast::Concat(concat) => concat.asts.iter().all(takes_nothing),
        Ast::Alternation(alternation) => alternation.asts.iter().any(takes_nothing),
    }
}

fn may_be_none(op: &RepetitionOp) -> bool {
    use RepetitionRange::{AtLeast, Bounded, Exactly};
    match &op.kind {
        RepetitionKind::ZeroOrOne | RepetitionKind::ZeroOrMore => true,
        RepetitionKind::OneOrMore => false,
        RepetitionKind::Range(Exactly(least) | AtLeast(least) | Bounded(least, _)) => *least == 0,
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn without(name: &str, value: Option<Text>) -> Header {
        Header {
            name: name.to_owned(),
            value,
            inverted: true,
            ignore_case: false,
        }
    }

    fn regex(pattern: &str) -> Text {
        Text::Regex(pattern.to_owned())
    }

    #[rstest]
    #[case::star("[a-z]*")]
    #[case::lazy_star("[a-z]*?")]
    #[case::option("(canary)?")]
    #[case::alternative("canary|")]
    #[case::empty_group("()")]
    #[case::counted("a{0,3}")]
    #[case::none("a{0}")]
    #[case::plus_of_star("(?:a*)+")]
    #[case::concat("a*(b|c*)d?")]
    #[case::in_any_case("(?i)a*")]
    #[case::ends("^$")]
    #[case::word_boundary_that_an_empty_text_lacks("\\b")]
    #[case::not_an_expression("(")]
    fn an_expression_that_may_match_an_empty_text_is_known(#[case] pattern: &str) {
        assert!(may_be_empty(&regex(pattern)));
    }

    #[rstest]
    #[case::word("canary")]
    #[case::letter("é")]
    #[case::plus("[a-z]+")]
    #[case::alternatives("gold|silver")]
    #[case::counted("\\d{1,3}")]
    #[case::at_least("\\w{2,}")]
    #[case::one_part_of_many("a*b?c")]
    #[case::plus_of_dot("(?:.)+")]
    #[case::in_any_case("(?i)a")]
    fn an_expression_that_takes_a_letter_is_known(#[case] pattern: &str) {
        assert!(!may_be_empty(&regex(pattern)));
    }

    #[test]
    fn an_absent_header_gets_a_set_of_its_own_before_the_value() {
        let empty = without("env", Some(Text::Exact(String::new())));
        let other = without("zone", Some(Text::Exact("a".to_owned())));
        let sets = alternatives(vec![empty.clone(), other.clone()]).unwrap();
        let absent = without("env", None);
        assert_eq!(sets, [vec![absent, other.clone()], vec![empty, other]]);
    }

    #[test]
    fn an_absent_header_is_absent_in_any_case() {
        let mut empty = without("env", Some(Text::Exact(String::new())));
        empty.ignore_case = true;
        let sets = alternatives(vec![empty.clone()]).unwrap();
        assert_eq!(sets, [vec![without("env", None)], vec![empty]]);
    }

    #[test]
    fn conditions_that_one_matcher_says_stay_one_set() {
        let mut wanted = without("env", Some(Text::Exact(String::new())));
        wanted.inverted = false;
        let headers = vec![
            wanted,
            without("debug", None),
            without("trace", Some(regex(".*"))),
            without("tenant", Some(regex("test-.*"))),
        ];
        assert_eq!(alternatives(headers.clone()), Some(vec![headers]));
        assert_eq!(alternatives(Vec::new()), Some(vec![Vec::new()]));
    }

    #[test]
    fn every_combination_is_a_set_up_to_the_limit() {
        let headers = |count: usize| -> Vec<Header> {
            (0..count)
                .map(|i| without(&i.to_string(), Some(regex("a*"))))
                .collect()
        };
        let sets = alternatives(headers(MAX_DOUBLED)).unwrap();
        let mut distinct: Vec<Vec<bool>> = sets
            .iter()
            .map(|set| set.iter().map(|header| header.value.is_some()).collect())
            .collect();
        distinct.sort();
        distinct.dedup();
        assert_eq!(distinct.len(), 8);
        assert_eq!(sets.len(), 8);
        assert_eq!(alternatives(headers(MAX_DOUBLED + 1)), None);
    }
}
