//! The CustomResourceDefinitions of RedisService and RedisDestination.
//!
//! Names are Go Aeraki's, so that its objects stay valid and in place. Its `status` took anything; here it has conditions.

use serde_json::{Value, json};

use crate::inputs::{GROUP, VERSION};
use crate::schema::{REDIS_DESTINATION, REDIS_SERVICE};

/// What a kind is called.
struct Names {
    kind: &'static str,
    singular: &'static str,
    plural: &'static str,
    short: &'static str,
}

/// The definition of RedisService.
pub(crate) fn redis_service() -> Value {
    let names = Names {
        kind: "RedisService",
        singular: "redisservice",
        plural: "redisservices",
        short: "rsvc",
    };
    definition(&names, &REDIS_SERVICE)
}

/// The definition of RedisDestination.
pub(crate) fn redis_destination() -> Value {
    let names = Names {
        kind: "RedisDestination",
        singular: "redisdestination",
        plural: "redisdestinations",
        short: "rd",
    };
    definition(&names, &REDIS_DESTINATION)
}

fn definition(names: &Names, spec: &Value) -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{}.{GROUP}", names.plural)},
        "spec": {
            "group": GROUP,
            "names": {
                "categories": ["redis-aeraki-io"],
                "kind": names.kind,
                "listKind": format!("{}List", names.kind),
                "plural": names.plural,
                "shortNames": [names.short],
                "singular": names.singular,
            },
            "scope": "Namespaced",
            "versions": [{
                "name": VERSION,
                "served": true,
                "storage": true,
                "subresources": {"status": {}},
                "additionalPrinterColumns": columns(),
                "schema": {"openAPIV3Schema": {
                    "type": "object",
                    "required": ["spec"],
                    "properties": {
                        "apiVersion": {"type": "string"},
                        "kind": {"type": "string"},
                        "metadata": {"type": "object"},
                        "spec": spec,
                        "status": status(),
                    },
                }},
            }],
        },
    })
}

fn columns() -> Value {
    let condition = |name: &str, meaning: &str| {
        json!({
            "name": name,
            "type": "string",
            "description": meaning,
            "jsonPath": format!(".status.conditions[?(@.type==\"{name}\")].status"),
        })
    };
    json!([
        {"name": "Host", "type": "string", "description": "What it applies to", "jsonPath": ".spec.host"},
        condition("Accepted", "Whether a filter can be made of it"),
        condition("Programmed", "Whether the filters made of it are written"),
        {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
    ])
}

fn status() -> Value {
    json!({
        "type": "object",
        "description": "What became of the object. Aeraki writes it.",
        "properties": {
            "observedGeneration": {
                "type": "integer",
                "format": "int64",
                "minimum": 0,
                "description": "The generation of the object that the status is about.",
            },
            "conditions": {
                "type": "array",
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["type"],
                "items": condition(),
            },
        },
    })
}

/// As `metav1.Condition` has it.
fn condition() -> Value {
    json!({
        "type": "object",
        "required": ["type", "status", "reason", "message", "lastTransitionTime"],
        "properties": {
            "type": {"type": "string", "description": "Accepted or Programmed.", "maxLength": 316},
            "status": {"type": "string", "enum": ["True", "False", "Unknown"]},
            "reason": {
                "type": "string",
                "description": "One word for programs.",
                "minLength": 1,
                "maxLength": 1024,
                "pattern": "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$",
            },
            "message": {"type": "string", "description": "A sentence for people.", "maxLength": 32768},
            "lastTransitionTime": {"type": "string", "format": "date-time"},
            "observedGeneration": {"type": "integer", "format": "int64", "minimum": 0},
        },
    })
}
