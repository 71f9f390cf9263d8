//! How many instructions the hot paths take, in callgrind: the same on every machine, however busy it is.
//!
//! `cargo xtask test instructions` runs this, and fails where a path takes [`MARGIN`] more than is written here. Whoever
//! makes one cheaper writes the new count down.

#![allow(missing_docs, reason = "gungraun's macros write undocumented items")]

use std::hint::black_box;
use std::sync::Arc;

use aeraki_core::Content;
use aeraki_core::engine::{Changes, Engine};
use aeraki_core::object::{ConfigEvent, Kind, Object};
use aeraki_core::plan::CompleteView;
use aeraki_core::reconcile::{Reconciler, Step};
use aeraki_core::registry::Registry;
use aeraki_core::settings::Settings;
use aeraki_testkit::large_mesh::{Member, members, objects};
use gungraun::{
    Callgrind, EventKind, LibraryBenchmarkConfig, library_benchmark, library_benchmark_group, main,
};
use proto_dubbo as _;

/// Few enough that one thread does all of it.
const SERVICES: usize = 100;

/// A hundredth part of what was recorded, so often: other compilers and libraries come to a little more or less.
const MARGIN: u64 = 5;

/// Fails where more instructions are taken than were recorded, beyond the margin.
fn recorded(instructions: u64) -> LibraryBenchmarkConfig {
    let limit = instructions + instructions / 100 * MARGIN;
    let mut callgrind = Callgrind::with_args(["--cache-sim=no"]);
    callgrind.hard_limits([(EventKind::Ir, limit)]);
    let mut config = LibraryBenchmarkConfig::default();
    config.tool(callgrind);
    config
}

fn engine() -> Engine {
    let registry = Registry::linked().expect("no two protocols claim one token");
    Engine::new(Settings::default(), registry)
}

fn indexed(objects: &[Arc<Object>]) -> Engine {
    let mut engine = engine();
    for object in objects {
        engine.apply(ConfigEvent::Put(Arc::clone(object)));
    }
    engine
}

fn settled() -> Engine {
    let mut engine = indexed(&objects(SERVICES));
    engine.drain();
    engine
}

fn texts() -> Vec<String> {
    let text = |member: Member| {
        serde_json::to_string(&member.virtual_service("createOrder")).expect("JSON")
    };
    members(SERVICES).map(text).collect()
}

#[library_benchmark(setup = texts)]
#[bench::a_hundred(config = recorded(3_537_375))]
fn read(texts: Vec<String>) -> Vec<Object> {
    let read = |text: &String| {
        let mut json = serde_json::Deserializer::from_str(text);
        Object::read(Kind::VIRTUAL_SERVICE, &mut json).expect("a VirtualService")
    };
    black_box(texts.iter().map(read).collect())
}

#[library_benchmark]
#[bench::a_hundred(args = (objects(SERVICES)), config = recorded(2_950_782))]
fn index(objects: Vec<Arc<Object>>) -> Engine {
    black_box(indexed(&objects))
}

#[library_benchmark]
#[bench::a_hundred(args = (indexed(&objects(SERVICES))), config = recorded(12_036_595))]
fn generate(mut engine: Engine) -> (Changes, Engine) {
    black_box((engine.drain(), engine))
}

fn change() -> (Engine, Arc<Object>) {
    let changed = Member(SERVICES / 2).virtual_service("cancelOrder");
    (settled(), Arc::new(changed.into()))
}

#[library_benchmark]
#[bench::of_a_hundred(args = (change()), config = recorded(149_578))]
fn one_change((mut engine, object): (Engine, Arc<Object>)) -> (Changes, Engine) {
    engine.apply(ConfigEvent::Put(object));
    black_box((engine.drain(), engine))
}

/// All is planned, and now written; what is written comes back.
fn planned() -> (Reconciler, Vec<(aeraki_core::FilterKey, Content)>) {
    let mut reconciler = Reconciler::new(indexed(&objects(SERVICES)));
    reconciler.view(Some(CompleteView::assert()), 1);
    reconciler.observed_whole(true);
    reconciler.step();
    let filters = reconciler.engine().filters().values();
    let written = filters.map(|filter| (filter.key.clone(), Content::of(&filter.object())));
    let written = written.collect();
    (reconciler, written)
}

#[library_benchmark]
#[bench::two_hundred_come_back(args = (planned()), config = recorded(1_982_505))]
fn plan(
    (mut reconciler, written): (Reconciler, Vec<(aeraki_core::FilterKey, Content)>),
) -> (Step, Reconciler) {
    for (key, content) in written {
        reconciler.observe(&key, Some(content));
    }
    black_box((reconciler.step(), reconciler))
}

library_benchmark_group!(
    name = hot_paths,
    benchmarks = [read, index, generate, one_change, plan]
);

main!(library_benchmark_groups = hot_paths);
