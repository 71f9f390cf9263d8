//! Why an EnvoyFilter could not be written, in words for those who can mend it.

use std::fmt;
use std::time::Duration;

use aeraki_core::FilterKey;
use kube::core::Status;

use super::intent::Verb;
use super::queue::Setback;
use super::wire::Answer;
use crate::watch::backoff;
use crate::watch::trouble;

/// The longest pause where only a change of the object, or of the rules for it, can mend it.
const REFUSED: Duration = Duration::from_secs(60);

/// No more of what the API server says.
const LONGEST_MESSAGE: usize = 600;

/// What kind of thing went wrong.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub enum Reason {
    /// No way to the API server.
    Unreachable,
    /// No answer in time.
    Late,
    /// The API server failed (5xx), or a webhook that it asks.
    Unavailable,
    /// Too many requests (429).
    Throttled,
    /// It does not know us (401).
    Unauthorized,
    /// We lack a verb (403).
    Forbidden,
    /// The API server has no EnvoyFilters.
    NoKind,
    /// The namespace is not there, or about to go.
    NoNamespace,
    /// The API server or a policy refuses this object.
    Rejected,
    /// Others write it at the same time, again and again.
    Conflict,
    /// An object of this name is there and not ours.
    Foreign,
    /// What the API server answered cannot be read.
    Unreadable,
}

impl Reason {
    /// A name for labels.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Late => "late",
            Self::Unavailable => "unavailable",
            Self::Throttled => "throttled",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::NoKind => "no_kind",
            Self::NoNamespace => "no_namespace",
            Self::Rejected => "rejected",
            Self::Conflict => "conflict",
            Self::Foreign => "foreign",
            Self::Unreadable => "unreadable",
        }
    }

    /// Whether it is not about one object, but about the API server or our rights.
    fn is_common(self) -> bool {
        !matches!(
            self,
            Self::NoNamespace | Self::Rejected | Self::Conflict | Self::Foreign
        )
    }

    /// Whether a single such failure is nothing to tell people of: the next try may well succeed.
    pub(super) fn is_passing(self) -> bool {
        matches!(
            self,
            Self::Unreachable
                | Self::Late
                | Self::Unavailable
                | Self::Throttled
                | Self::Conflict
                | Self::Unreadable
        )
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why an EnvoyFilter could not be written.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// What kind of thing went wrong.
    pub reason: Reason,
    /// The HTTP status, if there was an answer.
    pub code: Option<u16>,
    /// What went wrong: a sentence without a full stop.
    pub message: String,
    /// What mends it, if that is known.
    pub help: Option<String>,
    /// When it is tried again; never before the planner says something new if there is no such time.
    pub again: Option<Duration>,
    /// How long the API server asks to wait.
    pub rest: Option<Duration>,
}

/// What several failures have in common: it is logged once.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Trouble {
    pub(super) reason: Reason,
    /// The verb, the namespace or the object, where it is about that.
    pub(super) about: Option<String>,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.about {
            Some(about) => write!(f, "{} ({about})", self.reason),
            None => self.reason.fmt(f),
        }
    }
}

impl Failure {
    /// Whether it is about this one object, as a refusal of it is. What is common to all objects (no way to the API
    /// server, a right that we lack) would be the same news once for each of them.
    #[must_use]
    pub fn is_own(&self) -> bool {
        !self.reason.is_common()
    }

    fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            reason,
            code: None,
            message: message.into(),
            help: None,
            again: None,
            rest: None,
        }
    }

    /// No answer in time.
    pub(super) fn late() -> Self {
        Self::new(
            Reason::Late,
            "the API server did not answer in time; it, or a webhook that it asks, is slow",
        )
    }

    /// No answer at all, or half of one.
    pub(super) fn unreachable(error: &kube::Error) -> Self {
        Self::new(Reason::Unreachable, trouble::chain(error))
    }

    /// An object of the name is there, and it is not ours.
    pub(super) fn foreign() -> Self {
        let help = "rename that EnvoyFilter, or delete it";
        let message = "an EnvoyFilter of this name is there and was not made by Aeraki";
        Self {
            help: Some(help.to_owned()),
            ..Self::new(Reason::Foreign, message)
        }
    }

    /// It was written by others whenever we tried.
    pub(super) fn conflict(answer: &Answer) -> Self {
        Self {
            code: Some(409),
            ..Self::new(
                Reason::Conflict,
                format!(
                    "others write it at the same time: {}",
                    sentence(answer, &answer.status())
                ),
            )
        }
    }

    /// A good answer that is none.
    pub(super) fn unreadable(error: impl fmt::Display) -> Self {
        let message = format!("the API server's answer cannot be read: {error}");
        Self::new(Reason::Unreadable, message)
    }

    /// An answer that is not what was asked for. `verb` is as RBAC names it.
    pub(super) fn refused(verb: &str, key: &FilterKey, answer: &Answer) -> Self {
        let status = answer.status();
        let reason = reason(verb, answer.code, &status);
        Self {
            code: Some(answer.code),
            help: help(reason, verb, key),
            rest: answer.rest(&status),
            ..Self::new(reason, sentence(answer, &status))
        }
    }

    /// What it has in common with others.
    pub(super) fn trouble(&self, key: &FilterKey, verb: Verb) -> Trouble {
        let about = match self.reason {
            Reason::Forbidden => Some(verb.to_string()),
            Reason::NoNamespace => Some(key.namespace.to_string()),
            reason if reason.is_common() => None,
            _ => Some(key.to_string()),
        };
        let reason = self.reason;
        Trouble { reason, about }
    }

    /// What decides when to try again.
    pub(super) fn setback(&self, key: &FilterKey, verb: Verb) -> Setback {
        let is_mendable = matches!(self.reason, Reason::Rejected | Reason::NoNamespace);
        Setback {
            trouble: self.trouble(key, verb),
            is_common: self.reason.is_common(),
            longest: if is_mendable {
                REFUSED
            } else {
                backoff::LONGEST
            },
            rest: self.rest,
        }
    }
}

fn reason(verb: &str, code: u16, status: &Status) -> Reason {
    match code {
        401 => Reason::Unauthorized,
        403 if lacks_right(verb, &status.message) => Reason::Forbidden,
        403 | 404 if is_about_namespace(status) => Reason::NoNamespace,
        404 => Reason::NoKind,
        409 => Reason::Conflict,
        408 | 429 => Reason::Throttled,
        400..=499 => Reason::Rejected,
        _ => Reason::Unavailable,
    }
}

/// Whether we lack a right, and it is not a policy, a quota or a webhook that refuses this object. Nothing but the words
/// tells one from the other.
fn lacks_right(verb: &str, message: &str) -> bool {
    let is_admission = ["is forbidden", "denied the request"];
    message.contains(&format!("cannot {verb} resource"))
        || !is_admission.iter().any(|words| message.contains(words))
}

/// Whether the namespace is missing, or ends and takes in nothing new.
fn is_about_namespace(status: &Status) -> bool {
    let Some(details) = &status.details else {
        return false;
    };
    let mut causes = details.causes.iter();
    details.kind == "namespaces" || causes.any(|cause| cause.reason == "NamespaceTerminating")
}

fn sentence(answer: &Answer, status: &Status) -> String {
    let told = if status.message.is_empty() {
        format!("the API server answered with status {}", answer.code)
    } else {
        status.message.clone()
    };
    if told.chars().count() > LONGEST_MESSAGE {
        let start: String = told.chars().take(LONGEST_MESSAGE).collect();
        return format!("{start} …");
    }
    told
}

