//! Certificates for the tests, and how they are described.

use super::super::certificate::describe;
use super::super::text::date;
use super::NAME;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// A certificate with its key.
pub(super) struct Issued {
    params: CertificateParams,
    certificate: rcgen::Certificate,
    key: KeyPair,
}

impl Issued {
    /// An authority that nobody has certified.
    pub(super) fn authority(name: &str) -> Self {
        let mut params = params(name, &[]);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        Self::self_signed(params)
    }

    pub(super) fn self_signed(params: CertificateParams) -> Self {
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("signed");
        Self {
            params,
            certificate,
            key,
        }
    }

    /// Signs a certificate.
    pub(super) fn issue(&self, params: CertificateParams) -> Self {
        let key = KeyPair::generate().expect("a key");
        let issuer = Issuer::from_params(&self.params, &self.key);
        let certificate = params.signed_by(&key, &issuer).expect("signed");
        Self {
            params,
            certificate,
            key,
        }
    }

    /// A good certificate of a server.
    pub(super) fn server(&self) -> Self {
        self.issue(params(NAME, &[NAME, "127.0.0.1"]))
    }

    pub(super) fn der(&self) -> CertificateDer<'static> {
        self.certificate.der().clone()
    }

    pub(super) fn chain(&self) -> Vec<CertificateDer<'static>> {
        vec![self.der()]
    }

    pub(super) fn key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::try_from(self.key.serialize_der()).expect("a key")
    }

    pub(super) fn pem(&self) -> String {
        self.certificate.pem()
    }

    pub(super) fn key_pem(&self) -> String {
        self.key.serialize_pem()
    }
}

/// A certificate for these names, valid now.
pub(super) fn params(subject: &str, names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).expect("names");
    params.distinguished_name.remove(DnType::CommonName);
    params
        .distinguished_name
        .push(DnType::OrganizationName, "Example, Inc.");
    params.distinguished_name.push(DnType::CommonName, subject);
    params.extended_key_usages = vec![
        ExtendedKeyUsagePurpose::ServerAuth,
        ExtendedKeyUsagePurpose::ClientAuth,
    ];
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2090, 1, 1);
    params
}

#[test]
fn a_certificate_is_described() {
    let issued = Issued::authority("Example CA").server();
    let certificate = describe(&issued.der());
    assert_eq!(certificate.subject, "CN=ftp.example.com,O=Example\\, Inc.");
    assert_eq!(certificate.issuer, "CN=Example CA,O=Example\\, Inc.");
    assert_eq!(certificate.names, [NAME, "127.0.0.1"]);
    assert_eq!(date(certificate.not_before_ms), "2020-01-01");
    assert_eq!(date(certificate.not_after_ms), "2090-01-01");
    assert_eq!(
        (certificate.sha256.len(), certificate.public_key_sha256.len()),
        (32, 32)
    );
    assert_ne!(certificate.sha256, certificate.public_key_sha256);
}
