//! The source against a real API server: what it lists and watches, and what breaks on the way.

mod view;

use std::time::Duration;

use aeraki_core::object::{Body, Kind};
use aeraki_kube::{Pace, WantedKind};
use aeraki_testbed::fault::{HttpFault, HttpProxy, Rule, TcpFault, TcpProxy, Verb};
use aeraki_testbed::{Cluster, Options, Testbed};
use kube::Client;
use kube::config::{Config, KubeConfigOptions, Kubeconfig};
use tokio::sync::OnceCell;
use view::{
    CACHE, Running, brisk, cache, definition, namespace, only, service_entry, whole_config,
};

static BED: OnceCell<Testbed> = OnceCell::const_new();

async fn bed() -> &'static Testbed {
    let start = || Testbed::start(Options::default().without_istiod());
    BED.get_or_try_init(start).await.expect("the bed starts")
}

/// The cluster, with a namespace for one test.
async fn cluster(name: &str) -> Cluster {
    let cluster = bed().await.cluster().await.expect("the API server answers");
    cluster.apply(&namespace(name)).await.expect("a namespace");
    cluster
}

/// A client whose requests go through a proxy, as a service account that may do everything.
async fn through_proxy(cluster: &Cluster, account: &str) -> (HttpProxy, Client) {
    let bed = bed().await;
    let proxy = HttpProxy::start(bed).await.expect("a proxy");
    cluster
        .create_service_account("istio-system", account)
        .await
        .expect("an account");
    let binding = format!(
        "{{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {{name: {account}}},
          roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}},
          subjects: [{{kind: ServiceAccount, name: {account}, namespace: istio-system}}]}}"
    );
    cluster.apply(&binding).await.expect("may do everything");
    let kubeconfig = bed
        .kubeconfig_through(&proxy, "istio-system", account)
        .await
        .expect("a kubeconfig");
    let file = Kubeconfig::read_from(kubeconfig).expect("a kubeconfig");
    let mut config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default())
        .await
        .expect("a config");
    config.default_retry = false;
    (proxy, Client::try_from(config).expect("a client"))
}

const ENTRY: &str = "networking.istio.io/v1/ServiceEntry";

#[tokio::test]
async fn objects_are_seen_as_they_come_change_and_go() {
    let ns = "life";
    let cluster = cluster(ns).await;
    cluster.apply(&service_entry(ns, "old")).await.unwrap();
    let mut source = Running::start(cluster.client(), whole_config(ns), brisk());
    source.until("a complete view", |s| s.is_complete()).await;
    assert_eq!(source.names(), ["ServiceEntry life/old"]);

    cluster.apply(&service_entry(ns, "new")).await.unwrap();
    source
        .until("a new one", |s| s.has("ServiceEntry life/new"))
        .await;

    let annotated = service_entry(ns, "new").replace(
        "name: new,",
        "name: new, annotations: {interface: org.New},",
    );
    cluster.apply(&annotated).await.unwrap();
    source
        .until("an annotation", |s| {
            s.objects
                .values()
                .any(|o| o.meta.annotations.get("interface").is_some())
        })
        .await;

    let changed = annotated.replace("20880", "20881");
    cluster.apply(&changed).await.unwrap();
    let port = |body: &Body| match body {
        Body::ServiceEntry { spec, .. } => spec.get().ports[0].number,
        other => panic!("{other:?}"),
    };
    source
        .until("a new port", |s| {
            s.objects.values().any(|o| port(&o.body) == 20881)
        })
        .await;

    assert!(cluster.delete(ENTRY, ns, "new").await.unwrap());
    source.until("a deletion", |s| !s.deleted.is_empty()).await;
    assert_eq!(source.names(), ["ServiceEntry life/old"]);
    assert_eq!(source.epoch(), 1, "events are no new look");
    assert!(source.problems.is_empty(), "{:?}", source.problems);
}

