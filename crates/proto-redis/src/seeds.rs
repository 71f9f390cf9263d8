//! Where a sidecar first asks for the servers of a Redis cluster.

use aeraki_core::generator::{GenerateError, ServiceContext};
use aeraki_core::host::has_forbidden_characters;
use aeraki_core::object::Kind;
use aeraki_core::service::{Addressing, TargetPort};

use crate::inputs::Given;
use crate::spec::RedisDestination;

/// A host name or IP address, and a port.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Seed {
    pub(crate) host: String,
    pub(crate) port: u32,
}

/// The seeds: `discoveryEndpoints`, else the service's own host.
pub(crate) fn seeds(
    ctx: &ServiceContext<'_>,
    given: &Given<'_, RedisDestination>,
) -> Result<Vec<Seed>, GenerateError> {
    let field = "spec.trafficPolicy.connectionPool.redis.discoveryEndpoints";
    let endpoints = &given
        .spec
        .traffic_policy
        .connection_pool
        .redis
        .discovery_endpoints;
    if !endpoints.is_empty() {
        return endpoints
            .iter()
            .enumerate()
            .map(|(i, text)| {
                parse(text, ctx.port().number())
                    .map_err(|reason| given.invalid(format!("{field}[{i}]"), reason))
            })
            .collect();
    }
    let host = ctx.service().host();
    if host.is_wildcard() {
        let reason = format!("`{host}` is no single host to ask: name endpoints");
        return Err(given.invalid(field, reason));
    }
    Ok(vec![Seed {
        host: host.as_str().to_owned(),
        port: own_port(ctx),
    }])
}

/// The port behind the service's DNS name. The name of a Service with a cluster IP leads to that address and so to the
/// service port; any other name leads to the servers themselves.
fn own_port(ctx: &ServiceContext<'_>) -> u32 {
    let service = ctx.service();
    let has_cluster_ip = service.object().kind == Kind::SERVICE
        && !matches!(service.addressing(), Addressing::Headless(_));
    match ctx.port().target() {
        TargetPort::Number(number) if !has_cluster_ip => *number,
        TargetPort::Number(_) | TargetPort::Named(_) => ctx.port().number(),
    }
}

/// Reads `host`, `host:port`, `[v6]`, `[v6]:port` or a bare IPv6 address.
fn parse(text: &str, default_port: u32) -> Result<Seed, String> {
    let (host, port) = split(text).ok_or_else(|| format!("`{text}` is no `host[:port]`"))?;
    if has_forbidden_characters(host) || host.contains(['[', ']', '/']) {
        return Err(format!("`{text}` is no `host[:port]`"));
    }
    let port = match port {
        None => default_port,
        Some(digits) => digits
            .parse::<u16>()
            .ok()
            .filter(|number| *number > 0 && !digits.starts_with('+'))
            .map(u32::from)
            .ok_or_else(|| format!("`{digits}` is no port number"))?,
    };
    Ok(Seed {
        host: host.to_owned(),
        port,
    })
}

fn split(text: &str) -> Option<(&str, Option<&str>)> {
    if let Some(bracketed) = text.strip_prefix('[') {
        let (host, rest) = bracketed.split_once(']')?;
        host.parse::<std::net::Ipv6Addr>().ok()?;
        return match rest {
            "" => Some((host, None)),
            port => Some((host, Some(port.strip_prefix(':')?))),
        };
    }
    match text.split_once(':') {
        None => Some((text, None)),
        Some((host, port)) if !port.contains(':') => Some((host, Some(port))),
        Some(_) => text
            .parse::<std::net::Ipv6Addr>()
            .ok()
            .map(|_| (text, None)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::host("redis-0.redis", "redis-0.redis", 6379)]
    #[case::host_and_port("redis-0.redis:7000", "redis-0.redis", 7000)]
    #[case::v4("10.0.0.7:7001", "10.0.0.7", 7001)]
    #[case::bare_v6("2001:db8::7", "2001:db8::7", 6379)]
    #[case::v6("[2001:db8::7]", "2001:db8::7", 6379)]
    #[case::v6_and_port("[2001:db8::7]:7002", "2001:db8::7", 7002)]
    fn an_endpoint_is_read(#[case] text: &str, #[case] host: &str, #[case] port: u32) {
        assert_eq!(
            parse(text, 6379),
            Ok(Seed {
                host: host.to_owned(),
                port
            })
        );
    }

    #[rstest]
    #[case::empty("")]
    #[case::no_host(":6379")]
    #[case::no_port("redis:")]
    #[case::word_as_port("redis:six")]
    #[case::port_zero("redis:0")]
    #[case::port_too_big("redis:65536")]
    #[case::signed_port("redis:+6379")]
    #[case::url("redis://redis:6379")]
    #[case::two_colons("a:b:c")]
    #[case::open_bracket("[2001:db8::7")]
    #[case::no_v6_in_brackets("[redis]:6379")]
    #[case::rest_behind_bracket("[2001:db8::7]6379")]
    #[case::white_space("redis 0:6379")]
    fn what_is_no_endpoint_is_refused(#[case] text: &str) {
        assert!(parse(text, 6379).is_err());
    }

    proptest! {
        #[test]
        fn no_text_panics_and_every_seed_is_fit_for_an_address(text in "[a:.0-9\\[\\]é|/ -]{0,20}") {
            if let Ok(seed) = parse(&text, 6379) {
                prop_assert!(!seed.host.is_empty() && (1..=65535).contains(&seed.port));
            }
        }
    }
}
