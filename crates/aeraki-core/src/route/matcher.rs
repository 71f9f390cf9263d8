//! Conditions as Envoy's matchers: those of its HTTP routes, which dubbo and thrift use for attachments and headers.
//!
//! What Envoy makes of an inverted condition was tried on real calls, with the header absent, empty and filled.

use aeraki_api::envoy::matcher::{RegexMatcher, StringMatcher, string_matcher::MatchPattern};
use aeraki_api::envoy::route::{HeaderMatcher, header_matcher::HeaderMatchSpecifier};

use super::{Header, Text, absence};

impl From<&Text> for StringMatcher {
    fn from(text: &Text) -> Self {
        let pattern = match text {
            Text::Exact(exact) => MatchPattern::Exact(exact.clone()),
            Text::Prefix(prefix) => MatchPattern::Prefix(prefix.clone()),
            Text::Regex(regex) => MatchPattern::SafeRegex(RegexMatcher {
                regex: regex.clone(),
            }),
        };
        Self {
            ignore_case: false,
            match_pattern: Some(pattern),
        }
    }
}

impl From<&Header> for HeaderMatcher {
    fn from(header: &Header) -> Self {
        let name = header.name.clone();
        match header
            .value
            .as_ref()
            // "Not like `.*`" can only be said of an absent header.
            .filter(|value| !(header.inverted && absence::is_anything(value)))
        {
            // Taken as empty, an absent header would count as present.
            None => Self {
                name,
                invert_match: header.inverted,
                treat_missing_header_as_empty: false,
                header_match_specifier: Some(HeaderMatchSpecifier::PresentMatch(true)),
            },
            // An inverted match is no match while the header is absent, unless it is taken as empty. Where an empty text is
            // like the value that would not help: the absent header has a route of its own.
            Some(value) => Self {
                name,
                invert_match: header.inverted,
                treat_missing_header_as_empty: header.inverted && !absence::may_be_empty(value),
                header_match_specifier: Some(HeaderMatchSpecifier::StringMatch(StringMatcher {
                    ignore_case: header.ignore_case,
                    ..value.into()
                })),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rendered(value: Option<Text>, inverted: bool) -> serde_json::Value {
        let header = Header {
            name: "env".to_owned(),
            value,
            inverted,
            ignore_case: false,
        };
        serde_json::to_value(HeaderMatcher::from(&header)).unwrap()
    }

    #[test]
    fn an_inverted_value_also_matches_an_absent_header() {
        let expected = json!({
            "name": "env",
            "string_match": {"exact": "canary"},
            "invert_match": true,
            "treat_missing_header_as_empty": true,
        });
        assert_eq!(
            rendered(Some(Text::Exact("canary".to_owned())), true),
            expected
        );
    }

    #[test]
    fn an_inverted_value_that_may_be_empty_is_only_about_a_header_that_is_there() {
        let expected = json!({"name": "env", "string_match": {"exact": ""}, "invert_match": true});
        assert_eq!(rendered(Some(Text::Exact(String::new())), true), expected);
    }

    #[test]
    fn inverted_presence_never_takes_an_absent_header_as_empty() {
        let expected = json!({"name": "env", "present_match": true, "invert_match": true});
        assert_eq!(rendered(None, true), expected);
        for any in [".*", "(?i).*"] {
            assert_eq!(rendered(Some(Text::Regex(any.to_owned())), true), expected);
        }
    }

    #[test]
    fn case_is_ignored_by_the_string_matcher() {
        let header = Header {
            name: "env".to_owned(),
            value: Some(Text::Prefix("ca".to_owned())),
            inverted: false,
            ignore_case: true,
        };
        let expected =
            json!({"name": "env", "string_match": {"prefix": "ca", "ignore_case": true}});
        assert_eq!(
            serde_json::to_value(HeaderMatcher::from(&header)).unwrap(),
            expected
        );
    }
}
