//! Applies the patches that the sidecars of one namespace see, in Istio's order.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::DoubledFilter;
use super::base::{self, VIRTUAL_INBOUND};
use super::filter::{
    ClusterMatch, Context, Filter, ListenerMatch, Operation, Patch, PatchId, Selector, Target,
};
use super::merge::{Lists, merge_cluster};

/// Bind address of the listener that a match by port number alone stands for: some endpoint.
const SOME_ENDPOINT: &str = "192.0.2.1";

/// Listeners by workload selector, and the clusters of all of them.
pub(super) struct Sidecars<'a> {
    listeners: Vec<Listener<'a>>,
    clusters: Vec<Value>,
    effective: BTreeSet<&'a PatchId>,
}

struct Listener<'a> {
    selector: Selector<'a>,
    name: String,
    chains: Vec<Chain>,
}

struct Chain {
    destination_port: Option<u64>,
    value: Value,
}

impl<'a> Sidecars<'a> {
    /// `filters` in the order in which they apply.
    pub(super) fn new(filters: &[&'a Filter<'a>], referenced_clusters: bool) -> Self {
        let mut sidecars = Self {
            listeners: vec![],
            clusters: vec![],
            effective: BTreeSet::new(),
        };
        sidecars.make_listeners(filters);
        sidecars.patch_listeners(filters);
        sidecars.make_clusters(filters, referenced_clusters);
        sidecars.patch_clusters(filters);
        sidecars
    }

    pub(super) fn effective(&self) -> impl Iterator<Item = &PatchId> {
        self.effective.iter().copied()
    }

    pub(super) fn doubled_filters(&self) -> Vec<DoubledFilter> {
        let mut doubled = vec![];
        for listener in &self.listeners {
            for chain in &listener.chains {
                let mut seen = BTreeSet::new();
                let twice = names_of(chain.filters()).filter(|name| !seen.insert(*name));
                doubled.extend(twice.map(|filter| DoubledFilter {
                    listener: listener.unique_name(),
                    filter: filter.to_owned(),
                }));
            }
        }
        doubled
    }

    /// The static listeners and clusters.
    pub(super) fn into_resources(self) -> (Vec<Value>, Vec<Value>) {
        let listeners = self.listeners.into_iter().enumerate();
        (
            listeners
                .map(|(position, listener)| listener.into_value(position))
                .collect(),
            self.clusters,
        )
    }

    fn make_listeners(&mut self, filters: &[&'a Filter<'a>]) {
        let mut bases: BTreeMap<(&Selector<'a>, String), BTreeSet<Option<u64>>> = BTreeMap::new();
        for filter in filters {
            for (context, matched) in filter.patches.iter().filter_map(Patch::listener_match) {
                let ports = bases
                    .entry((&filter.selector, matched.base_name(context)))
                    .or_default();
                ports.extend(matched.base_port(context));
            }
        }
        self.listeners = bases
            .into_iter()
            .filter(|(_, ports)| !ports.is_empty())
            .map(|((selector, name), ports)| Listener::new(selector.clone(), name, &ports))
            .collect();
    }

    fn patch_listeners(&mut self, filters: &[&'a Filter<'a>]) {
        for listener in &mut self.listeners {
            let reaching = filters
                .iter()
                .filter(|f| listener.is_reached_by(&f.selector));
            for patch in reaching.flat_map(|f| &f.patches).collect::<Vec<_>>() {
                if listener.apply(patch) {
                    self.effective.insert(&patch.id);
                }
            }
        }
    }

    fn make_clusters(&mut self, filters: &[&'a Filter<'a>], referenced: bool) {
        let mut names = BTreeSet::new();
        for filter in filters {
            for patch in &filter.patches {
                match &patch.target {
                    Target::NetworkFilter(_) if referenced => clusters_in(patch.value, &mut names),
                    Target::NetworkFilter(_) => {}
                    Target::Cluster(matched) => names.extend(matched.base_name()),
                }
            }
        }
        names.retain(|name| !base::is_fixed(name));
        // What a patch adds is there by the patch alone, unless Istio makes a cluster of that name.
        let added: Vec<&str> = additions(filters)
            .filter_map(|p| p.value["name"].as_str())
            .collect();
        names.retain(|name| is_istios(name) || !added.contains(&name.as_str()));
        names.extend(
            added
                .into_iter()
                .filter(|name| is_istios(name))
                .map(str::to_owned),
        );
        // Every sidecar has it anyway.
        names.remove(base::BLACK_HOLE);
        self.clusters = names.iter().map(|name| base::cluster(name)).collect();
    }

    fn patch_clusters(&mut self, filters: &[&'a Filter<'a>]) {
        for cluster in std::mem::take(&mut self.clusters) {
            let patched = self.patched_cluster(cluster, filters);
            self.clusters.extend(patched);
        }
        for patch in additions(filters) {
            self.effective.insert(&patch.id);
            self.clusters.push(patch.value.clone());
        }
    }

    /// `None` where a patch removes it. An added cluster never comes here: Istio does not merge
    /// into what it has not made.
    fn patched_cluster(&mut self, mut cluster: Value, filters: &[&'a Filter<'a>]) -> Option<Value> {
        let name = cluster["name"].as_str().unwrap_or_default().to_owned();
        let patches = filters.iter().flat_map(|filter| &filter.patches);
        let hits: Vec<&Patch<'_>> = patches
            .filter(|patch| patch.selects_cluster(&name))
            .collect();
        let mut removed = false;
        for patch in hits
            .iter()
            .filter(|patch| patch.operation == Operation::Remove)
        {
            self.effective.insert(&patch.id);
            removed = true;
        }
        if removed {
            return None;
        }
        for patch in hits {
            let lists = match patch.operation {
                Operation::Merge => Lists::Append,
                Operation::MergeAndReplaceList => Lists::Replace,
                _ => continue,
            };
            merge_cluster(&mut cluster, patch.value, lists);
            self.effective.insert(&patch.id);
        }
        Some(cluster)
    }
}

impl<'a> Listener<'a> {
    fn new(selector: Selector<'a>, name: String, ports: &BTreeSet<Option<u64>>) -> Self {
        let chains = ports.iter().map(|&port| Chain::new(port)).collect();
        Self {
            selector,
            name,
            chains,
        }
    }

