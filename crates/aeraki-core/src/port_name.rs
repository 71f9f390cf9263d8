//! What a port name says about its protocol: `tcp-<token>[-<name>]`.
//!
//! Istio reads the first dash field only (`tcp`), so the second one is free to carry our protocol.
//! This module knows the form, not which tokens exist: that is the registry's.

use std::borrow::Cow;
use std::ops::Range;

/// A port name, split into what Istio reads and what we read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PortName<'a> {
    /// Not `tcp…`: a protocol Istio handles itself, or one that nobody knows.
    Other {
        /// The first dash field as written.
        first: &'a str,
    },
    /// `tcp` without a token (`tcp`, `tcp-`, `tcp--x`): plain TCP, nothing for us.
    Tcp,
    /// `tcp-<token>[-<name>]`.
    Token {
        /// The second dash field as written; never empty. Letter case carries no meaning.
        token: &'a str,
        /// Where the token stands in the port name, in bytes, for a caret under it.
        span: Range<usize>,
    },
}

impl<'a> PortName<'a> {
    /// Splits a port name. Every string is a port name of one of the three kinds.
    pub fn parse(name: &'a str) -> Self {
        let (first, rest) = match name.split_once('-') {
            Some((first, rest)) => (first, Some(rest)),
            None => (name, None),
        };
        if !first.eq_ignore_ascii_case("tcp") {
            return Self::Other { first };
        }
        match rest.and_then(|rest| rest.split('-').next()) {
            None | Some("") => Self::Tcp,
            Some(token) => {
                let start = first.len() + 1;
                Self::Token {
                    token,
                    span: start..start + token.len(),
                }
            }
        }
    }

    /// The token as the registry spells it; `None` where there is none.
    pub fn token_lowercase(&self) -> Option<Cow<'a, str>> {
        match self {
            Self::Token { token, .. } if token.bytes().any(|b| b.is_ascii_uppercase()) => {
                Some(Cow::Owned(token.to_ascii_lowercase()))
            }
            Self::Token { token, .. } => Some(Cow::Borrowed(token)),
            Self::Other { .. } | Self::Tcp => None,
        }
    }
}

/// The words that Istio's own protocol selection reads in a port name's first field, `tcp` aside
/// (`pkg/config/protocol` of Istio 1.31).
const ISTIOS: [&str; 10] = [
    "grpc",
    "http",
    "http2",
    "http_proxy",
    "https",
    "mongo",
    "mysql",
    "redis",
    "tls",
    "udp",
];

/// Whether a port name that begins with this word already says something to Istio.
pub(crate) fn is_istios_own(word: &str) -> bool {
    ISTIOS.iter().any(|own| own.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::plain("tcp-dubbo", "dubbo", 4..9)]
    #[case::with_a_name("tcp-dubbo-demo", "dubbo", 4..9)]
    #[case::with_a_longer_name("tcp-dubbo-demo-x-1", "dubbo", 4..9)]
    #[case::trailing_dash("tcp-dubbo-", "dubbo", 4..9)]
    #[case::upper_case("TCP-Dubbo-Demo", "Dubbo", 4..9)]
    #[case::not_ascii("tcp-дуббо-x", "дуббо", 4..14)]
    fn the_second_field_is_the_token(
        #[case] name: &str,
        #[case] token: &str,
        #[case] span: Range<usize>,
    ) {
        assert_eq!(PortName::parse(name), PortName::Token { token, span });
    }

    #[rstest]
    #[case("tcp")]
    #[case("TCP")]
    #[case("tcp-")]
    #[case("tcp--")]
    #[case("tcp--dubbo")]
    fn an_empty_token_is_plain_tcp(#[case] name: &str) {
        assert_eq!(PortName::parse(name), PortName::Tcp);
    }

    #[rstest]
    #[case::empty("", "")]
    #[case::http("http-dubbo", "http")]
    #[case::no_dash("dubbo", "dubbo")]
    #[case::dash_first("-tcp-dubbo", "")]
    #[case::prefix_only("tcpdubbo-x", "tcpdubbo")]
    #[case::space(" tcp-dubbo", " tcp")]
    fn names_that_do_not_start_with_tcp_are_not_ours(#[case] name: &str, #[case] first: &str) {
        assert_eq!(PortName::parse(name), PortName::Other { first });
    }

    #[test]
    fn tokens_compare_in_lower_case() {
        let lowercase = |name| PortName::parse(name).token_lowercase().map(Cow::into_owned);
        assert_eq!(lowercase("tcp-ZooKeeper-a").as_deref(), Some("zookeeper"));
        assert_eq!(lowercase("tcp-thrift").as_deref(), Some("thrift"));
        assert_eq!(lowercase("tcp"), None);
        assert_eq!(lowercase("http-x"), None);
    }

    proptest! {
        #[test]
        fn any_string_parses_and_its_span_is_its_token(
            name in prop_oneof![any::<String>(), "(?i:tcp)-?[-a-zA-Zé|.0-9]{0,12}", "[-tTcCpP]{0,8}"],
        ) {
            if let PortName::Token { token, span } = PortName::parse(&name) {
                prop_assert_eq!(&name[span.clone()], token);
                prop_assert!(!token.is_empty() && !token.contains('-'));
                prop_assert!(name[..span.start].eq_ignore_ascii_case("tcp-"));
            }
        }

        #[test]
        fn letter_case_does_not_change_the_protocol(token in "[a-z0-9]{1,8}", rest in "(-[a-z]{0,4})?") {
            let name = format!("tcp-{token}{rest}");
            let upper = name.to_ascii_uppercase();
            prop_assert_eq!(
                PortName::parse(&name).token_lowercase(),
                PortName::parse(&upper).token_lowercase()
            );
        }
    }
}
