//! What one tenant's config costs the others: large and crowded objects in a mesh of usual ones.
//!
//! The engine does one thing after the other, so what a hostile object takes is the longest that anybody else waits for it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use aeraki_api::Cr;
use aeraki_api::networking::VirtualService;
use aeraki_core::engine::{Changes, Engine};
use aeraki_core::object::{ConfigEvent, Object};
use aeraki_testkit::large_mesh::{Member, members, objects};
use anyhow::Result;
use serde::{Deserialize, Serialize};

use crate::pipeline::{change, filled, median};

/// Services beside the hostile config.
const BYSTANDERS: usize = 10_000;

/// What a kind of hostile config costs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Cost {
    /// What it is.
    pub(crate) what: String,
    /// From the object to its outcome; where there are many objects, that of the last one.
    pub(crate) taken_ms: f64,
    /// EnvoyFilters that came out of it.
    pub(crate) filters: usize,
    /// A change of another service, before there was any of it.
    pub(crate) other_before_us: f64,
    /// The same with it there.
    pub(crate) other_us: f64,
    /// What is said about it.
    pub(crate) codes: Vec<String>,
}

/// A kind of hostile config: what it is, and its objects.
type Case = (&'static str, fn() -> Vec<Object>);

const CASES: [Case; 5] = [
    ("a VirtualService of 1,000 routes", || vec![routes(1_000)]),
    ("a VirtualService of 10,000 routes", || vec![routes(10_000)]),
    ("a VirtualService of 20 MiB", || vec![twenty_mebibytes()]),
    (
        "a VirtualService for a wildcard that covers 1,000 services",
        wildcard,
    ),
    ("5,000 VirtualServices for one host", crowd),
];

/// Measures every kind in a mesh of its own.
pub(crate) fn measure() -> Result<Vec<Cost>> {
    let mesh = objects(BYSTANDERS);
    CASES.iter().map(|case| cost(case, &mesh)).collect()
}

fn cost((what, hostile): &Case, mesh: &[Arc<Object>]) -> Result<Cost> {
    let mut engine = filled(mesh)?;
    engine.drain();
    let known: Vec<_> = engine.diagnostics().into_iter().cloned().collect();
    let other_before = other(&mut engine, "before")?;
    let objects: Vec<Arc<Object>> = hostile().into_iter().map(Arc::new).collect();
    let mut last = (Duration::ZERO, Changes::default());
    for object in objects {
        let began = Instant::now();
        engine.apply(ConfigEvent::Put(object));
        let changes = engine.drain();
        last = (began.elapsed(), changes);
    }
    let new = engine
        .diagnostics()
        .into_iter()
        .filter(|it| !known.contains(it));
    let mut codes: Vec<String> = new.map(|it| it.code.to_owned()).collect();
    codes.sort_unstable();
    codes.dedup();
    Ok(Cost {
        what: (*what).to_owned(),
        taken_ms: last.0.as_secs_f64() * 1_000.0,
        filters: last.1.upserted.len(),
        other_before_us: other_before.as_secs_f64() * 1_000_000.0,
        other_us: other(&mut engine, "after")?.as_secs_f64() * 1_000_000.0,
        codes,
    })
}

/// A change of a service that has nothing to do with the hostile ones, which are the first.
fn other(engine: &mut Engine, when: &str) -> Result<Duration> {
    let mut turn = 0;
    median(101, || {
        turn += 1;
        change(engine, Member(BYSTANDERS / 2 + turn), when)
    })
}

/// The first service's rules, so many times as many.
fn routes(count: usize) -> Object {
    let mut rule: Cr<VirtualService> = Member(0).virtual_service("a");
    let route = rule.spec.http[0].clone();
    let numbered = |n: usize| {
        let mut route = route.clone();
        route.name = format!("route-{n}");
        route
    };
    rule.spec.http = (0..count).map(numbered).collect();
    rule.into()
}

/// The name of a method is a text of 20 MiB.
fn twenty_mebibytes() -> Object {
    let method = "x".repeat(20 << 20);
    Member(0).virtual_service(&method).into()
}

/// A thousand services more, below a domain of their own, and last the rule for all of them.
fn wildcard() -> Vec<Object> {
    let service = |member: Member| {
        let mut entry = member.service_entry();
        entry.spec.hosts = vec![format!("{}.crowd.example", member.name())];
        entry.into()
    };
    let mut rule: Cr<VirtualService> = Member(0).virtual_service("a");
    rule.spec.hosts = vec!["*.crowd.example".to_owned()];
    rule.metadata.name = "crowd".to_owned();
    let services = members(BYSTANDERS + 1_000).skip(BYSTANDERS);
    services.map(service).chain([rule.into()]).collect()
}

/// Five thousand for the first service, of which one counts.
fn crowd() -> Vec<Object> {
    let one = |n: usize| {
        let mut rule: Cr<VirtualService> = Member(0).virtual_service("a");
        rule.metadata.name = format!("crowd-{n}");
        rule.into()
    };
    (0..5_000).map(one).collect()
}
