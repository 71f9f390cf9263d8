//! The objects that Redis reads besides Istio's: which they are, how they are checked, how they are read.
//!
//! A message about a wrong value never repeats what stands under `auth`: it may be a password.

use aeraki_api::strip_nulls;
use aeraki_core::diagnostic::Diagnostic;
use aeraki_core::field::{self, Step};
use aeraki_core::generator::{GenerateError, ServiceContext};
use aeraki_core::object::{Body, Kind, Object};
use aeraki_core::registry::{Input, InputProblem};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::codes;
use crate::spec::{RedisDestination, RedisService};

const GROUP: &str = "redis.aeraki.io";
const VERSIONS: &[&str] = &["v1alpha1"];
const REDIS_SERVICE: Kind = Kind::new(GROUP, "RedisService");
const REDIS_DESTINATION: Kind = Kind::new(GROUP, "RedisDestination");
/// The core Secret, looked up by name and only where an object has opted in.
pub(crate) const SECRET: Kind = Kind::new("", "Secret");

/// The kinds, for the registration.
pub(crate) static INPUTS: &[Input] = &[
    Input {
        kind: REDIS_SERVICE,
        versions: VERSIONS,
        hosts,
        check: check::<RedisService>,
    },
    Input {
        kind: REDIS_DESTINATION,
        versions: VERSIONS,
        hosts,
        check: check::<RedisDestination>,
    },
    Input {
        kind: SECRET,
        versions: &["v1"],
        hosts: |_| Vec::new(),
        check: |_| Vec::new(),
    },
];

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

/// The first of a kind; the others are reported.
fn oldest<'a, T: DeserializeOwned>(
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
    match read(&json.0, |_| {}) {
        Ok(spec) => Ok(Some(Given {
            object: first,
            spec,
        })),
        Err(wrong) => Err(invalid(first, wrong.field, wrong.reason)),
    }
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

/// A value that is not of its field's type.
struct Wrong {
    field: String,
    reason: String,
}

#[derive(Deserialize)]
struct Envelope<T> {
    spec: T,
}

/// A value of a wrong type is no reason to refuse an object that names a host: without the object its service would get
/// a filter, and one without credentials. The generator holds that service, and says what is wrong and where.
fn check<T: DeserializeOwned>(json: &Value) -> Vec<InputProblem> {
    let mut problems = Vec::new();
    let read = read::<T>(json, |field| {
        problems.push(InputProblem::UnknownField(field))
    });
    if hosts(json).is_empty() {
        problems.push(InputProblem::Invalid(match read {
            Err(Wrong { field, reason }) => format!("{field}: {reason}"),
            Ok(_) => "spec.host: it names no host".to_owned(),
        }));
    }
    problems
}

/// Reads the spec of an object, and tells of each field in it that is not known.
fn read<T: DeserializeOwned>(json: &Value, mut unknown: impl FnMut(String)) -> Result<T, Wrong> {
    let mut json = json.clone();
    strip_nulls(&mut json);
    let mut track = serde_path_to_error::Track::new();
    let tracked = serde_path_to_error::Deserializer::new(json, &mut track);
    let result = serde_ignored::deserialize::<_, _, Envelope<T>>(tracked, |path| {
        let steps = steps(&path);
        if steps.first() == Some(&Step::Key("spec".to_owned())) {
            unknown(field::join(&steps));
        }
    });
    match result {
        Ok(envelope) => Ok(envelope.spec),
        Err(error) => Err(wrong(&track.path(), &error)),
    }
}

fn wrong(path: &serde_path_to_error::Path, error: &serde_json::Error) -> Wrong {
    use serde_path_to_error::Segment;
    let steps: Vec<Step> = path
        .iter()
        .filter_map(|segment| match segment {
            Segment::Seq { index } => Some(Step::Index(*index)),
            Segment::Map { key } => Some(Step::Key(key.clone())),
            Segment::Enum { .. } | Segment::Unknown => None,
        })
        .collect();
    let is_secret = steps.contains(&Step::Key("auth".to_owned()));
    let reason = if is_secret {
        "the value is not of the field's type".to_owned()
    } else {
        error.to_string()
    };
    Wrong {
        field: field::join(&steps),
        reason,
    }
}

