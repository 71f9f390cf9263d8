//! Kubeconfig files.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::pki::Identity;

/// Who the file's user is.
pub(crate) enum User<'a> {
    /// By a client certificate.
    Certificate(&'a Identity),
    /// By a bearer token.
    Token(&'a str),
}

/// Writes a kubeconfig: JSON, which is YAML too. Nothing in it points to another file. Without a
/// `root`, the server is reached in plain text.
pub(crate) fn write(path: &Path, server: &str, root: Option<&str>, user: &User<'_>) -> Result<()> {
    let mut cluster = json!({"server": server});
    if let Some(root) = root {
        cluster["certificate-authority-data"] = encoded(root);
    }
    let user = match user {
        User::Certificate(identity) => json!({
            "client-certificate-data": encoded(&identity.certificate),
            "client-key-data": encoded(&identity.key),
        }),
        User::Token(token) => json!({"token": token}),
    };
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "testbed",
        "clusters": [{"name": "testbed", "cluster": cluster}],
        "users": [{"name": "testbed", "user": user}],
        "contexts": [{"name": "testbed", "context": {"cluster": "testbed", "user": "testbed"}}],
    });
    fs::write(path, format!("{config:#}\n"))
        .with_context(|| format!("cannot write {}", path.display()))
}

fn encoded(text: &str) -> Value {
    STANDARD.encode(text).into()
}
