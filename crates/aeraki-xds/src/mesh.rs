//! What Istio is told of the whole mesh, as far as it concerns us: which of their statistics sidecars publish.
//!
//! The answer is the JSON of istiod's `/debug/mesh`. What a pod's own annotations say is not in it.

use serde::Deserialize;
use thiserror::Error;

/// `defaultConfig.proxyStatsMatcher`. A sidecar publishes what Istio needs itself, and what one of these lets through.
#[derive(Clone, PartialEq, Eq, Default, Debug, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct StatsMatcher {
    /// What a statistic's name begins with.
    pub inclusion_prefixes: Vec<String>,
    /// What it ends with.
    pub inclusion_suffixes: Vec<String>,
    /// What it is as a whole.
    pub inclusion_regexps: Vec<String>,
}

/// The answer is not what istiod's `/debug/mesh` gives.
#[derive(Debug, Error)]
#[error("the answer is not the mesh's configuration")]
pub struct ParseError(#[from] serde_json::Error);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Mesh {
    default_config: Option<ProxyConfig>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ProxyConfig {
    proxy_stats_matcher: Option<StatsMatcher>,
}

/// Reads the answer of istiod. A mesh without a matcher has an empty one.
///
/// # Errors
/// The answer is no configuration of a mesh.
pub fn stats_matcher(json: &[u8]) -> Result<StatsMatcher, ParseError> {
    let mesh: Mesh = serde_json::from_slice(json)?;
    let matcher = mesh
        .default_config
        .and_then(|config| config.proxy_stats_matcher);
    Ok(matcher.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_matcher_is_found_where_there_is_one() {
        let mesh = r#"{"trustDomain": "a", "defaultConfig": {"concurrency": 2,
            "proxyStatsMatcher": {"inclusionPrefixes": ["dubbo."], "inclusionRegexps": ["redis.+"]}}}"#;
        let matcher = stats_matcher(mesh.as_bytes()).unwrap();
        assert_eq!(matcher.inclusion_prefixes, ["dubbo."]);
        assert_eq!(matcher.inclusion_regexps, ["redis.+"]);
        for without in ["{}", r#"{"defaultConfig": {}}"#] {
            let matcher = stats_matcher(without.as_bytes()).unwrap();
            assert_eq!(matcher, StatsMatcher::default());
        }
    }

    #[test]
    fn the_page_about_proxies_is_not_it() {
        for other in ["", "[]", "null"] {
            stats_matcher(other.as_bytes()).unwrap_err();
        }
    }
}
