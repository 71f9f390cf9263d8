//! Three ways to install, one installation.

use serde_json::Value;

use crate::objects::sorted;
use crate::tools::{chart, kustomize, manifests};

/// Labels by which Helm and its users find a release.
const OF_HELM: [&str; 4] = [
    "app.kubernetes.io/instance",
    "app.kubernetes.io/managed-by",
    "app.kubernetes.io/version",
    "helm.sh/chart",
];

#[test]
fn the_command_and_kustomize_say_the_same() {
    assert_eq!(sorted(manifests(&[])), sorted(kustomize("base")));
}

#[test]
fn the_command_and_the_chart_say_the_same() {
    let mut chart = chart(&["--set", "crds.install=false"]);
    chart.iter_mut().for_each(without_labels_of_helm);
    assert_eq!(sorted(chart), sorted(manifests(&[])));
}

#[test]
fn the_command_and_the_chart_say_the_same_about_the_migration() {
    let mut chart = chart(&[
        "--set",
        "crds.install=false,migration.fromGo=true,replicas=3,configSource=kube,rbac.secretNamespaces={redis,shop}",
        "--set",
        "image.repository=registry.example/aeraki,image.tag=v1",
    ]);
    chart.iter_mut().for_each(without_labels_of_helm);
    let manifests = manifests(&[
        "--migrate-from-go",
        "--secret-namespaces=redis,shop",
        "--replicas=3",
        "--config-source=kube",
        "--image=registry.example/aeraki:v1",
    ]);
    assert_eq!(sorted(chart), sorted(manifests));
}

#[test]
fn all_say_the_same_about_the_crds() {
    let crds = sorted(manifests(&["--crds"]));
    assert_eq!(sorted(kustomize("crds")), crds);
    let mut chart = chart(&[]);
    chart.retain(|object| object["kind"] == "CustomResourceDefinition");
    for crd in &mut chart {
        let metadata = crd["metadata"].as_object_mut().unwrap();
        metadata.remove("labels");
        let annotations = metadata.remove("annotations").unwrap();
        assert_eq!(annotations["helm.sh/resource-policy"], "keep");
    }
    assert_eq!(sorted(chart), crds);
}

fn without_labels_of_helm(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|key, _| !OF_HELM.contains(&key.as_str()));
            fields.values_mut().for_each(without_labels_of_helm);
        }
        Value::Array(values) => values.iter_mut().for_each(without_labels_of_helm),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
