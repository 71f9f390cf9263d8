//! What sidecars and the controller publish for Prometheus, as it was seen over the whole run: a service's statistics go with it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use aeraki_testbed::StatsMatcher;
use anyhow::{Context as _, Result};
use regex::Regex;
use serde_json::Value;

use crate::case::Case;

/// What was seen, by the protocol whose case was played meanwhile; the controller's under [`CONTROLLER`].
#[derive(Default, Debug)]
pub(crate) struct Statistics {
    seen: Mutex<BTreeMap<&'static str, Metrics>>,
    played: Mutex<BTreeSet<&'static str>>,
}

/// Whose metrics begin with `aeraki_`.
pub(crate) const CONTROLLER: &str = "aeraki";

/// The metrics of some pages, by name.
#[derive(Clone, Default, Debug)]
pub(crate) struct Metrics {
    samples: BTreeMap<String, Metric>,
}

/// What is known of a name.
#[derive(Clone, Default, Debug, PartialEq)]
pub(crate) struct Metric {
    /// The names of all labels that a sample had.
    pub(crate) labels: BTreeSet<String>,
    /// The highest value of any sample.
    pub(crate) highest: f64,
}

impl Statistics {
    /// Takes in what somebody publishes.
    pub(crate) fn saw(&self, whose: &'static str, page: &str) {
        let mut seen = self.seen.lock().expect("no panic under the lock");
        seen.entry(whose).or_default().take_in(page);
    }

    pub(crate) fn played(&self, case: &Case) {
        let mut played = self.played.lock().expect("no panic under the lock");
        played.insert(case.name);
    }

    /// Whether all of these were played.
    pub(crate) fn has_played<'a>(&self, mut cases: impl Iterator<Item = &'a Case>) -> bool {
        let played = self.played.lock().expect("no panic under the lock");
        cases.all(|case| played.contains(case.name))
    }

    /// What was seen, as Prometheus stores it: after these rules.
    pub(crate) fn stored(&self, whose: &str, rules: &[Rule]) -> Metrics {
        let seen = self.seen.lock().expect("no panic under the lock");
        let raw = seen.get(whose).cloned().unwrap_or_default();
        let mut stored = Metrics::default();
        for (name, metric) in raw.samples {
            let (name, added) = relabelled(name, rules);
            let known = stored.samples.entry(name).or_default();
            known.labels.extend(metric.labels);
            known.labels.extend(added.into_keys());
            known.highest = known.highest.max(metric.highest);
        }
        stored
    }
}

impl Metrics {
    fn take_in(&mut self, page: &str) {
        for line in page.lines() {
            if let Some((name, labels, value)) = sample(line) {
                let known = self.samples.entry(name.to_owned()).or_default();
                known.labels.extend(labels);
                known.highest = known.highest.max(value);
            }
        }
    }

    /// The metric of this name, if it has had a sample.
    pub(crate) fn get(&self, name: &str) -> Option<&Metric> {
        self.samples.get(name)
    }
}

/// The name, the names of the labels, and the value of `name{label="value",…} 1`.
fn sample(line: &str) -> Option<(&str, Vec<String>, f64)> {
    let end = line.find(['{', ' '])?;
    let (name, rest) = line.split_at(end);
    if name.starts_with('#') {
        return None;
    }
    let (labels, value) = match rest.strip_prefix('{') {
        Some(inside) => {
            let (inside, value) = inside.rsplit_once('}')?;
            (label_names(inside), value)
        }
        None => (vec![], rest),
    };
    let value = value.split_whitespace().next()?.parse().ok()?;
    Some((name, labels, value))
}

fn label_names(mut inside: &str) -> Vec<String> {
    let mut names = vec![];
    while let Some((name, rest)) = inside.split_once("=\"") {
        names.push(name.trim_start_matches(',').to_owned());
        let mut escaped = false;
        let end = rest.find(|c| {
            let ends = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            ends
        });
        inside = end.map_or("", |end| &rest[end + 1..]);
    }
    names
}

/// One of Prometheus' `metric_relabel_configs`, of the kind that replaces and looks at the name.
#[derive(Debug)]
pub(crate) struct Rule {
    regex: Regex,
    target: String,
    replacement: String,
}

impl Rule {
    fn of(value: &Value) -> Result<Self> {
        let text = |field: &str| value[field].as_str();
        let context = || format!("{value} is not understood");
        anyhow::ensure!(
            value["source_labels"] == serde_json::json!(["__name__"]),
            context()
        );
        let regex = text("regex").with_context(context)?;
        Ok(Self {
            // Prometheus' expressions match the whole.
            regex: Regex::new(&format!("^(?:{regex})$"))?,
            target: text("target_label").with_context(context)?.to_owned(),
            replacement: text("replacement").unwrap_or("$1").to_owned(),
        })
    }
}

/// The name after the rules, and the labels that they add, each with its value.
fn relabelled(mut name: String, rules: &[Rule]) -> (String, BTreeMap<String, String>) {
    let mut labels = BTreeMap::new();
    for rule in rules {
        let Some(found) = rule.regex.captures(&name) else {
            continue;
        };
        let mut value = String::new();
        found.expand(&rule.replacement, &mut value);
        if rule.target == "__name__" {
            name = value;
        } else {
            labels.insert(rule.target.clone(), value);
        }
    }
    (name, labels)
}

/// A file under `deploy/`.
pub(crate) fn deploy(path: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy");
    root.join(path)
}

fn yaml(path: &str) -> Result<Value> {
    let path = deploy(path);
    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    serde_saphyr::from_str(&text).with_context(|| path.display().to_string())
}

