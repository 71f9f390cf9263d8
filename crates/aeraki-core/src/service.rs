//! A service as a sidecar sees it: one host of a ServiceEntry, or a Kubernetes Service.
//!
//! Both kinds are read into the one shape here, so that nothing behind this module knows which it was.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use aeraki_api::kubernetes::{EndpointSlice, IntOrString, ServiceSpec};
use aeraki_api::networking::{ServiceEntry, service_entry};
use aeraki_api::{ServiceEntryHead, Timestamp};

use crate::host::Host;
use crate::object::{Body, Object, ObjectKey};
use crate::pairs::Pairs;
use crate::settings::Settings;
use crate::visibility::Visibility;

/// The annotation by which a Service limits its visibility, as `exportTo` does elsewhere.
const EXPORT_TO: &str = "networking.istio.io/exportTo";
/// Go Aeraki's annotation for a ServiceEntry without `spec.workloadSelector`.
pub const WORKLOAD_SELECTOR: &str = "workloadSelector";
/// istiod's name prefix of the ServiceEntry that it makes of a Kubernetes Service.
const SYNTHETIC: &str = "synthetic-";

/// What Istio takes a port's traffic for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Transport {
    /// TCP, or detected: the listener has a tcp_proxy.
    Tcp,
    /// TLS passed through by SNI.
    Tls,
    /// HTTP in any version: its listener is the wildcard one of the port.
    Http,
    /// Not TCP at all; no listener.
    Udp,
}

/// The port on the server's side.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TargetPort {
    /// Its number.
    Number(u32),
    /// A name that only the endpoints can tell the number of.
    Named(String),
}

/// One port of a service.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Port {
    number: u32,
    name: String,
    target: TargetPort,
    transport: Transport,
    app_protocol: Option<String>,
    field: String,
}

impl Port {
    /// The service port.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.number
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The port on the server's side.
    #[must_use]
    pub fn target(&self) -> &TargetPort {
        &self.target
    }

    /// What Istio takes its traffic for.
    #[must_use]
    pub fn transport(&self) -> Transport {
        self.transport
    }

    /// Its `appProtocol`, if it is a Service's and has one.
    #[must_use]
    pub fn app_protocol(&self) -> Option<&str> {
        self.app_protocol.as_deref()
    }

    /// Its path inside the object, such as `spec.ports[1]`.
    #[must_use]
    pub fn field(&self) -> &str {
        &self.field
    }
}

/// How clients address the service, and so which listeners Istio gives it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Addressing {
    /// Addresses of its own. Ranges stand in `ranges`: they have no listener of their own.
    Explicit {
        /// Single addresses as written, with their place in the list.
        single: Vec<(usize, Arc<str>)>,
        /// CIDR ranges as written, with their place in the list.
        ranges: Vec<(usize, Arc<str>)>,
    },
    /// None of its own: istiod may allocate some (known here or not), and older proxies use the wildcard listener.
    Allocated(Vec<Arc<str>>),
    /// None, by resolution NONE or a wildcard host: the wildcard listener.
    Wildcard,
    /// A headless Service: one listener per endpoint.
    Headless(Vec<Arc<str>>),
    /// A Service whose cluster IP is not told.
    Unknown,
}

/// Whose workloads serve the service.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Selector {
    /// Those with these labels, in the service's namespace.
    Labels(Pairs),
    /// It does not say.
    None,
    /// The annotation that should say cannot be read.
    Invalid(String),
}

/// One host of a ServiceEntry, or a Kubernetes Service.
#[derive(Clone, PartialEq, Debug)]
pub struct Service {
    object: Arc<Object>,
    host: Host,
    ports: Vec<Port>,
    addressing: Addressing,
    passthrough: bool,
    visibility: Visibility,
    selector: Selector,
}

impl Service {
    /// The object it is read from.
    #[must_use]
    pub fn object(&self) -> &ObjectKey {
        &self.object.key
    }

    /// Its host.
    #[must_use]
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// Its namespace.
    #[must_use]
    pub fn namespace(&self) -> &Arc<str> {
        &self.object.key.namespace
    }

