//! An API server in memory: lists, watches and takes writes of any kind in its table, as fast as it can.
//!
//! The real one takes minutes and gigabytes for what is measured here, and most of both would be its own. What it does is
//! what the command relies on: revisions, pages, watches that begin at a revision, conflicts, preconditions. It checks no
//! schema and asks nobody who they are.

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use futures::stream::{self, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Group, version, plural and kind of everything that it serves.
const KINDS: [(&str, &str, &str, &str); 10] = [
    ("", "v1", "services", "Service"),
    ("", "v1", "secrets", "Secret"),
    (
        "networking.istio.io",
        "v1",
        "serviceentries",
        "ServiceEntry",
    ),
    (
        "networking.istio.io",
        "v1",
        "virtualservices",
        "VirtualService",
    ),
    (
        "networking.istio.io",
        "v1",
        "destinationrules",
        "DestinationRule",
    ),
    (
        "networking.istio.io",
        "v1alpha3",
        "envoyfilters",
        "EnvoyFilter",
    ),
    ("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice"),
    (
        "redis.aeraki.io",
        "v1alpha1",
        "redisservices",
        "RedisService",
    ),
    (
        "redis.aeraki.io",
        "v1alpha1",
        "redisdestinations",
        "RedisDestination",
    ),
    ("events.k8s.io", "v1", "events", "Event"),
];

/// A running server. It ends when it is dropped.
pub(crate) struct ApiServer {
    address: String,
    store: Arc<Store>,
    task: JoinHandle<()>,
}

/// How often each verb was asked for EnvoyFilters.
pub(crate) type Calls = BTreeMap<String, u64>;

impl ApiServer {
    pub(crate) async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = format!("http://{}", listener.local_addr()?);
        let store = Arc::new(Store::default());
        let app = Router::new()
            .fallback(answer)
            .with_state(Arc::clone(&store));
        let task = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, app).await {
                eprintln!("the API server ended: {error}");
            }
        });
        Ok(Self {
            address,
            store,
            task,
        })
    }

    /// A kubeconfig for it.
    pub(crate) fn kubeconfig(&self) -> String {
        json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "bench",
            "clusters": [{"name": "bench", "cluster": {"server": self.address}}],
            "users": [{"name": "bench", "user": {}}],
            "contexts": [{"name": "bench", "context": {"cluster": "bench", "user": "bench"}}],
        })
        .to_string()
    }

    /// Puts an object there without a request.
    pub(crate) fn put(&self, plural: &'static str, object: Value) -> Result<()> {
        let key = key_of(&object)?;
        self.store.state().put(plural, key, object);
        self.store.tell();
        Ok(())
    }

    /// How many EnvoyFilters there are.
    pub(crate) fn filters(&self) -> usize {
        let state = self.store.state();
        state
            .kinds
            .get(FILTERS)
            .map_or(0, |kind| kind.objects.len())
    }

    /// The text of an EnvoyFilter.
    pub(crate) fn filter(&self, namespace: &str, name: &str) -> Option<Arc<str>> {
        let state = self.store.state();
        let key = (namespace.to_owned(), name.to_owned());
        Some(Arc::clone(
            &state.kinds.get(FILTERS)?.objects.get(&key)?.text,
        ))
    }

    /// The calls so far that were about EnvoyFilters.
    pub(crate) fn calls(&self) -> Calls {
        self.store.state().calls.clone()
    }

    /// Writes so far of EnvoyFilters.
    pub(crate) fn writes(&self) -> u64 {
        let calls = self.calls();
        let of = |verb: &str| calls.get(verb).copied().unwrap_or_default();
        of("POST") + of("PUT") + of("DELETE")
    }

    /// Waits until something has been written.
    pub(crate) async fn written(&self) {
        self.store.written.notified().await;
    }
}

impl Drop for ApiServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

const FILTERS: &str = "envoyfilters";

/// So often a watch says that nothing has happened.
const BOOKMARK: Duration = Duration::from_secs(30);

#[derive(Default)]
struct Store {
    state: Mutex<Stock>,
    revisions: watch::Sender<u64>,
    written: Notify,
}

