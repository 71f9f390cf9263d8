use std::collections::BTreeSet;

use rstest::rstest;
use tonic::{Code, Status};

use super::*;
use crate::settings::Tls;

fn secure() -> Security {
    Security::Tls(Tls {
        root_cert: "/root.pem".into(),
        server_name: "istiod.istio-system.svc".to_owned(),
        token: Some("/token".into()),
        certificate: None,
    })
}

#[test]
fn labels_are_distinct_words_for_a_metric() {
    let labels: BTreeSet<_> = Reason::ALL.iter().map(|r| r.label()).collect();
    assert_eq!(labels.len(), Reason::ALL.len());
    for label in labels {
        let is_word = |c: char| c.is_ascii_lowercase() || c == '_';
        assert!(label.chars().all(is_word), "{label}");
    }
}

#[rstest]
#[case(Code::Unauthenticated, Reason::Unauthenticated)]
#[case(Code::PermissionDenied, Reason::PermissionDenied)]
#[case(Code::Unavailable, Reason::Unavailable)]
#[case(Code::InvalidArgument, Reason::InvalidArgument)]
#[case(Code::Internal, Reason::Status)]
#[case(Code::Unknown, Reason::Status)]
fn what_the_server_says_is_told_by_its_code(#[case] code: Code, #[case] reason: Reason) {
    let end = Termination::from(Status::new(code, "the server's words"));
    assert_eq!(end, Termination::new(reason, "the server's words"));
}

#[rstest]
#[case::plaintext(Security::Plaintext, Reason::Unauthenticated, &["15012", "--istiod-token", "--istiod-root-cert", "--istiod-plaintext"])]
#[case::tls(secure(), Reason::Unauthenticated, &["--istiod-token", "istio-ca", "--istiod-cert", "--istiod-key"])]
#[case::no_file(secure(), Reason::Credentials, &["--istiod-root-cert", "--istiod-token", "--istiod-cert", "--istiod-key"])]
#[case::no_node(secure(), Reason::InvalidArgument, &["POD_IP", "POD_NAME", "POD_NAMESPACE"])]
#[case::other_namespace(secure(), Reason::PermissionDenied, &["root namespace", "istio-ca"])]
#[case::no_server(secure(), Reason::Refused, &["--istiod-address"])]
#[case::other_name(secure(), Reason::TlsName, &["--istiod-server-name"])]
#[case::other_authority(secure(), Reason::TlsIssuer, &["--istiod-root-cert", "istio-ca-root-cert"])]
#[case::too_large(secure(), Reason::TooLarge, &["--istiod-message-limit"])]
fn the_sentence_names_what_mends_it(
    #[case] security: Security,
    #[case] reason: Reason,
    #[case] words: &[&str],
) {
    let sentence = Termination::new(reason, "as it was said").explain(&security);
    assert!(sentence.contains("(as it was said)"), "{sentence}");
    for word in words {
        assert!(sentence.contains(word), "{word} is not in: {sentence}");
    }
}

#[test]
fn every_failure_has_a_sentence() {
    for reason in Reason::ALL {
        for security in [Security::Plaintext, secure()] {
            assert!(Termination::new(*reason, "").explain(&security).len() > 20);
        }
    }
}
