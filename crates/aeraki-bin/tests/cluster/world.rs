//! The mesh that a test has for itself.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aeraki_testbed::fault::HttpProxy;
use aeraki_testbed::{Cluster, Options, Testbed};
use kube::Api;
use kube::api::{ApiResource, DynamicObject, GroupVersionKind, PostParams};
use proto_redis as _;
use serde_json::Value;
use tokio::sync::{Mutex, MutexGuard, OnceCell};
use tokio::time::{sleep, timeout};

use crate::aeraki::{AERAKI, Aeraki, command};

/// Long enough for a machine that does other things too; nothing waits so long when all is well.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) const ENVOY_FILTER: &str = "networking.istio.io/v1alpha3/EnvoyFilter";

/// What a test may leave behind.
const KINDS: [&str; 7] = [
    "admissionregistration.k8s.io/v1/ValidatingWebhookConfiguration",
    ENVOY_FILTER,
    "events.k8s.io/v1/Event",
    "networking.istio.io/v1/VirtualService",
    "networking.istio.io/v1/DestinationRule",
    "networking.istio.io/v1/ServiceEntry",
    "networking.istio.io/v1/Sidecar",
];

static BED: OnceCell<Testbed> = OnceCell::const_new();
static STARTED: AtomicUsize = AtomicUsize::new(0);
static TURN: Mutex<()> = Mutex::const_new(());

/// EnvoyFilters by `<namespace>/<name>`.
pub(crate) type Filters = BTreeMap<String, Value>;

/// What is started, and how it gets to the servers.
struct Ways<'a> {
    program: &'a Path,
    kubeconfig: PathBuf,
    istiod: String,
}

/// A mesh without config.
pub(crate) struct World {
    pub(crate) bed: &'static Testbed,
    pub(crate) cluster: Cluster,
    credentials: tempfile::TempDir,
    _turn: MutexGuard<'static, ()>,
}

impl World {
    /// Waits for its turn.
    pub(crate) async fn empty() -> Self {
        let turn = TURN.lock().await;
        let start = || Testbed::start(Options::default().with_sidecars());
        let bed = BED.get_or_try_init(start).await.expect("the bed starts");
        let cluster = bed.cluster().await.unwrap();
        let world = Self {
            bed,
            cluster,
            credentials: tempfile::tempdir().unwrap(),
            _turn: turn,
        };
        world.clear().await;
        world.set_up_credentials().await;
        world
    }

    /// Removes what earlier tests left.
    async fn clear(&self) {
        let namespaces = self.cluster.list("v1/Namespace", "").await.unwrap();
        let mut services = self.cluster.list("v1/Service", "").await.unwrap();
        services.retain(|service| service["metadata"]["name"] != "kubernetes");
        self.delete("v1/Service", &services).await;
        for kind in KINDS {
            let objects = self.cluster.list(kind, "").await.unwrap();
            self.delete(kind, &objects).await;
        }
        assert!(!namespaces.is_empty());
    }

    async fn delete(&self, kind: &str, objects: &[Value]) {
        for object in objects {
            let meta = &object["metadata"];
            let (namespace, name) = (
                meta["namespace"].as_str().unwrap_or_default(),
                meta["name"].as_str().unwrap(),
            );
            self.cluster.delete(kind, namespace, name).await.unwrap();
        }
    }

    async fn set_up_credentials(&self) {
        self.cluster
            .create_service_account("istio-system", "aeraki")
            .await
            .unwrap();
        let token = self
            .cluster
            .token("istio-system", "aeraki", "istio-ca")
            .await
            .unwrap();
        fs::write(self.file("token"), token).unwrap();
        fs::write(
            self.file("root.pem"),
            self.cluster.root_cert().await.unwrap(),
        )
        .unwrap();
    }

    fn file(&self, name: &str) -> PathBuf {
        self.credentials.path().join(name)
    }

    /// A namespace, if it is not there yet.
    pub(crate) async fn namespace(&self, name: &str) {
        let yaml = format!("{{apiVersion: v1, kind: Namespace, metadata: {{name: {name}}}}}");
        self.cluster.apply(&yaml).await.unwrap();
    }

    /// Redis' own kinds, as this binary defines them.
    pub(crate) async fn define_redis(&self) {
        let registry = aeraki_core::registry::Registry::linked().unwrap();
        for input in registry.inputs() {
            if let Some(definition) = input.crd {
                self.cluster.apply(&definition().to_string()).await.unwrap();
            }
        }
    }

    /// Makes an EnvoyFilter under the name of this field manager.
    pub(crate) async fn create_as(&self, manager: &str, object: Value) {
        let object: DynamicObject = serde_json::from_value(object).unwrap();
        let kind = ApiResource::from_gvk(&GroupVersionKind::gvk(
            "networking.istio.io",
            "v1alpha3",
            "EnvoyFilter",
        ));
        let namespace = object.metadata.namespace.clone().unwrap();
        let api = Api::<DynamicObject>::namespaced_with(self.cluster.client(), &namespace, &kind);
        let params = PostParams {
            field_manager: Some(manager.to_owned()),
            ..PostParams::default()
        };
        api.create(&params, &object).await.unwrap();
    }

