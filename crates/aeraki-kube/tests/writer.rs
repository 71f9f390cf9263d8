//! The writer against a real API server: what it writes, what it leaves alone, and in which order.

mod desk;

use std::time::Duration;

use aeraki_core::plan::{Action, CompleteView, Observed, plan};
use aeraki_kube::writer::{Reason, Verb as Done};
use aeraki_testbed::fault::Verb;
use aeraki_testbed::{Options, Testbed};
use desk::{ENVOY_FILTER, Place, brisk, engine, gone, name, service, until, word};
use kube::api::{ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::{Value, json};
use tokio::sync::OnceCell;
use tokio::time::sleep;

static BED: OnceCell<Testbed> = OnceCell::const_new();

async fn place(namespace: &'static str) -> Place {
    let start = || Testbed::start(Options::default().without_istiod());
    let bed = BED.get_or_try_init(start).await.expect("the bed starts");
    Place::new(bed, namespace).await
}

fn api(client: Client, namespace: &str) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk("networking.istio.io", "v1alpha3", "EnvoyFilter");
    let resource = ApiResource::from_gvk_with_plural(&kind, "envoyfilters");
    Api::namespaced_with(client, namespace, &resource)
}

/// Changes an object as people do by hand.
async fn edit(place: &Place, name: &str, patch: Value) {
    let api = api(place.cluster.client(), place.namespace);
    let params = PatchParams::default();
    let edited = api.patch(name, &params, &Patch::Merge(patch)).await;
    edited.expect("it can be edited");
}

/// Makes an object, written by this field manager.
async fn make(place: &Place, manager: &str, object: Value) -> Value {
    let api = api(place.cluster.client(), place.namespace);
    let params = PostParams {
        field_manager: Some(manager.to_owned()),
        ..PostParams::default()
    };
    let object = serde_json::from_value(object).expect("an object");
    let made = api.create(&params, &object).await.expect("it can be made");
    serde_json::to_value(made).expect("JSON")
}

fn object(name: &str, labels: &Value, listener: &str) -> Value {
    json!({
        "apiVersion": "networking.istio.io/v1alpha3", "kind": "EnvoyFilter",
        "metadata": {"name": name, "labels": labels},
        "spec": {"configPatches": [{
            "applyTo": "NETWORK_FILTER",
            "match": {"listener": {"name": listener, "filterChain": {"filter": {"name": "envoy.filters.network.tcp_proxy"}}}},
            "patch": {"operation": "REPLACE", "value": {"name": "old"}},
        }]},
    })
}

const A: &str = "aeraki-outbound-a.example.com-240.240.0.1-1";

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wanted_comes_to_be_follows_and_goes_and_is_written_once() {
    let place = place("follow").await;
    let controller = place.controller();
    controller.apply([
        service("follow", "a", 0, "one"),
        service("follow", "b", 1, "two"),
    ]);
    let made = place.until_words(&[("a", "one"), ("b", "two")]).await;
    assert_eq!(name(&made[0]), A);
    let metadata = &made[0]["metadata"];
    assert_eq!(metadata["labels"]["manager"], "Aeraki");
    assert_eq!(metadata["managedFields"][0]["manager"], "aeraki");

    controller.apply([service("follow", "a", 0, "three")]);
    let changed = place.until_words(&[("a", "three"), ("b", "two")]).await;
    assert_eq!(changed[0]["metadata"]["uid"], metadata["uid"]);
    controller.apply([gone("follow", "b")]);
    place.until_words(&[("a", "three")]).await;
    controller.until_idle().await;
    sleep(Duration::from_millis(500)).await;
    assert_eq!(
        place.verbs(),
        [Verb::Create, Verb::Create, Verb::Update, Verb::Delete]
    );
    let verbs: Vec<Done> = controller
        .outcomes()
        .iter()
        .map(|outcome| outcome.verb)
        .collect();
    assert_eq!(
        verbs,
        [Done::Create, Done::Create, Done::Update, Done::Delete]
    );
    assert_eq!(controller.reasons(), []);
    drop(controller);

    // The same config in a new process.
    let again = place.controller();
    again.apply([service("follow", "a", 0, "three")]);
    again
        .until("a look", |c| c.filters.problem().is_none())
        .await;
    sleep(Duration::from_secs(1)).await;
    again.apply([service("follow", "c", 2, "new")]);
    place.until_words(&[("a", "three"), ("c", "new")]).await;
    assert_eq!(place.verbs().len(), 5, "only the new one was written");
    let log = BED
        .get()
        .expect("the bed")
        .audit_log()
        .expect("the audit log");
    let user = "system:serviceaccount:istio-system:follow";
    let ours = log
        .iter()
        .filter(|entry| entry.user == user && entry.resource == "envoyfilters");
    let writes = ours.filter(|entry| !["get", "list", "watch"].contains(&entry.verb.as_str()));
    assert_eq!(writes.count(), 5, "says the API server itself");
}

