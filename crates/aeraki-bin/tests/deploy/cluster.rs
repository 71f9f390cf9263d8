//! A real API server, and the tools of those who install: kubectl, helm and `deploy/uninstall.sh`.
//!
//! What is installed has fixed names, so one test at a time has the server.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use aeraki_testbed::{Options, Testbed};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::tools::{deploy, helm, kubectl, succeeded};

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());
/// The servers.
pub(crate) static BED: LazyLock<Testbed> = LazyLock::new(|| {
    let start = Testbed::start(Options::default().without_istiod());
    let bed = RUNTIME.block_on(start).unwrap();
    done(kubectl_by(
        &bed,
        &bed.kubeconfig(),
        &["create", "namespace", SHOP],
        "",
    ));
    bed
});
static ALONE: Mutex<()> = Mutex::new(());

/// Where tests put what is not Aeraki's.
pub(crate) const SHOP: &str = "shop";

/// What an installation has under a fixed name in a fixed place.
const OURS: [&str; 13] = [
    "--namespace=istio-system",
    "deployment/aeraki",
    "service/aeraki",
    "serviceaccount/aeraki",
    "poddisruptionbudget/aeraki",
    "lease/aeraki-controller",
    "role/aeraki",
    "rolebinding/aeraki",
    "clusterrole/aeraki",
    "clusterrolebinding/aeraki",
    "crd/redisservices.redis.aeraki.io",
    "crd/redisdestinations.redis.aeraki.io",
    "crd/metarouters.metaprotocol.aeraki.io",
];

/// The API server, for one test, as its administrator.
pub(crate) struct Cluster {
    _alone: MutexGuard<'static, ()>,
}

impl Cluster {
    /// A cluster in which others may have left something, for those whom that does not disturb.
    pub(crate) fn any() -> Self {
        Self {
            _alone: ALONE.lock().unwrap_or_else(PoisonError::into_inner),
        }
    }

    /// A cluster with Istio's kinds and nothing of Aeraki, whatever became of the test before.
    pub(crate) fn empty() -> Self {
        let cluster = Self::any();
        done(cluster.kubectl(&[&["delete", "--ignore-not-found"], OURS.as_slice()].concat()));
        let ours = ["-A", "-l", "app.kubernetes.io/name=aeraki"];
        done(cluster.kubectl(&[&["delete", "role,rolebinding"], ours.as_slice()].concat()));
        done(cluster.kubectl(&[
            "delete",
            "envoyfilters,serviceentries,secrets",
            "-A",
            "--all",
        ]));
        cluster
    }

    /// kubectl as the administrator.
    pub(crate) fn kubectl(&self, arguments: &[&str]) -> Output {
        kubectl_by(&BED, &BED.kubeconfig(), arguments, "")
    }

    /// kubectl with a standard input, in the form that it likes for files: `-f -`.
    pub(crate) fn kubectl_with(&self, arguments: &[&str], input: &str) -> Output {
        kubectl_by(&BED, &BED.kubeconfig(), arguments, input)
    }

    /// Applies the way the documents say, and waits until the CRDs among it are served.
    pub(crate) fn apply(&self, text: &str) {
        done(self.kubectl_with(&["apply", "-f", "-"], text));
    }

    /// The same with objects.
    pub(crate) fn apply_all(&self, objects: &[Value]) {
        let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
        self.apply(&list.to_string());
    }

    /// Applies the CRDs and waits until their kinds are served.
    pub(crate) fn apply_crds(&self) {
        self.apply(&crate::tools::manifests_text(&["--crds"]));
        let wait = ["wait", "--for=condition=established", "--timeout=30s"];
        let crds = [
            "crd/redisservices.redis.aeraki.io",
            "crd/redisdestinations.redis.aeraki.io",
        ];
        done(self.kubectl(&[wait.as_slice(), &crds].concat()));
    }

    /// An object as it is there.
    pub(crate) fn get(&self, namespace: &str, kind: &str, name: &str) -> Value {
        let text = done(self.kubectl(&["-n", namespace, "get", kind, name, "-o", "json"]));
        serde_json::from_str(&text).unwrap()
    }

    pub(crate) fn has(&self, namespace: &str, kind: &str, name: &str) -> bool {
        let get = [
            "-n",
            namespace,
            "get",
            kind,
            name,
            "--ignore-not-found",
            "-o",
            "name",
        ];
        !done(self.kubectl(&get)).is_empty()
    }