fn help(reason: Reason, verb: &str, key: &FilterKey) -> Option<String> {
    let namespace = &key.namespace;
    match reason {
        Reason::Forbidden => Some(format!(
            "grant the verb {verb} on envoyfilters.networking.istio.io in the namespace {namespace}"
        )),
        Reason::NoKind => Some("install Istio's CustomResourceDefinitions".to_owned()),
        Reason::NoNamespace => Some(format!("create the namespace {namespace}")),
        Reason::Unauthorized => Some(
            "the token or certificate is not valid any more: renew it, or check the kubeconfig"
                .to_owned(),
        ),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use rstest::rstest;

    use super::*;

    fn key() -> FilterKey {
        FilterKey {
            namespace: "shop".into(),
            name: "aeraki-outbound-a".into(),
        }
    }

    fn refused(verb: &str, code: u16, body: &str) -> Failure {
        let answer = Answer::new(code, HeaderMap::new(), body.to_owned());
        Failure::refused(verb, &key(), &answer)
    }

    const RBAC: &str = r#"{"message": "envoyfilters.networking.istio.io is forbidden: User \"u\" cannot create resource \"envoyfilters\" in API group \"networking.istio.io\" in the namespace \"shop\"", "code": 403}"#;
    const QUOTA: &str = r#"{"message": "envoyfilters.networking.istio.io \"a\" is forbidden: exceeded quota", "code": 403}"#;
    const WEBHOOK: &str =
        r#"{"message": "admission webhook \"policy.example.com\" denied the request: no"}"#;
    const ENDING: &str = r#"{"message": "envoyfilters \"a\" is forbidden: the namespace is being terminated", "details": {"causes": [{"reason": "NamespaceTerminating", "message": "", "field": "metadata.namespace"}]}}"#;
    const NO_NAMESPACE: &str = r#"{"message": "namespaces \"shop\" not found", "details": {"name": "shop", "kind": "namespaces"}}"#;

    #[rstest]
    #[case(401, "{}", Reason::Unauthorized)]
    #[case::rights(403, RBAC, Reason::Forbidden)]
    #[case::quota(403, QUOTA, Reason::Rejected)]
    #[case::webhook(403, WEBHOOK, Reason::Rejected)]
    #[case::ending_namespace(403, ENDING, Reason::NoNamespace)]
    #[case::missing_namespace(404, NO_NAMESPACE, Reason::NoNamespace)]
    #[case::missing_definition(404, "404 page not found", Reason::NoKind)]
    #[case(422, "{}", Reason::Rejected)]
    #[case(429, "{}", Reason::Throttled)]
    #[case(500, "{}", Reason::Unavailable)]
    #[case(504, "gateway", Reason::Unavailable)]
    fn an_answer_tells_its_reason(#[case] code: u16, #[case] body: &str, #[case] expected: Reason) {
        assert_eq!(refused("create", code, body).reason, expected);
    }

    #[test]
    fn a_missing_right_is_named() {
        let failure = refused("create", 403, RBAC);
        assert_eq!(
            failure.help.as_deref(),
            Some("grant the verb create on envoyfilters.networking.istio.io in the namespace shop")
        );
        assert!(failure.message.contains("cannot create resource"));
    }

    #[test]
    fn an_answer_without_words_still_gives_a_sentence() {
        let failure = refused("update", 502, "<html>");
        assert_eq!(failure.message, "the API server answered with status 502");
    }

    #[rstest]
    #[case(&[Reason::Rejected, Reason::NoNamespace, Reason::Conflict, Reason::Foreign], true)]
    #[case(&[Reason::Unreachable, Reason::Late, Reason::Unavailable, Reason::Throttled], false)]
    #[case(&[Reason::Unauthorized, Reason::Forbidden, Reason::NoKind, Reason::Unreadable], false)]
    fn a_failure_is_an_objects_own_or_common_to_all(
        #[case] reasons: &[Reason],
        #[case] is_own: bool,
    ) {
        for reason in reasons {
            assert_eq!(Failure::new(*reason, "").is_own(), is_own, "{reason}");
        }
    }

    #[test]
    fn what_is_common_to_all_objects_is_one_trouble() {
        let other = FilterKey {
            namespace: "shop".into(),
            name: "aeraki-outbound-b".into(),
        };
        let same = |code, body| {
            let failure = refused("create", code, body);
            failure.trouble(&key(), Verb::Create) == failure.trouble(&other, Verb::Create)
        };
        assert!(same(500, "{}") && same(403, RBAC) && same(404, "") && same(404, NO_NAMESPACE));
        assert!(!same(422, "{}") && !same(409, "{}"));
    }
}
