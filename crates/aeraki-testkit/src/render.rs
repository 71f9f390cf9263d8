//! What Istio would make of a set of EnvoyFilters, as bootstraps that a real Envoy can load.
//!
//! It knows Istio's patch semantics: which listeners, filter chains and clusters a patch selects, in
//! which order patches go, and that the first REPLACE wins. It knows no protocol and no
//! generator, and it decides nothing about validity: that is Envoy's answer.
//!
//! Istio's own resources are not an input. The base that a patch changes is inferred from its match:
//! a listener name makes that listener with a TCP proxy in it, a destination port makes a filter
//! chain of `virtualInbound`, a cluster name makes that cluster as Istio would. So every patch has
//! something to apply to, unless another one took it first: [`Rendered::ineffective`] tells.
//!
//! One bootstrap stands for all sidecars of a namespace. Listeners are kept apart by workload
//! selector (two workloads may well have the same port); clusters are not.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use filter::Filter;
use sidecar::Sidecars;

pub use filter::{PatchId, RenderError};

mod base;
mod filter;
mod merge;
mod sidecar;

/// Network filters that stock Envoy builds do not have. They are taken out and counted.
const NOT_IN_THIS_ENVOY: [&str; 2] = [
    "envoy.filters.network.kafka_broker",
    "envoy.filters.network.kafka_mesh",
];

/// Turns EnvoyFilters into bootstraps.
#[derive(Clone, Debug)]
pub struct Renderer {
    root_namespace: String,
    referenced_clusters: bool,
}

impl Default for Renderer {
    fn default() -> Self {
        Self {
            root_namespace: "istio-system".to_owned(),
            referenced_clusters: true,
        }
    }
}

/// The bootstraps of a mesh, and what could not be put into them.
#[derive(Clone, Debug)]
pub struct Rendered {
    /// One per namespace that has sidecars.
    pub bootstraps: Vec<Bootstrap>,
    /// How many patches were left out because this Envoy lacks their Kafka filter.
    pub kafka_filters: usize,
    /// Patches that changed nothing on any sidecar, so that Envoy's verdict is none about them.
    pub ineffective: Vec<PatchId>,
    /// Listeners where one network filter was put in twice.
    pub doubled: Vec<DoubledFilter>,
}

/// A network filter that several patches put into the same filter chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DoubledFilter {
    /// Name of the listener.
    pub listener: String,
    /// Name of the network filter.
    pub filter: String,
}

/// A complete static Envoy configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Bootstrap {
    namespace: String,
    config: Value,
}

impl Bootstrap {
    /// The namespace whose sidecars this stands for.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The configuration, as Envoy reads it.
    pub fn config(&self) -> &Value {
        &self.config
    }

    /// The listener of that name. Where it is patched for a selected workload only, the selector
    /// follows the name: `virtualInbound#app=cart`.
    pub fn listener(&self, name: &str) -> Option<&Value> {
        self.resource("listeners", name)
    }

    /// The cluster of that name.
    pub fn cluster(&self, name: &str) -> Option<&Value> {
        self.resource("clusters", name)
    }

    fn resource(&self, kind: &str, name: &str) -> Option<&Value> {
        self.config["static_resources"][kind]
            .as_array()?
            .iter()
            .find(|value| value["name"] == name)
    }
}

impl Renderer {
    /// The namespace whose EnvoyFilters reach every sidecar, `istio-system` otherwise.
    #[must_use]
    pub fn root_namespace(mut self, namespace: impl Into<String>) -> Self {
        self.root_namespace = namespace.into();
        self
    }

    /// Leaves out the clusters that network filters route to, as when a subset or host does not
    /// exist: what is rendered must load nevertheless.
    #[must_use]
    pub fn without_referenced_clusters(mut self) -> Self {
        self.referenced_clusters = false;
        self
    }

    /// Renders Kubernetes objects of kind EnvoyFilter.
    pub fn render(&self, filters: &[Value]) -> Result<Rendered, RenderError> {
        let mut filters: Vec<Filter<'_>> = filters
            .iter()
            .enumerate()
            .map(|(i, f)| Filter::read(i, f))
            .collect::<Result<_, _>>()?;
        let kafka_filters = take_out_unknown(&mut filters);
        // Istio: lower priority first, then the root namespace, then older, then by name.
        filters.sort_by_key(|f| {
            (
                f.priority,
                f.namespace != self.root_namespace,
                f.created,
                f.name,
                f.namespace,
            )
        });

        let mut rendered = Rendered {
            bootstraps: vec![],
            kafka_filters,
            ineffective: vec![],
            doubled: vec![],
        };
        let mut effective = BTreeSet::new();
        for namespace in self.namespaces(&filters) {
            let seen: Vec<&Filter<'_>> = filters
                .iter()
                .filter(|f| f.namespace == namespace || f.namespace == self.root_namespace)
                .collect();
            let sidecars = Sidecars::new(&seen, self.referenced_clusters);
            rendered.doubled.extend(sidecars.doubled_filters());
            effective.extend(sidecars.effective().cloned());
            rendered.bootstraps.push(bootstrap(namespace, sidecars));
        }
        rendered.ineffective = filters
            .iter()
            .flat_map(|f| f.patches.iter().map(|patch| &patch.id))
            .filter(|id| !effective.contains(id))
            .cloned()
            .collect();
        Ok(rendered)
    }

    /// The namespaces whose sidecars differ. The root namespace stands for all that have no filter of their own.
    fn namespaces<'a>(&self, filters: &[Filter<'a>]) -> BTreeSet<&'a str> {
        filters.iter().map(|f| f.namespace).collect()
    }
}

fn take_out_unknown(filters: &mut [Filter<'_>]) -> usize {
    let known = |filter: &str| !NOT_IN_THIS_ENVOY.contains(&filter);
    let mut taken = 0;
    for filter in filters {
        let before = filter.patches.len();
        filter
            .patches
            .retain(|patch| patch.value["name"].as_str().is_none_or(known));
        taken += before - filter.patches.len();
    }
    taken
}

fn bootstrap(namespace: &str, sidecars: Sidecars<'_>) -> Bootstrap {
    let (listeners, mut clusters) = sidecars.into_resources();
    clusters.extend(base::fixed_clusters());
    let config = json!({
        "node": {"id": format!("sidecar~127.0.0.1~all.{namespace}~{namespace}.svc.cluster.local"),
                 "cluster": namespace},
        // Istio raises Envoy's own limit of 100.
        "layered_runtime": {"layers": [{
            "name": "global config",
            "static_layer": {"re2.max_program_size.error_level": 32768},
        }]},
        "dynamic_resources": {"ads_config": base::ads_config()},
        "static_resources": {"listeners": listeners, "clusters": clusters},
    });
    Bootstrap {
        namespace: namespace.to_owned(),
        config,
    }
}