    /// All its ports, in the order of the object.
    #[must_use]
    pub fn ports(&self) -> &[Port] {
        &self.ports
    }

    /// The ports that Istio builds listeners for: of several with one number only the first, and no UDP.
    pub(crate) fn listening_ports(&self) -> impl Iterator<Item = &Port> {
        let mut numbers = BTreeSet::new();
        self.ports
            .iter()
            .filter(move |port| port.transport != Transport::Udp && numbers.insert(port.number))
    }

    /// How clients address it.
    #[must_use]
    pub fn addressing(&self) -> &Addressing {
        &self.addressing
    }

    /// Whether its resolution is what istiod calls `Passthrough`: `NONE`, which is also that of a ServiceEntry that does
    /// not say, or a headless Service. Istio's clusters of it have Envoy's type `ORIGINAL_DST`: they have no endpoints and
    /// lead to the address that the client called.
    #[must_use]
    pub fn is_passthrough(&self) -> bool {
        self.passthrough
    }

    /// Who sees it.
    #[must_use]
    pub fn visibility(&self) -> &Visibility {
        &self.visibility
    }

    /// The entries of its object's `exportTo`, as written; `entry` is the spec of a ServiceEntry.
    pub(crate) fn export_to<'a>(
        &'a self,
        entry: Option<&'a ServiceEntryHead>,
    ) -> impl Iterator<Item = &'a str> {
        let (list, annotation) = match entry {
            Some(spec) => (&spec.export_to[..], None),
            None => (&[][..], self.object.meta.annotations.get(EXPORT_TO)),
        };
        let annotated = annotation.into_iter().flat_map(|list| list.split(','));
        list.iter().map(String::as_str).chain(annotated)
    }

    /// Whose workloads serve it.
    #[must_use]
    pub fn selector(&self) -> &Selector {
        &self.selector
    }

    /// The value of an annotation of its object, trimmed; `None` if absent or blank.
    #[must_use]
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.object
            .meta
            .annotations
            .get(key)
            .map(|v| v.trim())
            .filter(|v| !v.is_empty())
    }

    /// All annotations of its object.
    #[must_use]
    pub fn annotations(&self) -> &Pairs {
        &self.object.meta.annotations
    }

    /// When its object was created.
    #[must_use]
    pub fn created(&self) -> Option<Timestamp> {
        self.object.meta.created
    }

    /// The name of the Kubernetes Service that this is istiod's rendering of.
    pub(crate) fn synthetic_name(&self) -> Option<&str> {
        match self.object.body {
            Body::ServiceEntry { .. } => self.object.key.name.strip_prefix(SYNTHETIC),
            _ => None,
        }
    }
}

/// The services that an object stands for: one per host of a ServiceEntry, one of a Service, else none.
pub(crate) fn services_of(
    object: &Arc<Object>,
    slices: &[&EndpointSlice],
    settings: &Settings,
) -> Vec<Service> {
    match &object.body {
        Body::ServiceEntry {
            spec,
            auto_addresses,
        } => {
            let spec = spec.get();
            let hosts = spec.hosts.iter();
            hosts
                .filter(|host| !crate::host::has_forbidden_characters(host))
                .map(|host| from_entry(object, &spec, auto_addresses, Host::new(host)))
                .collect()
        }
        Body::Service(spec) if spec.type_ != "ExternalName" => {
            vec![from_service(object, spec, slices, settings)]
        }
        _ => Vec::new(),
    }
}

fn from_entry(
    object: &Arc<Object>,
    spec: &ServiceEntry,
    auto_addresses: &[(String, String)],
    host: Host,
) -> Service {
    let addressing = entry_addressing(spec, auto_addresses, &host);
    Service {
        passthrough: is_resolution_none(spec),
        ports: spec
            .ports
            .iter()
            .enumerate()
            .map(|(i, port)| entry_port(i, port))
            .collect(),
        visibility: Visibility::from_export_to(
            spec.export_to.iter().map(String::as_str),
            &object.key.namespace,
        ),
        selector: entry_selector(object, spec),
        object: Arc::clone(object),
        host,
        addressing,
    }
}

