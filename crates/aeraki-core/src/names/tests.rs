use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use rstest::rstest;

use super::*;

#[rstest]
#[case::usual(
    "demo.example.com",
    "240.240.0.1",
    20880,
    "aeraki-outbound-demo.example.com-240.240.0.1-20880"
)]
#[case::host_that_ends_in_an_address(
    "x-1.2.3.4",
    "5.6.7.8",
    80,
    "aeraki-outbound-x-1.2.3.4-5.6.7.8-80"
)]
#[case::single_label("redis", "10.0.0.1", 6379, "aeraki-outbound-redis-10.0.0.1-6379")]
fn an_addressed_name_is_the_one_go_aeraki_gave(
    #[case] host: &str,
    #[case] address: &str,
    #[case] port: u32,
    #[case] expected: &str,
) {
    assert_eq!(outbound("any", host, Some(address), port), expected);
}

#[test]
fn a_name_without_an_address_is_host_and_port() {
    let host = "thrift.meta.svc.cluster.local";
    assert_eq!(
        outbound("meta", host, None, 9090),
        format!("aeraki-outbound-{host}-9090")
    );
    assert_eq!(
        inbound("meta", host, 9090),
        format!("aeraki-inbound-{host}-9090")
    );
}

#[rstest]
#[case::ipv6(
    "demo.example.com",
    Some("2001:db8::1"),
    "aeraki-outbound-demo.example.com-2001-db8-1-80-"
)]
#[case::cidr(
    "demo.example.com",
    Some("10.0.0.0/8"),
    "aeraki-outbound-demo.example.com-10.0.0.0-8-80-"
)]
#[case::wildcard("*.example.com", None, "aeraki-outbound-example.com-80-")]
#[case::only_a_star("*", None, "aeraki-outbound-80-")]
#[case::upper_case("Demo.example.com", None, "aeraki-outbound-demo.example.com-80-")]
#[case::unicode("дуббо.example.com", None, "aeraki-outbound-example.com-80-")]
#[case::dashes_at_label_edges("-a-.-b-", Some("x"), "aeraki-outbound-a.b--x-80-")]
#[case::empty_labels("..a..b..", None, "aeraki-outbound-a.b.80-")]
#[case::looks_addressed("demo-1.2.3.4", None, "aeraki-outbound-demo-1.2.3.4-80-")]
#[case::address_is_no_address("demo", Some("other"), "aeraki-outbound-demo-other-80-")]
fn what_is_illegal_or_ambiguous_gets_a_readable_slug_and_a_hash(
    #[case] host: &str,
    #[case] address: Option<&str>,
    #[case] prefix: &str,
) {
    let name = outbound("ns", host, address, 80);
    let (slug, hash) = name.split_at(name.len() - HASH_DIGITS);
    assert_eq!(slug, prefix);
    assert!(hash.bytes().all(|b| b.is_ascii_hexdigit()), "{name}");
    assert!(is_rfc1123_subdomain(&name), "{name}");
}

#[test]
fn hashed_names_are_stable_across_releases() {
    // A changed hash would rename objects in every cluster: this literal must never change.
    assert_eq!(
        outbound("demo", "*.example.com", None, 80),
        "aeraki-outbound-example.com-80-3be9248a54"
    );
    assert_eq!(
        inbound("demo", "*.example.com", 80),
        "aeraki-inbound-example.com-80-c6af4a953a"
    );
}

#[test]
fn the_namespace_tells_two_hashed_names_apart() {
    assert_ne!(
        outbound("a", "*.x.com", None, 80),
        outbound("b", "*.x.com", None, 80)
    );
}

#[test]
fn no_address_is_not_an_empty_address() {
    assert_ne!(
        outbound("ns", "*", None, 80),
        outbound("ns", "*", Some(""), 80)
    );
}

#[test]
fn a_name_is_cut_at_253_bytes_and_stays_legal_at_the_cut() {
    for length in 200..320 {
        for filler in ["a", "a.", "a-", ".", "-", "a.-"] {
            let host: String = filler.chars().cycle().take(length).collect();
            let name = outbound("ns", &host, Some("10.0.0.1"), 65535);
            assert!(is_rfc1123_subdomain(&name), "{name}");
        }
    }
    let longest = "a".repeat(MAX_LENGTH - "aeraki-inbound--80".len());
    assert_eq!(
        inbound("ns", &longest, 80),
        format!("aeraki-inbound-{longest}-80")
    );
    assert_ne!(
        inbound("ns", &format!("{longest}a"), 80),
        format!("aeraki-inbound-{longest}a-80")
    );
}

