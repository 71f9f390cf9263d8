//! What the reconciler promises: nothing from half a world, nothing twice, a sudden shrink waits, and whatever the order
//! of events, it ends where a plan from scratch ends.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use aeraki_api::Cr;
use aeraki_api::networking::{EnvoyFilter, ServiceEntry};
use aeraki_core::draft::{Direction, FilterDraft, NetworkFilter, Placement};
use aeraki_core::engine::Engine;
use aeraki_core::generator::{GenerateError, Generator, ServiceContext};
use aeraki_core::object::{ConfigEvent, Kind, Object, ObjectKey};
use aeraki_core::plan::{Action, CompleteView, HoldReason, Observed, plan};
use aeraki_core::protocol::Protocol;
use aeraki_core::reconcile::Reconciler;
use aeraki_core::registry::{Registration, Registry};
use aeraki_core::settings::Settings;
use aeraki_core::{Content, FilterKey};
use proptest::prelude::*;
use serde_json::json;

/// A protocol whose filter says what the service's annotation `word` says, and that fails at the word `fail`.
struct Echo;

impl Generator for Echo {
    fn generate(&self, ctx: &ServiceContext<'_>) -> Result<Vec<FilterDraft>, GenerateError> {
        let word = ctx.service().annotation("word").unwrap_or_default();
        if word == "fail" {
            return Err(GenerateError::InvalidInput {
                object: None,
                field: "metadata.annotations.word".to_owned(),
                reason: "the word is bad".to_owned(),
            });
        }
        let typed_config =
            json!({"@type": "type.googleapis.com/example.Echo", "word": word}).into();
        let filter = NetworkFilter {
            placement: Placement::Replace,
            name: "example.echo",
            typed_config,
        };
        Ok(vec![FilterDraft::network(Direction::Outbound, filter)])
    }
}

static ECHO: Registration = Registration::new(Protocol::Custom("echo"), &Echo).origin("tests");

fn engine() -> Engine {
    let registry = Registry::of([&ECHO]).expect("one protocol");
    Engine::new(Settings::default(), registry)
}

fn name(n: usize) -> String {
    format!("s{n}")
}

fn entry(n: usize, word: &str) -> ConfigEvent {
    let spec: ServiceEntry = serde_json::from_value(json!({
        "hosts": [format!("s{n}.example.com")], "addresses": [format!("240.240.0.{}", n + 1)],
        "ports": [{"number": 1, "name": "tcp-echo", "protocol": "TCP"}],
    }))
    .expect("a ServiceEntry");
    let mut cr = Cr::new(name(n), "shop", spec);
    cr.metadata.annotations = [("word".to_owned(), word.to_owned())].into();
    ConfigEvent::Put(Arc::new(Object::from(cr)))
}

fn key_of(n: usize) -> ObjectKey {
    ObjectKey::new(Kind::SERVICE_ENTRY, "shop", name(n))
}

fn gone(n: usize) -> ConfigEvent {
    ConfigEvent::Delete(key_of(n))
}

/// A cluster that does what it is told.
struct Cluster {
    reconciler: Reconciler,
    objects: Observed,
    writes: usize,
}

impl Cluster {
    fn new() -> Self {
        Self {
            reconciler: Reconciler::new(engine()),
            objects: Observed::new(),
            writes: 0,
        }
    }

    /// One that has `count` services and their filters.
    fn of(count: usize) -> Self {
        let mut cluster = Self::new();
        for n in 0..count {
            cluster.reconciler.apply(entry(n, "a"));
        }
        cluster.complete(1);
        cluster.reconciler.observed_whole(true);
        cluster.settle();
        cluster
    }

    /// The same objects, seen by a controller that has just started.
    fn restarted(self) -> Self {
        let mut cluster = Self::new();
        for (key, content) in &self.objects {
            cluster.reconciler.observe(key, Some(content.clone()));
        }
        cluster.reconciler.observed_whole(true);
        cluster.objects = self.objects;
        cluster
    }

    fn complete(&mut self, epoch: u64) {
        self.reconciler.view(Some(CompleteView::assert()), epoch);
    }

