//! What stands in the files that prove who is who, at one moment.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;
use tonic::metadata::{Ascii, MetadataValue};

use crate::settings::Tls;

/// The contents of the files, read together.
#[derive(Clone)]
pub(crate) struct Credentials {
    /// The certificates to believe.
    pub(crate) roots: Vec<u8>,
    /// Our own certificate and its key.
    pub(crate) certificate: Option<(Vec<u8>, Vec<u8>)>,
    /// The value of the header `authorization`.
    pub(crate) authorization: Option<MetadataValue<Ascii>>,
}

/// A file that proves nothing.
#[derive(Debug, Error)]
pub(crate) enum CredentialsError {
    /// The file cannot be read.
    #[error("{} cannot be read: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The file holds something else.
    #[error("{} holds no {what}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        what: &'static str,
    },
}

impl Credentials {
    /// Reads all files anew.
    pub(crate) async fn read(tls: &Tls) -> Result<Self, CredentialsError> {
        let certificate = match &tls.certificate {
            Some((certificate, key)) => Some((
                pem(certificate, "CERTIFICATE-----", "certificate in PEM").await?,
                pem(key, "PRIVATE KEY-----", "private key in PEM").await?,
            )),
            None => None,
        };
        let authorization = match &tls.token {
            Some(path) => Some(bearer(path).await?),
            None => None,
        };
        Ok(Self {
            roots: roots(tls).await?,
            certificate,
            authorization,
        })
    }

    /// Whether the file of root certificates is sound, and says something else than it did.
    pub(crate) async fn has_new_roots(&self, tls: &Tls) -> bool {
        roots(tls).await.is_ok_and(|roots| roots != self.roots)
    }
}

async fn roots(tls: &Tls) -> Result<Vec<u8>, CredentialsError> {
    pem(&tls.root_cert, "CERTIFICATE-----", "certificate in PEM").await
}

async fn pem(path: &Path, mark: &str, what: &'static str) -> Result<Vec<u8>, CredentialsError> {
    let bytes = read(path).await?;
    let holds = bytes
        .windows(mark.len())
        .any(|part| part == mark.as_bytes());
    if holds {
        Ok(bytes)
    } else {
        Err(content(path, what))
    }
}

async fn bearer(path: &Path) -> Result<MetadataValue<Ascii>, CredentialsError> {
    let bytes = read(path).await?;
    let text = String::from_utf8_lossy(&bytes);
    let token = text.trim();
    let value = MetadataValue::try_from(format!("Bearer {token}"));
    match value {
        Ok(mut value) if !token.is_empty() => {
            value.set_sensitive(true);
            Ok(value)
        }
        _ => Err(content(path, "token")),
    }
}

async fn read(path: &Path) -> Result<Vec<u8>, CredentialsError> {
    tokio::fs::read(path)
        .await
        .map_err(|source| CredentialsError::Read {
            path: path.to_owned(),
            source,
        })
}

fn content(path: &Path, what: &'static str) -> CredentialsError {
    CredentialsError::Content {
        path: path.to_owned(),
        what,
    }
}
