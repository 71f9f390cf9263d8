//! The CRDs in a real API server: served, shown, and of their own opinion about what they take.

use rstest::rstest;
use serde_json::{Value, json};

use crate::cluster::{Cluster, SHOP, done, refused};
use crate::tools::deploy;

fn service(spec: &Value) -> Value {
    json!({
        "apiVersion": "redis.aeraki.io/v1alpha1", "kind": "RedisService",
        "metadata": {"name": "cache", "namespace": SHOP}, "spec": spec,
    })
}

fn destination(spec: &Value) -> Value {
    let mut destination = service(spec);
    destination["kind"] = json!("RedisDestination");
    destination
}

fn authenticating(auth: &Value) -> Value {
    destination(&json!({
        "host": "cache.shop.svc.cluster.local",
        "trafficPolicy": {"connectionPool": {"redis": {"auth": auth}}},
    }))
}

#[test]
fn the_server_has_nothing_against_the_schemas() {
    let cluster = Cluster::any();
    cluster.apply_crds();
    for name in [
        "redisservices.redis.aeraki.io",
        "redisdestinations.redis.aeraki.io",
    ] {
        let crd = cluster.get("", "crd", name);
        let conditions = crd["status"]["conditions"].as_array().unwrap();
        let is_true = |condition: &&Value| condition["status"] == "True";
        let mut true_ones: Vec<&str> = conditions
            .iter()
            .filter(is_true)
            .map(|condition| condition["type"].as_str().unwrap())
            .collect();
        true_ones.sort_unstable();
        assert_eq!(true_ones, ["Established", "NamesAccepted"], "{name}");
    }
}

#[test]
fn the_examples_are_taken() {
    let cluster = Cluster::any();
    cluster.apply_crds();
    cluster.kubectl(&["create", "namespace", "billing"]);
    let examples = deploy().join("../examples/redis").canonicalize().unwrap();
    let dry = ["apply", "--dry-run=server", "--validate=strict", "-f"];
    done(cluster.kubectl(&[dry.as_slice(), &[examples.to_str().unwrap()]].concat()));
}

/// One for each kind of rule; `crates/proto-redis/tests/crd.rs` has them all.
#[rstest]
#[case::required(service(&json!({})), "spec.host: Required value")]
#[case::pattern(
    service(&json!({"host": ["a.b"], "settings": {"opTimeout": "soon"}})),
    "spec.settings.opTimeout"
)]
#[case::rule_of_a_value(
    service(&json!({"host": ["a.b"], "settings": {"opTimeout": "-1s"}})),
    "spec.settings.opTimeout"
)]
#[case::two_forms_of_credentials(
    authenticating(&json!({
        "plain": {"password": "x"},
        "reference": {"password": {"environmentVariable": "REDIS_X"}},
    })),
    "exactly one of reference, secret and plain is needed"
)]
#[case::two_places_of_one_password(
    authenticating(&json!({
        "reference": {"password": {"environmentVariable": "REDIS_X", "filename": "/etc/redis/x"}},
    })),
    "exactly one of environmentVariable and filename is needed"
)]
#[case::cluster_mode_of_a_wildcard(
    destination(&json!({
        "host": "*.shop.svc.cluster.local",
        "trafficPolicy": {"connectionPool": {"redis": {"mode": "CLUSTER"}}},
    })),
    "name discoveryEndpoints"
)]
fn what_no_filter_can_be_made_of_is_refused(#[case] object: Value, #[case] reason: &str) {
    let cluster = Cluster::any();
    cluster.apply_crds();
    let output = cluster.kubectl_with(&["create", "-f", "-"], &object.to_string());
    let complaint = refused(&output);
    assert!(complaint.contains(reason), "{complaint}");
    assert!(complaint.contains("is invalid"), "{complaint}");
}

fn line_of(cluster: &Cluster, kind: &str) -> Vec<Vec<String>> {
    let table = done(cluster.kubectl(&["-n", SHOP, "get", kind]));
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect();
    table.lines().map(words).collect()
}

#[rstest]
#[case::by_name("redisservices", service(&json!({"host": ["a.b"], "redis": [{"route": {"host": "a.b"}}]})), r#"["a.b"]"#)]
#[case::by_short_name("rd", destination(&json!({"host": "a.b"})), "a.b")]
fn kubectl_shows_what_became_of_an_object(
    #[case] kind: &str,
    #[case] object: Value,
    #[case] host: &str,
) {
    let cluster = Cluster::any();
    cluster.apply_crds();
    cluster.apply(&object.to_string());
    assert_eq!(
        line_of(&cluster, kind)[0],
        ["NAME", "HOST", "ACCEPTED", "PROGRAMMED", "AGE"]
    );
    let condition = |name: &str, status: &str| {
        json!({
            "type": name, "status": status, "reason": "Test", "message": "",
            "lastTransitionTime": "2026-01-01T00:00:00Z", "observedGeneration": 1,
        })
    };
    let conditions = json!([
        condition("Accepted", "True"),
        condition("Programmed", "False")
    ]);
    let status = json!({"status": {"observedGeneration": 1, "conditions": conditions}});
    let patch = [
        "-n",
        SHOP,
        "patch",
        kind,
        "cache",
        "--type=merge",
        "--subresource=status",
        "-p",
    ];
    done(cluster.kubectl(&[patch.as_slice(), &[&status.to_string()]].concat()));
    let row = &line_of(&cluster, kind)[1];
    assert_eq!(row[..4], ["cache", host, "True", "False"]);
}

/// Whoever writes the object cannot say what became of it, and saying it makes no new generation.
#[test]
fn the_status_is_apart_from_the_object() {
    let cluster = Cluster::any();
    cluster.apply_crds();
    let mut object = destination(&json!({"host": "a.b"}));
    object["metadata"]["name"] = json!("apart");
    object["status"] = json!({"observedGeneration": 7});
    cluster.apply(&object.to_string());
    let stored = cluster.get(SHOP, "redisdestination", "apart");
    assert_eq!(stored["status"], Value::Null);
    let status = r#"{"status": {"observedGeneration": 1}}"#;
    let patch = [
        "-n",
        SHOP,
        "patch",
        "redisdestination",
        "apart",
        "--type=merge",
        "--subresource=status",
        "-p",
        status,
    ];
    done(cluster.kubectl(&patch));
    let stored = cluster.get(SHOP, "redisdestination", "apart");
    assert_eq!(stored["status"]["observedGeneration"], 1);
    assert_eq!(stored["metadata"]["generation"], 1);
}