fn steps(path: &serde_ignored::Path<'_>) -> Vec<Step> {
    use serde_ignored::Path;
    let (parent, step) = match path {
        Path::Root => return Vec::new(),
        Path::Seq { parent, index } => (parent, Some(Step::Index(*index))),
        Path::Map { parent, key } => (parent, Some(Step::Key(key.clone()))),
        Path::Some { parent }
        | Path::NewtypeStruct { parent }
        | Path::NewtypeVariant { parent } => (parent, None),
    };
    let mut steps = steps(parent);
    steps.extend(step);
    steps
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn hosts_are_read_from_a_list_and_from_a_single_name() {
        assert_eq!(hosts(&json!({"spec": {"host": ["a", 7, "b"]}})), ["a", "b"]);
        assert_eq!(hosts(&json!({"spec": {"host": "a"}})), ["a"]);
        assert!(hosts(&json!({"spec": {"hosts": ["a"]}})).is_empty());
        assert!(hosts(&json!([])).is_empty());
    }

    #[test]
    fn unknown_fields_are_named_by_their_path() {
        let json = json!({
            "metadata": {"name": "c", "odd": 1},
            "spec": {
                "host": ["c"], "hosts": ["c"],
                "settings": {"optimeout": "1s", "auth": {"reference": {"user": {}}}},
                "redis": [{"route": {"host": "c"}}, {"match": {"key": {"prefx": "a"}}}],
            },
        });
        let unknown = [
            "hosts",
            "redis[1].match.key.prefx",
            "settings.auth.reference.user",
        ];
        let mut found: Vec<String> = (INPUTS[0].check)(&json)
            .into_iter()
            .map(|problem| match problem {
                InputProblem::UnknownField(field) => field,
                InputProblem::Invalid(reason) => panic!("{reason}"),
            })
            .collect();
        found.sort();
        let mut expected: Vec<String> = unknown.iter().map(|f| format!("spec.{f}")).collect();
        expected.push("spec.settings.optimeout".to_owned());
        assert_eq!(found, expected);
    }

    fn wrong<T: DeserializeOwned>(json: &Value) -> Wrong {
        read::<T>(json, |_| {})
            .err()
            .expect("it is of the wrong type")
    }

    #[test]
    fn a_wrong_type_is_named_with_its_path_and_does_not_take_the_object_away() {
        let json = json!({"spec": {"host": ["c"], "redis": [{"route": {"port": "six"}}]}});
        assert_eq!(
            wrong::<RedisService>(&json).field,
            "spec.redis[0].route.port"
        );
        assert!((INPUTS[0].check)(&json).is_empty());
        let json = json!({"spec": {"host": ["c"]}});
        assert_eq!(wrong::<RedisDestination>(&json).field, "spec.host");
        assert!((INPUTS[1].check)(&json).is_empty());
    }

    #[test]
    fn a_password_of_the_wrong_type_is_not_repeated() {
        for auth in [
            json!("canary"),
            json!({"plain": "canary"}),
            json!({"plain": {"password": ["canary"]}}),
            json!({"plain": {"password": 1_234_567}}),
        ] {
            let json = json!({"spec": {"settings": {"auth": auth}}});
            let Wrong { field, reason } = wrong::<RedisService>(&json);
            let problems = format!("{:?}", (INPUTS[0].check)(&json));
            for text in [field, reason, problems] {
                assert!(
                    !text.contains("canary") && !text.contains("1234567"),
                    "{text}"
                );
            }
        }
    }

    #[test]
    fn an_object_without_a_host_is_reported() {
        for json in [
            json!({"spec": {"host": []}}),
            json!({"spec": {}}),
            json!({}),
        ] {
            assert!(
                matches!((INPUTS[0].check)(&json)[..], [InputProblem::Invalid(_)]),
                "{json}"
            );
        }
    }
}
