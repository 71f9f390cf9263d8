//! After the uninstall the cluster is as it was before.

use rstest::rstest;
use serde_json::{Value, json};

use crate::cluster::{Cluster, SHOP, done};
use crate::tools::{chart, manifests, manifests_text, overlay};

const NOTHING: [&str; 0] = [];

/// An EnvoyFilter with the labels given.
fn filter(namespace: &str, name: &str, labels: &Value) -> Value {
    json!({
        "apiVersion": "networking.istio.io/v1alpha3", "kind": "EnvoyFilter",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {"priority": 1},
    })
}

/// What a controller leaves that has run for a while.
fn traces() -> Vec<Value> {
    vec![
        filter(
            "istio-system",
            "aeraki-outbound-a",
            &json!({"manager": "Aeraki", "app.kubernetes.io/managed-by": "aeraki"}),
        ),
        filter(SHOP, "aeraki-inbound-b", &json!({"manager": "Aeraki"})),
        json!({
            "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
            "metadata": {"name": "aeraki-controller", "namespace": "istio-system"},
        }),
    ]
}

fn redis() -> Value {
    json!({
        "apiVersion": "redis.aeraki.io/v1alpha1", "kind": "RedisDestination",
        "metadata": {"name": "cache", "namespace": SHOP}, "spec": {"host": "a.b"},
    })
}

/// The rights of an installation in another namespace.
fn rights_of_others() -> Vec<Value> {
    let named = json!({
        "name": "aeraki-writer", "namespace": "default",
        "labels": {"app.kubernetes.io/name": "aeraki"},
    });
    let group = "rbac.authorization.k8s.io";
    vec![
        json!({
            "apiVersion": format!("{group}/v1"), "kind": "Role", "metadata": named,
            "rules": [{"apiGroups": [""], "resources": ["services"], "verbs": ["get"]}],
        }),
        json!({
            "apiVersion": format!("{group}/v1"), "kind": "RoleBinding", "metadata": named,
            "roleRef": {"apiGroup": group, "kind": "Role", "name": "aeraki-writer"},
            "subjects": [{"kind": "ServiceAccount", "name": "aeraki", "namespace": "elsewhere"}],
        }),
    ]
}

/// A cluster in which somebody else is too.
fn shared() -> Cluster {
    let cluster = Cluster::empty();
    let ours = json!({"manager": "Aeraki", "app.kubernetes.io/managed-by": "aeraki"});
    let mut foreign = rights_of_others();
    foreign.extend([
        filter(SHOP, "foreign", &json!({"app": "aeraki"})),
        filter(SHOP, "other-name", &ours),
        filter(SHOP, "my-aeraki-outbound-c", &ours),
        filter(SHOP, "aeraki-outbound-without-label", &json!({})),
    ]);
    cluster.apply_all(&foreign);
    cluster
}

#[rstest]
#[case::the_command(manifests(&["--migrate-from-go", "--secret-namespaces=shop"]))]
#[case::kustomize(overlay(&["migrate-from-go", "namespaced"]))]
#[case::rendered_chart(chart(&["--set", "crds.install=false,rbac.writeNamespaces={shop}"]))]
fn the_script_leaves_nothing_and_touches_nothing_else(#[case] objects: Vec<Value>) {
    let cluster = shared();
    let before = cluster.everything();
    cluster.apply_crds();
    cluster.apply_all(&objects);
    cluster.apply_all(&traces());
    cluster.apply(&redis().to_string());
    assert!(cluster.changes_since(&before).len() > objects.len() + traces().len());

    done(cluster.uninstall(&["--with-redis-crds"]));
    assert_eq!(cluster.changes_since(&before), NOTHING);
    // Once more does no harm.
    done(cluster.uninstall(&["--with-redis-crds"]));
}

#[test]
fn the_script_keeps_what_users_wrote_unless_it_is_told_to() {
    let cluster = shared();
    cluster.apply_crds();
    cluster.apply(&redis().to_string());
    let before = cluster.everything();
    cluster.apply_all(&manifests(&[]));
    cluster.apply_all(&traces());

    done(cluster.uninstall(&[]));
    assert_eq!(cluster.changes_since(&before), NOTHING);
}

#[test]
fn the_script_refuses_an_argument_that_it_does_not_know() {
    let cluster = shared();
    cluster.apply_all(&manifests(&[]));
    assert_eq!(cluster.uninstall(&["--everything"]).status.code(), Some(2));
    assert!(cluster.has("istio-system", "deployment", "aeraki"));
}

#[test]
fn what_the_command_prints_can_be_deleted_as_it_was_applied() {
    let cluster = shared();
    let before = cluster.everything();
    for text in [
        manifests_text(&["--crds"]),
        manifests_text(&["--migrate-from-go"]),
    ] {
        cluster.apply(&text);
        done(cluster.kubectl_with(&["delete", "-f", "-"], &text));
    }
    assert_eq!(cluster.changes_since(&before), NOTHING);
}
