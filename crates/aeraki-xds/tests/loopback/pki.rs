//! A certificate authority, and what it hands out.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, SanType, date_time_ymd,
};
use tonic::transport::{Certificate, Identity, ServerTlsConfig};

pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// When a certificate is good.
#[derive(Clone, Copy)]
pub enum Validity {
    Now,
    Past,
}

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().unwrap();
        Self {
            issuer: CertifiedIssuer::self_signed(params, key).unwrap(),
        }
    }

    pub fn root(&self) -> String {
        self.issuer.pem()
    }

    /// A server that shows a certificate for `name`, and lets in clients with or without one.
    pub fn server(&self, name: &str, validity: Validity) -> ServerTlsConfig {
        let (certificate, key) = self.issue(SanType::DnsName(name.try_into().unwrap()), validity);
        ServerTlsConfig::new().identity(Identity::from_pem(certificate, key))
    }

    /// A server that lets in only clients with a certificate of ours.
    pub fn strict_server(&self, name: &str) -> ServerTlsConfig {
        self.server(name, Validity::Now)
            .client_ca_root(Certificate::from_pem(self.root()))
    }

    /// A certificate and its key for a workload.
    pub fn workload(&self) -> (String, String) {
        let id = "spiffe://cluster.local/ns/istio-system/sa/aeraki";
        self.issue(SanType::URI(id.try_into().unwrap()), Validity::Now)
    }

    fn issue(&self, name: SanType, validity: Validity) -> (String, String) {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.subject_alt_names = vec![name];
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        if let Validity::Past = validity {
            params.not_before = date_time_ymd(2020, 1, 1);
            params.not_after = date_time_ymd(2020, 2, 1);
        }
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (certificate.pem(), key.serialize_pem())
    }
}
