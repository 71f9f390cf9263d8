//! The diagnostics of Redis.

use aeraki_core::diagnostic::{Code, Severity};

macro_rules! codes {
    ($($name:ident = $id:literal $severity:ident $title:literal, $explanation:literal, $remedy:literal;)*) => {
        $(
            pub(crate) static $name: Code = Code {
                id: $id,
                severity: Severity::$severity,
                title: $title,
                explanation: $explanation,
                remedy: $remedy,
            };
        )*
        /// All of them, for the registration.
        pub(crate) static CODES: &[&Code] = &[$(&$name),*];
    };
}

codes! {
    SHADOWED = "AER0501" Warning "another object for the host goes first",
        "One RedisService and one RedisDestination apply to a host: the oldest of the service's namespace, then by name. This one has no effect on that host.",
        "Merge the two, or remove the host from one of them.";
    DUPLICATE_PREFIX = "AER0502" Warning "two routes have the same key prefix",
        "Envoy refuses a listener with the same prefix twice (with `caseInsensitive`, in whatever case). The first route keeps the prefix; the other one is left out.",
        "Remove one of the two routes.";
    SEVERAL_CATCH_ALLS = "AER0503" Warning "several routes take every key",
        "A route without `match`, or with an empty prefix, takes every key that no longer prefix takes, and there can be one such route only. The last one counts, as in Go Aeraki.",
        "Keep one of them, or give the others a prefix.";
    NO_DESTINATION = "AER0504" Warning "a route leads nowhere",
        "The entry has no `route.host` or a port that cannot be. Commands on its keys fail; they are not sent to a server that nobody named. A mirror or read policy without a destination is left out.",
        "Give the entry a `route` with a host.";
    NOT_A_PERCENTAGE = "AER0505" Warning "the percentage is not between 0 and 100",
        "The mirror or fault that carries it is left out.",
        "Use a value from 0 to 100; without `percentage` it is 100.";
    UNKNOWN_PORT = "AER0506" Warning "the destination has no such port",
        "Istio makes a cluster for each port of a service. There is none for the port that the route leads to, so its commands fail.",
        "Correct `route.port`, or add the port to the service.";
    OWN_CATCH_ALL = "AER0507" Info "keys without a route go to the service itself",
        "The RedisService has routes for key prefixes and none for all other keys. Those go to the service itself, or to where a VirtualService sends its tcp traffic.",
        "Nothing. Add a route without `match` to send them elsewhere.";
    UNUSED_VIRTUAL_SERVICE = "AER0508" Warning "the VirtualService has no effect: a RedisService routes every key",
        "A VirtualService decides where keys without a route go. The RedisService of the host has a route for all keys, and it goes first.",
        "Remove the route without `match` from the RedisService, or the host from the VirtualService.";
    POOL_OF_DESTINATION_RULE = "AER0509" Info "the DestinationRule's connection pool counts",
        "A visible DestinationRule says `trafficPolicy.connectionPool.tcp` for the host, and Istio applies it to the cluster. That of the RedisDestination has no effect, so that the two do not contradict each other.",
        "Keep the settings in the DestinationRule and remove them from the RedisDestination.";
    MISSING_SECRET = "AER0510" Error "the Secret is not there, or lacks the key",
        "Without its credentials the service would be open, or its calls refused, so no filter is made and the last good one is kept.",
        "Create the Secret with that key in the object's namespace. A controller in a cluster reads only Secrets of namespaces that it is told (`--secret-namespaces`) and granted; docs/install.md says how.";
    CLUSTER_MODE = "AER0511" Info "cluster mode replaces Istio's cluster",
        "In cluster mode the sidecar learns the servers from Redis itself, so Istio's cluster is removed and another one added under its name. Istio's mutual TLS and what a DestinationRule says do not apply to that one.",
        "Allow plain text on the Redis port (PeerAuthentication), set pool and timeouts in the RedisDestination, and remove the DestinationRule's policy.";
    NO_EFFECT = "AER0512" Warning "the setting has no effect as it stands",
        "Another setting is needed before this one means anything, or its value says that nothing is to be done.",
        "Complete it as the message says, or remove it.";
    INERT_DESTINATION = "AER0513" Info "the RedisDestination changes nothing",
        "It sets no credentials, no connection pool and no cluster mode, so Istio's cluster stays as it is.",
        "Nothing, or remove it.";
    CARRIERS = "AER0514" Info "only sidecars that carry the credentials get the filter",
        "A sidecar that lacks the file or environment variable of a reference refuses the listener, and one that already runs aborts over a missing upstream credential. The filter is therefore matched to sidecars that announce the credentials of the namespace. The traffic of other sidecars stays plain TCP, and Redis itself decides about it.",
        "Set the metadata that the message names on pods that have the file or variable: `ISTIO_META_<KEY>` among the proxy's environment.";
    ORIGINAL_DST = "AER0515" Warning "the Redis proxy finds no server behind this host",
        "Istio's cluster of a headless Service, of a ServiceEntry with `resolution: NONE` (also that of one that does not say) and of a host whose DestinationRule says `loadBalancer: {simple: PASSTHROUGH}` leads to the address that the client called: its type in Envoy is ORIGINAL_DST. Envoy's Redis proxy cannot use such a cluster: every command would end in `no upstream host`. So such a service gets no filter and its traffic stays plain TCP, unless a RedisService sends all keys elsewhere; commands that a RedisService sends to such a host fail.",
        "Give the ServiceEntry `resolution: STATIC` or `DNS`, the clients a Service with a cluster IP, or, if the servers are a Redis Cluster, the host a RedisDestination with `mode: CLUSTER`.";
}

#[cfg(test)]
mod tests {
    use super::CODES;

    #[test]
    fn ids_are_sorted_and_of_this_protocol() {
        assert!(CODES.windows(2).all(|pair| pair[0].id < pair[1].id));
        assert!(
            CODES
                .iter()
                .all(|code| code.id.starts_with("AER05") && code.id.len() == 7)
        );
    }
}
