//! Secrets: read where somebody says so and grants it, and nothing depends on them but what names one.

use std::process::Command;

use serde_json::Value;

use crate::aeraki::AERAKI;
use crate::world::{Filters, World};

/// Where the controller of this test is installed: nobody else grants its service account anything.
const HOME: &str = "of-secrets";

/// What `aeraki manifests` prints.
fn manifests(more: &[&str]) -> String {
    let mut command = Command::new(AERAKI);
    command.args(["manifests", "--root-namespace=istio-system"]);
    let output = command
        .args([&format!("--namespace={HOME}"), "--config-source=kube"])
        .args(more)
        .output()
        .unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

fn service(name: &str, address: &str) -> String {
    format!(
        "
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: {name}, namespace: vault}}
spec:
  hosts: [{name}.example]
  addresses: [{address}]
  ports: [{{number: 6379, name: tcp-redis, protocol: TCP}}]
  resolution: STATIC
  exportTo: [\".\"]
"
    )
}

const DESTINATION: &str = "
---
apiVersion: redis.aeraki.io/v1alpha1
kind: RedisDestination
metadata:
  name: closed
  namespace: vault
  annotations: {redis.aeraki.io/inline-credentials: \"true\"}
spec:
  host: closed.example
  trafficPolicy: {connectionPool: {redis: {auth: {secret: {name: closed}}}}}
";

fn secret(password: &str) -> String {
    format!(
        "{{apiVersion: v1, kind: Secret, metadata: {{name: closed, namespace: vault}}, stringData: {{password: {password}}}}}"
    )
}

const CLOSED: &str = "vault/aeraki-outbound-closed.example-240.240.7.1-6379";
const OPEN: &str = "vault/aeraki-outbound-open.example-240.240.7.2-6379";

fn signs_in_with(password: &str) -> impl Fn(&Filters) -> bool {
    move |filters| {
        let filter = filters.get(CLOSED);
        filter.is_some_and(|filter| filter["spec"].to_string().contains(password))
    }
}

#[tokio::test]
async fn a_secret_is_read_where_it_is_granted_and_holds_only_who_names_it() {
    let world = World::empty().await;
    for namespace in [HOME, "vault"] {
        world.namespace(namespace).await;
    }
    world.define_redis().await;
    world.cluster.apply(&manifests(&[])).await.unwrap();
    let kubeconfig = world.bed.kubeconfig_of(HOME, "aeraki").await.unwrap();
    let args = [
        "--config-source=kube",
        &format!("--namespace={HOME}"),
        "--election-id=aeraki-controller",
        "--secret-namespaces=vault",
        "--log-level=trace",
    ];
    let aeraki = world.start_as(&kubeconfig, "127.0.0.1:1", &args);
    // First what says that a Secret is needed.
    world.cluster.apply(DESTINATION).await.unwrap();
    let services = service("closed", "240.240.7.1") + &service("open", "240.240.7.2");
    world.cluster.apply(&services).await.unwrap();

    // Not granted: the view is whole all the same.
    let filters = world
        .until("the one without a Secret", |filters| {
            filters.contains_key(OPEN)
        })
        .await;
    assert!(!filters.contains_key(CLOSED), "{:?}", filters.keys());
    let told = |code: &str| -> Vec<Value> {
        let log = aeraki.log();
        log.into_iter()
            .filter(|line| line["code"] == code)
            .collect()
    };
    world
        .until("what is wrong is told", |_| !told("AER0510").is_empty())
        .await;
    let refused = told("AER0411");
    assert_eq!(refused.len(), 1, "{refused:?}");
    assert_eq!(
        refused[0]["help"],
        "grant the verbs list and watch on secrets in namespace vault"
    );

    let granted = manifests(&["--secret-namespaces=vault"]);
    world.cluster.apply(&granted).await.unwrap();
    world.cluster.apply(&secret("first-canary")).await.unwrap();
    let first = signs_in_with("first-canary");
    world.until("the password", first).await;
    world.cluster.apply(&secret("second-canary")).await.unwrap();
    let second = signs_in_with("second-canary");
    world.until("the new password", &second).await;

    let solved = || {
        told("AER0510")
            .iter()
            .any(|line| line["message"] == "Solved")
    };
    world.until("that is told too", |_| solved()).await;

    // What needs a Secret that is gone keeps what it had.
    let held = told("AER0510").len();
    world
        .cluster
        .delete("v1/Secret", "vault", "closed")
        .await
        .unwrap();
    let more = service("later", "240.240.7.3");
    world.cluster.apply(&more).await.unwrap();
    let later = "vault/aeraki-outbound-later.example-240.240.7.3-6379";
    let filters = world
        .until("what came later", |filters| filters.contains_key(later))
        .await;
    assert!(second(&filters), "{:?}", filters.get(CLOSED));
    let told_again = || told("AER0510").len() > held;
    world.until("the Secret is missed", |_| told_again()).await;

    let log = aeraki.process.log().unwrap();
    assert!(!log.contains("-canary"), "a password is in the log");
    assert!(aeraki.end());
}
