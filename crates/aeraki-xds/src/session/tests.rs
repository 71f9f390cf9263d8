use aeraki_api::mcp::{Any, Metadata, Resource};
use aeraki_api::networking::{ServiceEntry, VirtualService};
use aeraki_core::diagnostic::catalogue;
use aeraki_core::object::Kind;
use rstest::rstest;

use super::talk::*;
use super::*;
use crate::collection::COLLECTIONS;

fn urls(requests: &[DiscoveryRequest]) -> Vec<&str> {
    requests.iter().map(|r| r.type_url.as_str()).collect()
}

fn key(name: &str) -> ObjectKey {
    ObjectKey::new(Kind::SERVICE_ENTRY, "shop", name)
}

#[test]
fn a_stream_starts_with_one_request_per_collection_and_the_first_says_who_asks() {
    let mut talk = Talk::new();
    let sent = talk.on(Input::Connected).sent;
    let all: Vec<_> = COLLECTIONS.iter().map(|c| c.type_url).collect();
    assert_eq!(urls(&sent), all);
    let nodes: Vec<_> = sent.iter().map(|r| r.node.is_some()).collect();
    assert_eq!(nodes, [true, false, false, false, false, false]);
    for request in sent {
        assert_eq!(request.response_nonce, "");
        assert_eq!(request.version_info, "");
        assert_eq!(request.resource_names, Vec::<String>::new());
    }
}

#[test]
fn an_answer_is_acknowledged_with_its_version_and_nonce() {
    let mut talk = Talk::connected();
    let sent = talk.answer(SE, vec![entry("a", "a.com")]).sent;
    let expected = DiscoveryRequest {
        version_info: "v1".to_owned(),
        type_url: SE.to_owned(),
        response_nonce: "n1".to_owned(),
        ..DiscoveryRequest::default()
    };
    assert_eq!(sent, [expected]);
}

#[test]
fn an_answer_that_nobody_asked_for_is_passed_over() {
    let mut talk = Talk::connected();
    let outcome = talk.answer("networking.istio.io/v1/Gateway", vec![entry("a", "a.com")]);
    assert!(outcome.sent.is_empty() && outcome.updates.is_empty());
}

#[test]
fn what_comes_after_the_stream_is_passed_over() {
    let mut talk = Talk::connected();
    talk.on(Input::Disconnected);
    let outcome = talk.answer(SE, vec![entry("a", "a.com")]);
    assert!(outcome.sent.is_empty() && outcome.updates.is_empty());
    assert!(talk.on(Input::ResyncDue).sent.is_empty());
    assert!(talk.on(Input::Asked(Topic::Syncz)).sent.is_empty());
}

#[test]
fn all_kinds_come_as_objects_with_their_metadata() {
    let mut talk = Talk::connected();
    let created = aeraki_api::Timestamp::from_secs(1_700_000_000);
    let resource = Resource {
        metadata: Some(Metadata {
            name: "shop/a".to_owned(),
            create_time: Some(created),
            version: "7".to_owned(),
            labels: [("l".to_owned(), "1".to_owned())].into(),
            annotations: [("n".to_owned(), "2".to_owned())].into(),
        }),
        body: Some(wire(&ServiceEntry {
            hosts: vec!["a.com".to_owned()],
            ..ServiceEntry::default()
        })),
    };
    talk.answer(SE, vec![wire(&resource)]);
    talk.answer(VS, vec![virtual_service("b", "b.com")]);
    talk.answer(DR, vec![destination_rule("c", "c.com")]);
    let names = [
        "DestinationRule shop/c",
        "ServiceEntry shop/a",
        "VirtualService shop/b",
    ];
    assert_eq!(talk.names(), names);
    let meta = &talk.engine[&key("a")].meta;
    assert_eq!(meta.created, Some(created));
    assert_eq!(meta.labels.get("l"), Some("1"));
    assert_eq!(meta.annotations.get("n"), Some("2"));
}

