//! The demo for a cluster: what its scripts ask for, bring and take away again; and that its copies are copies.

use std::fs;
use std::process::{Command, Output};
use std::thread::sleep;
use std::time::Duration;

use serde_json::{Value, json};

use crate::cluster::{Cluster, done, refused};
use crate::objects::{find, parse};
use crate::tools::{deploy, kustomize, manifests, succeeded};

const NOTHING: [&str; 0] = [];
const NAMESPACES: [&str; 2] = ["aeraki-demo", "aeraki-demo-monitoring"];

fn install(cluster: &Cluster) -> Output {
    cluster
        .script("demo/install.sh", &["--no-wait"])
        .output()
        .unwrap()
}

/// Namespaces end while the script waits for that.
fn uninstall(cluster: &Cluster) {
    let mut script = cluster.script("demo/uninstall.sh", &[]).spawn().unwrap();
    let status = loop {
        if let Some(status) = script.try_wait().unwrap() {
            break status;
        }
        for namespace in NAMESPACES {
            cluster.end_namespace(namespace);
        }
        sleep(Duration::from_millis(100));
    };
    assert!(status.success(), "{status}");
}

/// By its label it is Istio's.
fn injector() -> Value {
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": "istio-sidecar-injector", "labels": {"app": "sidecar-injector"}},
    })
}

/// A cluster in which the demo can be installed.
fn ready() -> Cluster {
    let cluster = Cluster::empty();
    cluster.apply_crds();
    cluster.apply_all(&manifests(&[]));
    cluster.apply_all(&[injector()]);
    cluster
}

/// What Aeraki makes for a service of the demo, and for one that only sounds like it.
fn filters() -> Vec<Value> {
    let named = |name: &str| {
        json!({
            "apiVersion": "networking.istio.io/v1alpha3", "kind": "EnvoyFilter",
            "metadata": {"name": name, "namespace": "istio-system", "labels": {"manager": "Aeraki"}},
            "spec": {"priority": 1},
        })
    };
    vec![
        named("aeraki-outbound-orders.aeraki-demo.svc.cluster.local-20880"),
        named("aeraki-outbound-orders.my-aeraki-demo.svc.cluster.local-20880"),
    ]
}

/// As [`Cluster::everything`] writes it.
fn line(object: &Value) -> String {
    let metadata = &object["metadata"];
    let namespace = metadata["namespace"].as_str().unwrap_or("<none>");
    let [kind, name] = [&object["kind"], &metadata["name"]].map(|it| it.as_str().unwrap());
    format!("+ {namespace} {kind} {name}")
}

#[test]
fn the_scripts_bring_all_of_it_and_leave_nothing() {
    let cluster = ready();
    let foreign = filters().remove(1);
    cluster.apply_all(std::slice::from_ref(&foreign));
    let before = cluster.everything();
    let output = install(&cluster);
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    done(output);
    assert_eq!(complaint, "");
    let changes = cluster.changes_since(&before);
    let objects = kustomize("demo");
    for object in &objects {
        assert!(changes.contains(&line(object)), "{}", line(object));
    }
    // Once more does no harm.
    done(install(&cluster));

    cluster.apply_all(&filters());
    uninstall(&cluster);
    assert_eq!(cluster.changes_since(&before), NOTHING);
    uninstall(&cluster);
}

/// Also where Istio's and Aeraki's kinds are gone, which no test can bring about here: only Aeraki's.
#[test]
fn it_can_be_removed_after_aeraki() {
    let cluster = ready();
    done(install(&cluster));
    done(cluster.uninstall(&["--with-redis-crds"]));
    uninstall(&cluster);
    let left = cluster.everything();
    for object in kustomize("demo") {
        assert!(!left.contains(&line(&object)[2..]), "{object}");
    }
}

