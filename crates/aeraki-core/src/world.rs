//! All config that has come in, and the indexes over it.
//!
//! Each lookup is flat in the number of services. The world decides which rules are seen from a service; it does not
//! know what is made of them.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::Hash;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use aeraki_api::Timestamp;
use aeraki_api::kubernetes::EndpointSlice;
use aeraki_api::networking::{DestinationRule, VirtualService};
use rustc_hash::FxHashMap;

use crate::claims::{Claim, ClaimKey, Claimant, Claims};
use crate::host::{Host, HostIndex};
use crate::listener;
use crate::object::{Body, Kind, Object, ObjectKey};
use crate::protocol::Protocol;
use crate::registry::{Decision, Input, Registration, Registry};
use crate::service::{self, Port, Selector, Service, TargetPort, Transport};
use crate::settings::{RuleSource, Settings};
use crate::visibility::Visibility;

/// A rule's place among others for the same host: the oldest first, then by name and namespace, as in Istio.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct RuleKey {
    created: Option<Timestamp>,
    name: Arc<str>,
    namespace: Arc<str>,
    kind: Kind,
}

/// A service's place among others for the same host.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct ServiceKey {
    created: Option<Timestamp>,
    object: ObjectKey,
    index: usize,
}

pub(crate) struct World {
    settings: Settings,
    registry: Registry,
    objects: FxHashMap<ObjectKey, Arc<Object>>,
    services: FxHashMap<ObjectKey, Vec<Service>>,
    hosts: HostIndex<ServiceKey>,
    virtual_services: HostIndex<RuleKey>,
    destination_rules: HostIndex<RuleKey>,
    extras: FxHashMap<(Kind, Arc<str>, Host), BTreeSet<RuleKey>>,
    /// EndpointSlices by namespace and Service name.
    slices: FxHashMap<(Arc<str>, Arc<str>), BTreeSet<ObjectKey>>,
    claims: Claims,
}

/// What a change of an object can touch.
#[derive(Default, Debug)]
pub(crate) struct Touched {
    /// Service objects whose own output must be made again.
    pub(crate) objects: BTreeSet<ObjectKey>,
    /// Host patterns about which something else is now said.
    pub(crate) hosts: BTreeSet<Host>,
}

