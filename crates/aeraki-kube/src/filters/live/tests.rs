use rstest::rstest;
use serde_json::{Value, json};

use super::*;

const UID: &str = "00f0a4c2-0e3d-4b8e-9d53-1a2b3c4d5e6f";
const NAME: &str = "aeraki-outbound-a";

fn key() -> FilterKey {
    FilterKey {
        namespace: "shop".into(),
        name: NAME.into(),
    }
}

fn live(metadata: &Value, spec: &Value) -> Decoded {
    let mut object = json!({
        "metadata": {"name": NAME, "namespace": "shop", "uid": UID, "resourceVersion": "41",
            "creationTimestamp": "2024-01-02T03:04:05Z"},
        "spec": spec,
    });
    for (field, value) in metadata.as_object().expect("fields") {
        object["metadata"][field] = value.clone();
    }
    Decoded::read(&object.to_string()).expect("an object")
}

fn wanted(priority: i32) -> Content {
    let object = json!({
        "metadata": {"labels": {"manager": "Aeraki"}, "annotations": {"aeraki.net/service": "a"}},
        "spec": {"priority": priority},
    });
    Content::of(&serde_json::from_value(object).expect("an EnvoyFilter"))
}

#[rstest]
#[case::made_by_us(json!({"labels": {"manager": "Aeraki"}, "managedFields": [{"manager": "aeraki"}]}), true)]
#[case::made_by_go(json!({"labels": {"manager": "Aeraki"}, "managedFields": [{"manager": "Aeraki"}]}), true)]
#[case::restored(json!({"labels": {"manager": "Aeraki"}, "annotations": {"aeraki.net/service": "x"}}), true)]
#[case::edited_by_hand(json!({"labels": {"manager": "Aeraki"}, "managedFields": [{"manager": "kubectl"}, {"manager": "aeraki"}]}), true)]
#[case::label_and_name_alone(json!({"labels": {"manager": "Aeraki"}, "managedFields": [{"manager": "kubectl"}]}), false)]
#[case::without_label(json!({"managedFields": [{"manager": "aeraki"}]}), false)]
#[case::other_name(json!({"name": "mine", "labels": {"manager": "Aeraki"}, "managedFields": [{"manager": "aeraki"}]}), false)]
fn what_is_ours_is_told_by_label_name_and_writer(#[case] metadata: Value, #[case] is_ours: bool) {
    let object = live(&metadata, &json!({}));
    assert_eq!(object.live.is_ours, is_ours);
    assert!(is_ours || object.content == Content::default());
}

#[test]
fn a_replacement_has_our_words_and_keeps_those_of_others() {
    let object = live(
        &json!({
            "labels": {"manager": "Aeraki", "team": "shop", "aeraki.net/protocol": "old"},
            "annotations": {"aeraki.net/service": "old", "note": "mine"},
            "ownerReferences": [{"uid": "x"}],
            "finalizers": ["example.com/wait"],
            "managedFields": [{"manager": "aeraki", "fieldsV1": {"f:spec": {}}}],
        }),
        &json!({"priority": 1, "configPatches": [{"applyTo": "CLUSTER"}]}),
    );
    let replacement = object.live.replacement(&key(), &wanted(7));
    let replacement: Value = serde_json::from_str(&replacement).expect("JSON");
    assert_eq!(
        replacement,
        json!({
            "apiVersion": "networking.istio.io/v1alpha3", "kind": "EnvoyFilter",
            "metadata": {
                "name": NAME, "namespace": "shop", "uid": UID, "resourceVersion": "41",
                "labels": {"manager": "Aeraki", "team": "shop"},
                "annotations": {"aeraki.net/service": "a", "note": "mine"},
                "ownerReferences": [{"uid": "x"}],
                "finalizers": ["example.com/wait"],
            },
            "spec": {"priority": 7},
        })
    );
}

#[test]
fn an_object_says_what_is_wanted_whatever_others_put_on_it() {
    let metadata = json!({
        "labels": {"manager": "Aeraki", "team": "shop"},
        "annotations": {"aeraki.net/service": "a", "note": "mine"},
    });
    let object = live(&metadata, &json!({"priority": 7}));
    assert!(object.live.says(&wanted(7)));
    assert!(!object.live.says(&wanted(8)));
    let mut stale = metadata;
    stale["annotations"]["aeraki.net/source"] = json!("old");
    assert!(!live(&stale, &json!({"priority": 7})).live.says(&wanted(7)));
}

#[test]
fn what_is_written_reads_back_as_wanted() {
    let text = creation(&key(), &wanted(7));
    let mut object: Value = serde_json::from_str(&text).expect("JSON");
    object["metadata"]["uid"] = json!(UID);
    let object = Decoded::read(&object.to_string()).expect("an object");
    assert_eq!(object.key, key());
    assert!(object.live.says(&wanted(7)));
    assert!(!object.content.differs_from(&wanted(7)));
}

#[test]
fn a_spec_of_ours_that_cannot_be_read_counts_as_an_empty_one() {
    let metadata =
        json!({"labels": {"manager": "Aeraki"}, "managedFields": [{"manager": "aeraki"}]});
    let object = live(&metadata, &json!({"configPatches": "none"}));
    assert!(object.live.is_ours && object.live.touches.is_empty());
    assert!(object.content.differs_from(&wanted(0)));
}

#[test]
fn an_object_that_only_waits_for_its_finalizers_is_known() {
    let ending = json!({"deletionTimestamp": "2024-01-02T03:04:05Z"});
    assert!(live(&ending, &json!({})).live.is_ending);
    assert!(!live(&json!({}), &json!({})).live.is_ending);
}

#[rstest]
#[case::no_name(json!({"uid": UID}))]
#[case::no_uid(json!({"name": "a"}))]
#[case::odd_uid(json!({"name": "a", "uid": "7"}))]
fn an_object_without_name_or_identity_is_none(#[case] metadata: Value) {
    let text = json!({"metadata": metadata}).to_string();
    assert!(Glance::read(&text).is_err() && Decoded::read(&text).is_err());
}
