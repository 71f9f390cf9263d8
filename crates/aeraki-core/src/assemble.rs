//! Drafts → EnvoyFilters: names, namespaces, selectors, labels, listener matches, priority.
//!
//! Everything that makes an object *ours* is decided here and nowhere else.

use std::collections::BTreeMap;
use std::sync::Arc;

use aeraki_api::Cr;
use aeraki_api::networking::{EnvoyFilter, envoy_filter as ef};

use crate::content::{self, Content};
use crate::draft::{ClusterChange, ClusterPatch, Direction, FilterDraft, Placement};
use crate::host::Host;
use crate::listener::{ListenerMatch, Outbound};
use crate::names;
use crate::object::ObjectKey;
use crate::pairs::Pairs;
use crate::protocol::Protocol;
use crate::registry::Registration;
use crate::scope::Target;
use crate::service::{Port, Service};
use crate::settings::Settings;
use crate::spec_text::{self, Patch, Spec, ValueText};

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
    pub host: Host,
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
    pub(crate) labels: &'a Pairs,
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
        selector: &Pairs,
        name: String,
    ) -> Option<Filter> {
        let filter = draft.filter.as_ref()?;
        let matching = ef::ListenerMatch {
            name: VIRTUAL_INBOUND.to_owned(),
            filter_chain: Some(chain_match(target_port)),
            ..ef::ListenerMatch::default()
        };
        let value = spec_text::filter(filter);
        let patch = self.network_patch(draft, filter.placement, value, matching);
        let namespace = self.service.namespace();
        let spec = Spec {
            workload_selector: Some(selector),
            config_patches: &[&patch],
            priority: self.settings.priority,
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
        if targets.is_empty() {
            return Vec::new();
        }
        let network = self.network_texts(drafts);
        let clusters: Vec<Patch> = drafts
            .iter()
            .flat_map(|draft| draft.clusters.iter().map(move |patch| (draft, patch)))
            .flat_map(|(draft, patch)| self.cluster_patches(draft, patch))
            .collect();
        let mut filters = Vec::new();
        for (index, group) in listeners.iter().enumerate() {
            let of_listeners = self.listener_patches(&network, group);
            for target in targets {
                let mut patches: Vec<&Patch> = of_listeners.iter().collect();
                // One object per scope carries them, and a namespace's own filter stands beside the common one.
                if index == 0 && !target.overrides {
                    patches.extend(&clusters);
                }
                filters.extend(self.outbound_filter(group, target, &patches));
            }
        }
        filters
    }

    fn outbound_filter(
        &self,
        group: &Outbound,
        target: &Target,
        patches: &[&Patch],
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
        let spec = Spec {
            workload_selector: None,
            config_patches: patches,
            priority: self.settings.priority - i32::from(target.overrides),
        };
        Some(self.finish(Direction::Outbound, target.namespace.clone(), name, &spec))
    }

    fn network_texts<'d>(
        &self,
        drafts: &[&'d FilterDraft],
    ) -> Vec<(&'d FilterDraft, Placement, ValueText)> {
        let filters = drafts
            .iter()
            .filter_map(|draft| Some((*draft, draft.filter.as_ref()?)));
        filters
            .map(|(draft, filter)| (draft, filter.placement, spec_text::filter(filter)))
            .collect()
    }

    fn listener_patches(
        &self,
        network: &[(&FilterDraft, Placement, ValueText)],
        group: &Outbound,
    ) -> Vec<Patch> {
        network
            .iter()
            .flat_map(|(draft, placement, value)| {
                group.listeners.iter().map(move |listener| {
                    let matching = outbound_match(listener);
                    self.network_patch(draft, *placement, value.clone(), matching)
                })
            })
            .collect()
    }

    fn network_patch(
        &self,
        draft: &FilterDraft,
        placement: Placement,
        value: ValueText,
        listener: ef::ListenerMatch,
    ) -> Patch {
        let operation = match placement {
            Placement::Replace => ef::patch::Operation::Replace,
            Placement::InsertBefore => ef::patch::Operation::InsertBefore,
        };
        let object = ef::envoy_config_object_match::ObjectTypes::Listener(listener);
        Patch {
            apply_to: ef::ApplyTo::NetworkFilter,
            r#match: self.object_match(draft, draft.direction, Some(object)),
            operation,
            value: Some(value),
        }
    }

    fn cluster_patches(&self, draft: &FilterDraft, patch: &ClusterPatch) -> Vec<Patch> {
        use ef::patch::Operation;
        let by_name = || {
            ef::envoy_config_object_match::ObjectTypes::Cluster(ef::ClusterMatch {
                name: patch.cluster.clone(),
                ..ef::ClusterMatch::default()
            })
        };
        let one = |matching, operation, value| Patch {
            apply_to: ef::ApplyTo::Cluster,
            r#match: self.object_match(draft, Direction::Outbound, matching),
            operation,
            value,
        };
        let merge = |operation, value| {
            let value = Some(spec_text::value(value));
            vec![one(Some(by_name()), operation, value)]
        };
        match &patch.change {
            ClusterChange::Merge(value) => merge(Operation::Merge, value),
            ClusterChange::MergeReplacingLists(value) => {
                merge(Operation::MergeAndReplaceList, value)
            }
            ClusterChange::Replace(value) => vec![
                one(Some(by_name()), Operation::Remove, None),
                one(None, Operation::Add, Some(spec_text::value(value))),
            ],
        }
    }

    fn object_match(
        &self,
        draft: &FilterDraft,
        direction: Direction,
        object_types: Option<ef::envoy_config_object_match::ObjectTypes>,
    ) -> ef::EnvoyConfigObjectMatch {
        let context = match direction {
            Direction::Outbound => ef::PatchContext::SidecarOutbound,
            Direction::Inbound => ef::PatchContext::SidecarInbound,
        };
        let mut proxy = self.proxy_match();
        // A draft that is only for some proxies goes to those.
        if let Some(gate) = &draft.only_for {
            let metadata = &mut proxy.get_or_insert_default().metadata;
            metadata.insert(gate.key.clone(), gate.value.clone());
        }
        ef::EnvoyConfigObjectMatch {
            context: context as i32,
            proxy,
            object_types,
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
        spec: &Spec<'_>,
    ) -> Filter {
        let protocol = self.registration.protocol();
        let service = self.service.object();
        let spec = spec.text();
        let (reference, source) = (reference(service), self.source());
        let hash = content::hash(&spec);
        let annotations = [
            (SERVICE_ANNOTATION, &*reference),
            (SOURCE_ANNOTATION, &source),
            (HASH_ANNOTATION, &hash),
        ];
        Filter {
            key: FilterKey {
                namespace,
                name: Arc::from(name),
            },
            service: service.clone(),
            host: self.service.host().clone(),
            port: self.port.number(),
            protocol,
            direction,
            content: Content::new(self.labels.clone(), annotations.into(), spec),
        }
    }

    fn source(&self) -> String {
        let own = [self.service.object()];
        let mut all: Vec<String> = self.sources.iter().chain(own).map(reference).collect();
        all.sort_unstable();
        all.dedup();
        all.join(",")
    }
}

/// The labels of a protocol's EnvoyFilters.
pub(crate) fn labels(protocol: Protocol) -> Pairs {
    [
        MANAGED_BY_LABEL,
        MANAGER_LABEL,
        (PROTOCOL_LABEL, protocol.name()),
    ]
    .into()
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
    [key.kind.name(), "/", &key.namespace, "/", &key.name].concat()
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
