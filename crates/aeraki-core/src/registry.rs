//! Who speaks which protocol: constant registrations, collected at link time or listed by hand.
//!
//! Only [`Registry::linked`] and [`register!`](crate::register) know that `inventory` exists. A crate that is only
//! listed in Cargo.toml is not linked: a distribution names each protocol crate with `use proto_x as _;`.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::assemble;
use crate::config::Part;
use crate::diagnostic::{Code, Diagnostic, catalogue};
use crate::generator::Generator;
use crate::object::{Kind, ObjectKey};
use crate::pairs::Pairs;
use crate::port_name::PortName;
use crate::protocol::Protocol;
use crate::settings::Settings;

/// How far a protocol has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Maturity {
    /// May change without notice.
    Alpha,
    /// Complete; its output may still change between minor versions.
    Beta,
    /// Its output changes only with notice in the changelog.
    Stable,
}

impl Maturity {
    /// The lower-case word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Alpha => "alpha",
            Self::Beta => "beta",
            Self::Stable => "stable",
        }
    }
}

/// Which proxies have the protocol's Envoy filter.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Availability {
    /// Stock Istio proxies: on by default.
    Stock,
    /// Not stock ones, and a proxy without the filter refuses the listener: off by default, and where it is on, only for
    /// proxies whose node metadata announces the filter ([`Settings::proxy_metadata_of`]).
    Gated,
}

/// Which forms of a string match can be expressed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Forms {
    /// `exact`
    pub exact: bool,
    /// `prefix`
    pub prefix: bool,
    /// `regex`
    pub regex: bool,
}

impl Forms {
    /// No form at all.
    pub const NONE: Self = Self {
        exact: false,
        prefix: false,
        regex: false,
    };
    /// Only `exact`.
    pub const EXACT: Self = Self {
        exact: true,
        prefix: false,
        regex: false,
    };
    /// Every form.
    pub const ALL: Self = Self {
        exact: true,
        prefix: true,
        regex: true,
    };
}

/// What of a VirtualService has a meaning for the protocol.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Routing {
    /// Nothing: the filter only looks on, and Istio's own tcp routes stay in force.
    #[default]
    Istio,
    /// One destination for all calls, from a `tcp` route.
    Default,
    /// `http` routes with conditions; `tcp` routes where there are no http ones.
    Http,
}

/// What the protocol can express of a VirtualService. Core drops what it cannot, with a diagnostic.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Expresses {
    /// Which routes count at all.
    pub routing: Routing,
    /// Forms of `match[].method`.
    pub method: Forms,
    /// Forms of `match[].headers`.
    pub headers: Forms,
    /// An empty `match[].headers` value: the header is present.
    pub header_presence: bool,
    /// `match[].withoutHeaders`.
    pub without_headers: bool,
    /// More than one destination in a route.
    pub weights: bool,
    /// `mirror` and `mirrors`, with a percentage.
    pub mirror: bool,
}

impl Expresses {
    /// A protocol without routes of its own.
    pub const NOTHING: Self = Self {
        routing: Routing::Istio,
        method: Forms::NONE,
        headers: Forms::NONE,
        header_presence: false,
        without_headers: false,
        weights: false,
        mirror: false,
    };
}

/// An annotation that the protocol reads.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct Annotation {
    /// The annotation's key.
    pub key: &'static str,
    /// The kind of object it stands on.
    pub on: &'static str,
    /// What it says and which values it takes.
    pub meaning: &'static str,
}

/// What is wrong in an object of an extra kind.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum InputProblem {
    /// A field that the kind does not have. It has no effect.
    UnknownField {
        /// Its path from the object's root.
        field: String,
        /// What may be meant.
        help: Option<String>,
    },
    /// A field that holds something of another type. The object stays, so that the generator can hold back the services
    /// that it is about: without the object they would get a filter, and one without what it asks for.
    Mistyped {
        /// The field's path from the object's root.
        field: String,
        /// What is wrong, without a value that may be a secret.
        message: String,
        /// What to do.
        help: Option<String>,
    },
    /// The object as a whole cannot be used, and nobody could tell which services it is about.
    Invalid {
        /// The path of the field that makes it so.
        field: String,
        /// Why.
        message: String,
    },
}

impl InputProblem {
    /// What is wrong, as every edge says it.
    #[must_use]
    pub fn message(&self) -> String {
        match self {
            Self::UnknownField { field, .. } => {
                unknown_field(field.rsplit('.').next().unwrap_or(field))
            }
            Self::Mistyped { message, .. } | Self::Invalid { message, .. } => message.clone(),
        }
    }

