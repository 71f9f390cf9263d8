//! A controller in small: config in, EnvoyFilters at a real API server out, and a proxy in between that sees each request.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aeraki_api::Cr;
use aeraki_api::networking::ServiceEntry;
use aeraki_core::draft::{Direction, FilterDraft, NetworkFilter, Placement};
use aeraki_core::engine::Engine;
use aeraki_core::generator::{GenerateError, Generator, ServiceContext};
use aeraki_core::object::{ConfigEvent, Kind, Object, ObjectKey};
use aeraki_core::plan::CompleteView;
use aeraki_core::protocol::Protocol;
use aeraki_core::reconcile::Reconciler;
use aeraki_core::registry::{Registration, Registry};
use aeraki_core::settings::Settings;
use aeraki_kube::client::{ClientOptions, connect};
use aeraki_kube::lease::Fence;
use aeraki_kube::writer::Reason;
use aeraki_kube::{Filters, Orders, Outcome, Pace, Pending, Writer, WriterOptions};
use aeraki_testbed::fault::{ApiRequest, HttpProxy, Verb};
use aeraki_testbed::{Cluster, Testbed};
use kube::Client;
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

/// Nothing here takes so long, unless it never comes.
const LONG: Duration = Duration::from_secs(60);

pub(crate) const ENVOY_FILTER: &str = "networking.istio.io/v1alpha3/EnvoyFilter";

/// A protocol whose filter says what the service's annotation `word` says.
struct Echo;

impl Generator for Echo {
    fn generate(&self, ctx: &ServiceContext<'_>) -> Result<Vec<FilterDraft>, GenerateError> {
        let word = ctx.service().annotation("word").unwrap_or_default();
        let typed_config = json!({"@type": "type.googleapis.com/example.Echo", "word": word});
        let filter = NetworkFilter {
            placement: Placement::Replace,
            name: "example.echo",
            typed_config: typed_config.into(),
        };
        Ok(vec![FilterDraft::network(Direction::Outbound, filter)])
    }
}

static ECHO: Registration = Registration::new(Protocol::Custom("echo"), &Echo).origin("tests");

pub(crate) fn engine() -> Engine {
    let registry = Registry::of([&ECHO]).expect("one protocol");
    Engine::new(Settings::default(), registry)
}

/// A service that only its own namespace sees, so that its filter lies there too.
pub(crate) fn service(namespace: &str, name: &str, n: usize, word: &str) -> ConfigEvent {
    let address = format!("240.240.{}.{}", n / 250, n % 250 + 1);
    let spec: ServiceEntry = serde_json::from_value(json!({
        "hosts": [format!("{name}.example.com")], "addresses": [address], "exportTo": ["."],
        "ports": [{"number": 1, "name": "tcp-echo", "protocol": "TCP"}],
    }))
    .expect("a ServiceEntry");
    let mut cr = Cr::new(name, namespace, spec);
    cr.metadata.annotations = [("word".to_owned(), word.to_owned())].into();
    ConfigEvent::Put(Arc::new(Object::from(cr)))
}

pub(crate) fn gone(namespace: &str, name: &str) -> ConfigEvent {
    ConfigEvent::Delete(ObjectKey::new(Kind::SERVICE_ENTRY, namespace, name))
}

/// A namespace of a real cluster, an account that may do everything, and its way to the API server.
pub(crate) struct Place {
    pub(crate) cluster: Cluster,
    pub(crate) proxy: HttpProxy,
    pub(crate) client: Client,
    pub(crate) namespace: &'static str,
}

impl Place {
    /// One for a test, under a name of its own.
    pub(crate) async fn new(bed: &Testbed, namespace: &'static str) -> Self {
        let place = Self::without_rights(bed, namespace).await;
        place.grant("cluster-admin", "").await;
        place
    }

    /// The same, with an account that may do nothing.
    pub(crate) async fn without_rights(bed: &Testbed, namespace: &'static str) -> Self {
        let cluster = bed.cluster().await.expect("the API server answers");
        let text = format!("{{apiVersion: v1, kind: Namespace, metadata: {{name: {namespace}}}}}");
        cluster.apply(&text).await.expect("a namespace");
        let account = cluster.create_service_account("istio-system", namespace);
        account.await.expect("an account");
        let proxy = HttpProxy::start(bed).await.expect("a proxy");
        let client = client(bed, &proxy, namespace).await;
        Self {
            cluster,
            proxy,
            client,
            namespace,
        }
    }

