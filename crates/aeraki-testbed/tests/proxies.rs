//! Each proxy does what it says.
#![allow(clippy::unwrap_used, reason = "a test that meets an error has failed")]

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use aeraki_testbed::fault::{ApiRequest, HttpFault, HttpProxy, Rule, TcpFault, TcpProxy, Verb};
use aeraki_testbed::{Cluster, Options, Testbed};
use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::{WatchEvent, WatchParams};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::OnceCell;
use tokio::time::timeout;

/// Long enough for what passes to arrive, on most runs: where nothing may arrive, a busy machine
/// can hide an error but never make one.
const A_WHILE: Duration = Duration::from_millis(300);

/// Sends every byte back.
async fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut from, mut to) = stream.split();
                tokio::io::copy(&mut from, &mut to).await.ok();
            });
        }
    });
    address
}

async fn proxied() -> (TcpProxy, TcpStream) {
    let proxy = TcpProxy::start(echo().await).unwrap();
    let stream = TcpStream::connect(proxy.address()).await.unwrap();
    (proxy, stream)
}

async fn round_trip(stream: &mut TcpStream, bytes: &[u8]) {
    stream.write_all(bytes).await.unwrap();
    let mut back = vec![0; bytes.len()];
    stream.read_exact(&mut back).await.unwrap();
    assert_eq!(back, bytes);
}

