//! What this process serves by HTTP: health and metrics for the network, the rest for this machine alone.
//!
//! Nothing that the network can reach can be written to, and nothing there tells what config says (S13 of the security
//! goals).

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use axum::Router;
use axum::extract::{Query, State};
use axum::http::header::{CONTENT_TYPE, HOST, ORIGIN};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use serde::Deserialize;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::{sleep, timeout};

use super::health::{Check, Health};
use super::metrics::Metrics;
use crate::run::log::Level;

/// What OpenMetrics calls itself.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What the handlers need.
#[derive(Clone)]
pub(super) struct Inside {
    pub(super) health: Arc<Health>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) questions: mpsc::Sender<Question>,
    pub(super) level: Level,
}

/// A page that only the loop can write, and where it goes.
pub(super) struct Question {
    pub(super) page: Page,
    pub(super) answer: oneshot::Sender<Value>,
}

/// A page about what is going on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Page {
    /// The sources, and the objects that they told of.
    Config,
    /// The services, and what becomes of each port.
    Services,
    /// The EnvoyFilters, and how they stand.
    Filters,
}

const INDEX: &str = "\
/debug/configz    the sources, and the objects of config by kind
/debug/servicez   every service port that could be ours, and what becomes of it
/debug/filterz    every EnvoyFilter that is wanted or there, and how it stands
/logging          the log's filter; POST /logging?level=info,aeraki_xds=debug changes it
/healthz /livez /readyz?verbose /metrics
";

/// Listens; a port that is taken is told before anything else begins.
pub(super) async fn bind(address: SocketAddr, flag: &str) -> Result<TcpListener> {
    let listener = TcpListener::bind(address).await;
    listener.with_context(|| {
        format!("cannot serve on {address}: choose another address with {flag}, or `off`")
    })
}

/// So many connections at once; more wait. Any pod can reach the port, and the files that sockets take are also those of
/// the watch and the Lease.
const CONNECTIONS: usize = 64;

/// A client must ask within this.
const HEADERS: Duration = Duration::from_secs(10);

/// A connection that is older makes room.
const LONGEST: Duration = Duration::from_secs(300);

/// Serves until it is dropped.
pub(super) async fn serve(listener: TcpListener, router: Router) -> Result<()> {
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEADERS);
    loop {
        let slot = Arc::clone(&slots).acquire_owned().await?;
        let Ok((stream, _)) = listener.accept().await else {
            // Out of files, most likely; they come back as others end.
            sleep(Duration::from_millis(100)).await;
            continue;
        };
        let service = TowerToHyperService::new(router.clone());
        let connection = http.serve_connection(TokioIo::new(stream), service);
        #[expect(
            clippy::disallowed_methods,
            reason = "a connection ends when its client wants"
        )]
        tokio::spawn(async move {
            // How it ends is the client's affair.
            drop(timeout(LONGEST, connection).await);
            drop(slot);
        });
    }
}

/// What everybody may see.
pub(super) fn network(inside: Inside) -> Router {
    Router::new()
        .route("/healthz", get(live))
        .route("/livez", get(live))
        .route("/readyz", get(ready))
        .route("/ready", get(ready))
        .route("/metrics", get(metrics))
        .with_state(inside)
}

/// What this machine may see.
pub(super) fn machine(inside: Inside) -> Router {
    let own = Router::new()
        .route("/", get(|| async { INDEX }))
        .route("/debug/", get(|| async { INDEX }))
        .route("/debug/configz", get(|state| page(state, Page::Config)))
        .route("/debug/servicez", get(|state| page(state, Page::Services)))
        .route("/debug/filterz", get(|state| page(state, Page::Filters)))
        .route("/logging", get(level).post(set_level))
        .with_state(inside.clone())
        .layer(axum::middleware::from_fn(only_by_address));
    network(inside).merge(own)
}

/// A page of a browser may not ask in the name of a host that it made to mean this machine.
async fn only_by_address(
    headers: HeaderMap,
    request: axum::extract::Request,
    next: axum::middleware::Next,
) -> Response {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let name = host.map(|host| host.rsplit_once(':').map_or(host, |(name, _)| name));
    match name {
        None | Some("localhost" | "127.0.0.1" | "[::1]") => next.run(request).await,
        Some(_) => (StatusCode::FORBIDDEN, "ask for localhost\n").into_response(),
    }
}

async fn live(State(inside): State<Inside>) -> Response {
    told(&[inside.health.live()], false)
}

#[derive(Deserialize)]
struct Verbose {
    verbose: Option<String>,
}

async fn ready(State(inside): State<Inside>, Query(query): Query<Verbose>) -> Response {
    told(&inside.health.ready(), query.verbose.is_some())
}

/// `ok`, or what is missing.
fn told(checks: &[Check], is_verbose: bool) -> Response {
    let is_well = checks.iter().all(|check| check.holds);
    let mut text = String::new();
    for check in checks.iter().filter(|check| is_verbose || !check.holds) {
        let sign = if check.holds { '+' } else { '-' };
        let word = if check.holds { "ok" } else { "not yet" };
        // A String takes everything.
        writeln!(text, "[{sign}]{} {word}", check.name).ok();
    }
    if is_well {
        text.push_str("ok\n");
        (StatusCode::OK, text).into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
    }
}

async fn metrics(State(inside): State<Inside>) -> Response {
    match inside.metrics.text() {
        Ok(text) => ([(CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

async fn page(State(inside): State<Inside>, page: Page) -> Response {
    let (answer, told) = oneshot::channel();
    let question = Question { page, answer };
    if inside.questions.send(question).await.is_ok()
        && let Ok(value) = told.await
    {
        return axum::Json(value).into_response();
    }
    (StatusCode::SERVICE_UNAVAILABLE, "about to end\n").into_response()
}

async fn level(State(inside): State<Inside>) -> String {
    format!("{}\n", inside.level.current())
}

#[derive(Deserialize)]
struct NewLevel {
    level: String,
}

/// No page of a browser has business here, and a browser always says where a POST comes from.
async fn set_level(
    State(inside): State<Inside>,
    headers: HeaderMap,
    Query(new): Query<NewLevel>,
) -> Response {
    if headers.contains_key(ORIGIN) {
        return (StatusCode::FORBIDDEN, "not for browsers\n").into_response();
    }
    match inside.level.set(&new.level) {
        Ok(()) => format!("{}\n", inside.level.current()).into_response(),
        Err(error) => (StatusCode::BAD_REQUEST, format!("{error}\n")).into_response(),
    }
}
