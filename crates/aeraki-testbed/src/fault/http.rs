//! An HTTP proxy in front of the API server: it answers in its place, goes silent, or loses a reply.
//!
//! Clients speak plain HTTP to it on loopback and give a bearer token, which passes through: so the
//! API server sees the client's own identity, and RBAC and the audit log stay true. What is watched
//! is streamed.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use anyhow::{Result, anyhow};
use bytes::Bytes;
use futures::stream;
use http::request::Parts;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use kube::client::Body;
use kube::{Client, Config};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::sleep;

use super::Verb;
use crate::Testbed;

/// What happens to a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum HttpFault {
    /// It is answered with this status, and never forwarded.
    Status(u16),
    /// It is answered with this status and a `Retry-After` of so many seconds.
    RetryAfter(u16, u32),
    /// It is neither forwarded nor answered.
    Hang,
    /// It is not forwarded, and its connection ends.
    Cut,
    /// It is forwarded, and its answer never comes.
    ForwardThenHang,
    /// It is forwarded, and its connection ends instead of an answer.
    ForwardThenCut,
    /// It is forwarded, and its connection ends after so many bytes of the answer's body.
    CutBody(usize),
    /// It is forwarded after this time.
    Delay(Duration),
}

/// Which requests a fault is for. Without more said: all of them.
#[derive(Clone, Debug)]
pub struct Rule {
    fault: HttpFault,
    verbs: Vec<Verb>,
    path: String,
    skip: usize,
    times: usize,
}

impl Rule {
    /// This fault, for every request.
    pub fn new(fault: HttpFault) -> Self {
        Self {
            fault,
            verbs: vec![],
            path: String::new(),
            skip: 0,
            times: usize::MAX,
        }
    }

    /// Only for these verbs.
    #[must_use]
    pub fn verbs(mut self, verbs: &[Verb]) -> Self {
        self.verbs = verbs.to_vec();
        self
    }

    /// Only where the path holds this, as `/envoyfilters` does.
    #[must_use]
    pub fn path(mut self, part: &str) -> Self {
        part.clone_into(&mut self.path);
        self
    }

    /// Not for the first so many of those.
    #[must_use]
    pub fn skip(mut self, skip: usize) -> Self {
        self.skip = skip;
        self
    }

    /// Only so many times.
    #[must_use]
    pub fn times(mut self, times: usize) -> Self {
        self.times = times;
        self
    }

    fn takes(&mut self, verb: Verb, path: &str) -> bool {
        let meant = (self.verbs.is_empty() || self.verbs.contains(&verb))
            && path.contains(&self.path)
            && self.times > 0;
        if meant && self.skip > 0 {
            self.skip -= 1;
            return false;
        }
        self.times -= usize::from(meant);
        meant
    }
}

/// A request that the proxy has seen.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ApiRequest {
    /// What it was about to do.
    pub verb: Verb,
    /// The path with its query.
    pub path: String,
    /// The status of the answer; none yet, or none at all where there was no answer.
    pub code: Option<u16>,
}

/// The proxy. Without rules everything passes.
#[derive(Debug)]
pub struct HttpProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    /// Counts the times that all connections were ended; gone with the proxy.
    epoch: watch::Sender<u64>,
}

struct Shared {
    upstream: Client,
    rules: Mutex<Vec<Rule>>,
    requests: watch::Sender<Vec<ApiRequest>>,
}

type Answer = Response<UnsyncBoxBody<Bytes, anyhow::Error>>;