#[test]
fn the_script_says_what_is_missing_and_changes_nothing() {
    let cluster = Cluster::empty();
    let webhook = "mutatingwebhookconfiguration/istio-sidecar-injector";
    done(cluster.kubectl(&["delete", webhook, "--ignore-not-found"]));
    let refuses = |because: &str| {
        let before = cluster.everything();
        let complaint = refused(&install(&cluster));
        assert!(complaint.contains(because), "{complaint}");
        assert_eq!(cluster.changes_since(&before), NOTHING);
    };
    refuses("injects no sidecars");
    cluster.apply_all(&[injector()]);
    refuses("has no RedisService");
    cluster.apply_crds();
    refuses("has no Aeraki");
    cluster.apply_all(&manifests(&[]));
    let somebody = NAMESPACES[1];
    done(cluster.kubectl(&["create", "namespace", somebody]));
    refuses("is not the demo's");
    done(cluster.kubectl(&["delete", "namespace", somebody, "--wait=false"]));
    cluster.end_namespace(somebody);
}

#[test]
fn every_object_has_the_label_that_it_is_removed_by() {
    for object in kustomize("demo") {
        let label = &object["metadata"]["labels"]["app.kubernetes.io/part-of"];
        assert_eq!(label, "aeraki-demo", "{object}");
    }
}

fn yaml(path: &str) -> Value {
    let text = fs::read_to_string(deploy().join(path)).unwrap();
    parse(&text).remove(0)
}

/// What `docs/statistics.md` gives to a mesh and to Prometheus is tried by the conformance suite; the demo has copies.
#[test]
fn statistics_are_set_as_the_documents_say() {
    let mesh = yaml("statistics/istio.yaml");
    let wanted = &mesh["meshConfig"]["defaultConfig"]["proxyStatsMatcher"];
    let objects = kustomize("demo");
    for deployment in objects.iter().filter(|object| {
        object["kind"] == "Deployment" && object["metadata"]["namespace"] == NAMESPACES[0]
    }) {
        let annotations = &deployment["spec"]["template"]["metadata"]["annotations"];
        let config = annotations["proxy.istio.io/config"].as_str().unwrap();
        assert_eq!(&parse(config)[0]["proxyStatsMatcher"], wanted);
    }
    let wanted = &yaml("statistics/relabel.yaml")["metric_relabel_configs"];
    let found = yaml("demo/monitoring/prometheus.yml");
    let found = &found["scrape_configs"][0]["metric_relabel_configs"];
    assert_eq!(found, wanted);
}

#[test]
fn grafana_gets_the_dashboard() {
    let objects = kustomize("demo");
    let map = find(&objects, "ConfigMap", "aeraki-dashboard");
    let file = fs::read_to_string(deploy().join("dashboard/aeraki.json")).unwrap();
    assert_eq!(map["data"]["aeraki.json"], file);
    let grafana = find(&objects, "Deployment", "grafana").to_string();
    assert!(grafana.contains("aeraki-dashboard"), "{grafana}");
}

/// What the command prints about a file with these objects.
fn aeraki(arguments: &[&str], objects: &[Value]) -> String {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("demo.yaml");
    let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
    fs::write(&file, list.to_string()).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_aeraki"));
    succeeded(command.args(arguments).arg(&file).output().unwrap())
}

/// The API server would give each Service an address; here a test does.
#[test]
fn its_rules_come_to_filters_of_four_protocols() {
    let mut objects = kustomize("demo");
    let services = objects.iter_mut().filter(|it| it["kind"] == "Service");
    for (number, service) in services.enumerate() {
        service["spec"]["clusterIP"] = json!(format!("10.96.0.{}", number + 1));
    }
    let filters = parse(&aeraki(&["generate", "-f"], &objects));
    for (protocol, count) in [("dubbo", 2), ("thrift", 2), ("redis", 2), ("zookeeper", 2)] {
        let of = |filter: &&Value| filter["metadata"]["labels"]["aeraki.net/protocol"] == protocol;
        assert_eq!(filters.iter().filter(of).count(), count, "{protocol}");
    }
    // It fails where something is wrong.
    aeraki(&["analyze", "-f"], &objects);
}