/// Everything that is there.
#[derive(Default)]
struct Stock {
    revision: u64,
    kinds: HashMap<String, Kind>,
    calls: Calls,
}

#[derive(Default)]
struct Kind {
    objects: BTreeMap<(String, String), Stored>,
    /// What happened, by revision.
    history: Vec<Event>,
}

#[derive(Clone)]
struct Stored {
    revision: u64,
    text: Arc<str>,
}

#[derive(Clone)]
struct Event {
    revision: u64,
    what: &'static str,
    text: Arc<str>,
}

impl Store {
    fn state(&self) -> MutexGuard<'_, Stock> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self) {
        let revision = self.state().revision;
        self.revisions.send_replace(revision);
        self.written.notify_waiters();
    }
}

impl Stock {
    fn put(&mut self, plural: &str, key: (String, String), mut object: Value) -> Arc<str> {
        self.revision += 1;
        let kind = self.kinds.entry(plural.to_owned()).or_default();
        let what = if kind.objects.contains_key(&key) {
            "MODIFIED"
        } else {
            "ADDED"
        };
        let meta = &mut object["metadata"];
        meta["resourceVersion"] = self.revision.to_string().into();
        if meta["uid"].is_null() {
            meta["uid"] = format!("00000000-0000-4000-8000-{:012}", self.revision).into();
            meta["creationTimestamp"] = "2026-01-01T00:00:00Z".into();
        }
        let text: Arc<str> = object.to_string().into();
        kind.objects.insert(
            key,
            Stored {
                revision: self.revision,
                text: Arc::clone(&text),
            },
        );
        let event = Event {
            revision: self.revision,
            what,
            text: Arc::clone(&text),
        };
        kind.history.push(event);
        text
    }

    fn delete(&mut self, plural: &str, key: &(String, String)) -> Option<Arc<str>> {
        let kind = self.kinds.get_mut(plural)?;
        let old = kind.objects.remove(key)?;
        self.revision += 1;
        let event = Event {
            revision: self.revision,
            what: "DELETED",
            text: Arc::clone(&old.text),
        };
        kind.history.push(event);
        Some(old.text)
    }

    /// What happened to a kind after a revision, but not more at once than fits well into a frame or two.
    fn since(&self, plural: &str, revision: u64) -> Vec<Event> {
        let history = self.kinds.get(plural).map_or(&[][..], |kind| &kind.history);
        let from = history.partition_point(|event| event.revision <= revision);
        history[from..].iter().take(200).cloned().collect()
    }

    fn page(&self, plural: &str, place: &Place, query: &Query) -> String {
        let none = BTreeMap::new();
        let objects = self.kinds.get(plural).map_or(&none, |kind| &kind.objects);
        let after = query
            .get("continue")
            .and_then(|token| token.split_once('/'));
        let limit = query
            .get("limit")
            .and_then(|limit| limit.parse().ok())
            .unwrap_or(usize::MAX);
        let wanted = |(namespace, name): &(String, String)| {
            let is_later = after.is_none_or(|after| (namespace.as_str(), name.as_str()) > after);
            is_later
                && place
                    .namespace
                    .as_ref()
                    .is_none_or(|wanted| wanted == namespace)
        };
        let start = after.map(|(namespace, name)| (namespace.to_owned(), name.to_owned()));
        let mut left = objects
            .range(start.unwrap_or_default()..)
            .filter(|(key, _)| wanted(key))
            .peekable();
        let mut items = Vec::new();
        let mut last = None;
        while items.len() < limit
            && let Some((key, stored)) = left.next()
        {
            items.push(&*stored.text);
            last = Some(key);
        }
        let token = last
            .filter(|_| left.peek().is_some())
            .map(|(namespace, name)| format!("{namespace}/{name}"));
        let metadata = json!({"resourceVersion": self.revision.to_string(), "continue": token.unwrap_or_default()});
        format!(
            r#"{{"kind":"List","apiVersion":"v1","metadata":{metadata},"items":[{}]}}"#,
            items.join(",")
        )
    }
}

/// What a path names.
struct Place {
    plural: String,
    namespace: Option<String>,
    name: Option<String>,
}