    /// Grants a cluster role, which is made of these rules if there are any.
    pub(crate) async fn grant(&self, role: &str, rules: &str) {
        let name = self.namespace;
        let role_object = format!(
            "{{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {{name: {role}}}, rules: [{rules}]}}"
        );
        if !rules.is_empty() {
            self.cluster.apply(&role_object).await.expect("a role");
        }
        let binding = format!(
            "{{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {{name: {name}}},
              roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: {role}}},
              subjects: [{{kind: ServiceAccount, name: {name}, namespace: istio-system}}]}}"
        );
        self.cluster.apply(&binding).await.expect("a binding");
    }

    /// A controller that may always write.
    pub(crate) fn controller(&self) -> Controller {
        Controller::start(self, Fence::open(), brisk())
    }

    pub(crate) async fn filters(&self) -> Vec<Value> {
        let list = self.cluster.list(ENVOY_FILTER, self.namespace);
        list.await.expect("EnvoyFilters can be listed")
    }

    pub(crate) async fn filter(&self, name: &str) -> Option<Value> {
        let get = self.cluster.get(ENVOY_FILTER, self.namespace, name);
        get.await.expect("EnvoyFilters can be read")
    }

    /// Name and word of each EnvoyFilter.
    pub(crate) async fn words(&self) -> Vec<(String, String)> {
        let filters = self.filters().await;
        let words = filters.iter().map(|filter| (name(filter), word(filter)));
        words.collect()
    }

    /// Waits until the API server has it like this.
    pub(crate) async fn until(
        &self,
        what: &str,
        condition: impl Fn(&[Value]) -> bool,
    ) -> Vec<Value> {
        let reached = timeout(LONG, async {
            loop {
                let filters = self.filters().await;
                if condition(&filters) {
                    return filters;
                }
                sleep(Duration::from_millis(20)).await;
            }
        });
        match reached.await {
            Ok(filters) => filters,
            Err(_) => panic!("not in time: {what}; {:?}", self.words().await),
        }
    }

    /// Waits until each of these services' filters says its word, and there is no other of ours.
    pub(crate) async fn until_words(&self, expected: &[(&str, &str)]) -> Vec<Value> {
        let mut expected: Vec<String> = expected
            .iter()
            .map(|(_, word)| (*word).to_owned())
            .collect();
        expected.sort();
        self.until(&format!("{expected:?}"), |filters| {
            let mut words: Vec<String> = filters.iter().map(word).collect();
            words.sort();
            words == expected
        })
        .await
    }

    /// Requests that were to change EnvoyFilters, in order.
    pub(crate) fn writes(&self) -> Vec<ApiRequest> {
        let all = self.proxy.requests().into_iter();
        all.filter(|request| request.verb.writes() && request.path.contains("/envoyfilters"))
            .collect()
    }

    pub(crate) fn verbs(&self) -> Vec<Verb> {
        self.writes().iter().map(|request| request.verb).collect()
    }
}

/// A client as the product makes it.
pub(crate) async fn client(bed: &Testbed, proxy: &HttpProxy, account: &str) -> Client {
    let kubeconfig = bed.kubeconfig_through(proxy, "istio-system", account);
    let options = ClientOptions {
        kubeconfig: Some(kubeconfig.await.expect("a kubeconfig")),
        ..ClientOptions::default()
    };
    connect(&options).await.expect("a client")
}

pub(crate) fn brisk() -> WriterOptions {
    WriterOptions {
        answer: Duration::from_secs(1),
        ..WriterOptions::default()
    }
}

pub(crate) fn name(filter: &Value) -> String {
    let name = filter["metadata"]["name"].as_str();
    name.unwrap_or_default().to_owned()
}

