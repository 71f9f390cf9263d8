//! What makes Envoy refuse a `KafkaBroker`, and with it the whole listener.

use aeraki_core::config::Part;
use aeraki_core::registry::Check;

/// All checks of the protocol.
pub(crate) const ALL: &[Check] = &[api_keys, rewrite_rules];

/// Kafka writes an api key in 16 bits with a sign.
pub(crate) const MAX_API_KEY: u32 = 32_767;
const MAX_PORT: u64 = 65_535;

/// Api keys in their range.
pub(crate) fn api_keys(config: Part<'_>) -> Option<String> {
    ["api_keys_allowed", "api_keys_denied"]
        .into_iter()
        .find_map(|field| {
            let beyond = items(config.get(field))
                .find(|key| key.as_u64().is_none_or(|key| key > u64::from(MAX_API_KEY)))?;
            Some(format!(
                "`{field}` holds {beyond}, and api keys end at {MAX_API_KEY}"
            ))
        })
}

/// Rewrite rules with a host and a port.
pub(crate) fn rewrite_rules(config: Part<'_>) -> Option<String> {
    let spec = config.get("id_based_broker_address_rewrite_spec")?;
    items(spec.get("rules")).find_map(|rule| {
        // JSON leaves out broker 0, an empty host and port 0.
        let id = rule.get("id").and_then(Part::as_u64).unwrap_or_default();
        let host = rule.get("host").and_then(Part::as_str).unwrap_or_default();
        let port = rule.get("port").and_then(Part::as_u64).unwrap_or_default();
        if host.is_empty() {
            Some(format!("the address of broker {id} has no host"))
        } else if port > MAX_PORT {
            Some(format!("the address of broker {id} has the port {port}"))
        } else {
            None
        }
    })
}

fn items(list: Option<Part<'_>>) -> impl Iterator<Item = Part<'_>> {
    list.into_iter().flat_map(Part::items)
}

#[cfg(test)]
mod tests {
    use aeraki_core::config::Config;
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;

    #[rstest]
    #[case::good(json!({"api_keys_allowed": [0, 32_767], "api_keys_denied": [19]}), None)]
    #[case::beyond(json!({"api_keys_allowed": [32_768]}), Some("`api_keys_allowed` holds 32768"))]
    #[case::negative(json!({"api_keys_denied": [1, -1]}), Some("`api_keys_denied` holds -1"))]
    fn api_keys_are_refused_as_envoy_refuses_them(
        #[case] config: Value,
        #[case] reason: Option<&str>,
    ) {
        let refusal = api_keys(Config::from(config).root());
        match reason {
            None => assert_eq!(refusal, None),
            Some(reason) => assert!(refusal.is_some_and(|found| found.contains(reason))),
        }
    }

    #[rstest]
    #[case::good(json!([{"host": "a", "port": 9092}, {"id": 1, "host": "b", "port": 65_535}]), None)]
    #[case::no_host(json!([{"id": 1, "port": 9092}]), Some("broker 1 has no host"))]
    #[case::big_port(json!([{"host": "a", "port": 65_536}]), Some("broker 0 has the port 65536"))]
    fn rewrite_rules_are_refused_as_envoy_refuses_them(
        #[case] rules: Value,
        #[case] reason: Option<&str>,
    ) {
        let config = json!({"id_based_broker_address_rewrite_spec": {"rules": rules}});
        let refusal = rewrite_rules(Config::from(config).root());
        match reason {
            None => assert_eq!(refusal, None),
            Some(reason) => assert!(refusal.is_some_and(|found| found.contains(reason))),
        }
    }
}
