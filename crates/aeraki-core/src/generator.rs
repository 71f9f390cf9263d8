//! The seam: what a protocol crate implements, and what it is told.
//!
//! A generator is a unit struct with one method. It does no I/O, keeps no state and asks the [`ServiceContext`] for all
//! it needs to know; the context remembers what was asked, so that the engine knows what a later event can touch.

use std::cell::RefCell;
use std::collections::BTreeSet;

use aeraki_api::SubsetHead;
use aeraki_api::networking::DestinationRule;

use crate::cluster_name;
use crate::diagnostic::{Diagnostic, catalogue};
use crate::draft::FilterDraft;
use crate::host::Host;
use crate::object::{Body, Kind, Object, ObjectKey};
use crate::registry::Registration;
use crate::route::{self, RouteTable};
use crate::service::{Port, Service};
use crate::settings::Settings;
use crate::world::World;

/// Makes the filters of one protocol.
pub trait Generator: Send + Sync + 'static {
    /// Makes the drafts for one port of one service.
    ///
    /// # Errors
    /// When no right filter can be made. The service then keeps whatever it had, and the error becomes a diagnostic.
    fn generate(&self, ctx: &ServiceContext<'_>) -> Result<Vec<FilterDraft>, GenerateError>;
}

/// Why no filter could be made. The variants differ by what the reader should do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GenerateError {
    /// The config says something that cannot be done: correct the field.
    #[error("{reason}")]
    InvalidInput {
        /// The object, if it is not the service itself.
        object: Option<ObjectKey>,
        /// The field's path in it.
        field: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Something that the config refers to is not there: add it.
    #[error("{kind} `{name}` is not there")]
    MissingInput {
        /// The kind of the missing object.
        kind: Kind,
        /// Its name.
        name: String,
    },
    /// A configuration could not be encoded: a defect of the generator.
    #[error("the configuration could not be encoded: {0}")]
    Encode(#[from] serde_json::Error),
    /// Anything else.
    #[error(transparent)]
    Other(Box<dyn std::error::Error + Send + Sync>),
}

impl GenerateError {
    /// A bounded word for metrics and events.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::InvalidInput { .. } => "invalid_input",
            Self::MissingInput { .. } => "missing_input",
            Self::Encode(_) => "encode",
            Self::Other(_) => "other",
        }
    }
}

/// The inbound side of a port: only there if a filter may and can stand there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Inbound {
    target_port: u32,
}

impl Inbound {
    pub(crate) fn new(target_port: u32) -> Self {
        Self { target_port }
    }

    /// The port that the application listens on.
    #[must_use]
    pub fn target_port(&self) -> u32 {
        self.target_port
    }

    /// The cluster that leads to the application, which is also the usual stat prefix.
    #[must_use]
    pub fn cluster(&self) -> String {
        cluster_name::inbound(self.target_port)
    }
}

/// Something that the output of a service depends on.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Interest {
    /// Whatever is said about another host: services, VirtualServices, DestinationRules, extra kinds.
    Host(Host),
    /// One object, there or not.
    Object(ObjectKey),
}

/// What came up while a context was in use.
#[derive(Default, Debug)]
pub(crate) struct Findings {
    pub(crate) diagnostics: Vec<Diagnostic>,
    pub(crate) interests: BTreeSet<Interest>,
}

/// One port of one service, and all that is visible from there.
pub struct ServiceContext<'a> {
    world: &'a World,
    registration: &'static Registration,
    service: &'a Service,
    port: &'a Port,
    rule: Option<&'a Object>,
    inbound: Option<Inbound>,
    findings: RefCell<Findings>,
    /// The subsets that are defined for hosts that were asked about.
    subsets: RefCell<Vec<(Host, Vec<SubsetHead>)>>,
}

impl<'a> ServiceContext<'a> {
    pub(crate) fn new(
        world: &'a World,
        registration: &'static Registration,
        service: &'a Service,
        port: &'a Port,
        rule: Option<&'a Object>,
        inbound: Option<Inbound>,
    ) -> Self {
        let findings = RefCell::default();
        Self {
            world,
            registration,
            service,
            port,
            rule,
            inbound,
            findings,
            subsets: RefCell::default(),
        }
    }

