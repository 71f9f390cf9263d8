//! What a push costs before the engine sees it: the whole set comes, one object has changed.
#![allow(
    missing_docs,
    reason = "criterion's macros write undocumented functions"
)]

use std::hint::black_box;

use aeraki_api::discovery::DiscoveryResponse;
use aeraki_api::mcp::{Any, Metadata, Resource};
use aeraki_api::networking::{HttpRoute, HttpRouteDestination, VirtualService};
use aeraki_xds::node::Identity;
use aeraki_xds::session::{Input, Session};
use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};

const VIRTUAL_SERVICE: &str = "networking.istio.io/v1/VirtualService";

fn resource(number: usize, host: &str) -> Any {
    let rule = HttpRoute {
        name: "default".to_owned(),
        route: vec![HttpRouteDestination::default(); 2],
        ..HttpRoute::default()
    };
    let spec = VirtualService {
        hosts: vec![format!("{host}-{number}.example.com")],
        http: vec![rule; 3],
        ..VirtualService::default()
    };
    Any::pack(&Resource {
        metadata: Some(Metadata {
            name: format!("shop/orders-{number}"),
            version: "123456".to_owned(),
            labels: [("app".to_owned(), "orders".to_owned())].into(),
            ..Metadata::default()
        }),
        body: Some(Any::pack(&spec)),
    })
}

fn answer(size: usize, changed: usize) -> Input {
    let host = |number| if number < changed { "new" } else { "old" };
    Input::Response(DiscoveryResponse {
        resources: (0..size).map(|n| resource(n, host(n))).collect(),
        type_url: VIRTUAL_SERVICE.to_owned(),
        ..DiscoveryResponse::default()
    })
}

fn session() -> Session {
    let mut session = Session::new(&Identity {
        ip: [127, 0, 0, 1].into(),
        pod: "aeraki".to_owned(),
        namespace: "istio-system".to_owned(),
    });
    session.on(Input::Connected);
    session
}

fn push(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("push");
    for size in [1_000, 10_000] {
        group.bench_function(BenchmarkId::new("first", size), |bencher| {
            let inputs = || (session(), answer(size, 0));
            let play = |(mut session, input): (Session, Input)| {
                black_box(session.on(input));
                session
            };
            bencher.iter_batched(inputs, play, BatchSize::LargeInput);
        });
        group.bench_function(BenchmarkId::new("one_changed", size), |bencher| {
            let mut session = session();
            session.on(answer(size, 0));
            let mut changed = 0;
            let inputs = || {
                changed = 1 - changed;
                answer(size, changed)
            };
            bencher.iter_batched(
                inputs,
                |input| black_box(session.on(input)),
                BatchSize::LargeInput,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, push);
criterion_main!(benches);
