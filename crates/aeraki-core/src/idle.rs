//! Rules that apply to no service at all: nobody else would tell.
//!
//! They are worked out when somebody asks, not kept: nothing that is written depends on them.

use crate::diagnostic::{Diagnostic, Severity, catalogue};
use crate::host::Host;
use crate::near_miss;
use crate::object::{Body, Object};
use crate::world::World;

/// Up to how many comparisons suggestions are looked for; a mesh of many hosts and many idle rules goes without.
const COMPARISONS: usize = 500_000;

/// One diagnostic for each rule whose hosts no known service has, sorted by object.
pub(crate) fn rules(world: &World) -> Vec<Diagnostic> {
    let mut idle: Vec<(&Object, Vec<Host>)> = world
        .rules()
        .filter_map(|rule| {
            let hosts = world.hosts_said_by(rule);
            let applies = hosts.iter().any(|host| world.has_service_for(rule, host));
            (!applies && is_for_sidecars(rule)).then_some((rule, hosts))
        })
        .collect();
    if idle.is_empty() {
        return Vec::new();
    }
    idle.sort_by(|(a, _), (b, _)| a.key.cmp(&b.key));
    let known: Vec<&str> = world
        .services()
        .map(|service| service.host().as_str())
        .collect();
    let suggests = known.len().saturating_mul(idle.len()) <= COMPARISONS;
    let known = if suggests { known } else { Vec::new() };
    idle.into_iter()
        .map(|(rule, hosts)| report(rule, &hosts, &known))
        .collect()
}

/// A VirtualService for gateways alone is about hosts of the outside world.
fn is_for_sidecars(rule: &Object) -> bool {
    match &rule.body {
        Body::VirtualService(spec) => {
            let spec = spec.head();
            spec.gateways.is_empty() || spec.gateways.iter().any(|gateway| gateway == "mesh")
        }
        _ => true,
    }
}

fn report(rule: &Object, hosts: &[Host], known: &[&str]) -> Diagnostic {
    let is_own_kind = matches!(rule.body, Body::Extra(_));
    let field = match &rule.body {
        Body::VirtualService(_) => "spec.hosts",
        _ => "spec.host",
    };
    let code = &catalogue::IDLE_RULE;
    let Some(first) = hosts.first().filter(|host| !host.as_str().is_empty()) else {
        return Diagnostic::new(
            code,
            &rule.key,
            "it names no host, so it applies to nothing",
        )
        .at(field);
    };
    let place = if is_own_kind { " in its namespace" } else { "" };
    let sentence = format!("no service{place} has the host `{first}`, so it applies to nothing");
    let diagnostic = Diagnostic::new(code, &rule.key, sentence).at(field);
    match near_miss::closest_host(first.as_str(), known.iter().copied()) {
        Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
        None if is_own_kind => diagnostic,
        // Rules for services of other kinds of traffic are not our business.
        None => diagnostic.severity(Severity::Info),
    }
}