    /// The diagnostic that says it of `object`.
    #[must_use]
    pub fn diagnostic(&self, object: &ObjectKey) -> Diagnostic {
        let (code, field, help) = match self {
            Self::UnknownField { field, help } => (&catalogue::UNKNOWN_FIELD, field, help.clone()),
            Self::Mistyped { field, help, .. } => (&catalogue::UNREADABLE, field, help.clone()),
            Self::Invalid { field, .. } => (&catalogue::UNREADABLE, field, None),
        };
        let diagnostic = Diagnostic::new(code, object, self.message()).at(field.as_str());
        Diagnostic { help, ..diagnostic }
    }
}

/// What is said of a field that its kind does not have.
#[must_use]
pub fn unknown_field(name: &str) -> String {
    format!("unknown field `{name}`: it has no effect")
}

/// A kind of object that the protocol reads besides Istio's own.
#[derive(Clone, Copy, Debug)]
pub struct Input {
    /// The kind.
    pub kind: Kind,
    /// The versions that are read, the preferred one first.
    pub versions: &'static [&'static str],
    /// The hosts that the object is about, as written (short names are completed in the object's namespace). Empty for
    /// a kind that is only looked up by name.
    pub hosts: fn(&Value) -> Vec<String>,
    /// Checks the object's shape: unknown fields and wrong types.
    pub check: fn(&Value) -> Vec<InputProblem>,
    /// The CustomResourceDefinition of a kind of the protocol's own; `None` for a kind that others define.
    pub crd: Option<fn() -> Value>,
}

/// A rule that Envoy enforces on the typed config of this protocol's filter or clusters: `Some(reason)` if it is broken.
pub type Check = fn(Part<'_>) -> Option<String>;

/// All that is constant about a protocol.
pub struct Registration {
    protocol: Protocol,
    generator: &'static dyn Generator,
    aliases: &'static [&'static str],
    maturity: Maturity,
    availability: Availability,
    envoy_filter: &'static str,
    expresses: Expresses,
    inputs: &'static [Input],
    annotations: &'static [Annotation],
    codes: &'static [&'static Code],
    checks: &'static [Check],
    outbound_only: bool,
    counter: &'static str,
    origin: &'static str,
}

impl Registration {
    /// A protocol and its generator; everything else has a default.
    #[must_use]
    pub const fn new(protocol: Protocol, generator: &'static dyn Generator) -> Self {
        Self {
            protocol,
            generator,
            aliases: &[],
            maturity: Maturity::Alpha,
            availability: Availability::Stock,
            envoy_filter: "",
            expresses: Expresses::NOTHING,
            inputs: &[],
            annotations: &[],
            codes: &[],
            checks: &[],
            outbound_only: false,
            counter: "",
            origin: "",
        }
    }

    /// Further port-name tokens, lower-case.
    #[must_use]
    pub const fn aliases(mut self, aliases: &'static [&'static str]) -> Self {
        self.aliases = aliases;
        self
    }

    /// How far it has come.
    #[must_use]
    pub const fn maturity(mut self, maturity: Maturity) -> Self {
        self.maturity = maturity;
        self
    }

    /// Stock Istio proxies lack the filter: off by default and gated by node metadata.
    #[must_use]
    pub const fn gated(mut self) -> Self {
        self.availability = Availability::Gated;
        self
    }

    /// The Envoy network filter that it needs.
    #[must_use]
    pub const fn envoy_filter(mut self, name: &'static str) -> Self {
        self.envoy_filter = name;
        self
    }

    /// What it can express of a VirtualService.
    #[must_use]
    pub const fn expresses(mut self, expresses: Expresses) -> Self {
        self.expresses = expresses;
        self
    }

    /// Kinds of objects that it reads besides Istio's own.
    #[must_use]
    pub const fn inputs(mut self, inputs: &'static [Input]) -> Self {
        self.inputs = inputs;
        self
    }

    /// Annotations that it reads.
    #[must_use]
    pub const fn annotations(mut self, annotations: &'static [Annotation]) -> Self {
        self.annotations = annotations;
        self
    }

    /// Diagnostic codes of its own.
    #[must_use]
    pub const fn codes(mut self, codes: &'static [&'static Code]) -> Self {
        self.codes = codes;
        self
    }

    /// Envoy's rules for its filter, checked on every finished filter and cluster before it leaves core.
    #[must_use]
    pub const fn checks(mut self, checks: &'static [Check]) -> Self {
        self.checks = checks;
        self
    }

    /// The filter cannot stand on the server's side at all, so nothing is said about its absence there.
    #[must_use]
    pub const fn outbound_only(mut self) -> Self {
        self.outbound_only = true;
        self
    }

    /// The full name of a counter of calls that the Envoy filter has for the service `a.test`, as
    /// `dubbo.outbound|20880||a.test.request`. By it one sees whether sidecars publish the protocol's statistics.
    #[must_use]
    pub const fn counter(mut self, counter: &'static str) -> Self {
        self.counter = counter;
        self
    }

    /// The crate that registers it; [`register!`](crate::register) fills it in.
    #[must_use]
    pub const fn origin(mut self, origin: &'static str) -> Self {
        self.origin = origin;
        self
    }

    /// The protocol.
    #[must_use]
    pub const fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// The description that `aeraki protocols` prints.
    #[must_use]
    pub fn describe(&self) -> Description {
        Description {
            name: self.protocol.name(),
            aliases: self.aliases,
            maturity: self.maturity,
            availability: self.availability,
            envoy_filter: self.envoy_filter,
            expresses: self.expresses,
            inputs: self.inputs.iter().map(|input| input.kind.name()).collect(),
            annotations: self.annotations,
            origin: self.origin,
        }
    }

    /// Its own diagnostic codes.
    #[must_use]
    pub const fn own_codes(&self) -> &'static [&'static Code] {
        self.codes
    }

    /// The counter of calls for the service `a.test`, if it has named one.
    #[must_use]
    pub fn counted_as(&self) -> Option<&'static str> {
        (!self.counter.is_empty()).then_some(self.counter)
    }

    pub(crate) const fn generator(&self) -> &'static dyn Generator {
        self.generator
    }

    pub(crate) const fn expressed(&self) -> Expresses {
        self.expresses
    }

    pub(crate) const fn own_checks(&self) -> &'static [Check] {
        self.checks
    }

    pub(crate) const fn is_outbound_only(&self) -> bool {
        self.outbound_only
    }

    pub(crate) const fn is_gated(&self) -> bool {
        matches!(self.availability, Availability::Gated)
    }

    fn tokens(&self) -> impl Iterator<Item = &'static str> {
        std::iter::once(self.protocol.name()).chain(self.aliases.iter().copied())
    }
}