impl World {
    pub(crate) fn new(settings: Settings, registry: Registry) -> Self {
        Self {
            settings,
            registry,
            objects: FxHashMap::default(),
            services: FxHashMap::default(),
            hosts: HostIndex::default(),
            virtual_services: HostIndex::default(),
            destination_rules: HostIndex::default(),
            extras: FxHashMap::default(),
            slices: FxHashMap::default(),
            claims: Claims::default(),
        }
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(crate) fn registry(&self) -> &Registry {
        &self.registry
    }

    pub(crate) fn claims(&self) -> &Claims {
        &self.claims
    }

    pub(crate) fn object(&self, key: &ObjectKey) -> Option<&Object> {
        self.objects.get(key).map(|object| &**object)
    }

    /// The services of one object: none if it is no service, or is only istiod's rendering of one that is here itself.
    pub(crate) fn services_of(&self, key: &ObjectKey) -> &[Service] {
        self.services
            .get(key)
            .map(Vec::as_slice)
            .unwrap_or_default()
    }

    /// Every service, sorted by object.
    pub(crate) fn services(&self) -> impl Iterator<Item = &Service> {
        let mut objects: Vec<_> = self.services.iter().collect();
        objects.sort_unstable_by_key(|(key, _)| *key);
        objects.into_iter().flat_map(|(_, services)| services)
    }

    /// What becomes of a port.
    pub(crate) fn decide(&self, port: &Port) -> Decision {
        let is_tcp = port.transport() == Transport::Tcp;
        self.registry
            .decide(port.name(), port.app_protocol(), is_tcp, &self.settings)
    }

    /// The protocol of the port that a claimant stands for.
    pub(crate) fn protocol_of(&self, claimant: &Claimant) -> Option<Protocol> {
        let service = self
            .services_of(&claimant.object)
            .get(claimant.host_index)?;
        let port = service
            .listening_ports()
            .find(|port| port.number() == claimant.port)?;
        match self.decide(port) {
            Decision::Ours(registration) => Some(registration.protocol()),
            _ => None,
        }
    }

    /// Sets (`Some`) or removes (`None`) an object, and tells what that can touch.
    pub(crate) fn set(&mut self, key: &ObjectKey, object: Option<Arc<Object>>) -> Touched {
        let mut touched = Touched::default();
        if self.objects.get(key) == object.as_ref() {
            return touched;
        }
        if let Some(old) = self.objects.remove(key) {
            self.unindex(&old, &mut touched);
        }
        if let Some(new) = object {
            self.index(&new, &mut touched);
            self.objects.insert(key.clone(), new);
        }
        let mut parents = self.parents(key);
        parents.extend(
            touched
                .objects
                .iter()
                .filter(|other| *other != key)
                .cloned(),
        );
        for parent in parents {
            self.rebuild(&parent, &mut touched);
        }
        touched
    }

    /// The objects whose services are read from `key`: itself, a slice's Service, a Service's synthetic entry.
    fn parents(&self, key: &ObjectKey) -> Vec<ObjectKey> {
        let entry = |name: &str| {
            ObjectKey::new(
                Kind::SERVICE_ENTRY,
                key.namespace.clone(),
                format!("synthetic-{name}"),
            )
        };
        match key.kind {
            Kind::SERVICE_ENTRY => vec![key.clone()],
            Kind::SERVICE => vec![key.clone(), entry(&key.name)],
            _ => Vec::new(),
        }
    }

    fn index(&mut self, object: &Object, touched: &mut Touched) {
        for (host, kind) in self.said_hosts(object) {
            match kind {
                Said::VirtualService => self.virtual_services.insert(&host, rule_key(object)),
                Said::DestinationRule => self.destination_rules.insert(&host, rule_key(object)),
                Said::Extra => {
                    let place = (object.key.kind, object.key.namespace.clone(), host.clone());
                    self.extras
                        .entry(place)
                        .or_default()
                        .insert(rule_key(object));
                }
            }
            touched.hosts.insert(host);
        }
        if let Some(place) = slice_place(object) {
            self.slices
                .entry(place.clone())
                .or_default()
                .insert(object.key.clone());
            touched
                .objects
                .insert(ObjectKey::new(Kind::SERVICE, place.0, place.1));
        }
        touched.objects.insert(object.key.clone());
    }

    fn unindex(&mut self, object: &Object, touched: &mut Touched) {
        for (host, kind) in self.said_hosts(object) {
            match kind {
                Said::VirtualService => self.virtual_services.remove(&host, &rule_key(object)),
                Said::DestinationRule => self.destination_rules.remove(&host, &rule_key(object)),
                Said::Extra => {
                    let place = (object.key.kind, object.key.namespace.clone(), host.clone());
                    remove_from(&mut self.extras, &place, &rule_key(object));
                }
            }
            touched.hosts.insert(host);
        }
        if let Some(place) = slice_place(object) {
            remove_from(&mut self.slices, &place, &object.key);
            touched
                .objects
                .insert(ObjectKey::new(Kind::SERVICE, place.0, place.1));
        }
        touched.objects.insert(object.key.clone());
    }

    /// The host patterns that a rule or an extra object is about.
    fn said_hosts(&self, object: &Object) -> Vec<(Host, Said)> {
        let resolve =
            |host: &str| Host::resolve(host, &object.key.namespace, &self.settings.domain);
        match &object.body {
            Body::VirtualService(spec) => spec
                .hosts
                .iter()
                .map(|host| (resolve(host), Said::VirtualService))
                .collect(),
            Body::DestinationRule(spec) => vec![(resolve(&spec.host), Said::DestinationRule)],
            Body::Extra(extra) => self
                .registry
                .input(object.key.kind.group(), object.key.kind.name())
                .map(|input| hosts_of(input, &extra.0))
                .unwrap_or_default()
                .iter()
                .map(|host| (resolve(host), Said::Extra))
                .collect(),
            Body::ServiceEntry { .. } | Body::Service(_) | Body::EndpointSlice(_) => Vec::new(),
        }
    }

    /// Every object that says something about hosts.
    pub(crate) fn rules(&self) -> impl Iterator<Item = &Object> {
        let objects = self.objects.values().map(|object| &**object);
        objects.filter(|object| match &object.body {
            Body::VirtualService(_) | Body::DestinationRule(_) => true,
            // A kind that is only looked up by its name, such as Secret, names no hosts; one about all names `*`.
            Body::Extra(extra) => {
                let input = self
                    .registry
                    .input(object.key.kind.group(), object.key.kind.name());
                let hosts = input
                    .map(|input| hosts_of(input, &extra.0))
                    .unwrap_or_default();
                hosts.first().is_some_and(|host| host != "*")
            }
            _ => false,
        })
    }

    /// The hosts that a rule is about.
    pub(crate) fn hosts_said_by(&self, rule: &Object) -> Vec<Host> {
        self.said_hosts(rule)
            .into_iter()
            .map(|(host, _)| host)
            .collect()
    }

    /// Whether a service has a host that a rule is about; for an extra kind, one of its own namespace.
    pub(crate) fn has_service_for(&self, rule: &Object, host: &Host) -> bool {
        let counts = |key: &ServiceKey| {
            !matches!(rule.body, Body::Extra(_)) || key.object.namespace == rule.key.namespace
        };
        self.hosts.covered_by(host).any(counts)
            || self.hosts.covering(host).any(|(_, key)| counts(key))
    }

    /// Reads the services of a service object anew, and moves its claims.
    pub(crate) fn rebuild(&mut self, key: &ObjectKey, touched: &mut Touched) {
        let new = self.read_services(key);
        let old = self.services.remove(key).unwrap_or_default();
        if old == new {
            if !new.is_empty() {
                self.services.insert(key.clone(), new);
            }
            return;
        }
        touched.objects.insert(key.clone());
        self.move_claims(&old, &new, touched);
        if !same_to_others(&old, &new) {
            touched
                .hosts
                .extend(old.iter().chain(&new).map(|service| service.host().clone()));
        }
        for (index, service) in old.iter().enumerate() {
            self.hosts
                .remove(service.host(), &service_key(service, index));
        }
        for (index, service) in new.iter().enumerate() {
            self.hosts
                .insert(service.host(), service_key(service, index));
        }
        if !new.is_empty() {
            self.services.insert(key.clone(), new);
        }
    }

    fn read_services(&self, key: &ObjectKey) -> Vec<Service> {
        let Some(object) = self.objects.get(key) else {
            return Vec::new();
        };
        let place = (key.namespace.clone(), key.name.clone());
        let slices: Vec<&EndpointSlice> = self
            .slices
            .get(&place)
            .into_iter()
            .flatten()
            .filter_map(|slice| match &self.objects.get(slice)?.body {
                Body::EndpointSlice(slice) => Some(&**slice),
                _ => None,
            })
            .collect();
        let mut services = service::services_of(object, &slices, &self.settings);
        services.retain(|service| !self.is_rendering(service));
        services
    }

    /// Whether the Service that a synthetic entry renders is here itself, and tells more.
    fn is_rendering(&self, service: &Service) -> bool {
        let Some(name) = service.synthetic_name() else {
            return false;
        };
        let key = ObjectKey::new(Kind::SERVICE, service.namespace().clone(), name);
        self.services_of(&key)
            .iter()
            .any(|itself| itself.host() == service.host())
    }

    fn move_claims(&mut self, old: &[Service], new: &[Service], touched: &mut Touched) {
        let before: Vec<(Claim, Visibility)> = self.claims_of(old);
        let after: Vec<(Claim, Visibility)> = self.claims_of(new);
        if before == after {
            return;
        }
        for (claim, visibility) in &before {
            self.claims.release(claim, visibility);
        }
        for (claim, visibility) in &after {
            self.claims.stake(claim.clone(), visibility);
        }
        for (claim, _) in before.iter().chain(&after) {
            touched.objects.extend(self.claims.affected(claim).cloned());
        }
    }

    fn claims_of(&self, services: &[Service]) -> Vec<(Claim, Visibility)> {
        let mut claims = Vec::new();
        for (index, service) in services.iter().enumerate() {
            for port in service.listening_ports() {
                let registration = match self.decide(port) {
                    Decision::Ours(registration) => Some(registration),
                    _ => None,
                };
                let claimant = Arc::new(claimant(services, index, port));
                let stakes = self.stakes(service, port, registration);
                claims.extend(stakes.into_iter().map(|stake| stake.by(service, &claimant)));
            }
        }
        claims
    }

    /// What a port claims, and what it wants to know of.
    fn stakes(
        &self,
        service: &Service,
        port: &Port,
        registration: Option<&'static Registration>,
    ) -> Vec<Stake> {
        let ours = registration.map(Registration::protocol);
        let number = port.number();
        let stake = |key, ours| Stake {
            key,
            ours,
            holds: true,
        };
        let listeners = listener::names(service, port, &self.settings);
        let mut stakes: Vec<Stake> = listeners
            .into_iter()
            .map(|name| stake(ClaimKey::Listener(name), ours))
            .collect();
        let by_number = ours.filter(|_| listener::needs_number(service));
        stakes.push(stake(ClaimKey::Port(number), by_number));
        stakes.push(stake(
            ClaimKey::HostPort(service.host().clone(), number),
            ours,
        ));
        if listener::adds_to_wildcard(service, port) {
            stakes.push(stake(ClaimKey::SharedWildcard(number), None));
        } else if ours.is_some() && listener::wants_wildcard(service) {
            stakes.push(Stake {
                key: ClaimKey::SharedWildcard(number),
                ours,
                holds: false,
            });
        }
        if let Some(inbound) = registration.and_then(|r| self.inbound_of(service, port, r)) {
            let namespace = service.namespace().clone();
            let host = service.host().clone();
            stakes.push(stake(ClaimKey::InboundName(namespace, host, number), ours));
            let labels = inbound_labels(service, inbound.selector, inbound.target_port);
            stakes.extend(labels.map(|key| stake(key, ours)));
        }
        stakes
    }

    /// The workloads and the target port of a port's inbound side, if a filter can stand there.
    pub(crate) fn inbound_of<'a>(
        &self,
        service: &'a Service,
        port: &Port,
        registration: &Registration,
    ) -> Option<InboundPlace<'a>> {
        let in_root = *service.namespace() == self.settings.root_namespace;
        match (service.selector(), port.target()) {
            (Selector::Labels(selector), TargetPort::Number(target_port @ 1..=65535))
                if !in_root && !registration.is_outbound_only() =>
            {
                Some(InboundPlace {
                    selector,
                    target_port: *target_port,
                })
            }
            _ => None,
        }
    }

    /// The older service whose inbound chain a port's would meet on some workload, and its protocol.
    pub(crate) fn inbound_rival<'a>(
        &'a self,
        service: &Service,
        place: &InboundPlace<'_>,
        claimant: &'a Claimant,
    ) -> Option<(&'a Claimant, Protocol)> {
        inbound_labels(service, place.selector, place.target_port)
            .filter_map(|key| {
                self.claims
                    .older(&key, claimant)
                    .filter(|older| self.meets(older, place.selector))
                    .find_map(|older| Some((older, self.protocol_of(older)?)))
            })
            .min()
    }

    /// Whether the workloads of one selector are among those of the other.
    fn meets(&self, other: &Claimant, selector: &BTreeMap<String, String>) -> bool {
        let service = self.services_of(&other.object).get(other.host_index);
        let Some(Selector::Labels(theirs)) = service.map(Service::selector) else {
            return false;
        };
        let within = |a: &BTreeMap<String, String>, b: &BTreeMap<String, String>| {
            a.iter().all(|(key, value)| b.get(key) == Some(value))
        };
        within(theirs, selector) || within(selector, theirs)
    }

    /// The service at `host` as seen from `from`: its own namespace first, then the oldest that it sees.
    pub(crate) fn service_at(&self, host: &Host, from: &Service) -> Option<&Service> {
        let visible: Vec<&Service> = self
            .hosts
            .covering(host)
            .filter_map(|(_, key)| self.services.get(&key.object)?.get(key.index))
            .filter(|service| {
                service.namespace() == from.namespace()
                    || service.visibility().includes(from.namespace())
            })
            .collect();
        let own = visible
            .iter()
            .find(|service| service.namespace() == from.namespace());
        own.or(visible.first()).copied()
    }

    /// VirtualServices whose hosts cover the service's host, with the host that does, the one to apply first standing
    /// first.
    pub(crate) fn virtual_services_of<'a>(
        &'a self,
        service: &'a Service,
    ) -> impl Iterator<Item = (&'a Host, &'a Object, &'a VirtualService)> {
        self.virtual_services
            .covering(service.host())
            .filter_map(|(pattern, key)| {
                let object = self.object(&key.object())?;
                match &object.body {
                    Body::VirtualService(spec) => Some((pattern, object, &**spec)),
                    _ => None,
                }
            })
    }

    /// Whether a rule of `namespace` may change a service.
    pub(crate) fn rule_counts(&self, namespace: &str, service: &Service) -> bool {
        self.settings.rule_source == RuleSource::Istio
            || namespace == &**service.namespace()
            || namespace == &*self.settings.root_namespace
    }

    /// DestinationRules for `host` that are seen from the service `from`: of its own or the host's namespace, or of the
    /// root namespace.
    pub(crate) fn destination_rules_of<'a>(
        &'a self,
        host: &Host,
        from: &'a Service,
    ) -> impl Iterator<Item = &'a DestinationRule> + use<'a> {
        let of_host = self
            .service_at(host, from)
            .map(|service| service.namespace().clone());
        let keys: Vec<RuleKey> = self
            .destination_rules
            .covering(host)
            .map(|(_, key)| key.clone())
            .collect();
        keys.into_iter().filter_map(move |key| {
            let object = self.object(&key.object())?;
            let Body::DestinationRule(rule) = &object.body else {
                return None;
            };
            let counts = self.rule_counts(&key.namespace, from)
                || of_host
                    .as_ref()
                    .is_some_and(|namespace| *namespace == key.namespace);
            let visibility = Visibility::from_export_to(
                rule.export_to.iter().map(String::as_str),
                &key.namespace,
            );
            (counts && visibility.includes(from.namespace())).then_some(&**rule)
        })
    }

    /// Objects of an extra kind in `namespace` that name `host`, oldest first.
    pub(crate) fn extras<'a>(
        &'a self,
        kind: Kind,
        namespace: &Arc<str>,
        host: &Host,
    ) -> impl Iterator<Item = &'a Object> + use<'a> {
        self.extras
            .get(&(kind, namespace.clone(), host.clone()))
            .into_iter()
            .flatten()
            .filter_map(|key| self.object(&key.object()))
    }
}