impl Place {
    /// Of `/api/v1/…` and `/apis/<group>/<version>/…`.
    fn of(path: &str) -> Option<Self> {
        let mut parts = path.trim_matches('/').split('/');
        match parts.next()? {
            "api" => parts.next()?,
            "apis" => parts.nth(1)?,
            _ => return None,
        };
        let mut plural = parts.next()?;
        let mut namespace = None;
        if plural == "namespaces" {
            namespace = parts.next().map(str::to_owned);
            plural = parts.next()?;
        }
        let name = parts.next().map(str::to_owned);
        Some(Self {
            plural: plural.to_owned(),
            namespace,
            name,
        })
    }
}

struct Query(Vec<(String, String)>);

impl Query {
    fn of(text: &str) -> Self {
        let pair = |pair: &str| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            // The one escaped character among those that the command sends in what is read here.
            (key.to_owned(), value.replace("%2F", "/"))
        };
        Self(text.split('&').map(pair).collect())
    }

    fn get(&self, wanted: &str) -> Option<&str> {
        let mut pairs = self.0.iter();
        pairs
            .find(|(key, _)| key == wanted)
            .map(|(_, value)| value.as_str())
    }
}

fn key_of(object: &Value) -> Result<(String, String)> {
    let field = |name: &str| {
        let value = object["metadata"][name].as_str();
        value
            .map(str::to_owned)
            .with_context(|| format!("an object without metadata.{name}"))
    };
    Ok((field("namespace")?, field("name")?))
}

async fn answer(State(store): State<Arc<Store>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = match axum::body::to_bytes(body, usize::MAX).await {
        Ok(body) => body,
        Err(error) => return status(400, "BadRequest", &error.to_string(), ""),
    };
    let path = parts.uri.path();
    if let Some(list) = resources(path) {
        return text(StatusCode::OK, list);
    }
    let query = Query::of(parts.uri.query().unwrap_or_default());
    let Some(place) = Place::of(path) else {
        return status(404, "NotFound", "no such path", "");
    };
    let is_watch = matches!(query.get("watch"), Some("true" | "1"));
    if place.plural == FILTERS {
        let verb = if is_watch {
            "WATCH"
        } else {
            parts.method.as_str()
        };
        *store.state().calls.entry(verb.to_owned()).or_default() += 1;
    }
    match parts.method {
        Method::GET if is_watch => watch(store, place, &query),
        Method::GET => read(&store, &place, &query),
        method => write(&store, &method, &place, &body),
    }
}

/// The kinds of a group in a version, where the path asks for them.
fn resources(path: &str) -> Option<String> {
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let (group, version) = match parts[..] {
        ["api", version] => ("", version),
        ["apis", group, version] => (group, version),
        _ => return None,
    };
    let of_group = KINDS
        .iter()
        .filter(|kind| (kind.0, kind.1) == (group, version));
    let resources: Vec<Value> = of_group
        .map(|(_, _, plural, kind)| json!({"name": plural, "singularName": "", "namespaced": true, "kind": kind, "verbs": ["list", "watch"]}))
        .collect();
    let group_version = if group.is_empty() {
        version.to_owned()
    } else {
        format!("{group}/{version}")
    };
    Some(
        json!({"kind": "APIResourceList", "groupVersion": group_version, "resources": resources})
            .to_string(),
    )
}

fn read(store: &Store, place: &Place, query: &Query) -> Response {
    let state = store.state();
    let Some(name) = &place.name else {
        return text(StatusCode::OK, state.page(&place.plural, place, query));
    };
    let key = (place.namespace.clone().unwrap_or_default(), name.clone());
    match state
        .kinds
        .get(&place.plural)
        .and_then(|kind| kind.objects.get(&key))
    {
        Some(stored) => text(StatusCode::OK, stored.text.to_string()),
        None => status(404, "NotFound", "no such object", name),
    }
}