/// What an EnvoyFilter of [`Echo`] says.
pub(crate) fn word(filter: &Value) -> String {
    let word = filter.pointer("/spec/configPatches/0/patch/value/typed_config/word");
    word.and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// A planner and a writer. Dropping it is a crash.
pub(crate) struct Controller {
    events: mpsc::UnboundedSender<Vec<ConfigEvent>>,
    pub(crate) orders: Orders,
    pub(crate) filters: Filters,
    outcomes: Arc<Mutex<Vec<Outcome>>>,
    tasks: Vec<JoinHandle<()>>,
    writer: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
}

impl Drop for Controller {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
        if let Some((_, writer)) = &self.writer {
            writer.abort();
        }
    }
}

impl Controller {
    pub(crate) fn start(place: &Place, fence: Fence, options: WriterOptions) -> Self {
        let client = place.client.clone();
        let filters = Filters::new("istio-system");
        let (writer, orders, mut told) =
            Writer::new(client.clone(), filters.clone(), fence, options);
        let (events, incoming) = mpsc::unbounded_channel();
        let outcomes = Arc::new(Mutex::new(Vec::new()));
        let (stop, stopped) = oneshot::channel();
        let writer = tokio::spawn(writer.run(async { drop(stopped.await) }));
        let (followed, namespace) = (filters.clone(), place.namespace);
        let follow = tokio::spawn(async move {
            let pace = Pace {
                answer: Duration::from_secs(20),
                ..Pace::default()
            };
            followed.follow(client, Some(namespace), pace).await;
        });
        let plan = tokio::spawn(plan(filters.clone(), orders.clone(), incoming));
        let kept = Arc::clone(&outcomes);
        let keep = tokio::spawn(async move {
            while let Some(outcome) = told.recv().await {
                kept.lock().expect("no panic under the lock").push(outcome);
            }
        });
        Self {
            events,
            orders,
            filters,
            outcomes,
            tasks: vec![follow, plan, keep],
            writer: Some((stop, writer)),
        }
    }

    /// Takes config in, all at once.
    pub(crate) fn apply(&self, events: impl IntoIterator<Item = ConfigEvent>) {
        let events = events.into_iter().collect();
        self.events.send(events).expect("the planner lives");
    }

    pub(crate) fn outcomes(&self) -> Vec<Outcome> {
        let outcomes = self.outcomes.lock();
        outcomes.expect("no panic under the lock").clone()
    }

    /// The reasons of all failures.
    pub(crate) fn reasons(&self) -> Vec<Reason> {
        let failures = self.outcomes().into_iter();
        failures
            .filter_map(|outcome| Some(outcome.result.err()?.reason))
            .collect()
    }

    pub(crate) async fn until(&self, what: &str, condition: impl Fn(&Self) -> bool) {
        until(what, async || condition(self)).await;
    }

    pub(crate) async fn until_idle(&self) {
        self.until("nothing to do", |this| {
            this.orders.pending() == Pending::default()
        })
        .await;
    }

    /// Stops the writer as a process does that ends in good order.
    pub(crate) async fn stop(mut self) {
        if let Some((stop, writer)) = self.writer.take() {
            drop(stop);
            writer.await.expect("the writer ends");
        }
    }
}

/// Waits for a condition.
pub(crate) async fn until(what: &str, condition: impl AsyncFn() -> bool) {
    let reached = timeout(LONG, async {
        while !condition().await {
            sleep(Duration::from_millis(10)).await;
        }
    });
    assert!(reached.await.is_ok(), "not in time: {what}");
}

async fn plan(
    filters: Filters,
    orders: Orders,
    mut incoming: mpsc::UnboundedReceiver<Vec<ConfigEvent>>,
) {
    let mut reconciler = Reconciler::new(engine());
    loop {
        tokio::select! {
            Some(events) = incoming.recv() => {
                for event in events {
                    reconciler.apply(event);
                }
                reconciler.view(Some(CompleteView::assert()), 1);
            }
            changes = filters.changed() => {
                for (key, content) in changes.changed {
                    reconciler.observe(&key, content);
                }
                reconciler.observed_whole(changes.is_whole);
            }
        }
        orders.give(reconciler.step().actions);
    }
}

/// Runs something to its end, but not for ever.
pub(crate) async fn in_time<T>(what: &str, work: impl Future<Output = T>) -> T {
    match timeout(LONG, work).await {
        Ok(done) => done,
        Err(_) => panic!("not in time: {what}"),
    }
}
