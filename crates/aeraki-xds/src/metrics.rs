//! What the client counts.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::collection::COLLECTIONS;
use crate::termination::Reason;

/// The numbers of one client. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    pub(crate) connected: Gauge,
    pub(crate) synced: Gauge,
    restarts: Family<ReasonLabel, Counter<u64, AtomicU64>>,
    responses: Family<TypeLabel, Counter<u64, AtomicU64>>,
    rejects: Family<TypeLabel, Counter<u64, AtomicU64>>,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct ReasonLabel {
    reason: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct TypeLabel {
    r#type: &'static str,
}

impl Metrics {
    /// Makes the numbers part of what is scraped. The prefix is the caller's: `aeraki_xds`, say.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "connected",
            "Whether a stream to istiod is open",
            self.connected.clone(),
        );
        registry.register(
            "synced",
            "Whether all of istiod's config has come on the open stream",
            self.synced.clone(),
        );
        registry.register(
            "stream_restarts",
            "Streams to istiod that ended or could not be opened, by reason",
            self.restarts.clone(),
        );
        registry.register(
            "responses",
            "Answers of istiod, by collection",
            self.responses.clone(),
        );
        registry.register(
            "rejects",
            "Answers of istiod with something unusable in them, by collection",
            self.rejects.clone(),
        );
    }

    pub(crate) fn ended(&self, reason: Reason) {
        self.connected.set(0);
        self.synced.set(0);
        let label = ReasonLabel {
            reason: reason.label(),
        };
        self.restarts.get_or_create(&label).inc();
    }

    pub(crate) fn response(&self, type_url: &str) {
        self.responses.get_or_create(&label(type_url)).inc();
    }

    pub(crate) fn reject(&self, type_url: &str) {
        self.rejects.get_or_create(&label(type_url)).inc();
    }
}

/// The server may say what it likes; a label is one of a few words.
fn label(type_url: &str) -> TypeLabel {
    let known = COLLECTIONS.iter().map(|collection| collection.type_url);
    TypeLabel {
        r#type: known
            .chain([crate::collection::DEBUG])
            .find(|known| *known == type_url)
            .unwrap_or("other"),
    }
}
