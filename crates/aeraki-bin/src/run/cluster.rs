//! `aeraki run` in a cluster: istiod and the API server in, EnvoyFilters, Events and conditions out.
//!
//! ```text
//!  istiod ─────┐                                   ┌─▶ writer ─▶ API server
//!  API server ─┼─▶ Drive: Controller, Debounce ────┼─▶ Events, conditions
//!  Filters ────┘        (one task)                 └─▶ /metrics, /healthz, /debug
//! ```
//!
//! Each part is a task. All of them must live: where one ends, the process does, and says so by its exit code.

mod controller;
mod debounce;
mod drive;
mod feedback;
mod health;
mod http;
mod metrics;
mod overdue;
mod page;
mod proxies;
mod rejected;
mod statistics;
mod tasks;
mod telling;
mod views;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use aeraki_core::engine::Engine;
use aeraki_core::reconcile::Reconciler;
use aeraki_core::registry::Registry;
use aeraki_core::settings::Settings;
use aeraki_kube::client::{ClientOptions, connect};
use aeraki_kube::filters::Filters;
use aeraki_kube::lease::{Elector, ElectorOptions, Fence, Role, Timing};
use aeraki_kube::writer::{Orders, Writer, WriterOptions};
use aeraki_kube::{KubeSource, Notices, Pace, Recorder, StatusWriter, WantedKind};
use aeraki_xds::client::Client as Istiod;
use aeraki_xds::node::Identity;
use aeraki_xds::settings::{Security, Settings as IstiodSettings, Tls};
use anyhow::{Context as _, Result};
use tokio::sync::{mpsc, oneshot, watch};
use tracing::info;

use self::controller::{Controller, Sources};
use self::debounce::Debounce;
use self::drive::{Drive, Inputs, Outputs};
use self::feedback::Feedback;
use self::health::Health;
use self::http::Inside;
use self::metrics::Metrics;
use self::statistics::Statistics;
use self::tasks::Tasks;
use super::log::Level;
use super::options::Options;
use super::signals::End;
use crate::version::VERSION;

/// All of a clean end must fit into this.
const END: Duration = Duration::from_millis(4_500);

/// Everything the run is made of.
pub(super) struct Cluster {
    options: Options,
    settings: Settings,
    registry: Registry,
    sources: Sources,
    level: Level,
}

/// The names of the tasks whose end is waited for.
const WRITER: &str = "writer";
const ELECTION: &str = "leader election";

impl Cluster {
    /// A run that has not begun. With istiod, most of the config is istiod's word; without it all is the API server's.
    pub(super) fn new(
        options: Options,
        settings: Settings,
        registry: Registry,
        with_istiod: bool,
        level: Level,
    ) -> Self {
        let sources = if with_istiod {
            Sources::Istiod
        } else {
            Sources::ApiServer
        };
        Self {
            options,
            settings,
            registry,
            sources,
            level,
        }
    }

    /// Runs until a signal asks for an end.
    pub(super) fn run(self) -> Result<ExitCode> {
        // Two at least: who makes EnvoyFilters of a large mesh must not keep the Lease from being renewed.
        let workers = std::thread::available_parallelism().map_or(2, usize::from);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(workers.clamp(2, 4))
            .enable_all()
            .build()?;
        let code = runtime.block_on(self.keep());
        runtime.shutdown_timeout(Duration::from_millis(200));
        code
    }

