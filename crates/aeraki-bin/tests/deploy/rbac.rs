//! What the controller may do: exactly what stands here.

use std::collections::BTreeSet;

use rstest::rstest;
use serde_json::Value;

use crate::objects::{arguments, find};
use crate::tools::{chart, manifests, overlay};

pub(crate) type Rights = BTreeSet<Right>;

/// One verb on one resource, or on the object of that name alone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Right {
    group: String,
    resource: String,
    verb: String,
    name: Option<String>,
}

/// A line of a list of rights: group, resources, verbs, name.
type Line<'a> = (&'a str, &'a [&'a str], &'a [&'a str], Option<&'a str>);

const READ: [&str; 3] = ["get", "list", "watch"];
const LEASE: &str = "aeraki-controller";

pub(crate) fn rights(lines: &[Line<'_>]) -> Rights {
    let mut rights = Rights::new();
    for &(group, resources, verbs, name) in lines {
        for resource in resources {
            rights.extend(verbs.iter().map(|verb| right(group, resource, verb, name)));
        }
    }
    rights
}

pub(crate) fn right(group: &str, resource: &str, verb: &str, name: Option<&str>) -> Right {
    Right {
        group: group.to_owned(),
        resource: resource.to_owned(),
        verb: verb.to_owned(),
        name: name.map(str::to_owned),
    }
}

/// What it reads, in all namespaces.
pub(crate) fn reads() -> Rights {
    rights(&[
        (
            "networking.istio.io",
            &[
                "envoyfilters",
                "serviceentries",
                "virtualservices",
                "destinationrules",
            ],
            &READ,
            None,
        ),
        ("", &["services"], &READ, None),
        ("discovery.k8s.io", &["endpointslices"], &READ[1..], None),
        (
            "redis.aeraki.io",
            &["redisservices", "redisdestinations"],
            &READ,
            None,
        ),
    ])
}

/// What it writes, in all namespaces unless it is confined.
pub(crate) fn writes() -> Rights {
    rights(&[
        (
            "networking.istio.io",
            &["envoyfilters"],
            &["create", "update", "delete"],
            None,
        ),
        (
            "redis.aeraki.io",
            &["redisservices/status", "redisdestinations/status"],
            &["update"],
            None,
        ),
        ("events.k8s.io", &["events"], &["create", "patch"], None),
    ])
}

/// What it does in its own namespace.
pub(crate) fn lease() -> Rights {
    rights(&[
        ("coordination.k8s.io", &["leases"], &["create"], None),
        (
            "coordination.k8s.io",
            &["leases"],
            &["get", "update"],
            Some(LEASE),
        ),
    ])
}

/// What it may see of Go Aeraki, where that is wanted.
pub(crate) fn migration() -> Rights {
    let lock = Some("aeraki-envoyfilter-controller-election");
    rights(&[("", &["configmaps"], &["get"], lock)])
}

pub(crate) fn both(left: Rights, right: Rights) -> Rights {
    left.into_iter().chain(right).collect()
}

/// What a role grants.
pub(crate) fn granted(role: &Value) -> Rights {
    let mut granted = Rights::new();
    for rule in role["rules"].as_array().unwrap() {
        assert!(rule.get("nonResourceURLs").is_none(), "{rule}");
        let [resources, verbs] = ["resources", "verbs"].map(|field| words(&rule[field]));
        let names = match words(&rule["resourceNames"]) {
            names if names.is_empty() => vec![None],
            names => names.into_iter().map(Some).collect(),
        };
        for group in words(&rule["apiGroups"]) {
            for &name in &names {
                granted.extend(rights(&[(group, &resources, &verbs, name)]));
            }
        }
    }
    granted
}

fn words(value: &Value) -> Vec<&str> {
    let words = value.as_array().into_iter().flatten();
    words.map(|word| word.as_str().unwrap()).collect()
}

fn kinds(objects: &[Value], kind: &str) -> BTreeSet<String> {
    let of_kind = objects.iter().filter(|object| object["kind"] == kind);
    of_kind
        .map(|object| object["metadata"]["name"].as_str().unwrap().to_owned())
        .collect()
}

#[rstest]
#[case::of_the_command(manifests(&[]))]
#[case::of_the_chart(chart(&[]))]
fn the_controller_may_do_exactly_this(#[case] objects: Vec<Value>) {
    let everywhere = granted(find(&objects, "ClusterRole", "aeraki"));
    assert_eq!(everywhere, both(reads(), writes()));
    assert_eq!(granted(find(&objects, "Role", "aeraki")), lease());
    for kind in ["ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"] {
        assert_eq!(kinds(&objects, kind), ["aeraki".to_owned()].into());
    }
}

#[rstest]
#[case::of_the_command(manifests(&[]))]
#[case::of_the_chart(chart(&["--set", "leaderElection.id=other"]))]
fn the_lease_of_the_role_is_the_lease_of_the_flag(#[case] objects: Vec<Value>) {
    let names = &find(&objects, "Role", "aeraki")["rules"][0]["resourceNames"];
    let flag = format!("--election-id={}", names[0].as_str().unwrap());
    assert!(arguments(&objects).contains(&flag.as_str()));
}

#[rstest]
#[case::of_the_command(manifests(&["--migrate-from-go"]))]
#[case::of_the_chart(chart(&["--set", "migration.fromGo=true"]))]
fn the_migration_may_read_one_config_map(#[case] objects: Vec<Value>) {
    let role = find(&objects, "Role", "aeraki-migration");
    assert_eq!(granted(role), migration());
}

#[test]
fn the_chart_can_confine_writing_to_namespaces() {
    let objects = chart(&["--set", "rbac.writeNamespaces={istio-system,shop}"]);
    assert_eq!(granted(find(&objects, "ClusterRole", "aeraki")), reads());
    let writers: Vec<&Value> = objects
        .iter()
        .filter(|o| o["kind"] == "Role" && o["metadata"]["name"] == "aeraki-writer")
        .collect();
    let namespaces: Vec<&Value> = writers
        .iter()
        .map(|o| &o["metadata"]["namespace"])
        .collect();
    assert_eq!(namespaces, ["istio-system", "shop"]);
    for writer in writers {
        assert_eq!(granted(writer), writes());
    }
}

#[test]
fn kustomize_can_confine_writing_too() {
    let objects = overlay(&["namespaced"]);
    assert_eq!(granted(find(&objects, "ClusterRole", "aeraki")), reads());
    assert_eq!(granted(find(&objects, "Role", "aeraki-writer")), writes());
}

#[rstest]
#[case::of_the_command(manifests(&["--namespace=mesh", "--migrate-from-go"]))]
#[case::of_the_chart(chart(&["--set", "serviceAccount.name=other,rbac.writeNamespaces={shop}"]))]
fn every_binding_is_to_the_service_account_of_the_pod(#[case] objects: Vec<Value>) {
    let deployment = find(&objects, "Deployment", "aeraki");
    let namespace = &deployment["metadata"]["namespace"];
    let account = &deployment["spec"]["template"]["spec"]["serviceAccountName"];
    find(&objects, "ServiceAccount", account.as_str().unwrap());
    let bindings = objects.iter().filter(|o| !o["roleRef"].is_null());
    let mut count = 0;
    for binding in bindings {
        let subjects = binding["subjects"].as_array().unwrap();
        assert_eq!(subjects.len(), 1);
        assert_eq!(&subjects[0]["name"], account);
        assert_eq!(&subjects[0]["namespace"], namespace);
        count += 1;
    }
    assert_eq!(count, 3);
}
