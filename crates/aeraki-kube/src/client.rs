//! A client of the API server: where it is, who we are, how long we wait.
//!
//! Retries are switched off: the client's own layer would wait up to a quarter of an hour out of everyone's sight. Whoever
//! sends a request decides when to send it again. Tokens from files are read again as they rotate.

use std::path::PathBuf;
use std::time::Duration;

use http::HeaderValue;
use http::header::USER_AGENT;
use kube::config::{InferConfigError, KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Client, Config};

/// The name under which the API server records our writes.
pub const FIELD_MANAGER: &str = "aeraki";

/// How long one request may take, from its start to the end of its answer. A watch may take longer.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// Where to find the API server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientOptions {
    /// A kubeconfig file. Without one, and without a context: the usual kubeconfig, else the pod's service account.
    pub kubeconfig: Option<PathBuf>,
    /// The context in it; the current one by default.
    pub context: Option<String>,
    /// Our version, for the user agent.
    pub version: String,
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// A kubeconfig that was asked for is of no use.
    #[error("{} cannot be used; check --kubeconfig and --context", described(.path.as_ref()))]
    Kubeconfig {
        /// The file, if it was named.
        path: Option<PathBuf>,
        /// What is wrong with it.
        #[source]
        source: Box<KubeconfigError>,
    },
    /// Neither a pod's service account nor a kubeconfig.
    #[error(
        "no API server is known: give --kubeconfig, or run in a pod with automountServiceAccountToken: true"
    )]
    Unknown(#[source] Box<InferConfigError>),
    /// The credentials or certificates that the config names are of no use.
    #[error("the API server's certificates or our credentials cannot be used")]
    Credentials(#[source] Box<kube::Error>),
}

/// A client, and the namespace that its config names.
///
/// # Errors
/// When no config is found, or one that cannot be used. No request is sent, so an API server that is down is no error.
pub async fn connect(options: &ClientOptions) -> Result<Client, ClientError> {
    let mut config = config(options).await?;
    config.default_retry = false;
    config.connect_timeout = Some(REQUEST_TIMEOUT);
    let agent = format!("aeraki/{}", options.version);
    if let Ok(agent) = HeaderValue::from_str(&agent) {
        config.headers.push((USER_AGENT, agent));
    }
    Client::try_from(config).map_err(|error| ClientError::Credentials(Box::new(error)))
}

async fn config(options: &ClientOptions) -> Result<Config, ClientError> {
    if options.kubeconfig.is_none() && options.context.is_none() {
        let inferred = Config::infer().await;
        return inferred.map_err(|error| ClientError::Unknown(Box::new(error)));
    }
    let choice = KubeConfigOptions {
        context: options.context.clone(),
        ..KubeConfigOptions::default()
    };
    let read = match &options.kubeconfig {
        Some(path) => match Kubeconfig::read_from(path) {
            Ok(kubeconfig) => Config::from_custom_kubeconfig(kubeconfig, &choice).await,
            Err(error) => Err(error),
        },
        None => Config::from_kubeconfig(&choice).await,
    };
    read.map_err(|source| ClientError::Kubeconfig {
        path: options.kubeconfig.clone(),
        source: Box::new(source),
    })
}

fn described(path: Option<&PathBuf>) -> String {
    path.map_or_else(
        || "the usual kubeconfig".to_owned(),
        |path| format!("the kubeconfig {}", path.display()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_missing_kubeconfig_names_the_file_and_the_flag() {
        let options = ClientOptions {
            kubeconfig: Some("no/such/file".into()),
            ..ClientOptions::default()
        };
        let Err(error) = connect(&options).await else {
            panic!("a client without a config");
        };
        assert_eq!(
            error.to_string(),
            "the kubeconfig no/such/file cannot be used; check --kubeconfig and --context"
        );
    }
}
