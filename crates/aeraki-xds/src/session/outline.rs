//! How much a body is going to be, before it is.
//!
//! An empty message in a list is two bytes on the wire and hundreds in memory. A tenant's object of a megabyte, which
//! Kubernetes allows, would so become hundreds of megabytes. The lists are counted without being read.

use aeraki_api::networking::{DestinationRule, ServiceEntry, VirtualService};
use prost::Message;

/// More than any object that Kubernetes takes can hold of entries that say something.
pub(super) const MOST_ENTRIES: usize = 50_000;

/// Counts the entries of the lists in a body.
pub(super) trait Outlined {
    /// How many messages stand in lists. What does not decode is not counted: it will not be read.
    fn entries(body: &[u8]) -> usize;
}

/// Refuses a body that is mostly entries.
pub(super) fn checked<S: Outlined>(body: &[u8]) -> Result<(), String> {
    match S::entries(body) {
        0..=MOST_ENTRIES => Ok(()),
        count => Err(format!(
            "its lists have {count} entries, more than {MOST_ENTRIES}"
        )),
    }
}

/// A message of which only the number counts. A list of them takes no memory.
#[derive(Clone, PartialEq, Message)]
struct Entry {}

/// A rule of any protocol.
#[derive(Clone, PartialEq, Message)]
struct Rule {
    #[prost(message, repeated, tag = "1")]
    matches: Vec<Entry>,
    #[prost(message, repeated, tag = "2")]
    routes: Vec<Entry>,
    #[prost(message, repeated, tag = "22")]
    mirrors: Vec<Entry>,
}

#[derive(Clone, PartialEq, Message)]
struct Rules {
    #[prost(message, repeated, tag = "3")]
    http: Vec<Rule>,
    #[prost(message, repeated, tag = "4")]
    tcp: Vec<Rule>,
    #[prost(message, repeated, tag = "5")]
    tls: Vec<Rule>,
}

#[derive(Clone, PartialEq, Message)]
struct Ports {
    #[prost(message, repeated, tag = "3")]
    ports: Vec<Entry>,
    #[prost(message, repeated, tag = "6")]
    endpoints: Vec<Entry>,
}

#[derive(Clone, PartialEq, Message)]
struct Subsets {
    #[prost(message, repeated, tag = "3")]
    subsets: Vec<Entry>,
}

impl Outlined for VirtualService {
    fn entries(body: &[u8]) -> usize {
        let rules = Rules::decode(body).unwrap_or_default();
        let of_rule = |rule: &Rule| 1 + rule.matches.len() + rule.routes.len() + rule.mirrors.len();
        let all = rules.http.iter().chain(&rules.tcp).chain(&rules.tls);
        all.map(of_rule).sum()
    }
}

impl Outlined for ServiceEntry {
    fn entries(body: &[u8]) -> usize {
        let ports = Ports::decode(body).unwrap_or_default();
        ports.ports.len() + ports.endpoints.len()
    }
}

impl Outlined for DestinationRule {
    fn entries(body: &[u8]) -> usize {
        Subsets::decode(body).unwrap_or_default().subsets.len()
    }
}

#[cfg(test)]
mod tests {
    use aeraki_api::networking::{
        HttpMatchRequest, HttpRoute, HttpRouteDestination, ServicePort, Subset, WorkloadEntry,
    };

    use super::*;

    #[test]
    fn the_entries_of_all_lists_are_counted() {
        let rule = HttpRoute {
            r#match: vec![HttpMatchRequest::default(); 2],
            route: vec![HttpRouteDestination::default(); 3],
            ..HttpRoute::default()
        };
        let rules = VirtualService {
            http: vec![rule; 4],
            ..VirtualService::default()
        };
        assert_eq!(VirtualService::entries(&rules.encode_to_vec()), 4 * 6);
        let entry = ServiceEntry {
            ports: vec![ServicePort::default(); 2],
            endpoints: vec![WorkloadEntry::default(); 3],
            ..ServiceEntry::default()
        };
        assert_eq!(ServiceEntry::entries(&entry.encode_to_vec()), 5);
        let rule = DestinationRule {
            subsets: vec![Subset::default(); 2],
            ..DestinationRule::default()
        };
        assert_eq!(DestinationRule::entries(&rule.encode_to_vec()), 2);
    }

    #[test]
    fn a_megabyte_of_empty_entries_is_refused_and_fifty_thousand_fit_in_memory() {
        let body = [0x1a, 0x00].repeat(500_000);
        assert!(checked::<VirtualService>(&body).is_err());
        assert!(checked::<ServiceEntry>(&body).is_err());
        let largest = [
            size_of::<HttpRoute>(),
            size_of::<HttpMatchRequest>(),
            size_of::<WorkloadEntry>(),
        ];
        for size in largest {
            assert!(size * MOST_ENTRIES < 20 << 20, "{size}");
        }
    }
}