    fn unique_name(&self) -> String {
        if self.selector.is_empty() {
            return self.name.clone();
        }
        let labels: Vec<String> = self
            .selector
            .iter()
            .map(|(k, v)| format!("{k}={v}"))
            .collect();
        format!("{}#{}", self.name, labels.join(","))
    }

    fn is_inbound(&self) -> bool {
        self.name == VIRTUAL_INBOUND
    }

    fn is_reached_by(&self, selector: &Selector<'_>) -> bool {
        selector
            .iter()
            .all(|(key, value)| self.selector.get(key) == Some(value))
    }

    /// Whether the patch changed anything.
    fn apply(&mut self, patch: &Patch<'_>) -> bool {
        let Target::NetworkFilter(matched) = &patch.target else {
            return false;
        };
        if !self.is_selected_by(matched, patch.context) {
            return false;
        }
        // A port number selects among the chains of the virtual listener, which hold the ports.
        let port = if self.is_inbound() {
            matched.port
        } else {
            None
        };
        let wanted = [port, matched.destination_port];
        let chains = self.chains.iter_mut().filter(|chain| {
            wanted
                .iter()
                .flatten()
                .all(|&port| chain.destination_port == Some(port))
        });
        chains
            .map(|chain| chain.apply(patch, matched.filter))
            .fold(false, |any, one| any | one)
    }

    fn is_selected_by(&self, matched: &ListenerMatch<'_>, context: Context) -> bool {
        let context = match context {
            Context::Any => true,
            Context::Inbound => self.is_inbound(),
            Context::Outbound => !self.is_inbound(),
        };
        context
            && matched.name.is_none_or(|name| name == self.name)
            && (self.is_inbound() || matched.port.is_none_or(|port| self.port() == Some(port)))
    }

    /// The port in an outbound listener's name, `<bind>_<port>`.
    fn port(&self) -> Option<u64> {
        self.name.rsplit_once('_')?.1.parse().ok()
    }

    fn into_value(self, position: usize) -> Value {
        let name = self.unique_name();
        let chains: Vec<Value> = self.chains.into_iter().map(|chain| chain.value).collect();
        serde_json::json!({
            "name": name,
            "address": base::address(position),
            "filter_chains": chains,
        })
    }
}

impl Chain {
    fn new(destination_port: Option<u64>) -> Self {
        Self {
            destination_port,
            value: base::filter_chain(destination_port),
        }
    }

    fn filters(&self) -> &[Value] {
        self.value["filters"].as_array().map_or(&[], Vec::as_slice)
    }

