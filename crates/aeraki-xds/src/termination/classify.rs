//! From the errors of the layers below to a reason.
//!
//! Never by the text of an error: by its type, wherever in the chain of causes it stands, and by gRPC's code where the
//! error was sent by the server.

use std::error::Error;
use std::io::{self, ErrorKind};

use rustls::CertificateError;
use tonic::{Code, Status, transport};

use super::{Reason, Termination};
use crate::credentials::CredentialsError;
use crate::dial::DialError;

impl From<CredentialsError> for Termination {
    fn from(error: CredentialsError) -> Self {
        Self::new(Reason::Credentials, error.to_string())
    }
}

impl From<transport::Error> for Termination {
    fn from(error: transport::Error) -> Self {
        // What has no name of its own comes from tonic's TLS layer.
        let reason = by_cause(&error).unwrap_or(Reason::Tls);
        Self::new(reason, innermost(&error))
    }
}

impl From<Status> for Termination {
    fn from(status: Status) -> Self {
        let Some(cause) = status.source() else {
            return Self::new(by_code(status.code()), status.message());
        };
        let reason = by_cause(cause).unwrap_or_else(|| by_code(status.code()));
        Self::new(reason, innermost(cause))
    }
}

/// By what the server said.
fn by_code(code: Code) -> Reason {
    match code {
        Code::Ok => Reason::Closed,
        Code::Unauthenticated => Reason::Unauthenticated,
        Code::PermissionDenied => Reason::PermissionDenied,
        Code::Unavailable => Reason::Unavailable,
        Code::InvalidArgument => Reason::InvalidArgument,
        // Ours: istiod never says that.
        Code::OutOfRange => Reason::TooLarge,
        _ => Reason::Status,
    }
}

/// By what broke: the most telling error of the chain.
fn by_cause(error: &(dyn Error + 'static)) -> Option<Reason> {
    let judges = [of_dial, of_tls, of_decode, of_hyper, of_http2, of_io];
    judges
        .iter()
        .find_map(|judge| Causes(Some(error)).find_map(judge))
}

fn of_dial(error: &(dyn Error + 'static)) -> Option<Reason> {
    match error.downcast_ref()? {
        DialError::Resolve(_) => Some(Reason::Resolve),
        DialError::Connect(source) => of_io(source).or(Some(Reason::Unreachable)),
    }
}

fn of_tls(error: &(dyn Error + 'static)) -> Option<Reason> {
    let rustls::Error::InvalidCertificate(certificate) = error.downcast_ref()? else {
        return Some(Reason::Tls);
    };
    Some(match certificate {
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            Reason::TlsName
        }
        CertificateError::UnknownIssuer | CertificateError::BadSignature => Reason::TlsIssuer,
        CertificateError::Expired
        | CertificateError::ExpiredContext { .. }
        | CertificateError::NotValidYet
        | CertificateError::NotValidYetContext { .. } => Reason::TlsExpired,
        _ => Reason::Tls,
    })
}

fn of_decode(error: &(dyn Error + 'static)) -> Option<Reason> {
    error
        .downcast_ref::<prost::DecodeError>()
        .map(|_| Reason::Decode)
}

fn of_hyper(error: &(dyn Error + 'static)) -> Option<Reason> {
    let error: &hyper::Error = error.downcast_ref()?;
    error.is_timeout().then_some(Reason::Keepalive)
}

fn of_http2(error: &(dyn Error + 'static)) -> Option<Reason> {
    let error: &h2::Error = error.downcast_ref()?;
    let good_order = error.reason() == Some(h2::Reason::NO_ERROR);
    match error.get_io() {
        Some(io) => of_io(io),
        None if good_order => Some(Reason::GoAway),
        None => Some(Reason::Cut),
    }
}

fn of_io(error: &(dyn Error + 'static)) -> Option<Reason> {
    let error: &io::Error = error.downcast_ref()?;
    match error.kind() {
        ErrorKind::ConnectionRefused => Some(Reason::Refused),
        ErrorKind::TimedOut | ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => {
            Some(Reason::Unreachable)
        }
        // The HTTP/2 layer keeps no more of an error of TLS, such as an alert of the server's, than this.
        ErrorKind::InvalidData => Some(Reason::Tls),
        _ => Some(Reason::Cut),
    }
}

/// What the last error of the chain says; those before it mostly say that there was one.
fn innermost(error: &(dyn Error + 'static)) -> String {
    Causes(Some(error))
        .last()
        .map_or_else(String::new, ToString::to_string)
}

/// An error and what caused it. Unlike `source()`, this also looks into an `io::Error`.
struct Causes<'a>(Option<&'a (dyn Error + 'static)>);

impl<'a> Iterator for Causes<'a> {
    type Item = &'a (dyn Error + 'static);

    fn next(&mut self) -> Option<Self::Item> {
        let error = self.0?;
        self.0 = match error.downcast_ref::<io::Error>() {
            Some(io) => io.get_ref().map(|inner| inner as &(dyn Error + 'static)),
            None => error.source(),
        };
        Some(error)
    }
}