impl std::fmt::Debug for Registration {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Registration({} from {})", self.protocol, self.origin)
    }
}

/// A registration as data, for people and programs.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Description {
    /// The protocol's name.
    pub name: &'static str,
    /// Further port-name tokens.
    pub aliases: &'static [&'static str],
    /// How far it has come.
    pub maturity: Maturity,
    /// Which proxies have the filter.
    pub availability: Availability,
    /// The Envoy filter's name.
    pub envoy_filter: &'static str,
    /// What of a VirtualService it can express.
    pub expresses: Expresses,
    /// The extra kinds it reads.
    pub inputs: Vec<&'static str>,
    /// The annotations it reads.
    pub annotations: &'static [Annotation],
    /// The crate it comes from.
    pub origin: &'static str,
}

inventory::collect!(Registration);

/// Registers a protocol at link time, and stamps the calling crate as its origin.
///
/// ```
/// use aeraki_core::{generator::{GenerateError, Generator, ServiceContext}, draft::FilterDraft};
/// use aeraki_core::{protocol::Protocol, registry::Registration};
///
/// struct Mqtt;
/// impl Generator for Mqtt {
///     fn generate(&self, _: &ServiceContext<'_>) -> Result<Vec<FilterDraft>, GenerateError> {
///         Ok(Vec::new())
///     }
/// }
/// aeraki_core::register!(Registration::new(Protocol::Custom("mqtt"), &Mqtt).aliases(&["mqtt5"]));
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! register {
    ($registration:expr) => {
        $crate::__inventory::submit! {
            $registration.origin(env!("CARGO_PKG_NAME"))
        }
    };
}

/// Why a set of registrations cannot stand together.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// Two protocols claim one port-name token.
    #[error(
        "the port-name token `{token}` is claimed by {first} and by {second}; link only one of them"
    )]
    Duplicate {
        /// The token.
        token: &'static str,
        /// The crate that came first by name.
        first: &'static str,
        /// The other crate.
        second: &'static str,
    },
    /// A diagnostic code has two meanings.
    #[error(
        "the diagnostic code {code} is registered twice with different meanings; renumber one of them"
    )]
    DuplicateCode {
        /// The code.
        code: &'static str,
    },
}

/// The protocols of this binary.
#[derive(Clone, Debug, Default)]
pub struct Registry {
    registrations: Vec<&'static Registration>,
    by_token: BTreeMap<&'static str, &'static Registration>,
    /// The labels of each protocol's EnvoyFilters, by its name: kept once, however many there are.
    labels: BTreeMap<&'static str, Pairs>,
}

impl Registry {
    /// Every registration that is linked into this binary, sorted by protocol name.
    ///
    /// # Errors
    /// When two registrations claim one token.
    pub fn linked() -> Result<Self, RegistryError> {
        Self::of(inventory::iter::<Registration>)
    }

