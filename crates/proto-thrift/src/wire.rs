//! How the calls are written: Thrift's transport and protocol.

use aeraki_api::envoy::thrift::{ProtocolType, TransportType};
use aeraki_core::diagnostic::{Code, Severity};
use aeraki_core::generator::ServiceContext;
use aeraki_core::registry::Annotation;

pub(crate) const TRANSPORT: &str = "thrift.aeraki.io/transport";
const PROTOCOL: &str = "thrift.aeraki.io/protocol";

pub(crate) const ANNOTATIONS: [Annotation; 2] = [
    Annotation {
        key: TRANSPORT,
        on: "ServiceEntry, Service",
        meaning: "how messages are framed: auto, framed, unframed or header; default auto",
    },
    Annotation {
        key: PROTOCOL,
        on: "ServiceEntry, Service",
        meaning: "how messages are encoded: auto, binary or compact; default auto",
    },
];

pub(crate) static HEADERS_ARE_LOST: Code = Code {
    id: "AER0521",
    severity: Severity::Warning,
    title: "a route asks for a header that the transport cannot carry",
    explanation: "Only the header transport (THeader) carries headers. The service's annotation sets another one, so a route that asks for a header matches no call, and its calls go on to the routes behind it.",
    remedy: "Remove the header condition, or let the clients use THeader and set `thrift.aeraki.io/transport: header`.",
};

/// Transport and protocol, of clients and servers alike: Envoy speaks to the server as it was spoken to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Wire {
    pub(crate) transport: TransportType,
    pub(crate) protocol: ProtocolType,
}

impl Wire {
    /// What the service's annotations say; Envoy detects the rest.
    pub(crate) fn read(ctx: &ServiceContext<'_>) -> Self {
        Self {
            transport: ctx
                .annotation(TRANSPORT, parse_transport)
                .unwrap_or(TransportType::AutoTransport),
            protocol: ctx
                .annotation(PROTOCOL, parse_protocol)
                .unwrap_or(ProtocolType::AutoProtocol),
        }
    }

    /// Whether a call may have headers at all.
    pub(crate) fn carries_headers(self) -> bool {
        matches!(
            self.transport,
            TransportType::AutoTransport | TransportType::Header
        )
    }
}

fn parse_transport(word: &str) -> Result<TransportType, String> {
    match word.to_ascii_lowercase().as_str() {
        "auto" => Ok(TransportType::AutoTransport),
        "framed" => Ok(TransportType::Framed),
        "unframed" => Ok(TransportType::Unframed),
        "header" => Ok(TransportType::Header),
        _ => Err(format!(
            "{word:?} is none of auto, framed, unframed, header"
        )),
    }
}

fn parse_protocol(word: &str) -> Result<ProtocolType, String> {
    match word.to_ascii_lowercase().as_str() {
        "auto" => Ok(ProtocolType::AutoProtocol),
        "binary" => Ok(ProtocolType::Binary),
        "compact" => Ok(ProtocolType::Compact),
        _ => Err(format!("{word:?} is none of auto, binary, compact")),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("auto", Some(TransportType::AutoTransport))]
    #[case("framed", Some(TransportType::Framed))]
    #[case("Unframed", Some(TransportType::Unframed))]
    #[case("HEADER", Some(TransportType::Header))]
    #[case("framed ", None)]
    #[case("theader", None)]
    fn a_transport_is_one_of_four_words(
        #[case] word: &str,
        #[case] expected: Option<TransportType>,
    ) {
        assert_eq!(parse_transport(word).ok(), expected);
    }

    #[rstest]
    #[case("auto", Some(ProtocolType::AutoProtocol))]
    #[case("binary", Some(ProtocolType::Binary))]
    #[case("Compact", Some(ProtocolType::Compact))]
    #[case("twitter", None)]
    fn a_protocol_is_one_of_three_words(
        #[case] word: &str,
        #[case] expected: Option<ProtocolType>,
    ) {
        assert_eq!(parse_protocol(word).ok(), expected);
    }
}
