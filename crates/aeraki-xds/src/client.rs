//! The loop around the session: one stream after the other, for as long as somebody reads what they bring.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use aeraki_api::discovery::DiscoveryResponse;
use aeraki_core::object::Kind;
use thiserror::Error;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{
    Instant, Interval, MissedTickBehavior, interval_at, sleep, sleep_until, timeout,
};

use crate::backoff::Backoff;
use crate::credentials::Credentials;
use crate::dial::dial;
use crate::journal::Journal;
use crate::mailbox::{Mailbox, mailbox};
use crate::mesh::{self, StatsMatcher};
use crate::metrics::Metrics;
use crate::session::{Input, Output, Session, Topic};
use crate::settings::{Security, Settings, Tls};
use crate::stream::{Requests, Stream};
use crate::syncz::{self, Rejection};
use crate::termination::{Reason, Termination};

pub use crate::mailbox::Updates;

/// A client of istiod. [`run`](Self::run) is all there is to do with it.
#[derive(Debug)]
pub struct Client {
    settings: Settings,
    session: Session,
    mailbox: Mailbox,
    metrics: Metrics,
    journal: Journal,
    backoff: Backoff,
    renewals: watch::Receiver<()>,
    refreshes: watch::Receiver<()>,
    questions: mpsc::Receiver<Question>,
    /// Those who wait for an answer.
    waiting: Vec<Question>,
    /// What istiod has been asked and has not answered yet.
    asked: Option<Topic>,
}

/// How the rest of the process talks to a running client. Clones talk to the same one.
#[derive(Clone, Debug)]
pub struct Handle {
    renewals: watch::Sender<()>,
    refreshes: watch::Sender<()>,
    questions: mpsc::Sender<Question>,
    may_ask: bool,
}

/// A question, and where its answer goes.
#[derive(Debug)]
struct Question {
    topic: Topic,
    answer: oneshot::Sender<Vec<u8>>,
}