/// What kind of statement an object makes about a host.
#[derive(Clone, Copy)]
enum Said {
    VirtualService,
    DestinationRule,
    Extra,
}

impl RuleKey {
    fn object(&self) -> ObjectKey {
        ObjectKey::new(self.kind, self.namespace.clone(), self.name.clone())
    }
}

fn rule_key(object: &Object) -> RuleKey {
    RuleKey {
        created: object.meta.created,
        name: object.key.name.clone(),
        namespace: object.key.namespace.clone(),
        kind: object.key.kind,
    }
}

fn service_key(service: &Service, index: usize) -> ServiceKey {
    ServiceKey {
        created: service.created(),
        object: service.object().clone(),
        index,
    }
}

/// The claimant that a port of the `index`-th service of an object is.
pub(crate) fn claimant(services: &[Service], index: usize, port: &Port) -> Claimant {
    let object = services[index].object();
    Claimant {
        created: services[index].created(),
        name: match object.kind {
            Kind::SERVICE => object.name.clone(),
            _ => services[0].host().shared(),
        },
        namespace: object.namespace.clone(),
        object: object.clone(),
        host_index: index,
        port: port.number(),
    }
}

/// Where an inbound filter can stand.
#[derive(Clone, Copy)]
pub(crate) struct InboundPlace<'a> {
    pub(crate) selector: &'a BTreeMap<String, String>,
    pub(crate) target_port: u32,
}

