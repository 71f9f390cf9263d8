//! The numbers of `/metrics`. Their names never change.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aeraki_core::draft::Direction;
use aeraki_core::registry::Decision;
use aeraki_kube::writer::{Outcome, Verb};
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use super::controller::Controller;
use super::feedback::Feedback;
use crate::version::VERSION;

/// All numbers, and the registry that they are scraped from.
#[derive(Debug)]
pub(super) struct Metrics {
    registry: Mutex<Registry>,
    pub(super) leader: Gauge,
    resyncs: Gauge<i64>,
    objects: Family<Kind, Gauge>,
    services: Family<Protocol, Gauge>,
    skipped: Family<Code, Gauge>,
    diagnostics: Family<Diagnostic, Gauge>,
    rejections: Gauge,
    generate: Histogram,
    convergence: Histogram,
    filters: Family<Filter, Gauge>,
    held: Family<Reason, Gauge>,
    pending: Gauge,
    applied: Family<Apply, Counter<u64, AtomicU64>>,
    apply: Histogram,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, EncodeLabelSet)]
struct Kind {
    kind: &'static str,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, EncodeLabelSet)]
struct Protocol {
    protocol: &'static str,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, EncodeLabelSet)]
struct Code {
    code: &'static str,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, EncodeLabelSet)]
struct Diagnostic {
    code: &'static str,
    level: &'static str,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, EncodeLabelSet)]
struct Filter {
    protocol: &'static str,
    context: &'static str,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, EncodeLabelSet)]
struct Apply {
    operation: &'static str,
    result: &'static str,
}

/// From 1 ms to 33 s.
fn seconds() -> Histogram {
    Histogram::new(exponential_buckets(0.001, 2.0, 16))
}

impl Metrics {
    /// Numbers that count nothing yet; istiod's client brings its own.
    pub(super) fn new(xds: Option<&aeraki_xds::metrics::Metrics>) -> Self {
        let mut registry = Registry::with_prefix("aeraki");
        let build = Info::new([("version", VERSION)]);
        registry.register("build", "This binary", build);
        if let Some(xds) = xds {
            xds.register(registry.sub_registry_with_prefix("xds"));
        }
        let new = Self {
            registry: Mutex::new(Registry::default()),
            leader: Gauge::default(),
            resyncs: Gauge::default(),
            objects: Family::default(),
            services: Family::default(),
            skipped: Family::default(),
            diagnostics: Family::default(),
            rejections: Gauge::default(),
            generate: seconds(),
            convergence: seconds(),
            filters: Family::default(),
            held: Family::default(),
            pending: Gauge::default(),
            applied: Family::default(),
            apply: seconds(),
        };
        new.register(&mut registry);
        Self {
            registry: Mutex::new(registry),
            ..new
        }
    }

    fn register(&self, to: &mut Registry) {
        to.register("leader", "Whether this process writes", self.leader.clone());
        to.register(
            "complete_views",
            "How often every source has told everything anew",
            self.resyncs.clone(),
        );
        to.register("config_objects", "Objects of config", self.objects.clone());
        to.register(
            "services",
            "Service ports, by protocol",
            self.services.clone(),
        );
        to.register(
            "services_skipped",
            "Service ports that could be ours and are not, by diagnostic",
            self.skipped.clone(),
        );
        to.register(
            "diagnostics",
            "What is wrong with config",
            self.diagnostics.clone(),
        );
        to.register(
            "proxy_rejections",
            "Listeners and clusters that a proxy refuses, ours or not",
            self.rejections.clone(),
        );
        to.register(
            "generate_duration_seconds",
            "How long it took to make EnvoyFilters of changes",
            self.generate.clone(),
        );
        to.register(
            "convergence_seconds",
            "From a change of config to the API server's acknowledgement of an EnvoyFilter",
            self.convergence.clone(),
        );
        to.register(
            "envoyfilters",
            "EnvoyFilters that are wanted",
            self.filters.clone(),
        );
        to.register(
            "envoyfilters_held",
            "EnvoyFilters that stay though they are not wanted like this, by reason",
            self.held.clone(),
        );
        to.register(
            "envoyfilters_pending",
            "EnvoyFilters that are still to be written",
            self.pending.clone(),
        );
        to.register("apply", "Writes of EnvoyFilters", self.applied.clone());
        to.register(
            "apply_duration_seconds",
            "How long a write of an EnvoyFilter took",
            self.apply.clone(),
        );
    }