fn entry_port(index: usize, port: &aeraki_api::networking::ServicePort) -> Port {
    let target = if port.target_port == 0 {
        port.number
    } else {
        port.target_port
    };
    Port {
        number: port.number,
        name: port.name.clone(),
        target: TargetPort::Number(target),
        transport: entry_transport(&port.protocol),
        app_protocol: None,
        field: format!("spec.ports[{index}]"),
    }
}

/// Istio's `protocol` words. MONGO, REDIS and MYSQL are plain TCP unless istiod is told otherwise; an empty or unknown
/// word means detection, whose listener has a tcp_proxy too.
fn entry_transport(protocol: &str) -> Transport {
    match protocol.to_ascii_uppercase().as_str() {
        "HTTP" | "HTTP2" | "HTTP_PROXY" | "GRPC" | "GRPC-WEB" => Transport::Http,
        "HTTPS" | "TLS" => Transport::Tls,
        "UDP" => Transport::Udp,
        _ => Transport::Tcp,
    }
}

fn is_resolution_none(spec: &ServiceEntry) -> bool {
    spec.resolution == service_entry::Resolution::None as i32
}

fn entry_addressing(
    spec: &ServiceEntry,
    auto_addresses: &[(String, String)],
    host: &Host,
) -> Addressing {
    if !spec.addresses.is_empty() {
        return explicit(spec.addresses.iter().map(String::as_str));
    }
    if is_resolution_none(spec) || host.is_wildcard() {
        return Addressing::Wildcard;
    }
    let of_host =
        |(for_host, _): &&(String, String)| for_host.is_empty() || Host::new(for_host) == *host;
    Addressing::Allocated(
        auto_addresses
            .iter()
            .filter(of_host)
            .map(|(_, value)| Arc::from(value.as_str()))
            .collect(),
    )
}

/// Parts single addresses from ranges. A range of one address (`/32`, `/128`) is a single address to Istio too.
fn explicit<'a>(addresses: impl Iterator<Item = &'a str>) -> Addressing {
    let (mut single, mut ranges) = (Vec::new(), Vec::new());
    for (index, address) in addresses.map(str::trim).enumerate() {
        match single_address(address) {
            Some(address) => single.push((index, Arc::from(address))),
            None => ranges.push((index, Arc::from(address))),
        }
    }
    Addressing::Explicit { single, ranges }
}

fn single_address(address: &str) -> Option<&str> {
    match address.split_once('/') {
        None => address.parse::<IpAddr>().ok().map(|_| address),
        Some((ip, bits)) => match (ip.parse::<IpAddr>().ok()?, bits) {
            (IpAddr::V4(_), "32") | (IpAddr::V6(_), "128") => Some(ip),
            _ => None,
        },
    }
}

fn entry_selector(object: &Object, spec: &ServiceEntry) -> Selector {
    if let Some(selector) = &spec.workload_selector
        && !selector.labels.is_empty()
    {
        return Selector::Labels(Pairs::from(&selector.labels));
    }
    match object.meta.annotations.get(WORKLOAD_SELECTOR) {
        Some(annotation) => annotated_selector(annotation),
        None => Selector::None,
    }
}

/// parity: Go Aeraki's forms `label:value` and `value` (for the label `app`), with spaces left out. It made
/// `{app: ""}` of an empty one; here that is no selector.
fn annotated_selector(annotation: &str) -> Selector {
    let text: String = annotation.split_whitespace().collect();
    let label = |key: &str, value: &str| Selector::Labels([(key, value)].into());
    match text.split(':').collect::<Vec<_>>()[..] {
        [""] => Selector::None,
        [value] => label("app", value),
        [key, value] if !key.is_empty() && !value.is_empty() => label(key, value),
        _ => Selector::Invalid(annotation.to_owned()),
    }
}

