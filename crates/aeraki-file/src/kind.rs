//! The kinds that are read: what their fields are, and how they are decoded.

pub(crate) mod kubernetes;

use aeraki_api::networking::{DestinationRule, ServiceEntry, VirtualService};
use aeraki_api::prost::Name;
use aeraki_api::schema::{self, Message};
use aeraki_api::{Cr, IstioKind, ObjectMeta};
use aeraki_core::object::{Kind, Object};
use aeraki_core::registry::{Input, InputProblem, Registry};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::shape::{self, Fault, Finding};

/// A kind that is read.
#[derive(Clone, Copy)]
pub(crate) struct Readable {
    pub(crate) kind: Kind,
    pub(crate) versions: &'static [&'static str],
    body: Body,
}

#[derive(Clone, Copy)]
enum Body {
    /// A custom resource of Istio's: the fields of the spec, and the decoder.
    Istio(fn() -> Option<&'static Message>, Decode),
    /// A kind of Kubernetes' own: the fields of the whole object, and the decoder.
    Kubernetes(&'static Message, Decode),
    /// A kind that a protocol declares.
    Extra(&'static Input),
}

type Decode = fn(Value) -> Result<Object, serde_json::Error>;

const OWN: [Readable; 5] = [
    istio::<ServiceEntry>(Kind::SERVICE_ENTRY),
    istio::<VirtualService>(Kind::VIRTUAL_SERVICE),
    istio::<DestinationRule>(Kind::DESTINATION_RULE),
    Readable {
        kind: Kind::SERVICE,
        versions: &["v1"],
        body: Body::Kubernetes(
            &kubernetes::SERVICE,
            decode::<aeraki_api::kubernetes::Service>,
        ),
    },
    Readable {
        kind: Kind::ENDPOINT_SLICE,
        versions: &["v1"],
        body: Body::Kubernetes(
            &kubernetes::ENDPOINT_SLICE,
            decode::<aeraki_api::kubernetes::EndpointSlice>,
        ),
    },
];

const fn istio<S>(kind: Kind) -> Readable
where
    S: IstioKind + Name + DeserializeOwned,
    Cr<S>: Into<Object>,
{
    let body = Body::Istio(schema::of::<S>, decode::<Cr<S>>);
    Readable {
        kind,
        versions: S::VERSIONS,
        body,
    }
}

fn decode<T: DeserializeOwned + Into<Object>>(value: Value) -> Result<Object, serde_json::Error> {
    serde_json::from_value::<T>(value).map(Into::into)
}

/// Kinds of `networking.istio.io` that are not read, so that none of them is taken for a misspelt one.
pub(crate) const OTHER_ISTIO: [&str; 6] = [
    "EnvoyFilter",
    "Gateway",
    "ProxyConfig",
    "Sidecar",
    "WorkloadEntry",
    "WorkloadGroup",
];

/// Every kind that is read.
pub(crate) fn readable(registry: &Registry) -> impl Iterator<Item = Readable> + '_ {
    let declared = registry.inputs().map(|input| Readable {
        kind: input.kind,
        versions: input.versions,
        body: Body::Extra(input),
    });
    OWN.into_iter().chain(declared)
}

/// What came of an object's JSON.
pub(crate) struct Decoded {
    /// The object, or what the decoder said.
    pub(crate) object: Result<Object, String>,
    /// What is wrong with its fields. Where the decoder failed this says why.
    pub(crate) findings: Vec<Finding>,
}

impl Readable {
    /// Decodes an object of this kind. Nulls have been taken out of `value`.
    pub(crate) fn decode(self, value: Value) -> Decoded {
        let mut findings = self.findings(&value);
        let decoded = match self.body {
            Body::Istio(_, decode) | Body::Kubernetes(_, decode) => decode(value),
            Body::Extra(input) => decode_extra(input.kind, value),
        };
        // The decoder of a declared kind is its protocol's, so what its check finds is final.
        let refusal = findings
            .iter()
            .find(|finding| finding.fault == Fault::Refused);
        let object = match (decoded, refusal) {
            (Ok(_), Some(refusal)) => Err(refusal.message.clone()),
            (Ok(object), None) => Ok(object),
            (Err(error), _) => Err(error.to_string()),
        };
        // A decoder that takes what the table does not know of has the last word.
        if object.is_ok() && !matches!(self.body, Body::Extra(_)) {
            findings.retain(|finding| finding.fault == Fault::Unknown);
        }
        Decoded { object, findings }
    }

    fn findings(self, value: &Value) -> Vec<Finding> {
        match self.body {
            Body::Istio(spec, _) => {
                let mut findings = kubernetes::envelope(value);
                let object = value.get("spec").filter(|spec| spec.is_object());
                if let (Some(message), Some(spec)) = (spec(), object) {
                    findings.extend(shape::check(message, spec, "spec"));
                    explain_misplaced(message, &mut findings);
                }
                findings
            }
            Body::Kubernetes(message, _) => shape::check(message, value, ""),
            Body::Extra(input) => {
                let mut findings = kubernetes::metadata(value);
                findings.extend((input.check)(value).into_iter().map(finding));
                findings
            }
        }
    }
}

/// A field of the spec that stands beside it.
fn explain_misplaced(spec: &Message, findings: &mut [Finding]) {
    for finding in findings
        .iter_mut()
        .filter(|finding| finding.fault == Fault::Unknown)
    {
        if spec.field(&finding.field).is_some() {
            finding.help = Some(format!("did you mean `spec.{}`?", finding.field));
        }
    }
}

fn finding(problem: InputProblem) -> Finding {
    let message = problem.message();
    let (fault, field, help) = match problem {
        InputProblem::UnknownField { field, help } => (Fault::Unknown, field, help),
        InputProblem::Mistyped { field, help, .. } => (Fault::Mismatch, field, help),
        InputProblem::Invalid { field, .. } => (Fault::Refused, field, None),
    };
    Finding {
        fault,
        message,
        help,
        field,
    }
}

fn decode_extra(kind: Kind, value: Value) -> Result<Object, serde_json::Error> {
    let meta = value
        .get("metadata")
        .cloned()
        .unwrap_or_else(|| Value::Object(Default::default()));
    let meta: ObjectMeta = serde_json::from_value(meta)?;
    Ok(Object::extra(kind, meta, value))
}
