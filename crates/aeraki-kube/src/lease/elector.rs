//! The election's loop: carries requests and answers between the machine and the API server.

use std::fmt;
use std::future::Future;
use std::time::{Duration, Instant};

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use k8s_openapi::jiff::Timestamp;
use kube::api::PostParams;
use kube::{Api, Client};
use tokio::sync::watch;
use tokio::time::timeout;
use tracing::{debug, info, warn};

use super::predecessor::{self, Predecessor};
use super::{Answer, Election, Fence, Request, Timing};
use crate::client::FIELD_MANAGER;
use crate::jitter;

/// How long a look at Go Aeraki's lock may keep us from renewing.
const PREDECESSOR_TIMEOUT: Duration = Duration::from_secs(2);

/// Which Lease, and as whom.
#[derive(Clone, Debug)]
pub struct ElectorOptions {
    /// The namespace of the Lease: our own.
    pub namespace: String,
    /// The name of the Lease (`--election-id`).
    pub election_id: String,
    /// Who we are to people: the pod's name. A random suffix makes it ours alone.
    pub identity: String,
    /// Istio's root namespace, in which Go Aeraki's lock would lie.
    pub root_namespace: String,
    /// How long things last.
    pub timing: Timing,
}

/// What we are at the moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// The API server has not told yet.
    Unknown,
    /// Another holds the Lease, or nobody whom we know.
    Following {
        /// Who.
        leader: Option<String>,
    },
    /// We hold the Lease, and wait for Go Aeraki to let go of its lock.
    AwaitingPredecessor,
    /// We write.
    Leading,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("not known yet"),
            Self::Following {
                leader: Some(leader),
            } => write!(f, "standing by, {leader} writes"),
            Self::Following { leader: None } => f.write_str("standing by, nobody writes"),
            Self::AwaitingPredecessor => f.write_str("chosen, waiting for Go Aeraki to let go"),
            Self::Leading => f.write_str("writing"),
        }
    }
}

/// A candidate that runs until it is told to stop.
#[derive(Debug)]
pub struct Elector {
    options: ElectorOptions,
    election: Election,
    predecessor: Predecessor,
    /// Whether Go Aeraki was found gone since we took the lead.
    is_alone: bool,
    fence: Fence,
    role: watch::Sender<Role>,
    is_failing: bool,
}

impl Elector {
    /// A candidate that has asked nothing yet; its fence is closed.
    #[must_use]
    pub fn new(options: ElectorOptions) -> Self {
        let identity = format!("{}_{:08x}", options.identity, jitter::number() >> 32);
        Self {
            election: Election::new(identity, options.timing, Instant::now()),
            options,
            predecessor: Predecessor::default(),
            is_alone: false,
            fence: Fence::closed(),
            role: watch::Sender::new(Role::Unknown),
            is_failing: false,
        }
    }

    /// The fence that this candidate opens and closes.
    #[must_use]
    pub fn fence(&self) -> Fence {
        self.fence.clone()
    }

    /// What it is, as it changes.
    #[must_use]
    pub fn role(&self) -> watch::Receiver<Role> {
        self.role.subscribe()
    }

    /// Stands for election until `stop` is ready, then releases the Lease.
    ///
    /// Whoever writes must have ended before `stop` is ready: the next leader begins at once.
    pub async fn run(mut self, client: Client, stop: impl Future<Output = ()>) {
        tokio::pin!(stop);
        let leases: Api<Lease> = Api::namespaced(client.clone(), &self.options.namespace);
        let maps: Api<ConfigMap> = Api::namespaced(client, &self.options.root_namespace);
        loop {
            let due = self.election.due(Instant::now());
            let due = due.unwrap_or_else(Instant::now);
            tokio::select! {
                () = &mut stop => break,
                () = tokio::time::sleep_until(due.into()) => {}
            }
            tokio::select! {
                () = &mut stop => break,
                () = self.step(&leases, &maps) => {}
            }
        }
        self.release(&leases).await;
    }

    async fn step(&mut self, leases: &Api<Lease>, maps: &Api<ConfigMap>) {
        let began = Instant::now();
        if let Some(request) = self.election.request(began, &wall()) {
            let answer = self.ask(leases, request).await;
            let now = Instant::now();
            self.election.answer(answer, began, now, jitter::unit());
        }
        self.publish();
        if *self.role.borrow() == Role::AwaitingPredecessor {
            self.is_alone = !self.predecessor_lives(maps).await;
            self.publish();
        }
    }

