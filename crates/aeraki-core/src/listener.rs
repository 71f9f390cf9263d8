//! Which outbound listener is the service's.
//!
//! The names are Istio's (measured, docs/istio.md): `<address>_<port>`, `0.0.0.0_<port>` where a service has no
//! address, one per endpoint for headless Services. A name that a proxy does not have has no effect there, so all
//! candidates stand in one EnvoyFilter. A patch never lands on a listener that somebody else owns.

use std::sync::Arc;

use crate::claims::{ClaimKey, Claimant};
use crate::diagnostic::{Diagnostic, Severity, catalogue};
use crate::service::{Addressing, Port, Service, Transport};
use crate::settings::Settings;
use crate::world::World;

/// How a listener is matched.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum ListenerMatch {
    /// By its name.
    Name(String),
    /// By its port alone: only where one service has that port.
    Port(u32),
}

impl ListenerMatch {
    /// The name, or `:<port>`.
    pub(crate) fn key(&self) -> String {
        match self {
            Self::Name(name) => name.clone(),
            Self::Port(port) => format!(":{port}"),
        }
    }
}

/// One EnvoyFilter's worth of outbound listeners.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Outbound {
    /// The address that the EnvoyFilter is named after.
    pub(crate) address: Option<Arc<str>>,
    /// Its listeners.
    pub(crate) listeners: Vec<ListenerMatch>,
}

const WILDCARD: &str = "0.0.0.0";
const LOCALHOST: &str = "127.0.0.1";

/// The addresses of every listener that Istio may give the port, owned or not.
pub(crate) fn addresses(service: &Service, port: &Port, settings: &Settings) -> Vec<Arc<str>> {
    let wildcard = || Arc::from(WILDCARD);
    let mut addresses: Vec<Arc<str>> = match (port.transport(), service.addressing()) {
        (Transport::Udp, _) => return Vec::new(),
        (Transport::Http, _) => vec![wildcard()],
        (Transport::Tcp | Transport::Tls, addressing) => match addressing {
            Addressing::Explicit { single, .. } => single.iter().map(|(_, a)| a.clone()).collect(),
            Addressing::Allocated(auto) => auto.iter().cloned().chain([wildcard()]).collect(),
            Addressing::Wildcard => vec![wildcard()],
            Addressing::Headless(endpoints) => endpoints.clone(),
            Addressing::Unknown => Vec::new(),
        },
    };
    if settings.localhost_listeners {
        addresses.push(Arc::from(LOCALHOST));
    }
    addresses
}

/// Whether the port adds chains of its own to the wildcard listener, which it then shares with whoever has it.
pub(crate) fn adds_to_wildcard(service: &Service, port: &Port) -> bool {
    match (port.transport(), service.addressing()) {
        (Transport::Tcp | Transport::Tls, Addressing::Explicit { ranges, .. }) => {
            !ranges.is_empty()
        }
        (Transport::Tls, Addressing::Allocated(_) | Addressing::Wildcard) => true,
        _ => false,
    }
}

/// Whether the wildcard listener of a port may be the service's.
pub(crate) fn wants_wildcard(service: &Service) -> bool {
    matches!(
        service.addressing(),
        Addressing::Allocated(_) | Addressing::Wildcard
    )
}

/// Whether no listener of the service has a name that is known, so that only the port's number can match one.
pub(crate) fn needs_number(service: &Service) -> bool {
    match service.addressing() {
        Addressing::Headless(endpoints) => endpoints.is_empty(),
        Addressing::Unknown => true,
        Addressing::Explicit { .. } | Addressing::Allocated(_) | Addressing::Wildcard => false,
    }
}

/// The listeners to patch, parted as EnvoyFilters are named, and what was left out.
pub(crate) fn outbound(
    world: &World,
    service: &Service,
    port: &Port,
    claimant: &Claimant,
    report: &mut Vec<Diagnostic>,
) -> Vec<Outbound> {
    let mut finder = Finder {
        world,
        service,
        port,
        claimant,
        report,
    };
    match service.addressing() {
        Addressing::Explicit { single, ranges } => finder.explicit(single, ranges),
        Addressing::Allocated(auto) => {
            finder.note_no_address(auto);
            let candidates = auto.iter().cloned().chain([Arc::from(WILDCARD)]);
            finder.one_object(candidates, !auto.is_empty())
        }
        Addressing::Wildcard => {
            finder.note_no_address(&[]);
            finder.one_object([Arc::from(WILDCARD)], false)
        }
        Addressing::Headless(endpoints) if endpoints.is_empty() => {
            finder.by_port("give its EndpointSlices as well, or a port number of its own")
        }
        Addressing::Headless(endpoints) => finder.one_object(endpoints.iter().cloned(), false),
        Addressing::Unknown => finder
            .by_port("add `spec.clusterIP` as the cluster has it, or a port number of its own"),
    }
}

struct Finder<'a> {
    world: &'a World,
    service: &'a Service,
    port: &'a Port,
    claimant: &'a Claimant,
    report: &'a mut Vec<Diagnostic>,
}

