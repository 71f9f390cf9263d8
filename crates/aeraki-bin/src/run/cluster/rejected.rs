//! From what a proxy refuses to the EnvoyFilter that is in it, and from there to the user's object. Pure.
//!
//! A proxy names the listener or cluster and not the EnvoyFilter. So it may be any that lands there; where none of ours
//! does, the refusal is not our business.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use aeraki_core::diagnostic::{Code, Diagnostic, catalogue};
use aeraki_core::draft::Direction;
use aeraki_core::{Filter, FilterKey};
use aeraki_kube::filters::{Touch, touches};
use aeraki_xds::syncz::{CLUSTER, LISTENER, Rejection};

/// The listener in which Istio puts everything that comes to a workload.
const VIRTUAL_INBOUND: &str = "virtualInbound";

/// What Envoy says of a filter that was not compiled in.
const ABSENT: &str = "Didn't find a registered implementation";

/// What is refused, and why.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Refusal<'a> {
    type_url: &'a str,
    resource: &'a str,
    error: &'a str,
}

/// The refusals that are of our making, each told of one proxy: the first by name, so that a second one is no news.
pub(super) fn diagnostics(
    rejections: &[Rejection],
    filters: &BTreeMap<FilterKey, Arc<Filter>>,
    root_namespace: &str,
) -> BTreeSet<Diagnostic> {
    // Hundreds of proxies say the same.
    let mut proxies: BTreeMap<Refusal<'_>, BTreeSet<&str>> = BTreeMap::new();
    for rejection in rejections {
        let refusal = Refusal {
            type_url: &rejection.type_url,
            resource: rejection.resource.as_deref().unwrap_or_default(),
            error: &rejection.error,
        };
        proxies.entry(refusal).or_default().insert(&rejection.proxy);
    }
    let mut told = BTreeSet::new();
    for (refusal, proxies) in proxies {
        for filter in filters.values().filter(|filter| is_in(filter, refusal)) {
            let reached = |proxy: &&&str| reaches(filter, proxy, root_namespace);
            if let Some(proxy) = proxies.iter().find(reached) {
                told.insert(diagnostic(filter, refusal, proxy));
            }
        }
    }
    told
}

fn diagnostic(filter: &Filter, refusal: Refusal<'_>, proxy: &str) -> Diagnostic {
    let Refusal {
        resource, error, ..
    } = refusal;
    let key = &filter.key;
    let sentence =
        format!("proxy {proxy} refuses {resource}, into which the EnvoyFilter {key} goes: {error}");
    Diagnostic::new(code(error), &filter.service, sentence)
}

fn code(error: &str) -> &'static Code {
    if error.contains(ABSENT) {
        &catalogue::FILTER_ABSENT
    } else {
        &catalogue::PROXY_REJECTED
    }
}

/// Whether the proxy gets the EnvoyFilter at all.
fn reaches(filter: &Filter, proxy: &str, root_namespace: &str) -> bool {
    let namespace = proxy.rsplit_once('.').map(|(_, namespace)| namespace);
    let of_filter = &*filter.key.namespace;
    of_filter == root_namespace || namespace.is_none_or(|namespace| namespace == of_filter)
}

/// Whether one of its patches lands in what is refused.
fn is_in(filter: &Filter, refusal: Refusal<'_>) -> bool {
    let Refusal {
        type_url, resource, ..
    } = refusal;
    match type_url {
        LISTENER if resource == VIRTUAL_INBOUND => filter.direction == Direction::Inbound,
        LISTENER => filter.direction == Direction::Outbound && is_on_listener(filter, resource),
        CLUSTER => {
            let mut parts = resource.split('|');
            let port = parts.nth(1).and_then(|port| port.parse().ok());
            port == Some(filter.port) && parts.nth(1) == Some(filter.host.as_str())
        }
        _ => false,
    }
}

