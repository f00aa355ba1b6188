//! Certificates for the servers and clients of the tests: an authority that each test process makes for itself, and
//! what it issues. All keys are ECDSA on P-256, which every server here takes.

use std::sync::{Arc, OnceLock};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PublicKeyData as _, date_time_ymd,
};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion};
use sha2::{Digest as _, Sha256};

/// The names that every server of the tests goes by.
const NAMES: [&str; 2] = ["localhost", "127.0.0.1"];

/// A version of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// TLS 1.2 (RFC 5246).
    V12,
    /// TLS 1.3 (RFC 8446).
    V13,
}

impl Version {
    /// As OpenSSL and the settings of servers write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::V12 => "TLSv1.2",
            Self::V13 => "TLSv1.3",
        }
    }

    fn supported(version: Option<Self>) -> Vec<&'static SupportedProtocolVersion> {
        match version {
            Some(Self::V12) => vec![&rustls::version::TLS12],
            Some(Self::V13) => vec![&rustls::version::TLS13],
            None => rustls::ALL_VERSIONS.to_vec(),
        }
    }
}

/// A certificate with its private key.
#[derive(Debug)]
pub struct Identity {
    /// The certificate, PEM.
    pub certificate: String,
    /// The private key, PEM (PKCS #8).
    pub key: String,
    certificate_der: CertificateDer<'static>,
    key_der: Vec<u8>,
    public_key_der: Vec<u8>,
}

impl Identity {
    fn new(certificate: &rcgen::Certificate, key: &KeyPair) -> Self {
        Self {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
            certificate_der: certificate.der().clone(),
            key_der: key.serialize_der(),
            public_key_der: key.subject_public_key_info(),
        }
    }

    /// SHA-256 of the certificate, in lower-case hexadecimal.
    #[must_use]
    pub fn sha256(&self) -> String {
        hex(&Sha256::digest(&self.certificate_der))
    }

    /// SHA-256 of the public key (`SubjectPublicKeyInfo`), in lower-case hexadecimal.
    #[must_use]
    pub fn public_key_sha256(&self) -> String {
        hex(&Sha256::digest(&self.public_key_der))
    }

    /// The private key, DER (PKCS #8).
    #[must_use]
    pub fn key_der(&self) -> &[u8] {
        &self.key_der
    }

    /// The number that the private key is: 32 bytes, the first OCTET STRING of that length in the key.
    ///
    /// # Panics
    /// When the key is not an ECDSA key on P-256.
    #[must_use]
    pub fn scalar(&self) -> &[u8] {
        let start = self.key_der.windows(2).position(|pair| pair == [0x04, 0x20]);
        let start = start.expect("a key on P-256 has 32 bytes") + 2;
        &self.key_der[start..start + 32]
    }

    /// As a server shows it.
    ///
    /// # Panics
    /// Never: the key fits the certificate.
    #[must_use]
    pub fn server(&self, version: Option<Version>) -> Arc<ServerConfig> {
        let config = server_builder(version)
            .with_no_client_auth()
            .with_single_cert(vec![self.certificate_der.clone()], self.private_key());
        Arc::new(config.expect("a key that fits"))
    }

    /// The same for a server that demands a certificate of [`authority`] from its clients.
    ///
    /// # Panics
    /// Never: the key fits the certificate.
    #[must_use]
    pub fn demanding_server(&self, version: Option<Version>) -> Arc<ServerConfig> {
        let provider = Arc::new(ring::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots()), provider).build();
        let config = server_builder(version)
            .with_client_cert_verifier(verifier.expect("one root"))
            .with_single_cert(vec![self.certificate_der.clone()], self.private_key());
        Arc::new(config.expect("a key that fits"))
    }

    /// Its certificate with the key of another: what a liar has.
    ///
    /// # Panics
    /// Never: nothing looks whether they fit.
    #[must_use]
    pub fn server_with_the_key_of(&self, other: &Self) -> Arc<ServerConfig> {
        let key = ring::sign::any_supported_type(&other.private_key()).expect("a key on P-256");
        let liar = CertifiedKey::new(vec![self.certificate_der.clone()], key);
        let config = server_builder(None)
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(liar)));
        Arc::new(config)
    }

    fn private_key(&self) -> PrivateKeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.key_der.clone()).into()
    }
}

fn server_builder(version: Option<Version>) -> rustls::ConfigBuilder<ServerConfig, rustls::WantsVerifier> {
    ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&Version::supported(version))
        .expect("ring has ciphers for both versions")
}

/// An issuer of certificates.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: rcgen::Certificate,
}

