//! The controller with the installed rights and no others: what it asks of the API server, by the audit log.

use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use aeraki_testbed::{AuditEntry, Process};
use serde_json::Value;

use crate::cluster::{Account, BED, Cluster, SHOP, done};
use crate::objects::arguments;
use crate::rbac::{Right, Rights, both, lease, migration, reads, right, rights, writes};
use crate::tools::manifests;

const CONTROLLER: &str = "system:serviceaccount:istio-system:aeraki";

/// Long enough for a machine that does other things too.
const PATIENCE: Duration = Duration::from_secs(60);

/// A service that gets a filter; its port's name decides which.
fn service(port: &str) -> String {
    format!(
        r"
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: cache, namespace: {SHOP}}}
spec:
  hosts: [cache.shop.example]
  addresses: [240.0.0.12]
  ports: [{{number: 6379, name: {port}, protocol: TCP}}]
  resolution: STATIC
---
apiVersion: redis.aeraki.io/v1alpha1
kind: RedisService
metadata: {{name: cache, namespace: {SHOP}}}
spec: {{host: [cache.shop.example], settings: {{opTimeout: 2s}}}}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: misspelt, namespace: {SHOP}}}
spec:
  hosts: [misspelt.shop.example]
  addresses: [240.0.0.13]
  ports: [{{number: 20880, name: tcp-dubo, protocol: TCP}}]
  resolution: STATIC
"
    )
}

/// `aeraki run` with the arguments of the Deployment, as far as they fit a process outside of a pod.
fn start(objects: &[Value], account: &Account) -> Process {
    let given = arguments(objects).into_iter();
    let fits = given.filter(|argument| !argument.starts_with("--metrics-address"));
    let mut run = Command::new(env!("CARGO_BIN_EXE_aeraki"));
    run.args(fits)
        .args([
            "--metrics-address=127.0.0.1:0",
            "--admin-address=127.0.0.1:0",
        ])
        .arg(format!("--kubeconfig={}", account.kubeconfig().display()))
        .env("POD_NAMESPACE", "istio-system")
        .env("POD_NAME", "aeraki-0")
        .env_remove("RUST_LOG");
    BED.run("aeraki", run).unwrap()
}

/// What the controller asks of the API server, from a line of the audit log on: other tests speak in its name too.
struct Requests {
    since: usize,
}

impl Requests {
    fn from_now() -> Self {
        Self {
            since: BED.audit_log().unwrap().len(),
        }
    }

    /// Those for resources. `system:discovery` grants it the others.
    fn all(&self) -> Vec<AuditEntry> {
        let mut log = BED.audit_log().unwrap().split_off(self.since);
        log.retain(|entry| entry.user == CONTROLLER && !entry.resource.is_empty());
        log
    }

    /// Waits until the controller has made such a request, successfully.
    fn until(&self, verb: &str, resource: &str, running: &Process) {
        let is_it = |entry: &AuditEntry| {
            entry.verb == verb && resource_of(entry) == resource && entry.code < 300
        };
        let start = Instant::now();
        while !self.all().iter().any(is_it) {
            let is_early = start.elapsed() < PATIENCE;
            assert!(
                is_early,
                "no {verb} {resource}:\n{}",
                running.log().unwrap()
            );
            sleep(Duration::from_millis(100));
        }
    }
}

fn resource_of(entry: &AuditEntry) -> String {
    match entry.subresource.as_str() {
        "" => entry.resource.clone(),
        subresource => format!("{}/{subresource}", entry.resource),
    }
}

fn of_request(entry: &AuditEntry) -> Right {
    // These are granted by name; a right to create cannot be.
    let named =
        ["leases", "configmaps"].contains(&entry.resource.as_str()) && entry.verb != "create";
    let name = named.then_some(entry.name.as_str());
    right(&entry.group, &resource_of(entry), &entry.verb, name)
}

/// What is granted for days that this test does not make.
fn rare() -> Rights {
    rights(&[
        // Somebody else has written it between our look and our write.
        ("networking.istio.io", &["envoyfilters"], &["get"], None),
        (
            "redis.aeraki.io",
            &["redisservices", "redisdestinations"],
            &["get"],
            None,
        ),
        // An Event about an object that istiod has told of.
        (
            "networking.istio.io",
            &["serviceentries", "virtualservices", "destinationrules"],
            &["get"],
            None,
        ),
        ("", &["services"], &["get"], None),
        // There is none.
        (
            "redis.aeraki.io",
            &["redisdestinations/status"],
            &["update"],
            None,
        ),
    ])
}

#[test]
fn verbs_used_are_verbs_granted() {
    let cluster = Cluster::empty();
    cluster.apply_crds();
    // With it, because the controller always looks for Go Aeraki's lock; without this right it takes the refusal for an answer.
    let objects = manifests(&["--config-source=kube", "--migrate-from-go"]);
    cluster.apply_all(&objects);
    let controller = cluster.as_controller();
    cluster.apply(&service("tcp-redis"));

    let requests = Requests::from_now();
    let first = start(&objects, &controller);
    requests.until("create", "envoyfilters", &first);
    requests.until("create", "events", &first);
    requests.until("update", "redisservices/status", &first);
    let longer = service("tcp-redis").replace("2s", "3s");
    cluster.apply(&longer);
    requests.until("update", "envoyfilters", &first);
    first.signal("TERM").unwrap();
    let mut first = first;
    assert!(first.wait().unwrap().success(), "{}", first.log().unwrap());

    // Another one takes the Lease over, and finds the Event of the first.
    let second = start(&objects, &controller);
    requests.until("patch", "events", &second);
    done(cluster.kubectl(&["-n", SHOP, "delete", "serviceentry", "cache"]));
    requests.until("delete", "envoyfilters", &second);
    drop(second);

    let refused: Vec<AuditEntry> = requests
        .all()
        .into_iter()
        .filter(|entry| [401, 403].contains(&entry.code))
        .collect();
    assert_eq!(refused, []);
    let granted = both(both(reads(), writes()), both(lease(), migration()));
    let used: Rights = requests.all().iter().map(of_request).collect();
    assert_eq!(
        used.difference(&granted).collect::<Vec<_>>(),
        Vec::<&Right>::new()
    );
    assert_eq!(both(used, rare()), granted);
}
