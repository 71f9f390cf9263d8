//! Why a stream ended, in words that a metric can carry and that tell an operator what to do.

mod classify;
#[cfg(test)]
mod tests;

use std::fmt;

use crate::settings::Security;

/// The end of a stream, or of the attempt to open one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Termination {
    /// The sort of end.
    pub reason: Reason,
    /// What the other side or the system said.
    pub detail: String,
}

/// The sorts of ends.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub enum Reason {
    /// The server ended the stream in good order.
    Closed,
    /// The server is about to close the connection.
    GoAway,
    /// A new stream was wanted on our side.
    Renewed,
    /// The root certificate was replaced.
    RootChanged,
    /// Nobody reads the updates any more.
    Abandoned,
    /// A file with a certificate, key or token cannot be used.
    Credentials,
    /// The name of the server has no address.
    Resolve,
    /// Nothing listens there.
    Refused,
    /// There is no way there, or no answer in time.
    Unreachable,
    /// The server's certificate bears another name.
    TlsName,
    /// The server's certificate is of another authority.
    TlsIssuer,
    /// The server's certificate is not valid now.
    TlsExpired,
    /// The server did not like our certificate, or does not speak TLS, or otherwise.
    Tls,
    /// The server does not know us.
    Unauthenticated,
    /// The server knows us and does not let us in.
    PermissionDenied,
    /// The server is not ready.
    Unavailable,
    /// The server does not understand the request.
    InvalidArgument,
    /// The server answers no pings.
    Keepalive,
    /// The server does not answer.
    Stalled,
    /// The connection broke.
    Cut,
    /// The server sent something that is no answer.
    Decode,
    /// An answer is larger than the limit.
    TooLarge,
    /// The server gave another error.
    Status,
}

impl Termination {
    pub(crate) fn new(reason: Reason, detail: impl Into<String>) -> Self {
        Self {
            reason,
            detail: detail.into(),
        }
    }

    /// What happened and what it means, in a sentence, and what can be done about it.
    #[must_use]
    pub fn explain(&self, security: &Security) -> String {
        let (what, remedy) = self.reason.words(matches!(security, Security::Plaintext));
        let detail = match self.detail.as_str() {
            "" => String::new(),
            detail => format!(" ({detail})"),
        };
        match remedy {
            "" => format!("{what}{detail}"),
            remedy => format!("{what}{detail}. {remedy}"),
        }
    }
}

impl fmt::Display for Termination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.reason.label(), self.detail)
    }
}

impl Reason {
    /// All of them.
    pub const ALL: &[Self] = &[
        Self::Closed,
        Self::GoAway,
        Self::Renewed,
        Self::RootChanged,
        Self::Abandoned,
        Self::Credentials,
        Self::Resolve,
        Self::Refused,
        Self::Unreachable,
        Self::TlsName,
        Self::TlsIssuer,
        Self::TlsExpired,
        Self::Tls,
        Self::Unauthenticated,
        Self::PermissionDenied,
        Self::Unavailable,
        Self::InvalidArgument,
        Self::Keepalive,
        Self::Stalled,
        Self::Cut,
        Self::Decode,
        Self::TooLarge,
        Self::Status,
    ];