/// Istiod has not told what it was asked.
#[derive(Debug, Error)]
pub enum TellError {
    /// Istiod tells only whom it knows, and would end the stream of anybody else who asks.
    #[error("istiod tells such things over TLS only")]
    Plaintext,
    /// The stream ended before the answer, or the client has ended.
    #[error("the stream to istiod ended before it answered")]
    Lost,
    /// The answer about its proxies is in no known form.
    #[error("istiod's answer about its proxies cannot be read")]
    UnreadableSyncz(#[from] syncz::ParseError),
    /// The answer about the mesh is in no known form.
    #[error("istiod's answer about the mesh cannot be read")]
    UnreadableMesh(#[from] mesh::ParseError),
}

impl TellError {
    /// Whether asking again is of no use.
    #[must_use]
    pub const fn is_unreadable(&self) -> bool {
        matches!(self, Self::UnreadableSyncz(_) | Self::UnreadableMesh(_))
    }
}

impl Handle {
    /// Ends the stream that is open and opens another, to see everything anew. No more than one is ever open. Without an
    /// open stream this does nothing: the next one is new anyway.
    pub fn renew(&self) {
        self.renewals.send_replace(());
    }

    /// Asks for all ServiceEntries again on the open stream, unless that answer is due anyway. Without an open stream this
    /// does nothing: the next one brings everything. Istiod tells only when asked what becomes of a ServiceEntry that
    /// `exportTo` hides from the namespace which the client says it is of.
    pub fn refresh_service_entries(&self) {
        self.refreshes.send_replace(());
    }

    /// Asks istiod what the proxies that are connected to it have refused. Waits for a stream if there is none; the
    /// patience is the caller's.
    ///
    /// # Errors
    /// The stream is not secure or ended meanwhile, or the answer cannot be read.
    pub async fn rejections(&self) -> Result<Vec<Rejection>, TellError> {
        Ok(syncz::rejections(&self.ask(Topic::Syncz).await?)?)
    }

    /// Asks istiod which of their statistics sidecars publish, unless a pod says otherwise. Waits as [`Self::rejections`].
    ///
    /// # Errors
    /// The stream is not secure or ended meanwhile, or the answer cannot be read.
    pub async fn stats_matcher(&self) -> Result<StatsMatcher, TellError> {
        Ok(mesh::stats_matcher(&self.ask(Topic::Mesh).await?)?)
    }

    async fn ask(&self, topic: Topic) -> Result<Vec<u8>, TellError> {
        if !self.may_ask {
            return Err(TellError::Plaintext);
        }
        let (answer, told) = oneshot::channel();
        let sent = self.questions.send(Question { topic, answer }).await;
        sent.map_err(|_| TellError::Lost)?;
        told.await.map_err(|_| TellError::Lost)
    }
}

impl Client {
    /// A client, what talks to it while it runs, and what it brings.
    #[must_use]
    pub fn new(settings: Settings) -> (Self, Handle, Updates) {
        let (mailbox, updates) = mailbox();
        let (renew, renewals) = watch::channel(());
        let (refresh, refreshes) = watch::channel(());
        let (ask, questions) = mpsc::channel(8);
        let timing = settings.timing;
        let may_ask = tls(&settings).is_some();
        let client = Self {
            session: Session::new(&settings.identity),
            settings,
            mailbox,
            metrics: Metrics::default(),
            journal: Journal::new(),
            backoff: Backoff::new(timing.least_backoff, timing.most_backoff),
            renewals,
            refreshes,
            questions,
            waiting: Vec::new(),
            asked: None,
        };
        let handle = Handle {
            renewals: renew,
            refreshes: refresh,
            questions: ask,
            may_ask,
        };
        (client, handle, updates)
    }

    /// The numbers of this client.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        self.metrics.clone()
    }

    /// Keeps a stream to istiod open, one at a time. Ends only once the [`Updates`] are dropped.
    pub async fn run(mut self) {
        loop {
            let end = self.one_stream().await;
            self.waiting.clear();
            self.asked = None;
            self.feed(Input::Disconnected, None);
            self.metrics.ended(end.reason);
            if end.reason == Reason::Abandoned {
                return;
            }
            let wait = self.backoff.wait(chance());
            self.journal.ended(&end, &self.settings, wait);
            tokio::select! {
                () = sleep(wait) => {}
                () = self.mailbox.abandoned() => return,
            }
        }
    }

    /// From the connection to the end of the stream.
    async fn one_stream(&mut self) -> Termination {
        self.journal.dialing(&self.settings);
        self.renewals.mark_unchanged();
        self.refreshes.mark_unchanged();
        let (requests, to_send) = mpsc::unbounded_channel();
        self.feed(Input::Connected, Some(&requests));
        let opening = open(&self.settings, to_send);
        let opened = tokio::select! {
            opened = opening => opened,
            () = self.mailbox.abandoned() => return Termination::new(Reason::Abandoned, ""),
        };
        match opened {
            Ok((mut stream, credentials)) => {
                self.metrics.connected.set(1);
                let end = self.converse(&mut stream, &requests, credentials).await;
                drop(requests);
                hang_up(stream, &end).await;
                end
            }
            Err(end) => end,
        }
    }

    /// Everything that may happen while a stream is open.
    async fn converse(
        &mut self,
        stream: &mut Stream,
        requests: &Requests,
        credentials: Option<Credentials>,
    ) -> Termination {
        let timing = self.settings.timing;
        let mut resync = every(timing.resync);
        let mut root_check = every(timing.root_check);
        let mut deadline = Instant::now() + timing.answer;
        loop {
            tokio::select! {
                answer = stream.next() => match answer {
                    Ok(response) => {
                        self.take_in(response, requests);
                        deadline = Instant::now() + timing.answer;
                    }
                    Err(end) => return end,
                },
                () = sleep_until(deadline), if !self.session.is_complete() => return stalled(timing.answer),
                _ = resync.tick() => self.feed(Input::ResyncDue, Some(requests)),
                _ = root_check.tick() => {
                    if has_new_roots(&self.settings, credentials.as_ref()).await {
                        return Termination::new(Reason::RootChanged, "");
                    }
                }
                Ok(()) = self.renewals.changed() => return Termination::new(Reason::Renewed, ""),
                Ok(()) = self.refreshes.changed() => {
                    self.feed(Input::Refresh(Kind::SERVICE_ENTRY), Some(requests));
                }
                Some(question) = self.questions.recv() => self.ask(question, requests),
                () = self.mailbox.abandoned() => return Termination::new(Reason::Abandoned, ""),
            }
        }
    }

    fn take_in(&mut self, response: DiscoveryResponse, requests: &Requests) {
        self.metrics.response(&response.type_url);
        let was_complete = self.session.is_complete();
        self.feed(Input::Response(response), Some(requests));
        let is_complete = self.session.is_complete();
        self.metrics.synced.set(i64::from(is_complete));
        if is_complete && !was_complete {
            self.backoff.reset();
            self.journal.synced();
        }
        self.ask_next(requests);
    }

    /// Whoever has stopped waiting does not count.
    fn ask(&mut self, question: Question, requests: &Requests) {
        self.waiting.retain(|question| !question.answer.is_closed());
        self.waiting.push(question);
        self.ask_next(requests);
    }

    /// An answer does not say what it is about, so one question is asked at a time.
    fn ask_next(&mut self, requests: &Requests) {
        if self.asked.is_some() {
            return;
        }
        self.asked = self.waiting.first().map(|question| question.topic);
        if let Some(topic) = self.asked {
            self.feed(Input::Asked(topic), Some(requests));
        }
    }

    /// One answer serves all that have asked the same.
    fn tell(&mut self, json: &[u8]) {
        let Some(topic) = self.asked.take() else {
            return;
        };
        for question in self
            .waiting
            .extract_if(.., |question| question.topic == topic)
        {
            // Who does not wait any more misses nothing.
            let _gone = question.answer.send(json.to_vec());
        }
    }

    /// Tells the session, and does what it says.
    fn feed(&mut self, input: Input, requests: Option<&Requests>) {
        for output in self.session.on(input) {
            match output {
                Output::Update(update) => self.mailbox.put(update),
                Output::Told(json) => self.tell(&json),
                Output::Send(request) => {
                    if request.error_detail.is_some() {
                        self.metrics.reject(&request.type_url);
                    }
                    if let Some(requests) = requests {
                        // A stream that takes nothing any more is about to say so itself.
                        let _over = requests.send(request).is_err();
                    }
                }
            }
        }
    }
}

/// Opens a stream with what stands in the files now.
async fn open(
    settings: &Settings,
    requests: mpsc::UnboundedReceiver<aeraki_api::discovery::DiscoveryRequest>,
) -> Result<(Stream, Option<Credentials>), Termination> {
    let credentials = match tls(settings) {
        Some(tls) => Some(Credentials::read(tls).await?),
        None => None,
    };
    let channel = dial(settings, tls(settings).zip(credentials.as_ref())).await?;
    let opening = Stream::open(channel, settings, credentials.as_ref(), requests);
    match timeout(settings.timing.answer, opening).await {
        Ok(stream) => Ok((stream?, credentials)),
        Err(_) => Err(stalled(settings.timing.answer)),
    }
}

/// Sees a stream off that ended on our side, so that the server never has two of ours.
async fn hang_up(mut stream: Stream, end: &Termination) {
    const PATIENCE: Duration = Duration::from_secs(1);
    if matches!(end.reason, Reason::Renewed | Reason::RootChanged) {
        let last = async { while stream.next().await.is_ok() {} };
        let _too_slow = timeout(PATIENCE, last).await;
    }
}

async fn has_new_roots(settings: &Settings, credentials: Option<&Credentials>) -> bool {
    match tls(settings).zip(credentials) {
        Some((tls, credentials)) => credentials.has_new_roots(tls).await,
        None => false,
    }
}

fn tls(settings: &Settings) -> Option<&Tls> {
    match &settings.security {
        Security::Tls(tls) => Some(tls),
        Security::Plaintext => None,
    }
}

fn stalled(patience: Duration) -> Termination {
    Termination::new(Reason::Stalled, format!("no answer for {patience:?}"))
}

/// Ticks from now on, the first time after a whole period.
fn every(period: Duration) -> Interval {
    let mut interval = interval_at(Instant::now() + period, period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

/// Another number each time. The standard library seeds its hash maps with it; nothing here needs more.
fn chance() -> u64 {
    RandomState::new().hash_one(())
}
