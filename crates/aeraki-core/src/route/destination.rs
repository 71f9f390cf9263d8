//! A rule's destinations, as Envoy clusters.

use aeraki_api::networking::{Destination, Percent};

use super::Action;
use crate::cluster_name::{self, BLACK_HOLE};
use crate::diagnostic::{Diagnostic, Severity, catalogue};
use crate::field::Place;
use crate::generator::ServiceContext;
use crate::host::{Host, has_forbidden_characters};
use crate::object::Object;

/// One destination with its weight and its place in the rule.
pub(super) struct Weighted<'a> {
    pub(super) destination: Option<&'a Destination>,
    pub(super) weight: i32,
    pub(super) place: Place<'a>,
}

impl<'a> Weighted<'a> {
    /// The destinations of a list at `list`, each with its weight.
    pub(super) fn all(
        destinations: impl Iterator<Item = (Option<&'a Destination>, i32)>,
        list: &'a Place<'a>,
    ) -> Vec<Self> {
        let places = destinations.enumerate();
        places
            .map(|(k, (destination, weight))| Self {
                destination,
                weight,
                place: list.index(k),
            })
            .collect()
    }

    fn cluster(&self, ctx: &ServiceContext<'_>, rule: &Object) -> String {
        cluster(ctx, rule, self.destination, self.place.field("destination"))
    }
}

/// Where the calls of a rule with these destinations go. `place` is the rule's.
///
/// A single destination gets all calls, whatever its weight says, as in Istio. Of several, those without a positive
/// weight get none; if nothing is left, the calls fail.
pub(super) fn action(
    ctx: &ServiceContext<'_>,
    rule: &Object,
    destinations: &[Weighted<'_>],
    place: Place<'_>,
) -> Action {
    let counted: Vec<(String, u32)> = match destinations {
        [single] => vec![(single.cluster(ctx, rule), 1)],
        several => several
            .iter()
            .filter_map(|one| share(ctx, rule, one))
            .collect(),
    };
    let total: u64 = counted.iter().map(|(_, weight)| u64::from(*weight)).sum();
    if destinations.len() > 1 && total != 100 && total != 0 {
        let sentence =
            format!("the weights add up to {total}, so they are proportions, not percent");
        let diagnostic = Diagnostic::new(&catalogue::WEIGHTS, &rule.key, sentence);
        ctx.report(diagnostic.at(place).severity(Severity::Info));
    }
    match <[_; 1]>::try_from(counted) {
        Ok([(cluster, _)]) => Action::Cluster(cluster),
        Err(none) if none.is_empty() => fail(ctx, rule, place, "no destination has a weight"),
        // Envoy adds the weights up in 32 bits.
        Err(_) if u32::try_from(total).is_err() => fail(
            ctx,
            rule,
            place,
            "the weights add up to more than 4294967295",
        ),
        Err(several) => Action::Weighted(several),
    }
}

/// Calls that must fail, and why.
pub(super) fn fail(ctx: &ServiceContext<'_>, rule: &Object, place: Place<'_>, why: &str) -> Action {
    let sentence = format!("{why}, so calls that match fail");
    ctx.report(Diagnostic::new(&catalogue::NO_DESTINATION, &rule.key, sentence).at(place));
    Action::Cluster(BLACK_HOLE.to_owned())
}

fn share(ctx: &ServiceContext<'_>, rule: &Object, one: &Weighted<'_>) -> Option<(String, u32)> {
    let weight = match u32::try_from(one.weight) {
        Ok(0) => None,
        Ok(weight) => Some(weight),
        Err(_) => None,
    };
    let Some(weight) = weight else {
        let (severity, sentence) = if one.weight == 0 {
            (
                Severity::Info,
                "weight 0 or no weight: this destination gets no calls".to_owned(),
            )
        } else {
            let sentence = format!(
                "{} is no weight: this destination gets no calls",
                one.weight
            );
            (Severity::Warning, sentence)
        };
        let diagnostic = Diagnostic::new(&catalogue::WEIGHTS, &rule.key, sentence);
        ctx.report(diagnostic.at(one.place.field("weight")).severity(severity));
        return None;
    };
    Some((one.cluster(ctx, rule), weight))
}

/// The cluster of the destination at `place`. One that cannot be named leads to the black hole, so that its calls fail.
pub(super) fn cluster(
    ctx: &ServiceContext<'_>,
    rule: &Object,
    destination: Option<&Destination>,
    place: Place<'_>,
) -> String {
    let Some(destination) = destination.filter(|destination| !destination.host.is_empty()) else {
        let diagnostic = Diagnostic::new(
            &catalogue::REFUSED_OBJECT,
            &rule.key,
            "the destination has no host",
        );
        ctx.report(diagnostic.at(place));
        return BLACK_HOLE.to_owned();
    };
    let Some(host) = named(ctx, rule, destination, place) else {
        return BLACK_HOLE.to_owned();
    };
    let port = port(ctx, rule, destination, &host, place);
    if !destination.subset.is_empty() && !ctx.subset_is_defined(&host, &destination.subset) {
        let subset = &destination.subset;
        let sentence = format!("no DestinationRule for `{host}` defines the subset `{subset}`");
        let diagnostic = Diagnostic::new(&catalogue::UNDEFINED_SUBSET, &rule.key, sentence);
        ctx.report(diagnostic.at(place.field("subset")));
    }
    cluster_name::outbound(port, &destination.subset, host.as_str())
}

/// The destination's full host, if its parts are fit to stand in a cluster name.
fn named(
    ctx: &ServiceContext<'_>,
    rule: &Object,
    destination: &Destination,
    place: Place<'_>,
) -> Option<Host> {
    let subset_is_bad =
        !destination.subset.is_empty() && has_forbidden_characters(&destination.subset);
    let bad = match (has_forbidden_characters(&destination.host), subset_is_bad) {
        (true, _) => Some("host"),
        (_, true) => Some("subset"),
        _ => None,
    };
    if let Some(part) = bad {
        let sentence = format!("the destination's {part} has characters that no name may have");
        let diagnostic = Diagnostic::new(&catalogue::FORBIDDEN_CHARACTER, &rule.key, sentence);
        ctx.report(diagnostic.at(place.field(part)));
        return None;
    }
    let name = &destination.host;
    let own = ctx.service().host();
    if *name == *own.as_str() && name.contains('.') {
        return Some(own.clone());
    }
    let domain = &ctx.settings().domain;
    Some(Host::resolve(name, &rule.key.namespace, domain))
}

/// Istio's rule: the port that is named, else the only port of the destination, else the port that was called.
fn port(
    ctx: &ServiceContext<'_>,
    rule: &Object,
    destination: &Destination,
    host: &Host,
    place: Place<'_>,
) -> u32 {
    let own = host == ctx.service().host();
    let target = if own {
        Some(ctx.service())
    } else {
        ctx.service_at(host.as_str(), &rule.key.namespace)
    };
    if target.is_none() {
        let sentence = format!("no service has the host `{host}`");
        let diagnostic = Diagnostic::new(&catalogue::UNKNOWN_DESTINATION, &rule.key, sentence);
        ctx.report(diagnostic.at(place.field("host")));
    }
    let ports = target.map_or(&[][..], crate::service::Service::ports);
    match (&destination.port, ports) {
        (Some(selector), _) if selector.number != 0 => {
            let is_there = ports.iter().any(|port| port.number() == selector.number);
            if target.is_some() && !is_there {
                let sentence = format!("`{host}` has no port {}", selector.number);
                let diagnostic =
                    Diagnostic::new(&catalogue::UNKNOWN_DESTINATION, &rule.key, sentence);
                ctx.report(diagnostic.at(place.field("port").field("number")));
            }
            selector.number
        }
        (_, [only]) => only.number(),
        _ => ctx.port().number(),
    }
}

/// A percentage as parts per million; `None` if it is no percentage.
pub(super) fn per_million(percent: Option<&Percent>) -> Option<u32> {
    let value = percent.map_or(100.0, |percent| percent.value);
    // In range, so neither the sign nor the size is lost.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked range"
    )]
    (0.0..=100.0)
        .contains(&value)
        .then(|| (value * 10_000.0).round() as u32)
}
