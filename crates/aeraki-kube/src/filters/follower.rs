//! Lists and watches EnvoyFilters, and does so again whenever that breaks.
//!
//! A list that breaks off takes nothing away: what it did not come to show stays.

use std::pin::Pin;
use std::time::Duration;

use futures::{AsyncBufRead, AsyncBufReadExt};
use http::HeaderValue;
use http::header::ACCEPT_ENCODING;
use kube::api::{ListParams, WatchParams};
use kube::core::Request;
use kube::{Client, Error};
use tokio::time::{Instant, sleep, timeout};
use tracing::{debug, info, warn};

use super::live::Glance;
use super::{Filters, GROUP_PATH};
use crate::kinds::Revision;
use crate::watch::Pace;
use crate::watch::backoff::Backoff;
use crate::watch::horizon::{Admission, Horizon};
use crate::watch::trouble::Trouble;
use crate::watch::wire::{Line, Page};

/// A watch that ends sooner than this is not taken up again at once.
const HASTY: Duration = Duration::from_secs(1);

pub(super) struct Follower {
    client: Client,
    filters: Filters,
    request: Request,
    pace: Pace,
    backoff: Backoff,
    horizon: Horizon,
}

impl Follower {
    pub(super) fn new(
        client: Client,
        filters: Filters,
        namespace: Option<&str>,
        pace: Pace,
    ) -> Self {
        let path = match namespace {
            Some(namespace) => format!("{GROUP_PATH}/namespaces/{namespace}/envoyfilters"),
            None => format!("{GROUP_PATH}/envoyfilters"),
        };
        Self {
            client,
            filters,
            request: Request::new(path),
            pace,
            backoff: Backoff::default(),
            horizon: Horizon::default(),
        }
    }

    pub(super) async fn run(mut self) {
        loop {
            if let Err(trouble) = self.round().await {
                self.report(&trouble);
                sleep(self.backoff.pause()).await;
            }
        }
    }

    /// One list, and the watches that follow from it.
    async fn round(&mut self) -> Result<(), Trouble> {
        let listed = Instant::now();
        let mut from = self.list().await?;
        while listed.elapsed() < self.pace.list {
            let began = Instant::now();
            let is_gone = match self.watch(&mut from).await {
                Ok(()) => false,
                Err(trouble) if trouble.is_gone() => true,
                // A broken connection is no more than an end.
                Err(trouble) if trouble.is_connection() => {
                    self.report(&trouble);
                    false
                }
                Err(trouble) => return Err(trouble),
            };
            if began.elapsed() < HASTY {
                sleep(self.backoff.pause()).await;
            }
            if is_gone {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Lists all of them page by page; returns where to watch from.
    async fn list(&mut self) -> Result<String, Trouble> {
        let mut params = ListParams::default().limit(self.pace.page);
        let mut is_first = true;
        loop {
            let asked = self.request.list(&params).map_err(Error::BuildRequest)?;
            let answer = timeout(self.pace.answer, self.client.request_text(asked)).await;
            let text = answer.map_err(|_| Trouble::Late)??;
            let page = Page::parse(&text)?;
            let at = page.metadata.resource_version.clone();
            if std::mem::take(&mut is_first) {
                self.begin(&at)?;
            }
            page.items().for_each(|object| self.take_listed(object));
            if page.metadata.next.is_empty() {
                self.filters
                    .learn(|index| index.end_list(Revision::of(&at)));
                return Ok(at);
            }
            params.continue_token = Some(page.metadata.next);
        }
    }

    fn take_listed(&self, text: &str) {
        if let Some(Glance { key, .. }) = readable(Glance::read(text)) {
            self.filters.learn(|index| index.listed(&key));
            readable(self.filters.put(text));
        }
    }

    fn begin(&mut self, at: &str) -> Result<(), Trouble> {
        if at.is_empty() {
            return Err(Trouble::NoRevision);
        }
        let admission = self.horizon.admit(Revision::of(at));
        if admission == Admission::Stale {
            return Err(Trouble::Stale);
        }
        let is_rewound = admission == Admission::Rewound;
        self.filters.learn(|index| index.begin_list(is_rewound));
        Ok(())
    }

    /// Watches until the watch ends, and moves `from` along.
    async fn watch(&mut self, from: &mut String) -> Result<(), Trouble> {
        let mut lines = self.open(from).await?;
        self.works();
        let silence = self.pace.watch + self.pace.grace;
        let mut line = Vec::new();
        loop {
            line.clear();
            let read = timeout(silence, lines.read_until(b'\n', &mut line)).await;
            read.map_err(|_| Trouble::Late)?
                .map_err(Error::ReadEvents)?;
            // What was cut off in the middle comes again.
            if line.last() != Some(&b'\n') {
                return Ok(());
            }
            let text = std::str::from_utf8(&line).map_err(serde::de::Error::custom);
            let at = self.take_line(text.map_err(Trouble::Answer)?)?;
            self.backoff.reset();
            self.horizon.pass(at);
            if at != Revision::UNKNOWN {
                *from = at.to_string();
            }
        }
    }

    async fn open(&self, from: &str) -> Result<Pin<Box<impl AsyncBufRead + use<>>>, Trouble> {
        let seconds = u32::try_from(self.pace.watch.as_secs()).unwrap_or(u32::MAX);
        let params = WatchParams::default().timeout(seconds);
        let asked = self.request.watch(&params, from);
        let mut asked = asked.map_err(Error::BuildRequest)?;
        // An event must not wait in a compressor for the next one.
        let plain = HeaderValue::from_static("identity");
        asked.headers_mut().insert(ACCEPT_ENCODING, plain);
        let answer = timeout(self.pace.answer, self.client.request_stream(asked)).await;
        Ok(Box::pin(answer.map_err(|_| Trouble::Late)??))
    }

    /// Learns what a line says; returns how far it goes.
    fn take_line(&self, line: &str) -> Result<Revision, Trouble> {
        let Some(line) = Line::parse(line)? else {
            return Ok(Revision::UNKNOWN);
        };
        let at = match line {
            Line::Bookmark(at) => return Ok(Revision::of(&at)),
            Line::Failed(failure) => {
                let status = kube::core::Status::failure(&failure.message, "Expired");
                // Whatever ends a watch from within: only a new list tells what is there.
                return Err(Error::Api(status.with_code(410).boxed()).into());
            }
            Line::Put(object) => readable(self.filters.put(object)),
            Line::Gone(object) => readable(Glance::read(object)).map(|last| {
                self.filters.learn(|index| index.deleted(&last));
                last.revision
            }),
        };
        Ok(at.unwrap_or(Revision::UNKNOWN))
    }

    /// Says what is wrong once, not at every try.
    fn report(&self, trouble: &Trouble) {
        let problem = format!("EnvoyFilters cannot be read: {}", trouble.sentence());
        if self.filters.problem().is_none() {
            warn!(
                problem,
                "Trying again; it takes get, list and watch on envoyfilters.networking.istio.io"
            );
        } else {
            debug!(problem, "Trying again");
        }
        self.filters.set_problem(Some(problem));
    }

    fn works(&self) {
        if self.filters.problem().is_some() {
            info!("EnvoyFilters can be read again");
            self.filters.set_problem(None);
        }
    }
}

/// What was read; `None` if the object has no name or identity, which the API server gives to all.
fn readable<T>(read: Result<T, serde_json::Error>) -> Option<T> {
    if let Err(error) = &read {
        warn!(%error, "EnvoyFilter passed over");
    }
    read.ok()
}
