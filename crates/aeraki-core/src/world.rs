//! All config that has come in, and the indexes over it.
//!
//! Each lookup is flat in the number of services. The world decides which rules are seen from a service; it does not
//! know what is made of them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use aeraki_api::kubernetes::EndpointSlice;
use aeraki_api::networking::{DestinationRule, VirtualService};
use aeraki_api::{DestinationRuleHead, Packed};
use rustc_hash::FxHashMap;

use crate::claims::Claims;
use crate::few_set::{self, FewSet};
use crate::host::{Host, HostIndex};
use crate::object::{Body, Kind, Object, ObjectKey};
use crate::registry::{Decision, Input, Registry};
use crate::service::{self, Port, Service, Transport};
use crate::settings::{RuleSource, Settings};
use crate::table::{Keyed, Table};
use crate::visibility::Visibility;

mod order;
mod stakes;

use order::{Filed, Rule};
pub(crate) use stakes::InboundPlace;

pub(crate) struct World {
    settings: Settings,
    registry: Registry,
    objects: Table<Arc<Object>>,
    /// The services of each object that has any.
    services: Table<Arc<[Service]>>,
    no_services: Arc<[Service]>,
    hosts: HostIndex<Filed>,
    virtual_services: HostIndex<Rule>,
    destination_rules: HostIndex<Rule>,
    extras: FxHashMap<(Kind, Arc<str>, Host), FewSet<Rule>>,
    /// EndpointSlices by namespace and Service name.
    slices: FxHashMap<(Arc<str>, Arc<str>), FewSet<ObjectKey>>,
    claims: Claims,
}

/// What a change of an object can touch. Some of it may be told twice.
#[derive(Default, Debug)]
pub(crate) struct Touched {
    /// Service objects whose own output must be made again.
    pub(crate) objects: Vec<ObjectKey>,
    /// Host patterns about which something else is now said.
    pub(crate) hosts: Vec<Host>,
}

impl World {
    pub(crate) fn new(settings: Settings, registry: Registry) -> Self {
        Self {
            settings,
            registry,
            objects: Table::default(),
            services: Table::default(),
            no_services: Arc::default(),
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

    /// Every object, in no order.
    pub(crate) fn objects(&self) -> impl Iterator<Item = &Arc<Object>> {
        self.objects.iter()
    }

    /// The services of one object: none if it is no service, or is only istiod's rendering of one that is here itself.
    pub(crate) fn services_of(&self, key: &ObjectKey) -> &Arc<[Service]> {
        self.services.get(key).unwrap_or(&self.no_services)
    }

    /// The service objects that have a host which `pattern` covers.
    pub(crate) fn service_objects<'a>(
        &'a self,
        pattern: &'a Host,
    ) -> impl Iterator<Item = &'a ObjectKey> {
        let filed = self.hosts.covered_by(pattern);
        filed.map(|filed| filed.service().object())
    }

    /// Every service, sorted by object.
    pub(crate) fn services(&self) -> impl Iterator<Item = &Service> {
        let mut objects: Vec<&[Service]> = self.services.iter().map(|all| &**all).collect();
        objects.sort_unstable_by_key(|services| services[0].object());
        objects.into_iter().flatten()
    }

    /// What becomes of a port.
    pub(crate) fn decide(&self, port: &Port) -> Decision {
        let is_tcp = port.transport() == Transport::Tcp;
        self.registry
            .decide(port.name(), port.app_protocol(), is_tcp, &self.settings)
    }

    /// What would become of a TCP port of this name.
    pub(crate) fn decide_name(&self, name: &str) -> Decision {
        self.registry.decide(name, None, true, &self.settings)
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
            self.objects.insert(new);
        }
        let mut parents = self.parents(key);
        let others = touched.objects.iter().filter(|other| *other != key);
        parents.extend(others.cloned());
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

    fn index(&mut self, object: &Arc<Object>, touched: &mut Touched) {
        let rule = || Rule(Arc::clone(object));
        for (host, kind) in self.said_hosts(object) {
            match kind {
                Said::VirtualService => self.virtual_services.insert(&host, rule()),
                Said::DestinationRule => self.destination_rules.insert(&host, rule()),
                Said::Extra => {
                    let place = (object.key.kind, object.key.namespace.clone(), host.clone());
                    self.extras.entry(place).or_default().insert(rule());
                }
            }
            touched.hosts.push(host);
        }
        if let Some(place) = slice_place(object) {
            self.slices
                .entry(place.clone())
                .or_default()
                .insert(object.key.clone());
            let service = ObjectKey::new(Kind::SERVICE, place.0, place.1);
            touched.objects.push(service);
        }
        touched.objects.push(object.key.clone());
    }

    fn unindex(&mut self, object: &Arc<Object>, touched: &mut Touched) {
        let rule = Rule(Arc::clone(object));
        for (host, kind) in self.said_hosts(object) {
            match kind {
                Said::VirtualService => self.virtual_services.remove(&host, &rule),
                Said::DestinationRule => self.destination_rules.remove(&host, &rule),
                Said::Extra => {
                    let place = (object.key.kind, object.key.namespace.clone(), host.clone());
                    few_set::remove_from(&mut self.extras, &place, &rule);
                }
            }
            touched.hosts.push(host);
        }
        if let Some(place) = slice_place(object) {
            few_set::remove_from(&mut self.slices, &place, &object.key);
            let service = ObjectKey::new(Kind::SERVICE, place.0, place.1);
            touched.objects.push(service);
        }
        touched.objects.push(object.key.clone());
    }

