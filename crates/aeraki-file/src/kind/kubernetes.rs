//! The fields of Kubernetes' own kinds, whole: also those that nobody here reads, or they would be called unknown.

use aeraki_api::schema::{Field, Message, Shape};
use serde_json::Value;

use crate::shape::{self, Finding};

/// What is wrong around the spec of a custom resource.
pub(super) fn envelope(value: &Value) -> Vec<Finding> {
    shape::check(&CUSTOM_RESOURCE, value, "")
}

/// What is wrong with the metadata of an object whose other fields somebody else knows.
pub(super) fn metadata(value: &Value) -> Vec<Finding> {
    let Some(metadata) = value.get("metadata") else {
        return Vec::new();
    };
    shape::check(&OBJECT_META, metadata, "metadata")
}

const fn field(name: &'static str, shape: Shape) -> Field {
    Field::new(name, shape)
}

const fn message(name: &'static str, fields: &'static [Field]) -> Message {
    Message {
        name,
        full_name: name,
        fields,
    }
}

const PORT: Shape = Shape::Integer {
    least: 0,
    most: 65_535,
    quoted: false,
};
const COUNT: Shape = Shape::Integer {
    least: i64::MIN,
    most: i64::MAX.unsigned_abs(),
    quoted: false,
};

static OBJECT_META: Message = message(
    "ObjectMeta",
    &[
        field("name", Shape::Text),
        field("generateName", Shape::Text),
        field("namespace", Shape::Text),
        field("selfLink", Shape::Text),
        field("uid", Shape::Text),
        field("resourceVersion", Shape::Text),
        field("generation", COUNT),
        field("creationTimestamp", Shape::Timestamp),
        field("deletionTimestamp", Shape::Timestamp),
        field("deletionGracePeriodSeconds", Shape::Any),
        field("labels", Shape::Map(&Shape::Text)),
        field("annotations", Shape::Map(&Shape::Text)),
        field("ownerReferences", Shape::Any),
        field("finalizers", Shape::Any),
        field("managedFields", Shape::Any),
    ],
);

static CUSTOM_RESOURCE: Message = message(
    "CustomResource",
    &[
        field("apiVersion", Shape::Text),
        field("kind", Shape::Text),
        field("metadata", Shape::Message(&OBJECT_META)),
        field("spec", Shape::Free),
        field("status", Shape::Any),
    ],
);

pub(crate) static SERVICE: Message = message(
    "Service",
    &[
        field("apiVersion", Shape::Text),
        field("kind", Shape::Text),
        field("metadata", Shape::Message(&OBJECT_META)),
        field("spec", Shape::Message(&SERVICE_SPEC)),
        field("status", Shape::Any),
    ],
);

static SERVICE_SPEC: Message = message(
    "ServiceSpec",
    &[
        field("ports", Shape::List(&Shape::Message(&SERVICE_PORT))),
        field("selector", Shape::Map(&Shape::Text)),
        field("clusterIP", Shape::Text),
        field("clusterIPs", Shape::List(&Shape::Text)),
        field("type", Shape::Text),
        field("externalIPs", Shape::List(&Shape::Text)),
        field("sessionAffinity", Shape::Any),
        field("loadBalancerIP", Shape::Any),
        field("loadBalancerSourceRanges", Shape::Any),
        field("externalName", Shape::Text),
        field("externalTrafficPolicy", Shape::Any),
        field("healthCheckNodePort", Shape::Any),
        field("publishNotReadyAddresses", Shape::Any),
        field("sessionAffinityConfig", Shape::Any),
        field("ipFamilies", Shape::Any),
        field("ipFamilyPolicy", Shape::Any),
        field("allocateLoadBalancerNodePorts", Shape::Any),
        field("loadBalancerClass", Shape::Any),
        field("internalTrafficPolicy", Shape::Any),
        field("trafficDistribution", Shape::Any),
    ],
);

static SERVICE_PORT: Message = message(
    "ServicePort",
    &[
        field("name", Shape::Text),
        field("protocol", Shape::Text),
        field("appProtocol", Shape::Text),
        field("port", PORT),
        field("targetPort", Shape::NumberOrText),
        field("nodePort", Shape::Any),
    ],
);

pub(crate) static ENDPOINT_SLICE: Message = message(
    "EndpointSlice",
    &[
        field("apiVersion", Shape::Text),
        field("kind", Shape::Text),
        field("metadata", Shape::Message(&OBJECT_META)),
        field("addressType", Shape::Text),
        field("endpoints", Shape::List(&Shape::Message(&ENDPOINT))),
        field("ports", Shape::List(&Shape::Message(&ENDPOINT_PORT))),
    ],
);

static ENDPOINT: Message = message(
    "Endpoint",
    &[
        field("addresses", Shape::List(&Shape::Text)),
        field("conditions", Shape::Message(&CONDITIONS)),
        field("hostname", Shape::Text),
        field("targetRef", Shape::Message(&OBJECT_REFERENCE)),
        field("deprecatedTopology", Shape::Any),
        field("nodeName", Shape::Any),
        field("zone", Shape::Any),
        field("hints", Shape::Any),
    ],
);

static CONDITIONS: Message = message(
    "EndpointConditions",
    &[
        field("ready", Shape::Flag),
        field("serving", Shape::Flag),
        field("terminating", Shape::Flag),
    ],
);

static OBJECT_REFERENCE: Message = message(
    "ObjectReference",
    &[
        field("kind", Shape::Text),
        field("namespace", Shape::Text),
        field("name", Shape::Text),
        field("uid", Shape::Any),
        field("apiVersion", Shape::Any),
        field("resourceVersion", Shape::Any),
        field("fieldPath", Shape::Any),
    ],
);

static ENDPOINT_PORT: Message = message(
    "EndpointPort",
    &[
        field("name", Shape::Text),
        field("protocol", Shape::Text),
        field("port", PORT),
        field("appProtocol", Shape::Text),
    ],
);
