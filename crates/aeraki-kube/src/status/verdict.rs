//! Whether an object is accepted and whether it has taken effect, from what is wrong with it and what was made of it.

use std::collections::BTreeMap;

use aeraki_core::diagnostic::{Diagnostic, Severity};
use aeraki_core::object::{Kind, ObjectKey};
use aeraki_core::{Content, SOURCE_ANNOTATION, reference};

use crate::events;

/// A condition's state and why.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// Whether it holds.
    pub holds: bool,
    /// One word, for programs.
    pub reason: &'static str,
    /// A sentence, for people.
    pub message: String,
}

/// What there is to say of an object.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Verdict {
    /// The object can be used, and is.
    pub accepted: Finding,
    /// All that was made of it stands at the API server.
    pub programmed: Finding,
}

/// What was made of an object.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Output {
    /// EnvoyFilters that it went into.
    pub made: usize,
    /// Those of them that do not stand at the API server yet as they should.
    pub pending: usize,
}

/// What was made of each object.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outputs {
    kinds: Vec<String>,
    by_source: BTreeMap<String, Output>,
}

impl Outputs {
    /// Nothing yet; only objects of these kinds will be counted.
    #[must_use]
    pub fn new(kinds: impl IntoIterator<Item = Kind>) -> Self {
        let start = |kind: Kind| format!("{}/", kind.name());
        Self {
            kinds: kinds.into_iter().map(start).collect(),
            by_source: BTreeMap::new(),
        }
    }

    /// Counts an EnvoyFilter that is wanted, and whether it stands at the API server like this.
    pub fn count(&mut self, wanted: &Content, is_there: bool) {
        let sources = wanted.annotation(SOURCE_ANNOTATION).unwrap_or_default();
        let is_counted = |source: &&str| self.kinds.iter().any(|kind| source.starts_with(kind));
        for source in sources.split(',').filter(is_counted) {
            let output = self.by_source.entry(source.to_owned()).or_default();
            output.made += 1;
            output.pending += usize::from(!is_there);
        }
    }

    /// What was made of the object.
    #[must_use]
    pub fn of(&self, key: &ObjectKey) -> Output {
        self.by_source
            .get(&reference(key))
            .copied()
            .unwrap_or_default()
    }
}

impl Verdict {
    /// What there is to say of an object with these diagnostics, of which this was made.
    ///
    /// An error refuses it. A warning does where nothing came of the object: then that is why.
    pub fn of<'a>(diagnostics: impl IntoIterator<Item = &'a Diagnostic>, output: Output) -> Self {
        let mut worst: Vec<&Diagnostic> = diagnostics
            .into_iter()
            .filter(|one| one.severity >= Severity::Warning)
            .collect();
        worst.sort_by(|a, b| b.severity.cmp(&a.severity).then_with(|| a.cmp(b)));
        let refusal = worst
            .first()
            .filter(|first| first.severity == Severity::Error || output.made == 0);
        Self {
            accepted: match refusal {
                Some(first) => no(events::of_code(first.code), sentences(&worst)),
                None if worst.is_empty() => yes("Accepted", "nothing is wrong with it"),
                None => yes("Accepted", sentences(&worst)),
            },
            programmed: programmed(output, refusal.is_some()),
        }
    }
}

fn programmed(output: Output, is_refused: bool) -> Finding {
    match output {
        Output { made: 0, .. } if is_refused => no("NotAccepted", "it is not used"),
        Output { made: 0, .. } => no("NotUsed", "no service makes use of it"),
        Output { pending: 0, .. } if is_refused => no(
            "NotAccepted",
            "the EnvoyFilters made of its last good state stay",
        ),
        Output { made, pending: 0 } => {
            yes("Programmed", format!("{made} EnvoyFilters are written"))
        }
        Output { .. } => no("Pending", "EnvoyFilters are still to be written"),
    }
}

fn yes(reason: &'static str, message: impl Into<String>) -> Finding {
    let message = message.into();
    Finding {
        holds: true,
        reason,
        message,
    }
}

fn no(reason: &'static str, message: impl Into<String>) -> Finding {
    Finding {
        holds: false,
        ..yes(reason, message)
    }
}

/// So many diagnostics stand in a condition's message.
const SHOWN: usize = 3;

