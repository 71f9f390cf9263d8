//! Drafts → EnvoyFilters: names, namespaces, selectors, labels, listener matches, priority.
//!
//! Everything that makes an object *ours* is decided here and nowhere else.

use std::collections::BTreeMap;
use std::sync::Arc;

use aeraki_api::networking::{EnvoyFilter, WorkloadSelector, envoy_filter as ef};
use aeraki_api::{Cr, JsonStruct};
use serde_json::{Map, Value};

use crate::content::{self, Content};
use crate::draft::{ClusterChange, ClusterPatch, Direction, FilterDraft, NetworkFilter, Placement};
use crate::listener::{ListenerMatch, Outbound};
use crate::names;
use crate::object::ObjectKey;
use crate::protocol::Protocol;
use crate::registry::Registration;
use crate::scope::Target;
use crate::service::{Port, Service};
use crate::settings::Settings;

/// The label by which Go Aeraki knows its objects, and scripts of its users do.
pub const MANAGER_LABEL: (&str, &str) = ("manager", "Aeraki");
/// Kubernetes' recommended label.
pub const MANAGED_BY_LABEL: (&str, &str) = ("app.kubernetes.io/managed-by", "aeraki");
/// The label that names the protocol.
pub const PROTOCOL_LABEL: &str = "aeraki.net/protocol";
/// The annotation that names the service object an EnvoyFilter belongs to: `<Kind>/<namespace>/<name>`.
pub const SERVICE_ANNOTATION: &str = "aeraki.net/service";
/// The annotation that lists every object that went into it, in the same form, parted by commas.
pub const SOURCE_ANNOTATION: &str = "aeraki.net/source";
/// The annotation with a hash of the spec.
pub const HASH_ANNOTATION: &str = "aeraki.net/config-hash";

const TCP_PROXY: &str = "envoy.filters.network.tcp_proxy";
const VIRTUAL_INBOUND: &str = "virtualInbound";

/// Which EnvoyFilter: namespace and name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct FilterKey {
    /// The namespace.
    pub namespace: Arc<str>,
    /// The name.
    pub name: Arc<str>,
}

impl std::fmt::Display for FilterKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// A finished EnvoyFilter, and whose it is.
#[derive(Clone, PartialEq, Debug)]
pub struct Filter {
    /// Which.
    pub key: FilterKey,
    /// The service object that it belongs to.
    pub service: ObjectKey,
    /// The host that it serves.
    pub host: String,
    /// The service port that it serves.
    pub port: u32,
    /// Its protocol.
    pub protocol: Protocol,
    /// Its side of the call.
    pub direction: Direction,
    /// What it says.
    pub content: Content,
}

impl Filter {
    /// The object, ready to be written.
    #[must_use]
    pub fn object(&self) -> Cr<EnvoyFilter> {
        self.content.object(&self.key.namespace, &self.key.name)
    }
}

/// What an assembly is for.
pub(crate) struct Assembly<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) registration: &'static Registration,
    pub(crate) service: &'a Service,
    pub(crate) port: &'a Port,
    /// Objects besides the service that went into it.
    pub(crate) sources: &'a [ObjectKey],
}