    /// Every object of the cluster, of whatever kind, but those that the API server makes at any time.
    pub(crate) fn everything(&self) -> BTreeSet<String> {
        let kinds = done(self.kubectl(&["api-resources", "--verbs=list", "-o", "name"]));
        let lasting = |kind: &&str| !kind.starts_with("events") && !kind.starts_with("apiservices");
        let kinds: Vec<&str> = kinds.lines().filter(lasting).collect();
        let columns = "custom-columns=A:.metadata.namespace,B:.kind,C:.metadata.name";
        let get = ["get", &kinds.join(","), "-A", "-o", columns, "--no-headers"];
        let table = done(self.kubectl(&get));
        let lines = table.lines().map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            words.join(" ")
        });
        lines
            .filter(|line| !line.starts_with("kube-system Lease"))
            .collect()
    }

    /// What has come to the cluster, and gone from it.
    pub(crate) fn changes_since(&self, before: &BTreeSet<String>) -> Vec<String> {
        let now = self.everything();
        let come = now.difference(before).map(|object| format!("+ {object}"));
        let gone = before.difference(&now).map(|object| format!("- {object}"));
        come.chain(gone).collect()
    }

    /// `deploy/uninstall.sh`, as its user runs it.
    pub(crate) fn uninstall(&self, arguments: &[&str]) -> Output {
        self.script("uninstall.sh", arguments).output().unwrap()
    }

    /// A script of `deploy/`, as its user runs it.
    pub(crate) fn script(&self, path: &str, arguments: &[&str]) -> Command {
        let mut script = Command::new(deploy().join(path));
        script.args(arguments).env("KUBECTL", kubectl());
        at_home(&mut script, &BED, &BED.kubeconfig());
        script
    }

    /// Lets a namespace end that somebody has deleted, as the controller does that this cluster has not.
    pub(crate) fn end_namespace(&self, name: &str) {
        let get = ["get", "namespace", name, "--ignore-not-found", "-o", "json"];
        let text = done(self.kubectl(&get));
        if text.is_empty() {
            return;
        }
        let mut namespace: Value = serde_json::from_str(&text).unwrap();
        if namespace["metadata"]["deletionTimestamp"].is_null() {
            return;
        }
        namespace["spec"]["finalizers"] = json!([]);
        let path = format!("/api/v1/namespaces/{name}/finalize");
        let replace = ["replace", "--raw", &path, "-f", "-"];
        done(self.kubectl_with(&replace, &namespace.to_string()));
    }

    /// helm in the namespace of the installation.
    pub(crate) fn helm(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(helm());
        command
            .args(["--namespace", "istio-system"])
            .args(arguments);
        succeeded(
            at_home(&mut command, &BED, &BED.kubeconfig())
                .output()
                .unwrap(),
        )
    }

    /// The cluster as the controller sees it.
    pub(crate) fn as_controller(&self) -> Account {
        self.as_account("istio-system", "aeraki")
    }

    /// The cluster as any service account sees it, which must exist.
    pub(crate) fn as_account(&self, namespace: &str, name: &str) -> Account {
        let kubeconfig = BED.kubeconfig_of(namespace, name);
        Account(RUNTIME.block_on(kubeconfig).unwrap())
    }
}

/// The API server as a service account.
pub(crate) struct Account(PathBuf);

impl Account {
    pub(crate) fn kubeconfig(&self) -> &Path {
        &self.0
    }

    pub(crate) fn kubectl(&self, arguments: &[&str]) -> Output {
        kubectl_by(&BED, &self.0, arguments, "")
    }

    pub(crate) fn kubectl_with(&self, arguments: &[&str], input: &str) -> Output {
        kubectl_by(&BED, &self.0, arguments, input)
    }
}

fn kubectl_by(bed: &Testbed, kubeconfig: &Path, arguments: &[&str], input: &str) -> Output {
    let mut command = Command::new(kubectl());
    command.args(arguments);
    let mut child = at_home(&mut command, bed, kubeconfig)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).unwrap();
    drop(stdin);
    child.wait_with_output().unwrap()
}

/// No other configuration than this, and every cache inside the bed.
fn at_home<'a>(command: &'a mut Command, bed: &Testbed, kubeconfig: &Path) -> &'a mut Command {
    command
        .current_dir(bed.directory())
        .env("HOME", bed.directory())
        .env("KUBECONFIG", kubeconfig)
        .env_remove("XDG_CACHE_HOME")
}

/// What a program printed that must have succeeded.
pub(crate) fn done(output: Output) -> String {
    succeeded(output)
}

/// What a program complained of that must have failed.
pub(crate) fn refused(output: &Output) -> String {
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(!output.status.success(), "{printed}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}
