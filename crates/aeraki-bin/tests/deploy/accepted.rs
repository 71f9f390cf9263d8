//! Everything that can be installed, shown to a real API server; and the pod, to its Pod Security admission.

use rstest::rstest;
use serde_json::{Value, json};

use crate::cluster::{Cluster, SHOP, done, refused};
use crate::objects::pod;
use crate::tools::{chart, kustomize, manifests, overlay};

/// A ServiceMonitor is not among it: its kind belongs to the Prometheus operator, which is not there.
#[rstest]
#[case::the_base(kustomize("base"))]
#[case::the_base_with_components(overlay(&["migrate-from-go", "namespaced"]))]
#[case::the_crds(kustomize("crds"))]
#[case::the_command(manifests(&["--migrate-from-go", "--secret-namespaces=shop,default", "--replicas=3", "--config-source=kube", "--", "--domain=x.y"]))]
#[case::the_command_elsewhere(manifests(&["--namespace=shop", "--root-namespace=istio-system", "--migrate-from-go"]))]
#[case::the_crds_of_the_command(manifests(&["--crds"]))]
#[case::the_chart(chart(&[]))]
#[case::the_chart_with_everything(chart(&[
    "--set", "settings.domain=example.org,migration.fromGo=true,rbac.writeNamespaces={istio-system,shop},rbac.secretNamespaces={shop}",
    "--set", "extraEnv[0].name=RUST_BACKTRACE,extraEnv[0].value=full,imagePullSecrets[0].name=pull",
    "--set", "podLabels.team=mesh,podAnnotations.note=x,nodeSelector.disk=ssd,tolerations[0].operator=Exists",
    "--set", "priorityClassName=system-cluster-critical,podDisruptionBudget.maxUnavailable=50%",
    "--set", "service.annotations.note=x,serviceAccount.annotations.note=x",
]))]
fn the_api_server_takes_it_without_a_warning(#[case] objects: Vec<Value>) {
    let cluster = Cluster::any();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
    let dry = [
        "apply",
        "--server-side",
        "--dry-run=server",
        "--validate=strict",
        "-f",
        "-",
    ];
    let output = cluster.kubectl_with(&dry, &list.to_string());
    let warnings = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(done(output).lines().count(), objects.len());
    assert_eq!(warnings, "");
}

/// The pod that the Deployment would make.
fn made(objects: &[Value]) -> Value {
    let template = pod(objects);
    let mut made = json!({"apiVersion": "v1", "kind": "Pod", "spec": template["spec"]});
    made["metadata"] = template["metadata"].clone();
    made["metadata"]["name"] = json!("aeraki-0");
    made
}

fn create(cluster: &Cluster, pod: &Value) -> std::process::Output {
    cluster.kubectl_with(&["-n", SHOP, "create", "-f", "-"], &pod.to_string())
}

#[rstest]
#[case::of_the_command(manifests(&[]))]
#[case::of_the_chart(chart(&["--set", "settings.domain=example.org"]))]
fn a_namespace_that_enforces_restricted_lets_the_pod_in(#[case] objects: Vec<Value>) {
    let cluster = Cluster::any();
    let label = "pod-security.kubernetes.io/enforce=restricted";
    done(cluster.kubectl(&["label", "--overwrite", "namespace", SHOP, label]));
    let mut pod = made(&objects);
    done(create(&cluster, &pod));
    done(cluster.kubectl(&["-n", SHOP, "delete", "pod", "aeraki-0"]));

    pod["metadata"]["name"] = json!("aeraki-1");
    pod["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = json!(true);
    let complaint = refused(&create(&cluster, &pod));
    assert!(complaint.contains("restricted"), "{complaint}");
}