impl Assembly<'_> {
    /// The inbound EnvoyFilter of a draft, in the service's own namespace.
    pub(crate) fn inbound(
        &self,
        draft: &FilterDraft,
        target_port: u32,
        selector: &BTreeMap<String, String>,
        name: String,
    ) -> Option<Filter> {
        let filter = draft.filter.as_ref()?;
        let matching = ef::ListenerMatch {
            name: VIRTUAL_INBOUND.to_owned(),
            filter_chain: Some(chain_match(target_port)),
            ..ef::ListenerMatch::default()
        };
        let patch = confined(
            draft,
            self.network_patch(filter, Direction::Inbound, matching),
        );
        let namespace = self.service.namespace();
        let spec = EnvoyFilter {
            workload_selector: Some(WorkloadSelector {
                labels: selector.clone(),
            }),
            config_patches: vec![patch],
            priority: self.settings.priority,
            ..EnvoyFilter::default()
        };
        Some(self.finish(Direction::Inbound, namespace.clone(), name, &spec))
    }

    /// The outbound EnvoyFilters of the drafts: one per group of listeners and target namespace.
    pub(crate) fn outbound(
        &self,
        drafts: &[&FilterDraft],
        listeners: &[Outbound],
        targets: &[Target],
    ) -> Vec<Filter> {
        let clusters: Vec<ef::EnvoyConfigObjectPatch> = drafts
            .iter()
            .flat_map(|draft| draft.clusters.iter().map(move |patch| (draft, patch)))
            .flat_map(|(draft, patch)| {
                let patches = self.cluster_patches(patch).into_iter();
                patches.map(move |patch| confined(draft, patch))
            })
            .collect();
        let mut filters = Vec::new();
        for (index, group) in listeners.iter().enumerate() {
            let mut network = self.listener_patches(drafts, group);
            for (turn, target) in targets.iter().enumerate() {
                // Configs are large, and mostly there is one target: the last one takes them.
                let is_last = turn + 1 == targets.len();
                let mut patches = if is_last {
                    std::mem::take(&mut network)
                } else {
                    network.clone()
                };
                // One object per scope carries them, and a namespace's own filter stands beside the common one.
                if index == 0 && !target.overrides {
                    patches.extend(clusters.iter().cloned());
                }
                filters.extend(self.outbound_filter(group, target, patches));
            }
        }
        filters
    }

    fn outbound_filter(
        &self,
        group: &Outbound,
        target: &Target,
        patches: Vec<ef::EnvoyConfigObjectPatch>,
    ) -> Option<Filter> {
        if patches.is_empty() {
            return None;
        }
        let (host, port) = (self.service.host().as_str(), self.port.number());
        let name = names::outbound(
            self.service.namespace(),
            host,
            group.address.as_deref(),
            port,
        );
        let spec = EnvoyFilter {
            config_patches: patches,
            priority: self.settings.priority - i32::from(target.overrides),
            ..EnvoyFilter::default()
        };
        Some(self.finish(Direction::Outbound, target.namespace.clone(), name, &spec))
    }

    fn listener_patches(
        &self,
        drafts: &[&FilterDraft],
        group: &Outbound,
    ) -> Vec<ef::EnvoyConfigObjectPatch> {
        let filters = drafts
            .iter()
            .filter_map(|draft| Some((draft, draft.filter.as_ref()?)));
        filters
            .flat_map(|(draft, filter)| {
                group.listeners.iter().map(move |listener| {
                    let matching = outbound_match(listener);
                    let patch = self.network_patch(filter, Direction::Outbound, matching);
                    confined(draft, patch)
                })
            })
            .collect()
    }

    fn network_patch(
        &self,
        filter: &NetworkFilter,
        direction: Direction,
        listener: ef::ListenerMatch,
    ) -> ef::EnvoyConfigObjectPatch {
        let operation = match filter.placement {
            Placement::Replace => ef::patch::Operation::Replace,
            Placement::InsertBefore => ef::patch::Operation::InsertBefore,
        };
        let mut value = Map::new();
        value.insert("name".to_owned(), Value::from(filter.name));
        value.insert("typed_config".to_owned(), filter.typed_config.clone());
        let object = ef::envoy_config_object_match::ObjectTypes::Listener(listener);
        self.patch(
            ef::ApplyTo::NetworkFilter,
            direction,
            Some(object),
            operation,
            Some(value),
        )
    }

    fn cluster_patches(&self, patch: &ClusterPatch) -> Vec<ef::EnvoyConfigObjectPatch> {
        use ef::patch::Operation;
        let by_name = || {
            ef::envoy_config_object_match::ObjectTypes::Cluster(ef::ClusterMatch {
                name: patch.cluster.clone(),
                ..ef::ClusterMatch::default()
            })
        };
        let one = |matching, operation, value: Option<&Value>| {
            let value = value.and_then(Value::as_object).cloned();
            self.patch(
                ef::ApplyTo::Cluster,
                Direction::Outbound,
                matching,
                operation,
                value,
            )
        };
        match &patch.change {
            ClusterChange::Merge(value) => {
                vec![one(Some(by_name()), Operation::Merge, Some(value))]
            }
            ClusterChange::MergeReplacingLists(value) => {
                vec![one(
                    Some(by_name()),
                    Operation::MergeAndReplaceList,
                    Some(value),
                )]
            }
            ClusterChange::Replace(value) => vec![
                one(Some(by_name()), Operation::Remove, None),
                one(None, Operation::Add, Some(value)),
            ],
        }
    }

    fn patch(
        &self,
        apply_to: ef::ApplyTo,
        direction: Direction,
        object_types: Option<ef::envoy_config_object_match::ObjectTypes>,
        operation: ef::patch::Operation,
        value: Option<Map<String, Value>>,
    ) -> ef::EnvoyConfigObjectPatch {
        let context = match direction {
            Direction::Outbound => ef::PatchContext::SidecarOutbound,
            Direction::Inbound => ef::PatchContext::SidecarInbound,
        };
        ef::EnvoyConfigObjectPatch {
            apply_to: apply_to as i32,
            r#match: Some(ef::EnvoyConfigObjectMatch {
                context: context as i32,
                proxy: self.proxy_match(),
                object_types,
            }),
            patch: Some(ef::Patch {
                operation: operation as i32,
                value: value.map(JsonStruct::from),
                ..ef::Patch::default()
            }),
        }
    }

    /// Proxies that lack the protocol's filter would refuse the listener, so a gated one goes only to those that
    /// announce it.
    fn proxy_match(&self) -> Option<ef::ProxyMatch> {
        self.registration.is_gated().then(|| {
            let gate = self
                .settings
                .proxy_metadata_of(self.registration.protocol().name());
            ef::ProxyMatch {
                metadata: BTreeMap::from([(gate.key, gate.value)]),
                ..ef::ProxyMatch::default()
            }
        })
    }

    fn finish(
        &self,
        direction: Direction,
        namespace: Arc<str>,
        name: String,
        spec: &EnvoyFilter,
    ) -> Filter {
        let protocol = self.registration.protocol();
        let text = |(key, value): (&str, &str)| (key.to_owned(), value.to_owned());
        let labels = BTreeMap::from([
            text(MANAGER_LABEL),
            text(MANAGED_BY_LABEL),
            text((PROTOCOL_LABEL, protocol.name())),
        ]);
        let service = self.service.object();
        let spec = content::canonical(spec);
        let annotations = BTreeMap::from([
            text((SERVICE_ANNOTATION, &reference(service))),
            text((SOURCE_ANNOTATION, &self.source())),
            text((HASH_ANNOTATION, &content::hash(&spec))),
        ]);
        Filter {
            key: FilterKey {
                namespace,
                name: Arc::from(name),
            },
            service: service.clone(),
            host: self.service.host().as_str().to_owned(),
            port: self.port.number(),
            protocol,
            direction,
            content: Content::new(labels, annotations, spec),
        }
    }

    fn source(&self) -> String {
        let mut all: Vec<String> = self.sources.iter().map(reference).collect();
        all.push(reference(self.service.object()));
        all.sort();
        all.dedup();
        all.join(",")
    }
}

