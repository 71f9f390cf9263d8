//! One GET over plain HTTP: readiness of etcd and istiod, the admin page of Envoy.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// The status and the body of the answer.
pub async fn get(address: SocketAddr, path: &str) -> Result<(StatusCode, String)> {
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let request = Request::get(path)
        .header(header::HOST, address.to_string())
        .body(Empty::<Bytes>::new())?;
    let answer = async {
        let response = sender.send_request(request).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        anyhow::Ok((status, String::from_utf8_lossy(&body).into_owned()))
    };
    tokio::select! {
        answer = answer => answer.with_context(|| format!("GET http://{address}{path}")),
        // It ends before the answer only where something is wrong, or at the very same moment.
        ended = connection => anyhow::bail!("GET http://{address}{path}: connection ended: {ended:?}"),
    }
}

/// Whether it answers with success.
pub(crate) async fn is_ok(address: SocketAddr, path: &str) -> bool {
    get(address, path)
        .await
        .is_ok_and(|(status, _)| status.is_success())
}
