//! The chart's values: what each changes, and what the schema refuses.

use rstest::rstest;
use serde_json::{Value, json};

use crate::objects::{arguments, find, pod};
use crate::tools::{chart, deploy, helm_template};

#[rstest]
#[case::misspelt_key("replica=3", "replica")]
#[case::misspelt_key_inside("metrics.prot=8081", "prot")]
#[case::type_of_value("replicas=many", "replicas")]
#[case::unknown_source("configSource=etcd", "configSource")]
#[case::port_of_root("metrics.port=80", "port")]
#[case::address_without_port("istio.istiodAddress=istiod", "istiodAddress")]
#[case::grace_shorter_than_the_end_takes("terminationGracePeriodSeconds=2", "terminationGrace")]
fn the_schema_refuses(#[case] setting: &str, #[case] named: &str) {
    let output = helm_template(&["--set", setting]);
    assert!(!output.status.success());
    let complaint = String::from_utf8(output.stderr).unwrap();
    assert!(complaint.contains("schema"), "{complaint}");
    assert!(complaint.contains(named), "{complaint}");
}

#[test]
fn the_schema_knows_every_value_of_the_file() {
    let read = |name: &str| std::fs::read_to_string(deploy().join("charts/aeraki").join(name));
    let values: Value = serde_saphyr::from_str(&read("values.yaml").unwrap()).unwrap();
    let schema: Value = serde_json::from_str(&read("values.schema.json").unwrap()).unwrap();
    let names =
        |value: &Value| -> Vec<String> { value.as_object().unwrap().keys().cloned().collect() };
    let mut known = names(&schema["properties"]);
    known.retain(|name| name != "global");
    assert_eq!(names(&values), known);
}

#[test]
fn settings_become_a_file_whose_change_restarts_the_pods() {
    let objects = chart(&["--set", "settings.enableProtocols={kafka}"]);
    let text = &find(&objects, "ConfigMap", "aeraki-settings")["data"]["settings.yaml"];
    let settings: Value = serde_saphyr::from_str(text.as_str().unwrap()).unwrap();
    assert_eq!(settings, json!({"enableProtocols": ["kafka"]}));
    assert!(arguments(&objects).contains(&"--settings=/etc/aeraki/settings.yaml"));
    let others = chart(&["--set", "settings.enableProtocols={redis}"]);
    let checksum = |objects| pod(objects)["metadata"]["annotations"]["checksum/settings"].clone();
    assert!(checksum(&objects).is_string());
    assert_ne!(checksum(&objects), checksum(&others));
}

#[test]
fn plaintext_needs_no_identity() {
    let objects = chart(&["--set", "istio.plaintext=true"]);
    let arguments = arguments(&objects);
    assert!(arguments.contains(&"--istiod-plaintext"));
    assert!(!arguments.iter().any(|a| a.starts_with("--istiod-token")));
}

#[rstest]
#[case::tls("istio.plaintext=false", "istiod.istio-system.svc:15012")]
#[case::plaintext("istio.plaintext=true", "istiod.istio-system.svc:15010")]
#[case::address_that_is_given("istio.plaintext=true,istio.istiodAddress=pilot:1", "pilot:1")]
fn plaintext_decides_the_port_where_no_address_is_given(
    #[case] setting: &str,
    #[case] address: &str,
) {
    let objects = chart(&["--set", setting]);
    let argument = format!("--istiod-address={address}");
    assert!(arguments(&objects).contains(&argument.as_str()));
}

#[test]
fn the_root_namespace_decides_where_istiod_is() {
    let objects = chart(&["--set", "istio.rootNamespace=mesh,configSource=kube"]);
    let arguments = arguments(&objects);
    assert!(arguments.contains(&"--istiod-address=istiod.mesh.svc:15012"));
    assert!(arguments.contains(&"--root-namespace=mesh"));
}

#[test]
fn a_digest_goes_over_the_tag() {
    let digest = format!("sha256:{}", "0".repeat(64));
    let objects = chart(&["--set", &format!("image.tag=v1,image.digest={digest}")]);
    let image = &pod(&objects)["spec"]["containers"][0]["image"];
    assert_eq!(image, &format!("aeraki@{digest}"));
}

#[test]
fn pods_take_what_is_added_to_them() {
    let objects = chart(&[
        "--set",
        "extraArgs={--debounce-max=50ms},priorityClassName=system-cluster-critical",
        "--set",
        "podLabels.team=mesh,podAnnotations.note=x,nodeSelector.disk=ssd",
        "--set",
        "imagePullSecrets[0].name=pull,tolerations[0].operator=Exists",
        "--set",
        "extraEnv[0].name=RUST_BACKTRACE,extraEnv[0].value=full",
    ]);
    let pod = pod(&objects);
    let spec = &pod["spec"];
    assert_eq!(arguments(&objects).last(), Some(&"--debounce-max=50ms"));
    assert_eq!(spec["priorityClassName"], "system-cluster-critical");
    assert_eq!(pod["metadata"]["labels"]["team"], "mesh");
    assert_eq!(pod["metadata"]["annotations"]["note"], "x");
    assert_eq!(spec["nodeSelector"]["disk"], "ssd");
    assert_eq!(spec["imagePullSecrets"][0]["name"], "pull");
    assert_eq!(spec["tolerations"][0]["operator"], "Exists");
    let environment = spec["containers"][0]["env"].as_array().unwrap();
    assert_eq!(
        environment.last(),
        Some(&json!({"name": "RUST_BACKTRACE", "value": "full"}))
    );
}

#[rstest]
#[case::of_services("serviceMonitor", "ServiceMonitor", "endpoints")]
#[case::of_pods("podMonitor", "PodMonitor", "podMetricsEndpoints")]
fn a_monitor_scrapes_the_port_by_its_name(
    #[case] value: &str,
    #[case] kind: &str,
    #[case] endpoints: &str,
) {
    let objects = chart(&[
        "--set",
        &format!("{value}.enabled=true,{value}.interval=15s,{value}.labels.release=prometheus"),
    ]);
    let monitor = find(&objects, kind, "aeraki");
    assert_eq!(monitor["spec"][endpoints][0]["port"], "http-metrics");
    assert_eq!(monitor["spec"][endpoints][0]["interval"], "15s");
    assert_eq!(monitor["metadata"]["labels"]["release"], "prometheus");
    assert_eq!(
        monitor["metadata"]["labels"]["app.kubernetes.io/name"],
        "aeraki"
    );
}

#[test]
fn parts_can_be_left_out() {
    let objects = chart(&[
        "--set",
        "rbac.create=false,serviceAccount.create=false,podDisruptionBudget.enabled=false,crds.install=false",
    ]);
    let kinds: Vec<&Value> = objects.iter().map(|object| &object["kind"]).collect();
    assert_eq!(kinds, ["Service", "Deployment"]);
}
