//! Which of its statistics a sidecar publishes, and under which labels, as Istio's agent tells Envoy at its start.
//!
//! Read in `tools/packaging/common/envoy_bootstrap.json` and `pkg/bootstrap/config.go` of Istio 1.31: the agent writes a list of
//! what may pass. It holds what Istio itself needs, and what `proxyStatsMatcher` of the mesh config or a pod's annotations add.

use serde_json::{Value, json};

/// What every sidecar publishes: it is ready by some of these, and Istio's own metrics are made of others.
const PREFIXES: [&str; 8] = [
    "reporter=",
    "cluster_manager",
    "listener_manager",
    "server",
    "cluster.xds-grpc",
    "wasm",
    "component",
    "istio",
];
const SUFFIXES: [&str; 4] = [
    "rbac.allowed",
    "rbac.denied",
    "shadow_allowed",
    "shadow_denied",
];
const REGEXPS: [&str; 1] = [r"vhost\..*\.route\..*"];

/// What becomes a label: the first group of the expression is taken out of the name, the second is the value.
const TAGS: [(&str, &str); 16] = [
    ("cluster_name", r"^cluster(\.(.+);)"),
    (
        "http_conn_manager_prefix",
        r"^http\.(((?:[_.[:digit:]\w]*|[_\[\]aAbBcCdDeEfF[:digit:]\w\:]*));\.)",
    ),
    ("thread_name", r"^server(\.(.+))\.watchdog"),
    ("tcp_prefix", r"^tcp\.((.*?)\.)\w+?$"),
    ("response_code", r"_rq(_(\d{3}))$"),
    ("response_code_class", r"_rq(_(\dxx))$"),
    (
        "http_conn_manager_listener_prefix",
        r"^listener(?=\.).*?\.http\.(((?:[_.[:digit:]]*|[_\[\]aAbBcCdDeEfF[:digit:]]*))\.)",
    ),
    (
        "listener_address",
        r"^listener\.(((?:[_.[:digit:]]*|[_\[\]aAbBcCdDeEfF[:digit:]]*))\.)",
    ),
    (
        "mongo_prefix",
        r"^mongo\.(.+?)\.(collection|cmd|cx_|op_|delays_|decoding_)(.*?)$",
    ),
    ("cache", r"(cache\.(.+?)\.)"),
    ("component", r"(component\.(.+?)\.)"),
    ("tag", r"(tag\.(.+?);\.)"),
    ("wasm_filter", r"(wasm_filter\.(.+?)\.)"),
    ("authz_enforce_result", r"rbac(\.(allowed|denied))"),
    ("authz_dry_run_action", r"(\.istio_dry_run_(allow|deny)_)"),
    ("authz_dry_run_result", r"(\.shadow_(allowed|denied))"),
];

/// `proxyStatsMatcher` of a mesh's or a pod's `ProxyConfig`.
#[derive(Clone, Default, Debug)]
pub struct StatsMatcher {
    /// `inclusionPrefixes`: what the name of a statistic may begin with.
    pub prefixes: Vec<String>,
    /// `inclusionSuffixes`: what it may end with.
    pub suffixes: Vec<String>,
    /// `inclusionRegexps`: what it may be as a whole.
    pub regexps: Vec<String>,
}

impl StatsMatcher {
    /// The field `stats_config` of Envoy's bootstrap.
    pub(crate) fn as_stats_config(&self) -> Value {
        let prefixes = own(&self.prefixes, &PREFIXES).map(|prefix| json!({"prefix": prefix}));
        let suffixes = own(&self.suffixes, &SUFFIXES).map(|suffix| json!({"suffix": suffix}));
        let regexps =
            own(&self.regexps, &REGEXPS).map(|regex| json!({"safe_regex": {"regex": regex}}));
        let patterns: Vec<Value> = prefixes.chain(suffixes).chain(regexps).collect();
        let tags = TAGS.map(|(name, regex)| json!({"tag_name": name, "regex": regex}));
        json!({
            "use_all_default_tags": false,
            "stats_tags": tags,
            "stats_matcher": {"inclusion_list": {"patterns": patterns}},
        })
    }
}

fn own<'a>(wanted: &'a [String], needed: &'a [&'a str]) -> impl Iterator<Item = &'a str> {
    let wanted = wanted.iter().map(String::as_str);
    wanted.chain(needed.iter().copied())
}