    /// Opens or closes the fence and tells the role, by what the election says now.
    fn publish(&mut self) {
        let until = self.election.leads_until(Instant::now());
        if until.is_none() {
            self.is_alone = false;
            self.predecessor = Predecessor::default();
        }
        self.fence.set(until.filter(|_| self.is_alone));
        let role = match until {
            Some(_) if self.is_alone => Role::Leading,
            Some(_) => Role::AwaitingPredecessor,
            None if self.election.is_known() => Role::Following {
                leader: self.election.holder().map(str::to_owned),
            },
            None => Role::Unknown,
        };
        self.tell(role);
    }

    fn tell(&self, role: Role) {
        self.role.send_if_modified(|current| {
            let is_new = *current != role;
            if is_new {
                info!(role = %role, "Role changed");
                *current = role;
            }
            is_new
        });
    }

    async fn ask(&mut self, leases: &Api<Lease>, request: Request) -> Answer {
        let params = PostParams {
            field_manager: Some(FIELD_MANAGER.to_owned()),
            ..PostParams::default()
        };
        let name = &self.options.election_id;
        // Half the deadline, as in client-go: one request that hangs leaves time for a second one.
        let limit = self.options.timing.renew / 2;
        let answer = timeout(limit, async {
            match &request {
                Request::Read => leases.get(name).await,
                Request::Create(spec) => leases.create(&params, &self.lease(spec)).await,
                Request::Replace(lease) => leases.replace(name, &params, lease).await,
            }
        });
        match answer.await {
            Ok(Ok(lease)) => {
                self.recovered();
                match request {
                    Request::Read => Answer::Found(Box::new(lease)),
                    Request::Create(_) | Request::Replace(_) => Answer::Written(Box::new(lease)),
                }
            }
            Ok(Err(kube::Error::Api(status))) if status.code == 409 => Answer::Conflict,
            Ok(Err(kube::Error::Api(status)))
                if status.code == 404 && !matches!(request, Request::Create(_)) =>
            {
                Answer::Missing
            }
            Ok(Err(error)) => self.failed(&told(&error)),
            Err(_) => self.failed("no answer in time"),
        }
    }

    fn lease(&self, spec: &LeaseSpec) -> Lease {
        Lease {
            metadata: ObjectMeta {
                name: Some(self.options.election_id.clone()),
                namespace: Some(self.options.namespace.clone()),
                ..ObjectMeta::default()
            },
            spec: Some(spec.clone()),
        }
    }

    /// Says so once, not at every try.
    fn failed(&mut self, error: &str) -> Answer {
        let (namespace, lease) = (&self.options.namespace, &self.options.election_id);
        if std::mem::replace(&mut self.is_failing, true) {
            debug!(namespace, lease, error, "Lease still out of reach");
        } else {
            warn!(
                namespace,
                lease,
                error,
                "Lease out of reach, trying again; it takes get, create and update on leases.coordination.k8s.io there"
            );
        }
        Answer::Failed
    }

    fn recovered(&mut self) {
        if std::mem::take(&mut self.is_failing) {
            info!("Lease within reach again");
        }
    }

    async fn predecessor_lives(&mut self, maps: &Api<ConfigMap>) -> bool {
        let read = timeout(PREDECESSOR_TIMEOUT, maps.get_opt(predecessor::CONFIG_MAP)).await;
        match read {
            Ok(Ok(None)) => false,
            Ok(Ok(Some(map))) => {
                let annotations = map.metadata.annotations.unwrap_or_default();
                let wall = Timestamp::now();
                self.predecessor
                    .is_alive(&annotations, Instant::now(), wall)
            }
            Ok(Err(kube::Error::Api(status))) if status.code == 403 => false,
            // No answer is no evidence.
            Ok(Err(_)) | Err(_) => true,
        }
    }

    /// Closes the fence, says that we lead no longer, and then lets go of the Lease if we hold it.
    async fn release(mut self, leases: &Api<Lease>) {
        self.fence.set(None);
        let has_led = matches!(
            *self.role.borrow(),
            Role::Leading | Role::AwaitingPredecessor
        );
        if has_led {
            self.tell(Role::Following { leader: None });
        }
        // A renewal that was under way when we were told to stop may have been written: then the first try conflicts.
        for _ in 0..2 {
            let now = Instant::now();
            let Some(request) = self.election.release(&wall()) else {
                return;
            };
            match self.ask(leases, request).await {
                Answer::Conflict => {
                    let read = self.ask(leases, Request::Read).await;
                    self.election.answer(read, now, Instant::now(), 0.0);
                }
                Answer::Written(_) => {
                    info!("Lease released");
                    return;
                }
                Answer::Found(_) | Answer::Missing | Answer::Failed => return,
            }
        }
    }
}

/// What the API server said, without what the client puts around it.
fn told(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message.clone(),
        error => error.to_string(),
    }
}

fn wall() -> MicroTime {
    MicroTime(Timestamp::now())
}