    /// The service.
    #[must_use]
    pub fn service(&self) -> &'a Service {
        self.service
    }

    /// The port that matched; never simply the first one.
    #[must_use]
    pub fn port(&self) -> &'a Port {
        self.port
    }

    /// The inbound side, if a filter belongs there.
    #[must_use]
    pub fn inbound(&self) -> Option<&Inbound> {
        self.inbound.as_ref()
    }

    /// The settings.
    #[must_use]
    pub fn settings(&self) -> &'a Settings {
        self.world.settings()
    }

    /// The VirtualService that applies, if any.
    #[must_use]
    pub fn virtual_service(&self) -> Option<&'a Object> {
        self.rule
    }

    /// Istio's cluster of this service and port, which is also the usual stat prefix.
    #[must_use]
    pub fn outbound_cluster(&self) -> String {
        cluster_name::outbound(self.port.number(), "", self.service.host().as_str())
    }

    /// The routes of the client's side: from the VirtualService that applies, reduced to what the protocol can express,
    /// or one route to the service itself. What had to be left out is reported.
    #[must_use]
    pub fn outbound_routes(&self) -> RouteTable {
        match self.rule.map(|rule| (rule, &rule.body)) {
            Some((rule, Body::VirtualService(spec))) => {
                route::extract::from_virtual_service(self, rule, &spec.get())
            }
            _ => RouteTable::to(self.outbound_cluster()),
        }
    }

    /// The visible DestinationRule that applies to the service's own host.
    #[must_use]
    pub fn destination_rule(&self) -> Option<DestinationRule> {
        self.destination_rule_of(self.service)
    }

    /// The visible DestinationRule that applies to the host of `service`, which may be another one.
    #[must_use]
    pub fn destination_rule_of(&self, service: &Service) -> Option<DestinationRule> {
        self.take_interest(Interest::Host(service.host().clone()));
        self.world
            .destination_rules_of(service.host(), self.service)
            .next()
            .map(|(rule, _)| rule.get())
    }

    /// The service that `host` names, as seen from this one: its own namespace first, then the oldest that is visible.
    ///
    /// A name without dots is completed in `namespace`.
    #[must_use]
    pub fn service_at(&self, host: &str, namespace: &str) -> Option<&'a Service> {
        let host = Host::resolve(host, namespace, &self.settings().domain);
        self.take_interest(Interest::Host(host.clone()));
        self.world.service_at(&host, self.service)
    }

    /// The objects of an extra kind in the service's namespace that name the service's host, oldest first.
    pub fn extras(&self, kind: Kind) -> impl Iterator<Item = &'a Object> + use<'a> {
        self.extras_of(kind, self.service)
    }

    /// The objects of an extra kind that name the host of `service`, which may be another one, in its namespace, oldest
    /// first.
    pub fn extras_of(
        &self,
        kind: Kind,
        service: &Service,
    ) -> impl Iterator<Item = &'a Object> + use<'a> {
        self.take_interest(Interest::Host(service.host().clone()));
        self.world.extras(kind, service.namespace(), service.host())
    }

    /// The object of an extra kind by its name, in the service's namespace.
    #[must_use]
    pub fn extra_named(&self, kind: Kind, name: &str) -> Option<&'a Object> {
        let key = ObjectKey::new(kind, self.service.namespace().clone(), name);
        let found = self.world.object(&key);
        self.take_interest(Interest::Object(key));
        found
    }

    /// Reports something to the people who look after the config.
    pub fn report(&self, diagnostic: Diagnostic) {
        self.findings.borrow_mut().diagnostics.push(diagnostic);
    }

    /// The value of an annotation of the service, parsed; a value that `parse` refuses is reported and counts as absent.
    pub fn annotation<T>(
        &self,
        key: &'static str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let value = self.service.annotation(key)?;
        match parse(value) {
            Ok(parsed) => Some(parsed),
            Err(reason) => {
                self.report(
                    Diagnostic::new(
                        &catalogue::INVALID_ANNOTATION,
                        self.service.object(),
                        format!("annotation `{key}` is ignored: {reason}"),
                    )
                    .at(annotation_field(key)),
                );
                None
            }
        }
    }

    pub(crate) fn registration(&self) -> &'static Registration {
        self.registration
    }

    pub(crate) fn subset_is_defined(&self, host: &Host, subset: &str) -> bool {
        self.take_interest(Interest::Host(host.clone()));
        let mut known = self.subsets.borrow_mut();
        let place = known.iter().position(|(of, _)| of == host);
        let place = place.unwrap_or_else(|| {
            let rules = self.world.destination_rules_of(host, self.service);
            let subsets = rules.flat_map(|(_, head)| head.subsets);
            known.push((host.clone(), subsets.collect()));
            known.len() - 1
        });
        let (_, defined) = &known[place];
        defined.iter().any(|defined| defined.name == subset)
    }

    pub(crate) fn take_interest(&self, interest: Interest) {
        // Whatever is said about its own host concerns a service anyway.
        if matches!(&interest, Interest::Host(host) if host == self.service.host()) {
            return;
        }
        self.findings.borrow_mut().interests.insert(interest);
    }

    pub(crate) fn into_findings(self) -> Findings {
        self.findings.into_inner()
    }
}

/// The field path of an annotation.
#[must_use]
pub fn annotation_field(key: &str) -> String {
    format!("metadata.annotations{}", crate::field::key(key))
}
