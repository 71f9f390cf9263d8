use aeraki_core::object::Kind;
use aeraki_core::registry::Registry;
use rstest::rstest;
use serde_json::json;

use super::*;

const PROBLEMS: fn(&Value) -> Vec<InputProblem> = |json| match json.get("spec") {
    Some(Value::Object(spec)) => spec
        .keys()
        .filter(|name| *name != "host")
        .map(|name| InputProblem::UnknownField {
            field: format!("spec.{name}"),
            help: None,
        })
        .collect(),
    _ => vec![InputProblem::Invalid {
        field: String::new(),
        message: "spec is no object".to_owned(),
    }],
};

static CACHE: Input = Input {
    kind: Kind::new("cache.example.com", "Cache"),
    versions: &["v1"],
    hosts: |_| Vec::new(),
    check: PROBLEMS,
    crd: None,
};

fn wanted(kind: Kind) -> WantedKind {
    if kind == CACHE.kind {
        return WantedKind::declared(&CACHE);
    }
    let all = WantedKind::whole_config(&Registry::default());
    all.into_iter()
        .find(|wanted| wanted.kind() == kind)
        .unwrap()
}

fn read_as(kind: Kind, mut json: Value) -> Reading {
    let meta = json!({"name": "a", "namespace": "shop", "resourceVersion": "42",
        "uid": "00f0a4c2-0e3d-4b8e-9d53-1a2b3c4d5e6f", "managedFields": [{"manager": "kubectl"}],
        "annotations": {LAST_APPLIED: "{}", "interface": "org.Demo"}});
    json["metadata"] = meta;
    read(&wanted(kind), &json.to_string()).unwrap()
}

fn object(reading: &Reading) -> &Object {
    match &reading.outcome {
        Outcome::Read(object) => object,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_object_says_who_it_is_and_loses_its_bookkeeping() {
    let reading = read_as(
        Kind::SERVICE_ENTRY,
        json!({"spec": {"hosts": ["a.example.com"]}}),
    );
    assert_eq!(reading.key.to_string(), "ServiceEntry shop/a");
    assert_eq!(reading.revision, Revision::of("42"));
    assert!(reading.uid.is_some());
    let annotations: Vec<_> = object(&reading).meta.annotations.keys().collect();
    assert_eq!(annotations, ["interface"]);
}

#[test]
fn a_declared_kind_keeps_its_whole_json_but_its_bookkeeping() {
    let reading = read_as(
        CACHE.kind,
        json!({"spec": {"host": "a"}, "status": {"x": 1}}),
    );
    let Body::Extra(json) = &object(&reading).body else {
        panic!("an extra kind");
    };
    assert_eq!(json.0["status"]["x"], 1);
    assert_eq!(json.0["metadata"].get("managedFields"), None);
    assert_eq!(json.0["metadata"]["annotations"].get(LAST_APPLIED), None);
    assert_eq!(json.0["metadata"]["resourceVersion"], "42");
}

#[test]
fn status_addresses_are_read_in_every_mode() {
    let status = json!({"addresses": [{"host": "a.example.com", "value": "240.240.0.1"}]});
    let json = json!({"spec": {"hosts": ["a.example.com"]}, "status": status});
    let reading = read_as(Kind::SERVICE_ENTRY, json);
    let Body::ServiceEntry { auto_addresses, .. } = &object(&reading).body else {
        panic!("a ServiceEntry");
    };
    let expected = ("a.example.com".to_owned(), "240.240.0.1".to_owned());
    assert_eq!(auto_addresses.iter().collect::<Vec<_>>(), [&expected]);
}

#[test]
fn a_null_is_an_absent_field() {
    let json = json!({"spec": {"hosts": ["a.example.com"], "ports": null, "resolution": null}});
    assert!(matches!(
        read_as(Kind::SERVICE_ENTRY, json).outcome,
        Outcome::Read(_)
    ));
}

#[test]
fn an_unreadable_object_is_there_and_says_what_is_wrong_where() {
    let json = json!({"spec": {"hosts": ["a"], "ports": [{"number": "many"}]}});
    let reading = read_as(Kind::SERVICE_ENTRY, json);
    assert_eq!(reading.outcome, Outcome::Unreadable);
    assert_eq!(reading.key.to_string(), "ServiceEntry shop/a");
    let [problem] = &reading.problems[..] else {
        panic!("{:?}", reading.problems);
    };
    assert_eq!(
        (problem.code, problem.field.as_str()),
        ("AER0001", "spec.ports[0].number")
    );
}

#[test]
fn a_declared_kind_is_unreadable_where_its_protocol_says_so() {
    let reading = read_as(CACHE.kind, json!({"spec": "odd"}));
    assert_eq!(reading.outcome, Outcome::Unreadable);
    assert_eq!(
        reading.problems[0].message,
        "the object cannot be read: spec is no object"
    );
}

#[test]
fn an_unknown_field_of_a_declared_kind_is_reported_and_the_rest_is_used() {
    let reading = read_as(CACHE.kind, json!({"spec": {"host": "a", "hots": "b"}}));
    assert!(matches!(reading.outcome, Outcome::Read(_)));
    assert_eq!(
        (reading.problems[0].code, reading.problems[0].field.as_str()),
        ("AER0002", "spec.hots")
    );
}

#[test]
fn json_that_does_not_say_which_object_it_is_is_an_error() {
    assert!(read(&wanted(Kind::SERVICE), r#"{"spec": {}}"#).is_err());
}

#[rstest]
#[case::ours(json!([{"name": "tcp-zookeeper", "port": 2181}]), true)]
#[case::ours_in_capitals(json!([{"name": "TCP-redis", "port": 6379}]), true)]
#[case::ours_by_app_protocol(json!([{"name": "x", "appProtocol": "redis", "port": 6379}]), true)]
#[case::one_of_several(json!([{"name": "http", "port": 80}, {"name": "tcp-redis", "port": 6379}]), true)]
#[case::istios_own(json!([{"name": "http", "port": 80}]), false)]
#[case::unnamed(json!([{"port": 80}]), false)]
#[case::not_a_prefix(json!([{"name": "täp", "port": 80}]), false)]
#[case::no_ports(json!([]), false)]
fn a_slice_is_needed_where_a_port_may_be_ours(#[case] ports: Value, #[case] is_needed: bool) {
    let reading = read_as(
        Kind::ENDPOINT_SLICE,
        json!({"addressType": "IPv4", "ports": ports}),
    );
    assert_eq!(matches!(reading.outcome, Outcome::Read(_)), is_needed);
}

#[test]
fn the_sets_of_kinds_hold_declared_ones_and_no_secrets() {
    let names = |wanted: Vec<WantedKind>| -> Vec<&str> {
        wanted.iter().map(|wanted| wanted.kind().name()).collect()
    };
    let registry = Registry::default();
    assert_eq!(
        names(WantedKind::whole_config(&registry)),
        [
            "ServiceEntry",
            "VirtualService",
            "DestinationRule",
            "Service",
            "EndpointSlice"
        ]
    );
    assert_eq!(
        names(WantedKind::beside_istiod(&registry)),
        ["ServiceEntry", "Service", "EndpointSlice"]
    );
    assert!(
        WantedKind::secrets(&registry, "shop").is_none(),
        "no protocol reads any"
    );
}