impl Authority {
    fn new(name: &str) -> Self {
        let key = new_key();
        let mut params = params(name, &[]);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&key).expect("what rcgen can sign");
        Self {
            issuer: Issuer::new(params, key),
            certificate,
        }
    }

    /// Its own certificate, PEM: what `roots` in the settings is.
    #[must_use]
    pub fn pem(&self) -> String {
        self.certificate.pem()
    }

    /// SHA-256 of its own certificate, in lower-case hexadecimal.
    #[must_use]
    pub fn sha256(&self) -> String {
        hex(&Sha256::digest(self.certificate.der()))
    }

    fn issue(&self, params: &CertificateParams) -> Identity {
        let key = new_key();
        let certificate = params.signed_by(&key, &self.issuer).expect("what rcgen can sign");
        Identity::new(&certificate, &key)
    }
}

/// The authority that the settings of the tests trust. Its name is `Test Authority`.
pub fn authority() -> &'static Authority {
    static AUTHORITY: OnceLock<Authority> = OnceLock::new();
    AUTHORITY.get_or_init(|| Authority::new("Test Authority"))
}

/// The certificate that servers have unless a test wants another: of [`authority`], for `localhost` and 127.0.0.1,
/// valid from 2020 to 2049. Its subject is `CN=Test Server`.
pub fn good() -> &'static Identity {
    static GOOD: OnceLock<Identity> = OnceLock::new();
    GOOD.get_or_init(|| authority().issue(&server_params("Test Server", &NAMES)))
}

/// A second good one, with a key of its own.
#[must_use]
pub fn another_good() -> Identity {
    authority().issue(&server_params("Test Server", &NAMES))
}

/// Its time was over at the end of 2020.
#[must_use]
pub fn expired() -> Identity {
    let mut params = server_params("Expired Server", &NAMES);
    params.not_after = date_time_ymd(2020, 12, 31);
    authority().issue(&params)
}

/// Its time begins in 2048.
#[must_use]
pub fn not_yet_valid() -> Identity {
    let mut params = server_params("Early Server", &NAMES);
    params.not_before = date_time_ymd(2048, 1, 1);
    authority().issue(&params)
}

/// It is for `other.example` alone.
#[must_use]
pub fn for_another_name() -> Identity {
    authority().issue(&server_params("Other Server", &["other.example"]))
}

/// Good in all but its issuer, which nobody knows: `Unknown Authority`.
#[must_use]
pub fn of_an_unknown_authority() -> Identity {
    Authority::new("Unknown Authority").issue(&server_params("Strange Server", &NAMES))
}

/// Its own issuer, as an end entity.
///
/// # Panics
/// Never: rcgen can sign it.
#[must_use]
pub fn self_signed() -> Identity {
    let key = new_key();
    let certificate = server_params("Lonely Server", &NAMES).self_signed(&key);
    Identity::new(&certificate.expect("what rcgen can sign"), &key)
}

/// Its own issuer, and marked as an authority: what `openssl req -x509` makes, and so what most people have who
/// have made one themselves.
///
/// # Panics
/// Never: rcgen can sign it.
#[must_use]
pub fn self_signed_as_authority() -> Identity {
    let key = new_key();
    let mut params = params("Homemade Server", &NAMES);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let certificate = params.self_signed(&key).expect("what rcgen can sign");
    Identity::new(&certificate, &key)
}

/// A client's, of [`authority`]; its subject is `CN=Test Client`.
#[must_use]
pub fn client() -> Identity {
    authority().issue(&client_params())
}

/// A client's, of an authority that nobody knows.
#[must_use]
pub fn unknown_client() -> Identity {
    Authority::new("Unknown Authority").issue(&client_params())
}

/// What a client needs that trusts [`authority`]. Sessions are resumed among the connections that share it.
///
/// # Panics
/// Never: ring has what it takes.
#[must_use]
pub fn client_config(version: Option<Version>) -> ClientConfig {
    ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&Version::supported(version))
        .expect("ring has ciphers for both versions")
        .with_root_certificates(roots())
        .with_no_client_auth()
}

fn roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots
        .add(authority().certificate.der().clone())
        .expect("a certificate of our own making");
    roots
}

fn server_params(name: &str, names: &[&str]) -> CertificateParams {
    let mut params = params(name, names);
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params
}

fn client_params() -> CertificateParams {
    let mut params = params("Test Client", &[]);
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params
}

fn params(name: &str, names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).expect("names and addresses");
    // Without it rcgen puts a name of its own there.
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2049, 12, 31);
    params
}

fn new_key() -> KeyPair {
    KeyPair::generate().expect("ring can make one")
}

/// Lower-case hexadecimal digits.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
