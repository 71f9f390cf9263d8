//! The pod, held against Kubernetes' Pod Security Standard "restricted" and against what we promise beyond it.

use rstest::rstest;
use serde_json::{Value, json};

use crate::objects::pod;
use crate::tools::{chart, manifests};

const VOLUMES: [&str; 8] = [
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
];

/// What the standard objects to, each in one sentence.
fn objections(spec: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let mut object = |holds: bool, sentence: String| {
        if holds {
            found.push(sentence);
        }
    };
    for field in ["hostNetwork", "hostPID", "hostIPC"] {
        object(spec[field] == true, format!("{field} is set"));
    }
    for volume in list(&spec["volumes"]) {
        let kinds = volume.as_object().unwrap().keys();
        let allowed = |kind: &String| kind == "name" || VOLUMES.contains(&kind.as_str());
        object(!kinds.clone().all(allowed), format!("volume {volume}"));
    }
    let pod = &spec["securityContext"];
    object(!list(&pod["sysctls"]).is_empty(), "sysctls".to_owned());
    let containers = ["containers", "initContainers", "ephemeralContainers"];
    for container in containers.iter().flat_map(|field| list(&spec[field])) {
        let own = &container["securityContext"];
        let effective = |field: &str| {
            if own[field].is_null() {
                &pod[field]
            } else {
                &own[field]
            }
        };
        let add = list(&own["capabilities"]["add"]);
        let drop = list(&own["capabilities"]["drop"]);
        let seccomp = effective("seccompProfile")["type"].as_str();
        object(own["privileged"] == true, "privileged".to_owned());
        object(
            own["allowPrivilegeEscalation"] != false,
            "allowPrivilegeEscalation is not false".to_owned(),
        );
        object(
            effective("runAsNonRoot") != true,
            "runAsNonRoot is not true".to_owned(),
        );
        object(effective("runAsUser") == 0, "runAsUser is 0".to_owned());
        object(
            !drop.contains(&json!("ALL")),
            "not all capabilities are dropped".to_owned(),
        );
        object(
            add.iter().any(|c| c != "NET_BIND_SERVICE"),
            format!("capabilities {add:?}"),
        );
        object(
            !matches!(seccomp, Some("RuntimeDefault" | "Localhost")),
            format!("seccomp profile {seccomp:?}"),
        );
        object(
            !matches!(own["procMount"].as_str(), None | Some("Default")),
            "procMount".to_owned(),
        );
        let host_ports = list(&container["ports"])
            .iter()
            .any(|p| !p["hostPort"].is_null());
        object(host_ports, "hostPort".to_owned());
    }
    found
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

#[rstest]
#[case::of_the_command(manifests(&[]))]
#[case::of_the_chart(chart(&[]))]
#[case::of_the_chart_with_settings(chart(&["--set", "settings.domain=example.org"]))]
fn the_pod_is_restricted(#[case] objects: Vec<Value>) {
    assert_eq!(objections(&pod(&objects)["spec"]), Vec::<String>::new());
}

#[rstest]
#[case::host_network("/hostNetwork", json!(true))]
#[case::host_path("/volumes/0", json!({"name": "root", "hostPath": {"path": "/"}}))]
#[case::sysctl("/securityContext/sysctls", json!([{"name": "kernel.msgmax", "value": "1"}]))]
#[case::privileged("/containers/0/securityContext/privileged", json!(true))]
#[case::escalation("/containers/0/securityContext/allowPrivilegeEscalation", json!(null))]
#[case::root_allowed("/containers/0/securityContext/runAsNonRoot", json!(false))]
#[case::root("/securityContext/runAsUser", json!(0))]
#[case::capabilities("/containers/0/securityContext/capabilities/drop", json!([]))]
#[case::capability("/containers/0/securityContext/capabilities/add", json!(["SYS_ADMIN"]))]
#[case::seccomp("/securityContext/seccompProfile/type", json!("Unconfined"))]
#[case::proc_mount("/containers/0/securityContext/procMount", json!("Unmasked"))]
#[case::host_port("/containers/0/ports/0/hostPort", json!(80))]
fn the_check_sees(#[case] pointer: &str, #[case] value: Value) {
    let mut spec = pod(&manifests(&[]))["spec"].clone();
    let (parent, field) = pointer.rsplit_once('/').unwrap();
    match spec.pointer_mut(parent).unwrap() {
        Value::Array(values) => values[field.parse::<usize>().unwrap()] = value,
        parent => parent[field] = value,
    }
    assert_eq!(objections(&spec).len(), 1, "{:?}", objections(&spec));
}

/// Beyond the standard.
#[rstest]
#[case::of_the_command(manifests(&[]))]
#[case::of_the_chart(chart(&[]))]
fn the_pod_can_write_nothing_and_holds_no_more_than_two_tokens(#[case] objects: Vec<Value>) {
    let spec = &pod(&objects)["spec"];
    assert_eq!(spec["automountServiceAccountToken"], false);
    let [container] = list(&spec["containers"]) else {
        panic!("one container")
    };
    assert_eq!(container["securityContext"]["readOnlyRootFilesystem"], true);
    for mount in list(&container["volumeMounts"]) {
        assert_eq!(mount["readOnly"], true, "{mount}");
    }
    for resource in ["cpu", "memory"] {
        for kind in ["requests", "limits"] {
            assert!(!container["resources"][kind][resource].is_null());
        }
    }
    let sources = list(&spec["volumes"])
        .iter()
        .flat_map(|volume| list(&volume["projected"]["sources"]));
    let tokens: Vec<&Value> = sources
        .map(|source| &source["serviceAccountToken"])
        .filter(|token| !token.is_null())
        .collect();
    let audiences: Vec<&Value> = tokens.iter().map(|token| &token["audience"]).collect();
    assert_eq!(audiences, [&json!("istio-ca"), &Value::Null]);
}

/// One port, and it is the one that the probes and the Service ask.
#[rstest]
#[case::of_the_command(manifests(&[]))]
#[case::of_the_chart(chart(&[]))]
fn the_network_reaches_health_and_metrics_alone(#[case] objects: Vec<Value>) {
    let container = &pod(&objects)["spec"]["containers"][0];
    let [port] = list(&container["ports"]) else {
        panic!("one port")
    };
    let number = port["containerPort"].as_u64().unwrap();
    let address = format!("--metrics-address=0.0.0.0:{number}");
    assert!(list(&container["args"]).contains(&json!(address)));
    for probe in ["livenessProbe", "readinessProbe"] {
        assert_eq!(container[probe]["httpGet"]["port"], port["name"]);
    }
    let service = crate::objects::find(&objects, "Service", "aeraki");
    let [service_port] = list(&service["spec"]["ports"]) else {
        panic!("one port")
    };
    assert_eq!(service_port["targetPort"], port["name"]);
}
