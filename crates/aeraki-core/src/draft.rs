//! What a generator hands back: a filter or a cluster patch without a name, a namespace or a listener.
//!
//! Core alone decides those, and how many EnvoyFilters a draft becomes.

use crate::config::Config;
use crate::object::{Object, ObjectKey};
use crate::settings::ProxyMetadata;

/// Which side of the call the filter stands on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Direction {
    /// The client's sidecar.
    Outbound,
    /// The server's sidecar.
    Inbound,
}

/// Where the filter goes, relative to Istio's `envoy.filters.network.tcp_proxy`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Placement {
    /// Instead of it: for filters that end the chain (Envoy refuses two of those).
    Replace,
    /// Before it: for filters that only look on.
    InsertBefore,
}

/// One network filter, placed.
#[derive(Clone, PartialEq, Debug)]
pub struct NetworkFilter {
    /// Where it goes.
    pub placement: Placement,
    /// Its name, such as `envoy.filters.network.dubbo_proxy`.
    pub name: &'static str,
    /// Its configuration as JSON in Envoy's snake_case, with `@type`.
    pub typed_config: Config,
}

/// A change of one Envoy cluster.
#[derive(Clone, PartialEq, Debug)]
pub struct ClusterPatch {
    /// The cluster's name.
    pub cluster: String,
    /// What is done to it.
    pub change: ClusterChange,
}

/// How a cluster is changed. Istio's patch semantics: see docs/istio.md.
#[derive(Clone, PartialEq, Debug)]
pub enum ClusterChange {
    /// MERGE onto Istio's cluster: TLS and endpoints survive; repeated fields are appended.
    Merge(Config),
    /// MERGE_AND_REPLACE_LIST onto Istio's cluster: as MERGE, but repeated fields are replaced.
    MergeReplacingLists(Config),
    /// REMOVE Istio's cluster and ADD this one in its stead, in one object. TLS is lost.
    Replace(Config),
}

/// One generated piece of configuration.
#[derive(Clone, PartialEq, Debug)]
pub struct FilterDraft {
    pub(crate) direction: Direction,
    pub(crate) filter: Option<NetworkFilter>,
    pub(crate) clusters: Vec<ClusterPatch>,
    pub(crate) confidential: bool,
    pub(crate) only_for: Option<ProxyMetadata>,
    pub(crate) sources: Vec<ObjectKey>,
}

impl FilterDraft {
    /// A network filter.
    #[must_use]
    pub fn network(direction: Direction, filter: NetworkFilter) -> Self {
        Self {
            direction,
            filter: Some(filter),
            clusters: Vec::new(),
            confidential: false,
            only_for: None,
            sources: Vec::new(),
        }
    }

    /// Adds changes of clusters. They stand in exactly one EnvoyFilter per scope, however many addresses the service
    /// has: two ADDs of one cluster make Envoy refuse every cluster.
    #[must_use]
    pub fn with_clusters(mut self, clusters: impl IntoIterator<Item = ClusterPatch>) -> Self {
        self.clusters.extend(clusters);
        self
    }

    /// Marks a draft that holds a credential in clear text: core never writes it to the root namespace.
    #[must_use]
    pub fn confidential(mut self) -> Self {
        self.confidential = true;
        self
    }

    /// Names objects besides the service and its VirtualService that went into the draft. They are listed in the
    /// EnvoyFilter's annotations.
    #[must_use]
    pub fn made_from<'o>(mut self, objects: impl IntoIterator<Item = &'o Object>) -> Self {
        self.sources
            .extend(objects.into_iter().map(|object| object.key.clone()));
        self
    }

    /// Confines the draft to proxies with this node metadata: for configuration that a proxy without some means of its
    /// own, such as a file, would refuse.
    #[must_use]
    pub fn only_for(mut self, proxies: ProxyMetadata) -> Self {
        self.only_for = Some(proxies);
        self
    }
}
