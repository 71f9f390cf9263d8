//! Helm's life of a release, and the change from Go Aeraki in place.

use std::fs;

use rstest::rstest;
use serde_json::{Value, json};

use crate::cluster::{Cluster, SHOP, done};
use crate::objects::parse;
use crate::tools::{deploy, manifests_text};

/// What an installation of Go Aeraki has that could stand in the way: names, selectors, ports, environment.
const GO_AERAKI: &str = r"
apiVersion: v1
kind: ServiceAccount
metadata: {name: aeraki, namespace: istio-system}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: aeraki, namespace: istio-system, labels: {app: aeraki}}
spec:
  replicas: 1
  selector: {matchLabels: {app: aeraki}}
  template:
    metadata: {labels: {app: aeraki}}
    spec:
      serviceAccountName: aeraki
      containers:
      - name: aeraki
        image: aeraki/aeraki:latest
        args: [--master=true, --log_output_level=all:info]
        ports: [{containerPort: 8080}, {containerPort: 15010}, {containerPort: 15017}]
        readinessProbe: {httpGet: {path: /ready, port: 8080}}
        env:
        - {name: AERAKI_LOG_LEVEL, value: all:debug}
        - {name: AERAKI_NAMESPACE, valueFrom: {fieldRef: {fieldPath: metadata.namespace}}}
        volumeMounts: [{name: istiod-ca-cert, mountPath: /var/run/secrets/istio, readOnly: true}]
      volumes: [{name: istiod-ca-cert, configMap: {name: istio-ca-root-cert, defaultMode: 420}}]
---
apiVersion: v1
kind: Service
metadata: {name: aeraki, namespace: istio-system, labels: {app: aeraki}}
spec:
  selector: {app: aeraki}
  ports:
  - {name: grpc-xds, port: 15010, targetPort: 15010}
  - {name: https-validation, port: 443, targetPort: 15017}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: aeraki, labels: {app: aeraki}}
rules: [{apiGroups: [''], resources: [secrets, configmaps], verbs: ['*']}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: aeraki, labels: {app: aeraki}}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: aeraki}
subjects: [{kind: ServiceAccount, name: aeraki, namespace: istio-system}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: aeraki, namespace: istio-system, labels: {app: aeraki}}
rules: [{apiGroups: [''], resources: [configmaps, events], verbs: ['*']}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: aeraki, namespace: istio-system, labels: {app: aeraki}}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: aeraki}
subjects: [{kind: ServiceAccount, name: aeraki}]
";

/// A definition of its chart: of a kind that we lack, or of one that we have, in its loose form.
fn go_crd(group: &str, kind: &str) -> String {
    let plural = format!("{}s", kind.to_lowercase());
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.{group}")},
        "spec": {
            "group": group, "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural},
            "versions": [{
                "name": "v1alpha1", "served": true, "storage": true, "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
            }],
        },
    })
    .to_string()
}

fn redis() -> String {
    json!({
        "apiVersion": "redis.aeraki.io/v1alpha1", "kind": "RedisDestination",
        "metadata": {"name": "cache", "namespace": SHOP}, "spec": {"host": "a.b"},
    })
    .to_string()
}

fn our_chart() -> String {
    deploy().join("charts/aeraki").display().to_string()
}

fn uid(object: &Value) -> &Value {
    assert!(object["metadata"]["uid"].is_string());
    &object["metadata"]["uid"]
}

/// Everything in it is ours now, but what a merge cannot take away.
fn assert_is_ours(deployment: &Value) {
    let spec = &deployment["spec"]["template"]["spec"];
    assert_eq!(deployment["spec"]["replicas"], 2);
    assert_eq!(spec["containers"].as_array().unwrap().len(), 1);
    let container = &spec["containers"][0];
    assert_eq!(container["args"][0], "run");
    assert_eq!(container["readinessProbe"]["httpGet"]["path"], "/readyz");
    let mounts = container["volumeMounts"].as_array().unwrap();
    let paths: Vec<&Value> = mounts.iter().map(|mount| &mount["mountPath"]).collect();
    assert_eq!(paths.len(), 3, "{paths:?}");
}

fn names<'a>(container: &'a Value, field: &str) -> Vec<&'a str> {
    let items = container[field].as_array().unwrap().iter();
    items.map(|item| item["name"].as_str().unwrap()).collect()
}

