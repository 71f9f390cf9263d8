//! How fast many EnvoyFilters are created, next to a loop that does nothing but send them. To be run by hand:
//!
//! ```text
//! cargo test --release -p aeraki-kube --test writer_rate -- --ignored --nocapture
//! ```

mod desk;

use std::sync::Arc;
use std::time::Instant;

use aeraki_core::plan::{Action, CompleteView, Observed, plan};
use aeraki_kube::WriterOptions;
use aeraki_kube::lease::Fence;
use aeraki_testbed::{Options, Testbed};
use desk::{Controller, Place, engine, service};
use futures::StreamExt;
use http::Request;
use kube::Client;

const COUNT: usize = 2000;
const ROUNDS: usize = 3;

/// As large as a filter with a few routes.
fn word() -> String {
    "x".repeat(2000)
}

/// The requests that a controller would send.
fn requests(namespace: &str) -> Vec<Request<Vec<u8>>> {
    let mut engine = engine();
    for n in 0..COUNT {
        engine.apply(service(namespace, &format!("s{n}"), n, &word()));
    }
    engine.drain();
    let actions = plan(&engine, &Observed::new(), Some(&CompleteView::assert()));
    let path = format!(
        "/apis/networking.istio.io/v1alpha3/namespaces/{namespace}/envoyfilters?fieldManager=aeraki"
    );
    let request = |action: Action| {
        let Action::Create(filter) = action else {
            panic!("creations only");
        };
        let object = filter.object();
        let body = serde_json::to_vec(&object).expect("JSON");
        let request = Request::post(&path).header("content-type", "application/json");
        request.body(body).expect("a request")
    };
    actions.into_iter().map(request).collect()
}

/// Seconds for a plain loop with the same number of requests in flight.
async fn plain(client: &Client, requests: Vec<Request<Vec<u8>>>) -> f64 {
    let began = Instant::now();
    let in_flight = WriterOptions::default().in_flight;
    let sent = futures::stream::iter(requests)
        .map(|request| async { client.request_text(request).await.expect("it is created") })
        .buffer_unordered(in_flight);
    assert_eq!(sent.count().await, COUNT);
    began.elapsed().as_secs_f64()
}

/// Seconds from the config to the last answer.
async fn written(place: &Place) -> f64 {
    let controller = Controller::start(place, Fence::open(), WriterOptions::default());
    controller
        .until("a look", |c| c.filters.problem().is_none())
        .await;
    let namespace = place.namespace;
    let began = Instant::now();
    controller.apply((0..COUNT).map(|n| service(namespace, &format!("s{n}"), n, &word())));
    controller
        .until("all", |c| c.outcomes().len() == COUNT)
        .await;
    let took = began.elapsed().as_secs_f64();
    assert_eq!(place.filters().await.len(), COUNT);
    took
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes a minute, and needs an otherwise idle machine to mean anything"]
async fn creation_of_many_next_to_a_plain_loop() {
    let start = Testbed::start(Options::default().without_istiod());
    let bed = Arc::new(start.await.expect("the bed starts"));
    let (mut loops, mut writers) = (0.0, 0.0);
    for round in 0..ROUNDS {
        let namespace = ["rate0", "rate1", "rate2"][round];
        let mut place = Place::new(&bed, namespace).await;
        place.client = place.cluster.client();
        let of_loop = plain(&place.client, requests(namespace)).await;
        let namespace = ["rate3", "rate4", "rate5"][round];
        let mut place = Place::new(&bed, namespace).await;
        place.client = place.cluster.client();
        let of_writer = written(&place).await;
        println!("{COUNT} filters: plain loop {of_loop:.2} s, writer {of_writer:.2} s");
        loops += of_loop;
        writers += of_writer;
    }
    println!(
        "rate of the writer to that of the loop: {:.2}",
        loops / writers
    );
}