    /// Carries out what the reconciler wants until it wants nothing more.
    fn settle(&mut self) -> Vec<Action> {
        let mut done = Vec::new();
        loop {
            let actions: Vec<Action> = self
                .reconciler
                .step()
                .actions
                .into_values()
                .flatten()
                .collect();
            let writes: Vec<Action> = actions
                .into_iter()
                .filter(|action| !matches!(action, Action::Hold(..) | Action::Foreign(_)))
                .collect();
            if writes.is_empty() {
                return done;
            }
            for action in &writes {
                self.carry_out(action);
            }
            done.extend(writes);
        }
    }

    fn carry_out(&mut self, action: &Action) {
        self.writes += 1;
        let content = match action {
            Action::Create(filter) | Action::Update(filter) => Some(filter.content.clone()),
            Action::Delete(_) | Action::Hold(..) | Action::Foreign(_) => None,
        };
        self.set(action.key(), content);
    }

    fn set(&mut self, key: &FilterKey, content: Option<Content>) {
        match &content {
            Some(content) => self.objects.insert(key.clone(), content.clone()),
            None => self.objects.remove(key),
        };
        self.reconciler.observe(key, content);
    }

    fn on_hold(&self) -> BTreeMap<HoldReason, usize> {
        let mut counts = BTreeMap::new();
        for reason in self.reconciler.on_hold().values() {
            *counts.entry(*reason).or_default() += 1;
        }
        counts
    }
}

#[test]
fn nothing_is_done_before_both_sides_are_whole() {
    let mut cluster = Cluster::of(3).restarted();
    cluster.reconciler.apply(entry(0, "other"));
    assert!(cluster.settle().is_empty(), "the config is not whole");
    for n in 0..3 {
        cluster.reconciler.apply(entry(n, "a"));
    }
    cluster.reconciler.observed_whole(false);
    cluster.complete(1);
    assert!(cluster.settle().is_empty(), "what is there is not known");
    cluster.reconciler.observed_whole(true);
    assert!(cluster.settle().is_empty(), "all is as it should be");
}

#[test]
fn what_changed_while_the_view_was_partial_is_done_when_it_is_whole_again() {
    let mut cluster = Cluster::of(2);
    cluster.reconciler.view(None, 1);
    cluster.reconciler.apply(entry(0, "b"));
    cluster.reconciler.apply(gone(1));
    assert!(cluster.settle().is_empty());
    cluster.complete(2);
    let done = cluster.settle();
    assert!(
        matches!(&done[..], [Action::Update(_), Action::Delete(_)]),
        "{done:?}"
    );
}

#[test]
fn an_unchanged_world_and_the_echo_of_our_own_writes_cost_nothing() {
    let mut cluster = Cluster::of(20);
    assert_eq!(cluster.writes, 20);
    for n in 0..20 {
        cluster.reconciler.apply(entry(n, "a"));
    }
    for (key, content) in cluster.objects.clone() {
        cluster.reconciler.observe(&key, Some(content));
    }
    cluster.complete(2);
    cluster.settle();
    assert_eq!(cluster.writes, 20);
}

#[test]
fn drift_by_hand_is_repaired_and_foreign_objects_are_not() {
    let mut cluster = Cluster::of(2);
    let key = cluster.objects.keys().next().expect("two objects").clone();
    let mut edited = cluster.objects[&key].object(&key.namespace, &key.name);
    edited.spec = EnvoyFilter::default();
    cluster.set(&key, Some(Content::of(&edited)));
    assert!(matches!(&cluster.settle()[..], [Action::Update(_)]));
    cluster.set(&key, None);
    assert!(matches!(&cluster.settle()[..], [Action::Create(_)]));

    edited.metadata.labels.clear();
    cluster.set(&key, Some(Content::of(&edited)));
    assert!(cluster.settle().is_empty(), "it is somebody else's now");
}

#[test]
fn a_sudden_shrink_waits_for_a_complete_view_on_a_new_connection() {
    let mut cluster = Cluster::of(60);
    for n in 0..30 {
        cluster.reconciler.apply(gone(n));
    }
    assert!(cluster.settle().is_empty());
    assert_eq!(cluster.on_hold(), [(HoldReason::Shrink, 30)].into());
    assert!(cluster.reconciler.awaits_epoch());

    // The same connection says so again, and then some come back.
    cluster.complete(1);
    for n in 0..5 {
        cluster.reconciler.apply(entry(n, "a"));
    }
    assert!(cluster.settle().is_empty());
    cluster.reconciler.view(None, 1);
    cluster.complete(2);
    assert_eq!(cluster.settle().len(), 25);
    assert!(!cluster.reconciler.awaits_epoch());
    assert_eq!(cluster.objects.len(), 35);
}