/// The matcher that `docs/statistics.md` tells users to set.
pub(crate) fn documented_matcher() -> Result<StatsMatcher> {
    let file = yaml("statistics/istio.yaml")?;
    let matcher = &file["meshConfig"]["defaultConfig"]["proxyStatsMatcher"];
    let texts = |field: &str| -> Vec<String> {
        let texts = matcher[field].as_array().into_iter().flatten();
        texts.filter_map(Value::as_str).map(str::to_owned).collect()
    };
    Ok(StatsMatcher {
        prefixes: texts("inclusionPrefixes"),
        suffixes: texts("inclusionSuffixes"),
        regexps: texts("inclusionRegexps"),
    })
}

/// The rules that it tells users to give to Prometheus.
pub(crate) fn documented_rules() -> Result<Vec<Rule>> {
    let file = yaml("statistics/relabel.yaml")?;
    let rules = file["metric_relabel_configs"].as_array();
    rules.context("no rules")?.iter().map(Rule::of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Prometheus would show it.
    fn shown(published: &str) -> String {
        let (name, labels) = relabelled(published.to_owned(), &documented_rules().unwrap());
        let label = |(name, value): (&String, &String)| format!("{name}={value}");
        let labels: Vec<String> = labels.iter().map(label).collect();
        format!("{name}{{{}}}", labels.join(","))
    }

    #[test]
    fn values_of_labels_may_hold_anything() {
        let line = r#"a{x="outbound|1||b,c=\"}",y="\\"} 3"#;
        let labels = vec!["x".to_owned(), "y".to_owned()];
        assert_eq!(sample(line), Some(("a", labels, 3.0)));
        assert_eq!(sample("a{} 0"), Some(("a", vec![], 0.0)));
        assert_eq!(sample("a 1 1700000000"), Some(("a", vec![], 1.0)));
        assert_eq!(sample("# HELP a b"), None);
    }

    /// Hosts may hold the very words that statistics begin with, and Kubernetes' own end with one.
    #[test]
    fn rules_find_where_the_host_ends() {
        const LOCAL: &str = "outbound_1__a_b_svc_cluster_local";
        for (published, prefix, wanted) in [
            ("dubbo_$_request", LOCAL, "dubbo_request"),
            ("dubbo_$_response_error", LOCAL, "dubbo_response_error"),
            (
                "dubbo_$_local_response_error",
                LOCAL,
                "dubbo_local_response_error",
            ),
            (
                "dubbo_$_local_response_error",
                "outbound_1__a_b",
                "dubbo_local_response_error",
            ),
            (
                "dubbo_$_request",
                "outbound_1__a_request_service",
                "dubbo_request",
            ),
            (
                "dubbo_$_request_time_ms_bucket",
                "inbound_1__",
                "dubbo_request_time_ms_bucket",
            ),
            (
                "thrift_$_response_exception",
                LOCAL,
                "thrift_response_exception",
            ),
            ("thrift_$_route_missing", LOCAL, "thrift_route_missing"),
            (
                "redis_$_downstream_rq_total",
                LOCAL,
                "redis_downstream_rq_total",
            ),
            (
                "redis_$_command_bf_add_error_fault",
                LOCAL,
                "redis_command_error_fault command=bf_add",
            ),
            (
                "redis_$_command_get_total",
                "outbound_1__a_command_b",
                "redis_command_total command=get",
            ),
            (
                "cluster_$_redis_cluster_upstream_commands_set_total",
                LOCAL,
                "redis_upstream_command_total command=set",
            ),
            (
                "$_zookeeper_decoder_error",
                "outbound_1__zk_zookeeper_svc",
                "zookeeper_decoder_error",
            ),
            (
                "$_zookeeper_getdata_rq",
                "outbound_1__zk_zookeeper_svc",
                "zookeeper_opcode_rq opcode=getdata",
            ),
            (
                "$_zookeeper_getdata_resp_latency_sum",
                "inbound_1__",
                "zookeeper_opcode_resp_latency_sum opcode=getdata",
            ),
            (
                "kafka_$_request_produce_request",
                LOCAL,
                "kafka_request kind=produce_request",
            ),
            (
                "kafka_$_request_unknown",
                LOCAL,
                "kafka_request kind=unknown",
            ),
            (
                "kafka_$_response_fetch_response_duration_sum",
                LOCAL,
                "kafka_response_duration_sum kind=fetch_response",
            ),
        ] {
            let (name, label) = wanted.split_once(' ').unwrap_or((wanted, ""));
            let comma = if label.is_empty() { "" } else { "," };
            let wanted = format!("envoy_{name}{{{label}{comma}stat_prefix={prefix}}}");
            let published = format!("envoy_{}", published.replace('$', prefix));
            assert_eq!(shown(&published), wanted, "{published}");
        }
        assert_eq!(
            shown("envoy_cluster_outbound_1__a_upstream_rq_total"),
            "envoy_cluster_upstream_rq_total{cluster_name=outbound_1__a}"
        );
        assert_eq!(
            shown("envoy_cluster_upstream_rq_total"),
            "envoy_cluster_upstream_rq_total{}"
        );
    }

    #[test]
    fn page_shows_the_settings_as_they_are() {
        let page = include_str!("../../../docs/statistics.md");
        let file = fs::read_to_string(deploy("statistics/istio.yaml")).unwrap();
        let settings = &file[file.find("meshConfig:").unwrap()..];
        assert!(page.contains(settings), "{settings}");
    }

    #[test]
    fn documented_matcher_lets_something_through() {
        let matcher = documented_matcher().unwrap();
        assert!(!matcher.prefixes.is_empty() && !matcher.regexps.is_empty());
    }
}
