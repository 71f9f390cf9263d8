use rstest::rstest;

use super::*;

fn answer(type_url: &str, error: &str) -> Vec<Rejection> {
    let json = serde_json::json!([{
        "cluster_id": "Kubernetes", "proxy": "orders.shop", "proxy_type": "sidecar", "news": {},
        "resources": {type_url: {"sent": "1", "acked": "0", "sentTime": "2026-11-25T04:00:00Z", "lastError": error}},
    }]);
    rejections(json.to_string().as_bytes()).unwrap()
}

fn parts(rejections: &[Rejection]) -> Vec<(Option<&str>, &str)> {
    rejections
        .iter()
        .map(|r| (r.resource.as_deref(), r.error.as_str()))
        .collect()
}

#[rstest]
#[case::one("Error adding/updating listener(s) 240.240.0.1_9092: no such filter\n", &[(Some("240.240.0.1_9092"), "no such filter")])]
#[case::several("Error adding/updating listener(s) 10.0.0.1_80: a: b\n0.0.0.0_90: c\nvirtualInbound: d\n", &[(Some("10.0.0.1_80"), "a: b"), (Some("0.0.0.0_90"), "c"), (Some("virtualInbound"), "d")])]
#[case::lines_of_its_own("Error adding/updating listener(s) 10.0.0.1_80: first\nsecond: line\n[third_80: x]\n", &[(Some("10.0.0.1_80"), "first\nsecond: line\n[third_80: x]")])]
#[case::ipv6("Error adding/updating listener(s) 2001:db8::1_80: no\n", &[(Some("2001:db8::1_80"), "no")])]
#[case::other_words("duplicate listener x found", &[(None, "duplicate listener x found")])]
#[case::no_name("Error adding/updating listener(s) broken", &[(None, "broken")])]
#[case::none("", &[])]
#[case::white_space("\n", &[])]
fn a_refused_listener_is_named(#[case] error: &str, #[case] expected: &[(Option<&str>, &str)]) {
    assert_eq!(parts(&answer(LISTENER, error)), expected);
}

#[test]
fn a_refused_cluster_is_named_and_other_types_are_as_they_are() {
    let error = "Error adding/updating cluster(s) outbound|6379||redis.shop: no such cluster type";
    let expected = [(Some("outbound|6379||redis.shop"), "no such cluster type")];
    assert_eq!(parts(&answer(CLUSTER, error)), expected);
    let route = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration";
    assert_eq!(parts(&answer(route, "a: b")), [(None, "a: b")]);
}

#[test]
fn the_form_of_old_istiods_tells_of_no_refusals() {
    let json = br#"[{"proxy": "orders.shop", "istio_version": "1.10.0", "cluster_sent": "a", "listener_acked": "b"},
                    {"proxy": "carts.shop", "resources": null}]"#;
    assert_eq!(rejections(json).unwrap(), []);
    assert_eq!(rejections(b"[]").unwrap(), []);
}

#[test]
fn what_is_no_list_of_proxies_is_an_error() {
    assert!(matches!(rejections(b""), Err(ParseError::Empty)));
    assert!(matches!(rejections(b"null"), Err(ParseError::Json(_))));
    assert!(matches!(
        rejections(b"404 page not found\n"),
        Err(ParseError::Json(_))
    ));
}

proptest::proptest! {
    #[test]
    fn no_error_text_panics_and_nothing_of_it_is_lost(text in "(Error adding/updating listener\\(s\\) )?[a-z0-9_:. \n]{0,60}") {
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let list = text.trim().strip_prefix("Error adding/updating listener(s) ").unwrap_or(text.trim());
        let parts: String = of_error(LISTENER, &text)
            .into_iter()
            .map(|(name, error)| match name {
                Some(name) => format!("{name}: {error} "),
                None => format!("{error} "),
            })
            .collect();
        proptest::prop_assert_eq!(words(&parts), words(list));
    }
}
