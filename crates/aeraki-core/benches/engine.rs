//! How long the core takes, part by part: to read, to index, to generate, to plan; one change; a push without any; and the
//! floors, which are decoding the same config and encoding the same EnvoyFilters with nothing in between.
//!
//! `cargo bench -p aeraki-core --bench engine` prints medians; compare them with each other, not with a clock. 100,000
//! services take a few minutes: `-- '/10000$'` runs one size alone.

#![expect(
    missing_docs,
    reason = "criterion_group! makes a public function without a word"
)]

use std::hint::black_box;
use std::sync::Arc;

use aeraki_api::networking::{DestinationRule, EnvoyFilter, ServiceEntry, VirtualService};
use aeraki_core::engine::Engine;
use aeraki_core::object::{ConfigEvent, Object};
use aeraki_core::plan::CompleteView;
use aeraki_core::reconcile::Reconciler;
use aeraki_core::registry::Registry;
use aeraki_core::settings::Settings;
use aeraki_testkit::large_mesh::{FILTERS_OF_A_SERVICE, METHOD, Member, members, objects};
use criterion::measurement::WallTime;
use criterion::{
    BatchSize, BenchmarkGroup, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main,
};
use prost::Message;
use proto_dubbo as _;

/// As the aeraki command has it.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const SIZES: [usize; 4] = [100, 1_000, 10_000, 100_000];

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

fn settled(size: usize) -> Engine {
    let mut engine = indexed(&objects(size));
    engine.drain();
    engine
}

/// A part of the work at every size. Each run has an input of its own, which `setup` makes of what the size has in common.
fn at_every_size<C, I, O>(
    criterion: &mut Criterion,
    part: &str,
    common: impl Fn(usize) -> C,
    setup: impl Fn(&C) -> I,
    run: impl Fn(I) -> O,
) {
    let mut group = whole_mesh(criterion, part);
    for size in SIZES {
        let common = common(size);
        group.throughput(Throughput::Elements(size as u64));
        group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
            bencher.iter_batched(|| setup(&common), &run, BatchSize::PerIteration);
        });
    }
    group.finish();
}

fn whole_mesh<'c>(criterion: &'c mut Criterion, part: &str) -> BenchmarkGroup<'c, WallTime> {
    let mut group = criterion.benchmark_group(part);
    group.sample_size(10);
    group
}

fn full_generation(criterion: &mut Criterion) {
    let generated = |objects: Vec<Arc<Object>>| {
        let mut engine = indexed(&objects);
        let changes = engine.drain();
        assert_eq!(
            changes.upserted.len(),
            FILTERS_OF_A_SERVICE * objects.len() / 3
        );
        (engine, changes)
    };
    at_every_size(criterion, "full_generation", objects, Vec::clone, generated);
}

fn index(criterion: &mut Criterion) {
    let run = |objects: Vec<Arc<Object>>| indexed(&objects);
    at_every_size(criterion, "index", objects, Vec::clone, run);
}

fn generate(criterion: &mut Criterion) {
    let setup = |objects: &Vec<Arc<Object>>| indexed(objects);
    let run = |mut engine: Engine| (engine.drain(), engine);
    at_every_size(criterion, "generate", objects, setup, run);
}

fn plan(criterion: &mut Criterion) {
    let setup = |objects: &Vec<Arc<Object>>| {
        let mut engine = indexed(objects);
        engine.drain();
        let mut reconciler = Reconciler::new(engine);
        reconciler.view(Some(CompleteView::assert()), 1);
        reconciler.observed_whole(true);
        reconciler
    };
    let run = |mut reconciler: Reconciler| (reconciler.step(), reconciler);
    at_every_size(criterion, "plan", objects, setup, run);
}

/// The three messages of a service, as bytes.
fn bytes(size: usize) -> Vec<[Vec<u8>; 3]> {
    let three = |member: Member| {
        [
            member.service_entry().spec.encode_to_vec(),
            member.virtual_service(METHOD).spec.encode_to_vec(),
            member.destination_rule().spec.encode_to_vec(),
        ]
    };
    members(size).map(three).collect()
}

fn floor_of_decoding(criterion: &mut Criterion) {
    let mut group = whole_mesh(criterion, "floor/decode");
    for size in SIZES {
        let messages = bytes(size);
        group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
            bencher.iter(|| {
                for [entry, rules, subsets] in &messages {
                    black_box(ServiceEntry::decode(entry.as_slice()).expect("a ServiceEntry"));
                    black_box(VirtualService::decode(rules.as_slice()).expect("a VirtualService"));
                    black_box(DestinationRule::decode(subsets.as_slice()).expect("a rule"));
                }
            });
        });
    }
    group.finish();
}

fn floor_of_encoding(criterion: &mut Criterion) {
    let mut group = whole_mesh(criterion, "floor/encode");
    for size in SIZES {
        let engine = settled(size);
        let filters = engine.filters().values();
        let specs: Vec<EnvoyFilter> = filters.map(|filter| filter.content.spec()).collect();
        group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
            bencher.iter(|| {
                for spec in &specs {
                    black_box(serde_json::to_string(spec).expect("JSON"));
                }
            });
        });
    }
    group.finish();
}

fn one_change(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("one_change");
    for size in SIZES {
        let mut engine = settled(size);
        let rule = |method| Arc::new(Object::from(Member(size / 2).virtual_service(method)));
        let versions = ["a", "b"].map(rule);
        let mut turn = 0;
        group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
            bencher.iter(|| {
                turn += 1;
                engine.apply(ConfigEvent::Put(Arc::clone(&versions[turn % 2])));
                let changes = engine.drain();
                assert_eq!(changes.upserted.len(), 1);
                black_box(changes)
            });
        });
    }
    group.finish();
}

fn unchanged_push(criterion: &mut Criterion) {
    let mut group = whole_mesh(criterion, "unchanged_push");
    for size in SIZES {
        let mut engine = settled(size);
        let again = objects(size);
        group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
            bencher.iter(|| {
                for object in &again {
                    engine.apply(ConfigEvent::Put(Arc::clone(object)));
                }
                let changes = engine.drain();
                assert_eq!(changes.recomputed, 0);
            });
        });
    }
    group.finish();
}

criterion_group!(
    benches,
    floor_of_decoding,
    floor_of_encoding,
    index,
    generate,
    full_generation,
    plan,
    one_change,
    unchanged_push
);
criterion_main!(benches);
