//! Random histories: objects come, change in one field, are copied almost as they are, and go.
//!
//! A whole new object seldom differs from the old one in one field alone, and two objects drawn apart seldom share all
//! but one. That is where an index goes stale and where owners clash, so both have steps of their own.

use std::collections::BTreeMap;
use std::fmt;

use aeraki_core::object::{ConfigEvent, ObjectKey};
use aeraki_core::registry::Registry;
use proptest::collection::SizeRange;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use super::{
    ADDRESSES, ANNOTATIONS, CREATED, EXPORT_TO, HOSTS, NAMES, NAMESPACES, PORT_NAMES, PORTS,
    PROTOCOLS, TARGET_PORTS, decode, object_json, selector,
};

/// A step of a history.
#[derive(Clone)]
pub enum Step {
    /// An object is set.
    Put(Value),
    /// One field of an object that is there is set.
    Tweak(Pick, Change),
    /// An object that is there gets a twin of another name, with one field set.
    Copy(Pick, &'static str, Change),
    /// The object of an earlier step is removed, by its number modulo the steps so far.
    Delete(usize),
    /// The engine is drained.
    Drain,
}

/// A failure prints a history, and objects are shorter as JSON than as the tree it is held in.
impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Put(json) => write!(f, "Put({json})"),
            Self::Tweak(pick, change) => write!(f, "Tweak({pick:?}, {change:?})"),
            Self::Copy(pick, name, change) => write!(f, "Copy({pick:?}, {name:?}, {change:?})"),
            Self::Delete(number) => write!(f, "Delete({number})"),
            Self::Drain => f.write_str("Drain"),
        }
    }
}

/// An object that is there: by its number among those of its kind, modulo how many there are.
#[derive(Clone, Copy, Debug)]
pub struct Pick {
    kind: &'static str,
    number: usize,
}

/// A field, as a JSON pointer, and its new value; null removes it.
#[derive(Clone)]
pub struct Change {
    field: &'static str,
    value: Value,
}

impl fmt::Debug for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {}", self.field, self.value)
    }
}

impl Change {
    /// Sets the field. One whose parent is not there stays away; one past the end of a list is appended.
    fn apply(&self, json: &mut Value) {
        if let Some(there) = json.pointer_mut(self.field)
            && !self.value.is_null()
        {
            *there = self.value.clone();
            return;
        }
        let (parent, name) = self.field.rsplit_once('/').expect("a pointer has a slash");
        // `~1` is a pointer's way to write a slash.
        let name = name.replace("~1", "/");
        match json.pointer_mut(parent) {
            Some(Value::Object(fields)) if self.value.is_null() => {
                fields.remove(&name);
            }
            Some(Value::Object(fields)) => {
                fields.insert(name, self.value.clone());
            }
            Some(Value::Array(items)) if !self.value.is_null() => items.push(self.value.clone()),
            _ => {}
        }
    }
}

/// A history of so many steps.
pub fn history(steps: impl Into<SizeRange>) -> impl Strategy<Value = Vec<Step>> {
    let tweak = change().prop_map(|(pick, change)| Step::Tweak(pick, change));
    let copy =
        (change(), select(NAMES)).prop_map(|((pick, change), name)| Step::Copy(pick, name, change));
    let step = prop_oneof![
        8 => object_json().prop_map(Step::Put),
        6 => tweak,
        3 => copy,
        1 => any::<usize>().prop_map(Step::Delete),
        3 => Just(Step::Drain),
    ];
    proptest::collection::vec(step, steps)
}

/// The events of a history; `None` is a drain.
#[must_use]
pub fn events(history: &[Step], registry: &Registry) -> Vec<Option<ConfigEvent>> {
    let mut replay = Replay::default();
    history
        .iter()
        .filter_map(|step| replay.event(step, registry))
        .collect()
}

/// The state that steps refer to.
#[derive(Default)]
struct Replay {
    there: BTreeMap<ObjectKey, Value>,
    put: Vec<ObjectKey>,
}

impl Replay {
    /// The event of a step: `Some(None)` is a drain, `None` is nothing, since the step has nothing to work on.
    fn event(&mut self, step: &Step, registry: &Registry) -> Option<Option<ConfigEvent>> {
        match step {
            Step::Put(json) => self.put(json.clone(), registry),
            Step::Tweak(pick, change) => {
                let mut json = self.find(*pick)?.clone();
                change.apply(&mut json);
                self.put(json, registry)
            }
            Step::Copy(pick, name, change) => {
                let mut json = self.find(*pick)?.clone();
                json["metadata"]["name"] = json!(name);
                change.apply(&mut json);
                self.put(json, registry)
            }
            Step::Delete(number) => {
                let key = self.put.get(number.checked_rem(self.put.len())?)?.clone();
                self.there.remove(&key);
                Some(Some(ConfigEvent::Delete(key)))
            }
            Step::Drain => Some(None),
        }
    }

    fn put(&mut self, json: Value, registry: &Registry) -> Option<Option<ConfigEvent>> {
        let object = decode(&json, registry)?;
        self.put.push(object.key.clone());
        self.there.insert(object.key.clone(), json);
        Some(Some(ConfigEvent::Put(object)))
    }