#[test]
fn a_few_deletions_go_at_once() {
    let mut cluster = Cluster::of(60);
    for n in 0..12 {
        cluster.reconciler.apply(gone(n));
    }
    assert_eq!(cluster.settle().len(), 12);
}

#[test]
fn an_object_that_was_never_readable_keeps_what_it_went_into() {
    let mut cluster = Cluster::of(3).restarted();
    cluster.reconciler.apply(entry(0, "b"));
    cluster.reconciler.apply(entry(1, "a"));
    let unread = [key_of(2)];
    cluster
        .reconciler
        .view(Some(CompleteView::except(&unread)), 1);
    let done = cluster.settle();
    assert!(matches!(&done[..], [Action::Update(_)]), "{done:?}");
    assert_eq!(cluster.on_hold(), [(HoldReason::UnreadSource, 1)].into());

    // It was deleted meanwhile.
    cluster.complete(1);
    assert!(matches!(&cluster.settle()[..], [Action::Delete(_)]));
}

#[test]
fn what_a_failed_service_had_stays_until_the_service_goes() {
    let mut cluster = Cluster::of(2).restarted();
    cluster.reconciler.apply(entry(0, "fail"));
    cluster.reconciler.apply(entry(1, "a"));
    cluster.complete(1);
    assert!(cluster.settle().is_empty());
    assert_eq!(cluster.on_hold(), [(HoldReason::ServiceFailed, 1)].into());
    cluster.reconciler.apply(gone(0));
    assert!(matches!(&cluster.settle()[..], [Action::Delete(_)]));
}

#[test]
fn an_answer_that_no_longer_holds_is_taken_back() {
    let mut cluster = Cluster::of(1);
    cluster.reconciler.apply(entry(0, "b"));
    let first = cluster.reconciler.step().actions;
    assert!(matches!(
        first.values().next(),
        Some(Some(Action::Update(_)))
    ));
    // Nobody has written it yet when the config is as before.
    cluster.reconciler.apply(entry(0, "a"));
    let second = cluster.reconciler.step().actions;
    assert_eq!(second.into_values().collect::<Vec<_>>(), [None]);
}

#[derive(Clone, Debug)]
enum Happening {
    Put(usize, &'static str),
    Gone(usize),
    Reconnect,
    Edit(usize),
    Loss(usize),
    Step,
}

fn happening() -> impl Strategy<Value = Happening> {
    let word = prop::sample::select(vec!["a", "b", "fail"]);
    prop_oneof![
        4 => (0..6usize, word).prop_map(|(n, word)| Happening::Put(n, word)),
        2 => (0..6usize).prop_map(Happening::Gone),
        1 => Just(Happening::Reconnect),
        1 => (0..6usize).prop_map(Happening::Edit),
        1 => (0..6usize).prop_map(Happening::Loss),
        3 => Just(Happening::Step),
    ]
}

proptest! {
    #[test]
    fn it_ends_where_a_plan_from_scratch_has_nothing_to_do(history in prop::collection::vec(happening(), 0..60)) {
        let mut cluster = Cluster::of(4);
        let mut epoch = 1;
        for happening in history {
            let nth = |n: usize, cluster: &Cluster| cluster.objects.keys().nth(n).cloned();
            match happening {
                Happening::Put(n, word) => cluster.reconciler.apply(entry(n, word)),
                Happening::Gone(n) => cluster.reconciler.apply(gone(n)),
                Happening::Reconnect => {
                    cluster.reconciler.view(None, epoch);
                    epoch += 1;
                    cluster.complete(epoch);
                }
                Happening::Edit(n) => if let Some(key) = nth(n, &cluster) {
                    let mut object = cluster.objects[&key].object(&key.namespace, &key.name);
                    object.spec.priority += 1;
                    cluster.set(&key, Some(Content::of(&object)));
                },
                Happening::Loss(n) => if let Some(key) = nth(n, &cluster) {
                    cluster.set(&key, None);
                },
                Happening::Step => { cluster.settle(); }
            }
        }
        cluster.settle();
        let actions = plan(cluster.reconciler.engine(), &cluster.objects, Some(&CompleteView::assert()));
        let left: BTreeSet<_> = actions.iter().filter(|a| !matches!(a, Action::Hold(..))).map(Action::key).collect();
        prop_assert!(left.is_empty(), "{left:?}");
    }
}
