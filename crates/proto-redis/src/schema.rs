//! The schemas of RedisService and RedisDestination, derived from their types, in the form that Kubernetes takes.
//!
//! A schema says three things: which fields there are and of what type ([`shape`](crate::shape) holds objects against
//! that), which values they take, and in CEL what must stand together. The last two are for the API server: they refuse
//! what the generator would refuse, before it is stored. A test holds both to the same verdicts.

use std::sync::LazyLock;

use schemars::generate::SchemaSettings;
use schemars::transform::transform_subschemas;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

use crate::spec::{RedisDestination, RedisService};

/// The schema of a RedisService's `spec`.
pub(crate) static REDIS_SERVICE: LazyLock<Value> = LazyLock::new(of::<RedisService>);
/// The schema of a RedisDestination's `spec`.
pub(crate) static REDIS_DESTINATION: LazyLock<Value> = LazyLock::new(of::<RedisDestination>);

/// A condition in CEL, and what it says of an object that does not meet it.
pub(crate) type Rule = (&'static str, &'static str);

pub(crate) const ONE_FORM: Rule = (
    "(has(self.reference) ? 1 : 0) + (has(self.secret) ? 1 : 0) + (has(self.plain) ? 1 : 0) == 1",
    "exactly one of reference, secret and plain is needed",
);
pub(crate) const ONE_PLACE: Rule = (
    "has(self.environmentVariable) != has(self.filename)",
    "exactly one of environmentVariable and filename is needed",
);
pub(crate) const SOME_PASSWORD: Rule = (
    "has(self.password) || (has(self.passwords) && size(self.passwords) > 0)",
    "it names no password, and Envoy would let everybody in",
);
pub(crate) const SINGLE_HOST: Rule = (
    "!self.host.startsWith('*') || !has(self.trafficPolicy) || !has(self.trafficPolicy.connectionPool) \
     || !has(self.trafficPolicy.connectionPool.redis) || !has(self.trafficPolicy.connectionPool.redis.mode) \
     || self.trafficPolicy.connectionPool.redis.mode != 'CLUSTER' \
     || (has(self.trafficPolicy.connectionPool.redis.discoveryEndpoints) \
     && size(self.trafficPolicy.connectionPool.redis.discoveryEndpoints) > 0)",
    "a wildcard is no single host to ask: name discoveryEndpoints",
);
/// The sidecar can send one password only, in whichever form.
pub(crate) const ONE_PASSWORD: &[Rule] = &[
    (
        "!has(self.auth) || !has(self.auth.reference) || (has(self.auth.reference.password) ? 1 : 0) \
         + (has(self.auth.reference.passwords) ? size(self.auth.reference.passwords) : 0) < 2",
        "the sidecar signs in with one password",
    ),
    (
        "!has(self.auth) || !has(self.auth.plain) || (has(self.auth.plain.password) ? 1 : 0) \
         + (has(self.auth.plain.passwords) ? size(self.auth.plain.passwords) : 0) < 2",
        "the sidecar signs in with one password",
    ),
    (
        "!has(self.auth) || !has(self.auth.secret) || (has(self.auth.secret.passwordField) ? 1 : 0) \
         + (has(self.auth.secret.passwordFields) ? size(self.auth.secret.passwordFields) : 0) < 2",
        "the sidecar signs in with one password",
    ),
];

/// What Go, and Istio with it, reads as a duration.
const DURATION: &str =
    r"^[-+]?(0|(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|\x{b5}s|\x{3bc}s|ms|s|m|h))+)$";
/// An environment variable that may be referred to.
pub(crate) const VARIABLE: &str = "^REDIS_[A-Za-z0-9_]+$";
/// A file that may be referred to: no part of its path is empty, `.` or `..`.
pub(crate) const FILE: &str = concat!(
    "^/etc/redis",
    r"(/([^/.[:cntrl:]]|\.[^/.[:cntrl:]]|\.\.[^/[:cntrl:]])[^/[:cntrl:]]*)+$"
);
/// A server to ask.
pub(crate) const ENDPOINT: &str = concat!(
    r"^(\[[0-9A-Fa-f:.]+\](:0*[1-9][0-9]{0,4})?",
    r"|[^\]\[:|/\s]+(:0*[1-9][0-9]{0,4})?",
    r"|[0-9A-Fa-f.]*:[0-9A-Fa-f.]*:[0-9A-Fa-f:.]*)$"
);

/// Rules as Kubernetes has them.
pub(crate) fn rules(rules: &[Rule]) -> Value {
    let rule = |(rule, message): &Rule| json!({"rule": rule, "message": message});
    rules.iter().map(rule).collect()
}

/// A duration of any sign.
pub(crate) fn duration(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "format": "duration", "pattern": DURATION})
}

/// A duration above zero.
pub(crate) fn positive_duration(generator: &mut SchemaGenerator) -> Schema {
    limited(generator, ("self > duration('0s')", "it must be positive"))
}

/// A duration of zero or more.
pub(crate) fn duration_from_zero(generator: &mut SchemaGenerator) -> Schema {
    limited(
        generator,
        ("self >= duration('0s')", "it cannot be negative"),
    )
}

/// What the kernel takes for keep-alive.
pub(crate) fn keepalive_duration(generator: &mut SchemaGenerator) -> Schema {
    let rule = (
        "self > duration('0s') && self <= duration('32767s')",
        "it must be positive, and is at most 32767s",
    );
    limited(generator, rule)
}

fn limited(generator: &mut SchemaGenerator, rule: Rule) -> Schema {
    let mut schema = duration(generator);
    schema.insert("x-kubernetes-validations".to_owned(), rules(&[rule]));
    schema
}

fn of<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft07().with(|settings| {
        settings.meta_schema = None;
        settings.inline_subschemas = true;
    });
    let mut schema = settings
        .with_transform(structural)
        .into_generator()
        .into_root_schema_for::<T>();
    schema.remove("title");
    schema.to_value()
}

/// Brings a schema into the form of a CustomResourceDefinition: no references, titles or defaults (those would be written
/// into the users' objects), no null (the API server drops it where a field does not take it), and no formats that it
/// does not know.
fn structural(schema: &mut Schema) {
    unwrap_option(schema);
    for key in ["title", "default", "$schema"] {
        schema.remove(key);
    }
    if schema
        .get("format")
        .is_some_and(|format| format == "uint32")
    {
        schema.remove("format");
        let object = schema.ensure_object();
        object.entry("maximum").or_insert_with(|| json!(u32::MAX));
    }
    transform_subschemas(&mut structural, schema);
}

/// An `Option` is the schema of what is in it.
fn unwrap_option(schema: &mut Schema) {
    let is_null = |schema: &Value| schema["type"] == "null";
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            schema.insert("type".to_owned(), only);
        }
    }
    let Some(Value::Array(choices)) = schema.get("anyOf") else {
        return;
    };
    let [Value::Object(inner), null] = choices.as_slice() else {
        return;
    };
    if is_null(null) {
        let inner = inner.clone();
        schema.remove("anyOf");
        let object = schema.ensure_object();
        for (key, value) in inner {
            // What is said of the field goes before what is said of its type.
            object.entry(key).or_insert(value);
        }
    }
}
