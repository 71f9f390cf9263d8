//! The source while the API server is away. It has a bed of its own, since it takes the server from under every test.

mod view;

use aeraki_core::object::Kind;
use aeraki_testbed::{Options, Testbed};
use view::{Running, brisk, namespace, only, service_entry};

#[tokio::test(flavor = "multi_thread")]
async fn an_api_server_that_comes_back_is_followed_from_where_it_is() {
    let bed = Testbed::start(Options::default().without_istiod())
        .await
        .unwrap();
    let cluster = bed.cluster().await.unwrap();
    let ns = "outage";
    cluster.apply(&namespace(ns)).await.unwrap();
    cluster.apply(&service_entry(ns, "a")).await.unwrap();
    let mut source = Running::start(cluster.client(), only(Kind::SERVICE_ENTRY, ns), brisk());
    source.until("a complete view", |s| s.is_complete()).await;

    for round in 1..=2 {
        bed.stop_apiserver().unwrap();
        source
            .until("a problem", |s| s.codes() == ["AER0411"])
            .await;
        assert!(source.is_complete(), "what was seen still counts");
        bed.start_apiserver().await.unwrap();
        source.until("no problem", |s| s.problems.is_empty()).await;
        let name = format!("b{round}");
        cluster.apply(&service_entry(ns, &name)).await.unwrap();
        source
            .until("a new object", |s| {
                s.has(&format!("ServiceEntry {ns}/{name}"))
            })
            .await;
    }
    assert_eq!(source.deleted, [], "an outage deletes nothing");

    // What happened while nothing was watched, and is older than what the new server remembers.
    let mut again = Running::start(cluster.client(), only(Kind::SERVICE_ENTRY, ns), brisk());
    again.until("a complete view", |s| s.is_complete()).await;
    cluster
        .delete("networking.istio.io/v1/ServiceEntry", ns, "a")
        .await
        .unwrap();
    bed.start_apiserver().await.unwrap();
    for source in [&mut source, &mut again] {
        source
            .until("the deletion", |s| !s.has("ServiceEntry outage/a"))
            .await;
        assert_eq!(source.objects.len(), 2);
    }
}
