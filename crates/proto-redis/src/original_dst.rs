//! Clusters that lead to the address that the client called: Envoy's type `ORIGINAL_DST`.
//!
//! `redis_proxy` opens connections of its own and finds no server in such a cluster: every command but PING fails
//! (`no upstream host`).

use aeraki_api::networking::load_balancer_settings::{LbPolicy, SimpleLb};
use aeraki_api::networking::{DestinationRule, LoadBalancerSettings, TrafficPolicy};
use aeraki_core::cluster_name;
use aeraki_core::generator::ServiceContext;
use aeraki_core::host::Host;
use aeraki_core::service::Service;

use crate::inputs;

/// Whether `cluster`, one of Istio's, is of that type in the sidecars that see the service.
pub(crate) fn is_of(ctx: &ServiceContext<'_>, cluster: &str) -> bool {
    let Some((port, subset, host)) = cluster_name::outbound_parts(cluster) else {
        return false;
    };
    let Some(service) = service(ctx, &Host::new(host)) else {
        return false;
    };
    let passes_through = |rule: DestinationRule| passes_through(&rule, port, subset);
    let istios =
        service.is_passthrough() || ctx.destination_rule_of(service).is_some_and(passes_through);
    // Cluster mode puts a cluster of its own in the place of that without a subset.
    istios && !(subset.is_empty() && inputs::is_in_cluster_mode(ctx, service))
}

/// The service at `host`. The service itself is always the one that is being served, whoever else claims its host.
pub(crate) fn service<'a>(ctx: &ServiceContext<'a>, host: &Host) -> Option<&'a Service> {
    if host == ctx.service().host() {
        Some(ctx.service())
    } else {
        ctx.service_at(host.as_str(), ctx.service().namespace())
    }
}

/// Istio takes the load balancer of the subset, of the port, or of the host, whichever comes first.
fn passes_through(rule: &DestinationRule, port: u32, subset: &str) -> bool {
    let subset = rule.subsets.iter().find(|known| known.name == subset);
    let of_subset = subset.and_then(|subset| subset.traffic_policy.as_ref());
    let policies = of_subset.into_iter().chain(&rule.traffic_policy);
    let mut balancers = policies.filter_map(|policy| balancer(policy, port));
    let passthrough = LbPolicy::Simple(SimpleLb::Passthrough as i32);
    balancers.next().and_then(|found| found.lb_policy.as_ref()) == Some(&passthrough)
}

/// What is said of a port leaves nothing of what is said of the host.
fn balancer(policy: &TrafficPolicy, port: u32) -> Option<&LoadBalancerSettings> {
    let of_port = policy
        .port_level_settings
        .iter()
        .find(|of| of.port.as_ref().is_some_and(|of| of.number == port));
    match of_port {
        Some(settings) => settings.load_balancer.as_deref(),
        None => policy.load_balancer.as_deref(),
    }
}
