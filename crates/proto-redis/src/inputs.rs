//! The objects that Redis reads besides Istio's: which they are, how they are checked, how they are read.
//!
//! A message about a wrong value never repeats what stands under `auth`: it may be a password.

use std::sync::LazyLock;

use aeraki_api::strip_nulls;
use aeraki_core::diagnostic::Diagnostic;
use aeraki_core::generator::{GenerateError, ServiceContext};
use aeraki_core::object::{Body, Kind, Object};
use aeraki_core::registry::{Input, InputProblem};
use aeraki_core::service::Service;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::spec::{Mode, RedisDestination, RedisService};
use crate::{codes, crd, schema, shape};

pub(crate) const GROUP: &str = "redis.aeraki.io";
pub(crate) const VERSION: &str = "v1alpha1";
const REDIS_SERVICE: Kind = Kind::new(GROUP, "RedisService");
const REDIS_DESTINATION: Kind = Kind::new(GROUP, "RedisDestination");
/// The core Secret, looked up by name and only where an object has opted in.
pub(crate) const SECRET: Kind = Kind::new("", "Secret");

/// The kinds, for the registration.
pub(crate) static INPUTS: &[Input] = &[
    Input {
        kind: REDIS_SERVICE,
        versions: &[VERSION],
        hosts,
        check: check::<RedisService>,
        crd: Some(crd::redis_service),
    },
    Input {
        kind: REDIS_DESTINATION,
        versions: &[VERSION],
        hosts,
        check: check::<RedisDestination>,
        crd: Some(crd::redis_destination),
    },
    Input {
        kind: SECRET,
        versions: &["v1"],
        hosts: |_| Vec::new(),
        check: |_| Vec::new(),
        crd: None,
    },
];

/// The `spec` of a kind of Redis'.
trait Spec: DeserializeOwned {
    const SCHEMA: &'static LazyLock<Value>;
}

impl Spec for RedisService {
    const SCHEMA: &'static LazyLock<Value> = &schema::REDIS_SERVICE;
}

impl Spec for RedisDestination {
    const SCHEMA: &'static LazyLock<Value> = &schema::REDIS_DESTINATION;
}

/// An object that applies to the service, and what it says.
pub(crate) struct Given<'a, T> {
    pub(crate) object: &'a Object,
    pub(crate) spec: T,
}

impl<T> Given<'_, T> {
    /// The error that one of its fields cannot be used.
    pub(crate) fn invalid(
        &self,
        field: impl Into<String>,
        reason: impl Into<String>,
    ) -> GenerateError {
        invalid(self.object, field, reason)
    }
}

/// The error that a field of `object` cannot be used.
pub(crate) fn invalid(
    object: &Object,
    field: impl Into<String>,
    reason: impl Into<String>,
) -> GenerateError {
    GenerateError::InvalidInput {
        object: Some(object.key.clone()),
        field: field.into(),
        reason: reason.into(),
    }
}

/// The RedisService that applies: the oldest one for the host.
pub(crate) fn redis_service<'a>(
    ctx: &ServiceContext<'a>,
) -> Result<Option<Given<'a, RedisService>>, GenerateError> {
    oldest(ctx, REDIS_SERVICE)
}

/// The RedisDestination that applies: the oldest one for the host.
pub(crate) fn redis_destination<'a>(
    ctx: &ServiceContext<'a>,
) -> Result<Option<Given<'a, RedisDestination>>, GenerateError> {
    oldest(ctx, REDIS_DESTINATION)
}

/// Whether a RedisDestination gives `service`, which may be another one, a cluster of its own.
pub(crate) fn is_in_cluster_mode(ctx: &ServiceContext<'_>, service: &Service) -> bool {
    let oldest = ctx.extras_of(REDIS_DESTINATION, service).next();
    let Some(Body::Extra(json)) = oldest.map(|object| &object.body) else {
        return false;
    };
    read::<RedisDestination>(&json.0)
        .is_ok_and(|spec| spec.traffic_policy.connection_pool.redis.mode == Mode::Cluster)
}

/// The first of a kind; the others are reported.
fn oldest<'a, T: Spec>(
    ctx: &ServiceContext<'a>,
    kind: Kind,
) -> Result<Option<Given<'a, T>>, GenerateError> {
    let mut all = ctx.extras(kind);
    let Some(first) = all.next() else {
        return Ok(None);
    };
    for other in all {
        let sentence = format!("{} for `{}` goes first", first.key, ctx.service().host());
        ctx.report(Diagnostic::new(&codes::SHADOWED, &other.key, sentence).at("spec.host"));
    }
    let Body::Extra(json) = &first.body else {
        return Ok(None);
    };
    match read(&json.0) {
        Ok(spec) => Ok(Some(Given {
            object: first,
            spec,
        })),
        Err(problems) => Err(mistyped(ctx, first, &problems)),
    }
}

/// Says of each field that is of another type what reading a file says of it too, and that the service waits for it.
fn mistyped(ctx: &ServiceContext<'_>, object: &Object, problems: &[InputProblem]) -> GenerateError {
    let mistyped = problems
        .iter()
        .filter(|problem| matches!(problem, InputProblem::Mistyped { .. }));
    let mut count = 0;
    for problem in mistyped {
        ctx.report(problem.diagnostic(&object.key));
        count += 1;
    }
    let fields = if count == 1 { "field is" } else { "fields are" };
    invalid(
        object,
        "spec",
        format!("{count} {fields} not of the right type"),
    )
}

/// The hosts in `spec.host`. It is read without regard to its type, so that an object that is wrong elsewhere, or here,
/// still holds back the filter of the service it means.
fn hosts(json: &Value) -> Vec<String> {
    let one = |value: &Value| value.as_str().map(str::to_owned);
    match json.get("spec").and_then(|spec| spec.get("host")) {
        Some(Value::Array(several)) => several.iter().filter_map(one).collect(),
        Some(value) => one(value).into_iter().collect(),
        None => Vec::new(),
    }
}

/// An object of which no host is known can hold back no service, so it is refused.
fn check<T: Spec>(json: &Value) -> Vec<InputProblem> {
    let mut problems = shape::check(T::SCHEMA, &spec(json));
    if hosts(json).is_empty() {
        let (field, message) = ("spec.host".to_owned(), "it names no host".to_owned());
        problems.push(InputProblem::Invalid { field, message });
    }
    problems
}

fn spec(json: &Value) -> Value {
    let mut spec = json.get("spec").cloned().unwrap_or_default();
    strip_nulls(&mut spec);
    spec
}

/// Reads the spec of an object, or says which fields stand in the way.
fn read<T: Spec>(json: &Value) -> Result<T, Vec<InputProblem>> {
    let spec = spec(json);
    let mut problems = shape::check(T::SCHEMA, &spec);
    problems.retain(|problem| matches!(problem, InputProblem::Mistyped { .. }));
    if !problems.is_empty() {
        return Err(problems);
    }
    // The schema is made of the type, so what has no problem can be read.
    serde_json::from_value(spec).map_err(|_| problems)
}

#[cfg(test)]
mod tests;