    /// Lets the service account `aeraki` do everything.
    pub(crate) async fn grant_everything(&self) {
        let binding = "\
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: aeraki-everything}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}
subjects: [{kind: ServiceAccount, name: aeraki, namespace: istio-system}]
";
        self.cluster.apply(binding).await.unwrap();
    }

    /// The API server by way of a proxy, as the service account `aeraki`.
    pub(crate) async fn kubeconfig_through(&self, proxy: &HttpProxy) -> PathBuf {
        let kubeconfig = self.bed.kubeconfig_through(proxy, "istio-system", "aeraki");
        kubeconfig.await.unwrap()
    }

    /// `aeraki run` as it stands in a cluster: from istiod, elected.
    pub(crate) fn start(&self, args: &[&str]) -> Aeraki {
        self.start_with(args, |_| {})
    }

    /// The same with something more said of the command.
    pub(crate) fn start_with(&self, args: &[&str], say: impl FnOnce(&mut Command)) -> Aeraki {
        let (number, mut command) = self.command(&self.usual(), args);
        say(&mut command);
        self.run(number, command)
    }

    /// The same of another program than the command as it is.
    pub(crate) fn start_program(&self, program: &Path, args: &[&str]) -> Aeraki {
        let ways = Ways {
            program,
            ..self.usual()
        };
        let (number, command) = self.command(&ways, args);
        self.run(number, command)
    }

    fn usual(&self) -> Ways<'static> {
        Ways {
            program: Path::new(AERAKI),
            kubeconfig: self.bed.kubeconfig(),
            istiod: self.bed.istiod().grpc_tls.to_string(),
        }
    }

    /// The same with another way to the API server or to istiod.
    pub(crate) fn start_as(&self, kubeconfig: &Path, istiod: &str, args: &[&str]) -> Aeraki {
        let ways = Ways {
            kubeconfig: kubeconfig.to_owned(),
            istiod: istiod.to_owned(),
            ..self.usual()
        };
        let (number, command) = self.command(&ways, args);
        self.run(number, command)
    }

    fn run(&self, number: usize, command: Command) -> Aeraki {
        let process = self.bed.run(&format!("aeraki-{number}"), command).unwrap();
        Aeraki::new(process)
    }

    fn command(&self, ways: &Ways<'_>, args: &[&str]) -> (usize, Command) {
        // A number of its own keeps it from waiting for the Lease, or reading the log, of a test that was before.
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let mut command = command(ways.program, args);
        if !args.iter().any(|arg| arg.starts_with("--election-id")) {
            command.arg(format!("--election-id=of-test-{number}"));
        }
        command
            .arg("--kubeconfig")
            .arg(&ways.kubeconfig)
            .args(["--istiod-address", &ways.istiod, "--istiod-token"])
            .arg(self.file("token"))
            .arg("--istiod-root-cert")
            .arg(self.file("root.pem"));
        (number, command)
    }

    /// The EnvoyFilters that are there.
    pub(crate) async fn filters(&self) -> Filters {
        let all = self.cluster.list(ENVOY_FILTER, "").await.unwrap();
        let named = |filter: Value| {
            let meta = &filter["metadata"];
            let key = format!(
                "{}/{}",
                meta["namespace"].as_str().unwrap(),
                meta["name"].as_str().unwrap()
            );
            (key, filter)
        };
        all.into_iter().map(named).collect()
    }

    /// Waits until the EnvoyFilters are like this, and returns them.
    pub(crate) async fn until(&self, what: &str, is_so: impl Fn(&Filters) -> bool) -> Filters {
        self.until_within(0, what, is_so).await
    }

    /// The same, with patience for so many failures in a row: after each the pause is longer, up to eight seconds.
    pub(crate) async fn until_within(
        &self,
        failures: u32,
        what: &str,
        is_so: impl Fn(&Filters) -> bool,
    ) -> Filters {
        let look = async {
            loop {
                let filters = self.filters().await;
                if is_so(&filters) {
                    return filters;
                }
                sleep(Duration::from_millis(50)).await;
            }
        };
        match timeout(PATIENCE + failures * Duration::from_secs(8), look).await {
            Ok(filters) => filters,
            Err(_) => panic!(
                "never so: {what}; there are {:#?}",
                self.filters().await.keys()
            ),
        }
    }
}

/// Each that was there is there, and nobody has written it.
pub(crate) fn assert_untouched(before: &Filters, after: &Filters) {
    for (key, filter) in before {
        assert_eq!(after.get(key), Some(filter), "never touched");
    }
}

/// The Dubbo service `<name>.example` of namespace `shop` at this address.
pub(crate) fn dubbo_service(name: &str, address: &str) -> String {
    format!(
        "\
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: {name}, namespace: shop, annotations: {{interface: com.acme.{name}}}}}
spec:
  hosts: [{name}.example]
  addresses: [{address}]
  ports: [{{number: 20880, name: tcp-dubbo, protocol: TCP}}]
  resolution: STATIC
  workloadSelector: {{labels: {{app: {name}}}}}
"
    )
}

/// So many Dubbo services.
pub(crate) fn dubbo_services(count: usize) -> String {
    let service = |index: usize| {
        let address = format!("240.240.{}.{}", index / 250, index % 250 + 1);
        dubbo_service(&format!("s{index}"), &address)
    };
    (0..count).map(service).collect::<Vec<_>>().join("---\n")
}
