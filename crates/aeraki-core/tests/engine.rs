//! What the engine and the plan promise over time: failures hold, late rules change nothing, deletions need a full view.

use std::sync::Arc;

use aeraki_api::networking::{DestinationRule, EnvoyFilter, ServiceEntry, VirtualService};
use aeraki_api::{Cr, Packed};
use aeraki_core::draft::{Direction, FilterDraft, NetworkFilter, Placement};
use aeraki_core::engine::Engine;
use aeraki_core::generator::{GenerateError, Generator, ServiceContext};
use aeraki_core::object::{Body, ConfigEvent, Kind, Object, ObjectKey};
use aeraki_core::plan::{Action, CompleteView, HoldReason, Observed, plan};
use aeraki_core::protocol::Protocol;
use aeraki_core::registry::{Expresses, Registration, Registry, RegistryError, Routing};
use aeraki_core::settings::Settings;
use aeraki_core::{Content, FilterKey};
use serde_json::{Value, json};

/// A protocol that does what the service's annotation `mood` says.
struct Moody;

impl Generator for Moody {
    fn generate(&self, ctx: &ServiceContext<'_>) -> Result<Vec<FilterDraft>, GenerateError> {
        let mut config = json!({
            "@type": "type.googleapis.com/example.Moody",
            "routes": format!("{:?}", ctx.outbound_routes()),
        });
        match ctx.service().annotation("mood") {
            Some("panic") => panic!("in a mood"),
            Some("fail") => {
                return Err(GenerateError::InvalidInput {
                    object: None,
                    field: "metadata.annotations.mood".to_owned(),
                    reason: "the mood is bad".to_owned(),
                });
            }
            Some("untyped") => config = json!({}),
            Some(mood) => config["mood"] = json!(mood),
            None => {}
        }
        let filter = NetworkFilter {
            placement: Placement::Replace,
            name: "example.moody",
            typed_config: config.into(),
        };
        Ok(vec![FilterDraft::network(Direction::Outbound, filter)])
    }
}

static MOODY: Registration = Registration::new(Protocol::Custom("moody"), &Moody)
    .origin("tests")
    .expresses(Expresses {
        routing: Routing::Http,
        weights: true,
        ..Expresses::NOTHING
    });

fn engine() -> Engine {
    Engine::new(
        Settings::default(),
        Registry::of([&MOODY]).expect("one registration"),
    )
}

fn private_entry(name: &str, mood: &str) -> ConfigEvent {
    let ConfigEvent::Put(object) = entry(name, Some(mood)) else {
        unreachable!("entries are put")
    };
    let mut object = Arc::unwrap_or_clone(object);
    if let Body::ServiceEntry { spec, .. } = &mut object.body {
        let export_to = vec![".".to_owned()];
        *spec = Packed::of(&ServiceEntry {
            export_to,
            ..spec.get()
        });
    }
    ConfigEvent::Put(Arc::new(object))
}

fn entry(name: &str, mood: Option<&str>) -> ConfigEvent {
    let spec: ServiceEntry = serde_json::from_value(json!({
        "hosts": [format!("{name}.example.com")], "addresses": ["240.240.0.1"], "resolution": "STATIC",
        "ports": [{"number": name.len(), "name": "tcp-moody", "protocol": "TCP"}],
    }))
    .expect("a ServiceEntry");
    let mut entry = Cr::new(name, "shop", spec);
    let mood = mood.map(|mood| ("mood".to_owned(), mood.to_owned()));
    entry.metadata.annotations = mood.into_iter().collect();
    ConfigEvent::Put(Arc::new(Object::from(entry)))
}

fn rule(subset: &str) -> ConfigEvent {
    let spec: VirtualService = serde_json::from_value(json!({
        "hosts": ["a.example.com"],
        "http": [{"route": [{"destination": {"host": "a.example.com", "subset": subset}}]}],
    }))
    .expect("a VirtualService");
    ConfigEvent::Put(Arc::new(Object::from(Cr::new("a", "shop", spec))))
}

