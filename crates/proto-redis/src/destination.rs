//! The host and port of a route → Istio's cluster.
//!
//! A destination that cannot be named leads to the black hole: its commands fail, they go to nobody else.

use aeraki_core::cluster_name::{self, BLACK_HOLE};
use aeraki_core::diagnostic::{Code, Diagnostic, catalogue};
use aeraki_core::generator::ServiceContext;
use aeraki_core::host::{Host, has_forbidden_characters};
use aeraki_core::object::Object;
use aeraki_core::service::{Port, Service};

use crate::spec::Destination;
use crate::{codes, original_dst};

/// The cluster that `destination` of the RedisService `owner` names, or the black hole.
pub(crate) fn cluster(
    ctx: &ServiceContext<'_>,
    owner: &Object,
    destination: Option<&Destination>,
    field: &str,
) -> String {
    named(ctx, owner, destination, field).unwrap_or_else(|| BLACK_HOLE.to_owned())
}

/// The cluster, if there can be one; else why not is reported.
pub(crate) fn named(
    ctx: &ServiceContext<'_>,
    owner: &Object,
    destination: Option<&Destination>,
    field: &str,
) -> Option<String> {
    let report = |code: &'static Code, place: String, sentence: String| {
        ctx.report(Diagnostic::new(code, &owner.key, sentence).at(place));
    };
    let Some(destination) = destination.filter(|destination| !destination.host.is_empty()) else {
        report(
            &codes::NO_DESTINATION,
            field.to_owned(),
            "it names no host".to_owned(),
        );
        return None;
    };
    if has_forbidden_characters(&destination.host) {
        let sentence = "the host has characters that no name may have".to_owned();
        report(
            &catalogue::FORBIDDEN_CHARACTER,
            format!("{field}.host"),
            sentence,
        );
        return None;
    }
    if destination.port > 65535 {
        let sentence = format!("{} is no port number", destination.port);
        report(&codes::NO_DESTINATION, format!("{field}.port"), sentence);
        return None;
    }
    let host = Host::resolve(
        &destination.host,
        &owner.key.namespace,
        &ctx.settings().domain,
    );
    let target = original_dst::service(ctx, &host);
    let port = match target {
        Some(service) => port(ctx.port(), service, destination.port),
        None if destination.port != 0 => destination.port,
        None => ctx.port().number(),
    };
    match target {
        None => {
            let sentence = format!("no service has the host `{host}`");
            report(
                &catalogue::UNKNOWN_DESTINATION,
                format!("{field}.host"),
                sentence,
            );
        }
        Some(service) if service.ports().iter().all(|known| known.number() != port) => {
            let sentence = format!("{} has no port {port}", service.object());
            let asked = if destination.port == 0 {
                "host"
            } else {
                "port"
            };
            report(&codes::UNKNOWN_PORT, format!("{field}.{asked}"), sentence);
        }
        Some(_) => {}
    }
    let cluster = cluster_name::outbound(port, "", host.as_str());
    if original_dst::is_of(ctx, &cluster) {
        let sentence = format!("every command that is sent to `{host}` fails");
        report(&codes::ORIGINAL_DST, format!("{field}.host"), sentence);
    }
    Some(cluster)
}

/// parity: the port that is named, else the only one of the service, else the one with the number that was called, else
/// the one with its name, else the number that was called.
fn port(called: &Port, target: &Service, wanted: u32) -> u32 {
    let ports = target.ports();
    match (wanted, ports) {
        (0, [only]) => only.number(),
        (0, _) => ports
            .iter()
            .find(|port| port.number() == called.number())
            .or_else(|| ports.iter().find(|port| port.name() == called.name()))
            .map_or(called.number(), Port::number),
        (wanted, _) => wanted,
    }
}