    fn find(&self, pick: Pick) -> Option<&Value> {
        let of_kind = || self.there.values().filter(|json| json["kind"] == pick.kind);
        let number = pick.number.checked_rem(of_kind().count())?;
        of_kind().nth(number)
    }
}

/// A field of some kind, and the kind.
fn change() -> impl Strategy<Value = (Pick, Change)> {
    let of = |kind: &'static str, change: BoxedStrategy<Change>| {
        (0..8_usize, change).prop_map(move |(number, change)| (Pick { kind, number }, change))
    };
    prop_oneof![
        6 => of("ServiceEntry", service_entry().boxed()),
        3 => of("Service", service().boxed()),
        1 => of("VirtualService", rule().boxed()),
        1 => of("DestinationRule", rule().boxed()),
        1 => of("Secret", secret().boxed()),
        1 => of("RedisService", redis().boxed()),
        1 => of("RedisDestination", redis().boxed()),
    ]
}

fn set<T: Into<Value> + Clone + std::fmt::Debug + 'static>(
    fields: &'static [&'static str],
    values: &'static [T],
) -> BoxedStrategy<Change> {
    (select(fields), select(values))
        .prop_map(|(field, value)| Change {
            field,
            value: value.into(),
        })
        .boxed()
}

fn export_to() -> BoxedStrategy<Change> {
    let field = "/spec/exportTo";
    let value = select(EXPORT_TO).prop_map(|list| json!(list));
    value.prop_map(move |value| Change { field, value }).boxed()
}

fn created() -> BoxedStrategy<Change> {
    let field = "/metadata/creationTimestamp";
    select(CREATED)
        .prop_map(move |time| Change {
            field,
            value: json!(time),
        })
        .boxed()
}

/// An annotation of a service, set or removed.
fn annotation() -> impl Strategy<Value = Change> {
    let value = |values: &'static [&'static str]| {
        prop_oneof![Just(Value::Null), select(values).prop_map(Value::from)]
    };
    select(ANNOTATIONS).prop_flat_map(move |(field, values)| {
        value(values).prop_map(move |value| Change { field, value })
    })
}

fn selected(field: &'static str, wrap: fn(Value) -> Value) -> impl Strategy<Value = Change> {
    let value = prop_oneof![1 => Just(Value::Null), 3 => selector().prop_map(wrap)];
    value.prop_map(move |value| Change { field, value })
}

fn service_entry() -> impl Strategy<Value = Change> {
    prop_oneof![
        1 => set(&["/spec/ports/0/name", "/spec/ports/1/name"], PORT_NAMES),
        1 => set(&["/spec/ports/0/protocol", "/spec/ports/1/protocol"], PROTOCOLS),
        1 => set(&["/spec/ports/0/targetPort"], TARGET_PORTS),
        1 => set(&["/spec/ports/0/number", "/spec/ports/1/number"], PORTS),
        1 => set(&["/spec/addresses/0", "/spec/addresses/1"], ADDRESSES),
        1 => set(&["/spec/hosts/0"], HOSTS),
        1 => set(&["/metadata/namespace"], NAMESPACES),
        2 => export_to(),
        2 => annotation(),
        2 => selected("/spec/workloadSelector", |labels| json!({"labels": labels})),
        1 => created(),
    ]
}

fn service() -> impl Strategy<Value = Change> {
    prop_oneof![
        1 => set(&["/spec/ports/0/name", "/spec/ports/1/name"], &["tcp-dubbo", "tcp-redis", "tcp", "http-web"]),
        1 => set(&["/spec/ports/0/protocol", "/spec/ports/1/protocol"], &["TCP", "UDP"]),
        1 => set(&["/spec/ports/0/appProtocol"], &["redis", "tcp", "http"]),
        1 => set(&["/spec/ports/0/targetPort"], TARGET_PORTS),
        1 => set(&["/spec/clusterIP"], &["", "None", "10.0.0.1", "10.0.0.2", "240.240.0.1"]),
        1 => set(&["/spec/type"], &["", "ExternalName"]),
        1 => set(&["/metadata/annotations/networking.istio.io~1exportTo"], &["*", ".", "~", "shop", "data,shop"]),
        2 => annotation(),
        2 => selected("/spec/selector", |labels| labels),
        1 => created(),
    ]
}

fn rule() -> impl Strategy<Value = Change> {
    prop_oneof![2 => export_to(), 1 => created(), 1 => set(&["/metadata/namespace"], NAMESPACES)]
}

fn secret() -> impl Strategy<Value = Change> {
    let keys = &["/stringData/password", "/stringData/username"];
    let removed = select(keys).prop_map(|field| Change {
        field,
        value: Value::Null,
    });
    prop_oneof![set(keys, &["", "one", "two"]), removed]
}

fn redis() -> impl Strategy<Value = Change> {
    let opt_in = set(
        &["/metadata/annotations/redis.aeraki.io~1inline-credentials"],
        &["true", "false"],
    );
    prop_oneof![2 => opt_in, 1 => created()]
}