#[tokio::test]
async fn without_a_fault_everything_passes_and_is_counted() {
    let (proxy, mut stream) = proxied().await;
    let bytes: Vec<u8> = (0..200_000u32).map(|number| number as u8).collect();
    let (mut from, mut to) = stream.split();
    let sending = async {
        to.write_all(&bytes).await.unwrap();
        to.shutdown().await.unwrap();
    };
    let mut back = vec![];
    let receiving = from.read_to_end(&mut back);
    let ((), received) = tokio::join!(sending, receiving);
    received.unwrap();
    assert_eq!(back, bytes);
    assert_eq!(proxy.bytes_to_clients(), 200_000);
    assert_eq!(proxy.connections(), 1);
    while proxy.open_connections() > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn cut_comes_after_exactly_so_many_bytes_of_each_connection() {
    let (proxy, stream) = proxied().await;
    proxy.set(TcpFault::CutAfter(5));
    let another = TcpStream::connect(proxy.address()).await.unwrap();
    for mut stream in [stream, another] {
        stream.write_all(b"0123456789").await.unwrap();
        let mut back = vec![];
        stream.read_to_end(&mut back).await.unwrap();
        assert_eq!(back, b"01234");
    }
}

#[tokio::test]
async fn black_hole_holds_what_is_sent_until_it_closes() {
    let (proxy, mut stream) = proxied().await;
    round_trip(&mut stream, b"before").await;
    proxy.set(TcpFault::BlackHole);
    let mut another = TcpStream::connect(proxy.address()).await.unwrap();
    for stream in [&mut stream, &mut another] {
        stream.write_all(b"held").await.unwrap();
        let mut back = [0; 4];
        let arrived = timeout(A_WHILE, stream.read_exact(&mut back)).await;
        assert!(arrived.is_err());
    }
    proxy.set(TcpFault::Pass);
    for stream in [&mut stream, &mut another] {
        let mut back = [0; 4];
        stream.read_exact(&mut back).await.unwrap();
        assert_eq!(&back, b"held");
    }
}

#[tokio::test]
async fn throttle_lets_single_bytes_through() {
    let (proxy, mut stream) = proxied().await;
    proxy.set(TcpFault::Throttle(1));
    stream.write_all(b"ab").await.unwrap();
    for wanted in [b"a", b"b"] {
        let mut back = [0; 16];
        let length = stream.read(&mut back).await.unwrap();
        assert_eq!(&back[..length], wanted);
    }
}

#[tokio::test]
async fn reset_hits_open_and_new_connections() {
    let (proxy, mut stream) = proxied().await;
    round_trip(&mut stream, b"open").await;
    proxy.set(TcpFault::Reset);
    let mut byte = [0];
    let open = stream.read(&mut byte).await.unwrap_err();
    assert_eq!(open.kind(), ErrorKind::ConnectionReset);
    let new = async {
        let mut stream = TcpStream::connect(proxy.address()).await?;
        stream.read(&mut byte).await
    };
    assert_eq!(new.await.unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn refusal_ends_open_connections_and_the_address_serves_again_later() {
    let (proxy, mut stream) = proxied().await;
    round_trip(&mut stream, b"open").await;
    proxy.set(TcpFault::Refuse);
    assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);
    let connect = || TcpStream::connect(proxy.address());
    let refused = loop {
        if let Err(error) = connect().await {
            break error;
        }
    };
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    proxy.set(TcpFault::Pass);
    let mut again = loop {
        if let Ok(stream) = connect().await {
            break stream;
        }
    };
    round_trip(&mut again, b"again").await;
}

static BED: OnceCell<Testbed> = OnceCell::const_new();

const CONFIG_MAP: &str = "v1/ConfigMap";

/// A service account that may do everything in a namespace of its own, by way of a proxy.
async fn through_a_proxy(name: &str) -> (HttpProxy, Cluster) {
    let start = || Testbed::start(Options::default().without_istiod());
    let bed = BED.get_or_try_init(start).await.expect("the bed starts");
    let admin = bed.cluster().await.unwrap();
    admin
        .apply(&format!(
            "\
{{apiVersion: v1, kind: Namespace, metadata: {{name: {name}}}}}
---
{{apiVersion: v1, kind: ServiceAccount, metadata: {{name: owner, namespace: {name}}}}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{name: owner, namespace: {name}}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}}
subjects: [{{kind: ServiceAccount, name: owner, namespace: {name}}}]
"
        ))
        .await
        .unwrap();
    let direct = bed.cluster_as(name, "owner").await.unwrap();
    // RBAC learns of the binding by a watch of its own.
    while direct.list(CONFIG_MAP, name).await.is_err() {}
    let proxy = HttpProxy::start(bed).await.unwrap();
    let kubeconfig = bed.kubeconfig_through(&proxy, name, "owner").await;
    let cluster = Cluster::connect(&kubeconfig.unwrap()).await.unwrap();
    (proxy, cluster)
}

fn config_map(namespace: &str, name: &str) -> String {
    format!(
        "{{apiVersion: v1, kind: ConfigMap, metadata: {{name: {name}, namespace: {namespace}}}}}"
    )
}

/// What came of the requests about config maps.
fn outcomes(proxy: &HttpProxy) -> Vec<(Verb, Option<u16>)> {
    let requests = proxy.requests();
    let about = requests
        .iter()
        .filter(|request| request.path.contains("/configmaps"));
    about.map(|request| (request.verb, request.code)).collect()
}

#[tokio::test]
async fn requests_pass_as_the_clients_own() {
    let (proxy, cluster) = through_a_proxy("pass").await;
    cluster.apply(&config_map("pass", "a")).await.unwrap();
    let list = cluster.list(CONFIG_MAP, "pass").await.unwrap();
    assert!(list.iter().any(|map| map["metadata"]["name"] == "a"));
    let wanted = [(Verb::Patch, Some(201)), (Verb::List, Some(200))];
    assert_eq!(outcomes(&proxy), wanted);
    let log = BED.get().unwrap().audit_log().unwrap();
    let ours = log
        .iter()
        .filter(|entry| entry.user == "system:serviceaccount:pass:owner");
    let patches = ours.filter(|entry| entry.verb == "patch").count();
    assert_eq!(patches, 1);
}

#[tokio::test]
async fn status_comes_for_the_verb_the_path_and_the_times_of_its_rule() {
    let (proxy, cluster) = through_a_proxy("status").await;
    let rule = Rule::new(HttpFault::Status(409)).verbs(&[Verb::Patch]);
    proxy.add(rule.path("/configmaps").skip(1).times(1));
    let map = |name| config_map("status", name);
    cluster.apply(&map("a")).await.unwrap();
    let error = cluster.apply(&map("b")).await.unwrap_err();
    let status = error.downcast_ref::<kube::Error>();
    assert!(
        matches!(status, Some(kube::Error::Api(status)) if status.code == 409 && status.reason == "Conflict"),
        "{error:?}"
    );
    cluster.apply(&map("b")).await.unwrap();
    let codes: Vec<Option<u16>> = outcomes(&proxy).into_iter().map(|(_, code)| code).collect();
    assert_eq!(codes, [Some(201), Some(409), Some(201)]);
}

#[tokio::test]
async fn cut_request_is_not_done_and_a_cut_reply_is() {
    let (proxy, cluster) = through_a_proxy("cut").await;
    let get = async |name| cluster.get(CONFIG_MAP, "cut", name).await.unwrap();
    for (fault, name, done) in [
        (HttpFault::Cut, "request", false),
        (HttpFault::ForwardThenCut, "reply", true),
    ] {
        let verbs = [Verb::Patch];
        proxy.add(Rule::new(fault).verbs(&verbs));
        assert!(cluster.apply(&config_map("cut", name)).await.is_err());
        proxy.clear();
        assert_eq!(get(name).await.is_some(), done, "{name}");
    }
}

#[tokio::test]
async fn hanging_request_ends_with_its_connection_done_or_not() {
    let (proxy, cluster) = through_a_proxy("hang").await;
    for (fault, name, done) in [
        (HttpFault::Hang, "request", false),
        (HttpFault::ForwardThenHang, "reply", true),
    ] {
        let seen = outcomes(&proxy).len();
        proxy.add(Rule::new(fault).verbs(&[Verb::Patch]));
        let map = config_map("hang", name);
        let arrived = async {
            let about = |request: &&ApiRequest| request.path.contains("/configmaps");
            proxy
                .until(|requests| requests.iter().filter(about).count() > seen)
                .await;
            let direct = BED.get().unwrap().cluster().await.unwrap();
            let there = async || {
                direct
                    .get(CONFIG_MAP, "hang", name)
                    .await
                    .unwrap()
                    .is_some()
            };
            while done && !there().await {}
            proxy.end_connections();
        };
        let (applied, ()) = tokio::join!(cluster.apply(&map), arrived);
        assert!(applied.is_err());
        proxy.clear();
        let found = cluster.get(CONFIG_MAP, "hang", name).await.unwrap();
        assert_eq!(found.is_some(), done, "{name}");
    }
}

#[tokio::test]
async fn retry_after_is_told() {
    let (proxy, _) = through_a_proxy("retry").await;
    proxy.add(Rule::new(HttpFault::RetryAfter(429, 7)));
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    let request = "GET /version HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 429"), "{answer}");
    assert!(answer.contains("retry-after: 7\r\n"), "{answer}");
}

