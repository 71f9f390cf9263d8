//! Who gets which outbound filter: the namespaces, and the VirtualService that applies in each.
//!
//! A filter goes as wide as the service is visible, and no wider: to the root namespace for `exportTo: *`, else to each
//! namespace that is named. Where a VirtualService is visible to some of those only, they get a filter of their own that
//! goes before the common one.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::diagnostic::{Diagnostic, Severity, catalogue};
use crate::object::Object;
use crate::service::Service;
use crate::settings::Scope;
use crate::visibility::Visibility;
use crate::world::World;

/// The namespaces in which one rule, or none, applies.
pub(crate) struct Audience<'a> {
    /// The VirtualService that applies.
    pub(crate) rule: Option<&'a Object>,
    /// Where its filters are written.
    pub(crate) targets: Vec<Target>,
}

/// A namespace that a filter is written to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Target {
    pub(crate) namespace: Arc<str>,
    /// It stands before a filter of the root namespace for the same listener.
    pub(crate) overrides: bool,
}

/// A VirtualService that counts, and who sees it.
struct Candidate<'a> {
    rule: &'a Object,
    visibility: Visibility,
    /// It names the host itself, and does not only cover it.
    is_exact: bool,
}

/// The audiences of a service's outbound filters; empty if nobody may get one.
///
/// Where rules have no meaning for the protocol, none applies and nobody needs a filter of their own.
pub(crate) fn audiences<'a>(
    world: &'a World,
    service: &'a Service,
    reads_rules: bool,
    report: &mut Vec<Diagnostic>,
) -> Vec<Audience<'a>> {
    let candidates = if reads_rules {
        candidates(world, service, report)
    } else {
        Vec::new()
    };
    let mut audiences: Vec<Audience<'a>> = Vec::new();
    let mut used = BTreeSet::new();
    for target in targets(world, service, &candidates, report) {
        let rule = rule_for(&candidates, &target, world);
        used.extend(rule.map(|rule| &rule.key));
        match audiences
            .iter_mut()
            .find(|audience| same(audience.rule, rule))
        {
            // The common filter already says the same there.
            Some(audience) if target.overrides && !audience.targets[0].overrides => {}
            Some(audience) => audience.targets.push(target),
            None => audiences.push(Audience {
                rule,
                targets: vec![target],
            }),
        }
    }
    for candidate in &candidates {
        if !used.contains(&candidate.rule.key) {
            report_shadowed(candidate, &candidates, service, report);
        }
    }
    audiences
}

fn same(a: Option<&Object>, b: Option<&Object>) -> bool {
    a.map(|rule| &rule.key) == b.map(|rule| &rule.key)
}

/// The rules that may apply, the one to go first standing first. Those for gateways alone are none.
fn candidates<'a>(
    world: &'a World,
    service: &'a Service,
    report: &mut Vec<Diagnostic>,
) -> Vec<Candidate<'a>> {
    let mut candidates = Vec::new();
    for (pattern, rule, spec) in world.virtual_services_of(service) {
        let spec = spec.head();
        let for_sidecars = spec.gateways.is_empty() || spec.gateways.iter().any(|g| g == "mesh");
        if !for_sidecars {
            continue;
        }
        if !world.rule_counts(&rule.key.namespace, service) {
            report_foreign(rule, service, report);
            continue;
        }
        let export_to = spec.export_to.iter().map(String::as_str);
        let visibility = Visibility::from_export_to(export_to, &rule.key.namespace);
        let is_exact = pattern == service.host();
        candidates.push(Candidate {
            rule,
            visibility,
            is_exact,
        });
    }
    candidates
}

/// Where filters of the service go, apart from the question of rules; then the namespaces with a rule of their own.
fn targets(
    world: &World,
    service: &Service,
    candidates: &[Candidate<'_>],
    report: &mut Vec<Diagnostic>,
) -> Vec<Target> {
    let root = &world.settings().root_namespace;
    let plain = |namespace: &Arc<str>| Target {
        namespace: namespace.clone(),
        overrides: false,
    };
    if world.settings().scope == Scope::ServiceNamespace {
        let own = service.namespace();
        if own == root && *service.visibility() != Visibility::Everywhere {
            report_root_export(service, root, report);
            return Vec::new();
        }
        let is_seen = service.visibility().includes(own);
        return is_seen.then(|| plain(own)).into_iter().collect();
    }
    match service.visibility() {
        Visibility::Everywhere => {
            let special = candidates.iter().filter_map(|c| match &c.visibility {
                Visibility::Namespaces(namespaces) => Some(namespaces),
                Visibility::Everywhere => None,
            });
            let special: BTreeSet<&Arc<str>> = special
                .flatten()
                .filter(|namespace| *namespace != root)
                .collect();
            let overriding = special.into_iter().map(|namespace| Target {
                namespace: namespace.clone(),
                overrides: true,
            });
            std::iter::once(plain(root)).chain(overriding).collect()
        }
        Visibility::Namespaces(namespaces) => {
            if namespaces.contains(root) {
                report_root_export(service, root, report);
            }
            namespaces
                .iter()
                .filter(|namespace| *namespace != root)
                .map(plain)
                .collect()
        }
    }
}

/// The first rule that clients of the target see. The common filter of the root namespace serves everybody, so only
/// rules that everybody sees count there.
fn rule_for<'a>(
    candidates: &[Candidate<'a>],
    target: &Target,
    world: &World,
) -> Option<&'a Object> {
    let root = &world.settings().root_namespace;
    let confined = world.settings().scope == Scope::ServiceNamespace;
    candidates
        .iter()
        .find(|candidate| match &candidate.visibility {
            Visibility::Everywhere => true,
            Visibility::Namespaces(_) if target.namespace == *root && !confined => false,
            Visibility::Namespaces(namespaces) => namespaces.contains(&target.namespace),
        })
        .map(|candidate| candidate.rule)
}

fn report_foreign(rule: &Object, service: &Service, report: &mut Vec<Diagnostic>) {
    let sentence = format!(
        "it does not apply to {} ({}), which is in another namespace",
        service.object(),
        service.host()
    );
    let code = &catalogue::UNUSED_VIRTUAL_SERVICE;
    report.push(Diagnostic::new(code, &rule.key, sentence).at("spec.hosts"));
}

fn report_shadowed(
    loser: &Candidate<'_>,
    candidates: &[Candidate<'_>],
    service: &Service,
    report: &mut Vec<Diagnostic>,
) {
    let sentence = match candidates.first() {
        Some(first) if first.rule.key != loser.rule.key => {
            format!(
                "it does not apply to `{}`: {} goes first",
                service.host(),
                first.rule.key
            )
        }
        _ => format!("no client of `{}` sees it", service.host()),
    };
    let code = &catalogue::SHADOWED_VIRTUAL_SERVICE;
    // A rule for many hosts is meant to give way to one for a single host.
    let severity = if loser.is_exact {
        code.severity
    } else {
        Severity::Info
    };
    let diagnostic = Diagnostic::new(code, &loser.rule.key, sentence).at("spec.hosts");
    report.push(diagnostic.severity(severity));
}

fn report_root_export(service: &Service, root: &Arc<str>, report: &mut Vec<Diagnostic>) {
    let sentence =
        format!("clients in `{root}` get no filter: there it would reach the whole mesh");
    let diagnostic = Diagnostic::new(&catalogue::ROOT_EXPORT, service.object(), sentence);
    report.push(diagnostic.at("spec.exportTo"));
}
