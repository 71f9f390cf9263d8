//! What a user can say about a ZooKeeper service, and how it is read.
//!
//! The readers refuse what Envoy refuses, and what it accepts but does not do. A refused annotation has no effect as a
//! whole; core reports it.

use std::collections::BTreeMap;

use aeraki_api::Duration;
use aeraki_api::envoy::zookeeper::LatencyThresholdOverride;
use aeraki_api::envoy::zookeeper::latency_threshold_override::Opcode;
use aeraki_core::near_miss;
use aeraki_core::registry::Annotation;

use crate::checks;

pub(crate) const MAX_PACKET_BYTES: &str = "zookeeper.aeraki.io/max-packet-bytes";
pub(crate) const LATENCY_THRESHOLD: &str = "zookeeper.aeraki.io/latency-threshold";
pub(crate) const LATENCY_THRESHOLD_OVERRIDES: &str =
    "zookeeper.aeraki.io/latency-threshold-overrides";
pub(crate) const PER_OPCODE_METRICS: &str = "zookeeper.aeraki.io/per-opcode-metrics";

const ON: &str = "ServiceEntry, Service";

/// All annotations of the protocol.
pub(crate) const ALL: &[Annotation] = &[
    Annotation {
        key: MAX_PACKET_BYTES,
        on: ON,
        meaning: "packets over this many bytes are passed on undecoded; ZooKeeper's jute.maxbuffer, 1048576 if absent",
    },
    Annotation {
        key: LATENCY_THRESHOLD,
        on: ON,
        meaning: "from when on a response counts as slow, such as 100ms; switches the threshold metrics on",
    },
    Annotation {
        key: LATENCY_THRESHOLD_OVERRIDES,
        on: ON,
        meaning: "thresholds of single opcodes, such as Ping=5ms,Create=200ms; switches the threshold metrics on",
    },
    Annotation {
        key: PER_OPCODE_METRICS,
        on: ON,
        meaning: "counters per opcode: some of request-bytes, response-bytes, decoder-errors; true for all of them",
    },
];

const NANOS_PER_MILLISECOND: i128 = 1_000_000;

/// Which counters are kept per opcode.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct PerOpcode {
    pub(crate) request_bytes: bool,
    pub(crate) response_bytes: bool,
    pub(crate) decoder_errors: bool,
}

/// A positive number of bytes. Envoy takes 0, too, and then counts every packet as an error.
pub(crate) fn packet_bytes(text: &str) -> Result<u32, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err(format!(
            "`{text}` is not a number of bytes between 1 and {}",
            u32::MAX
        )),
        Ok(bytes) => Ok(bytes),
    }
}

/// A duration that Envoy accepts and can tell from others: it drops what is below a millisecond.
pub(crate) fn threshold(text: &str) -> Result<Duration, String> {
    let span: Duration = text.parse().map_err(|error| format!("`{text}`: {error}"))?;
    if let Some(reason) = checks::threshold_refusal(span) {
        return Err(format!("`{text}` is {reason}"));
    }
    if span.as_nanos() % NANOS_PER_MILLISECOND != 0 {
        return Err(format!("`{text}` is not a whole number of milliseconds"));
    }
    Ok(span)
}

/// `<opcode>=<duration>`, several with commas; each opcode once. The result is in the order of the opcodes, so that
/// the order of the text changes nothing.
pub(crate) fn overrides(text: &str) -> Result<Vec<LatencyThresholdOverride>, String> {
    let mut by_opcode = BTreeMap::new();
    for entry in text.split(',').map(str::trim) {
        let Some((name, span)) = entry.split_once('=') else {
            return Err(format!(
                "`{entry}` is not of the form `<opcode>=<duration>`"
            ));
        };
        let opcode = opcode(name.trim())?;
        let span = threshold(span.trim())?;
        if by_opcode.insert(opcode, span).is_some() {
            return Err(format!("`{}` has two thresholds", opcode.as_str_name()));
        }
    }
    let of = |(opcode, threshold)| LatencyThresholdOverride {
        opcode: Opcode::into(opcode),
        threshold: Some(threshold),
    };
    Ok(by_opcode.into_iter().map(of).collect())
}

fn opcode(name: &str) -> Result<Opcode, String> {
    Opcode::from_str_name(name).ok_or_else(|| unknown("opcode", name, opcode_names()))
}

fn opcode_names() -> impl Iterator<Item = &'static str> {
    (0..)
        .map_while(|number| Opcode::try_from(number).ok())
        .map(|opcode| opcode.as_str_name())
}