    /// An explicit set, for tests and for embedding.
    ///
    /// # Errors
    /// When two registrations claim one token.
    pub fn of(
        registrations: impl IntoIterator<Item = &'static Registration>,
    ) -> Result<Self, RegistryError> {
        let mut registrations: Vec<_> = registrations.into_iter().collect();
        registrations.sort_by_key(|r| (r.protocol.name(), r.origin));
        let mut by_token: BTreeMap<&'static str, &'static Registration> = BTreeMap::new();
        for registration in &registrations {
            for token in registration.tokens() {
                if let Some(earlier) = by_token.insert(token, registration) {
                    let (first, second) = (earlier.origin, registration.origin);
                    return Err(RegistryError::Duplicate {
                        token,
                        first,
                        second,
                    });
                }
            }
        }
        let registry = Self {
            labels: registrations.iter().map(labels).collect(),
            registrations,
            by_token,
        };
        registry.check_codes()?;
        Ok(registry)
    }

    /// Two meanings of one code would make every message about it a riddle.
    fn check_codes(&self) -> Result<(), RegistryError> {
        let mut seen: BTreeMap<&'static str, &'static Code> = BTreeMap::new();
        for code in self.codes() {
            if seen
                .insert(code.id, code)
                .is_some_and(|earlier| earlier != code)
            {
                return Err(RegistryError::DuplicateCode { code: code.id });
            }
        }
        Ok(())
    }

    /// All registrations, by protocol name.
    pub fn iter(&self) -> impl Iterator<Item = &'static Registration> + '_ {
        self.registrations.iter().copied()
    }

    /// Whether nothing is linked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.registrations.is_empty()
    }

    /// The protocol of a port-name token, ignoring case.
    #[must_use]
    pub fn find(&self, token: &str) -> Option<&'static Registration> {
        match self.by_token.get(token) {
            Some(found) => Some(found),
            None => self
                .by_token
                .get(token.to_ascii_lowercase().as_str())
                .copied(),
        }
    }

    /// Every token that names a protocol, sorted.
    pub fn tokens(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.by_token.keys().copied()
    }

    /// The input that declares `kind`, by name and group.
    #[must_use]
    pub fn input(&self, group: &str, name: &str) -> Option<&'static Input> {
        self.inputs()
            .find(|input| input.kind.group() == group && input.kind.name() == name)
    }

    /// Every declared extra kind.
    pub fn inputs(&self) -> impl Iterator<Item = &'static Input> + '_ {
        self.registrations.iter().flat_map(|r| r.inputs.iter())
    }

    /// Every annotation that a protocol reads.
    pub fn annotations(&self) -> impl Iterator<Item = &'static Annotation> + '_ {
        self.registrations.iter().flat_map(|r| r.annotations.iter())
    }

    /// Every diagnostic code of this binary: core's, then the protocols'.
    pub fn codes(&self) -> impl Iterator<Item = &'static Code> + '_ {
        let own = self
            .registrations
            .iter()
            .flat_map(|r| r.codes.iter().copied());
        crate::diagnostic::catalogue::CATALOGUE
            .iter()
            .copied()
            .chain(own)
    }
}

/// What becomes of a service port.
#[derive(Clone, Copy, Debug)]
pub enum Decision {
    /// Ours.
    Ours(&'static Registration),
    /// Istio's own: the name has not the form `tcp-<token>`.
    NotOurs,
    /// `tcp-<token>` with a token that no protocol has.
    Unknown,
    /// A protocol of ours on a port that is not TCP to Istio.
    NotTcp(&'static Registration),
    /// A protocol of ours that is switched off.
    Disabled(&'static Registration),
}

impl Registry {
    /// The labels of a protocol's EnvoyFilters.
    pub(crate) fn labels_of(&self, protocol: Protocol) -> &Pairs {
        &self.labels[protocol.name()]
    }

    /// Decides for a port from its name, its `appProtocol` and whether Istio treats it as TCP.
    #[must_use]
    pub fn decide(
        &self,
        name: &str,
        app_protocol: Option<&str>,
        is_tcp: bool,
        settings: &Settings,
    ) -> Decision {
        let by_app = app_protocol.and_then(|token| self.find(token));
        let named = match PortName::parse(name) {
            PortName::Token { token, .. } => Some(self.find(token)),
            PortName::Tcp | PortName::Other { .. } => None,
        };
        match by_app.map(Some).or(named) {
            None => Decision::NotOurs,
            Some(None) => Decision::Unknown,
            Some(Some(found)) if !is_tcp => Decision::NotTcp(found),
            Some(Some(found)) if !is_enabled(found, settings) => Decision::Disabled(found),
            Some(Some(found)) => Decision::Ours(found),
        }
    }
}

fn labels(registration: &&'static Registration) -> (&'static str, Pairs) {
    let protocol = registration.protocol();
    (protocol.name(), assemble::labels(protocol))
}

fn is_enabled(registration: &Registration, settings: &Settings) -> bool {
    let name = registration.protocol.name();
    !settings.disable_protocols.contains(name)
        && (!registration.is_gated() || settings.enable_protocols.contains(name))
}
