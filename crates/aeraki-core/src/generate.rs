//! One service object → its EnvoyFilters and diagnostics. Pure: the same world gives the same output.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use aeraki_api::ServiceEntryHead;

use crate::annotation;
use crate::assemble::{Assembly, Filter};
use crate::claims::{ClaimKey, Claimant};
use crate::diagnostic::{Diagnostic, Severity, catalogue};
use crate::draft::{Direction, FilterDraft, Placement};
use crate::generator::{Findings, GenerateError, Inbound, Interest, ServiceContext};
use crate::hold::{Held, HeldInbound};
use crate::listener::{self, ListenerMatch, Outbound};
use crate::loadable;
use crate::names;
use crate::near_miss;
use crate::object::{Body, Object, ObjectKey};
use crate::port_name::{self, PortName};
use crate::registry::{Decision, Registration, Routing};
use crate::scope::{self, Audience, Target};
use crate::service::{Port, Selector, Service, TargetPort, Transport, WORKLOAD_SELECTOR};
use crate::world::{InboundPlace, World};

/// What one service object comes to.
#[derive(Default, Debug)]
pub(crate) struct Output {
    pub(crate) filters: Vec<Filter>,
    pub(crate) diagnostics: Vec<Diagnostic>,
    pub(crate) interests: BTreeSet<Interest>,
    /// What ports that failed may keep of what was there before.
    pub(crate) held: Vec<Held>,
}

/// Generates for every service of an object, and every port of each.
pub(crate) fn generate(world: &World, key: &ObjectKey) -> Output {
    let mut output = Output::default();
    let services = world.services_of(key);
    let entry = match world.object(key).map(|object| &object.body) {
        Some(Body::ServiceEntry { spec, .. }) => Some(spec.head()),
        _ => None,
    };
    if let Some(entry) = &entry {
        check_hosts(entry, key, &mut output);
    }
    for (index, service) in services.iter().enumerate() {
        check_export_to(world, service, entry.as_ref(), &mut output.diagnostics);
        let mut numbers = BTreeSet::new();
        for port in service.ports() {
            let decision = world.decide(port);
            if port.transport() != Transport::Udp && !numbers.insert(port.number()) {
                report_double_port(service, port, &decision, &mut output.diagnostics);
                continue;
            }
            match decision {
                Decision::Ours(registration) => {
                    let claimant = Claimant::new(services, index, port.number());
                    let task = PortTask {
                        world,
                        registration,
                        service,
                        port,
                        claimant,
                    };
                    task.run(&mut output);
                }
                other => explain(world, service, port, &other, &mut output.diagnostics),
            }
        }
    }
    output.diagnostics.sort();
    output.diagnostics.dedup();
    output
}

/// Hosts that no Envoy name could be made of are left out when services are read; here they are reported.
fn check_hosts(spec: &ServiceEntryHead, key: &ObjectKey, output: &mut Output) {
    if spec.hosts.is_empty() {
        let diagnostic = Diagnostic::new(&catalogue::REFUSED_OBJECT, key, "it has no hosts");
        output.diagnostics.push(diagnostic.at("spec.hosts"));
    }
    for (i, host) in spec.hosts.iter().enumerate() {
        if crate::host::has_forbidden_characters(host) {
            let sentence = format!("the host {host:?} has characters that no host may have");
            let diagnostic = Diagnostic::new(&catalogue::FORBIDDEN_CHARACTER, key, sentence);
            output
                .diagnostics
                .push(diagnostic.at(format!("spec.hosts[{i}]")));
        }
    }
}

/// Entries of `exportTo` that name no namespace are left aside, so that they widen nothing.
fn check_export_to(
    world: &World,
    service: &Service,
    entry: Option<&ServiceEntryHead>,
    report: &mut Vec<Diagnostic>,
) {
    let has_ours = service
        .ports()
        .iter()
        .any(|port| matches!(world.decide(port), Decision::Ours(_)));
    for (index, named) in service.export_to(entry).enumerate() {
        if has_ours && !crate::visibility::is_entry(named) {
            let sentence = format!("exportTo names `{named}`, which is no namespace");
            let diagnostic =
                Diagnostic::new(&catalogue::REFUSED_OBJECT, service.object(), sentence);
            report.push(diagnostic.at(format!("spec.exportTo[{index}]")));
        }
    }
}