    async fn keep(self) -> Result<ExitCode> {
        let mut end = End::new().context("signals cannot be caught")?;
        let mut tasks = Tasks::default();
        let (stop_writer, stop_election) = self.start(&mut tasks).await?;
        tokio::select! {
            signal = end.signal() => info!(signal, "Ending"),
            ended = tasks.ended() => return ended.map(|()| ExitCode::FAILURE),
        }
        // The writer first: who takes the Lease after us begins at once.
        let clean = async {
            drop(stop_writer);
            tasks.end_of(WRITER).await?;
            drop(stop_election);
            tasks.end_of(ELECTION).await
        };
        match tokio::time::timeout(END, clean).await {
            Ok(ended) => ended?,
            Err(_) => {
                tracing::warn!("The API server does not answer: ending without releasing the Lease")
            }
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Starts every task; what is returned ends two of them when it is dropped.
    async fn start(self, tasks: &mut Tasks) -> Result<(oneshot::Sender<()>, oneshot::Sender<()>)> {
        let network = match self.options.metrics_address.0 {
            Some(address) => Some(http::bind(address, "--metrics-address").await?),
            None => None,
        };
        let machine = match self.options.admin_address.0 {
            Some(address) => Some(http::bind(address, "--admin-address").await?),
            None => None,
        };
        let root_namespace = Arc::clone(&self.settings.root_namespace);
        let client = connect(&self.client_options()).await?;
        let filters = Filters::new(&root_namespace);
        let pace = Pace::default();
        tasks.spawn("list of EnvoyFilters", {
            let (filters, client) = (filters.clone(), client.clone());
            async move { filters.follow(client, None, pace).await }
        });

        let mut wanted = match self.sources {
            Sources::Istiod => WantedKind::beside_istiod(&self.registry),
            Sources::ApiServer => WantedKind::whole_config(&self.registry),
        };
        let granted = self.options.secret_namespaces.iter();
        wanted.extend(granted.filter_map(|of| WantedKind::secrets(&self.registry, of)));
        let source = KubeSource::new(client.clone(), wanted);
        let (renewal, identities) = (source.renewal(), source.identities());
        let (send, api_server) = mpsc::channel(4);
        tasks.try_spawn(
            "watch of config",
            async move { Ok(source.run(send).await?) },
        );

        let (istiod, handle, xds) = match self.sources {
            Sources::ApiServer => (None, None, None),
            Sources::Istiod => {
                let (istiod, handle, updates) = Istiod::new(self.istiod_settings());
                let xds = istiod.metrics();
                tasks.spawn("istiod", istiod.run());
                (Some(updates), Some(handle), Some(xds))
            }
        };
        let health = Arc::new(Health::new());
        let metrics = Arc::new(Metrics::new(xds.as_ref()));

        let (stop_writer, writer_stops) = oneshot::channel();
        let (stop_election, election_stops) = oneshot::channel();
        let elector = (!self.options.no_leader_election).then(|| Elector::new(self.election()));
        let fence = elector.as_ref().map_or_else(Fence::open, Elector::fence);
        let (writer, orders, outcomes) = Writer::new(
            client.clone(),
            filters.clone(),
            fence.clone(),
            WriterOptions {
                in_flight: usize::from(self.options.writes_in_flight),
                ..WriterOptions::default()
            },
        );
        tasks.spawn(WRITER, async move {
            writer.run(async { drop(writer_stops.await) }).await;
        });
        let (lead, leads) = watch::channel(elector.is_none());
        match elector {
            Some(elector) => {
                let follow = follow_role(
                    elector.role(),
                    lead,
                    orders.clone(),
                    Arc::clone(&health),
                    Arc::clone(&metrics),
                );
                tasks.spawn("role", follow);
                let client = client.clone();
                tasks.spawn(ELECTION, async move {
                    elector
                        .run(client, async { drop(election_stops.await) })
                        .await;
                });
            }
            None => {
                health.role_known();
                metrics.leader.set(1);
                tasks.spawn(ELECTION, async move {
                    let _lead = lead;
                    drop(election_stops.await);
                });
            }
        }

        let (writes, written) = watch::channel(0);
        let (tell_proxies, told_of_proxies) = mpsc::channel(1);
        if let Some(handle) = handle.clone().filter(|_| !self.options.istiod_plaintext) {
            tasks.spawn("proxies", proxies::ask(handle, written, tell_proxies));
        }
        let (feedback, told) = watch::channel(Feedback::default());
        let (notices, noticed) = watch::channel(Vec::new());
        let recorder = Recorder::new(
            client.clone(),
            identities,
            self.options.pod_name.clone(),
            fence.clone(),
        );
        tasks.spawn("Events", recorder.run(noticed, leads.clone()));
        let status = StatusWriter::new(client, &self.registry, fence);
        let judged = status.kinds().collect();
        tasks.spawn("conditions", feedback::conditions(status, told, leads));

        let (questions, asked) = mpsc::channel(4);
        let inside = Inside {
            health: Arc::clone(&health),
            metrics: Arc::clone(&metrics),
            questions,
            level: self.level.clone(),
        };
        if let Some(listener) = network {
            info!(address = %listener.local_addr()?, "Serving health and metrics");
            tasks.try_spawn(
                "metrics server",
                http::serve(listener, http::network(inside.clone())),
            );
        }
        if let Some(listener) = machine {
            info!(address = %listener.local_addr()?, "Serving pages for this machine");
            tasks.try_spawn("admin server", http::serve(listener, http::machine(inside)));
        }

        let debounce = Debounce::new(
            self.options.debounce_quiet.get(),
            self.options.debounce_max.get(),
        );
        let told = Notices::new(&self.registry);
        let statistics = Statistics::of(&self.registry);
        let reconciler = Reconciler::new(Engine::new(self.settings, self.registry));
        let drive = Drive::new(
            Controller::new(reconciler, self.sources, judged, statistics),
            debounce,
            told,
            Inputs {
                istiod,
                api_server,
                filters,
                outcomes,
                proxies: told_of_proxies,
            },
            asked,
            Outputs {
                orders,
                writes,
                feedback,
                notices,
                health,
                metrics,
                istiod: handle,
                api_server: renewal,
            },
        );
        tasks.try_spawn("controller", drive.run());
        Ok((stop_writer, stop_election))
    }

    fn client_options(&self) -> ClientOptions {
        ClientOptions {
            kubeconfig: self.options.kubeconfig.clone(),
            context: self.options.context.clone(),
            version: VERSION.to_owned(),
        }
    }

    fn namespace(&self) -> String {
        let root = || self.settings.root_namespace.to_string();
        self.options.namespace.clone().unwrap_or_else(root)
    }

    fn election(&self) -> ElectorOptions {
        ElectorOptions {
            namespace: self.namespace(),
            election_id: self.options.election_id.clone(),
            identity: self.options.pod_name.clone(),
            root_namespace: self.settings.root_namespace.to_string(),
            timing: Timing::default(),
        }
    }

    fn istiod_settings(&self) -> IstiodSettings {
        let Options {
            istiod_address,
            istiod_server_name,
            istiod_cert,
            istiod_key,
            ..
        } = self.options.clone();
        let service = format!("istiod.{}.svc", self.settings.root_namespace);
        let certificate = istiod_cert.zip(istiod_key);
        let security = if self.options.istiod_plaintext {
            Security::Plaintext
        } else {
            Security::Tls(Tls {
                root_cert: self.options.istiod_root_cert.clone(),
                server_name: istiod_server_name.unwrap_or_else(|| service.clone()),
                token: certificate
                    .is_none()
                    .then(|| self.options.istiod_token.clone()),
                certificate,
            })
        };
        let port = if self.options.istiod_plaintext {
            15010
        } else {
            15012
        };
        IstiodSettings {
            address: istiod_address.unwrap_or_else(|| format!("{service}:{port}")),
            security,
            identity: Identity {
                ip: self.options.pod_ip,
                pod: self.options.pod_name.clone(),
                namespace: self.namespace(),
            },
            cluster_id: None,
            message_limit: self.options.istiod_message_limit,
            timing: aeraki_xds::settings::Timing {
                resync: self.options.resync_interval.get(),
                ..aeraki_xds::settings::Timing::default()
            },
        }
    }
}

/// Tells everybody who must know whether this process leads.
async fn follow_role(
    mut role: watch::Receiver<Role>,
    lead: watch::Sender<bool>,
    orders: Orders,
    health: Arc<Health>,
    metrics: Arc<Metrics>,
) {
    loop {
        let current = role.borrow_and_update().clone();
        if current != Role::Unknown {
            health.role_known();
        }
        let leads = current == Role::Leading;
        metrics.leader.set(i64::from(leads));
        lead.send_replace(leads);
        orders.wake();
        if role.changed().await.is_err() {
            return;
        }
    }
}