/// A claim before it is somebody's.
struct Stake {
    key: ClaimKey,
    ours: Option<Protocol>,
    holds: bool,
}

impl Stake {
    fn by(self, service: &Service, claimant: &Arc<Claimant>) -> (Claim, Visibility) {
        // Who sees a service matters to its clients, not to its workloads.
        let visibility = match self.key {
            ClaimKey::InboundName(..) | ClaimKey::InboundLabel { .. } => Visibility::Everywhere,
            _ => service.visibility().clone(),
        };
        let (ours, holds) = (self.ours, self.holds);
        (
            Claim {
                key: self.key,
                claimant: Arc::clone(claimant),
                ours,
                holds,
            },
            visibility,
        )
    }
}

fn inbound_labels(
    service: &Service,
    selector: &BTreeMap<String, String>,
    target_port: u32,
) -> impl Iterator<Item = ClaimKey> {
    let namespace = service.namespace().clone();
    selector
        .iter()
        .map(move |(key, value)| ClaimKey::InboundLabel {
            namespace: namespace.clone(),
            target_port,
            label: (key.clone(), value.clone()),
        })
}

/// Where an EndpointSlice belongs: the namespace and name of its Service.
fn slice_place(object: &Object) -> Option<(Arc<str>, Arc<str>)> {
    let Body::EndpointSlice(_) = &object.body else {
        return None;
    };
    let service = object.meta.labels.get("kubernetes.io/service-name")?;
    Some((object.key.namespace.clone(), Arc::from(service.as_str())))
}

/// The hosts of an extra object. A protocol's code runs here, and its panic stays here.
fn hosts_of(input: &Input, json: &serde_json::Value) -> Vec<String> {
    catch_unwind(AssertUnwindSafe(|| (input.hosts)(json))).unwrap_or_default()
}

/// Takes a value out of a set of a map, and the set with it if nothing is left.
fn remove_from<K: Eq + Hash, V: Ord>(map: &mut FxHashMap<K, BTreeSet<V>>, key: &K, value: &V) {
    if let Some(values) = map.get_mut(key) {
        values.remove(value);
        if values.is_empty() {
            map.remove(key);
        }
    }
}

/// Whether the services look the same to those that route to them.
fn same_to_others(old: &[Service], new: &[Service]) -> bool {
    old.len() == new.len()
        && old.iter().zip(new).all(|(a, b)| {
            a.host() == b.host()
                && a.ports() == b.ports()
                && a.visibility() == b.visibility()
                && a.created() == b.created()
        })
}
