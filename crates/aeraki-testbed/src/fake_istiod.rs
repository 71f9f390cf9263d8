//! An istiod that says what a test wants, over real HTTP/2, with and without TLS.
//!
//! For what the real one cannot be made to do: be of some years ago, break off at a certain byte, hold any number of objects
//! at once.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};

use aeraki_api::discovery::{DiscoveryRequest, DiscoveryResponse};
use aeraki_api::mcp::{Any, Metadata, Resource};
use aeraki_api::networking::ServiceEntry;
use prost::Message;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::{TcpListenerStream, UnboundedReceiverStream};
use tonic::body::Body;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::{BoxFuture, Service, http};
use tonic::transport::{Server, ServerTlsConfig};
use tonic::{Code, Request, Response, Status, Streaming};

/// How the server behaves. May change while it runs; a stream follows from its next move on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Scenario {
    /// As istiod of today: config is in the `v1` collections.
    Current,
    /// As istiod of some years ago: config is in the `v1alpha3` collections.
    Old,
    /// Takes no stream.
    Refuse(Code, &'static str),
    /// Takes the stream and is silent.
    Hang,
    /// Answers so many requests, and then ends the stream in good order.
    CloseAfter(usize),
    /// Answers with bytes that are no answer.
    Garbage,
}

/// What the server has seen and done.
#[derive(Default, Debug)]
pub struct Seen {
    /// The header `authorization` of each stream.
    pub tokens: Vec<Option<String>>,
    /// The header `clusterid` of each stream.
    pub cluster_ids: Vec<Option<String>>,
    /// All requests, of all streams.
    pub requests: Vec<DiscoveryRequest>,
    /// Streams that are open.
    pub open: usize,
    /// The most streams that ever were open at one time.
    pub most_open: usize,
}

/// The server. It ends when it is dropped.
pub struct FakeIstiod {
    /// Where it listens.
    pub address: SocketAddr,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

struct Shared {
    scenario: Mutex<Scenario>,
    /// By kind.
    objects: Mutex<BTreeMap<&'static str, Vec<Any>>>,
    seen: Mutex<Seen>,
    /// Counts pushes, by kind.
    pushes: watch::Sender<Pushes>,
    /// Counts how often all streams were broken off.
    breaks: watch::Sender<u64>,
}

/// How often each kind of [`SERVED`] has been pushed.
type Pushes = [u64; 3];

const SERVED: [&str; 3] = ["ServiceEntry", "VirtualService", "DestinationRule"];

impl FakeIstiod {
    /// Starts one that speaks plaintext.
    pub async fn start(scenario: Scenario) -> Self {
        Self::start_at("127.0.0.1:0", scenario, None).await
    }

    /// Starts one that speaks TLS.
    pub async fn start_secure(scenario: Scenario, tls: ServerTlsConfig) -> Self {
        Self::start_at("127.0.0.1:0", scenario, Some(tls)).await
    }