#[test]
fn a_port_that_could_be_a_hash_is_hashed_itself() {
    assert_eq!(
        inbound("ns", "h", 999_999_999),
        "aeraki-inbound-h-999999999"
    );
    assert_ne!(
        inbound("ns", "h", 1_000_000_000),
        "aeraki-inbound-h-1000000000"
    );
    assert_eq!(inbound("ns", "h", 0), "aeraki-inbound-h-0");
}

#[rstest]
#[case::label("a", true)]
#[case::digits("0", true)]
#[case::dotted("a-b.c0.9", true)]
#[case::empty("", false)]
#[case::upper("A", false)]
#[case::underscore("a_b", false)]
#[case::edge_dash("-a", false)]
#[case::label_edge_dash("a-.b", false)]
#[case::empty_label("a..b", false)]
#[case::trailing_dot("a.", false)]
#[case::unicode("é", false)]
fn rfc_1123_subdomains(#[case] name: &str, #[case] legal: bool) {
    assert_eq!(is_rfc1123_subdomain(name), legal);
    assert!(is_rfc1123_subdomain(&"a".repeat(253)) && !is_rfc1123_subdomain(&"a".repeat(254)));
}

fn host() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z]{1,4}(-[0-9]{1,3}){0,2}(\\.[a-z]{1,3}){0,2}",
        "[a-z]{0,2}-[0-9]\\.[0-9]\\.[0-9]\\.[0-9]",
        "[a-z]{0,2}-[0-9]\\.[0-9]\\.[0-9]\\.[0-9]-[0-9]\\.[0-9]\\.[0-9]\\.[0-9]",
        "[a-zA-Z*.-]{0,6}",
        "[ab.-]{225,300}",
        "\\PC{0,12}",
        "[a-z]-[0-9a-f]{9,11}",
    ]
}

fn address() -> impl Strategy<Value = Option<String>> {
    prop_oneof![
        Just(None),
        "[0-9]\\.[0-9]\\.[0-9]\\.[0-9]".prop_map(Some),
        "0?[0-9]\\.[0-9]\\.[0-9]\\.[0-9](/8)?".prop_map(Some),
        any::<std::net::Ipv6Addr>().prop_map(|address| Some(address.to_string())),
        "[a-z0-9.:-]{0,4}".prop_map(Some),
    ]
}

fn port() -> impl Strategy<Value = u32> {
    prop_oneof![0u32..12, 0u32..65536, any::<u32>()]
}

/// Takes a plain name apart, written from the reader's side and not from the writer's.
fn read_back(subject: &str) -> Option<(String, Option<String>, u32)> {
    let (rest, port) = subject.rsplit_once('-')?;
    if port.len() == HASH_DIGITS {
        return None;
    }
    let port = port.parse().ok()?;
    match rest.rsplit_once('-') {
        Some((host, last)) if last.parse::<Ipv4Addr>().is_ok() => {
            Some((host.to_owned(), Some(last.to_owned()), port))
        }
        _ => Some((rest.to_owned(), None, port)),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn names_are_valid_and_no_two_services_share_one(
        services in prop::collection::btree_set((host(), address(), port()), 1..60),
    ) {
        let mut owner = BTreeMap::new();
        for service in &services {
            let (host, address, port) = service;
            let name = outbound("ns", host, address.as_deref(), *port);
            prop_assert!(is_rfc1123_subdomain(&name), "{name}");
            prop_assert_eq!(&name, &outbound("ns", host, address.as_deref(), *port));
            if let Some(other) = owner.insert(name.clone(), service) {
                prop_assert!(false, "{name} names {service:?} and {other:?}");
            }
        }
        let inbounds: BTreeSet<_> = services.iter().map(|(h, _, p)| (h, p)).collect();
        let names: BTreeSet<_> = inbounds.iter().map(|(h, p)| inbound("ns", h, **p)).collect();
        prop_assert_eq!(names.len(), inbounds.len());
        prop_assert!(names.iter().all(|name| is_rfc1123_subdomain(name) && !owner.contains_key(name)));
    }

    #[test]
    fn the_name_of_go_aeraki_is_kept_exactly_where_it_is_legal_and_reads_back(
        host in host(), address in address(), port in port(),
    ) {
        let subject = match &address {
            Some(address) => format!("{host}-{address}-{port}"),
            None => format!("{host}-{port}"),
        };
        let go = format!("aeraki-outbound-{subject}");
        let unambiguous = read_back(&subject) == Some((host.clone(), address.clone(), port));
        let name = outbound("ns", &host, address.as_deref(), port);
        prop_assert_eq!(name == go, is_rfc1123_subdomain(&go) && unambiguous);
    }
}
