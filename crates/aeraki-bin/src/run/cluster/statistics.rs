//! Whether what sidecars publish has the statistics of the protocols that are in use. Pure.

use std::collections::{BTreeMap, BTreeSet};

use aeraki_core::diagnostic::{Diagnostic, catalogue};
use aeraki_core::object::{Kind, ObjectKey};
use aeraki_core::protocol::Protocol;
use aeraki_core::registry::Registry;
use aeraki_xds::mesh::StatsMatcher;
use regex::Regex;

/// Where Istio's settings for the whole mesh stand; a revision has one of its own, which is not told.
const MESH_CONFIG: (Kind, &str) = (Kind::new("", "ConfigMap"), "istio");

/// What each protocol counts, and of which of them sidecars publish nothing.
#[derive(Debug)]
pub(super) struct Statistics {
    counters: BTreeMap<Protocol, &'static str>,
    /// Empty as long as it is not known what is published.
    silent: BTreeMap<Protocol, &'static str>,
}

/// A matcher in the form in which it is asked.
struct Published {
    prefixes: Vec<String>,
    suffixes: Vec<String>,
    regexps: Vec<Regex>,
}

impl Statistics {
    /// What the protocols of this binary count. What is published is not known yet.
    pub(super) fn of(registry: &Registry) -> Self {
        let counters = registry
            .iter()
            .filter_map(|registration| Some((registration.protocol(), registration.counted_as()?)));
        Self {
            counters: counters.collect(),
            silent: BTreeMap::new(),
        }
    }

    /// What is published by now.
    pub(super) fn publish(&mut self, matcher: StatsMatcher) {
        let published = Published::of(matcher);
        let all = self.counters.iter();
        let silent = all.filter(|(_, counter)| !published.lets_through(counter));
        self.silent = silent
            .map(|(protocol, counter)| (*protocol, *counter))
            .collect();
    }

    /// A word about each of these protocols whose calls nobody can see counted.
    pub(super) fn diagnostics(
        &self,
        used: impl Iterator<Item = Protocol>,
        root_namespace: &str,
    ) -> Vec<Diagnostic> {
        if self.silent.is_empty() {
            return Vec::new();
        }
        let used: BTreeSet<Protocol> = used.collect();
        let (kind, name) = MESH_CONFIG;
        let mesh = ObjectKey::new(kind, root_namespace, name);
        let silent = self.silent.iter();
        silent
            .filter(|(protocol, _)| used.contains(protocol))
            .map(|(protocol, counter)| {
                let sentence = format!(
                    "proxyStatsMatcher lets nothing of {} through, such as `{counter}`",
                    protocol.name()
                );
                Diagnostic::new(&catalogue::UNPUBLISHED_STATISTICS, &mesh, sentence)
            })
            .collect()
    }
}

impl Published {
    fn of(matcher: StatsMatcher) -> Self {
        // Envoy's expressions match a name as a whole. It would refuse one that is none, and publish nothing by it.
        let whole = |regexp: &String| Regex::new(&format!("^(?:{regexp})$")).ok();
        Self {
            regexps: matcher.inclusion_regexps.iter().filter_map(whole).collect(),
            prefixes: matcher.inclusion_prefixes,
            suffixes: matcher.inclusion_suffixes,
        }
    }

    fn lets_through(&self, counter: &str) -> bool {
        let mut prefixes = self.prefixes.iter();
        let mut suffixes = self.suffixes.iter();
        let mut regexps = self.regexps.iter();
        prefixes.any(|prefix| counter.starts_with(prefix))
            || suffixes.any(|suffix| counter.ends_with(suffix))
            || regexps.any(|regexp| regexp.is_match(counter))
    }
}

#[cfg(all(test, feature = "all"))]
mod tests {
    use super::*;
    use crate::linked;

    fn said(prefixes: &[&str], regexps: &[&str], used: &[Protocol]) -> Vec<String> {
        let registry = linked::registry_of_some().expect("some are linked");
        let mut statistics = Statistics::of(&registry);
        let owned = |list: &[&str]| list.iter().map(ToString::to_string).collect();
        statistics.publish(StatsMatcher {
            inclusion_prefixes: owned(prefixes),
            inclusion_regexps: owned(regexps),
            ..StatsMatcher::default()
        });
        let found = statistics.diagnostics(used.iter().copied(), "istio-system");
        found.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_the_documented_settings_let_through_is_not_reported() {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../deploy/statistics/istio.yaml"
        );
        let text = std::fs::read_to_string(path).unwrap();
        let values: serde_json::Value = serde_saphyr::from_str(&text).unwrap();
        let matcher = &values["meshConfig"]["defaultConfig"]["proxyStatsMatcher"];
        let registry = linked::registry_of_some().unwrap();
        let mut statistics = Statistics::of(&registry);
        let all: BTreeSet<Protocol> = statistics.counters.keys().copied().collect();
        assert_eq!(all.len(), 5);
        let of_all =
            |statistics: &Statistics| statistics.diagnostics(all.iter().copied(), "istio-system");
        assert_eq!(of_all(&statistics), [], "nothing is known");
        statistics.publish(StatsMatcher::default());
        assert_eq!(of_all(&statistics).len(), 5);
        statistics.publish(serde_json::from_value(matcher.clone()).unwrap());
        assert_eq!(of_all(&statistics), []);
    }

    #[test]
    fn only_protocols_that_are_in_use_are_told_of() {
        let dubbo = said(&["thrift."], &[], &[Protocol::Dubbo, Protocol::Thrift]);
        assert_eq!(dubbo.len(), 1);
        assert!(dubbo[0].contains("nothing of dubbo"), "{dubbo:?}");
        assert_eq!(said(&[], &[], &[]), [] as [String; 0]);
    }

    #[test]
    fn an_expression_matches_a_name_as_a_whole() {
        let zookeeper = [Protocol::ZooKeeper];
        assert_eq!(said(&[], &[r".+\.zookeeper\..+"], &zookeeper).len(), 0);
        assert_eq!(said(&[], &["zookeeper", "("], &zookeeper).len(), 1);
    }
}