/// `true`, `false`, or a list of what is counted.
pub(crate) fn per_opcode(text: &str) -> Result<PerOpcode, String> {
    let mut chosen = PerOpcode::default();
    match text {
        "false" => return Ok(chosen),
        "true" => {
            return Ok(PerOpcode {
                request_bytes: true,
                response_bytes: true,
                decoder_errors: true,
            });
        }
        _ => {}
    }
    for word in text.split(',').map(str::trim) {
        match word {
            "request-bytes" => chosen.request_bytes = true,
            "response-bytes" => chosen.response_bytes = true,
            "decoder-errors" => chosen.decoder_errors = true,
            _ => {
                let known = [
                    "request-bytes",
                    "response-bytes",
                    "decoder-errors",
                    "true",
                    "false",
                ];
                return Err(unknown("counter", word, known));
            }
        }
    }
    Ok(chosen)
}

fn unknown(what: &str, word: &str, known: impl IntoIterator<Item = &'static str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    match near_miss::closest(word, known.iter().copied()) {
        Some(near) => format!("`{word}` is no {what}; did you mean `{near}`?"),
        None => format!("`{word}` is no {what}; known: {}", known.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use aeraki_core::config::Config;
    use proptest::prelude::*;
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[test]
    fn overrides_stand_in_the_order_of_the_opcodes() {
        let read = overrides(" Ping = 5ms , Create=1.5s,Connect=1s").unwrap();
        assert_eq!(
            read,
            overrides("Connect=1s,Create=1500ms,Ping=5ms").unwrap()
        );
        let opcodes: Vec<Opcode> = read.iter().map(LatencyThresholdOverride::opcode).collect();
        assert_eq!(opcodes, [Opcode::Connect, Opcode::Create, Opcode::Ping]);
        assert_eq!(read[1].threshold, Some(Duration::from_millis(1500)));
    }

    #[test]
    fn every_opcode_of_envoy_is_known_by_its_name() {
        assert_eq!(opcode_names().count(), 27);
        for name in opcode_names() {
            assert_eq!(
                overrides(&format!("{name}=1ms")).map(|all| all.len()),
                Ok(1)
            );
        }
    }

    #[rstest]
    #[case::below_a_millisecond("Ping=0.5ms", "`0.5ms` is below one millisecond")]
    #[case::zero("Ping=0", "`0` is below one millisecond")]
    #[case::negative("Ping=-5ms", "`-5ms` is below one millisecond")]
    #[case::finer_than_envoy("Ping=1.5ms", "not a whole number of milliseconds")]
    #[case::longer_than_envoy("Ping=2562047.8h", "over 292 years")]
    #[case::twice("Ping=5ms,Sync=1ms,Ping=6ms", "`Ping` has two thresholds")]
    #[case::same_twice("Ping=5ms,Ping=5ms", "`Ping` has two thresholds")]
    #[case::letter_case("ping=5ms", "did you mean `Ping`?")]
    #[case::slip("Creat=5ms", "did you mean `Create`?")]
    #[case::unknown("Fetch=5ms", "`Fetch` is no opcode; known: Connect, ")]
    #[case::no_value("Ping", "`Ping` is not of the form")]
    #[case::trailing_comma("Ping=5ms,", "`` is not of the form")]
    #[case::no_unit("Ping=5", "`5`: duration without a unit")]
    fn overrides_that_envoy_would_refuse_say_why(#[case] text: &str, #[case] reason: &str) {
        let error = overrides(text).unwrap_err();
        assert!(error.contains(reason), "{error}");
    }

    #[rstest]
    #[case("1", Some(1))]
    #[case("4194304", Some(4_194_304))]
    #[case("4294967295", Some(u32::MAX))]
    #[case("4294967296", None)]
    #[case("0", None)]
    #[case("-1", None)]
    #[case("1Mi", None)]
    #[case("1.5", None)]
    fn packet_limits_are_positive_numbers(#[case] text: &str, #[case] bytes: Option<u32>) {
        assert_eq!(packet_bytes(text).ok(), bytes);
    }

    #[test]
    fn counters_are_chosen_by_name_or_all_at_once() {
        let all = per_opcode("true").unwrap();
        assert_eq!(
            all,
            per_opcode("decoder-errors, response-bytes,request-bytes").unwrap()
        );
        assert_eq!(per_opcode("false"), Ok(PerOpcode::default()));
        let one = per_opcode("response-bytes").unwrap();
        assert_eq!(
            one,
            PerOpcode {
                response_bytes: true,
                ..PerOpcode::default()
            }
        );
        let error = per_opcode("response-byte").unwrap_err();
        assert_eq!(
            error,
            "`response-byte` is no counter; did you mean `response-bytes`?"
        );
        assert!(
            per_opcode("request-bytes,latency")
                .unwrap_err()
                .contains("known: request-bytes")
        );
    }

    proptest! {
        #[test]
        fn thresholds_that_are_read_pass_the_check(
            text in prop_oneof![".{0,20}", "[A-Z][a-z]{3,5}=[0-9]{1,12}(ms|s|h)", "(Ping|Sync)=[-.0-9]{1,4}(us|ms|s)"],
        ) {
            if let Ok(read) = overrides(&text) {
                let config = Config::from(json!({"latency_threshold_overrides": read}));
                prop_assert_eq!(checks::latency_thresholds(config.root()), None);
            }
        }
    }
}
