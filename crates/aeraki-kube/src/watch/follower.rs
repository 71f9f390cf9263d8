//! Follows one kind: finds it, lists it, watches it, and does so again whenever that breaks.
//!
//! All the waiting is here, and no judgement: what the words mean is [`Seen`](super::seen::Seen)'s business.

use std::pin::Pin;
use std::time::Duration;

use aeraki_core::diagnostic::Diagnostic;
use futures::{AsyncBufRead, AsyncBufReadExt};
use http::HeaderValue;
use http::header::ACCEPT_ENCODING;
use kube::api::{DynamicObject, ListParams, WatchParams};
use kube::core::{ApiResource, Request, Resource};
use kube::{Client, Error};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, timeout};

use super::backoff::Backoff;
use super::horizon::{Admission, Horizon};
use super::kind_state::Step;
use super::pace::Pace;
use super::seen::Word;
use super::trouble::{self, Trouble};
use super::wire::{Line, Page};
use crate::discovery;
use crate::kinds::{self, Revision, WantedKind};

/// Words of one kind's watch, in order.
pub(super) struct Words {
    pub(super) index: usize,
    pub(super) words: Vec<Word>,
}

/// Follows one kind.
pub(super) struct Follower {
    client: Client,
    wanted: WantedKind,
    pace: Pace,
    out: Outlet,
    /// The number of the newest renewal: changes when everything shall be listed again.
    renewals: watch::Receiver<u64>,
    backoff: Backoff,
    horizon: Horizon,
    is_troubled: bool,
    /// Whether the kind has been there.
    was_served: bool,
}

/// Where the words go.
pub(super) struct Outlet {
    pub(super) index: usize,
    pub(super) words: mpsc::Sender<Words>,
}

/// Why a round came to its end early.
enum Halt {
    /// Nobody listens any more.
    Closed,
    /// Something is wrong.
    Trouble(Trouble),
}

impl From<Trouble> for Halt {
    fn from(trouble: Trouble) -> Self {
        Self::Trouble(trouble)
    }
}

impl From<Error> for Halt {
    fn from(error: Error) -> Self {
        Self::Trouble(error.into())
    }
}

impl From<serde_json::Error> for Halt {
    fn from(error: serde_json::Error) -> Self {
        Self::Trouble(error.into())
    }
}

/// How a watch came to its end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// It can be taken up where it ended.
    Resume,
    /// Only a new list can tell what is there.
    Relist,
    /// A new list is asked for.
    Renew,
}

/// A watch that ends sooner than this is not taken up again at once.
const HASTY: Duration = Duration::from_secs(1);

impl Outlet {
    async fn send(&self, words: Vec<Word>) -> Result<(), Halt> {
        let index = self.index;
        let sent = self.words.send(Words { index, words }).await;
        sent.map_err(|_| Halt::Closed)
    }

    async fn step(&self, step: Step) -> Result<(), Halt> {
        self.send(vec![Word::Step(step)]).await
    }
}

impl Follower {
    pub(super) fn new(
        client: Client,
        wanted: WantedKind,
        pace: Pace,
        out: Outlet,
        renewals: watch::Receiver<u64>,
    ) -> Self {
        Self {
            client,
            wanted,
            pace,
            out,
            renewals,
            backoff: Backoff::default(),
            horizon: Horizon::default(),
            is_troubled: false,
            was_served: false,
        }
    }

    /// Follows the kind until nobody listens any more.
    pub(super) async fn run(mut self) {
        while let Ok(()) = self.round().await {}
    }

    /// One list, and the watches that follow from it.
    async fn round(&mut self) -> Result<(), Halt> {
        let renewal = *self.renewals.borrow_and_update();
        self.out.send(vec![Word::Begins { renewal }]).await?;
        let mut resource = None;
        match self.follow(&mut resource).await {
            Err(Halt::Trouble(trouble)) => {
                let report = trouble.report(&self.wanted, resource.as_ref());
                self.report(Some(report)).await?;
                self.back_off().await;
                Ok(())
            }
            other => other,
        }
    }

