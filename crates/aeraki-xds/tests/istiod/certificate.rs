//! A certificate of Istio's CA, as istio-agent gets one.

use prost::Message;
use rcgen::{CertificateParams, KeyPair};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::metadata::MetadataValue;
use tonic::transport::{Certificate, Channel, ClientTlsConfig};

#[derive(Clone, PartialEq, Message)]
struct CertificateRequest {
    #[prost(string, tag = "1")]
    csr: String,
    #[prost(int64, tag = "3")]
    validity_duration: i64,
}

#[derive(Clone, PartialEq, Message)]
struct CertificateResponse {
    #[prost(string, repeated, tag = "1")]
    cert_chain: Vec<String>,
}

/// The certificate chain and the key of the token's service account.
pub async fn issue(address: &str, root: &str, name: &str, token: &str) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let request = CertificateParams::default()
        .serialize_request(&key)
        .unwrap();
    let tls = ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(root))
        .domain_name(name);
    let endpoint = Channel::from_shared(format!("https://{address}")).unwrap();
    let channel = endpoint.tls_config(tls).unwrap().connect().await.unwrap();
    let mut client = tonic::client::Grpc::new(channel);
    client.ready().await.unwrap();
    let mut request = tonic::Request::new(CertificateRequest {
        csr: request.pem().unwrap(),
        validity_duration: 3600,
    });
    let bearer = MetadataValue::try_from(format!("Bearer {token}")).unwrap();
    request.metadata_mut().insert("authorization", bearer);
    let path =
        PathAndQuery::from_static("/istio.v1.auth.IstioCertificateService/CreateCertificate");
    let codec = tonic_prost::ProstCodec::<CertificateRequest, CertificateResponse>::default();
    let response = client.unary(request, path, codec).await.unwrap();
    (
        response.into_inner().cert_chain.concat(),
        key.serialize_pem(),
    )
}
