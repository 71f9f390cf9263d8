//! What istiod knows of its proxies: which resources each of them has refused, and why.
//!
//! The answer is the JSON of istiod's `/debug/syncz`. It tells of the proxies that are connected to that istiod alone,
//! and of the last refusal of each type until a later push of the type is accepted. Istiods that are too old to keep
//! refusals leave them out, and then there are none here.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Deserialize;
use thiserror::Error;

#[cfg(test)]
mod tests;

/// Envoy's listeners.
pub const LISTENER: &str = "type.googleapis.com/envoy.config.listener.v3.Listener";
/// Envoy's clusters.
pub const CLUSTER: &str = "type.googleapis.com/envoy.config.cluster.v3.Cluster";

/// A resource that a proxy refused. It goes on with the last one that it accepted, if there is one.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Rejection {
    /// The proxy, as `<pod>.<namespace>`.
    pub proxy: String,
    /// What sort of resource, such as [`LISTENER`].
    pub type_url: String,
    /// The name of the resource, such as `240.240.0.1_9092`, if Envoy tells.
    pub resource: Option<String>,
    /// Envoy's words.
    pub error: String,
}

/// The answer is not what istiod's `/debug/syncz` gives.
#[derive(Debug, Error)]
pub enum ParseError {
    /// Istiod answers nothing: it does not know the question.
    #[error("istiod does not know the question")]
    Empty,
    /// It is other JSON, or none.
    #[error("the answer is not a list of proxies")]
    Json(#[from] serde_json::Error),
}

#[derive(Deserialize)]
struct Proxy {
    #[serde(default)]
    proxy: String,
    #[serde(default)]
    resources: Option<BTreeMap<String, Resource>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Resource {
    #[serde(default)]
    last_error: String,
}

/// Reads the answer of istiod.
///
/// # Errors
/// The answer is no list of proxies.
pub fn rejections(json: &[u8]) -> Result<Vec<Rejection>, ParseError> {
    if json.iter().all(u8::is_ascii_whitespace) {
        return Err(ParseError::Empty);
    }
    let proxies: Vec<Proxy> = serde_json::from_slice(json)?;
    Ok(proxies.iter().flat_map(of_proxy).collect())
}

fn of_proxy(proxy: &Proxy) -> impl Iterator<Item = Rejection> + '_ {
    proxy
        .resources
        .iter()
        .flatten()
        .flat_map(|(type_url, resource)| {
            of_error(type_url, &resource.last_error)
                .into_iter()
                .map(|(name, error)| Rejection {
                    proxy: proxy.proxy.clone(),
                    type_url: type_url.clone(),
                    resource: name.map(str::to_owned),
                    error: error.to_owned(),
                })
        })
}

/// The resources that an error is about, each with its part of the text.
///
/// Envoy writes `Error adding/updating listener(s) <name>: <reason>`, and a line for each further one.
fn of_error<'a>(type_url: &str, error: &'a str) -> Vec<(Option<&'a str>, &'a str)> {
    let error = error.trim();
    let intro = match type_url {
        LISTENER => "Error adding/updating listener(s) ",
        CLUSTER => "Error adding/updating cluster(s) ",
        _ => "",
    };
    let Some(list) = error.strip_prefix(intro).filter(|_| !intro.is_empty()) else {
        return match error {
            "" => Vec::new(),
            other => vec![(None, other)],
        };
    };
    let starts = starts(list);
    let ends = starts.iter().skip(1).copied().chain([list.len()]);
    let parts = starts
        .iter()
        .zip(ends)
        .map(|(start, end)| &list[*start..end]);
    parts
        .map(|part| match part.split_once(": ") {
            Some((name, reason)) => (Some(name), reason.trim()),
            None => (None, part.trim()),
        })
        .collect()
}

/// Where the parts of a list begin: at its start, and at each line that begins with a name. A reason may have lines of its
/// own.
fn starts(list: &str) -> Vec<usize> {
    let further = list.match_indices('\n').map(|(at, _)| at + 1);
    std::iter::once(0)
        .chain(further.filter(|at| begins_with_name(&list[*at..])))
        .collect()
}

/// Istio's names: `<address>_<port>`, `virtualInbound`, and clusters of four parts.
fn begins_with_name(line: &str) -> bool {
    let Some((name, _)) = line.split_once(": ") else {
        return false;
    };
    let is_socket = || {
        let (address, port) = name.rsplit_once('_')?;
        let address = address.trim_start_matches('[').trim_end_matches(']');
        Some(address.parse::<IpAddr>().is_ok() && port.parse::<u16>().is_ok())
    };
    !name.contains(char::is_whitespace)
        && (name.starts_with("virtual") || name.contains('|') || is_socket() == Some(true))
}