    /// The word for metrics and logs. Never changes.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::GoAway => "goaway",
            Self::Renewed => "renewed",
            Self::RootChanged => "root_changed",
            Self::Abandoned => "abandoned",
            Self::Credentials => "credentials",
            Self::Resolve => "resolve",
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::TlsName => "tls_name",
            Self::TlsIssuer => "tls_issuer",
            Self::TlsExpired => "tls_expired",
            Self::Tls => "tls",
            Self::Unauthenticated => "unauthenticated",
            Self::PermissionDenied => "permission_denied",
            Self::Unavailable => "unavailable",
            Self::InvalidArgument => "invalid_argument",
            Self::Keepalive => "keepalive",
            Self::Stalled => "stalled",
            Self::Cut => "cut",
            Self::Decode => "decode",
            Self::TooLarge => "too_large",
            Self::Status => "status",
        }
    }

    /// Whether this is how streams end on a good day: istiod closes each after half an hour.
    #[must_use]
    pub const fn is_normal(self) -> bool {
        matches!(
            self,
            Self::Closed | Self::GoAway | Self::Renewed | Self::RootChanged | Self::Abandoned
        )
    }

    /// What happened, and what to do about it (empty: nothing).
    fn words(self, plaintext: bool) -> (&'static str, &'static str) {
        match self {
            Self::Closed => ("istiod closed the stream", ""),
            Self::GoAway => ("istiod is closing the connection", ""),
            Self::Renewed => ("a new stream is wanted", ""),
            Self::RootChanged => ("the root certificate has been replaced", ""),
            Self::Abandoned => ("nobody reads the updates any more", ""),
            Self::Credentials => (
                "a file that proves who is who cannot be used",
                "Check --istiod-root-cert, --istiod-token, --istiod-cert and --istiod-key, and that their volumes are mounted",
            ),
            Self::Resolve => (
                "the address of istiod cannot be found",
                "Correct the host in --istiod-address",
            ),
            Self::Refused => (
                "nothing listens at the address of istiod",
                "Check that istiod runs, and the host and port in --istiod-address (15012 for TLS)",
            ),
            Self::Unreachable => (
                "istiod cannot be reached",
                "Check the host in --istiod-address, and NetworkPolicies between the two",
            ),
            Self::TlsName => (
                "the certificate of istiod bears another name than expected",
                "Give one of its names as --istiod-server-name (a revision's istiod is istiod-<revision>.istio-system.svc)",
            ),
            Self::TlsIssuer => (
                "the certificate of istiod is not of the authority that is believed",
                "Give the root certificate of this mesh as --istiod-root-cert: root-cert.pem of the configmap istio-ca-root-cert",
            ),
            Self::TlsExpired => (
                "the certificate of istiod is not valid at this time",
                "Check the clock of this machine, and istiod's certificate",
            ),
            Self::Tls => (
                "no secure connection to istiod could be made",
                "Check that --istiod-address names the TLS port (15012), and that the client certificate, if any, is of Istio's CA",
            ),
            Self::Unauthenticated if plaintext => (
                "istiod gives its config to nobody on plaintext",
                "Use TLS: --istiod-address <host>:15012 with --istiod-token and --istiod-root-cert, without --istiod-plaintext (or set ENABLE_XDS_API_GENERATOR_AUTH=false on istiod)",
            ),
            Self::Unauthenticated => (
                "istiod does not accept the credentials",
                "--istiod-token must name a fresh token with the audience istio-ca, or --istiod-cert and --istiod-key a certificate of Istio's CA and its key",
            ),
            Self::PermissionDenied => (
                "istiod gives its config to the root namespace only",
                "The token must be of a service account in Istio's root namespace (istio-system), with the audience istio-ca, and --namespace must name that namespace too",
            ),
            Self::Unavailable => (
                "istiod is not ready",
                "Wait, or look at istiod's log if it stays so",
            ),
            Self::InvalidArgument => (
                "istiod does not understand the request",
                "Check the pod's IP, name and namespace (POD_IP, POD_NAME, POD_NAMESPACE). istiod's CLUSTER_ID is not the cause: no cluster id is sent, so any is right",
            ),
            Self::Keepalive => ("istiod does not answer pings: the connection is dead", ""),
            Self::Stalled => (
                "istiod has not sent all of the config in time",
                "Look at istiod's load and log",
            ),
            Self::Cut if plaintext => (
                "the connection to istiod broke",
                "If that is so every time, check that --istiod-address names the plaintext port (15010)",
            ),
            Self::Cut => ("the connection to istiod broke", ""),
            Self::Decode => (
                "what came is no answer of a control plane",
                "Check that --istiod-address names istiod, and compare the versions of istiod and Aeraki",
            ),
            Self::TooLarge => (
                "an answer of istiod is larger than allowed",
                "Raise --istiod-message-limit",
            ),
            Self::Status => (
                "istiod ended the stream with an error",
                "Look at istiod's log",
            ),
        }
    }
}