#[rstest]
#[case::gos_zero_time(-62_135_596_800, 0)]
#[case::beyond_all_calendars(i64::MAX, 0)]
#[case::no_fraction_of_a_second(0, -1)]
fn what_is_no_time_of_creation_is_none(#[case] seconds: i64, #[case] nanos: i32) {
    let mut talk = Talk::connected();
    let mut resource: Resource = entry("a", "a.com").unpack().unwrap().unwrap();
    let created = aeraki_api::Timestamp { seconds, nanos };
    resource.metadata.get_or_insert_default().create_time = Some(created);
    talk.answer(SE, vec![wire(&resource)]);
    assert_eq!(talk.engine[&key("a")].meta.created, None);
}

#[test]
fn the_view_is_complete_once_every_collection_was_answered() {
    let mut talk = Talk::connected();
    for (index, collection) in COLLECTIONS.iter().enumerate() {
        assert_eq!(talk.complete(), None, "after {index} answers");
        talk.answer(collection.type_url, Vec::new());
    }
    assert_eq!(talk.complete().unwrap().epoch, 1);
}

#[test]
fn the_same_answer_again_changes_nothing_and_is_acknowledged() {
    let mut talk = Talk::connected();
    talk.answer_empty(&[SE]);
    talk.answer(SE, vec![entry("a", "a.com"), entry("b", "b.com")]);
    let outcome = talk.answer(SE, vec![entry("b", "b.com"), entry("a", "a.com")]);
    assert!(outcome.updates.is_empty());
    assert_eq!(outcome.sent.len(), 1);
}

#[test]
fn other_bytes_of_the_same_content_change_nothing() {
    let mut talk = Talk::connected();
    talk.answer(SE, vec![entry("a", "a.com")]);
    let mut same = entry("a", "a.com");
    // A field that nobody knows, at the end.
    same.value.extend([0x78, 0x01]);
    assert!(talk.answer(SE, vec![same]).updates.is_empty());
}

#[test]
fn a_change_of_annotations_under_the_same_version_is_a_change() {
    let mut talk = Talk::connected();
    let spec = ServiceEntry {
        hosts: vec!["a.com".to_owned()],
        ..ServiceEntry::default()
    };
    let with = |interface| vec![pack("a", wire(&spec), &[("interface", interface)])];
    let answer = |resources| DiscoveryResponse {
        version_info: "1".to_owned(),
        resources,
        type_url: SE.to_owned(),
        nonce: "n".to_owned(),
    };
    talk.on(Input::Response(answer(with("org.A"))));
    let outcome = talk.on(Input::Response(answer(with("org.B"))));
    assert_eq!(outcome.updates[0].events.len(), 1);
    assert_eq!(
        talk.engine[&key("a")].meta.annotations.get("interface"),
        Some("org.B")
    );
}

#[test]
fn an_object_is_kept_once_and_shared_with_the_engine() {
    let mut talk = Talk::connected();
    talk.answer(SE, vec![entry("a", "a.com")]);
    talk.answer(OLD_SE, vec![entry("a", "a.com")]);
    // The engine's, the session's, and that of each collection.
    assert_eq!(Arc::strong_count(&talk.engine[&key("a")]), 4);
}

#[test]
fn absence_is_deletion_once_the_whole_kind_is_known_on_the_stream() {
    let mut talk = Talk::connected();
    talk.answer_empty(&[SE]);
    talk.answer(SE, vec![entry("a", "a.com"), entry("b", "b.com")]);
    talk.answer(SE, vec![entry("b", "b.com")]);
    assert_eq!(talk.names(), ["ServiceEntry shop/b"]);
}

#[test]
fn an_empty_answer_for_one_version_deletes_nothing_of_the_other() {
    let mut talk = Talk::connected();
    talk.answer(OLD_SE, vec![entry("a", "a.com")]);
    talk.answer_empty(&[OLD_SE]);
    assert_eq!(talk.names(), ["ServiceEntry shop/a"]);
    assert!(talk.complete().is_some());
}

