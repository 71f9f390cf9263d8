//! How long the core takes: everything at once, one change, and a change that alters nothing.
//!
//! Each service has a ServiceEntry, a VirtualService with three routes and a DestinationRule, and comes to an outbound and
//! an inbound EnvoyFilter. `cargo bench -p aeraki-core` prints medians; compare them with each other, not with a clock.

#![expect(
    missing_docs,
    reason = "criterion_group! makes a public function without a word"
)]

use std::hint::black_box;
use std::sync::Arc;

use aeraki_core::engine::Engine;
use aeraki_core::object::{ConfigEvent, Object};
use aeraki_core::registry::Registry;
use aeraki_core::settings::Settings;
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use proto_dubbo as _;

mod mesh;

use mesh::{mesh, virtual_service};

/// As the aeraki command has it.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const SIZES: [usize; 3] = [100, 1_000, 10_000];

fn engine() -> Engine {
    let registry = Registry::linked().expect("no two protocols claim one token");
    Engine::new(Settings::default(), registry)
}

fn filled(objects: &[Arc<Object>]) -> Engine {
    let mut engine = engine();
    for object in objects {
        engine.apply(ConfigEvent::Put(Arc::clone(object)));
    }
    engine
}

fn full_generation(c: &mut Criterion) {
    let mut group = c.benchmark_group("full_generation");
    group.sample_size(10);
    for size in SIZES {
        let objects = mesh(size);
        group.throughput(Throughput::Elements(size as u64));
        group.bench_with_input(BenchmarkId::from_parameter(size), &objects, |b, objects| {
            b.iter_batched(
                || objects.clone(),
                |objects| {
                    let mut engine = filled(&objects);
                    let changes = engine.drain();
                    assert_eq!(changes.upserted.len(), 2 * size);
                    (engine, changes)
                },
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

fn one_change(c: &mut Criterion) {
    let mut group = c.benchmark_group("one_change");
    for size in SIZES {
        let mut engine = filled(&mesh(size));
        engine.drain();
        let versions = ["a", "b"].map(|method| Arc::new(virtual_service(size / 2, method)));
        let mut turn = 0;
        group.bench_function(BenchmarkId::from_parameter(size), |b| {
            b.iter(|| {
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

fn unchanged_push(c: &mut Criterion) {
    let mut group = c.benchmark_group("unchanged_push");
    group.sample_size(10);
    for size in SIZES {
        let mut engine = filled(&mesh(size));
        engine.drain();
        let again = mesh(size);
        group.bench_function(BenchmarkId::from_parameter(size), |b| {
            b.iter(|| {
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

criterion_group!(benches, full_generation, one_change, unchanged_push);
criterion_main!(benches);
