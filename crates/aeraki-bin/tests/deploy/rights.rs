//! What the API server lets the controller do: exactly what `rbac` lists, asked as the controller.

use rstest::rstest;
use serde_json::{Value, json};

use crate::cluster::{Account, Cluster, SHOP, done, refused};
use crate::rbac::{Rights, both, granted, lease, reads, writes};
use crate::tools::{chart, manifests, overlay};

/// What RBAC grants an account in a namespace.
fn rights(account: &Account, namespace: &str) -> Rights {
    let review = json!({
        "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview",
        "spec": {"namespace": namespace},
    });
    // Validation would read the CRDs, which an account may not.
    let create = ["create", "--validate=false", "-f", "-", "-o", "json"];
    let answer = done(account.kubectl_with(&create, &review.to_string()));
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(answer["status"]["incomplete"], false);
    granted(&json!({"rules": answer["status"]["resourceRules"]}))
}

/// The same, without what every account may.
fn own_rights(cluster: &Cluster, namespace: &str) -> Rights {
    let nobody = rights(&cluster.as_account(SHOP, "nobody"), namespace);
    let controller = rights(&cluster.as_controller(), namespace);
    controller.difference(&nobody).cloned().collect()
}

fn installed(objects: &[Value]) -> Cluster {
    let cluster = Cluster::empty();
    cluster.kubectl(&["-n", SHOP, "create", "serviceaccount", "nobody"]);
    cluster.apply_all(objects);
    cluster
}

fn may(account: &Account, question: &str) -> bool {
    let words: Vec<&str> = question.split_whitespace().collect();
    let output = account.kubectl(&[["auth", "can-i"].as_slice(), &words].concat());
    let answer = String::from_utf8(output.stdout).unwrap();
    assert!(
        ["yes\n", "no\n"].contains(&answer.as_str()),
        "{question}: {answer}"
    );
    answer == "yes\n"
}

#[rstest]
#[case::by_the_command(manifests(&[]))]
#[case::by_the_chart(chart(&["--set", "crds.install=false"]))]
fn the_controller_may_do_what_is_listed_and_nothing_else(#[case] objects: Vec<Value>) {
    let cluster = installed(&objects);
    assert_eq!(own_rights(&cluster, SHOP), both(reads(), writes()));
    assert_eq!(
        own_rights(&cluster, "istio-system"),
        both(both(reads(), writes()), lease())
    );
}

#[test]
fn what_is_granted_is_allowed_and_what_others_have_is_not() {
    let cluster = installed(&manifests(&[]));
    cluster.apply_crds();
    let controller = cluster.as_controller();
    for question in [
        "list serviceentries.networking.istio.io -A",
        "watch endpointslices.discovery.k8s.io -A",
        "delete envoyfilters.networking.istio.io -n shop",
        "update redisservices.redis.aeraki.io --subresource=status -n shop",
        "patch events.events.k8s.io -n shop",
        "update leases.coordination.k8s.io/aeraki-controller -n istio-system",
    ] {
        assert!(may(&controller, question), "{question}");
    }
    for question in [
        "get secrets -n istio-system",
        "list secrets -A",
        "get configmaps -n istio-system",
        "update virtualservices.networking.istio.io -n shop",
        "delete destinationrules.networking.istio.io -n shop",
        "patch serviceentries.networking.istio.io -n shop",
        "patch envoyfilters.networking.istio.io -n shop",
        "deletecollection envoyfilters.networking.istio.io -n shop",
        "update redisservices.redis.aeraki.io -n shop",
        "create events -n shop",
        "get leases.coordination.k8s.io/other -n istio-system",
        "delete leases.coordination.k8s.io/aeraki-controller -n istio-system",
        "create leases.coordination.k8s.io -n shop",
        "create pods -n istio-system",
        "create serviceaccounts --subresource=token -n istio-system",
        "update clusterroles.rbac.authorization.k8s.io",
        "create validatingwebhookconfigurations.admissionregistration.k8s.io",
        "impersonate users",
        "get nodes",
    ] {
        assert!(!may(&controller, question), "{question}");
    }
    // One of each without asking first.
    done(controller.kubectl(&["get", "services", "-A"]));
    let complaint = refused(&controller.kubectl(&["get", "secrets", "-n", "istio-system"]));
    assert!(complaint.contains("Forbidden"), "{complaint}");
}

#[rstest]
#[case::by_the_command(manifests(&["--migrate-from-go"]))]
#[case::by_kustomize(overlay(&["migrate-from-go"]))]
fn the_migration_opens_one_config_map(#[case] objects: Vec<Value>) {
    let cluster = installed(&objects);
    let controller = cluster.as_controller();
    let lock = "configmaps/aeraki-envoyfilter-controller-election -n istio-system";
    assert!(may(&controller, &format!("get {lock}")));
    assert!(!may(&controller, &format!("update {lock}")));
    assert!(!may(
        &controller,
        "get configmaps/istio-ca-root-cert -n istio-system"
    ));
    assert!(!may(&controller, "list configmaps -n istio-system"));
}

#[rstest]
#[case::by_the_command(manifests(&["--secret-namespaces=redis"]), "redis")]
#[case::by_kustomize(overlay(&["secrets"]), "redis")]
#[case::by_the_chart(chart(&["--set", "crds.install=false,rbac.secretNamespaces={redis}"]), "redis")]
fn secrets_open_where_they_are_named(#[case] objects: Vec<Value>, #[case] namespace: &str) {
    let cluster = Cluster::empty();
    cluster.kubectl(&["create", "namespace", namespace]);
    cluster.apply_all(&objects);
    let controller = cluster.as_controller();
    for verb in ["list", "watch"] {
        assert!(may(&controller, &format!("{verb} secrets -n {namespace}")));
        for elsewhere in ["-n istio-system", "-n shop", "-A"] {
            assert!(!may(&controller, &format!("{verb} secrets {elsewhere}")));
        }
    }
    for verb in ["get", "create", "update", "delete"] {
        assert!(!may(&controller, &format!("{verb} secrets -n {namespace}")));
    }
}

#[rstest]
#[case::by_kustomize(overlay(&["namespaced"]))]
#[case::by_the_chart(chart(&["--set", "crds.install=false,rbac.writeNamespaces={istio-system}"]))]
fn confined_to_a_namespace_it_only_reads_the_others(#[case] objects: Vec<Value>) {
    let cluster = installed(&objects);
    assert_eq!(own_rights(&cluster, SHOP), reads());
    assert_eq!(
        own_rights(&cluster, "istio-system"),
        both(both(reads(), writes()), lease())
    );
}