#[tokio::test]
async fn all_kinds_of_the_config_are_read() {
    let ns = "kinds";
    let cluster = cluster(ns).await;
    let objects = "\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: a, namespace: kinds}
spec: {hosts: [a.example], http: [{route: [{destination: {host: a.example}}]}]}
---
apiVersion: networking.istio.io/v1beta1
kind: DestinationRule
metadata: {name: a, namespace: kinds}
spec: {host: a.example, subsets: [{name: v1, labels: {version: v1}}]}
---
apiVersion: v1
kind: Service
metadata: {name: a, namespace: kinds}
spec: {clusterIP: None, selector: {app: a}, ports: [{name: tcp-redis, port: 6379}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: a-1, namespace: kinds, labels: {kubernetes.io/service-name: a}}
addressType: IPv4
endpoints: [{addresses: [10.1.0.1], conditions: {ready: true}}]
ports: [{name: tcp-redis, port: 6379}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: b-1, namespace: kinds, labels: {kubernetes.io/service-name: b}}
addressType: IPv4
endpoints: [{addresses: [10.1.0.2]}]
ports: [{name: http, port: 80}]
";
    cluster.apply(objects).await.unwrap();
    cluster.apply(&service_entry(ns, "a")).await.unwrap();
    let mut source = Running::start(cluster.client(), whole_config(ns), brisk());
    source.until("a complete view", |s| s.is_complete()).await;
    assert_eq!(
        source.names(),
        [
            "DestinationRule kinds/a",
            "EndpointSlice kinds/a-1",
            "Service kinds/a",
            "ServiceEntry kinds/a",
            "VirtualService kinds/a"
        ],
        "and no slice of a Service that is not ours"
    );
    let key = source
        .objects
        .keys()
        .find(|key| key.kind == Kind::DESTINATION_RULE)
        .unwrap();
    let identity = source.identities.get(key).expect("it is there");
    assert_eq!(identity.api_version, "networking.istio.io/v1");
    assert_eq!(identity.uid.len(), 36);
}

#[tokio::test]
async fn a_long_list_comes_in_pages() {
    let ns = "pages";
    let cluster = cluster(ns).await;
    let maps: String = (0..1200)
        .map(|i| service_entry(ns, &format!("e{i}")))
        .collect();
    cluster.apply_unordered(&maps).await.unwrap();
    let (proxy, client) = through_proxy(&cluster, "pages").await;
    let mut source = Running::start(client, only(Kind::SERVICE_ENTRY, ns), brisk());
    source.until("a complete view", |s| s.is_complete()).await;
    assert_eq!(source.objects.len(), 1200);
    let lists = proxy
        .requests()
        .into_iter()
        .filter(|request| request.verb == Verb::List);
    assert_eq!(lists.count(), 3, "500, 500 and 200");
}

#[tokio::test]
async fn a_kind_that_is_not_served_is_empty_and_watched_as_soon_as_it_is() {
    let ns = "absent";
    let cluster = cluster(ns).await;
    cluster.apply(&service_entry(ns, "a")).await.unwrap();
    let mut wanted = only(Kind::SERVICE_ENTRY, ns);
    wanted.push(WantedKind::declared(&CACHE).within(ns));
    let mut source = Running::start(cluster.client(), wanted, brisk());
    source.until("a complete view", |s| s.is_complete()).await;
    source
        .until("a word about it", |s| s.codes() == ["AER0410"])
        .await;

    let crd = cluster
        .apply(&definition("cache.example.com", "{}"))
        .await
        .unwrap();
    assert_eq!(crd.len(), 1);
    cluster
        .apply(&cache("cache.example.com", ns, "c", "1"))
        .await
        .unwrap();
    source
        .until("its object", |s| s.has("Cache absent/c"))
        .await;
    source
        .until("no word about it", |s| s.problems.is_empty())
        .await;
    assert_eq!(source.deleted, []);

    // A definition that goes takes its objects along.
    let definitions = "apiextensions.k8s.io/v1/CustomResourceDefinition";
    assert!(
        cluster
            .delete(definitions, "", "caches.cache.example.com")
            .await
            .unwrap()
    );
    source
        .until("its object's end", |s| !s.has("Cache absent/c"))
        .await;
    source
        .until("a word about it", |s| s.codes() == ["AER0410"])
        .await;
    assert!(source.has("ServiceEntry absent/a"));
}

#[tokio::test]
async fn an_unreadable_object_keeps_its_last_good_state_and_harms_no_other() {
    const GROUP: &str = "odd.example.com";
    static ODD: aeraki_core::registry::Input = aeraki_core::registry::Input {
        kind: Kind::new(GROUP, "Cache"),
        ..CACHE_INPUT
    };
    const CACHE_INPUT: aeraki_core::registry::Input = aeraki_core::registry::Input {
        kind: Kind::new("cache.example.com", "Cache"),
        versions: &["v1"],
        hosts: |_| Vec::new(),
        check: |json| (CACHE.check)(json),
        crd: None,
    };
    let ns = "odd";
    let cluster = cluster(ns).await;
    cluster.apply(&definition(GROUP, "{}")).await.unwrap();
    for (name, size) in [("good", "1"), ("never", "many"), ("once", "1")] {
        cluster.apply(&cache(GROUP, ns, name, size)).await.unwrap();
    }
    let wanted = vec![WantedKind::declared(&ODD).within(ns)];
    let mut source = Running::start(cluster.client(), wanted, brisk());
    source.until("a complete view", |s| s.is_complete()).await;
    assert_eq!(source.names(), ["Cache odd/good", "Cache odd/once"]);

    cluster
        .apply(&cache(GROUP, ns, "once", "many"))
        .await
        .unwrap();
    source
        .until("both problems", |s| s.codes() == ["AER0001", "AER0001"])
        .await;
    assert_eq!(source.names(), ["Cache odd/good", "Cache odd/once"]);
    let aeraki_core::source::View::Complete(view) = &source.view else {
        panic!("complete");
    };
    let unread: Vec<String> = view.unread.iter().map(ToString::to_string).collect();
    assert_eq!(
        unread,
        ["Cache odd/never"],
        "the other one has a good state"
    );

    source.renewal.renew();
    source.until("a new look", |s| s.epoch() == 2).await;
    assert_eq!(source.deleted, []);
    cluster
        .delete(&format!("{GROUP}/v1/Cache"), ns, "once")
        .await
        .unwrap();
    source
        .until("its end", |s| s.names() == ["Cache odd/good"])
        .await;
}

#[tokio::test]
async fn a_lost_history_is_made_good_by_a_new_list() {
    let ns = "gone";
    let cluster = cluster(ns).await;
    for name in ["a", "b", "c"] {
        cluster.apply(&service_entry(ns, name)).await.unwrap();
    }
    let (proxy, client) = through_proxy(&cluster, "gone").await;
    let mut source = Running::start(client, only(Kind::SERVICE_ENTRY, ns), brisk());
    source.until("a complete view", |s| s.is_complete()).await;

    proxy.add(Rule::new(HttpFault::Status(503)).verbs(&[Verb::Watch]));
    proxy.end_connections();
    cluster.delete(ENTRY, ns, "a").await.unwrap();
    cluster.apply(&service_entry(ns, "d")).await.unwrap();
    proxy.clear();
    // The first list after that breaks off in its middle.
    proxy.add(
        Rule::new(HttpFault::CutBody(600))
            .verbs(&[Verb::List])
            .times(1),
    );
    proxy.add(
        Rule::new(HttpFault::Status(410))
            .verbs(&[Verb::Watch])
            .times(1),
    );
    source
        .until("the new world", |s| {
            s.has("ServiceEntry gone/d") && !s.has("ServiceEntry gone/a")
        })
        .await;
    assert_eq!(source.objects.len(), 3);
    assert_eq!(source.deleted.len(), 1);
    source
        .until("no more trouble", |s| s.problems.is_empty())
        .await;
    assert!(source.is_complete());
}

#[tokio::test]
async fn a_renewal_lists_every_kind_again() {
    let ns = "renewal";
    let cluster = cluster(ns).await;
    cluster.apply(&service_entry(ns, "a")).await.unwrap();
    let (proxy, client) = through_proxy(&cluster, "renewal").await;
    let mut source = Running::start(client, whole_config(ns), brisk());
    source.until("a complete view", |s| s.epoch() == 1).await;
    let lists = || {
        let all = proxy.requests().into_iter();
        all.filter(|request| request.verb == Verb::List).count()
    };
    assert_eq!(lists(), 5);
    source.renewal.renew();
    source.until("a second look", |s| s.epoch() == 2).await;
    assert_eq!(lists(), 10);
    assert_eq!(source.deleted, []);
}

#[tokio::test]
async fn a_list_that_is_refused_leaves_the_view_partial_and_names_the_verb() {
    let ns = "refused";
    let cluster = cluster(ns).await;
    cluster.apply(&service_entry(ns, "a")).await.unwrap();
    cluster
        .create_service_account("istio-system", "nobody")
        .await
        .unwrap();
    let nobody = bed()
        .await
        .cluster_as("istio-system", "nobody")
        .await
        .unwrap();
    let mut source = Running::start(nobody.client(), only(Kind::SERVICE_ENTRY, ns), brisk());
    source
        .until("a problem", |s| s.codes() == ["AER0411"])
        .await;
    assert!(!source.is_complete());
    let help = source.problems[0].help.clone().unwrap();
    assert_eq!(
        help,
        "grant the verbs list and watch on serviceentries.networking.istio.io in namespace refused"
    );

    let grant = "{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: nobody},
      rules: [{apiGroups: [networking.istio.io], resources: [serviceentries], verbs: [list, watch]}]}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: nobody},
 roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: nobody},
 subjects: [{kind: ServiceAccount, name: nobody, namespace: istio-system}]}";
    cluster.apply(grant).await.unwrap();
    source
        .until("a complete view", |s| {
            s.is_complete() && s.problems.is_empty()
        })
        .await;
    assert_eq!(source.names(), ["ServiceEntry refused/a"]);
}

