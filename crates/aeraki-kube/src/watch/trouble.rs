//! Why a kind cannot be read just now, in words for those who can mend it.

use aeraki_core::diagnostic::{Diagnostic, Severity, catalogue};
use kube::Error;
use kube::core::ApiResource;

use crate::kinds::WantedKind;

/// Why a request came to nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    /// The API server, or the way to it.
    #[error(transparent)]
    Request(#[from] Error),
    /// No answer in time.
    #[error("the API server did not answer in time")]
    Late,
    /// An answer that is not what was asked for.
    #[error("the API server's answer cannot be read")]
    Answer(#[from] serde_json::Error),
    /// A list without a place in history.
    #[error("the API server's list lacks a resourceVersion")]
    NoRevision,
    /// A list that is older than what has been seen.
    #[error("the API server's list is older than what it told before")]
    Stale,
}

impl Trouble {
    /// Whether the history that was asked for is gone: only a new list helps.
    pub(crate) fn is_gone(&self) -> bool {
        self.code() == Some(410)
    }

    /// Whether it is only that the way to the server broke.
    pub(crate) fn is_connection(&self) -> bool {
        !matches!(self, Self::Request(Error::Api(_)) | Self::Answer(_))
    }

    fn code(&self) -> Option<u16> {
        match self {
            Self::Request(Error::Api(status)) => Some(status.code),
            _ => None,
        }
    }

    /// The problem, as people see it.
    pub(crate) fn report(&self, wanted: &WantedKind, resource: Option<&ApiResource>) -> Diagnostic {
        let key = wanted.all_objects();
        let sentence = format!("{} cannot be read: {}", wanted.kind(), self.sentence());
        let diagnostic = Diagnostic::new(&catalogue::UNLISTED_KIND, &key, sentence);
        match (self.code(), resource) {
            (Some(403), Some(resource)) => diagnostic.help(grant(wanted, resource)),
            (Some(429), _) => diagnostic
                .severity(Severity::Warning)
                .help("nothing: the API server asks for patience, and is asked again"),
            _ => diagnostic,
        }
    }

    /// The error and what it comes from: transport errors say what matters at their end.
    pub(crate) fn sentence(&self) -> String {
        if let Self::Request(Error::Api(status)) = self {
            return status.message.clone();
        }
        chain(self)
    }
}

/// An error and what it comes from, each word once.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut sentence = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let text = error.to_string();
        if !sentence.ends_with(&text) {
            sentence = format!("{sentence}: {text}");
        }
        source = error.source();
    }
    sentence
}

/// The server that lacks the kind.
pub(crate) fn unserved(wanted: &WantedKind) -> Diagnostic {
    let versions = wanted.versions().join(", ");
    let sentence = format!("the API server has no {} ({versions})", wanted.kind());
    Diagnostic::new(&catalogue::UNSERVED_KIND, &wanted.all_objects(), sentence)
}

/// The server that no longer has a kind of which objects are known.
pub(crate) fn vanished(wanted: &WantedKind) -> Diagnostic {
    let sentence = format!("the API server no longer has {}", wanted.kind());
    Diagnostic::new(&catalogue::UNLISTED_KIND, &wanted.all_objects(), sentence)
        .help("its objects count as they were last seen until the server says so again")
}

fn grant(wanted: &WantedKind, resource: &ApiResource) -> String {
    let group = if resource.group.is_empty() {
        String::new()
    } else {
        format!(".{}", resource.group)
    };
    let within = wanted.namespace();
    let within = within.map_or_else(String::new, |namespace| {
        format!(" in namespace {namespace}")
    });
    format!(
        "grant the verbs list and watch on {}{group}{within}",
        resource.plural
    )
}

#[cfg(test)]
mod tests {
    use aeraki_core::object::Kind;
    use kube::core::{GroupVersionKind, Status};

    use super::*;
    use crate::kinds::WantedKind;

    fn redis() -> (WantedKind, ApiResource) {
        let wanted =
            WantedKind::beside_istiod(&aeraki_core::registry::Registry::default()).swap_remove(0);
        let gvk = GroupVersionKind::gvk(Kind::SERVICE_ENTRY.group(), "v1", "ServiceEntry");
        (
            wanted,
            ApiResource::from_gvk_with_plural(&gvk, "serviceentries"),
        )
    }

    #[test]
    fn a_refusal_says_which_verbs_are_missing() {
        let (wanted, resource) = redis();
        let status = Status::failure("cannot list", "Forbidden").with_code(403);
        let trouble = Trouble::Request(Error::Api(status.boxed()));
        let report = trouble.report(&wanted, Some(&resource));
        assert_eq!(report.message, "ServiceEntry cannot be read: cannot list");
        assert_eq!(
            report.help.as_deref(),
            Some("grant the verbs list and watch on serviceentries.networking.istio.io")
        );
    }

    #[test]
    fn an_answer_is_told_from_a_broken_connection() {
        let api = |code| {
            let status = Status::failure("no", "Reason").with_code(code);
            Trouble::Request(Error::Api(status.boxed()))
        };
        assert!(api(410).is_gone() && !api(404).is_gone());
        assert!(!api(500).is_connection());
        assert!(Trouble::Late.is_connection());
    }
}