    /// EnvoyFilters were made of changes.
    pub(super) fn generated(&self, took: Duration) {
        self.generate.observe(took.as_secs_f64());
    }

    /// A write has ended; `since` is how long ago the change came that it follows from.
    pub(super) fn applied(&self, outcome: &Outcome, since: Option<Duration>) {
        let operation = match outcome.verb {
            Verb::Create => "create",
            Verb::Update => "update",
            Verb::Delete => "delete",
        };
        let result = match &outcome.result {
            Ok(()) => "ok",
            Err(failure) => failure.reason.name(),
        };
        self.applied
            .get_or_create(&Apply { operation, result })
            .inc();
        self.apply.observe(outcome.took.as_secs_f64());
        if let Some(since) = since.filter(|_| outcome.result.is_ok()) {
            self.convergence.observe(since.as_secs_f64());
        }
    }

    /// Counts what there is.
    pub(super) fn count(&self, controller: &Controller, feedback: &Feedback, pending: usize) {
        // Whoever scrapes meanwhile must not see families half filled.
        let _scrapes_wait = self.lock();
        let engine = controller.reconciler().engine();
        self.resyncs.set(as_gauge(controller.epoch()));
        self.rejections.set(as_gauge(controller.rejections()));
        self.pending.set(as_gauge(pending));
        let kinds = engine.objects().map(|object| Kind {
            kind: object.key.kind.name(),
        });
        set(&self.objects, tally(kinds));
        let ours = engine
            .decisions()
            .filter_map(|(_, _, decision)| match decision {
                Decision::Ours(found) => Some(Protocol {
                    protocol: found.protocol().name(),
                }),
                _ => None,
            });
        set(&self.services, tally(ours));
        let about_ports = feedback
            .diagnostics
            .iter()
            .filter(|one| one.code.starts_with("AER010"))
            .map(|one| Code { code: one.code });
        set(&self.skipped, tally(about_ports));
        let all = feedback.diagnostics.iter().map(|one| Diagnostic {
            code: one.code,
            level: one.severity.name(),
        });
        set(&self.diagnostics, tally(all));
        let filters = engine.filters().values().map(|filter| Filter {
            protocol: filter.protocol.name(),
            context: match filter.direction {
                Direction::Outbound => "SIDECAR_OUTBOUND",
                Direction::Inbound => "SIDECAR_INBOUND",
            },
        });
        set(&self.filters, tally(filters));
        let held = controller.reconciler().on_hold().values();
        set(
            &self.held,
            tally(held.map(|reason| Reason {
                reason: reason.name(),
            })),
        );
    }

    /// The numbers as Prometheus reads them.
    pub(super) fn text(&self) -> Result<String, std::fmt::Error> {
        let mut out = String::new();
        text::encode(&mut out, &self.lock())?;
        Ok(out)
    }

    fn lock(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn as_gauge(count: impl TryInto<i64>) -> i64 {
    count.try_into().unwrap_or(i64::MAX)
}

fn tally<T: Ord>(items: impl Iterator<Item = T>) -> BTreeMap<T, i64> {
    items.fold(BTreeMap::new(), |mut counts, item| {
        *counts.entry(item).or_default() += 1;
        counts
    })
}

/// What is no longer counted is gone, not 0: a kind or code that nobody has does not clutter the answer.
fn set<L>(family: &Family<L, Gauge>, counts: BTreeMap<L, i64>)
where
    L: Clone + std::hash::Hash + Eq + Ord + EncodeLabelSet + Send + Sync + 'static,
{
    family.clear();
    for (label, count) in counts {
        family.get_or_create(&label).set(count);
    }
}