    /// The host patterns that a rule or an extra object is about.
    fn said_hosts(&self, object: &Object) -> Vec<(Host, Said)> {
        let resolve =
            |host: &str| Host::resolve(host, &object.key.namespace, &self.settings.domain);
        match &object.body {
            Body::VirtualService(spec) => spec
                .head()
                .hosts
                .iter()
                .map(|host| (resolve(host), Said::VirtualService))
                .collect(),
            Body::DestinationRule(spec) => {
                vec![(resolve(&spec.head().host), Said::DestinationRule)]
            }
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
        let objects = self.objects.iter().map(|object| &**object);
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
        let counts = |filed: &Filed| {
            !matches!(rule.body, Body::Extra(_))
                || *filed.service().namespace() == rule.key.namespace
        };
        self.hosts.covered_by(host).any(counts)
            || self.hosts.covering(host).any(|(_, key)| counts(key))
    }

    /// Reads the services of a service object anew, and moves its claims.
    pub(crate) fn rebuild(&mut self, key: &ObjectKey, touched: &mut Touched) {
        let new: Arc<[Service]> = self.read_services(key).into();
        let old = self.services_of(key).clone();
        if old == new {
            return;
        }
        self.services.remove(key);
        touched.objects.push(key.clone());
        self.move_claims(&old, &new, touched);
        if !same_to_others(&old, &new) {
            let hosts = old.iter().chain(&*new).map(Service::host);
            touched.hosts.extend(hosts.cloned());
        }
        for filed in Filed::all(&old) {
            self.hosts.remove(filed.service().host(), &filed);
        }
        for filed in Filed::all(&new) {
            let host = filed.service().host().clone();
            self.hosts.insert(&host, filed);
        }
        if !new.is_empty() {
            self.services.insert(new);
        }
    }

    fn read_services(&self, key: &ObjectKey) -> Vec<Service> {
        let Some(object) = self.objects.get(key) else {
            return Vec::new();
        };
        let slices = match object.body {
            Body::Service(_) => self.slices_of(key),
            _ => Vec::new(),
        };
        let mut services = service::services_of(object, &slices, &self.settings);
        services.retain(|service| !self.is_rendering(service));
        services
    }

    fn slices_of(&self, service: &ObjectKey) -> Vec<&EndpointSlice> {
        let place = (service.namespace.clone(), service.name.clone());
        let slices = self.slices.get(&place).into_iter().flat_map(FewSet::iter);
        slices
            .filter_map(|slice| match &self.object(slice)?.body {
                Body::EndpointSlice(slice) => Some(&**slice),
                _ => None,
            })
            .collect()
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

    /// The service at `host` as seen from `from`: its own namespace first, then the oldest that it sees.
    pub(crate) fn service_at(&self, host: &Host, from: &Service) -> Option<&Service> {
        let mut oldest = None;
        for (_, filed) in self.hosts.covering(host) {
            let service = filed.service();
            if service.namespace() == from.namespace() {
                return Some(service);
            }
            if service.visibility().includes(from.namespace()) {
                oldest = oldest.or(Some(service));
            }
        }
        oldest
    }

    /// VirtualServices whose hosts cover the service's host, with the host that does, the one to apply first standing
    /// first.
    pub(crate) fn virtual_services_of<'a>(
        &'a self,
        service: &'a Service,
    ) -> impl Iterator<Item = (&'a Host, &'a Object, &'a Packed<VirtualService>)> {
        let covering = self.virtual_services.covering(service.host());
        covering.filter_map(|(pattern, Rule(object))| match &object.body {
            Body::VirtualService(spec) => Some((pattern, &**object, spec)),
            _ => None,
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
    pub(crate) fn destination_rules_of<'a, 'h>(
        &'a self,
        host: &'h Host,
        from: &'h Service,
    ) -> impl Iterator<Item = (&'a Packed<DestinationRule>, DestinationRuleHead)> + use<'a, 'h>
    {
        let of_host = self.service_at(host, from).map(Service::namespace);
        let covering = self.destination_rules.covering(host);
        covering.filter_map(move |(_, Rule(object))| {
            let Body::DestinationRule(rule) = &object.body else {
                return None;
            };
            let head = rule.head();
            let namespace = &object.key.namespace;
            let counts = self.rule_counts(namespace, from) || of_host == Some(namespace);
            let export_to = head.export_to.iter().map(String::as_str);
            let visibility = Visibility::from_export_to(export_to, namespace);
            (counts && visibility.includes(from.namespace())).then_some((rule, head))
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
            .flat_map(FewSet::iter)
            .map(|Rule(object)| &**object)
    }
}

/// What kind of statement an object makes about a host.
#[derive(Clone, Copy)]
enum Said {
    VirtualService,
    DestinationRule,
    Extra,
}

impl Keyed for Arc<Object> {
    type Key = ObjectKey;

    fn key(&self) -> &ObjectKey {
        &self.key
    }
}

/// None of the tables has an object without services.
impl Keyed for Arc<[Service]> {
    type Key = ObjectKey;

    fn key(&self) -> &ObjectKey {
        self[0].object()
    }
}

/// Where an EndpointSlice belongs: the namespace and name of its Service.
fn slice_place(object: &Object) -> Option<(Arc<str>, Arc<str>)> {
    let Body::EndpointSlice(_) = &object.body else {
        return None;
    };
    let service = object.meta.labels.get("kubernetes.io/service-name")?;
    Some((object.key.namespace.clone(), Arc::from(service)))
}

/// The hosts of an extra object. A protocol's code runs here, and its panic stays here.
fn hosts_of(input: &Input, json: &serde_json::Value) -> Vec<String> {
    catch_unwind(AssertUnwindSafe(|| (input.hosts)(json))).unwrap_or_default()
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
