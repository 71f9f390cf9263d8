//! Events on the users' own objects: what is wrong with them stands where `kubectl describe` shows it.
//!
//! ```text
//!  diagnostics ──▶ Notice ──▶ Ledger (pure: once, again now and then, so many a second) ──▶ Recorder ──▶ API server
//! ```
//!
//! Each request that writes asks the [`Fence`] first; behind a closed one everything stays due.
//!
//! An Event's name is made of what it says, so a second leader, or this process after a restart, finds the first one's
//! Event and counts it up instead of making another.

mod ledger;
mod message;
mod notice;
mod reason;

use std::collections::HashMap;
use std::time::Duration;

use aeraki_core::object::{Kind, ObjectKey};
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::jiff::Timestamp;
use kube::api::{DynamicObject, Patch, PatchParams, PostParams};
use kube::core::ApiResource;
use kube::{Api, Client, Error};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use crate::discovery;
use crate::kinds::{Identity, WantedKind};
use crate::lease::Fence;
use crate::watch::Identities;
use ledger::{Dispatch, Ledger, Next};

pub use notice::{Notice, Notices};
pub(crate) use reason::of_code;

/// Who sends the Events.
const CONTROLLER: &str = "aeraki.net/controller";

/// How long the API server may take to answer.
const ANSWER: Duration = Duration::from_secs(10);

/// How long a leader behind a closed fence waits before it looks again.
const FENCED: Duration = Duration::from_millis(500);

/// Sends Events.
pub struct Recorder {
    client: Client,
    identities: Identities,
    instance: String,
    fence: Fence,
    ledger: Ledger,
    started: Instant,
    resources: HashMap<Kind, ApiResource>,
    is_failing: bool,
}

/// Why an Event was not sent.
enum Unsent {
    /// We may not write now.
    Fenced,
    /// The API server did not take it, or did not answer.
    Failed(String),
}

impl From<Error> for Unsent {
    fn from(error: Error) -> Self {
        Self::Failed(error.to_string())
    }
}

impl Recorder {
    /// A recorder that signs with the pod's name, and knows the objects that a source has seen. It writes nothing while
    /// the fence is closed.
    pub fn new(
        client: Client,
        identities: Identities,
        instance: impl Into<String>,
        fence: Fence,
    ) -> Self {
        Self {
            client,
            identities,
            instance: instance.into(),
            fence,
            ledger: Ledger::default(),
            started: Instant::now(),
            resources: HashMap::new(),
            is_failing: false,
        }
    }

    /// Tells the newest set of notices, as long as this process leads. Ends when no more notices can come.
    pub async fn run(
        mut self,
        mut notices: watch::Receiver<Vec<Notice>>,
        mut leads: watch::Receiver<bool>,
    ) {
        notices.mark_changed();
        loop {
            let is_leading = *leads.borrow_and_update();
            let wait = self.work(is_leading).await;
            tokio::select! {
                changed = notices.changed() => match changed {
                    Ok(()) => {
                        let current = notices.borrow_and_update().clone();
                        self.ledger.observe(current);
                    }
                    Err(_) => return,
                },
                Ok(()) = leads.changed() => {}
                () = sleep(wait) => {}
            }
        }
    }

    /// Sends one Event if one is due; how long to wait for the next.
    async fn work(&mut self, is_leading: bool) -> Duration {
        const IDLE: Duration = Duration::from_secs(3600);
        if !is_leading {
            return IDLE;
        }
        if !self.fence.may_write() {
            return FENCED;
        }
        match self.ledger.next(self.started.elapsed()) {
            Next::Idle => IDLE,
            Next::Wait(time) => time,
            Next::Send(dispatch) => {
                self.send(&dispatch).await;
                Duration::ZERO
            }
        }
    }

    async fn send(&mut self, dispatch: &Dispatch) {
        let sent = timeout(ANSWER, self.try_send(dispatch)).await;
        let late = || Err(Unsent::Failed("no answer in time".to_owned()));
        let now = self.started.elapsed();
        match sent.unwrap_or_else(|_| late()) {
            Ok(()) => self.is_failing = false,
            Err(Unsent::Fenced) => self.ledger.put_back(&dispatch.notice, now),
            Err(Unsent::Failed(error)) => {
                self.ledger.failed(&dispatch.notice, now);
                if !std::mem::replace(&mut self.is_failing, true) {
                    tracing::warn!(%error, "Events cannot be written; trying again");
                }
            }
        }
    }

    async fn try_send(&mut self, dispatch: &Dispatch) -> Result<(), Unsent> {
        let notice = &dispatch.notice;
        let Some(identity) = self.identity(&notice.object).await? else {
            return Ok(());
        };
        let events: Api<Event> = Api::namespaced(self.client.clone(), &notice.object.namespace);
        if dispatch.count > 1 && self.count_up(&events, dispatch, &identity).await? {
            return Ok(());
        }
        let event = message::event(notice, &identity, &self.instance, Timestamp::now());
        self.ask_fence()?;
        match events.create(&PostParams::default(), &event).await {
            Err(Error::Api(status)) if status.code == 409 => {
                self.count_up(&events, dispatch, &identity).await?;
                Ok(())
            }
            answer => Ok(answer.map(drop)?),
        }
    }

    /// Whether a request that writes may be sent now.
    fn ask_fence(&self) -> Result<(), Unsent> {
        self.fence.may_write().then_some(()).ok_or(Unsent::Fenced)
    }

    /// Counts the Event up if it is still there.
    async fn count_up(
        &self,
        events: &Api<Event>,
        dispatch: &Dispatch,
        identity: &Identity,
    ) -> Result<bool, Unsent> {
        let name = message::name(&dispatch.notice, identity);
        let series = message::series(dispatch.count, Timestamp::now());
        let patch = Patch::Merge(&series);
        self.ask_fence()?;
        match events.patch(&name, &PatchParams::default(), &patch).await {
            Err(Error::Api(status)) if status.code == 404 => Ok(false),
            answer => Ok(answer.map(|_| true)?),
        }
    }

    /// Who the object is. One that the source does not watch is asked for.
    async fn identity(&mut self, key: &ObjectKey) -> Result<Option<Identity>, Error> {
        if let Some(identity) = self.identities.get(key) {
            return Ok(Some(identity));
        }
        let Some(resource) = self.resource(key.kind).await? else {
            return Ok(None);
        };
        let api: Api<DynamicObject> =
            Api::namespaced_with(self.client.clone(), &key.namespace, &resource);
        let meta = match api.get_metadata_opt(&key.name).await? {
            Some(object) => object.metadata,
            None => return Ok(None),
        };
        Ok(Some(Identity {
            api_version: resource.api_version,
            uid: meta.uid.unwrap_or_default(),
            resource_version: meta.resource_version.unwrap_or_default(),
        }))
    }

    async fn resource(&mut self, kind: Kind) -> Result<Option<ApiResource>, Error> {
        if let Some(resource) = self.resources.get(&kind) {
            return Ok(Some(resource.clone()));
        }
        let Some(wanted) = WantedKind::own(kind) else {
            return Ok(None);
        };
        let found = discovery::locate(&self.client, kind, wanted.versions()).await?;
        if let Some(resource) = &found {
            self.resources.insert(kind, resource.clone());
        }
        Ok(found)
    }
}
