//! An EnvoyFilter object, read as far as sidecars look at it.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

/// Why a set of objects cannot be rendered. A mistake of the caller or a gap of the renderer, never
/// a verdict on the configuration.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// The object at this position is something else.
    #[error("object {0} is not an EnvoyFilter")]
    NotAnEnvoyFilter(usize),
    /// The renderer does not know what Istio does with such a patch.
    #[error("{patch}: the renderer does not know {what}")]
    Unsupported {
        /// The patch.
        patch: PatchId,
        /// The field and value that it does not know.
        what: String,
    },
}

/// One entry of an EnvoyFilter's `configPatches`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PatchId {
    /// Namespace of the EnvoyFilter.
    pub namespace: String,
    /// Name of the EnvoyFilter.
    pub name: String,
    /// Position in `configPatches`.
    pub index: usize,
}

impl fmt::Display for PatchId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}/{} configPatches[{}]",
            self.namespace, self.name, self.index
        )
    }
}

/// The labels of `spec.workloadSelector`; empty selects every workload.
pub(super) type Selector<'a> = BTreeMap<&'a str, &'a str>;

#[derive(Debug)]
pub(super) struct Filter<'a> {
    pub(super) name: &'a str,
    pub(super) namespace: &'a str,
    pub(super) priority: i64,
    /// RFC 3339 in UTC sorts as text.
    pub(super) created: &'a str,
    pub(super) selector: Selector<'a>,
    pub(super) patches: Vec<Patch<'a>>,
}

#[derive(Debug)]
pub(super) struct Patch<'a> {
    pub(super) id: PatchId,
    pub(super) context: Context,
    pub(super) target: Target<'a>,
    pub(super) operation: Operation,
    /// `null` where the operation takes none.
    pub(super) value: &'a Value,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Context {
    Any,
    Inbound,
    Outbound,
}

#[derive(Debug)]
pub(super) enum Target<'a> {
    NetworkFilter(ListenerMatch<'a>),
    Cluster(ClusterMatch<'a>),
}

#[derive(Debug)]
pub(super) struct ListenerMatch<'a> {
    pub(super) name: Option<&'a str>,
    pub(super) port: Option<u64>,
    pub(super) destination_port: Option<u64>,
    pub(super) filter: Option<&'a str>,
}

#[derive(Debug)]
pub(super) struct ClusterMatch<'a> {
    pub(super) name: Option<&'a str>,
    pub(super) service: Option<&'a str>,
    pub(super) port: Option<u64>,
    pub(super) subset: Option<&'a str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    Add,
    Remove,
    Merge,
    MergeAndReplaceList,
    Replace,
    InsertFirst,
    InsertBefore,
    InsertAfter,
}

impl<'a> Filter<'a> {
    pub(super) fn read(position: usize, object: &'a Value) -> Result<Self, RenderError> {
        let text = |value: &'a Value| value.as_str();
        let metadata = &object["metadata"];
        let (true, Some(name), Some(namespace)) = (
            object["kind"] == "EnvoyFilter",
            text(&metadata["name"]),
            text(&metadata["namespace"]),
        ) else {
            return Err(RenderError::NotAnEnvoyFilter(position));
        };
        let spec = &object["spec"];
        let labels = spec["workloadSelector"]["labels"].as_object();
        let patches = spec["configPatches"]
            .as_array()
            .into_iter()
            .flatten()
            .enumerate();
        Ok(Self {
            name,
            namespace,
            priority: spec["priority"].as_i64().unwrap_or_default(),
            created: text(&metadata["creationTimestamp"]).unwrap_or_default(),
            selector: labels
                .into_iter()
                .flatten()
                .map(|(key, value)| (key.as_str(), value.as_str().unwrap_or_default()))
                .collect(),
            patches: patches
                .map(|(index, patch)| {
                    let id = PatchId {
                        namespace: namespace.to_owned(),
                        name: name.to_owned(),
                        index,
                    };
                    Patch::read(id, patch)
                })
                .collect::<Result<_, _>>()?,
        })
    }
}

impl<'a> Patch<'a> {
    fn read(id: PatchId, patch: &'a Value) -> Result<Self, RenderError> {
        let unsupported = |field: &str, value: &Value| RenderError::Unsupported {
            patch: id.clone(),
            what: format!("{field} {value}"),
        };
        let matched = &patch["match"];
        let context = match matched["context"].as_str() {
            None | Some("ANY") => Context::Any,
            Some("SIDECAR_INBOUND") => Context::Inbound,
            Some("SIDECAR_OUTBOUND") => Context::Outbound,
            Some(_) => return Err(unsupported("match.context", &matched["context"])),
        };
        let target = match patch["applyTo"].as_str() {
            Some("NETWORK_FILTER") => Target::NetworkFilter(
                ListenerMatch::read(&matched["listener"])
                    .map_err(|field| unsupported(field, &matched["listener"]))?,
            ),
            Some("CLUSTER") => Target::Cluster(ClusterMatch::read(&matched["cluster"])),
            _ => return Err(unsupported("applyTo", &patch["applyTo"])),
        };
        let operation = &patch["patch"]["operation"];
        let operation = Operation::read(operation.as_str(), &target)
            .ok_or_else(|| unsupported("patch.operation", operation))?;
        Ok(Self {
            id,
            context,
            target,
            operation,
            value: &patch["patch"]["value"],
        })
    }
}

impl<'a> ListenerMatch<'a> {
    /// Matches that select by what the inferred base does not have are refused by name.
    fn read(listener: &'a Value) -> Result<Self, &'static str> {
        const KNOWN: [&str; 2] = ["destinationPort", "filter"];
        let chain = &listener["filterChain"];
        if chain
            .as_object()
            .is_some_and(|c| c.keys().any(|key| !KNOWN.contains(&key.as_str())))
        {
            return Err("a filter chain match other than destinationPort and filter in");
        }
        if !chain["filter"]["subFilter"].is_null() || !listener["listenerFilter"].is_null() {
            return Err("a match of sub-filters or listener filters in");
        }
        Ok(Self {
            name: listener["name"].as_str(),
            port: listener["portNumber"].as_u64(),
            destination_port: chain["destinationPort"].as_u64(),
            filter: chain["filter"]["name"].as_str(),
        })
    }
}

impl<'a> ClusterMatch<'a> {
    fn read(cluster: &'a Value) -> Self {
        Self {
            name: cluster["name"].as_str(),
            service: cluster["service"].as_str(),
            port: cluster["portNumber"].as_u64(),
            subset: cluster["subset"].as_str(),
        }
    }
}

impl Operation {
    fn read(name: Option<&str>, target: &Target<'_>) -> Option<Self> {
        let network = matches!(target, Target::NetworkFilter(_));
        Some(match name? {
            "ADD" => Self::Add,
            "REMOVE" => Self::Remove,
            "MERGE" if !network => Self::Merge,
            "MERGE_AND_REPLACE_LIST" if !network => Self::MergeAndReplaceList,
            "REPLACE" if network => Self::Replace,
            "INSERT_FIRST" if network => Self::InsertFirst,
            "INSERT_BEFORE" if network => Self::InsertBefore,
            "INSERT_AFTER" if network => Self::InsertAfter,
            _ => return None,
        })
    }
}
