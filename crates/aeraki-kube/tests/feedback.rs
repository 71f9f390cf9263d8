//! Events and conditions at a real API server.

mod view;

use std::time::Duration;

use aeraki_api::Timestamp;
use aeraki_core::diagnostic::{Diagnostic, catalogue};
use aeraki_core::object::{Kind, Object, ObjectKey};
use aeraki_core::registry::{Input, Registration, Registry};
use aeraki_kube::events::{Notice, Notices, Recorder};
use aeraki_kube::lease::{Elector, ElectorOptions, Fence, Role, Timing};
use aeraki_kube::status::{Output, StatusWriter, Verdict, Written};
use aeraki_kube::{Identities, WantedKind};
use aeraki_testbed::{Cluster, Options, Testbed};
use serde_json::Value;
use tokio::sync::{OnceCell, watch};
use view::{Running, brisk, cache, definition, namespace, only, service_entry};

static BED: OnceCell<Testbed> = OnceCell::const_new();

async fn bed() -> &'static Testbed {
    let start = || Testbed::start(Options::default().without_istiod());
    BED.get_or_try_init(start).await.expect("the bed starts")
}

async fn cluster(name: &str) -> Cluster {
    let cluster = bed().await.cluster().await.expect("the API server answers");
    cluster.apply(&namespace(name)).await.expect("a namespace");
    cluster
}

fn diagnostic(kind: Kind, namespace: &str) -> Diagnostic {
    let key = ObjectKey::new(kind, namespace, "a");
    Diagnostic::new(&catalogue::UNKNOWN_PROTOCOL, &key, "`dubo` is no protocol")
        .at("spec.ports[0].name")
}

/// A recorder that leads, and where its notices go.
fn recorder(cluster: &Cluster, identities: &Identities, pod: &str) -> watch::Sender<Vec<Notice>> {
    let (sender, notices) = watch::channel(Vec::new());
    let (leads, leading) = watch::channel(true);
    let recorder = Recorder::new(cluster.client(), identities.clone(), pod, Fence::open());
    tokio::spawn(async move {
        recorder.run(notices, leading).await;
        drop(leads);
    });
    sender
}