#[tokio::test]
async fn a_watch_that_never_answers_is_given_up() {
    let ns = "silent";
    let cluster = cluster(ns).await;
    let (proxy, client) = through_proxy(&cluster, "silent").await;
    proxy.add(Rule::new(HttpFault::Hang).verbs(&[Verb::Watch]).times(1));
    let pace = Pace {
        answer: Duration::from_secs(5),
        ..brisk()
    };
    let mut source = Running::start(client, only(Kind::SERVICE_ENTRY, ns), pace);
    source.until("a complete view", |s| s.is_complete()).await;
    cluster.apply(&service_entry(ns, "a")).await.unwrap();
    source
        .until("what happened meanwhile", |s| {
            s.has("ServiceEntry silent/a")
        })
        .await;
    let lists = proxy
        .requests()
        .into_iter()
        .filter(|request| request.verb == Verb::List);
    assert_eq!(lists.count(), 1, "a watch goes on where the last one ended");
}

#[tokio::test]
async fn a_watch_that_ends_is_followed_by_a_new_list_where_the_last_one_is_old() {
    let ns = "aged";
    let cluster = cluster(ns).await;
    cluster.apply(&service_entry(ns, "a")).await.unwrap();
    let (proxy, client) = through_proxy(&cluster, "aged").await;
    let pace = Pace {
        watch: Duration::from_secs(3),
        list: Duration::from_secs(2),
        ..brisk()
    };
    let mut source = Running::start(client, only(Kind::SERVICE_ENTRY, ns), pace);
    source.until("a second look", |s| s.epoch() >= 2).await;
    assert_eq!(source.names(), ["ServiceEntry aged/a"]);
    let watches = proxy
        .requests()
        .into_iter()
        .filter(|request| request.verb == Verb::Watch);
    let asked: Vec<_> = watches.map(|watch| watch.path).collect();
    assert!(asked[0].contains("timeoutSeconds=3"), "{asked:?}");
    source.settle().await;
    assert_eq!(source.deleted, []);
}

