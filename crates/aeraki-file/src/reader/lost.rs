//! What can still be told of a text that could not be read: which words are in it.
//!
//! A rule that is missing would leave its services with a filter that does less than was asked for: without its routes, or
//! without its password. So a service that such a text may be about gets none. Knowing the words of a text is enough for
//! that, and all that is left where the YAML is broken.

use std::collections::BTreeSet;
use std::sync::Arc;

/// The words of a text that yields no object.
#[derive(Clone, Debug)]
pub struct Lost(Arc<BTreeSet<String>>);

impl Lost {
    pub(super) fn of(text: &str) -> Self {
        Self(Arc::new(
            values(text).map(str::to_ascii_lowercase).collect(),
        ))
    }

    /// Whether the text may be about a service: whether it has the service's host in it, its short name if it is one of
    /// the cluster's, or a wildcard that covers it.
    #[must_use]
    pub fn may_be_about(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        self.0.contains(&host) || self.has_short_name(&host) || self.has_wildcard(&host)
    }

    fn has_short_name(&self, host: &str) -> bool {
        let Some((short, _)) = host.split_once(".svc.") else {
            return false;
        };
        let name = short.split('.').next().unwrap_or(short);
        [name.to_owned(), short.to_owned(), format!("{short}.svc")]
            .iter()
            .any(|word| self.0.contains(word))
    }

    fn has_wildcard(&self, host: &str) -> bool {
        // They are sorted, and nothing of a host comes before an asterisk.
        self.0
            .range("*.".to_owned()..)
            .take_while(|word| word.starts_with("*."))
            .any(|word| host.ends_with(&word[1..]))
    }
}

/// The words that could be a host or a name, without the keys of YAML and JSON.
fn values(text: &str) -> impl Iterator<Item = &str> {
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | '*');
    let ends = text.char_indices().filter_map(move |(start, c)| {
        let before = text[..start].chars().next_back();
        let begins = is_part(c) && !before.is_some_and(is_part);
        begins.then(|| {
            let rest = &text[start..];
            let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
            (&rest[..end], &rest[end..])
        })
    });
    ends.filter(|(_, rest)| !is_behind_a_key(rest))
        .map(|(word, _)| word.trim_matches('.'))
}

fn is_behind_a_key(rest: &str) -> bool {
    let rest = rest.trim_start_matches(['"', '\'']);
    rest.strip_prefix(':')
        .is_some_and(|rest| rest.chars().next().is_none_or(char::is_whitespace))
}

/// The kind that a text names first, if it names one.
pub(super) fn kind_in(text: &str) -> Option<&str> {
    let mut kinds = text.lines().filter_map(|line| {
        let line = line.trim_start_matches([' ', '{', '"', '\'']);
        let rest = line
            .strip_prefix("kind")?
            .trim_start_matches(['"', '\'', ' ']);
        let word = rest.strip_prefix(':')?.trim_start_matches([' ', '"', '\'']);
        let end = word.find(|c: char| !c.is_ascii_alphanumeric());
        Some(&word[..end.unwrap_or(word.len())])
    });
    kinds.find(|kind| !kind.is_empty())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    const BROKEN: &str = "kind: RedisService\nmetadata: {name: c, namespace: shop}\nspec:\n  host: [cache.shop, \
                          \"*.eu.example.com\"]\n  redis: [\n  - route: {host: \"redis.example.com\"}\n  note: two.svc\n";

    #[rstest]
    #[case::short_with_namespace("cache.shop.svc.cluster.local", true)]
    #[case::full_host("redis.example.com", true)]
    #[case::another_case("Redis.Example.Com", true)]
    #[case::wildcard("a.eu.example.com", true)]
    #[case::only_as_a_key("redis.shop.svc.cluster.local", false)]
    #[case::part_of_a_word("cach.shop.svc.cluster.local", false)]
    #[case::short_name_of_an_outside_host("cache.example.com", false)]
    #[case::not_covered_by_the_wildcard("eu.example.com", false)]
    fn a_service_is_known_by_its_host(#[case] host: &str, #[case] expected: bool) {
        assert_eq!(Lost::of(BROKEN).may_be_about(host), expected);
    }

    #[rstest]
    #[case::yaml("a: b\nkind: Pod # x\n", Some("Pod"))]
    #[case::json("{\"kind\": \"Pod\",", Some("Pod"))]
    #[case::later("kind:\n  kind: Pod", Some("Pod"))]
    #[case::none("kindness: 1", None)]
    fn a_kind_is_made_out(#[case] text: &str, #[case] expected: Option<&str>) {
        assert_eq!(kind_in(text), expected);
    }

    proptest! {
        #[test]
        fn any_text_has_words(text in any::<String>(), host in "[a-z.*é]{0,12}") {
            let _ = kind_in(&text);
            let lost = Lost::of(&format!("{text} {host} "));
            let word = host.trim_matches('.');
            prop_assert!(word.is_empty() || lost.may_be_about(word));
        }
    }
}
