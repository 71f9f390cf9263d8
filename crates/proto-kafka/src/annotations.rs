//! What a user can say about a Kafka service, and how it is read.
//!
//! The readers refuse what Envoy refuses, and what it accepts but could never apply.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv6Addr;

use aeraki_api::envoy::kafka::IdBasedBrokerRewriteRule;
use aeraki_core::registry::Annotation;

use crate::checks::MAX_API_KEY;

pub(crate) const API_KEYS_ALLOWED: &str = "kafka.aeraki.io/api-keys-allowed";
pub(crate) const API_KEYS_DENIED: &str = "kafka.aeraki.io/api-keys-denied";
pub(crate) const BROKER_ADDRESS_REWRITE: &str = "kafka.aeraki.io/broker-address-rewrite";
pub(crate) const FORCE_RESPONSE_REWRITE: &str = "kafka.aeraki.io/force-response-rewrite";

const ON: &str = "ServiceEntry, Service";

/// All annotations of the protocol.
pub(crate) const ALL: &[Annotation] = &[
    Annotation {
        key: API_KEYS_ALLOWED,
        on: ON,
        meaning: "numbers of the only requests that pass, such as 0,1,3,18; another one closes the connection",
    },
    Annotation {
        key: API_KEYS_DENIED,
        on: ON,
        meaning: "numbers of requests that close the connection, such as 19,20; they go before the allowed ones",
    },
    Annotation {
        key: BROKER_ADDRESS_REWRITE,
        on: ON,
        meaning: "the address that clients are told for a broker's id, such as 1=kafka-1.example.com:9092,2=…",
    },
    Annotation {
        key: FORCE_RESPONSE_REWRITE,
        on: ON,
        meaning: "true: encode every response anew instead of passing its bytes on",
    },
];

/// Kafka's broker ids are 32-bit numbers with a sign, and not negative.
const MAX_BROKER_ID: u32 = i32::MAX as u32;

/// Numbers with commas. Sorted and each once, so that the order of the text changes nothing.
pub(crate) fn api_keys(text: &str) -> Result<Vec<u32>, String> {
    let keys: Result<BTreeSet<u32>, String> = text
        .split(',')
        .map(|word| number(word.trim(), "an api key", 0..=MAX_API_KEY))
        .collect();
    Ok(keys?.into_iter().collect())
}

/// `<broker id>=<host>:<port>`, several with commas; each broker once. In the order of the ids.
pub(crate) fn rewrite_rules(text: &str) -> Result<Vec<IdBasedBrokerRewriteRule>, String> {
    let mut rules = BTreeMap::new();
    for entry in text.split(',').map(str::trim) {
        let rule = rewrite_rule(entry)?;
        if let Some(earlier) = rules.insert(rule.id, rule) {
            return Err(format!("broker {} has two addresses", earlier.id));
        }
    }
    Ok(rules.into_values().collect())
}

fn rewrite_rule(entry: &str) -> Result<IdBasedBrokerRewriteRule, String> {
    let parts = entry
        .split_once('=')
        .and_then(|(id, address)| Some((id, address.rsplit_once(':')?)));
    let Some((id, (name, port))) = parts else {
        return Err(format!(
            "`{entry}` is not of the form `<broker id>=<host>:<port>`"
        ));
    };
    Ok(IdBasedBrokerRewriteRule {
        id: number(id.trim(), "a broker id", 0..=MAX_BROKER_ID)?,
        host: host(name.trim())?,
        port: number(port.trim(), "a port", 1..=65_535)?,
    })
}

/// A host name, an IPv4 address, or an IPv6 address in brackets (which are not part of what clients are told).
fn host(text: &str) -> Result<String, String> {
    if let Some(address) = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
    {
        let address: Ipv6Addr = address
            .parse()
            .map_err(|_| format!("`{address}` is no IPv6 address"))?;
        return Ok(address.to_string());
    }
    let is_label = |label: &str| {
        !label.is_empty()
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    };
    if text.len() <= 253 && text.split('.').all(is_label) {
        Ok(text.to_owned())
    } else {
        Err(format!("{text:?} is no host name"))
    }
}

fn number(text: &str, what: &str, range: std::ops::RangeInclusive<u32>) -> Result<u32, String> {
    text.parse()
        .ok()
        .filter(|number| range.contains(number))
        .ok_or_else(|| {
            format!(
                "`{text}` is not {what}: a number from {} to {}",
                range.start(),
                range.end()
            )
        })
}