/// Istio builds one listener per number, for the first port that has it.
fn report_double_port(
    service: &Service,
    port: &Port,
    decision: &Decision,
    report: &mut Vec<Diagnostic>,
) {
    if let Decision::Ours(_) = decision {
        let sentence = format!("an earlier port has the number {} as well", port.number());
        let diagnostic = Diagnostic::new(&catalogue::REFUSED_OBJECT, service.object(), sentence);
        report.push(diagnostic.at(port.field()));
    }
}

/// Why a port with a name like ours gets no filter.
fn explain(
    world: &World,
    service: &Service,
    port: &Port,
    decision: &Decision,
    report: &mut Vec<Diagnostic>,
) {
    let name = port.name();
    let object = service.object();
    let at = format!("{}.name", port.field());
    match decision {
        Decision::Ours(_) => {}
        Decision::NotOurs => {
            let near = near_name(world, port);
            report.extend(near.map(|near| likely_ours(world, object, port, &near)));
        }
        Decision::Unknown => report.push(unknown_protocol(world, object, name).at(at)),
        Decision::NotTcp(registration) => {
            let protocol = registration.protocol();
            let sentence = format!(
                "port `{name}` asks for {protocol}, but to Istio its traffic is not plain TCP"
            );
            let diagnostic = Diagnostic::new(&catalogue::NOT_TCP, object, sentence);
            report.push(diagnostic.at(format!("{}.protocol", port.field())));
        }
        Decision::Disabled(registration) => {
            let protocol = registration.protocol();
            let sentence = format!("port `{name}` stays plain TCP: {protocol} is switched off");
            let help = format!("switch it on with `--enable-protocol {protocol}`");
            let diagnostic = Diagnostic::new(&catalogue::DISABLED_PROTOCOL, object, sentence);
            report.push(diagnostic.at(at).help(help));
        }
    }
}

/// The name that a port seems to be meant to have, if it comes close to one of ours without being one.
fn near_name(world: &World, port: &Port) -> Option<String> {
    let registry = world.registry();
    if let Some(near) = port
        .app_protocol()
        .and_then(|a| near_miss::closest(a, registry.tokens()))
    {
        return Some(format!("tcp-{near}"));
    }
    let dashed = port.name().to_lowercase().replace('_', "-");
    let (first, rest) = dashed.split_once('-').unwrap_or((&dashed, ""));
    let second = rest.split('-').next().unwrap_or_default();
    if registry.find(second).is_some() {
        return Some(format!("tcp-{rest}"));
    }
    if registry.find(first).is_some() {
        return Some(format!("tcp-{dashed}"));
    }
    let glued = first.strip_prefix("tcp")?;
    registry.find(glued)?;
    Some(format!("tcp-{}", &dashed["tcp".len()..]))
}

/// A port whose name is nearly one of ours.
///
/// One that begins with a protocol's name is a note where Istio knows that word itself, since then the name may be meant
/// for Istio, and where the protocol is off.
fn likely_ours(world: &World, object: &ObjectKey, port: &Port, near: &str) -> Diagnostic {
    let sentence = format!(
        "port name `{}` is not of the form `tcp-<protocol>`",
        port.name()
    );
    let begins_with_it = near.strip_prefix("tcp-") == Some(port.name());
    let word = port.name().split('-').next().unwrap_or_default();
    let is_off = || matches!(world.decide_name(near), Decision::Disabled(_));
    let severity = if begins_with_it && (port_name::is_istios_own(word) || is_off()) {
        Severity::Info
    } else {
        Severity::Warning
    };
    Diagnostic::new(&catalogue::UNKNOWN_PROTOCOL, object, sentence)
        .at(format!("{}.name", port.field()))
        .severity(severity)
        .help(format!("to have Aeraki manage the port, name it `{near}`"))
}

fn unknown_protocol(world: &World, object: &ObjectKey, name: &str) -> Diagnostic {
    let PortName::Token { token, span } = PortName::parse(name) else {
        return Diagnostic::new(&catalogue::UNKNOWN_PROTOCOL, object, "no protocol");
    };
    let tokens: Vec<&str> = world.registry().tokens().collect();
    let sentence = format!("port name `{name}` names no protocol that Aeraki knows");
    let diagnostic = Diagnostic::new(&catalogue::UNKNOWN_PROTOCOL, object, sentence);
    let known = tokens.join(", ");
    match near_miss::closest(token, tokens.iter().copied()) {
        Some(near) => {
            let mut corrected = name.to_owned();
            corrected.replace_range(span, near);
            diagnostic.help(format!("did you mean `{corrected}`? known: {known}"))
        }
        None => diagnostic
            .severity(Severity::Info)
            .help(format!("known: {known}")),
    }
}