fn from_service(
    object: &Arc<Object>,
    spec: &ServiceSpec,
    slices: &[&EndpointSlice],
    settings: &Settings,
) -> Service {
    let key = &object.key;
    let export_to = object.meta.annotations.get(EXPORT_TO);
    let addressing = service_addressing(spec, slices);
    Service {
        passthrough: matches!(addressing, Addressing::Headless(_)),
        host: Host::resolve(&key.name, &key.namespace, &settings.domain),
        ports: spec
            .ports
            .iter()
            .enumerate()
            .map(|(i, port)| service_port(i, port, slices))
            .collect(),
        addressing,
        visibility: Visibility::from_export_to(
            export_to.into_iter().flat_map(|list| list.split(',')),
            &key.namespace,
        ),
        selector: if spec.selector.is_empty() {
            Selector::None
        } else {
            Selector::Labels(Pairs::from(&spec.selector))
        },
        object: Arc::clone(object),
    }
}

fn service_port(
    index: usize,
    port: &aeraki_api::kubernetes::ServicePort,
    slices: &[&EndpointSlice],
) -> Port {
    let number = u32::from(port.port);
    let target = match &port.target_port {
        None => TargetPort::Number(number),
        Some(IntOrString::Int(0)) => TargetPort::Number(number),
        Some(IntOrString::Int(target)) => {
            TargetPort::Number(u32::try_from(*target).unwrap_or(number))
        }
        Some(IntOrString::String(name)) => match name.parse() {
            Ok(target) => TargetPort::Number(target),
            Err(_) => endpoint_port(&port.name, slices)
                .map_or_else(|| TargetPort::Named(name.clone()), TargetPort::Number),
        },
    };
    Port {
        number,
        name: port.name.clone(),
        target,
        transport: service_transport(port),
        app_protocol: port.app_protocol.clone(),
        field: format!("spec.ports[{index}]"),
    }
}

/// The number of the endpoints' port called `name`, if all slices agree on one.
fn endpoint_port(name: &str, slices: &[&EndpointSlice]) -> Option<u32> {
    let mut numbers = slices
        .iter()
        .flat_map(|slice| &slice.ports)
        .filter(|port| port.name.as_deref().unwrap_or_default() == name)
        .filter_map(|port| port.port.map(u32::from));
    let first = numbers.next()?;
    numbers.all(|number| number == first).then_some(first)
}

/// Istio's protocol selection for Services: `appProtocol` first, else the name's first dash field.
fn service_transport(port: &aeraki_api::kubernetes::ServicePort) -> Transport {
    if !matches!(port.protocol.as_str(), "" | "TCP") {
        return Transport::Udp;
    }
    let word = match port.app_protocol.as_deref() {
        Some("kubernetes.io/h2c" | "kubernetes.io/ws" | "kubernetes.io/wss") => "http",
        Some(word) => word,
        None => port.name.split('-').next().unwrap_or_default(),
    };
    match word.to_ascii_lowercase().as_str() {
        "http" | "http2" | "grpc" => Transport::Http,
        "https" | "tls" => Transport::Tls,
        "udp" => Transport::Udp,
        _ => Transport::Tcp,
    }
}

fn service_addressing(spec: &ServiceSpec, slices: &[&EndpointSlice]) -> Addressing {
    let listed = if spec.cluster_ips.is_empty() {
        std::slice::from_ref(&spec.cluster_ip)
    } else {
        &spec.cluster_ips[..]
    };
    match listed {
        [none, ..] if none == "None" => Addressing::Headless(endpoint_addresses(slices)),
        [empty, ..] if empty.is_empty() => Addressing::Unknown,
        addresses => explicit(addresses.iter().map(String::as_str)),
    }
}

fn endpoint_addresses(slices: &[&EndpointSlice]) -> Vec<Arc<str>> {
    let mut addresses: Vec<Arc<str>> = slices
        .iter()
        .flat_map(|s| &s.endpoints)
        .flat_map(|e| &e.addresses)
        .map(|address| Arc::from(address.as_str()))
        .collect();
    addresses.sort();
    addresses.dedup();
    addresses
}