impl Finder<'_> {
    fn explicit(
        &mut self,
        single: &[(usize, Arc<str>)],
        ranges: &[(usize, Arc<str>)],
    ) -> Vec<Outbound> {
        for (index, range) in ranges {
            let sentence = format!("`{range}` is no single address, so it gets no filter");
            let diagnostic =
                Diagnostic::new(&catalogue::CIDR_ADDRESS, self.service.object(), sentence);
            self.report
                .push(diagnostic.at(format!("spec.addresses[{index}]")));
        }
        let mut objects: Vec<Outbound> = Vec::new();
        for (_, address) in single {
            let Some(listener) = self.owned(address, Severity::Warning) else {
                continue;
            };
            objects.push(Outbound {
                address: Some(address.clone()),
                listeners: vec![listener],
            });
        }
        if objects.is_empty() {
            // Changes of clusters need an object to stand in all the same.
            objects.push(Outbound {
                address: None,
                listeners: Vec::new(),
            });
        }
        // The localhost listener is one, however many addresses there are.
        if let (Some(first), Some(localhost)) = (objects.first_mut(), self.localhost()) {
            first.listeners.push(localhost);
        }
        objects
    }

    fn one_object(
        &mut self,
        addresses: impl IntoIterator<Item = Arc<str>>,
        others_known: bool,
    ) -> Vec<Outbound> {
        let mut listeners = Vec::new();
        for address in addresses {
            // Losing the wildcard listener matters little where the proxies use allocated addresses.
            let minor = others_known && *address == *WILDCARD;
            let severity = if minor {
                Severity::Info
            } else {
                Severity::Warning
            };
            listeners.extend(self.owned(&address, severity));
        }
        listeners.extend(self.localhost());
        vec![Outbound {
            address: None,
            listeners,
        }]
    }

    fn by_port(&mut self, remedy: &str) -> Vec<Outbound> {
        let number = self.port.number();
        let key = ClaimKey::Port(number);
        let sole = self
            .world
            .claims()
            .is_sole(&key, self.claimant, self.service.visibility());
        if sole {
            return vec![Outbound {
                address: None,
                listeners: vec![ListenerMatch::Port(number)],
            }];
        }
        let sentence = format!("no listener of port {number} is known to be this service's alone");
        let diagnostic = Diagnostic::new(&catalogue::NO_LISTENER, self.service.object(), sentence);
        self.report
            .push(diagnostic.at(self.port.field()).help(remedy));
        vec![Outbound {
            address: None,
            listeners: Vec::new(),
        }]
    }

    fn localhost(&mut self) -> Option<ListenerMatch> {
        let wanted = self.world.settings().localhost_listeners;
        wanted
            .then(|| self.owned(&Arc::from(LOCALHOST), Severity::Info))
            .flatten()
    }

    /// The listener of `address`, unless an older service owns it; that is reported.
    fn owned(&mut self, address: &Arc<str>, severity: Severity) -> Option<ListenerMatch> {
        let name = [address, "_", &self.port.number().to_string()].concat();
        if **address == *WILDCARD && self.is_shared() {
            self.report_shared(&name, severity);
            return None;
        }
        let key = ClaimKey::Listener(address.clone(), self.port.number());
        let visibility = self.service.visibility();
        let owner = self
            .world
            .claims()
            .owner_before(&key, self.claimant, visibility);
        match owner {
            None => Some(ListenerMatch::Name(name)),
            Some(owner) => {
                let rival = owner.object();
                let sentence = format!(
                    "the listener `{name}` of `{}` belongs to {rival} ({})",
                    self.service.host(),
                    owner.name()
                );
                let diagnostic =
                    Diagnostic::new(&catalogue::LISTENER_CLASH, self.service.object(), sentence);
                self.report
                    .push(diagnostic.at(self.port.field()).severity(severity));
                None
            }
        }
    }

    /// Whether another service has chains on the wildcard listener; a patch there would meet them too.
    fn is_shared(&self) -> bool {
        let key = ClaimKey::SharedWildcard(self.port.number());
        !self
            .world
            .claims()
            .is_sole(&key, self.claimant, self.service.visibility())
    }

    fn report_shared(&mut self, name: &str, severity: Severity) {
        let sentence = format!(
            "the listener `{name}` of `{}` is shared with an address range or TLS service",
            self.service.host()
        );
        let diagnostic =
            Diagnostic::new(&catalogue::LISTENER_CLASH, self.service.object(), sentence);
        self.report
            .push(diagnostic.at(self.port.field()).severity(severity));
    }

    fn note_no_address(&mut self, auto: &[Arc<str>]) {
        let sentence = if auto.is_empty() {
            "the service has no address, so only the wildcard listener of its port can be used"
        } else {
            "the service has no address of its own; the ones that istiod allocated are used"
        };
        let diagnostic = Diagnostic::new(&catalogue::NO_ADDRESS, self.service.object(), sentence);
        self.report.push(diagnostic.at("spec"));
    }
}