    /// Starts one at this address.
    pub async fn start_at(at: &str, scenario: Scenario, tls: Option<ServerTlsConfig>) -> Self {
        let listener = TcpListener::bind(at).await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            scenario: Mutex::new(scenario),
            objects: Mutex::default(),
            seen: Mutex::default(),
            pushes: watch::Sender::new(Pushes::default()),
            breaks: watch::Sender::new(0),
        });
        let mut server = Server::builder();
        if let Some(tls) = tls {
            server = server.tls_config(tls).unwrap();
        }
        let (stop, stopped) = oneshot::channel::<()>();
        let ads = Ads(Arc::clone(&shared));
        let task = tokio::spawn(async move {
            // What is said goes out at once, as from the real one.
            let prompt = |stream: TcpStream| stream.set_nodelay(true).map(|()| stream);
            let incoming =
                TcpListenerStream::new(listener).map(move |stream| stream.and_then(prompt));
            let stopped = async {
                let _dropped = stopped.await;
            };
            let _ended = server
                .serve_with_incoming_shutdown(ads, incoming, stopped)
                .await;
        });
        Self {
            address,
            shared,
            stop: Some(stop),
            task,
        }
    }

    /// Where it listens, as text.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Sends GOAWAY and listens no more. Streams that are open stay so.
    pub fn go_away(&mut self) {
        drop(self.stop.take());
    }

    /// Breaks everything off.
    pub async fn kill(mut self) {
        self.task.abort();
        let _cancelled = (&mut self.task).await;
        self.break_off();
    }

    /// Ends all streams that are open. Whoever comes again is served.
    pub fn break_off(&self) {
        self.shared.breaks.send_modify(|breaks| *breaks += 1);
    }

    /// Behaves so from now on.
    pub fn play(&self, scenario: Scenario) {
        *self.shared.scenario.lock().unwrap() = scenario;
    }

    /// Sets the objects of a kind, without a push: as istiod does for changes of annotations alone.
    pub fn set(&self, kind: &'static str, resources: Vec<Any>) {
        self.shared.objects.lock().unwrap().insert(kind, resources);
    }

    /// Pushes every collection to every stream.
    pub fn push(&self) {
        let all = |pushes: &mut Pushes| pushes.iter_mut().for_each(|count| *count += 1);
        self.shared.pushes.send_modify(all);
    }

    /// Pushes the collection of one kind to every stream, as istiod does when only that has changed.
    pub fn push_kind(&self, kind: &str) {
        let kinds = SERVED.iter().position(|served| *served == kind);
        let one = |pushes: &mut Pushes| kinds.iter().for_each(|&kind| pushes[kind] += 1);
        self.shared.pushes.send_modify(one);
    }

    /// What it has seen and done.
    pub fn seen(&self) -> MutexGuard<'_, Seen> {
        self.shared.seen()
    }
}

impl Shared {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap()
    }

    fn scenario(&self) -> Scenario {
        self.scenario.lock().unwrap().clone()
    }

    /// The answer for a type, as the scenario has it.
    fn answer(&self, type_url: &str, nonce: u64) -> DiscoveryResponse {
        let version = match self.scenario() {
            Scenario::Old => "v1alpha3",
            _ => "v1",
        };
        let kind = SERVED
            .iter()
            .find(|kind| type_url == format!("networking.istio.io/{version}/{kind}"));
        let objects = self.objects.lock().unwrap();
        let resources = match kind {
            Some(kind) => objects.get(kind).cloned().unwrap_or_default(),
            None if type_url == "istio.io/debug" => vec![syncz()],
            None => Vec::new(),
        };
        DiscoveryResponse {
            version_info: self.pushes.borrow().iter().sum::<u64>().to_string(),
            resources,
            type_url: type_url.to_owned(),
            nonce: format!("n{nonce}"),
        }
    }
}

fn syncz() -> Any {
    Any {
        type_url: "istio.io/debug".to_owned(),
        value: br#"[{"proxy": "a.shop", "resources": {
            "type.googleapis.com/envoy.config.listener.v3.Listener":
                {"lastError": "Error adding/updating listener(s) 240.240.0.1_9092: no such filter\n"}
        }}]"#
        .to_vec(),
    }
}

/// One stream, from the server's side.
struct Conversation {
    shared: Arc<Shared>,
    requests: Streaming<DiscoveryRequest>,
    responses: mpsc::UnboundedSender<Result<Vec<u8>, Status>>,
    pushes: watch::Receiver<Pushes>,
    breaks: watch::Receiver<u64>,
    subscribed: BTreeSet<String>,
    nonce: u64,
}

impl Conversation {
    async fn run(mut self) {
        let mut sent = *self.pushes.borrow();
        loop {
            tokio::select! {
                request = self.requests.message() => match request {
                    Ok(Some(request)) => if self.on(request).is_none() { return },
                    Ok(None) | Err(_) => return,
                },
                _ = self.pushes.changed() => {
                    let now = *self.pushes.borrow_and_update();
                    let is_due = |type_url: &&String| {
                        let mut kinds = SERVED.iter().zip(sent.iter().zip(&now));
                        let kind = kinds.find(|(kind, _)| type_url.ends_with(*kind));
                        kind.is_none_or(|(_, (sent, now))| sent != now)
                    };
                    let due: Vec<_> = self.subscribed.iter().filter(is_due).cloned().collect();
                    for type_url in due {
                        self.send(&type_url);
                    }
                    sent = now;
                }
                _ = self.breaks.changed() => return,
                // The client has reset the stream.
                () = self.responses.closed() => return,
            }
        }
    }

