//! What an operator may set. Plain data: where it comes from (flags, environment, a file) is the edge's business.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Which namespace an outbound filter is written to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// As wide as the service's `exportTo`: the root namespace for `*`, else each namespace that is named.
    #[default]
    ExportTo,
    /// The service's own namespace and no other (Go Aeraki's `--enable-envoy-filter-namespace-scope`).
    ServiceNamespace,
}

/// Whose VirtualServices and DestinationRules may change a service.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RuleSource {
    /// Rules of the service's own namespace and of the root namespace.
    #[default]
    Strict,
    /// Istio's own rule: the oldest visible one wins, whatever namespace it comes from (istio#45065).
    Istio,
}

/// The settings of one engine.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Settings {
    /// Istio's root namespace. A filter there reaches every sidecar of the mesh.
    pub root_namespace: Arc<str>,
    /// The cluster domain that completes short host names.
    pub domain: Arc<str>,
    /// `spec.priority` of every EnvoyFilter. Lower goes first; a namespace's own routing goes at one less.
    pub priority: i32,
    /// Which namespaces outbound filters are written to.
    pub scope: Scope,
    /// Whose rules count.
    pub rule_source: RuleSource,
    /// Also patch `127.0.0.1_<port>`, the listener of proxies with interception mode NONE.
    pub localhost_listeners: bool,
    /// Protocols to switch on that are off by default, by name.
    pub enable_protocols: BTreeSet<String>,
    /// Protocols to switch off, by name.
    pub disable_protocols: BTreeSet<String>,
    /// Node metadata `KEY=VALUE` that a proxy must carry to get the filters of a protocol that stock proxies lack, by
    /// protocol name. Without an entry the key is `AERAKI_<PROTOCOL>` and the value `true`.
    pub proxy_metadata: BTreeMap<String, ProxyMetadata>,
}

/// One key and value of a proxy's node metadata (`ISTIO_META_<key>=<value>` on the proxy).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProxyMetadata {
    /// The key, without the `ISTIO_META_` prefix.
    pub key: String,
    /// The exact value.
    pub value: String,
}

impl Settings {
    /// The metadata that gates the protocol called `protocol`.
    #[must_use]
    pub fn proxy_metadata_of(&self, protocol: &str) -> ProxyMetadata {
        self.proxy_metadata
            .get(protocol)
            .cloned()
            .unwrap_or_else(|| ProxyMetadata {
                key: format!("AERAKI_{}", protocol.to_ascii_uppercase().replace('-', "_")),
                value: "true".to_owned(),
            })
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            root_namespace: Arc::from("istio-system"),
            domain: Arc::from("cluster.local"),
            priority: 10,
            scope: Scope::default(),
            rule_source: RuleSource::default(),
            localhost_listeners: false,
            enable_protocols: BTreeSet::new(),
            disable_protocols: BTreeSet::new(),
            proxy_metadata: BTreeMap::new(),
        }
    }
}