impl HttpProxy {
    /// Listens on a loopback port of its own.
    pub async fn start(bed: &Testbed) -> Result<Self> {
        let mut config = Config::new(bed.apiserver_url().parse()?);
        config.root_cert_file = Some(bed.apiserver_root_file());
        config.read_timeout = None;
        config.default_retry = false;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let (epoch, watched) = watch::channel(0);
        let shared = Arc::new(Shared {
            upstream: Client::try_from(config)?,
            rules: Mutex::default(),
            requests: watch::Sender::default(),
        });
        tokio::spawn(serve(listener, shared.clone(), watched));
        Ok(Self {
            address,
            shared,
            epoch,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL for a kubeconfig: see [`Testbed::kubeconfig_through`].
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Adds a rule. Of several that are meant the oldest counts.
    pub fn add(&self, rule: Rule) {
        self.shared.rules().push(rule);
    }

    /// Takes all rules away. Requests that hang go on hanging.
    pub fn clear(&self) {
        self.shared.rules().clear();
    }

    /// Ends all connections, watches and hanging requests among them.
    pub fn end_connections(&self) {
        self.epoch.send_modify(|epoch| *epoch += 1);
    }

    /// Every request so far, in order of arrival.
    pub fn requests(&self) -> Vec<ApiRequest> {
        self.shared.requests.borrow().clone()
    }

    /// Waits until what has been seen fulfils the condition.
    pub async fn until(&self, condition: impl FnMut(&Vec<ApiRequest>) -> bool) {
        let mut requests = self.shared.requests.subscribe();
        requests
            .wait_for(condition)
            .await
            .expect("the sender is ours");
    }
}

impl Shared {
    fn rules(&self) -> MutexGuard<'_, Vec<Rule>> {
        self.rules.lock().expect("no panic under the lock")
    }

    fn fault(&self, verb: Verb, path: &str) -> Option<HttpFault> {
        self.rules()
            .iter_mut()
            .find_map(|rule| rule.takes(verb, path).then_some(rule.fault))
    }

    /// Its place among all requests.
    fn arrived(&self, verb: Verb, path: &str) -> usize {
        let mut place = 0;
        self.requests.send_modify(|requests| {
            place = requests.len();
            requests.push(ApiRequest {
                verb,
                path: path.to_owned(),
                code: None,
            });
        });
        place
    }

    fn answered(&self, place: usize, code: StatusCode) {
        self.requests
            .send_modify(|requests| requests[place].code = Some(code.as_u16()));
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Shared")
            .field("rules", &self.rules)
            .finish_non_exhaustive()
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>, mut epoch: watch::Receiver<u64>) {
    loop {
        tokio::select! {
            changed = epoch.changed() => if changed.is_err() { return },
            accepted = listener.accept() => if let Ok((stream, _)) = accepted {
                tokio::spawn(connection(stream, shared.clone(), epoch.clone()));
            }
        }
    }
}

async fn connection(stream: TcpStream, shared: Arc<Shared>, mut epoch: watch::Receiver<u64>) {
    let service = service_fn(move |request| handle(shared.clone(), request));
    let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        // However it ends, the client has noticed.
        _ = connection => {}
        _ = epoch.changed() => {}
    }
}

/// An error ends the connection without an answer.
async fn handle(shared: Arc<Shared>, request: Request<Incoming>) -> Result<Answer> {
    let (parts, body) = request.into_parts();
    let verb = Verb::of(&parts.method, &parts.uri);
    let path = parts
        .uri
        .path_and_query()
        .map_or_else(String::new, ToString::to_string);
    let body = body.collect().await?.to_bytes();
    let fault = shared.fault(verb, &path);
    let place = shared.arrived(verb, &path);
    let answer = match fault {
        None => forward(&shared, parts, body).await?,
        Some(HttpFault::Status(code)) => status(code, None)?,
        Some(HttpFault::RetryAfter(code, seconds)) => status(code, Some(seconds))?,
        Some(HttpFault::Hang) => std::future::pending().await,
        Some(HttpFault::Cut) => return Err(cut()),
        Some(HttpFault::ForwardThenHang) => {
            complete(forward(&shared, parts, body).await?).await?;
            std::future::pending().await
        }
        Some(HttpFault::ForwardThenCut) => {
            complete(forward(&shared, parts, body).await?).await?;
            return Err(cut());
        }
        Some(HttpFault::CutBody(length)) => shortened(forward(&shared, parts, body).await?, length),
        Some(HttpFault::Delay(time)) => {
            sleep(time).await;
            forward(&shared, parts, body).await?
        }
    };
    shared.answered(place, answer.status());
    Ok(answer)
}

fn cut() -> anyhow::Error {
    anyhow!("cut, as asked")
}

async fn forward(shared: &Shared, mut parts: Parts, body: Bytes) -> Result<Answer> {
    // They are about the client's connection to us.
    for name in [header::HOST, header::CONNECTION, header::CONTENT_LENGTH] {
        parts.headers.remove(name);
    }
    let request = Request::from_parts(parts, Body::from(body));
    let response = shared.upstream.send(request).await?;
    Ok(response.map(|body| body.map_err(Into::into).boxed_unsync()))
}

/// Waits for the end of an answer that nobody will see, so that what was asked is done.
async fn complete(answer: Answer) -> Result<()> {
    answer.into_body().collect().await.map(drop)
}

/// As the API server says it.
fn status(code: u16, retry_after: Option<u32>) -> Result<Answer> {
    let reason = match code {
        403 => "Forbidden",
        409 => "Conflict",
        410 => "Expired",
        429 => "TooManyRequests",
        503 => "ServiceUnavailable",
        504 => "Timeout",
        _ => "InternalError",
    };
    let body = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": "the test bed's proxy answers so", "reason": reason, "code": code,
    });
    let body = Full::from(body.to_string()).map_err(|never| match never {});
    let mut answer = Response::new(body.boxed_unsync());
    *answer.status_mut() = StatusCode::from_u16(code)?;
    let headers = answer.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    if let Some(seconds) = retry_after {
        headers.insert(header::RETRY_AFTER, seconds.into());
    }
    Ok(answer)
}

/// The first bytes of the body, then an error: its connection ends in the middle.
fn shortened(answer: Answer, length: usize) -> Answer {
    answer.map(|body| {
        let frames = stream::unfold((body, length), async |(mut body, left)| {
            if left == 0 {
                return Some((Err(cut()), (body, 0)));
            }
            let frame = match body.frame().await? {
                Ok(frame) => frame.into_data().unwrap_or_default(),
                Err(error) => return Some((Err(error), (body, 0))),
            };
            let part = frame.slice(..frame.len().min(left));
            let left = left - part.len();
            Some((Ok(Frame::data(part)), (body, left)))
        });
        StreamBody::new(frames).boxed_unsync()
    })
}
