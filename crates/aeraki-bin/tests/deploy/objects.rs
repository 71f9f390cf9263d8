//! Kubernetes objects in YAML text, and where things are in them.

use serde_json::Value;

/// The objects of a text, without its empty documents.
pub(crate) fn parse(text: &str) -> Vec<Value> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(text).unwrap();
    documents.into_iter().filter(|d| !d.is_null()).collect()
}

/// The one object of a kind and name.
pub(crate) fn find<'a>(objects: &'a [Value], kind: &str, name: &str) -> &'a Value {
    let mut found = objects
        .iter()
        .filter(|object| object["kind"] == kind && object["metadata"]["name"] == name);
    let object = found.next().unwrap_or_else(|| panic!("no {kind} {name}"));
    assert!(found.next().is_none(), "two of {kind} {name}");
    object
}

/// The pod template of the controller.
pub(crate) fn pod(objects: &[Value]) -> &Value {
    &find(objects, "Deployment", "aeraki")["spec"]["template"]
}

/// The arguments of the controller.
pub(crate) fn arguments(objects: &[Value]) -> Vec<&str> {
    let arguments = &pod(objects)["spec"]["containers"][0]["args"];
    let arguments = arguments.as_array().unwrap();
    arguments.iter().map(|a| a.as_str().unwrap()).collect()
}

/// In an order that does not depend on the tool: by kind, namespace and name.
pub(crate) fn sorted(mut objects: Vec<Value>) -> Vec<Value> {
    objects.sort_by_key(|object| {
        let of = |pointer| object.pointer(pointer).map(ToString::to_string);
        (of("/kind"), of("/metadata/namespace"), of("/metadata/name"))
    });
    objects
}
