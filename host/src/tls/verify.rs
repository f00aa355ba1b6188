//! The check of a server's certificate, by whom the connector wants to trust and the operator's say.

use super::certificate::{describe, hashes, is_readable, may_issue};
use super::fault::fault;
use super::policy::TlsPolicy;
use super::provider;
use super::refusal::{Refusal, Refused};
use crate::contract::tls::{Error, Reason, Trust};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{DigitallySignedStruct, RootCertStore, SignatureScheme};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Bytes of PEM text that are read for one context: that of all public authorities is a quarter of it.
const ROOTS_LIMIT: usize = 1024 * 1024;

/// Fingerprints that one context may be pinned to; a change of certificates takes two.
const MOST_PINS: usize = 64;

/// Certificates that a server may send along with its own. Real chains have two or three, and the search for a way
/// through many that look alike takes very long.
const MOST_SENT_ALONG: usize = 10;

/// What complaints call the policy's roots.
const OPERATORS: &str = "The trusted certificates that the operator of this host gave";

/// The authorities of the operating system. They are read when they are first needed, and once.
#[derive(Debug, Default)]
pub(crate) struct SystemTrust {
    verifier: OnceLock<Arc<rustls_platform_verifier::Verifier>>,
    roots: OnceLock<Vec<CertificateDer<'static>>>,
}

impl SystemTrust {
    fn verifier(&self) -> Result<Arc<dyn ServerCertVerifier>, Box<Error>> {
        if let Some(verifier) = self.verifier.get() {
            return Ok(Arc::clone(verifier) as _);
        }
        let verifier = rustls_platform_verifier::Verifier::new(provider()).map_err(|error| {
            invalid(format!(
                "The trusted certificates of this host's system cannot be had: {error}."
            ))
        })?;
        Ok(Arc::clone(self.verifier.get_or_init(|| Arc::new(verifier))) as _)
    }

    /// The system's authorities but for those that the operator distrusts: a server need not show its root, and the
    /// system's own check cannot be told to leave one out.
    fn without(&self, distrusted: &[[u8; 32]]) -> Result<Believed, Box<Error>> {
        let found = self
            .roots
            .get_or_init(|| rustls_native_certs::load_native_certs().certs);
        let trusted = found.iter().filter(|root| listed(root, distrusted).is_none());
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(trusted.cloned());
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider())
            .build()
            .map_err(|error| {
                invalid(format!(
                    "The trusted certificates of this host's system cannot be had: {error}."
                ))
            })?;
        Ok(Believed::Issued(verifier))
    }
}

/// Whose certificates are good.
#[derive(Debug)]
enum Believed {
    /// Those that a chain connects to somebody who is believed.
    Issued(Arc<dyn ServerCertVerifier>),
    /// Those of these authorities (none when no given certificate can be one), and the given ones themselves.
    Given {
        issued: Option<Arc<WebPkiServerVerifier>>,
        themselves: Vec<CertificateDer<'static>>,
    },
    /// Those with one of these hashes, or with a key with one of them.
    Pinned(Vec<[u8; 32]>),
    /// Everybody's.
    Anybody,
}