#[tokio::test(flavor = "multi_thread")]
async fn foreign_objects_stay_as_they_are_whatever_their_label_and_name() {
    let place = place("foreign").await;
    let ours = json!({"manager": "Aeraki"});
    let objects = [
        object("by-hand", &ours, "240.240.0.1_1"),
        object("aeraki-outbound-by-hand", &ours, "x"),
        object(A, &ours, "240.240.0.1_1"),
    ];
    let mut before = Vec::new();
    for object in objects {
        before.push(make(&place, "kubectl", object).await);
    }
    let controller = place.controller();
    controller.apply([
        service("foreign", "a", 0, "one"),
        service("foreign", "b", 1, "two"),
    ]);
    place
        .until("ours beside them", |filters| filters.len() == 4)
        .await;
    controller.until_idle().await;
    // An order for one of them, as from a planner that has seen less.
    let key = aeraki_core::FilterKey {
        namespace: "foreign".into(),
        name: A.into(),
    };
    let mut engine = engine();
    engine.apply(service("foreign", "a", 0, "one"));
    engine.drain();
    let actions = plan(&engine, &Observed::new(), Some(&CompleteView::assert()));
    let Some(Action::Create(wanted)) = actions.into_iter().next() else {
        panic!("a creation");
    };
    for action in [
        Action::Create(wanted.clone()),
        Action::Update(wanted),
        Action::Delete(key.clone()),
    ] {
        controller.orders.give([(key.clone(), Some(action))]);
        controller.until_idle().await;
    }
    controller
        .until("two refusals", |c| {
            c.reasons() == [Reason::Foreign, Reason::Foreign]
        })
        .await;
    controller.apply([gone("foreign", "a"), gone("foreign", "b")]);
    place
        .until("theirs alone", |filters| filters.len() == 3)
        .await;
    for object in before {
        assert_eq!(place.filter(&name(&object)).await, Some(object));
    }
    assert_eq!(place.verbs(), [Verb::Create, Verb::Delete]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_changed_or_deleted_by_hand_is_repaired_and_what_others_put_on_it_stays() {
    let place = place("drift").await;
    let controller = place.controller();
    controller.apply([service("drift", "a", 0, "one")]);
    let made = place.until_words(&[("a", "one")]).await;
    let owner = json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": "8c3b5a52-6b9e-4b5f-8b0a-0d5a3e9f0a11"}]);
    edit(
        &place,
        A,
        json!({
            "metadata": {"labels": {"team": "shop"}, "annotations": {"note": "mine"}, "ownerReferences": owner,
                "finalizers": ["example.com/wait"]},
            "spec": {"configPatches": null},
        }),
    )
    .await;
    let repaired = place.until_words(&[("a", "one")]).await;
    let metadata = &repaired[0]["metadata"];
    assert_eq!(metadata["uid"], made[0]["metadata"]["uid"]);
    assert_eq!(metadata["labels"]["team"], "shop");
    assert_eq!(metadata["annotations"]["note"], "mine");
    assert_eq!(metadata["ownerReferences"], owner);
    assert_eq!(metadata["finalizers"], json!(["example.com/wait"]));
    assert_eq!(repaired[0]["spec"], made[0]["spec"]);

    // Our label alone.
    edit(
        &place,
        A,
        json!({"metadata": {"annotations": {"aeraki.net/config-hash": null}}}),
    )
    .await;
    place
        .until("our annotation", |filters| {
            filters[0]["metadata"]["annotations"]["aeraki.net/config-hash"].is_string()
        })
        .await;

    edit(&place, A, json!({"metadata": {"finalizers": null}})).await;
    place
        .cluster
        .delete(ENVOY_FILTER, "drift", A)
        .await
        .expect("it can be deleted");
    let made_anew = place.until_words(&[("a", "one")]).await;
    assert_ne!(made_anew[0]["metadata"]["uid"], metadata["uid"]);
    controller.until_idle().await;
    assert_eq!(
        place.verbs(),
        [Verb::Create, Verb::Update, Verb::Update, Verb::Create]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_of_go_aeraki_is_taken_over_where_it_stands() {
    let place = place("adopt").await;
    let old = object(A, &json!({"manager": "Aeraki"}), "240.240.0.1_1");
    let old = make(&place, "Aeraki", old).await;
    let unwanted = object("aeraki-outbound-gone", &json!({"manager": "Aeraki"}), "x");
    make(&place, "Aeraki", unwanted).await;
    let controller = place.controller();
    controller.apply([service("adopt", "a", 0, "one")]);
    let taken = place.until_words(&[("a", "one")]).await;
    for field in ["uid", "creationTimestamp"] {
        assert_eq!(taken[0]["metadata"][field], old["metadata"][field]);
    }
    let patches = taken[0]["spec"]["configPatches"]
        .as_array()
        .expect("patches");
    assert_eq!(patches.len(), 1, "nothing of the old spec is left");
    controller.until_idle().await;
    assert_eq!(place.verbs(), [Verb::Update, Verb::Delete]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_that_waits_for_a_finalizer_is_asked_for_once() {
    let place = place("ending").await;
    let controller = place.controller();
    controller.apply([
        service("ending", "a", 0, "one"),
        service("ending", "b", 1, "two"),
    ]);
    place.until_words(&[("a", "one"), ("b", "two")]).await;
    edit(
        &place,
        A,
        json!({"metadata": {"finalizers": ["example.com/wait"]}}),
    )
    .await;
    controller.apply([gone("ending", "a")]);
    place
        .until("its end began", |filters| {
            let ending = |filter: &Value| filter["metadata"]["deletionTimestamp"].is_string();
            filters.iter().any(ending)
        })
        .await;
    let deletions = || {
        let verbs = place.verbs().into_iter();
        verbs.filter(|verb| *verb == Verb::Delete).count()
    };
    // One, or two if the first came before the news of the finalizer.
    let asked = deletions();
    for round in 0..3 {
        let says = format!("round {round}");
        controller.apply([service("ending", "b", 1, &says)]);
        place
            .until(&says, |filters| {
                filters.iter().any(|filter| word(filter) == says)
            })
            .await;
    }
    controller.until_idle().await;
    assert_eq!(deletions(), asked);
    edit(&place, A, json!({"metadata": {"finalizers": null}})).await;
    place.until("one left", |filters| filters.len() == 1).await;
    // It is wanted again once it is gone.
    controller.apply([service("ending", "a", 0, "back")]);
    place.until_words(&[("a", "back"), ("b", "round 2")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_batch_deletions_come_last_but_on_the_same_listener_first() {
    let place = place("order").await;
    let controller = place.controller();
    controller.apply([
        service("order", "a", 0, "one"),
        service("order", "x", 1, "two"),
    ]);
    place.until_words(&[("a", "one"), ("x", "two")]).await;
    controller.until_idle().await;
    let before = place.writes().len();
    // `a` gives its address to `b`, `x` goes, and `y` is new.
    controller.apply([
        gone("order", "a"),
        service("order", "b", 0, "three"),
        gone("order", "x"),
        service("order", "y", 2, "four"),
    ]);
    place.until_words(&[("b", "three"), ("y", "four")]).await;
    let writes = place.writes().split_off(before);
    let when = |verb: Verb, n: usize| {
        let of = |part: &str| {
            writes
                .iter()
                .position(|write| write.verb == verb && write.path.contains(part))
                .expect("it was written")
        };
        match verb {
            Verb::Delete => of(["a.example.com", "x.example.com"][n]),
            // Creations do not name the object in their path: the first is the one that waits for nothing.
            _ => {
                writes
                    .iter()
                    .enumerate()
                    .filter(|(_, w)| w.verb == verb)
                    .nth(n)
                    .expect("a creation")
                    .0
            }
        }
    };
    assert!(when(Verb::Delete, 0) < when(Verb::Create, 1), "{writes:?}");
    assert!(when(Verb::Create, 1) < when(Verb::Delete, 1), "{writes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fight_is_noticed_told_and_slowed_down() {
    let place = place("fight").await;
    let controller = place.controller();
    controller.apply([
        service("fight", "a", 0, "one"),
        service("fight", "b", 1, "two"),
    ]);
    place.until_words(&[("a", "one"), ("b", "two")]).await;
    let contested = |controller: &desk::Controller| {
        let outcomes = controller.outcomes().into_iter();
        outcomes
            .filter(|outcome| outcome.contested.is_some())
            .count()
    };
    for _ in 0..6 {
        edit(&place, A, json!({"spec": {"priority": 77}})).await;
        place
            .until("a repair", |filters| filters[0]["spec"]["priority"] == 10)
            .await;
        controller.until_idle().await;
    }
    assert_eq!(contested(&controller), 1);
    edit(&place, A, json!({"spec": {"priority": 77}})).await;
    controller
        .until("an order", |c| c.orders.pending().waiting == 1)
        .await;
    // Others are written meanwhile, and so is what is newly wanted.
    controller.apply([service("fight", "b", 1, "three")]);
    place
        .until("b", |filters| {
            filters.iter().any(|filter| word(filter) == "three")
        })
        .await;
    assert_eq!(
        place.filter(A).await.expect("it is there")["spec"]["priority"],
        77
    );
    controller.apply([service("fight", "a", 0, "new")]);
    place.until_words(&[("a", "new"), ("b", "three")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_that_is_told_to_stop_ends_what_it_has_begun_and_begins_nothing() {
    use aeraki_testbed::fault::{HttpFault, Rule};
    let place = place("stop").await;
    let options = aeraki_kube::WriterOptions {
        in_flight: 1,
        ..brisk()
    };
    let controller = desk::Controller::start(&place, aeraki_kube::lease::Fence::open(), options);
    let slow = Rule::new(HttpFault::Delay(Duration::from_millis(700)));
    place.proxy.add(slow.verbs(&[Verb::Create]));
    controller.apply((0..5).map(|n| service("stop", &format!("s{n}"), n, "one")));
    until("the first request", async || !place.writes().is_empty()).await;
    controller.stop().await;
    let asked = place.writes();
    assert_eq!(
        asked.len(),
        place.filters().await.len(),
        "each was answered"
    );
    assert!(asked.len() < 5);
}