/// The outbound listeners that an EnvoyFilter patches, by name, or by number as `:<port>`.
pub(crate) fn listeners_of(spec: &EnvoyFilter) -> impl Iterator<Item = String> {
    use ef::envoy_config_object_match::ObjectTypes;
    spec.config_patches.iter().filter_map(|patch| {
        match patch.r#match.as_ref()?.object_types.as_ref()? {
            ObjectTypes::Listener(listener) if listener.name.is_empty() => {
                Some(format!(":{}", listener.port_number))
            }
            ObjectTypes::Listener(listener) => Some(listener.name.clone()),
            _ => None,
        }
    })
}

/// The target ports whose inbound chains an EnvoyFilter patches.
pub(crate) fn target_ports_of(spec: &EnvoyFilter) -> impl Iterator<Item = u32> {
    use ef::envoy_config_object_match::ObjectTypes;
    spec.config_patches.iter().filter_map(|patch| {
        match patch.r#match.as_ref()?.object_types.as_ref()? {
            ObjectTypes::Listener(listener) => {
                Some(listener.filter_chain.as_ref()?.destination_port)
            }
            _ => None,
        }
    })
}

/// `<Kind>/<namespace>/<name>`, as it stands in annotations.
#[must_use]
pub fn reference(key: &ObjectKey) -> String {
    format!("{}/{}/{}", key.kind, key.namespace, key.name)
}

/// A patch of a draft that is only for some proxies goes to those.
fn confined(
    draft: &FilterDraft,
    mut patch: ef::EnvoyConfigObjectPatch,
) -> ef::EnvoyConfigObjectPatch {
    if let Some(gate) = &draft.only_for {
        let matching = patch.r#match.get_or_insert_default();
        let proxy = matching.proxy.get_or_insert_default();
        proxy.metadata.insert(gate.key.clone(), gate.value.clone());
    }
    patch
}

fn outbound_match(listener: &ListenerMatch) -> ef::ListenerMatch {
    let mut matching = ef::ListenerMatch {
        filter_chain: Some(chain_match(0)),
        ..ef::ListenerMatch::default()
    };
    match listener {
        ListenerMatch::Name(name) => matching.name.clone_from(name),
        ListenerMatch::Port(port) => matching.port_number = *port,
    }
    matching
}

/// The chain with a tcp_proxy; on the inbound side the one of the target port.
fn chain_match(destination_port: u32) -> ef::listener_match::FilterChainMatch {
    ef::listener_match::FilterChainMatch {
        destination_port,
        filter: Some(ef::listener_match::FilterMatch {
            name: TCP_PROXY.to_owned(),
            ..ef::listener_match::FilterMatch::default()
        }),
        ..ef::listener_match::FilterChainMatch::default()
    }
}
