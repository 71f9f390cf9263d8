//! A short list of reasons: what programs sort Events and conditions by. The code says it exactly.

/// Codes by their first four digits or more, the longest that fits counting; and the reason for them.
const REASONS: [(&str, &str); 22] = [
    ("AER000", "InvalidConfig"),
    ("AER0100", "NotOurs"),
    ("AER010", "ProtocolUnsupported"),
    ("AER011", "InvalidAnnotation"),
    ("AER012", "NoListener"),
    ("AER0121", "OwnershipConflict"),
    ("AER0122", "OwnershipConflict"),
    ("AER0123", "OwnershipConflict"),
    ("AER013", "NoInboundFilter"),
    ("AER014", "ScopeLimited"),
    ("AER015", "ProtocolUnsupported"),
    ("AER016", "NotEnforced"),
    ("AER020", "InvalidRoute"),
    ("AER021", "InvalidRoute"),
    ("AER03", "ProxyRejected"),
    ("AER0305", "OwnershipConflict"),
    ("AER04", "ConfigUnreadable"),
    ("AER0401", "OwnershipConflict"),
    ("AER042", "WriteFailed"),
    ("AER05", "InvalidConfig"),
    ("AER09", "GenerationFailed"),
    ("AER", "ConfigProblem"),
];

/// The reason of a code: one of a short list, in the form of Kubernetes' reasons.
pub(crate) fn of_code(code: &str) -> &'static str {
    let fitting = REASONS.iter().filter(|(start, _)| code.starts_with(start));
    let longest = fitting.max_by_key(|(start, _)| start.len());
    longest.map_or("ConfigProblem", |(_, reason)| reason)
}

#[cfg(test)]
mod tests {
    use aeraki_core::diagnostic::catalogue::CATALOGUE;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::an_unknown_protocol("AER0101", "ProtocolUnsupported")]
    #[case::a_clash_of_listeners("AER0122", "OwnershipConflict")]
    #[case::no_listener("AER0125", "NoListener")]
    #[case::a_route("AER0200", "InvalidRoute")]
    #[case::a_protocol_crate("AER0501", "InvalidConfig")]
    #[case::a_code_of_tomorrow("AER0799", "ConfigProblem")]
    #[case::no_code_at_all("", "ConfigProblem")]
    fn a_code_has_the_reason_of_its_group(#[case] code: &str, #[case] reason: &str) {
        assert_eq!(of_code(code), reason);
    }

    #[test]
    fn every_code_of_the_core_has_a_reason_that_says_something() {
        for code in CATALOGUE {
            assert_ne!(of_code(code.id), "ConfigProblem", "{}", code.id);
        }
    }
}
