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

use aeraki_api::Cr;
use aeraki_api::networking::{DestinationRule, ServiceEntry, VirtualService};
use aeraki_core::engine::Engine;
use aeraki_core::object::{ConfigEvent, Object};
use aeraki_core::registry::Registry;
use aeraki_core::settings::Settings;
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use proto_dubbo as _;
use serde_json::json;

/// As the aeraki command has it.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const SIZES: [usize; 3] = [100, 1_000, 10_000];

fn host(n: usize) -> String {
    format!("com.acme.service{n}.api")
}

fn service_entry(n: usize) -> Object {
    let (high, low) = (n / 250, n % 250 + 1);
    let spec: ServiceEntry = serde_json::from_value(json!({
        "hosts": [host(n)], "addresses": [format!("240.240.{high}.{low}")], "resolution": "STATIC",
        "ports": [{"number": 20880, "name": "tcp-dubbo", "protocol": "TCP"}],
        "workloadSelector": {"labels": {"app": format!("service{n}")}},
    }))
    .expect("a ServiceEntry");
    let mut entry = Cr::new(format!("service{n}"), "shop", spec);
    entry.metadata.annotations = [("interface".to_owned(), format!("com.acme.Service{n}"))].into();
    Object::from(entry)
}

fn virtual_service(n: usize, method: &str) -> Object {
    let to = |subset: &str, weight: u32| json!({"destination": {"host": host(n), "subset": subset}, "weight": weight});
    let spec: VirtualService = serde_json::from_value(json!({
        "hosts": [host(n)],
        "http": [
            {"match": [{"method": {"exact": method}}], "route": [to("v2", 0)]},
            {"match": [{"headers": {"tenant": {"exact": "gold"}}}], "route": [to("v1", 0)]},
            {"route": [to("v1", 90), to("v2", 10)]},
        ],
    }))
    .expect("a VirtualService");
    Object::from(Cr::new(format!("service{n}"), "shop", spec))
}

fn destination_rule(n: usize) -> Object {
    let spec: DestinationRule = serde_json::from_value(json!({
        "host": host(n), "subsets": [{"name": "v1"}, {"name": "v2"}],
    }))
    .expect("a DestinationRule");
    Object::from(Cr::new(format!("service{n}"), "shop", spec))
}

fn mesh(size: usize) -> Vec<Arc<Object>> {
    (0..size)
        .flat_map(|n| {
            [
                service_entry(n),
                virtual_service(n, "createOrder"),
                destination_rule(n),
            ]
        })
        .map(Arc::new)
        .collect()
}

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