fn subsets(names: &[&str]) -> ConfigEvent {
    let subsets: Vec<Value> = names.iter().map(|name| json!({"name": name})).collect();
    let spec: DestinationRule =
        serde_json::from_value(json!({"host": "a.example.com", "subsets": subsets}))
            .expect("a DestinationRule");
    ConfigEvent::Put(Arc::new(Object::from(Cr::new("a", "shop", spec))))
}

fn json_of(engine: &Engine) -> Vec<Value> {
    let objects = engine.filters().values().map(|filter| filter.object());
    objects
        .map(|object| serde_json::to_value(object).expect("an EnvoyFilter has a JSON form"))
        .collect()
}

fn codes(engine: &Engine) -> Vec<&'static str> {
    engine
        .diagnostics()
        .iter()
        .map(|d| d.code)
        .filter(|code| *code != "AER0130")
        .collect()
}

/// What a sink would have written.
fn written(engine: &Engine) -> Observed {
    engine
        .filters()
        .iter()
        .map(|(key, filter)| (key.clone(), filter.content.clone()))
        .collect()
}

#[test]
fn a_destination_rule_that_arrives_later_changes_no_byte() {
    let mut engine = engine();
    engine.apply(entry("a", None));
    engine.apply(rule("v2"));
    engine.drain();
    let before = json_of(&engine);
    assert_eq!(codes(&engine), ["AER0201"]);
    engine.apply(subsets(&["v2"]));
    let changes = engine.drain();
    assert_eq!(changes.recomputed, 1, "the diagnostic must go");
    assert!(changes.is_empty());
    assert_eq!(codes(&engine), [""; 0]);
    assert_eq!(json_of(&engine), before);
}

#[test]
fn a_failed_service_keeps_its_filter_and_others_go_on() {
    for (mood, code) in [
        ("fail", "AER0900"),
        ("panic", "AER0901"),
        ("untyped", "AER0902"),
    ] {
        let mut engine = engine();
        engine.apply(entry("a", Some("good")));
        engine.apply(entry("bb", Some("good")));
        engine.drain();
        let before = written(&engine);

        engine.apply(entry("a", Some(mood)));
        engine.apply(entry("bb", Some("better")));
        let changes = engine.drain();
        assert!(changes.removed.is_empty(), "{mood}");
        assert_eq!(
            changes.upserted.len(),
            1,
            "{mood}: only the other service changes"
        );
        assert_eq!(codes(&engine), [code]);
        let kept = before
            .iter()
            .find(|(key, _)| key.name.contains("-a."))
            .expect("a's filter");
        assert_eq!(&engine.filters()[kept.0].content, kept.1, "{mood}");

        engine.apply(entry("a", Some("good again")));
        assert_eq!(engine.drain().upserted.len(), 1);
        assert_eq!(engine.held().count(), 0);
    }
}

#[test]
fn a_failed_service_that_goes_away_takes_its_filter_along() {
    let mut engine = engine();
    engine.apply(entry("a", Some("good")));
    engine.drain();
    engine.apply(entry("a", Some("fail")));
    engine.drain();
    engine.apply(ConfigEvent::Delete(ObjectKey::new(
        Kind::SERVICE_ENTRY,
        "shop",
        "a",
    )));
    assert_eq!(engine.drain().removed.len(), 1);
    assert!(engine.filters().is_empty() && codes(&engine).is_empty());
}

#[test]
fn what_a_failed_service_owns_is_held_even_if_it_was_never_seen_here() {
    let mut before = engine();
    before.apply(entry("a", Some("good")));
    before.drain();
    let observed = written(&before);

    let mut restarted = engine();
    restarted.apply(entry("a", Some("fail")));
    restarted.drain();
    let actions = plan(&restarted, &observed, Some(&CompleteView::assert()));
    assert!(
        matches!(&actions[..], [Action::Hold(_, HoldReason::ServiceFailed)]),
        "{actions:?}"
    );
}

