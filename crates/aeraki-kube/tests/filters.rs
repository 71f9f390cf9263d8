//! What is known of the EnvoyFilters of a real API server, whatever happens to its lists and watches.

mod desk;

use std::collections::BTreeMap;
use std::time::Duration;

use aeraki_core::{Content, FilterKey};
use aeraki_kube::{Filters, Pace};
use aeraki_testbed::fault::{HttpFault, Rule, Verb};
use aeraki_testbed::{Options, Testbed};
use desk::{ENVOY_FILTER, Place, in_time};
use tokio::sync::OnceCell;
use tokio::task::JoinHandle;
use tokio::time::timeout;

static BED: OnceCell<Testbed> = OnceCell::const_new();

async fn place(namespace: &'static str) -> Place {
    let start = || Testbed::start(Options::default().without_istiod());
    let bed = BED.get_or_try_init(start).await.expect("the bed starts");
    Place::new(bed, namespace).await
}

/// An EnvoyFilter that says it is ours, for a listener.
fn ours(place: &Place, name: &str, listener: &str) -> String {
    yaml(
        place.namespace,
        &format!("aeraki-outbound-{name}"),
        "{manager: Aeraki}",
        "{aeraki.net/service: a}",
        listener,
    )
}

fn foreign(place: &Place, name: &str, listener: &str) -> String {
    yaml(place.namespace, name, "{}", "{}", listener)
}

fn yaml(namespace: &str, name: &str, labels: &str, annotations: &str, listener: &str) -> String {
    format!(
        "\
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: {{name: {name}, namespace: {namespace}, labels: {labels}, annotations: {annotations}}}
spec:
  configPatches:
  - applyTo: NETWORK_FILTER
    match:
      context: SIDECAR_OUTBOUND
      listener: {{name: {listener}, filterChain: {{filter: {{name: envoy.filters.network.tcp_proxy}}}}}}
    patch: {{operation: REPLACE, value: {{name: x}}}}
---
"
    )
}

fn key(place: &Place, name: &str) -> FilterKey {
    FilterKey {
        namespace: place.namespace.into(),
        name: name.into(),
    }
}

/// Filters that are followed, and all that was told of them.
struct Followed {
    filters: Filters,
    task: JoinHandle<()>,
    told: BTreeMap<FilterKey, Content>,
    is_whole: bool,
}

impl Drop for Followed {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Followed {
    fn start(place: &Place, pace: Pace) -> Self {
        let filters = Filters::new("istio-system");
        let (followed, client, namespace) =
            (filters.clone(), place.client.clone(), place.namespace);
        let task =
            tokio::spawn(async move { followed.follow(client, Some(namespace), pace).await });
        Self {
            filters,
            task,
            told: BTreeMap::new(),
            is_whole: false,
        }
    }

    async fn hear(&mut self) {
        let changes = self.filters.changed().await;
        self.is_whole |= changes.is_whole;
        for (key, content) in changes.changed {
            match content {
                Some(content) => self.told.insert(key, content),
                None => self.told.remove(&key),
            };
        }
    }

    async fn until(&mut self, what: &str, condition: impl Fn(&Self) -> bool) {
        in_time(what, async {
            while !condition(self) {
                // What is asked may be more than what is told.
                drop(timeout(Duration::from_millis(200), self.hear()).await);
            }
        })
        .await;
    }

    fn names(&self) -> Vec<&str> {
        self.told.keys().map(|key| &*key.name).collect()
    }
}

fn brisk() -> Pace {
    Pace {
        answer: Duration::from_secs(20),
        page: 2,
        ..Pace::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_there_is_told_page_by_page_and_followed() {
    let place = place("told").await;
    let all: String = (0..5)
        .map(|n| ours(&place, &n.to_string(), "a_1"))
        .collect();
    place.cluster.apply(&all).await.expect("they are made");
    place
        .cluster
        .apply(&foreign(&place, "theirs", "b_2"))
        .await
        .expect("it is made");
    let mut followed = Followed::start(&place, brisk());
    followed
        .until("all", |f| f.is_whole && f.told.len() == 6)
        .await;
    let theirs = &followed.told[&key(&place, "theirs")];
    assert_eq!(
        theirs,
        &Content::default(),
        "nobody needs to know what it says"
    );
    assert!(
        followed.told[&key(&place, "aeraki-outbound-0")]
            .spec_text()
            .contains("a_1")
    );
    place
        .cluster
        .apply(&ours(&place, "0", "c_3"))
        .await
        .expect("it is changed");
    place
        .cluster
        .delete(ENVOY_FILTER, "told", "aeraki-outbound-1")
        .await
        .expect("it goes");
    followed
        .until("the change", |f| {
            let changed = &f.told[&key(&place, "aeraki-outbound-0")];
            changed.spec_text().contains("c_3") && f.told.len() == 5
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_lost_watch_did_not_tell_the_next_list_tells() {
    let place = place("lost").await;
    let two = ours(&place, "stays", "a_1") + &ours(&place, "goes", "b_1");
    place.cluster.apply(&two).await.expect("they are made");
    let mut followed = Followed::start(&place, brisk());
    followed
        .until("both", |f| f.is_whole && f.told.len() == 2)
        .await;

    // The watch breaks, and its history is gone when it is taken up again; the list after that breaks off.
    place
        .proxy
        .add(Rule::new(HttpFault::Status(503)).verbs(&[Verb::Watch]));
    place.proxy.end_connections();
    place
        .cluster
        .delete(ENVOY_FILTER, "lost", "aeraki-outbound-goes")
        .await
        .expect("it goes");
    place
        .cluster
        .apply(&ours(&place, "new", "c_1"))
        .await
        .expect("it is made");
    followed
        .until("a problem", |f| f.filters.problem().is_some())
        .await;
    place.proxy.clear();
    place.proxy.add(
        Rule::new(HttpFault::Status(410))
            .verbs(&[Verb::Watch])
            .times(1),
    );
    place.proxy.add(
        Rule::new(HttpFault::CutBody(300))
            .verbs(&[Verb::List])
            .times(1),
    );
    followed
        .until("the truth", |f| {
            f.names() == ["aeraki-outbound-new", "aeraki-outbound-stays"]
        })
        .await;
    followed
        .until("no problem", |f| f.filters.problem().is_none())
        .await;
    let lists = place
        .proxy
        .requests()
        .into_iter()
        .filter(|request| request.verb == Verb::List);
    assert!(lists.count() >= 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn older_filters_of_others_on_our_listener_are_named() {
    let place = place("rivals").await;
    place
        .cluster
        .apply(&foreign(&place, "older", "240.0.0.1_80"))
        .await
        .expect("it is made");
    // Kubernetes tells ages by the second.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let own = ours(&place, "a", "240.0.0.1_80") + &ours(&place, "b", "240.0.0.2_80");
    place.cluster.apply(&own).await.expect("they are made");
    tokio::time::sleep(Duration::from_millis(1100)).await;
    place
        .cluster
        .apply(&foreign(&place, "younger", "240.0.0.2_80"))
        .await
        .expect("it is made");
    let mut followed = Followed::start(&place, brisk());
    followed.until("all", |f| f.told.len() == 4).await;
    let rivals = followed.filters.rivals(&key(&place, "aeraki-outbound-a"));
    let names: Vec<&str> = rivals.iter().map(|rival| &*rival.key.name).collect();
    assert_eq!(names, ["older"]);
    assert!(rivals[0].displaces_ours);
    assert_eq!(rivals[0].listener, "240.0.0.1_80");
    assert_eq!(
        followed.filters.rivals(&key(&place, "aeraki-outbound-b")),
        []
    );
}