#[test]
fn nothing_is_deleted_before_both_versions_have_answered_on_the_new_stream() {
    let mut talk = Talk::connected();
    talk.answer_empty(&[SE]);
    talk.answer(SE, vec![entry("a", "a.com"), entry("b", "b.com")]);
    talk.on(Input::Disconnected);
    assert_eq!(talk.complete(), None);
    talk.on(Input::Connected);
    talk.answer(SE, vec![entry("a", "a.com")]);
    assert_eq!(talk.names().len(), 2, "the other version might have it now");
    talk.answer(OLD_SE, Vec::new());
    assert_eq!(talk.names(), ["ServiceEntry shop/a"]);
    assert_eq!(talk.complete(), None, "other kinds are open");
    talk.answer_empty(&[SE, OLD_SE]);
    assert_eq!(talk.complete().unwrap().epoch, 2);
}

#[test]
fn an_object_that_moves_to_the_other_version_stays() {
    let mut talk = Talk::connected();
    talk.answer_empty(&[SE]);
    talk.answer(SE, vec![entry("a", "a.com")]);
    talk.on(Input::Disconnected);
    talk.on(Input::Connected);
    talk.answer(SE, Vec::new());
    talk.answer(OLD_SE, vec![entry("a", "a.com")]);
    assert_eq!(talk.names(), ["ServiceEntry shop/a"]);
}

#[test]
fn of_two_versions_the_newer_one_counts_in_whatever_order_they_come() {
    for reversed in [false, true] {
        let mut talk = Talk::connected();
        let mut answers = vec![(SE, entry("a", "new.com")), (OLD_SE, entry("a", "old.com"))];
        if reversed {
            answers.reverse();
        }
        for (url, resource) in answers {
            talk.answer(url, vec![resource]);
        }
        assert_eq!(talk.hosts("a"), ["new.com"]);
    }
}

#[test]
fn a_stream_that_ends_early_deletes_nothing_and_leaves_the_view_partial() {
    let mut talk = Talk::connected();
    talk.answer_empty(&[SE]);
    talk.answer(SE, vec![entry("a", "a.com")]);
    for _ in 0..3 {
        talk.on(Input::Disconnected);
        talk.on(Input::Connected);
        talk.answer(SE, Vec::new());
    }
    assert_eq!(talk.names(), ["ServiceEntry shop/a"]);
    assert_eq!(talk.complete(), None);
}

#[test]
fn a_second_complete_view_of_the_same_stream_is_no_new_epoch() {
    let mut talk = Talk::connected();
    talk.answer_empty(&[]);
    talk.answer(SE, vec![nameless()]);
    assert_eq!(talk.complete(), None);
    talk.answer(SE, Vec::new());
    assert_eq!(talk.complete().unwrap().epoch, 1);
}

#[rstest]
#[case::body_cut_off(bad_entry("a"), "body cannot be decoded")]
#[case::cut_off(cut(entry("a", "a.com")), "envelope cannot be decoded")]
#[case::another_type(as_another_type(entry("a", "a.com")), "google.protobuf.Empty")]
#[case::another_kind(virtual_service("a", "a.com"), "not a ServiceEntry")]
#[case::no_body(pack("a", Any::default(), &[]), "not a ServiceEntry")]
#[case::no_hosts(pack("a", wire(&ServiceEntry::default()), &[]), "names no host")]
#[case::empty_host(entry("a", ""), "names no host")]
#[case::nul_in_host(entry("a", "a\0.com"), "control character")]
fn a_bad_resource_is_refused_by_name_and_keeps_its_last_good_state(
    #[case] bad: Any,
    #[case] reason: &str,
) {
    let mut talk = Talk::connected();
    talk.answer_empty(&[SE]);
    talk.answer(SE, vec![entry("a", "good.com"), entry("b", "b.com")]);

    let sent = talk.answer(SE, vec![bad, entry("b", "other.com")]).sent;
    let [nack] = sent.as_slice() else {
        panic!("{sent:?}")
    };
    let error = nack.error_detail.as_ref().unwrap();
    assert!(error.message.starts_with("shop/a: "), "{}", error.message);
    assert!(error.message.contains(reason), "{}", error.message);
    assert!(!error.message.contains("shop/b"), "{}", error.message);
    assert_eq!(nack.response_nonce, "n7");
    assert_eq!(nack.version_info, "v6", "the version that was last good");

    assert_eq!(talk.hosts("a"), ["good.com"]);
    assert_eq!(talk.hosts("b"), ["other.com"]);
    assert!(talk.complete().unwrap().unread.is_empty());
    let [problem] = talk.problems.as_slice() else {
        panic!("{:?}", talk.problems)
    };
    assert_eq!(problem.code, catalogue::UNREADABLE_RESOURCE.id);
    assert_eq!(problem.object, key("a"));
    assert!(problem.message.ends_with("it stays as it was last read"));

    talk.answer(SE, vec![entry("a", "mended.com"), entry("b", "other.com")]);
    assert_eq!(talk.hosts("a"), ["mended.com"]);
    assert!(talk.problems.is_empty());
}