    async fn follow(&mut self, resource: &mut Option<ApiResource>) -> Result<(), Halt> {
        let Some(served) = self.locate().await? else {
            return self.absent().await;
        };
        let resource = resource.insert(served);
        let listed_at = Instant::now();
        let mut from = self.list(resource).await?;
        self.was_served = true;
        while listed_at.elapsed() < self.pace.list {
            if self.watch(resource, &mut from).await? != Ending::Resume {
                break;
            }
        }
        Ok(())
    }

    /// Says what is wrong, or that nothing is any more.
    async fn report(&mut self, trouble: Option<Diagnostic>) -> Result<(), Halt> {
        if trouble.is_none() && !self.is_troubled {
            return Ok(());
        }
        self.is_troubled = trouble.is_some();
        self.out.send(vec![Word::Trouble(trouble)]).await
    }

    async fn locate(&self) -> Result<Option<ApiResource>, Halt> {
        let (kind, versions) = (self.wanted.kind(), self.wanted.versions());
        let question = discovery::locate(&self.client, kind, versions);
        self.in_time(question).await
    }

    /// The server lacks the kind, or does not know it yet.
    async fn absent(&mut self) -> Result<(), Halt> {
        if self.was_served {
            self.report(Some(trouble::vanished(&self.wanted))).await?;
            self.wait(self.pace.absent).await;
        } else {
            sleep(self.pace.doubt).await;
        }
        if self.locate().await?.is_some() {
            return Ok(());
        }
        self.was_served = false;
        self.out.step(Step::Unserved).await?;
        let unserved = trouble::unserved(&self.wanted);
        if !self.is_troubled {
            tracing::info!(code = unserved.code, "{}", unserved.message);
        }
        self.report(Some(unserved)).await?;
        self.wait(self.pace.absent).await;
        Ok(())
    }

    /// Lists the kind page by page; returns where to watch from.
    async fn list(&mut self, resource: &ApiResource) -> Result<String, Halt> {
        self.out
            .send(vec![Word::Version(resource.api_version.clone())])
            .await?;
        let request = self.request(resource);
        let mut params = ListParams::default().limit(self.pace.page);
        let mut is_first = true;
        loop {
            let asked = request.list(&params).map_err(Error::BuildRequest)?;
            let text = self.in_time(self.client.request_text(asked)).await?;
            let page = Page::parse(&text)?;
            let at = page.metadata.resource_version.clone();
            let revision = Revision::of(&at);
            let mut words = Vec::new();
            if std::mem::take(&mut is_first) {
                words.extend(self.admit(&at, revision)?.map(Word::Step));
            }
            for item in page.items() {
                let reading = kinds::read(&self.wanted, item)?;
                words.push(Word::Step(Step::Present(reading)));
            }
            if page.metadata.next.is_empty() {
                words.push(Word::Step(Step::Listed(revision)));
                self.out.send(words).await?;
                return Ok(at);
            }
            self.out.send(words).await?;
            params.continue_token = Some(page.metadata.next);
        }
    }

    fn admit(&mut self, at: &str, revision: Revision) -> Result<Option<Step>, Trouble> {
        if at.is_empty() {
            return Err(Trouble::NoRevision);
        }
        match self.horizon.admit(revision) {
            Admission::Fresh => Ok(None),
            Admission::Rewound => Ok(Some(Step::Rewound)),
            Admission::Stale => Err(Trouble::Stale),
        }
    }

    /// Watches until the watch ends, and moves `from` along. A broken connection is no more than an end.
    async fn watch(&mut self, resource: &ApiResource, from: &mut String) -> Result<Ending, Halt> {
        let began = Instant::now();
        let ending = match self.read_lines(resource, from).await {
            Ok(Ending::Renew) => return Ok(Ending::Renew),
            Ok(ending) => ending,
            Err(Halt::Trouble(trouble)) if trouble.is_gone() => Ending::Relist,
            Err(Halt::Trouble(trouble)) if trouble.is_connection() => {
                let report = trouble.report(&self.wanted, Some(resource));
                self.report(Some(report)).await?;
                Ending::Resume
            }
            Err(halt) => return Err(halt),
        };
        if began.elapsed() >= HASTY {
            self.backoff.reset();
            if !self.is_troubled {
                return Ok(ending);
            }
        }
        let is_renewed = self.back_off().await;
        Ok(if is_renewed { Ending::Renew } else { ending })
    }