#[tokio::test]
async fn a_connection_that_goes_silent_is_noticed_and_left() {
    let ns = "hole";
    let cluster = cluster(ns).await;
    let bed = bed().await;
    let file = Kubeconfig::read_from(bed.kubeconfig()).unwrap();
    let options = KubeConfigOptions::default();
    let mut config = Config::from_custom_kubeconfig(file, &options)
        .await
        .unwrap();
    let server = config.cluster_url.authority().unwrap().as_str();
    let proxy = TcpProxy::start(server.parse().unwrap()).unwrap();
    config.cluster_url = format!("https://{}/", proxy.address()).parse().unwrap();
    let client = Client::try_from(config).unwrap();
    let pace = Pace {
        watch: Duration::from_secs(3),
        grace: Duration::from_secs(1),
        ..brisk()
    };
    let mut source = Running::start(client, only(Kind::SERVICE_ENTRY, ns), pace);
    source.until("a complete view", Running::is_complete).await;

    proxy.set(TcpFault::BlackHole);
    cluster.apply(&service_entry(ns, "a")).await.unwrap();
    let noticed = |s: &Running| s.codes() == ["AER0411"];
    source.until("a word about it", noticed).await;
    assert!(!source.has("ServiceEntry hole/a"));
    proxy.set(TcpFault::Pass);
    let healed = |s: &Running| s.has("ServiceEntry hole/a") && s.problems.is_empty();
    source.until("what happened meanwhile", healed).await;
    assert_eq!(source.deleted, []);
}