/// Checks a server's certificate. Whatever is trusted, the server has to prove that it has the certificate's key.
#[derive(Debug)]
pub(super) struct Verifier {
    believed: Believed,
    distrusted: Vec<[u8; 32]>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Verifier {
    /// # Errors
    /// `invalid` for roots and hashes that are none, `denied` for what the operator does not allow.
    pub(super) fn new(trust: &Trust, policy: &TlsPolicy, system: &SystemTrust) -> Result<Self, Box<Error>> {
        let believed = match trust {
            Trust::HostDefault => match &policy.roots {
                None if policy.distrusted.is_empty() => Believed::Issued(system.verifier()?),
                None => system.without(&policy.distrusted)?,
                Some(roots) => given(roots, OPERATORS, &policy.distrusted)?,
            },
            Trust::Roots(roots) => given(roots, "The trusted certificates", &policy.distrusted)?,
            Trust::Pinned(hashes) => Believed::Pinned(pins(hashes)?),
            Trust::Insecure if policy.insecure => Believed::Anybody,
            Trust::Insecure => {
                return Err(fault(
                    Reason::Denied,
                    "The operator of this host does not allow TLS without a check of the server's certificate; \
                     `--allow-insecure-tls` would, for tests."
                        .to_owned(),
                ));
            }
        };
        Ok(Self {
            believed,
            distrusted: policy.distrusted.clone(),
            algorithms: provider().signature_verification_algorithms,
        })
    }

    fn is_distrusted(&self, certificate: &CertificateDer<'_>) -> Option<[u8; 32]> {
        listed(certificate, &self.distrusted)
    }

    /// # Errors
    /// Why not.
    fn believe(
        &self,
        leaf: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<(), Refusal> {
        let refused = || Refused::new(leaf, name);
        let by_issuer = |verifier: &dyn ServerCertVerifier| {
            let check = |at| verifier.verify_server_cert(leaf, chain, name, &[], at).map(drop);
            check(now).map_err(|error| {
                // The time is checked before the issuer. That anybody at all has made it weighs more, so it is asked
                // for at a time when the certificate was good.
                let worse = is_about_time(&error)
                    .then(|| check(good_moment(leaf)).err())
                    .flatten()
                    .filter(|worse| !is_about_time(worse));
                refused().by(&worse.unwrap_or(error))
            })
        };
        match &self.believed {
            Believed::Issued(verifier) => by_issuer(verifier.as_ref()),
            Believed::Given { themselves, .. } if themselves.contains(leaf) => itself(leaf, name, now),
            Believed::Given {
                issued: Some(verifier),
                ..
            } => by_issuer(verifier.as_ref()),
            Believed::Given { .. } => {
                let unknown = rustls::CertificateError::UnknownIssuer.into();
                Err(refused().by(&unknown))
            }
            Believed::Pinned(pins) if hashes(leaf).any(|hash| pins.contains(&hash)) => Ok(()),
            Believed::Pinned(_) => Err(refused().not_pinned()),
            Believed::Anybody => Ok(()),
        }
    }
}

fn is_about_time(error: &rustls::Error) -> bool {
    use rustls::CertificateError as E;
    matches!(
        error,
        rustls::Error::InvalidCertificate(
            E::Expired | E::ExpiredContext { .. } | E::NotValidYet | E::NotValidYetContext { .. }
        )
    )
}

/// The last second of a certificate's validity.
fn good_moment(leaf: &CertificateDer<'_>) -> UnixTime {
    let end = u64::try_from(describe(leaf).not_after_ms / 1_000).unwrap_or(0);
    UnixTime::since_unix_epoch(Duration::from_secs(end))
}

/// Which of a certificate's hashes is in a list.
fn listed(certificate: &CertificateDer<'_>, list: &[[u8; 32]]) -> Option<[u8; 32]> {
    if list.is_empty() {
        return None;
    }
    hashes(certificate).find(|hash| list.contains(hash))
}

/// A server's own certificate was given as trusted. It need not be an authority's then, nor be signed by anybody, but
/// it is for certain names and times all the same.
fn itself(leaf: &CertificateDer<'_>, name: &ServerName<'_>, now: UnixTime) -> Result<(), Refusal> {
    let certificate = describe(leaf);
    let now = i64::try_from(now.as_secs())
        .unwrap_or(i64::MAX)
        .saturating_mul(1_000);
    let refused = || Refused::new(leaf, name);
    if now < certificate.not_before_ms {
        return Err(refused().not_yet_valid());
    }
    if now > certificate.not_after_ms {
        return Err(refused().expired());
    }
    ParsedCertificate::try_from(leaf)
        .and_then(|parsed| rustls::client::verify_server_name(&parsed, name))
        .map_err(|error| refused().by(&error))
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if intermediates.len() > MOST_SENT_ALONG {
            return Err(Refused::new(end_entity, server_name).with_too_many().into());
        }
        let mut shown = std::iter::once(end_entity).chain(intermediates);
        if let Some(hash) = shown.find_map(|certificate| self.is_distrusted(certificate)) {
            return Err(Refused::new(end_entity, server_name).distrusted(&hash).into());
        }
        self.believe(end_entity, intermediates, server_name, now)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
            .map_err(|error| Refused::nameless(cert).by(&error).into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
            .map_err(|error| Refused::nameless(cert).by(&error).into())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// Whether a PEM text can be trusted in.
///
/// # Errors
/// When it holds no certificates, or one that cannot be read.
pub(super) fn check_roots(pem: &str) -> Result<(), Box<Error>> {
    given(pem, OPERATORS, &[]).map(drop)
}

/// Trust in the certificates of a PEM text but for those that the operator distrusts; `what` names them in complaints.
fn given(pem: &str, what: &str, distrusted: &[[u8; 32]]) -> Result<Believed, Box<Error>> {
    if pem.len() > ROOTS_LIMIT {
        return Err(invalid(format!(
            "{what} are more than {ROOTS_LIMIT} bytes of PEM text."
        )));
    }
    let themselves = CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| invalid(format!("{what} are not PEM text (RFC 7468): {error}.")))?;
    if themselves.is_empty() {
        return Err(invalid(format!(
            "{what} hold no certificate: PEM text has `-----BEGIN CERTIFICATE-----`."
        )));
    }
    if let Some(index) = themselves
        .iter()
        .position(|certificate| !is_readable(certificate))
    {
        let number = index + 1;
        return Err(invalid(format!(
            "{what} have a certificate that cannot be read: number {number}."
        )));
    }
    let (refused, themselves): (Vec<_>, Vec<_>) = themselves
        .into_iter()
        .partition(|certificate| listed(certificate, distrusted).is_some());
    if themselves.is_empty() && !refused.is_empty() {
        return Err(fault(
            Reason::Revoked,
            format!("{what} are all distrusted by the operator of this host."),
        ));
    }
    let mut roots = RootCertStore::empty();
    // A server's own certificate is trusted itself, and not in what it signs: its key could make certificates for
    // other names. The store itself takes any as an authority's.
    roots.add_parsable_certificates(
        themselves
            .iter()
            .filter(|certificate| may_issue(certificate))
            .cloned(),
    );
    let issued = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider()).build();
    Ok(Believed::Given {
        issued: issued.ok(),
        themselves,
    })
}

fn pins(hashes: &[Vec<u8>]) -> Result<Vec<[u8; 32]>, Box<Error>> {
    if hashes.is_empty() {
        return Err(invalid(
            "There is no pinned fingerprint to compare with.".to_owned(),
        ));
    }
    if hashes.len() > MOST_PINS {
        return Err(invalid(format!(
            "There are more than {MOST_PINS} pinned fingerprints."
        )));
    }
    let whole = |hash: &Vec<u8>| <[u8; 32]>::try_from(hash.as_slice());
    hashes
        .iter()
        .map(whole)
        .collect::<Result<_, _>>()
        .map_err(|_| invalid("A pinned fingerprint is no SHA-256 hash, which has 32 bytes.".to_owned()))
}

pub(super) fn invalid(message: String) -> Box<Error> {
    fault(Reason::Invalid, message)
}