#[test]
fn what_go_aeraki_wrote_for_a_failed_service_is_held_by_its_name() {
    let mut engine = engine();
    engine.apply(entry("a", Some("fail")));
    engine.drain();
    let mut of_go = Cr::new(
        "aeraki-outbound-a.example.com-240.240.0.1-1",
        "istio-system",
        EnvoyFilter::default(),
    );
    of_go.metadata.labels = [("manager".to_owned(), "Aeraki".to_owned())].into();
    let mut other = of_go.clone();
    other.metadata.name = "aeraki-outbound-b.example.com-240.240.0.1-1".to_owned();
    let key = |name: &str| FilterKey {
        namespace: "istio-system".into(),
        name: name.into(),
    };
    let observed = Observed::from([
        (key(&of_go.metadata.name), Content::of(&of_go)),
        (key(&other.metadata.name), Content::of(&other)),
    ]);
    let actions = plan(&engine, &observed, Some(&CompleteView::assert()));
    let expected = [
        Action::Hold(key(&of_go.metadata.name), HoldReason::ServiceFailed),
        Action::Delete(key(&other.metadata.name)),
    ];
    assert_eq!(actions, expected);
}

#[test]
fn a_failed_port_keeps_no_more_than_its_service_may_have() {
    let mut engine = engine();
    engine.apply(entry("a", Some("good")));
    engine.drain();
    assert_eq!(engine.filters().len(), 1);

    // The service is withdrawn from the mesh while its generator fails: the root filter must go.
    engine.apply(private_entry("a", "fail"));
    let changes = engine.drain();
    assert_eq!(
        changes.removed.len(),
        1,
        "it would reach clients that must not see the service"
    );
    assert_eq!(codes(&engine), ["AER0900"]);
}

#[test]
fn a_failed_port_does_not_keep_a_listener_that_another_service_owns_now() {
    let mut engine = engine();
    engine.apply(entry("b", Some("good")));
    engine.drain();
    engine.apply(entry("b", Some("fail")));
    engine.apply(entry("a", Some("good")));
    let changes = engine.drain();
    assert_eq!((changes.upserted.len(), changes.removed.len()), (1, 1));
    let names: Vec<&str> = engine
        .filters()
        .values()
        .map(|filter| filter.host.as_str())
        .collect();
    assert_eq!(names, ["a.example.com"]);
}

#[test]
fn what_is_there_is_not_changed_without_a_complete_view() {
    let mut engine = engine();
    engine.apply(entry("a", None));
    engine.apply(rule("v1"));
    engine.drain();
    let observed = written(&engine);
    // The rule could not be read this time.
    engine.apply(ConfigEvent::Delete(ObjectKey::new(
        Kind::VIRTUAL_SERVICE,
        "shop",
        "a",
    )));
    engine.drain();
    let actions = plan(&engine, &observed, None);
    assert!(
        matches!(&actions[..], [Action::Hold(_, HoldReason::IncompleteView)]),
        "{actions:?}"
    );
    let actions = plan(&engine, &observed, Some(&CompleteView::assert()));
    assert!(matches!(&actions[..], [Action::Update(_)]));
}

#[test]
fn nothing_is_deleted_without_a_complete_view() {
    let mut full = engine();
    full.apply(entry("a", None));
    full.apply(entry("bb", None));
    full.drain();
    let observed = written(&full);

    let empty = engine();
    let blind = plan(&empty, &observed, None);
    assert_eq!(blind.len(), 2);
    for action in &blind {
        assert!(matches!(
            action,
            Action::Hold(_, HoldReason::IncompleteView)
        ));
    }
    let sighted = plan(&empty, &observed, Some(&CompleteView::assert()));
    assert!(
        sighted
            .iter()
            .all(|action| matches!(action, Action::Delete(_)))
    );
    assert_eq!(sighted.len(), 2);
}

