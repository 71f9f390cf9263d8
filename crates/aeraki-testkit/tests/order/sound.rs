//! What must hold of a set of EnvoyFilters, whatever the config says: no filter meets another service's, and none goes
//! further than its service is seen.
//!
//! It reads the finished objects and the config as a user wrote it, and asks core for nothing. Each check says what is
//! wrong in a sentence.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use aeraki_api::networking::envoy_filter as ef;
use aeraki_core::object::{Body, Kind, Object, ObjectKey};
use aeraki_core::{Filter, FilterKey};

pub(crate) type Filters = BTreeMap<FilterKey, Arc<Filter>>;
pub(crate) type Objects = BTreeMap<ObjectKey, Arc<Object>>;
pub(crate) type Check = fn(&Filters, &Objects) -> Result<(), String>;

/// The root namespace of every mesh here.
const ROOT: &str = "istio-system";

/// A port of a service: whose a filter is.
type Owner<'a> = (&'a ObjectKey, &'a str, u32);

fn owner(filter: &Filter) -> Owner<'_> {
    (&filter.service, filter.host.as_str(), filter.port)
}

/// The filters that the sidecars of each namespace get: its own and the root namespace's.
fn views(filters: &Filters) -> Vec<Vec<&Filter>> {
    let mut namespaces: BTreeSet<&str> = filters.keys().map(|key| &*key.namespace).collect();
    namespaces.insert(ROOT);
    let sees =
        |namespace: &str, filter: &&Filter| [namespace, ROOT].contains(&&*filter.key.namespace);
    namespaces
        .into_iter()
        .map(|namespace| {
            let all = filters.values().map(|filter| &**filter);
            all.filter(|filter| sees(namespace, filter)).collect()
        })
        .collect()
}

/// The patches of network filters in one context, by the listener they match.
fn network_patches(
    filter: &Filter,
    context: ef::PatchContext,
) -> impl Iterator<Item = (ef::ListenerMatch, ef::Patch)> {
    use ef::envoy_config_object_match::ObjectTypes;
    let patches = filter.content.spec().config_patches.into_iter();
    patches.filter_map(move |patch| {
        let matching = patch.r#match?;
        let is_wanted = patch.apply_to == ef::ApplyTo::NetworkFilter as i32
            && matching.context == context as i32;
        match matching.object_types? {
            ObjectTypes::Listener(listener) if is_wanted => Some((listener, patch.patch?)),
            _ => None,
        }
    })
}

/// In a view each outbound listener is patched for one service alone. A match by port meets every listener of the port.
pub(crate) fn listeners_have_one_owner(filters: &Filters, _: &Objects) -> Result<(), String> {
    for view in views(filters) {
        let mut by_port: BTreeMap<u32, BTreeMap<Option<String>, &Filter>> = BTreeMap::new();
        for filter in view {
            for (listener, _) in network_patches(filter, ef::PatchContext::SidecarOutbound) {
                let name = (!listener.name.is_empty()).then(|| listener.name.clone());
                let number = listener
                    .name
                    .rsplit_once('_')
                    .and_then(|(_, port)| port.parse().ok());
                let others = by_port
                    .entry(number.unwrap_or(listener.port_number))
                    .or_default();
                let meets =
                    |there: &Option<String>| *there == name || there.is_none() || name.is_none();
                let rival = others
                    .iter()
                    .find(|(there, other)| meets(there) && owner(other) != owner(filter));
                if let Some((_, rival)) = rival {
                    return Err(format!(
                        "{} of {:?} and {} of {:?} meet on {listener:?}",
                        filter.key,
                        owner(filter),
                        rival.key,
                        owner(rival),
                    ));
                }
                others.insert(name, filter);
            }
        }
    }
    Ok(())
}

/// Istio's first REPLACE wins and a second INSERT doubles the filter: on the workloads that two selectors share, a chain
/// gets filters of one protocol, and what is inserted is inserted once.
pub(crate) fn inbound_chains_have_one_owner(filters: &Filters, _: &Objects) -> Result<(), String> {
    let selector = |filter: &Filter| {
        let selector = filter.content.spec().workload_selector;
        selector.map(|selector| selector.labels).unwrap_or_default()
    };
    let within = |a: &BTreeMap<String, String>, b: &BTreeMap<String, String>| {
        a.iter().all(|(key, value)| b.get(key) == Some(value))
    };
    let chain = |listener: &ef::ListenerMatch| {
        listener
            .filter_chain
            .as_ref()
            .map_or(0, |chain| chain.destination_port)
    };
    for view in views(filters) {
        let mut seen: Vec<(u32, bool, BTreeMap<String, String>, &Filter)> = Vec::new();
        for filter in view {
            let labels = selector(filter);
            for (listener, patch) in network_patches(filter, ef::PatchContext::SidecarInbound) {
                let port = chain(&listener);
                let inserts = patch.operation == ef::patch::Operation::InsertBefore as i32;
                let rival = seen.iter().find(|(other, other_inserts, theirs, rival)| {
                    let overlap = within(theirs, &labels) || within(&labels, theirs);
                    let clash = rival.protocol != filter.protocol || (inserts && *other_inserts);
                    *other == port && overlap && clash
                });
                if let Some((.., rival)) = rival {
                    return Err(format!(
                        "{} of {:?} and {} of {:?} meet on the inbound chain of {port}",
                        filter.key,
                        owner(filter),
                        rival.key,
                        owner(rival),
                    ));
                }
                seen.push((port, inserts, labels.clone(), filter));
            }
        }
    }
    Ok(())
}