/// `kubectl apply` knows what it applied before and takes it away; of what `kubectl create` made it does not.
#[rstest]
#[case::applied("apply", &["POD_NAME", "POD_NAMESPACE", "POD_IP"])]
#[case::created("create", &["AERAKI_LOG_LEVEL", "AERAKI_NAMESPACE", "POD_NAME", "POD_NAMESPACE", "POD_IP"])]
fn go_aerakis_objects_are_changed_in_place(#[case] how: &str, #[case] environment: &[&str]) {
    let cluster = Cluster::empty();
    done(cluster.kubectl_with(&[how, "-f", "-"], GO_AERAKI));
    let before = cluster.get("istio-system", "deployment", "aeraki");

    cluster.apply(&manifests_text(&["--image=registry.example/aeraki:1"]));

    let after = cluster.get("istio-system", "deployment", "aeraki");
    assert_eq!(uid(&before), uid(&after));
    assert_is_ours(&after);
    let container = &after["spec"]["template"]["spec"]["containers"][0];
    let mut found = names(container, "env");
    let mut wanted = environment.to_vec();
    found.sort_unstable();
    wanted.sort_unstable();
    assert_eq!(found, wanted);
    // Rules of a role are one value: no right of Go Aeraki's is left.
    let role = cluster.get("", "clusterrole", "aeraki");
    assert!(!role["rules"].to_string().contains("secrets"));
}

#[test]
fn a_release_of_go_aeraki_is_upgraded_and_loses_no_object_of_its_users() {
    let cluster = Cluster::empty();
    let old = tempfile::tempdir().unwrap();
    fs::create_dir(old.path().join("templates")).unwrap();
    fs::write(
        old.path().join("Chart.yaml"),
        "apiVersion: v2\nname: aeraki\nversion: 1.4.1\n",
    )
    .unwrap();
    let write = |name: &str, text: &str| {
        fs::write(old.path().join("templates").join(name), text).unwrap();
    };
    write("all.yaml", GO_AERAKI);
    write(
        "redis-1.yaml",
        &go_crd("redis.aeraki.io", "RedisDestination"),
    );
    write("redis-2.yaml", &go_crd("redis.aeraki.io", "RedisService"));
    let router = go_crd("metaprotocol.aeraki.io", "MetaRouter");
    write("router.yaml", &router);
    cluster.helm(&["install", "mesh", old.path().to_str().unwrap()]);
    let wait = ["wait", "--for=condition=established", "--timeout=30s"];
    let crds = [
        "crd/redisdestinations.redis.aeraki.io",
        "crd/metarouters.metaprotocol.aeraki.io",
    ];
    done(cluster.kubectl(&[wait.as_slice(), &crds].concat()));
    cluster.apply(&redis());
    let before = cluster.get(SHOP, "redisdestination", "cache");
    // As the documentation tells for the kinds that we lack.
    let keep = ["helm.sh/resource-policy=keep", "--overwrite"];
    done(cluster.kubectl(&[["annotate"].as_slice(), &crds[1..], &keep].concat()));

    cluster.helm(&["upgrade", "mesh", &our_chart(), "--reset-values"]);

    assert_is_ours(&cluster.get("istio-system", "deployment", "aeraki"));
    let after = cluster.get(SHOP, "redisdestination", "cache");
    assert_eq!(uid(&before), uid(&after));
    assert!(cluster.has("", "crd", "metarouters.metaprotocol.aeraki.io"));

    cluster.helm(&["uninstall", "mesh"]);
    assert!(!cluster.has("istio-system", "deployment", "aeraki"));
    assert!(cluster.has(SHOP, "redisdestination", "cache"));
}

#[test]
fn a_release_leaves_its_crds_and_what_is_theirs_and_nothing_else() {
    let cluster = Cluster::empty();
    let before = cluster.everything();
    let chart = our_chart();
    cluster.helm(&["install", "mesh", &chart]);
    let wait = ["wait", "--for=condition=established", "--timeout=30s"];
    let crd = ["crd/redisdestinations.redis.aeraki.io"];
    done(cluster.kubectl(&[wait.as_slice(), &crd].concat()));
    cluster.apply(&redis());
    cluster.helm(&["upgrade", "mesh", &chart, "--set", "replicas=3"]);
    let deployment = cluster.get("istio-system", "deployment", "aeraki");
    assert_eq!(deployment["spec"]["replicas"], 3);

    cluster.helm(&["uninstall", "mesh"]);
    assert_eq!(
        cluster.changes_since(&before),
        [
            "+ <none> CustomResourceDefinition redisdestinations.redis.aeraki.io",
            "+ <none> CustomResourceDefinition redisservices.redis.aeraki.io",
            "+ shop RedisDestination cache",
        ]
    );
    // Installing again takes the CRDs back.
    cluster.helm(&["install", "mesh", &chart]);
    assert_eq!(parse(&cluster.helm(&["get", "manifest", "mesh"])).len(), 10);
    cluster.helm(&["uninstall", "mesh"]);
}