#[test]
fn a_plan_that_was_carried_out_leaves_nothing_to_do() {
    let mut engine = engine();
    engine.apply(entry("a", None));
    engine.apply(rule("v1"));
    engine.drain();
    let mut observed = Observed::new();
    let creations = plan(&engine, &observed, Some(&CompleteView::assert()));
    assert!(matches!(&creations[..], [Action::Create(_)]));
    observed.extend(written(&engine));
    assert!(plan(&engine, &observed, Some(&CompleteView::assert())).is_empty());

    engine.apply(rule("v2"));
    engine.drain();
    let updates = plan(&engine, &observed, Some(&CompleteView::assert()));
    assert!(matches!(&updates[..], [Action::Update(_)]));
}

#[test]
fn foreign_objects_and_foreign_metadata_are_left_alone() {
    let mut engine = engine();
    engine.apply(entry("a", None));
    engine.drain();
    let mut observed = written(&engine);
    for (key, content) in &mut observed {
        let mut object = content.object(&key.namespace, &key.name);
        let label = ("team".to_owned(), "orders".to_owned());
        object.metadata.labels.extend([label]);
        *content = Content::of(&object);
    }
    assert!(plan(&engine, &observed, Some(&CompleteView::assert())).is_empty());

    for (key, content) in &mut observed {
        let bare = Cr::new(&*key.name, &*key.namespace, EnvoyFilter::default());
        *content = Content::of(&bare);
    }
    let actions = plan(&engine, &observed, Some(&CompleteView::assert()));
    assert!(
        matches!(&actions[..], [Action::Foreign(_)]),
        "unlabelled: {actions:?}"
    );
}

/// Entries with an address and a name each, some of which fail.
fn many(count: usize) -> Vec<ConfigEvent> {
    let moods = [None, Some("calm"), Some("fail"), Some("panic")];
    let numbered = |n: usize| {
        let ConfigEvent::Put(object) = entry(&format!("service{n}"), moods[n % moods.len()]) else {
            unreachable!("entries are put")
        };
        let mut object = Arc::unwrap_or_clone(object);
        if let Body::ServiceEntry { spec, .. } = &mut object.body {
            let addresses = vec![format!("240.240.{}.{}", 1 + n / 200, 1 + n % 200)];
            *spec = Packed::of(&ServiceEntry {
                addresses,
                ..spec.get()
            });
        }
        ConfigEvent::Put(Arc::new(object))
    };
    (0..count).map(numbered).collect()
}

#[test]
fn a_mesh_that_is_made_at_once_equals_one_that_is_made_service_by_service() {
    // More than one thread takes, and no multiple of their number.
    const COUNT: usize = 1003;
    let (mut at_once, mut one_by_one) = (engine(), engine());
    for event in many(COUNT) {
        at_once.apply(event.clone());
        one_by_one.apply(event);
        one_by_one.drain();
    }
    let changes = at_once.drain();
    assert_eq!(changes.recomputed, COUNT);
    assert_eq!(&changes.upserted, at_once.filters());
    assert_eq!(at_once.filters(), one_by_one.filters());
    assert_eq!(
        at_once.filters().len(),
        COUNT.div_ceil(4) + (COUNT - 1).div_ceil(4)
    );
    assert_eq!(at_once.diagnostics(), one_by_one.diagnostics());
    assert!(at_once.held().eq(one_by_one.held()));
}

#[test]
fn two_registrations_of_one_token_are_refused_by_name() {
    static OTHER: Registration = Registration::new(Protocol::Custom("mad"), &Moody)
        .aliases(&["moody"])
        .origin("others");
    let error = Registry::of([&MOODY, &OTHER]).expect_err("they clash");
    let expected = RegistryError::Duplicate {
        token: "moody",
        first: "others",
        second: "tests",
    };
    assert_eq!(error, expected);
}
