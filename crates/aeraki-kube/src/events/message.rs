//! Events as Kubernetes has them.

use std::hash::{DefaultHasher, Hash, Hasher};

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

use super::CONTROLLER;
use super::notice::Notice;
use crate::kinds::Identity;

/// The longest name of an object, less a dot and a hash.
const LONGEST_STEM: usize = 253 - 17;

/// An Event's name: the object's, and a hash of what is said about it. The same news has the same name in every process.
pub(super) fn name(notice: &Notice, identity: &Identity) -> String {
    let mut hasher = DefaultHasher::new();
    (&identity.uid, notice.reason, &notice.note).hash(&mut hasher);
    let name = &notice.object.name;
    let stem = &name[..name.floor_char_boundary(LONGEST_STEM)];
    let stem = stem.trim_end_matches(['.', '-']);
    format!("{stem}.{:016x}", hasher.finish())
}

/// The Event, sent for the first time.
pub(super) fn event(notice: &Notice, identity: &Identity, instance: &str, now: Timestamp) -> Event {
    let namespace = Some(notice.object.namespace.to_string());
    let text = |text: &str| Some(text.to_owned());
    Event {
        metadata: ObjectMeta {
            name: Some(name(notice, identity)),
            namespace: namespace.clone(),
            ..ObjectMeta::default()
        },
        action: text("Reconcile"),
        event_time: Some(MicroTime(now)),
        note: text(&notice.note),
        reason: text(notice.reason),
        regarding: Some(ObjectReference {
            api_version: text(&identity.api_version),
            kind: text(notice.object.kind.name()),
            name: text(&notice.object.name),
            namespace,
            resource_version: text(&identity.resource_version)
                .filter(|version| !version.is_empty()),
            uid: text(&identity.uid),
            ..ObjectReference::default()
        }),
        reporting_controller: text(CONTROLLER),
        reporting_instance: text(instance),
        type_: text(if notice.is_warning {
            "Warning"
        } else {
            "Normal"
        }),
        ..Event::default()
    }
}

/// What says that the Event was true again.
pub(super) fn series(count: u32, now: Timestamp) -> Value {
    json!({"series": {"count": count.max(2), "lastObservedTime": MicroTime(now)}})
}

#[cfg(test)]
mod tests {
    use aeraki_core::object::{Kind, ObjectKey};

    use super::*;

    fn notice(name: &str, note: &str) -> Notice {
        Notice {
            is_warning: false,
            object: ObjectKey::new(Kind::SERVICE_ENTRY, "shop", name),
            reason: "ConfigProblem",
            note: note.to_owned(),
        }
    }

    fn identity(uid: &str) -> Identity {
        Identity {
            api_version: "networking.istio.io/v1".to_owned(),
            uid: uid.to_owned(),
            resource_version: String::new(),
        }
    }

    #[test]
    fn the_same_news_has_the_same_name_and_other_news_another() {
        let first = name(&notice("orders", "a"), &identity("u"));
        assert_eq!(first, name(&notice("orders", "a"), &identity("u")));
        assert_ne!(first, name(&notice("orders", "b"), &identity("u")));
        assert_ne!(
            first,
            name(&notice("orders", "a"), &identity("v")),
            "another object of that name"
        );
        assert!(first.starts_with("orders."));
    }

    #[test]
    fn a_name_is_never_too_long_and_has_no_empty_part() {
        for length in [1, 235, 236, 237, 253] {
            let long = format!("{}.{}", "a".repeat(234.min(length)), "b".repeat(length));
            let name = name(&notice(&long[..length], "a"), &identity("u"));
            assert!(name.len() <= 253 && !name.contains(".."), "{name}");
        }
    }

    #[test]
    fn an_event_points_at_the_very_object() {
        let event = event(
            &notice("orders", "a"),
            &identity("u"),
            "pod-1",
            Timestamp::UNIX_EPOCH,
        );
        let regarding = event.regarding.unwrap();
        assert_eq!(regarding.uid.as_deref(), Some("u"));
        assert_eq!(regarding.kind.as_deref(), Some("ServiceEntry"));
        assert_eq!(regarding.resource_version, None);
        assert_eq!(
            event.reporting_controller.as_deref(),
            Some("aeraki.net/controller")
        );
        assert_eq!(event.type_.as_deref(), Some("Normal"));
    }
}