fn sentences(diagnostics: &[&Diagnostic]) -> String {
    let mut text: Vec<String> = diagnostics
        .iter()
        .take(SHOWN)
        .map(|one| sentence(one))
        .collect();
    if diagnostics.len() > SHOWN {
        text.push(format!("and {} more", diagnostics.len() - SHOWN));
    }
    text.join("; ")
}

fn sentence(diagnostic: &Diagnostic) -> String {
    let Diagnostic {
        code,
        field,
        message,
        ..
    } = diagnostic;
    match field.as_str() {
        "" => format!("{code}: {message}"),
        field => format!("{code}: {field}: {message}"),
    }
}

#[cfg(test)]
mod tests {
    use aeraki_core::diagnostic::catalogue;
    use rstest::rstest;

    use super::*;

    const KIND: Kind = Kind::new("redis.aeraki.io", "RedisService");

    fn diagnostic(severity: Severity) -> Diagnostic {
        let key = ObjectKey::new(KIND, "shop", "cache");
        Diagnostic::new(&catalogue::IDLE_RULE, &key, "odd").severity(severity)
    }

    #[rstest]
    #[case::all_is_well(&[], (2, 0), (true, "Accepted"), (true, "Programmed"))]
    #[case::being_written(&[], (2, 1), (true, "Accepted"), (false, "Pending"))]
    #[case::of_no_use(&[], (0, 0), (true, "Accepted"), (false, "NotUsed"))]
    #[case::good_to_know(&[Severity::Info], (1, 0), (true, "Accepted"), (true, "Programmed"))]
    #[case::used_in_part(&[Severity::Warning], (1, 0), (true, "Accepted"), (true, "Programmed"))]
    #[case::without_effect(&[Severity::Warning], (0, 0), (false, "InvalidRoute"), (false, "NotAccepted"))]
    #[case::refused(&[Severity::Error], (0, 0), (false, "InvalidRoute"), (false, "NotAccepted"))]
    #[case::held(&[Severity::Warning, Severity::Error], (1, 0), (false, "InvalidRoute"), (false, "NotAccepted"))]
    fn a_verdict_follows_from_what_is_wrong_and_what_was_made(
        #[case] severities: &[Severity],
        #[case] (made, pending): (usize, usize),
        #[case] accepted: (bool, &str),
        #[case] programmed: (bool, &str),
    ) {
        let diagnostics: Vec<_> = severities.iter().map(|one| diagnostic(*one)).collect();
        let verdict = Verdict::of(&diagnostics, Output { made, pending });
        let short = |finding: &Finding| (finding.holds, finding.reason);
        assert_eq!(short(&verdict.accepted), accepted);
        assert_eq!(short(&verdict.programmed), programmed);
    }

    #[test]
    fn errors_are_said_first_and_not_too_many() {
        let mut all = vec![diagnostic(Severity::Warning); 4];
        all.push(diagnostic(Severity::Error).at("spec.host"));
        let message = Verdict::of(&all, Output::default()).accepted.message;
        assert_eq!(
            message,
            "AER0208: spec.host: odd; AER0208: odd; AER0208: odd; and 2 more"
        );
    }

    #[test]
    fn an_output_counts_for_each_of_its_sources_of_the_kinds_asked_for() {
        use aeraki_api::Cr;
        use aeraki_api::networking::EnvoyFilter;
        let content = |sources: &str| {
            let mut object: Cr<EnvoyFilter> = Cr::new("f", "shop", EnvoyFilter::default());
            let annotation = (SOURCE_ANNOTATION.to_owned(), sources.to_owned());
            object.metadata.annotations.extend([annotation]);
            Content::of(&object)
        };
        let key = |name: &str| ObjectKey::new(KIND, "shop", name);
        let mut outputs = Outputs::new([KIND]);
        outputs.count(&content("RedisService/shop/a,ServiceEntry/shop/a"), true);
        outputs.count(&content("RedisService/shop/a,RedisService/shop/b"), false);
        assert_eq!(
            outputs.of(&key("a")),
            Output {
                made: 2,
                pending: 1
            }
        );
        assert_eq!(
            outputs.of(&key("b")),
            Output {
                made: 1,
                pending: 1
            }
        );
        assert_eq!(outputs.of(&key("c")), Output::default());
        assert_eq!(
            outputs.by_source.len(),
            2,
            "the ServiceEntry is not counted"
        );
    }
}