#[tokio::test]
async fn watch_is_streamed_and_can_be_cut_in_the_middle() {
    let (proxy, cluster) = through_a_proxy("watch").await;
    let api: Api<ConfigMap> = Api::namespaced(cluster.client(), "watch");
    let watch = async || {
        let events = api.watch(&WatchParams::default(), "0").await.unwrap();
        events.boxed()
    };
    let mut events = watch().await;
    cluster.apply(&config_map("watch", "late")).await.unwrap();
    loop {
        let event = events.try_next().await.unwrap().expect("the watch is open");
        if matches!(&event, WatchEvent::Added(map) if map.metadata.name.as_deref() == Some("late"))
        {
            break;
        }
    }
    proxy.end_connections();
    while let Ok(Some(_)) = events.try_next().await {}

    proxy.add(Rule::new(HttpFault::CutBody(10)).verbs(&[Verb::Watch]));
    let arrived = || {
        let requests = proxy.requests();
        let watches = requests.iter().filter(|it| it.verb == Verb::Watch);
        watches.count()
    };
    let before = arrived();
    // A connection that has just ended may still be taken for a good one, and then no request arrives. Of one that does,
    // the answer may be cut before it has begun.
    while arrived() == before {
        if let Ok(events) = api.watch(&WatchParams::default(), "0").await {
            assert!(!matches!(events.boxed().next().await, Some(Ok(_))));
        }
    }
}