/// The Events of a namespace once the condition holds.
async fn events(cluster: &Cluster, ns: &str, condition: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    for _ in 0..300 {
        let events = cluster
            .list("events.k8s.io/v1/Event", ns)
            .await
            .expect("Events can be listed");
        if condition(&events) {
            return events;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    panic!("the Events never came");
}

#[tokio::test]
async fn an_event_stands_on_the_users_object_once_whoever_leads() {
    let ns = "events";
    let cluster = cluster(ns).await;
    let applied = cluster.apply(&service_entry(ns, "a")).await.unwrap();
    let uid = applied[0]["metadata"]["uid"].clone();
    let mut source = Running::start(cluster.client(), only(Kind::SERVICE_ENTRY, ns), brisk());
    source.until("a complete view", |s| s.is_complete()).await;

    let news = Notices::new(&Registry::default()).of([&diagnostic(Kind::SERVICE_ENTRY, ns)]);
    let first = recorder(&cluster, &source.identities, "pod-1");
    first.send(news.clone()).unwrap();
    let told = events(&cluster, ns, |events| !events.is_empty()).await;
    let event = &told[0];
    assert_eq!(event["regarding"]["uid"], uid);
    assert_eq!(event["regarding"]["kind"], "ServiceEntry");
    assert_eq!(event["regarding"]["apiVersion"], "networking.istio.io/v1");
    assert_eq!(
        (&event["type"], &event["reason"]),
        (&"Warning".into(), &"ProtocolUnsupported".into())
    );
    assert!(
        event["note"]
            .as_str()
            .unwrap()
            .starts_with("AER0101: spec.ports[0].name: `dubo`")
    );
    assert_eq!(event["reportingController"], "aeraki.net/controller");
    assert_eq!(event["reportingInstance"], "pod-1");

    // Another leader says the same: the Event is counted up.
    let second = recorder(&cluster, &source.identities, "pod-2");
    second.send(news.clone()).unwrap();
    let told = events(&cluster, ns, |events| {
        events.iter().any(|e| e["series"]["count"] == 2)
    })
    .await;
    assert_eq!(told.len(), 1, "{told:?}");

    // Other news is another Event, and repetition within the same process is none.
    let other = Notice {
        reason: "InvalidRoute",
        note: "other news".to_owned(),
        ..news[0].clone()
    };
    first.send(vec![news[0].clone(), other]).unwrap();
    let told = events(&cluster, ns, |events| events.len() == 2).await;
    let reasons: Vec<_> = told
        .iter()
        .map(|event| event["reason"].as_str().unwrap())
        .collect();
    assert!(reasons.contains(&"InvalidRoute"), "{reasons:?}");
    let counts = |event: &Value| event["series"]["count"].as_u64();
    assert!(told.iter().filter_map(counts).all(|count| count == 2));
}

#[tokio::test]
async fn an_object_that_is_not_watched_is_looked_up() {
    let ns = "lookup";
    let cluster = cluster(ns).await;
    let rule = "{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: a, namespace: lookup},
      spec: {hosts: [a.example], http: [{route: [{destination: {host: a.example}}]}]}}";
    let applied = cluster.apply(rule).await.unwrap();
    let source = Running::start(cluster.client(), only(Kind::SERVICE_ENTRY, ns), brisk());
    let sender = recorder(&cluster, &source.identities, "pod-1");
    let notices = Notices::new(&Registry::default());
    let absent = Diagnostic::new(
        &catalogue::IDLE_RULE,
        &ObjectKey::new(Kind::VIRTUAL_SERVICE, ns, "b"),
        "idle",
    );
    sender
        .send(notices.of([&absent, &diagnostic(Kind::VIRTUAL_SERVICE, ns)]))
        .unwrap();
    let told = events(&cluster, ns, |events| !events.is_empty()).await;
    assert_eq!(
        told.len(),
        1,
        "nothing is said of an object that is not there"
    );
    assert_eq!(told[0]["regarding"]["uid"], applied[0]["metadata"]["uid"]);
}

#[tokio::test]
async fn a_follower_says_nothing_until_it_leads() {
    let ns = "follower";
    let cluster = cluster(ns).await;
    cluster.apply(&service_entry(ns, "a")).await.unwrap();
    let mut source = Running::start(cluster.client(), only(Kind::SERVICE_ENTRY, ns), brisk());
    source.until("a complete view", |s| s.is_complete()).await;
    let (sender, notices) = watch::channel(Vec::new());
    let (leads, leading) = watch::channel(false);
    let recorder = Recorder::new(
        cluster.client(),
        source.identities.clone(),
        "pod-1",
        Fence::open(),
    );
    tokio::spawn(recorder.run(notices, leading));
    sender
        .send(Notices::new(&Registry::default()).of([&diagnostic(Kind::SERVICE_ENTRY, ns)]))
        .unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(
        cluster
            .list("events.k8s.io/v1/Event", ns)
            .await
            .unwrap()
            .len(),
        0
    );
    leads.send(true).unwrap();
    events(&cluster, ns, |events| events.len() == 1).await;
}

/// A candidate for a Lease of its own in this namespace.
fn elector(ns: &str) -> Elector {
    Elector::new(ElectorOptions {
        namespace: ns.to_owned(),
        election_id: "aeraki".to_owned(),
        identity: "pod-1".to_owned(),
        root_namespace: ns.to_owned(),
        timing: Timing::default(),
    })
}

#[tokio::test]
async fn events_wait_behind_a_closed_fence_even_of_one_who_thinks_that_it_leads() {
    let ns = "fenced-events";
    let cluster = cluster(ns).await;
    cluster.apply(&service_entry(ns, "a")).await.unwrap();
    let mut source = Running::start(cluster.client(), only(Kind::SERVICE_ENTRY, ns), brisk());
    source.until("a complete view", |s| s.is_complete()).await;
    let news = Notices::new(&Registry::default()).of([&diagnostic(Kind::SERVICE_ENTRY, ns)]);
    let (_sender, notices) = watch::channel(news);
    let (_leads, leading) = watch::channel(true);
    let elector = elector(ns);
    let recorder = Recorder::new(
        cluster.client(),
        source.identities.clone(),
        "pod-1",
        elector.fence(),
    );
    tokio::spawn(recorder.run(notices, leading));
    tokio::time::sleep(Duration::from_secs(1)).await;
    let log = bed().await.audit_log().unwrap();
    let uri = format!("/namespaces/{ns}/events");
    assert!(!log.iter().any(|entry| entry.uri.contains(&uri)));

    tokio::spawn(elector.run(cluster.client(), std::future::pending()));
    events(&cluster, ns, |events| events.len() == 1).await;
}

struct Silent;

impl aeraki_core::generator::Generator for Silent {
    fn generate(
        &self,
        _: &aeraki_core::generator::ServiceContext<'_>,
    ) -> Result<Vec<aeraki_core::draft::FilterDraft>, aeraki_core::generator::GenerateError> {
        Ok(Vec::new())
    }
}

/// A registry with a kind of a group of the test's own.
macro_rules! registry_of {
    ($input:ident, $group:literal) => {{
        static $input: Input = Input {
            kind: Kind::new($group, "Cache"),
            versions: &["v1"],
            hosts: |_| Vec::new(),
            check: |_| Vec::new(),
            crd: Some(|| Value::Null),
        };
        static REGISTRATION: Registration =
            Registration::new(aeraki_core::protocol::Protocol::Custom("cache"), &Silent)
                .inputs(&[$input]);
        Registry::of([&REGISTRATION]).unwrap()
    }};
}

fn verdict(made: usize, pending: usize) -> Verdict {
    Verdict::of([], Output { made, pending })
}

fn object(source: &Running) -> Object {
    (**source.objects.values().next().expect("an object")).clone()
}

/// A namespace with one object `a` of the group's kind, which has conditions, and a source that has seen it.
async fn followed(group: &str, ns: &str, registry: &Registry) -> (Cluster, Running) {
    let cluster = cluster(ns).await;
    let definition = definition(group, "{status: {}}");
    cluster.apply(&definition).await.expect("a definition");
    cluster
        .apply(&cache(group, ns, "a", "1"))
        .await
        .expect("an object");
    let wanted: Vec<_> = registry
        .inputs()
        .map(|input| WantedKind::declared(input).within(ns))
        .collect();
    let mut source = Running::start(cluster.client(), wanted, brisk());
    source.until("a complete view", |s| s.is_complete()).await;
    (cluster, source)
}

#[tokio::test]
async fn conditions_are_written_once_and_nothing_else_is_touched() {
    const GROUP: &str = "status.example.com";
    let registry = registry_of!(STATUS, "status.example.com");
    let ns = "status";
    let (cluster, mut source) = followed(GROUP, ns, &registry).await;

    let mut writer = StatusWriter::new(cluster.client(), &registry, Fence::open());
    let now = Timestamp::from_secs(1_700_000_000);
    let seen = object(&source);
    let write = async |writer: &mut StatusWriter, object: &Object, verdict: &Verdict| {
        writer.write(object, verdict, now).await.unwrap()
    };
    assert_eq!(
        write(&mut writer, &seen, &verdict(2, 1)).await,
        Written::Written
    );
    assert_eq!(
        write(&mut writer, &seen, &verdict(2, 1)).await,
        Written::Unchanged,
        "before the watch tells"
    );
    let has_status = |source: &Running| match &object(source).body {
        aeraki_core::object::Body::Extra(json) => json.0.get("status").is_some(),
        _ => false,
    };
    source.until("the status by watch", has_status).await;
    let seen = object(&source);
    assert_eq!(
        write(&mut writer, &seen, &verdict(2, 1)).await,
        Written::Unchanged,
        "after it told"
    );
    let mut other = StatusWriter::new(cluster.client(), &registry, Fence::open());
    assert_eq!(
        write(&mut other, &seen, &verdict(2, 1)).await,
        Written::Unchanged,
        "another leader"
    );
    assert_eq!(
        write(&mut writer, &seen, &verdict(2, 0)).await,
        Written::Written
    );

    // The object changes while the writer still has the old one in hand.
    cluster.apply(&cache(GROUP, ns, "a", "2")).await.unwrap();
    assert_eq!(
        write(&mut other, &seen, &verdict(0, 0)).await,
        Written::Written
    );

    let kind = format!("{GROUP}/v1/Cache");
    let now_there = cluster.get(&kind, ns, "a").await.unwrap().unwrap();
    let conditions = &now_there["status"]["conditions"];
    assert_eq!(conditions[0]["type"], "Accepted");
    assert_eq!(
        (&conditions[1]["type"], &conditions[1]["reason"]),
        (&"Programmed".into(), &"NotUsed".into())
    );
    assert_eq!(conditions[1]["observedGeneration"], 2);
    assert_eq!(now_there["spec"]["size"], 2, "the user's change stays");
    assert_eq!(now_there["metadata"]["annotations"]["mine"], "yes");
    let log = bed().await.audit_log().unwrap();
    let writes: Vec<u16> = log
        .iter()
        .filter(|entry| entry.subresource == "status" && entry.group == GROUP)
        .map(|entry| entry.code)
        .collect();
    assert_eq!(writes, [200, 200, 409, 200]);
}

#[tokio::test]
async fn a_kind_without_a_status_and_an_object_that_is_gone_are_left_alone() {
    const GROUP: &str = "plain.example.com";
    let registry = registry_of!(PLAIN, "plain.example.com");
    let ns = "plain";
    let cluster = cluster(ns).await;
    cluster.apply(&definition(GROUP, "{}")).await.unwrap();
    cluster.apply(&cache(GROUP, ns, "a", "1")).await.unwrap();
    let wanted: Vec<_> = registry
        .inputs()
        .map(|input| WantedKind::declared(input).within(ns))
        .collect();
    let mut source = Running::start(cluster.client(), wanted, brisk());
    source.until("a complete view", |s| s.is_complete()).await;
    let mut writer = StatusWriter::new(cluster.client(), &registry, Fence::open());
    let (seen, now) = (object(&source), Timestamp::from_secs(0));
    for _ in 0..2 {
        let written = writer.write(&seen, &verdict(1, 0), now).await.unwrap();
        assert_eq!(written, Written::Absent);
    }
    let log = bed().await.audit_log().unwrap();
    let tries = log
        .iter()
        .filter(|entry| entry.uri.contains("/apis/plain.example.com/") && entry.verb == "update");
    assert_eq!(
        tries.count(),
        1,
        "a kind without a status is not asked twice"
    );

    cluster
        .delete(&format!("{GROUP}/v1/Cache"), ns, "a")
        .await
        .unwrap();
    let mut another = StatusWriter::new(cluster.client(), &registry, Fence::open());
    assert_eq!(
        another.write(&seen, &verdict(1, 0), now).await.unwrap(),
        Written::Absent
    );
}

#[tokio::test]
async fn no_status_is_written_behind_a_closed_fence() {
    const GROUP: &str = "fenced.example.com";
    let registry = registry_of!(FENCED, "fenced.example.com");
    let ns = "fenced-status";
    let (cluster, source) = followed(GROUP, ns, &registry).await;
    let elector = elector(ns);
    let (fence, mut role) = (elector.fence(), elector.role());
    let mut writer = StatusWriter::new(cluster.client(), &registry, fence);
    let (seen, now) = (object(&source), Timestamp::from_secs(0));
    let written = writer.write(&seen, &verdict(1, 0), now).await.unwrap();
    assert_eq!(written, Written::Fenced);
    let log = bed().await.audit_log().unwrap();
    let mut of_kind = log.iter().filter(|entry| entry.group == GROUP);
    assert!(!of_kind.any(|entry| entry.subresource == "status"));

    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let task = tokio::spawn(elector.run(cluster.client(), async { drop(stopped.await) }));
    role.wait_for(|role| *role == Role::Leading).await.unwrap();
    let written = writer.write(&seen, &verdict(1, 0), now).await.unwrap();
    assert_eq!(written, Written::Written);

    // Who lets go of the Lease says so, and writes no more.
    drop(stop);
    task.await.unwrap();
    assert_eq!(*role.borrow(), Role::Following { leader: None });
    let written = writer.write(&seen, &verdict(1, 1), now).await.unwrap();
    assert_eq!(written, Written::Fenced);
}