fn write(store: &Store, method: &Method, place: &Place, body: &[u8]) -> Response {
    let object: Value = serde_json::from_slice(body).unwrap_or_default();
    let name = place
        .name
        .clone()
        .or_else(|| key_of(&object).ok().map(|key| key.1))
        .unwrap_or_default();
    let key = (place.namespace.clone().unwrap_or_default(), name.clone());
    // Nobody reads them here.
    if place.plural == "events" {
        return text(StatusCode::CREATED, object.to_string());
    }
    let mut state = store.state();
    let known = state
        .kinds
        .get(&place.plural)
        .and_then(|kind| kind.objects.get(&key))
        .cloned();
    let is_current = |wanted: &Value, known: &Stored| {
        wanted
            .as_str()
            .is_none_or(|wanted| wanted.is_empty() || wanted == known.revision.to_string())
    };
    let answer = match (method.as_str(), known) {
        ("POST", Some(_)) => return status(409, "AlreadyExists", "it exists", &name),
        ("POST", None) => text(
            StatusCode::CREATED,
            state.put(&place.plural, key, object).to_string(),
        ),
        (_, None) => return status(404, "NotFound", "no such object", &name),
        ("PUT", Some(known)) if is_current(&object["metadata"]["resourceVersion"], &known) => text(
            StatusCode::OK,
            state.put(&place.plural, key, object).to_string(),
        ),
        ("DELETE", Some(known))
            if is_current(&object["preconditions"]["resourceVersion"], &known) =>
        {
            let gone = state.delete(&place.plural, &key).unwrap_or_default();
            text(StatusCode::OK, gone.to_string())
        }
        ("PUT" | "DELETE", Some(_)) => {
            return status(409, "Conflict", "it has changed meanwhile", &name);
        }
        _ => return status(405, "MethodNotAllowed", "not here", &name),
    };
    drop(state);
    store.tell();
    answer
}

/// Everything after a revision, as it happens, and a bookmark now and then.
fn watch(store: Arc<Store>, place: Place, query: &Query) -> Response {
    let from = query.get("resourceVersion");
    let watching = Watching {
        revisions: store.revisions.subscribe(),
        from: from.and_then(|from| from.parse().ok()).unwrap_or_default(),
        store,
        place,
    };
    // An answer begins with its first piece, and clients wait for that.
    let first = stream::iter([watching.bookmark()]);
    let others = stream::unfold(watching, |mut watching| async move {
        let lines = watching.next().await;
        Some((lines, watching))
    });
    let lines = first.chain(others).map(Ok::<_, Infallible>);
    Response::new(Body::from_stream(lines))
}

/// A watch that is open.
struct Watching {
    store: Arc<Store>,
    place: Place,
    /// What came until then has been told.
    from: u64,
    revisions: watch::Receiver<u64>,
}

impl Watching {
    async fn next(&mut self) -> Bytes {
        loop {
            self.revisions.mark_unchanged();
            let events = self.store.state().since(&self.place.plural, self.from);
            let Some(last) = events.last() else {
                match timeout(BOOKMARK, self.revisions.changed()).await {
                    Ok(_) => continue,
                    Err(_) => return self.bookmark(),
                }
            };
            self.from = last.revision;
            let seen = events.iter().filter(|event| self.place.sees(event));
            let lines: String = seen.map(Event::line).collect();
            if !lines.is_empty() {
                return lines.into();
            }
        }
    }

    fn bookmark(&self) -> Bytes {
        let object = json!({"metadata": {"resourceVersion": self.from.to_string()}});
        format!("{{\"type\":\"BOOKMARK\",\"object\":{object}}}\n").into()
    }
}

impl Place {
    fn sees(&self, event: &Event) -> bool {
        let Some(wanted) = &self.namespace else {
            return true;
        };
        let object: Value = serde_json::from_str(&event.text).unwrap_or_default();
        object["metadata"]["namespace"] == **wanted
    }
}

impl Event {
    fn line(&self) -> String {
        [
            "{\"type\":\"",
            self.what,
            "\",\"object\":",
            &self.text,
            "}\n",
        ]
        .concat()
    }
}

fn text(code: StatusCode, body: String) -> Response {
    (code, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

fn status(code: u16, reason: &str, message: &str, name: &str) -> Response {
    let body = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code,
        "reason": reason, "message": message, "details": {"name": name}});
    let code = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    text(code, body.to_string())
}