    /// `None` where the stream is to end.
    fn on(&mut self, request: DiscoveryRequest) -> Option<()> {
        let is_question = request.response_nonce.is_empty();
        let type_url = request.type_url.clone();
        self.shared.seen().requests.push(request);
        match self.shared.scenario() {
            Scenario::Hang => return Some(()),
            Scenario::CloseAfter(count) if self.nonce as usize >= count => return None,
            Scenario::Garbage => {
                let _gone = self.responses.send(Ok(vec![0xff; 20]));
                return Some(());
            }
            _ => {}
        }
        if is_question {
            self.send(&type_url);
            if type_url != "istio.io/debug" {
                self.subscribed.insert(type_url);
            }
        }
        Some(())
    }

    fn send(&mut self, type_url: &str) {
        self.nonce += 1;
        let answer = self.shared.answer(type_url, self.nonce);
        let _gone = self.responses.send(Ok(answer.encode_to_vec()));
    }
}

impl Drop for Conversation {
    fn drop(&mut self) {
        self.shared.seen().open -= 1;
    }
}

#[derive(Clone)]
struct Ads(Arc<Shared>);

impl Service<http::Request<Body>> for Ads {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let open = Open(Arc::clone(&self.0));
        Box::pin(async move {
            let mut grpc = tonic::server::Grpc::new(Bytes);
            Ok(grpc.streaming(open, request).await)
        })
    }
}

/// Takes on a stream, or does not.
struct Open(Arc<Shared>);

impl Service<Request<Streaming<DiscoveryRequest>>> for Open {
    type Response = Response<UnboundedReceiverStream<Result<Vec<u8>, Status>>>;
    type Error = Status;
    type Future = Ready<Result<Self::Response, Status>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Streaming<DiscoveryRequest>>) -> Self::Future {
        let header = |name| {
            let value = request.metadata().get(name)?;
            Some(value.to_str().unwrap().to_owned())
        };
        // Whoever sees that there is a stream may break it off at once.
        let (pushes, breaks) = (self.0.pushes.subscribe(), self.0.breaks.subscribe());
        let mut seen = self.0.seen();
        seen.tokens.push(header("authorization"));
        seen.cluster_ids.push(header("clusterid"));
        if let Scenario::Refuse(code, message) = self.0.scenario() {
            return ready(Err(Status::new(code, message)));
        }
        seen.open += 1;
        seen.most_open = seen.most_open.max(seen.open);
        drop(seen);
        let (responses, stream) = mpsc::unbounded_channel();
        let conversation = Conversation {
            shared: Arc::clone(&self.0),
            requests: request.into_inner(),
            responses,
            pushes,
            breaks,
            subscribed: BTreeSet::new(),
            nonce: 0,
        };
        tokio::spawn(conversation.run());
        ready(Ok(Response::new(UnboundedReceiverStream::new(stream))))
    }
}

/// Sends bytes as they are, so that they may be wrong.
struct Bytes;

impl Codec for Bytes {
    type Encode = Vec<u8>;
    type Decode = DiscoveryRequest;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Bytes {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        prost::bytes::BufMut::put_slice(buffer, &item);
        Ok(())
    }
}

impl Decoder for Bytes {
    type Item = DiscoveryRequest;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<DiscoveryRequest>, Status> {
        Ok(Some(DiscoveryRequest::decode(buffer).unwrap()))
    }
}

/// A ServiceEntry `shop/<name>`.
pub fn entry(name: &str, host: &str) -> Any {
    let spec = ServiceEntry {
        hosts: vec![host.to_owned()],
        ..ServiceEntry::default()
    };
    resource(name, Any::pack(&spec))
}

/// A resource `shop/<name>`.
pub fn resource(name: &str, body: Any) -> Any {
    Any::pack(&Resource {
        metadata: Some(Metadata {
            name: format!("shop/{name}"),
            ..Metadata::default()
        }),
        body: Some(body),
    })
}
