//! Which annotations are read, and what one that nobody reads may have been meant for.
//!
//! A mistyped annotation would otherwise be silent. Those without a prefix are anybody's, so they are only held against
//! what they nearly are, and only where a port makes them likely to be meant for us.

use crate::diagnostic::{Diagnostic, catalogue};
use crate::generator::annotation_field;
use crate::near_miss::closest;
use crate::object::ObjectKey;
use crate::registry::{Annotation, Registry};
use crate::route::extract::IGNORE_CASE;
use crate::service::WORKLOAD_SELECTOR;

/// The annotation by which an object's owner silences diagnostics about it.
pub const SUPPRESS: &str = "aeraki.net/suppress";

/// What stands in [`Annotation::on`] for objects of every kind.
const EVERY_KIND: &str = "every object";

/// Annotations that mean the same for every protocol.
pub static COMMON: &[Annotation] = &[
    Annotation {
        key: WORKLOAD_SELECTOR,
        on: "ServiceEntry",
        meaning: "the workloads behind the service, as `<label>:<value>`, or `<value>` for the label `app`; \
                  `spec.workloadSelector` goes before it",
    },
    Annotation {
        key: IGNORE_CASE,
        on: "VirtualService",
        meaning: "headers whose values match in any letter case, separated by commas; `*` is every header",
    },
    Annotation {
        key: SUPPRESS,
        on: EVERY_KIND,
        meaning: "codes that `analyze` does not report for the object, separated by commas; `*` is every code",
    },
];

/// The diagnostic that an annotation of `object` is read by nobody, if it looks like one of ours: by its prefix, or, with
/// `nearly` and without a prefix, by being nearly one.
#[must_use]
pub fn unread(
    registry: &Registry,
    object: &ObjectKey,
    key: &str,
    nearly: bool,
) -> Option<Diagnostic> {
    let known = || registry.annotations().chain(COMMON);
    let here = || known().filter(|one| stands_on(one, object.kind.name()));
    if here().any(|one| one.key == key) {
        return None;
    }
    let prefix = prefix(key);
    let candidates = here().filter(|one| self::prefix(one.key).is_some() == prefix.is_some());
    let meant = closest(key, candidates.map(|one| one.key));
    let is_likely = match prefix {
        Some(prefix) => is_ours(prefix, known()),
        None => nearly && meant.is_some(),
    };
    if !is_likely {
        return None;
    }
    let sentence = format!("nobody reads the annotation `{key}`");
    let diagnostic = Diagnostic::new(&catalogue::UNKNOWN_ANNOTATION, object, sentence);
    let diagnostic = diagnostic.at(annotation_field(key));
    let elsewhere = known().find(|one| one.key == key);
    Some(match (elsewhere, meant) {
        (Some(one), _) => diagnostic.help(format!("it is read on {}", one.on)),
        (None, Some(meant)) => diagnostic.help(format!("did you mean `{meant}`?")),
        (None, None) => diagnostic,
    })
}

fn stands_on(annotation: &Annotation, kind: &str) -> bool {
    annotation.on == EVERY_KIND || annotation.on.split(", ").any(|on| on == kind)
}

fn prefix(key: &str) -> Option<&str> {
    key.split_once('/').map(|(prefix, _)| prefix)
}

/// Whether nobody but us would use a prefix.
fn is_ours(wanted: &str, mut known: impl Iterator<Item = &'static Annotation>) -> bool {
    wanted.ends_with(".aeraki.io") || known.any(|one| prefix(one.key) == Some(wanted))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::draft::FilterDraft;
    use crate::generator::{GenerateError, Generator, ServiceContext};
    use crate::object::Kind;
    use crate::protocol::Protocol;
    use crate::registry::Registration;

    struct Silent;

    impl Generator for Silent {
        fn generate(&self, _: &ServiceContext<'_>) -> Result<Vec<FilterDraft>, GenerateError> {
            Ok(Vec::new())
        }
    }

    const ON: &str = "ServiceEntry, Service";
    static PLAIN: Registration =
        Registration::new(Protocol::Custom("plain"), &Silent).annotations(&[
            Annotation {
                key: "interface",
                on: ON,
                meaning: "",
            },
            Annotation {
                key: "plain.example/group",
                on: ON,
                meaning: "",
            },
        ]);

    #[rstest]
    #[case::known("interface", None)]
    #[case::known_with_prefix("plain.example/group", None)]
    #[case::common("workloadSelector", None)]
    #[case::of_every_kind("aeraki.net/suppress", None)]
    #[case::slip("intreface", Some("did you mean `interface`?"))]
    #[case::slip_in_a_common_one("workloadselector", Some("did you mean `workloadSelector`?"))]
    #[case::slip_behind_the_prefix(
        "plain.example/grop",
        Some("did you mean `plain.example/group`?")
    )]
    #[case::slip_under_our_prefix(
        "aeraki.net/supress",
        Some("did you mean `aeraki.net/suppress`?")
    )]
    #[case::unknown_under_our_prefix("aeraki.net/colour", Some(""))]
    #[case::of_a_protocol_that_is_not_here("mqtt.aeraki.io/depth", Some(""))]
    #[case::somebody_elses("example.com/group", None)]
    #[case::far_from_ours("description", None)]
    #[case::empty("", None)]
    #[case::no_name("/", None)]
    fn an_annotation_is_reported_if_it_looks_like_ours(
        #[case] key: &str,
        #[case] help: Option<&str>,
    ) {
        let registry = Registry::of([&PLAIN]).unwrap();
        let object = ObjectKey::new(Kind::SERVICE_ENTRY, "a", "b");
        let found = unread(&registry, &object, key, true);
        assert_eq!(
            found.map(|found| found.help.unwrap_or_default()).as_deref(),
            help
        );
    }

    #[test]
    fn one_that_stands_on_the_wrong_kind_is_told_where_it_belongs() {
        let registry = Registry::of([&PLAIN]).unwrap();
        let object = ObjectKey::new(Kind::VIRTUAL_SERVICE, "a", "b");
        let found = unread(&registry, &object, "plain.example/group", false).unwrap();
        assert_eq!(
            found.help.as_deref(),
            Some("it is read on ServiceEntry, Service")
        );
    }

    #[test]
    fn without_a_prefix_a_near_miss_counts_only_where_it_is_likely() {
        let registry = Registry::of([&PLAIN]).unwrap();
        let object = ObjectKey::new(Kind::SERVICE, "a", "b");
        assert!(unread(&registry, &object, "intreface", false).is_none());
    }
}