    async fn read_lines(
        &mut self,
        resource: &ApiResource,
        from: &mut String,
    ) -> Result<Ending, Halt> {
        let mut lines = self.open(resource, from).await?;
        self.report(None).await?;
        let silence = self.pace.watch + self.pace.grace;
        let mut line = Vec::new();
        loop {
            line.clear();
            let read = tokio::select! {
                _ = self.renewals.changed() => return Ok(Ending::Renew),
                read = timeout(silence, lines.read_until(b'\n', &mut line)) => read,
            };
            match read {
                Err(_) => return Err(Trouble::Late.into()),
                Ok(Err(error)) => return Err(Error::ReadEvents(error).into()),
                // What was cut off in the middle comes again.
                Ok(Ok(_)) if line.last() != Some(&b'\n') => return Ok(Ending::Resume),
                Ok(Ok(_)) => {}
            }
            if let Some(ending) = self.take_line(&line, from).await? {
                return Ok(ending);
            }
        }
    }

    async fn open(
        &self,
        resource: &ApiResource,
        from: &str,
    ) -> Result<Pin<Box<impl AsyncBufRead + use<>>>, Halt> {
        let seconds = u32::try_from(self.pace.watch.as_secs()).unwrap_or(u32::MAX);
        let params = WatchParams::default().timeout(seconds);
        let asked = self.request(resource).watch(&params, from);
        let mut asked = asked.map_err(Error::BuildRequest)?;
        // An event must not wait in a compressor for the next one.
        let plain = HeaderValue::from_static("identity");
        asked.headers_mut().insert(ACCEPT_ENCODING, plain);
        self.in_time(self.client.request_stream(asked))
            .await
            .map(Box::pin)
    }

    /// Passes on what a line says; the watch's ending if there is one.
    async fn take_line(&mut self, line: &[u8], from: &mut String) -> Result<Option<Ending>, Halt> {
        let text = std::str::from_utf8(line).map_err(serde::de::Error::custom);
        let text = text.map_err(Trouble::Answer)?;
        let step = match Line::parse(text)? {
            None => return Ok(None),
            Some(Line::Failed(failure)) => {
                tracing::debug!(kind = %self.wanted.kind(), code = failure.code, message = failure.message, "Watch ended by the API server");
                return Ok(Some(Ending::Relist));
            }
            Some(Line::Bookmark(at)) => {
                self.pass(Revision::of(&at), from);
                return Ok(None);
            }
            Some(Line::Put(object)) => Step::Changed(kinds::read(&self.wanted, object)?),
            Some(Line::Gone(object)) => {
                let last = kinds::read(&self.wanted, object)?;
                Step::Gone(last.key, last.revision)
            }
        };
        let revision = match &step {
            Step::Changed(reading) => reading.revision,
            Step::Gone(_, revision) => *revision,
            _ => Revision::UNKNOWN,
        };
        self.out.step(step).await?;
        self.pass(revision, from);
        Ok(None)
    }

    /// The watch has come this far.
    fn pass(&mut self, revision: Revision, from: &mut String) {
        self.backoff.reset();
        self.horizon.pass(revision);
        if revision != Revision::UNKNOWN {
            *from = revision.to_string();
        }
    }

    fn request(&self, resource: &ApiResource) -> Request {
        Request::new(DynamicObject::url_path(resource, self.wanted.namespace()))
    }

    async fn in_time<T>(&self, request: impl Future<Output = kube::Result<T>>) -> Result<T, Halt> {
        let answer = timeout(self.pace.answer, request).await;
        Ok(answer.map_err(|_| Trouble::Late)??)
    }

    /// Waits longer each time; whether everything shall be listed again meanwhile.
    async fn back_off(&mut self) -> bool {
        let pause = self.backoff.pause();
        self.wait(pause).await
    }

    /// Waits so long, or until everything shall be listed again.
    async fn wait(&mut self, delay: Duration) -> bool {
        tokio::select! {
            () = sleep(delay) => false,
            renewal = self.renewals.changed() => renewal.is_ok(),
        }
    }
}
