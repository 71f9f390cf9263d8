//! What an Event says, and about which object.

use std::collections::BTreeMap;

use aeraki_core::diagnostic::{Code, Diagnostic, Severity};
use aeraki_core::object::ObjectKey;
use aeraki_core::registry::Registry;

use super::reason;

/// What an Event says about an object.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Notice {
    /// Whether it is news of something that is wrong: an Event of type Warning. Others are Normal.
    pub is_warning: bool,
    /// The object.
    pub object: ObjectKey,
    /// One of a short list of words.
    pub reason: &'static str,
    /// What there is to say, in sentences.
    pub note: String,
}

/// The API server refuses longer notes.
const LONGEST_NOTE: usize = 1024;

impl Notice {
    /// A diagnostic, and what to do about it.
    fn of(diagnostic: &Diagnostic, help: &str) -> Self {
        let Diagnostic {
            code,
            field,
            message,
            ..
        } = diagnostic;
        let place = match field.as_str() {
            "" => String::new(),
            field => format!("{field}: "),
        };
        Self {
            is_warning: true,
            object: diagnostic.object.clone(),
            reason: reason::of_code(code),
            note: cut(format!("{code}: {place}{message}. {help}")),
        }
    }
}

/// Makes notices of diagnostics.
#[derive(Clone, Debug)]
pub struct Notices {
    remedies: BTreeMap<&'static str, &'static str>,
}

impl Notices {
    /// With what the codes of this binary say to do.
    #[must_use]
    pub fn new(registry: &Registry) -> Self {
        let remedy = |code: &'static Code| (code.id, code.remedy);
        Self {
            remedies: registry.codes().map(remedy).collect(),
        }
    }

    /// What to do about it: as it says itself, else as its code says.
    #[must_use]
    pub fn help<'a>(&'a self, diagnostic: &'a Diagnostic) -> &'a str {
        let of_code = || self.remedies.get(diagnostic.code).copied();
        let help = diagnostic.help.as_deref().or_else(of_code);
        help.unwrap_or_default()
    }

    /// The notices of all warnings and errors.
    pub fn of<'a>(&self, diagnostics: impl IntoIterator<Item = &'a Diagnostic>) -> Vec<Notice> {
        let all = diagnostics.into_iter();
        all.filter(|one| one.severity >= Severity::Warning)
            .map(|one| Notice::of(one, self.help(one)))
            .collect()
    }
}

fn cut(mut note: String) -> String {
    if note.len() > LONGEST_NOTE {
        let end = note.floor_char_boundary(LONGEST_NOTE - '…'.len_utf8());
        note.truncate(end);
        note.push('…');
    }
    note
}

#[cfg(test)]
mod tests {
    use aeraki_core::diagnostic::catalogue;
    use aeraki_core::object::Kind;

    use super::*;

    fn diagnostic() -> Diagnostic {
        let key = ObjectKey::new(Kind::SERVICE_ENTRY, "shop", "orders");
        Diagnostic::new(&catalogue::UNKNOWN_PROTOCOL, &key, "`dubo` is no protocol")
            .at("spec.ports[0].name")
    }

    fn notices(diagnostic: &Diagnostic) -> Vec<Notice> {
        Notices::new(&Registry::default()).of([diagnostic])
    }

    #[test]
    fn a_notice_carries_code_place_sentence_and_remedy() {
        let remedy = catalogue::UNKNOWN_PROTOCOL.remedy;
        let [notice] = &notices(&diagnostic())[..] else {
            panic!("one notice");
        };
        assert_eq!(
            notice.note,
            format!("AER0101: spec.ports[0].name: `dubo` is no protocol. {remedy}")
        );
        assert_eq!(notice.reason, "ProtocolUnsupported");
        assert!(notice.is_warning);
    }

    #[test]
    fn what_a_diagnostic_says_to_do_goes_before_what_its_code_says() {
        let notices = notices(&diagnostic().help("did you mean `dubbo`?"));
        assert!(
            notices[0]
                .note
                .ends_with("is no protocol. did you mean `dubbo`?")
        );
    }

    #[test]
    fn what_is_only_good_to_know_is_no_event() {
        assert_eq!(notices(&diagnostic().severity(Severity::Info)), []);
    }

    #[test]
    fn a_long_note_is_cut_between_characters() {
        for length in 900..1000 {
            let help = format!("{}{}", "x".repeat(length), "ü".repeat(40));
            let [notice] = &notices(&diagnostic().help(help))[..] else {
                panic!("one notice");
            };
            let note = &notice.note;
            assert!(note.len() <= LONGEST_NOTE && note.ends_with('…'));
        }
    }
}
