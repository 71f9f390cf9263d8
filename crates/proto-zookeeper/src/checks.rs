//! What makes Envoy refuse a `ZooKeeperProxy`, and with it the whole listener.

use std::collections::BTreeSet;

use aeraki_api::Duration;
use aeraki_core::config::Part;
use aeraki_core::registry::Check;

/// All checks of the protocol.
pub(crate) const ALL: &[Check] = &[latency_thresholds];

const ONE_MILLISECOND: Duration = Duration::from_millis(1);

/// Thresholds of at least a millisecond, and at most one per opcode.
pub(crate) fn latency_thresholds(config: Part<'_>) -> Option<String> {
    let mut seen = BTreeSet::new();
    let default = config.get("default_latency_threshold").and_then(threshold);
    default.or_else(|| {
        let mut overrides = config.get("latency_threshold_overrides")?.items();
        overrides.find_map(|entry| {
            // `Connect` is the enum's zero, which JSON leaves out.
            let opcode = entry
                .get("opcode")
                .and_then(Part::as_str)
                .unwrap_or("Connect");
            if !seen.insert(opcode) {
                return Some(format!("`{opcode}` has two latency thresholds"));
            }
            match entry.get("threshold") {
                Some(value) => threshold(value),
                None => Some(format!("`{opcode}` has no latency threshold")),
            }
        })
    })
}

fn threshold(value: Part<'_>) -> Option<String> {
    let text = value.as_str().unwrap_or_default();
    match text.parse() {
        Ok(span) => threshold_refusal(span)
            .map(|reason| format!("the latency threshold `{text}` is {reason}")),
        Err(error) => Some(format!("the latency threshold `{text}`: {error}")),
    }
}

/// Why Envoy refuses a threshold, if it does.
pub(crate) fn threshold_refusal(span: Duration) -> Option<&'static str> {
    (span < ONE_MILLISECOND).then_some("below one millisecond")
}

#[cfg(test)]
mod tests {
    use aeraki_api::envoy::zookeeper::ZooKeeperProxy;
    use aeraki_api::prost::Name as _;
    use aeraki_core::config::Config;
    use aeraki_testkit::envoy::Envoy;
    use aeraki_testkit::render::Renderer;
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;
    use crate::filter;

    #[rstest]
    #[case::nothing(json!({}), None)]
    #[case::good(json!({"default_latency_threshold": "0.001s", "latency_threshold_overrides": [
        {"threshold": "1s"}, {"opcode": "Ping", "threshold": "9223372035.999s"}]}), None)]
    #[case::short_default(json!({"default_latency_threshold": "0.000999999s"}), Some("below one millisecond"))]
    #[case::long_default(json!({"default_latency_threshold": "9223372036s"}), Some("over 292 years"))]
    #[case::short_override(json!({"latency_threshold_overrides": [{"opcode": "Ping", "threshold": "0s"}]}),
        Some("below one millisecond"))]
    #[case::no_threshold(json!({"latency_threshold_overrides": [{"opcode": "Ping"}]}), Some("no latency threshold"))]
    #[case::unreadable(json!({"default_latency_threshold": 5}), Some("not a duration"))]
    #[case::twice(json!({"latency_threshold_overrides": [
        {"opcode": "Ping", "threshold": "1s"}, {"opcode": "Ping", "threshold": "2s"}]}), Some("`Ping` has two"))]
    #[case::zero_twice(json!({"latency_threshold_overrides": [
        {"threshold": "1s"}, {"opcode": "Connect", "threshold": "2s"}]}), Some("`Connect` has two"))]
    fn a_config_is_refused_as_envoy_refuses_it(
        #[case] config: Value,
        #[case] reason: Option<&str>,
    ) {
        let refusal = latency_thresholds(Config::from(config.clone()).root());
        assert_eq!(refusal.is_some(), envoy_refuses(config));
        match reason {
            None => assert_eq!(refusal, None),
            Some(reason) => assert!(refusal.is_some_and(|found| found.contains(reason))),
        }
    }

    fn envoy_refuses(mut config: Value) -> bool {
        config["@type"] = ZooKeeperProxy::type_url().into();
        config["stat_prefix"] = "zk".into();
        let envoy_filter = json!({
            "kind": "EnvoyFilter",
            "metadata": {"namespace": "data", "name": "zk"},
            "spec": {"configPatches": [{
                "applyTo": "NETWORK_FILTER",
                "match": {
                    "context": "SIDECAR_OUTBOUND",
                    "listener": {
                        "name": "10.7.0.1_2181",
                        "filterChain": {"filter": {"name": "envoy.filters.network.tcp_proxy"}},
                    },
                },
                "patch": {
                    "operation": "INSERT_BEFORE",
                    "value": {"name": filter::NAME, "typed_config": config},
                },
            }]},
        });
        let rendered = Renderer::default().render(&[envoy_filter]).unwrap();
        assert!(rendered.ineffective.is_empty() && !rendered.bootstraps.is_empty());
        let envoy = Envoy::locate().unwrap();
        rendered
            .bootstraps
            .iter()
            .any(|bootstrap| envoy.validate(bootstrap).is_err())
    }
}