/// Two ADDs of one cluster make Envoy refuse every cluster.
pub(crate) fn clusters_are_added_once(filters: &Filters, _: &Objects) -> Result<(), String> {
    for view in views(filters) {
        let mut added: BTreeMap<String, &FilterKey> = BTreeMap::new();
        for filter in view {
            for patch in &filter.content.spec().config_patches {
                let Some(change) = patch.patch.as_ref() else {
                    continue;
                };
                if patch.apply_to != ef::ApplyTo::Cluster as i32
                    || change.operation != ef::patch::Operation::Add as i32
                {
                    continue;
                }
                let value = serde_json::to_value(&change.value).expect("a patch has a JSON form");
                let name = value["name"].as_str().unwrap_or_default().to_owned();
                if let Some(other) = added.insert(name.clone(), &filter.key) {
                    return Err(format!("{} and {other} add the cluster {name}", filter.key));
                }
            }
        }
    }
    Ok(())
}

/// S2: in the root namespace a selector would select workloads of every namespace.
pub(crate) fn root_selects_nothing(filters: &Filters, _: &Objects) -> Result<(), String> {
    let wrong = in_root(filters).find(|filter| filter.content.spec().workload_selector.is_some());
    wrong.map_or(Ok(()), |filter| {
        Err(format!("{} has a selector", filter.key))
    })
}

/// The root namespace's filters are read by every proxy of the mesh.
pub(crate) fn root_holds_no_secret(filters: &Filters, _: &Objects) -> Result<(), String> {
    let wrong = in_root(filters).find(|filter| {
        let text = serde_json::to_string(&filter.object()).expect("it has a JSON form");
        text.contains("inline_string")
    });
    wrong.map_or(Ok(()), |filter| {
        Err(format!("{} holds a password", filter.key))
    })
}

fn in_root(filters: &Filters) -> impl Iterator<Item = &Filter> {
    let root = |filter: &&Filter| &*filter.key.namespace == ROOT;
    filters.values().map(|filter| &**filter).filter(root)
}

/// The API server takes every namespace and name, and the object says the same as its key.
pub(crate) fn names_are_legal(filters: &Filters, _: &Objects) -> Result<(), String> {
    for (key, filter) in filters {
        let meta = &filter.object().metadata;
        let is_same = *meta.namespace == *key.namespace && *meta.name == *key.name;
        let is_legal = key.namespace.len() <= 63
            && is_label(&key.namespace)
            && key.name.len() <= 253
            && key.name.split('.').all(is_label);
        if !is_same || !is_legal || filter.key != *key {
            return Err(format!("{key}: {}/{}", meta.namespace, meta.name));
        }
    }
    Ok(())
}

fn is_label(text: &str) -> bool {
    let inside = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let at_edge = |b: Option<u8>| b.is_some_and(|b| b != b'-');
    text.bytes().all(inside) && at_edge(text.bytes().next()) && at_edge(text.bytes().last())
}

/// An outbound filter stands where its service is exported to, and in the root namespace only if that is everywhere. No
/// filter outlives its service.
pub(crate) fn nothing_leaves_its_export(
    filters: &Filters,
    objects: &Objects,
) -> Result<(), String> {
    for filter in filters.values() {
        let Some(service) = objects.get(&filter.service) else {
            return Err(format!("{} outlives {}", filter.key, filter.service));
        };
        let is_outbound = filter.direction == aeraki_core::draft::Direction::Outbound;
        if let (true, Some(exported)) = (is_outbound, exported(service)) {
            let namespace = &*filter.key.namespace;
            if namespace == ROOT || !exported.contains(namespace) {
                let service = &service.key;
                return Err(format!(
                    "{}: {service} is exported to {exported:?}",
                    filter.key
                ));
            }
        }
    }
    Ok(())
}

/// The namespaces that a service names in `exportTo`; `None` is all.
fn exported(service: &Object) -> Option<BTreeSet<String>> {
    let list: Vec<String> = match &service.body {
        Body::ServiceEntry { spec, .. } => spec.head().export_to,
        _ => {
            let annotation = service
                .meta
                .annotations
                .get("networking.istio.io/exportTo")?;
            annotation
                .split(',')
                .map(|entry| entry.trim().to_owned())
                .collect()
        }
    };
    if list.is_empty() || list.iter().any(|entry| entry == "*") {
        return None;
    }
    let own = &service.key.namespace;
    let named = list.into_iter().map(|entry| match &*entry {
        "." => own.to_string(),
        _ => entry,
    });
    Some(named.collect())
}

/// Whether an object of the kind can stand for services.
pub(crate) fn is_service(key: &ObjectKey) -> bool {
    key.kind == Kind::SERVICE_ENTRY || key.kind == Kind::SERVICE
}