/// The port of an outbound listener is the service's, so most filters need no closer look.
fn is_on_listener(filter: &Filter, listener: &str) -> bool {
    let port = listener
        .rsplit('_')
        .next()
        .and_then(|port| port.parse().ok());
    let lands = |touch: &Touch| match touch.listener.as_deref() {
        Some(name) => name == listener,
        None => Some(touch.port) == port,
    };
    let text = filter.content.spec_text();
    let may_land =
        port == Some(filter.port) && (text.contains(listener) || text.contains("portNumber"));
    may_land && touches(&filter.content.spec()).iter().any(lands)
}

#[cfg(test)]
mod tests {
    use aeraki_api::Cr;
    use aeraki_api::networking::ServiceEntry;
    use aeraki_core::engine::Engine;
    use aeraki_core::object::{ConfigEvent, Object};
    use aeraki_core::settings::Settings;
    use rstest::rstest;
    use serde_json::json;

    use super::*;
    use crate::linked;

    /// An engine with one Dubbo service `orders` in `shop`, with a filter for each side.
    fn engine() -> Engine {
        let spec: ServiceEntry = serde_json::from_value(json!({
            "hosts": ["orders.example"], "addresses": ["10.0.0.1"], "resolution": "STATIC",
            "ports": [{"number": 20880, "name": "tcp-dubbo", "protocol": "TCP"}],
            "workloadSelector": {"labels": {"app": "orders"}},
        }))
        .unwrap();
        let registry = linked::registry_of_some().unwrap();
        let mut engine = Engine::new(Settings::default(), registry);
        let mut cr = Cr::new("orders", "shop", spec);
        cr.metadata.annotations = [("interface".to_owned(), "a.B".to_owned())].into();
        engine.apply(ConfigEvent::Put(Arc::new(Object::from(cr))));
        engine.drain();
        assert_eq!(engine.filters().len(), 2);
        engine
    }

    fn refusal(proxy: &str, type_url: &str, resource: &str, error: &str) -> Rejection {
        Rejection {
            proxy: proxy.to_owned(),
            type_url: type_url.to_owned(),
            resource: Some(resource.to_owned()),
            error: error.to_owned(),
        }
    }

    fn codes(rejections: &[Rejection]) -> Vec<&'static str> {
        let engine = engine();
        let found = diagnostics(rejections, engine.filters(), "istio-system");
        found.iter().map(|one| one.code).collect()
    }

    #[rstest]
    #[case::its_listener("c.web", LISTENER, "10.0.0.1_20880", 1)]
    #[case::another_listener("c.web", LISTENER, "10.0.0.2_20880", 0)]
    #[case::inbound_at_home("s.shop", LISTENER, "virtualInbound", 1)]
    #[case::inbound_elsewhere("s.web", LISTENER, "virtualInbound", 0)]
    #[case::another_type(
        "c.web",
        "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
        "10.0.0.1_20880",
        0
    )]
    fn a_refusal_is_ours_where_a_filter_of_ours_lands(
        #[case] proxy: &str,
        #[case] type_url: &str,
        #[case] resource: &str,
        #[case] expected: usize,
    ) {
        let refusals = [refusal(proxy, type_url, resource, "bad")];
        assert_eq!(codes(&refusals).len(), expected);
    }

    #[test]
    fn an_absent_filter_has_a_code_of_its_own() {
        let error =
            "Didn't find a registered implementation for 'envoy.filters.network.dubbo_proxy'";
        let refusals = [refusal("c.web", LISTENER, "10.0.0.1_20880", error)];
        assert_eq!(codes(&refusals), [catalogue::FILTER_ABSENT.id]);
    }

    #[test]
    fn many_proxies_that_say_the_same_are_told_once_whatever_their_order() {
        let of = |proxy| refusal(proxy, LISTENER, "10.0.0.1_20880", "bad");
        let engine = engine();
        let told = |list: &[Rejection]| diagnostics(list, engine.filters(), "istio-system");
        let one = told(&[of("a.web"), of("b.web")]);
        assert_eq!(one.len(), 1);
        assert_eq!(one, told(&[of("b.web"), of("a.web")]));
        let only = one.first().unwrap();
        assert!(
            only.message.contains("proxy a.web refuses 10.0.0.1_20880"),
            "{}",
            only.message
        );
        assert_eq!(only.object.to_string(), "ServiceEntry shop/orders");
    }
}