/// `true` or `false`.
pub(crate) fn flag(text: &str) -> Result<bool, String> {
    text.parse()
        .map_err(|_| format!("`{text}` is neither `true` nor `false`"))
}

#[cfg(test)]
mod tests {
    use aeraki_core::config::Config;
    use proptest::prelude::*;
    use rstest::rstest;
    use serde_json::json;

    use super::*;
    use crate::checks;

    #[rstest]
    #[case::one("18", &[18])]
    #[case::sorted_and_once("18, 3,0 ,3", &[0, 3, 18])]
    #[case::ends("0,32767", &[0, 32_767])]
    fn api_keys_are_a_set(#[case] text: &str, #[case] keys: &[u32]) {
        assert_eq!(api_keys(text).unwrap(), keys);
    }

    #[rstest]
    #[case::too_big("32768", "`32768` is not an api key: a number from 0 to 32767")]
    #[case::negative("-1", "`-1` is not an api key")]
    #[case::a_name("Produce", "`Produce` is not an api key")]
    #[case::trailing_comma("1,", "`` is not an api key")]
    fn api_keys_that_envoy_would_refuse_say_why(#[case] text: &str, #[case] reason: &str) {
        let error = api_keys(text).unwrap_err();
        assert!(error.contains(reason), "{error}");
    }

    #[test]
    fn rewrite_rules_stand_in_the_order_of_the_brokers() {
        let rule = |id, host: &str, port| IdBasedBrokerRewriteRule {
            id,
            host: host.to_owned(),
            port,
        };
        assert_eq!(
            rewrite_rules("2=kafka-2.example.com:9092, 1 = 10.0.0.1 : 9093 ,0=[2001:DB8::1]:9094"),
            Ok(vec![
                rule(0, "2001:db8::1", 9094),
                rule(1, "10.0.0.1", 9093),
                rule(2, "kafka-2.example.com", 9092),
            ])
        );
    }

    #[rstest]
    #[case::twice("1=a:1,1=b:2", "broker 1 has two addresses")]
    #[case::no_id("a:9092", "not of the form `<broker id>=<host>:<port>`")]
    #[case::no_port("1=a", "not of the form")]
    #[case::no_host("1=:9092", "\"\" is no host name")]
    #[case::port_zero("1=a:0", "`0` is not a port")]
    #[case::big_port("1=a:65536", "`65536` is not a port")]
    #[case::big_id("2147483648=a:1", "is not a broker id")]
    #[case::bare_ipv6("1=2001:db8::1:9092", "\"2001:db8::1\" is no host name")]
    #[case::bad_ipv6("1=[x]:9092", "`x` is no IPv6 address")]
    #[case::space("1=a b:9092", "\"a b\" is no host name")]
    #[case::bar("1=a|b:9092", "\"a|b\" is no host name")]
    #[case::empty_label("1=a..b:9092", "\"a..b\" is no host name")]
    fn rewrite_rules_that_cannot_work_say_why(#[case] text: &str, #[case] reason: &str) {
        let error = rewrite_rules(text).unwrap_err();
        assert!(error.contains(reason), "{error}");
    }

    #[test]
    fn a_flag_is_true_or_false_and_nothing_else() {
        assert_eq!((flag("true"), flag("false")), (Ok(true), Ok(false)));
        assert!(flag("yes").is_err());
    }

    proptest! {
        #[test]
        fn what_is_read_passes_the_checks(
            keys in prop_oneof![".{0,12}", "[0-9]{1,6}(,[0-9]{1,6}){0,3}"],
            rules in prop_oneof![".{0,16}", "[0-9]{1,11}=[-a-z.:]{0,6}:[0-9]{1,6}"],
        ) {
            let keys = api_keys(&keys).unwrap_or_default();
            let rules = rewrite_rules(&rules).unwrap_or_default();
            let config = Config::from(json!({
                "api_keys_allowed": keys, "api_keys_denied": keys,
                "id_based_broker_address_rewrite_spec": {"rules": rules},
            }));
            prop_assert_eq!(checks::api_keys(config.root()), None);
            prop_assert_eq!(checks::rewrite_rules(config.root()), None);
        }
    }
}