    fn apply(&mut self, patch: &Patch<'_>, filter: Option<&str>) -> bool {
        let Some(filters) = self.value["filters"].as_array_mut() else {
            return false;
        };
        let found = filter.and_then(|name| filters.iter().position(|held| held["name"] == name));
        let end = filters.len();
        let insert_at = match (patch.operation, filter, found) {
            (Operation::Replace, _, Some(at)) => {
                filters[at] = patch.value.clone();
                return true;
            }
            (Operation::Remove, _, Some(at)) => {
                filters.remove(at);
                return true;
            }
            (Operation::Add, ..) => end,
            (Operation::InsertFirst, ..) | (Operation::InsertBefore, None, _) => 0,
            (Operation::InsertAfter, None, _) => end,
            (Operation::InsertBefore, Some(_), Some(at)) => at,
            (Operation::InsertAfter, Some(_), Some(at)) => at + 1,
            _ => return false,
        };
        filters.insert(insert_at, patch.value.clone());
        true
    }
}

impl<'a> Patch<'a> {
    fn listener_match(&self) -> Option<(Context, &ListenerMatch<'a>)> {
        match &self.target {
            Target::NetworkFilter(matched) => Some((self.context, matched)),
            Target::Cluster(_) => None,
        }
    }

    fn selects_cluster(&self, name: &str) -> bool {
        let context = match self.context {
            Context::Any => true,
            Context::Inbound => name.starts_with("inbound|"),
            Context::Outbound => !name.starts_with("inbound|"),
        };
        let Target::Cluster(matched) = &self.target else {
            return false;
        };
        context && self.operation != Operation::Add && matched.selects(name)
    }
}

impl ListenerMatch<'_> {
    /// The listener that Istio must have for this match to mean anything.
    fn base_name(&self, context: Context) -> String {
        match (self.name, self.port) {
            (Some(name), _) => name.to_owned(),
            (None, Some(port)) if context != Context::Inbound => format!("{SOME_ENDPOINT}_{port}"),
            (None, _) => VIRTUAL_INBOUND.to_owned(),
        }
    }

    /// The destination port of its filter chain, if it has a chain that can be inferred.
    fn base_port(&self, context: Context) -> Option<Option<u64>> {
        if self.base_name(context) == VIRTUAL_INBOUND {
            self.destination_port.or(self.port).map(Some)
        } else {
            Some(self.destination_port)
        }
    }
}

impl ClusterMatch<'_> {
    fn base_name(&self) -> Option<String> {
        let named = self.name.map(str::to_owned);
        named.or_else(|| {
            let subset = self.subset.unwrap_or_default();
            Some(format!(
                "outbound|{}|{subset}|{}",
                self.port?, self.service?
            ))
        })
    }

    /// Without a subset, all subsets of the service are meant.
    fn selects(&self, cluster: &str) -> bool {
        let mut parts = cluster.splitn(4, '|').skip(1);
        let (port, subset, host) = (parts.next(), parts.next(), parts.next());
        self.name.is_none_or(|name| name == cluster)
            && self.service.is_none_or(|service| host == Some(service))
            && self.subset.is_none_or(|wanted| subset == Some(wanted))
            && self
                .port
                .is_none_or(|wanted| port.is_some_and(|p| p == wanted.to_string()))
    }
}

fn additions<'a>(filters: &[&'a Filter<'a>]) -> impl Iterator<Item = &'a Patch<'a>> {
    filters
        .iter()
        .flat_map(|filter| &filter.patches)
        .filter(|patch| {
            matches!(patch.target, Target::Cluster(_)) && patch.operation == Operation::Add
        })
}

fn names_of(filters: &[Value]) -> impl Iterator<Item = &str> {
    filters.iter().filter_map(|filter| filter["name"].as_str())
}

fn is_istios(cluster: &str) -> bool {
    cluster.starts_with("outbound|") || cluster.starts_with("inbound|")
}

/// Collects every cluster that a network filter routes, mirrors or calls to.
fn clusters_in(value: &Value, names: &mut BTreeSet<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| clusters_in(item, names)),
        Value::Object(fields) => {
            for (key, value) in fields {
                match (key.as_str(), value) {
                    ("cluster" | "cluster_name" | "clusterName", Value::String(name)) => {
                        names.insert(name.clone());
                    }
                    ("clusters", Value::Array(weighted)) => names.extend(
                        weighted
                            .iter()
                            .filter_map(|w| Some(w["name"].as_str()?.to_owned())),
                    ),
                    _ => clusters_in(value, names),
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