#[test]
fn a_bad_resource_that_never_was_good_is_listed_as_unread() {
    let mut talk = Talk::connected();
    talk.answer_empty(&[SE]);
    talk.answer(SE, vec![bad_entry("a"), entry("b", "b.com")]);
    assert_eq!(talk.names(), ["ServiceEntry shop/b"]);
    let unread = &talk.complete().unwrap().unread;
    assert_eq!(unread, &BTreeSet::from([key("a")]));
    assert_eq!(talk.problems[0].object, key("a"));

    talk.answer(SE, vec![entry("b", "b.com")]);
    assert!(talk.complete().unwrap().unread.is_empty());
    assert!(talk.problems.is_empty());
}

#[test]
fn a_bad_resource_keeps_its_state_over_a_new_stream_and_goes_with_its_object() {
    let mut talk = Talk::connected();
    talk.answer_empty(&[SE]);
    talk.answer(SE, vec![entry("a", "a.com")]);
    talk.on(Input::Disconnected);
    talk.on(Input::Connected);
    talk.answer_empty(&[SE]);
    talk.answer(SE, vec![bad_entry("a")]);
    assert_eq!(talk.hosts("a"), ["a.com"]);
    talk.answer(SE, Vec::new());
    assert!(talk.engine.is_empty() && talk.problems.is_empty());
}

#[test]
fn a_bad_resource_in_one_version_is_good_in_the_other() {
    let mut talk = Talk::connected();
    talk.answer_empty(&[SE, OLD_SE]);
    talk.answer(SE, vec![bad_entry("a")]);
    talk.answer(OLD_SE, vec![entry("a", "a.com")]);
    assert_eq!(talk.hosts("a"), ["a.com"]);
    assert!(talk.complete().unwrap().unread.is_empty());
}

#[test]
fn a_delegate_has_no_hosts_and_is_in_order() {
    let mut talk = Talk::connected();
    talk.answer(VS, vec![pack("d", wire(&VirtualService::default()), &[])]);
    assert_eq!(talk.names(), ["VirtualService shop/d"]);
}

#[rstest]
#[case::no_name(pack("", Any::default(), &[]))]
#[case::no_metadata(wire(&Resource::default()))]
#[case::damage(nameless())]
#[case::control_character(entry("a\n", "a.com"))]
#[case::very_long(entry(&"a".repeat(1000), "a.com"))]
fn a_resource_without_a_name_tears_the_set(#[case] torn: Any) {
    let mut talk = Talk::connected();
    talk.answer_empty(&[SE]);
    talk.answer(SE, vec![entry("a", "a.com"), entry("b", "b.com")]);

    let sent = talk
        .answer(SE, vec![torn, entry("b", "new.com"), entry("c", "c.com")])
        .sent;
    let error = sent[0].error_detail.as_ref().unwrap();
    assert!(
        error.message.starts_with("resource 0 of 3: "),
        "{}",
        error.message
    );
    assert_eq!(talk.names().len(), 3, "what is absent may be the torn one");
    assert_eq!(talk.hosts("b"), ["new.com"], "what is good applies");
    assert_eq!(talk.complete(), None);
    assert_eq!(talk.problems[0].code, catalogue::TORN_ANSWER.id);

    talk.answer(SE, vec![entry("b", "new.com")]);
    assert_eq!(talk.names(), ["ServiceEntry shop/b"]);
    assert!(talk.complete().is_some() && talk.problems.is_empty());
}

