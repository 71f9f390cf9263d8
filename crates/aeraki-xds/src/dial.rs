//! A connection to istiod: addresses, TCP, TLS, HTTP/2.

use std::io;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use thiserror::Error;
use tokio::net::{TcpStream, lookup_host};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};

use crate::credentials::Credentials;
use crate::settings::{Settings, Tls};
use crate::termination::{Reason, Termination};

/// Where the way to the server ended.
#[derive(Debug, Error)]
pub(crate) enum DialError {
    /// The name has no address.
    #[error("{0}")]
    Resolve(io::Error),
    /// No address answers.
    #[error("{0}")]
    Connect(io::Error),
}

/// Windows that hold a large answer, so that it does not come by the spoonful.
const WINDOW: u32 = 4 << 20;

/// Connects, with `credentials` if the connection is to be secure.
pub(crate) async fn dial(
    settings: &Settings,
    secure: Option<(&Tls, &Credentials)>,
) -> Result<Channel, Termination> {
    let timing = &settings.timing;
    let scheme = if secure.is_some() { "https" } else { "http" };
    let mut endpoint = Endpoint::from_shared(format!("{scheme}://{}", settings.address))?
        .http2_keep_alive_interval(timing.ping)
        .keep_alive_timeout(timing.pong)
        .keep_alive_while_idle(true)
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW);
    if let Some((tls, credentials)) = secure {
        endpoint = endpoint.tls_config(client_tls(tls, credentials))?;
    }
    let address = settings.address.clone();
    let connector = tower::service_fn(move |_| tcp(address.clone()));
    let connect = endpoint.connect_with_connector(connector);
    match tokio::time::timeout(timing.connect, connect).await {
        Ok(channel) => Ok(channel?),
        Err(_) => Err(too_slow(timing.connect)),
    }
}

async fn tcp(address: String) -> Result<TokioIo<TcpStream>, DialError> {
    let addresses: Vec<_> = lookup_host(&address)
        .await
        .map_err(DialError::Resolve)?
        .collect();
    let stream = TcpStream::connect(addresses.as_slice())
        .await
        .map_err(DialError::Connect)?;
    stream.set_nodelay(true).map_err(DialError::Connect)?;
    Ok(TokioIo::new(stream))
}

fn client_tls(tls: &Tls, credentials: &Credentials) -> ClientTlsConfig {
    let config = ClientTlsConfig::new()
        .domain_name(&tls.server_name)
        .ca_certificate(Certificate::from_pem(&credentials.roots));
    match &credentials.certificate {
        Some((certificate, key)) => config.identity(Identity::from_pem(certificate, key)),
        None => config,
    }
}

fn too_slow(patience: Duration) -> Termination {
    Termination::new(
        Reason::Unreachable,
        format!("no connection within {patience:?}"),
    )
}