/// The work on one port.
struct PortTask<'a> {
    world: &'a World,
    registration: &'static Registration,
    service: &'a Service,
    port: &'a Port,
    claimant: Claimant,
}

impl PortTask<'_> {
    fn run(&self, output: &mut Output) {
        if !(1..=65535).contains(&self.port.number()) {
            let sentence = format!("{} is no port number", self.port.number());
            let diagnostic =
                Diagnostic::new(&catalogue::REFUSED_OBJECT, self.service.object(), sentence);
            let field = format!("{}.number", self.port.field());
            output.diagnostics.push(diagnostic.at(field));
            return;
        }
        if self.registration.is_gated() {
            self.report_gate(&mut output.diagnostics);
        }
        let report = &mut output.diagnostics;
        self.check_annotations(report);
        let inbound = if self.registration.is_outbound_only() {
            None
        } else {
            self.inbound(report)
        };
        let owner = self.host_owner();
        if let Some(owner) = owner {
            self.report_duplicate(owner, report);
        }
        let audiences = if owner.is_some() {
            Vec::new()
        } else {
            self.audiences(report)
        };
        let listeners = self.listeners(!audiences.is_empty(), report);
        if !self.make(&audiences, &listeners, inbound.as_ref(), output) {
            output
                .held
                .push(self.held(&audiences, &listeners, inbound.as_ref()));
        }
    }

    /// The outbound listeners; what was left out is only of interest where there is somebody to miss it.
    fn listeners(&self, has_audience: bool, report: &mut Vec<Diagnostic>) -> Vec<Outbound> {
        let mut findings = Vec::new();
        let listeners = listener::outbound(
            self.world,
            self.service,
            self.port,
            &self.claimant,
            &mut findings,
        );
        if has_audience {
            report.append(&mut findings);
        }
        listeners
    }

    /// What the port may keep if it fails.
    fn held(
        &self,
        audiences: &[Audience<'_>],
        listeners: &[Outbound],
        inbound: Option<&InboundSide<'_>>,
    ) -> Held {
        let own = self.service.namespace();
        let targets = audiences.iter().flat_map(|audience| &audience.targets);
        let mut namespaces: BTreeSet<Arc<str>> = targets.map(|t| t.namespace.clone()).collect();
        if !namespaces.is_empty() && self.service.visibility().includes(own) {
            // Where a filter with a credential stands.
            namespaces.insert(own.clone());
        }
        let outbound = listeners.iter().map(|group| {
            let owned = group.listeners.iter().map(ListenerMatch::key).collect();
            (Arc::from(self.outbound_name(group)), owned)
        });
        Held {
            outbound: outbound.collect(),
            outbound_namespaces: namespaces,
            protocol: self.registration.protocol().name(),
            inbound: inbound.map(|side| HeldInbound {
                name: Arc::from(self.inbound_name()),
                target_port: side.place.target_port,
                selector: side.place.selector.clone(),
            }),
            inbound_namespaces: [own.clone(), self.world.settings().root_namespace.clone()].into(),
        }
    }

    fn outbound_name(&self, group: &Outbound) -> String {
        let (namespace, host) = (self.service.namespace(), self.service.host().as_str());
        names::outbound(
            namespace,
            host,
            group.address.as_deref(),
            self.port.number(),
        )
    }

    /// The plain name, unless another object of the namespace has the same host and port and was first.
    fn inbound_name(&self) -> String {
        let (namespace, host) = (self.service.namespace(), self.service.host());
        let number = self.port.number();
        let key = ClaimKey::InboundName(namespace.clone(), host.clone(), number);
        match self.world.claims().older(&key, &self.claimant).next() {
            None => names::inbound(namespace, host.as_str(), number),
            Some(_) => {
                let object = &self.service.object().name;
                names::inbound_of(namespace, host.as_str(), number, object)
            }
        }
    }

    /// Generates once per audience; the inbound side is the same for all, and made with the first. Whether all went well.
    fn make(
        &self,
        audiences: &[Audience<'_>],
        listeners: &[Outbound],
        inbound: Option<&InboundSide<'_>>,
        output: &mut Output,
    ) -> bool {
        let nobody = [Audience {
            rule: None,
            targets: Vec::new(),
        }];
        let audiences = if audiences.is_empty() {
            &nobody[..]
        } else {
            audiences
        };
        let mut well = true;
        for (index, audience) in audiences.iter().enumerate() {
            let Some(drafts) = self.drafts(audience.rule, inbound, output) else {
                well = false;
                continue;
            };
            let is_inbound = |draft: &&FilterDraft| draft.direction == Direction::Inbound;
            if let Some(side) = inbound.filter(|_| index == 0) {
                let made = drafts.iter().filter(is_inbound);
                let filters: Vec<Filter> = made
                    .filter_map(|draft| self.inbound_filter(side, draft, &mut output.diagnostics))
                    .collect();
                well &= self.take(filters, output);
            }
            let outbound: Vec<&FilterDraft> =
                drafts.iter().filter(|draft| !is_inbound(draft)).collect();
            let targets = self.confine(&outbound, audience, audiences, &mut output.diagnostics);
            let of_drafts = outbound
                .iter()
                .flat_map(|draft| draft.sources.iter().cloned());
            let rule = audience.rule.map(|rule| rule.key.clone());
            let sources: Vec<ObjectKey> = rule.into_iter().chain(of_drafts).collect();
            let filters = self
                .assembly(&sources)
                .outbound(&outbound, listeners, &targets);
            well &= self.take(filters, output);
        }
        well
    }

    /// Takes finished filters to the others, unless one of them is too large to be written. Whether all went well.
    fn take(&self, filters: Vec<Filter>, output: &mut Output) -> bool {
        let excess = filters.iter().find_map(loadable::excess);
        if let Some(sentence) = excess {
            let diagnostic = self.about(&catalogue::TOO_LARGE, sentence);
            output.diagnostics.push(diagnostic);
            return false;
        }
        output.filters.extend(filters);
        true
    }

    fn inbound_filter(
        &self,
        side: &InboundSide<'_>,
        draft: &FilterDraft,
        report: &mut Vec<Diagnostic>,
    ) -> Option<Filter> {
        let placement = draft.filter.as_ref()?.placement;
        // The same filter twice before tcp_proxy would stand there twice; instead of it, the second has no effect.
        if let (Some(first), Placement::InsertBefore) = (&side.shared_with, placement) {
            let sentence = format!(
                "no inbound filter of its own: {first} has one on the same workloads and target port"
            );
            let diagnostic = self.about(&catalogue::INBOUND_CLASH, sentence);
            report.push(diagnostic.severity(Severity::Info));
            return None;
        }
        let place = side.place;
        self.assembly(&draft.sources).inbound(
            draft,
            place.target_port,
            place.selector,
            self.inbound_name(),
        )
    }

    fn assembly<'s>(&'s self, sources: &'s [ObjectKey]) -> Assembly<'s> {
        Assembly {
            settings: self.world.settings(),
            registration: self.registration,
            labels: self
                .world
                .registry()
                .labels_of(self.registration.protocol()),
            service: self.service,
            port: self.port,
            sources,
        }
    }

    /// Runs the generator, and turns whatever goes wrong into a diagnostic. `None`: it failed.
    fn drafts(
        &self,
        rule: Option<&Object>,
        inbound: Option<&InboundSide<'_>>,
        output: &mut Output,
    ) -> Option<Vec<FilterDraft>> {
        let inbound = inbound.map(|side| side.inbound.clone());
        let ctx = ServiceContext::new(
            self.world,
            self.registration,
            self.service,
            self.port,
            rule,
            inbound,
        );
        // The protocol's checks are its code too.
        let result = catch_unwind(AssertUnwindSafe(|| {
            let drafts = self.registration.generator().generate(&ctx)?;
            let refused = drafts
                .iter()
                .find_map(|draft| loadable::rejection(draft, self.registration));
            Ok((drafts, refused))
        }));
        let Findings {
            diagnostics,
            interests,
        } = ctx.into_findings();
        output.diagnostics.extend(diagnostics);
        output.interests.extend(interests);
        let failure = match result {
            Ok(Ok((drafts, None))) => return Some(drafts),
            Ok(Ok((_, Some(reason)))) => self.about(&catalogue::WOULD_BE_REJECTED, reason),
            Ok(Err(error)) => self.failure(error),
            Err(_) => {
                let sentence = format!("the {} generator panicked", self.registration.protocol());
                self.about(&catalogue::GENERATOR_PANICKED, sentence)
            }
        };
        output.diagnostics.push(failure);
        None
    }

    fn failure(&self, error: GenerateError) -> Diagnostic {
        match error {
            GenerateError::InvalidInput {
                object,
                field,
                reason,
            } => {
                let object = object.as_ref().unwrap_or(self.service.object());
                Diagnostic::new(&catalogue::GENERATION_FAILED, object, reason).at(field)
            }
            GenerateError::MissingInput { .. }
            | GenerateError::Encode(_)
            | GenerateError::Other(_) => {
                self.about(&catalogue::GENERATION_FAILED, error.to_string())
            }
        }
    }

    fn about(
        &self,
        code: &'static crate::diagnostic::Code,
        sentence: impl Into<String>,
    ) -> Diagnostic {
        Diagnostic::new(code, self.service.object(), sentence).at(self.port.field())
    }

    fn check_annotations(&self, report: &mut Vec<Diagnostic>) {
        let (registry, object) = (self.world.registry(), self.service.object());
        let keys = self.service.annotations().keys();
        report.extend(keys.filter_map(|key| annotation::unread(registry, object, key, true)));
    }

    fn report_gate(&self, report: &mut Vec<Diagnostic>) {
        let protocol = self.registration.protocol().name();
        let gate = self.world.settings().proxy_metadata_of(protocol);
        let sentence = format!(
            "only proxies with the node metadata {}={} get the {protocol} filter",
            gate.key, gate.value
        );
        report.push(self.about(&catalogue::GATED, sentence));
    }

    /// The service that owns the host and port, if it is another one.
    fn host_owner(&self) -> Option<&Claimant> {
        let key = ClaimKey::HostPort(self.service.host().clone(), self.port.number());
        self.world
            .claims()
            .owner_before(&key, &self.claimant, self.service.visibility())
    }

    fn report_duplicate(&self, owner: &Claimant, report: &mut Vec<Diagnostic>) {
        let sentence = format!(
            "`{}` port {} belongs to {}, which is older or comes first by name",
            self.service.host(),
            self.port.number(),
            owner.object()
        );
        report.push(self.about(&catalogue::DUPLICATE_HOST, sentence));
    }

    /// Who gets the outbound filter.
    fn audiences<'w>(&'w self, report: &mut Vec<Diagnostic>) -> Vec<Audience<'w>> {
        let reads_rules = self.registration.expressed().routing != Routing::Istio;
        if !reads_rules {
            self.report_idle_rules(report);
        }
        scope::audiences(self.world, self.service, reads_rules, report)
    }

    /// Http rules that the protocol has no use for; Istio's own tcp rules stay in force by themselves.
    fn report_idle_rules(&self, report: &mut Vec<Diagnostic>) {
        let protocol = self.registration.protocol();
        for (_, rule, spec) in self.world.virtual_services_of(self.service) {
            if !spec.get().http.is_empty()
                && self.world.rule_counts(&rule.key.namespace, self.service)
            {
                let sentence = format!("{protocol} has no routes of its own; these have no effect");
                let diagnostic = Diagnostic::new(&catalogue::INEXPRESSIBLE, &rule.key, sentence);
                report.push(diagnostic.at("spec.http"));
            }
        }
    }

    /// Where a draft with a credential would go to the root namespace, it goes to the service's own instead, and with it
    /// whatever would stand before the root namespace's filter elsewhere. The own namespace gets one filter: that of its
    /// own rule, if it has one.
    fn confine(
        &self,
        drafts: &[&FilterDraft],
        audience: &Audience<'_>,
        audiences: &[Audience<'_>],
        report: &mut Vec<Diagnostic>,
    ) -> Vec<Target> {
        let root = &self.world.settings().root_namespace;
        let own = self.service.namespace();
        let reaches = |audience: &Audience<'_>, namespace: &Arc<str>| {
            audience
                .targets
                .iter()
                .any(|target| target.namespace == *namespace)
        };
        let confidential = drafts.iter().any(|draft| draft.confidential);
        if !confidential || !audiences.iter().any(|audience| reaches(audience, root)) {
            return audience.targets.clone();
        }
        let has_own_rule = audiences.iter().any(|audience| reaches(audience, own));
        if reaches(audience, root) {
            let sentence = "the filter holds a password in clear text, so only the service's own \
                            namespace gets it";
            report.push(self.about(&catalogue::CONFIDENTIAL, sentence));
        }
        let takes_it = if has_own_rule {
            reaches(audience, own)
        } else {
            reaches(audience, root)
        };
        let target = Target {
            namespace: Arc::clone(own),
            overrides: false,
        };
        (takes_it && own != root)
            .then_some(target)
            .into_iter()
            .collect()
    }

    /// The inbound side, if a filter may stand there; else why not.
    fn inbound(&self, report: &mut Vec<Diagnostic>) -> Option<InboundSide<'_>> {
        let selector = match self.service.selector() {
            Selector::Labels(labels) => labels,
            Selector::None => {
                let sentence = "the service selects no workloads, so there is no inbound filter";
                report.push(self.about(&catalogue::NO_SELECTOR, sentence));
                return None;
            }
            Selector::Invalid(text) => {
                let sentence = format!("`{text}` is neither `<label>:<value>` nor `<value>`");
                let field = crate::generator::annotation_field(WORKLOAD_SELECTOR);
                report.push(self.about(&catalogue::INVALID_SELECTOR, sentence).at(field));
                return None;
            }
        };
        match self.port.target() {
            TargetPort::Number(1..=65535) => {}
            TargetPort::Number(number) => {
                let sentence = format!("the target port {number} is no port number");
                let diagnostic = self.about(&catalogue::REFUSED_OBJECT, sentence);
                report.push(diagnostic.at(format!("{}.targetPort", self.port.field())));
                return None;
            }
            TargetPort::Named(name) => {
                let sentence = format!("no endpoint tells the number of target port `{name}`");
                let diagnostic = self.about(&catalogue::TARGET_PORT_UNKNOWN, sentence);
                report.push(diagnostic.at(format!("{}.targetPort", self.port.field())));
                return None;
            }
        }
        if *self.service.namespace() == self.world.settings().root_namespace {
            let sentence = "an inbound filter in the root namespace could reach any workload";
            report.push(self.about(&catalogue::INBOUND_IN_ROOT, sentence));
            return None;
        }
        if let Some(label) = selector.iter().find(|label| !is_label(label)) {
            let sentence = format!(
                "`{}: {}` is no label that a workload can have",
                label.0, label.1
            );
            report.push(self.about(&catalogue::REFUSED_OBJECT, sentence));
            return None;
        }
        let place = self
            .world
            .inbound_of(self.service, self.port, self.registration)?;
        let rival = self
            .world
            .inbound_rival(self.service, &place, &self.claimant);
        match rival {
            Some((rival, protocol)) if protocol != self.registration.protocol() => {
                let sentence = format!(
                    "{} owns the inbound chain of the target port",
                    rival.object()
                );
                report.push(self.about(&catalogue::INBOUND_CLASH, sentence));
                None
            }
            rival => Some(InboundSide {
                inbound: Inbound::new(place.target_port),
                place,
                shared_with: rival.map(|(rival, _)| rival.object().clone()),
            }),
        }
    }
}

/// Whether a workload can carry the label, by Kubernetes' rules for its key and value.
fn is_label((key, value): &(&str, &str)) -> bool {
    let is_word = |word: &str, least: usize| {
        let edge = |b: Option<&u8>| b.is_none_or(u8::is_ascii_alphanumeric);
        let bytes = word.as_bytes();
        (least..=63).contains(&bytes.len())
            && edge(bytes.first())
            && edge(bytes.last())
            && bytes
                .iter()
                .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(b))
    };
    let name = match key.split_once('/') {
        Some((prefix, _)) if !names::is_rfc1123_subdomain(prefix) => return false,
        Some((_, name)) => name,
        None => key,
    };
    is_word(name, 1) && is_word(value, 0)
}

/// The inbound side of a port, decided.
struct InboundSide<'a> {
    inbound: Inbound,
    place: InboundPlace<'a>,
    /// An older service that puts the same filter on the same chain.
    shared_with: Option<ObjectKey>,
}