#[test]
fn a_torn_version_keeps_the_other_version_from_deleting() {
    let mut talk = Talk::connected();
    talk.answer_empty(&[SE]);
    talk.answer(SE, vec![entry("a", "a.com")]);
    talk.answer(OLD_SE, vec![nameless()]);
    talk.answer(SE, Vec::new());
    assert_eq!(talk.names(), ["ServiceEntry shop/a"]);
    talk.answer(OLD_SE, Vec::new());
    assert!(talk.engine.is_empty());
}

#[test]
fn an_object_that_is_named_twice_is_what_is_said_first() {
    let mut talk = Talk::connected();
    talk.answer(SE, vec![entry("a", "first.com"), entry("a", "second.com")]);
    assert_eq!(talk.hosts("a"), ["first.com"]);
    talk.answer(SE, vec![entry("a", "second.com"), entry("a", "first.com")]);
    assert_eq!(talk.hosts("a"), ["second.com"]);
}

#[test]
fn a_refusal_names_a_few_and_counts_the_rest() {
    let mut talk = Talk::connected();
    let bad = (0..25).map(|i| bad_entry(&format!("a{i}"))).collect();
    let sent = talk.answer(SE, bad).sent;
    let message = &sent[0].error_detail.as_ref().unwrap().message;
    assert_eq!(message.matches("shop/").count(), 10);
    assert!(message.ends_with("; and 15 more"), "{message}");
}

#[test]
fn a_resync_asks_for_everything_without_a_nonce_and_without_a_node() {
    let mut talk = Talk::connected();
    talk.answer_empty(&[]);
    let sent = talk.on(Input::ResyncDue).sent;
    assert_eq!(sent.len(), COLLECTIONS.len());
    for request in sent {
        assert_eq!(request.response_nonce, "");
        assert_eq!(request.node, None);
    }
}

#[test]
fn a_refresh_asks_for_one_kind_in_every_version() {
    let mut talk = Talk::connected();
    talk.answer_empty(&[]);
    let sent = talk.on(Input::Refresh(Kind::SERVICE_ENTRY)).sent;
    assert_eq!(urls(&sent), [SE, OLD_SE]);
    assert!(sent.iter().all(|request| request.response_nonce.is_empty()));
    let again = talk.on(Input::Refresh(Kind::SERVICE_ENTRY)).sent;
    assert!(again.is_empty(), "the answers are due anyway: {again:?}");
}

#[test]
fn a_resync_asks_only_where_no_answer_is_due() {
    let mut talk = Talk::connected();
    assert!(talk.on(Input::ResyncDue).sent.is_empty());
    talk.answer(SE, Vec::new());
    assert_eq!(urls(&talk.on(Input::ResyncDue).sent), [SE]);
    assert!(talk.on(Input::ResyncDue).sent.is_empty());
    talk.on(Input::Disconnected);
    assert_eq!(talk.on(Input::Connected).sent.len(), COLLECTIONS.len());
}

#[test]
fn a_question_is_asked_each_time_and_its_answer_is_not_acknowledged() {
    let mut talk = Talk::connected();
    for topic in [Topic::Syncz, Topic::Syncz, Topic::Mesh] {
        let sent = talk.on(Input::Asked(topic)).sent;
        let [question] = sent.as_slice() else {
            panic!("{sent:?}")
        };
        assert_eq!(question.type_url, "istio.io/debug");
        assert_eq!(question.resource_names, [topic.name()]);
        assert_eq!(question.response_nonce, "");
        let json = Any {
            type_url: "istio.io/debug".to_owned(),
            value: b"[]".to_vec(),
        };
        let outcome = talk.answer("istio.io/debug", vec![json]);
        assert_eq!(outcome.told, [b"[]"]);
        assert!(outcome.sent.is_empty() && outcome.updates.is_empty());
    }
}
