//! Which listeners an EnvoyFilter patches.

use aeraki_api::networking::EnvoyFilter;
use aeraki_api::networking::envoy_filter as ef;
use aeraki_api::networking::envoy_filter::envoy_config_object_match::ObjectTypes;
use aeraki_api::networking::envoy_filter::patch::Operation;
use aeraki_core::draft::Direction;

const TCP_PROXY: &str = "envoy.filters.network.tcp_proxy";
const VIRTUAL_INBOUND: &str = "virtualInbound";

/// One patch on sidecars' listeners or on what is in them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Touch {
    /// Inbound or outbound; `None` for both.
    pub direction: Option<Direction>,
    /// The listener by name; `None` for any.
    pub listener: Option<Box<str>>,
    /// The port that the listener, or inbound the filter chain, must have; 0 for any.
    pub port: u32,
    /// Whether it takes the TCP proxy's place, or takes it out: then nothing can replace it any more.
    pub takes_tcp_proxy: bool,
}

impl Touch {
    /// Whether both can land on one listener.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        let same_side = self.direction.is_none()
            || other.direction.is_none()
            || self.direction == other.direction;
        let same_listener = match (&self.listener, &other.listener) {
            (Some(one), Some(two)) => one == two,
            _ => true,
        };
        let (one, two) = (self.known_port(), other.known_port());
        same_side && same_listener && (one == 0 || two == 0 || one == two)
    }

    /// The port, also where only an outbound listener's name (`<address>_<port>`) tells it.
    pub(crate) fn known_port(&self) -> u32 {
        if self.port != 0 || self.direction == Some(Direction::Inbound) {
            return self.port;
        }
        let name = self.listener.as_deref().unwrap_or_default();
        let port = name.rsplit('_').next().and_then(|port| port.parse().ok());
        port.unwrap_or(0)
    }
}

/// The listeners that a spec patches.
#[must_use]
pub fn touches(spec: &EnvoyFilter) -> Vec<Touch> {
    spec.config_patches.iter().filter_map(touch).collect()
}

fn touch(patch: &ef::EnvoyConfigObjectPatch) -> Option<Touch> {
    let operation = patch
        .patch
        .as_ref()
        .map_or(Operation::Invalid, ef::Patch::operation);
    let is_removal = matches!(operation, Operation::Remove | Operation::Replace);
    let applies = match patch.apply_to() {
        ef::ApplyTo::NetworkFilter => true,
        ef::ApplyTo::Listener | ef::ApplyTo::FilterChain => is_removal,
        _ => false,
    };
    let none = ef::EnvoyConfigObjectMatch::default();
    let matching = patch.r#match.as_ref().unwrap_or(&none);
    let context = match matching.context() {
        ef::PatchContext::Any => None,
        ef::PatchContext::SidecarInbound => Some(Direction::Inbound),
        ef::PatchContext::SidecarOutbound => Some(Direction::Outbound),
        ef::PatchContext::Gateway | ef::PatchContext::Waypoint => return None,
    };
    let any = ef::ListenerMatch::default();
    let listener = match &matching.object_types {
        Some(ObjectTypes::Listener(listener)) => listener,
        Some(_) => return None,
        None => &any,
    };
    let is_inbound = listener.name == VIRTUAL_INBOUND;
    let chain = listener.filter_chain.as_ref();
    let filter = chain.and_then(|chain| chain.filter.as_ref());
    let chain_port = chain.map_or(0, |chain| chain.destination_port);
    applies.then(|| Touch {
        direction: if is_inbound {
            Some(Direction::Inbound)
        } else {
            context
        },
        listener: (!listener.name.is_empty()).then(|| listener.name.as_str().into()),
        port: if chain_port == 0 {
            listener.port_number
        } else {
            chain_port
        },
        takes_tcp_proxy: is_removal
            && filter.is_none_or(|filter| filter.name.is_empty() || filter.name == TCP_PROXY),
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;

    fn of(patch: &Value) -> Option<Touch> {
        let spec = json!({"configPatches": [patch]});
        touches(&serde_json::from_value(spec).unwrap()).pop()
    }

    fn patch(operation: &str, listener: &Value) -> Value {
        json!({"applyTo": "NETWORK_FILTER", "match": {"context": "SIDECAR_OUTBOUND", "listener": listener},
               "patch": {"operation": operation}})
    }

    fn named(name: &str) -> Value {
        json!({"name": name, "filterChain": {"filter": {"name": TCP_PROXY}}})
    }

    #[rstest]
    #[case::same_name(named("10.0.0.1_80"), true)]
    #[case::other_name(named("10.0.0.2_80"), false)]
    #[case::same_port(json!({"portNumber": 80}), true)]
    #[case::other_port(json!({"portNumber": 81}), false)]
    #[case::any_listener(json!({}), true)]
    fn what_lands_on_one_listener_overlaps(#[case] other: Value, #[case] expected: bool) {
        let ours = of(&patch("REPLACE", &named("10.0.0.1_80"))).unwrap();
        let other = of(&patch("REPLACE", &other)).unwrap();
        assert_eq!(ours.overlaps(&other), expected);
        assert_eq!(other.overlaps(&ours), expected);
    }

    #[test]
    fn inbound_and_outbound_never_overlap() {
        let outbound = of(&patch("REPLACE", &json!({"portNumber": 80}))).unwrap();
        let inbound = json!({"applyTo": "NETWORK_FILTER", "patch": {"operation": "REPLACE"},
            "match": {"listener": {"name": VIRTUAL_INBOUND, "filterChain": {"destinationPort": 80}}}});
        let inbound = of(&inbound).unwrap();
        assert_eq!(
            (inbound.direction, inbound.port),
            (Some(Direction::Inbound), 80)
        );
        assert!(!inbound.overlaps(&outbound));
    }

    #[rstest]
    #[case::replace("REPLACE", named("a_1"), true)]
    #[case::remove("REMOVE", named("a_1"), true)]
    #[case::insert("INSERT_BEFORE", named("a_1"), false)]
    #[case::another_filter("REPLACE", json!({"filterChain": {"filter": {"name": "envoy.filters.network.mongo_proxy"}}}), false)]
    fn taking_the_tcp_proxy_is_told(
        #[case] operation: &str,
        #[case] listener: Value,
        #[case] expected: bool,
    ) {
        assert_eq!(
            of(&patch(operation, &listener)).unwrap().takes_tcp_proxy,
            expected
        );
    }

    #[rstest]
    #[case::cluster(json!({"applyTo": "CLUSTER", "patch": {"operation": "ADD"}}))]
    #[case::gateway(json!({"applyTo": "NETWORK_FILTER", "match": {"context": "GATEWAY"}, "patch": {"operation": "REPLACE"}}))]
    #[case::new_listener(json!({"applyTo": "LISTENER", "patch": {"operation": "ADD"}}))]
    fn what_leaves_sidecars_listeners_alone_touches_nothing(#[case] patch: Value) {
        assert_eq!(of(&patch), None);
    }
}
