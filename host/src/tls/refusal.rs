//! Why a server's certificate is refused, in the contract's words.

use super::certificate::{Nature, describe, nature};
use super::text::{date, fingerprint_text, names, shown};
use crate::contract::tls::{Certificate, Error, Reason};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{CertificateError, OtherError};
use std::fmt;
use std::sync::Arc;

/// Characters of a distinguished name that a message repeats; the record of the certificate has more.
const SUBJECT_SHOWN: usize = 100;

/// A refused certificate, on its way through rustls to the session.
#[derive(Debug)]
pub(super) struct Refusal(Box<Error>);

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0.message)
    }
}

impl std::error::Error for Refusal {}

impl From<Refusal> for rustls::Error {
    fn from(refusal: Refusal) -> Self {
        // It carries the whole answer, at the price of the alert: `certificate_unknown`, which stands for any cause.
        Self::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(refusal))))
    }
}

/// The refusal that rustls has carried, if it has.
pub(super) fn carried(error: &rustls::Error) -> Option<&Error> {
    match error {
        rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(other))) => {
            other.downcast_ref::<Refusal>().map(|refusal| refusal.0.as_ref())
        }
        _ => None,
    }
}

/// A certificate that is refused, and for what name.
pub(super) struct Refused<'a> {
    leaf: &'a [u8],
    certificate: Certificate,
    name: Option<String>,
}

impl<'a> Refused<'a> {
    pub(super) fn new(leaf: &'a CertificateDer<'_>, name: &ServerName<'_>) -> Self {
        Self {
            leaf,
            certificate: describe(leaf),
            name: Some(name.to_str().into_owned()),
        }
    }

    /// Where the name is not known, and does not matter.
    pub(super) fn nameless(leaf: &'a CertificateDer<'_>) -> Self {
        Self {
            leaf,
            certificate: describe(leaf),
            name: None,
        }
    }

    /// By a check of its chain, its time or its name.
    pub(super) fn by(self, error: &rustls::Error) -> Refusal {
        match error {
            rustls::Error::InvalidCertificate(error) => self.by_check(error),
            rustls::Error::PeerMisbehaved(_) => self.because(
                Reason::BadCertificate,
                "signed the handshake in a way that was not offered",
            ),
            other => self.because(
                Reason::BadCertificate,
                &format!("cannot be checked: {}", said(other)),
            ),
        }
    }

    fn by_check(self, error: &CertificateError) -> Refusal {
        let Nature {
            self_issued,
            authority,
        } = nature(self.leaf);
        match error {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => self.expired(),
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                self.not_yet_valid()
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                self.wrong_name()
            }
            CertificateError::UnknownIssuer if !self_issued => {
                let issuer = shown(&self.certificate.issuer, SUBJECT_SHOWN);
                self.because(
                    Reason::UnknownIssuer,
                    &format!("was issued by {issuer}, which is not trusted, nor is anybody above it"),
                )
            }
            CertificateError::UnknownIssuer => self.self_signed(),
            // Such a one may not stand for a server, which is found before its issuer is looked for.
            CertificateError::Other(_) if self_issued && authority => self.self_signed(),
            CertificateError::Other(_) if authority => self.because(
                Reason::BadCertificate,
                "is an authority's, which may only sign other certificates",
            ),
            CertificateError::Revoked => self.because(Reason::Revoked, "was revoked by its issuer"),
            CertificateError::BadEncoding | CertificateError::UnhandledCriticalExtension => {
                self.because(Reason::BadCertificate, "cannot be read")
            }
            CertificateError::BadSignature => self.because(
                Reason::BadCertificate,
                "does not fit a signature that was made with its key",
            ),
            CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
                self.because(Reason::BadCertificate, "is not meant for servers")
            }
            other => self.because(
                Reason::BadCertificate,
                &format!("cannot be accepted: {}", shown(&other.to_string(), 200)),
            ),
        }
    }

    pub(super) fn expired(self) -> Refusal {
        // An authority's time may be over while the server's is not.
        let today = jiff::Timestamp::now().as_millisecond();
        if self.certificate.not_after_ms > today {
            return self.because(Reason::Expired, "has an issuer whose own certificate has expired");
        }
        let end = date(self.certificate.not_after_ms);
        self.because(Reason::Expired, &format!("expired on {end}"))
    }

    pub(super) fn not_yet_valid(self) -> Refusal {
        let begin = date(self.certificate.not_before_ms);
        self.because(Reason::NotYetValid, &format!("is valid only from {begin} on"))
    }

    fn wrong_name(self) -> Refusal {
        let names = names(&self.certificate.names);
        self.because(
            Reason::WrongName,
            &format!("is for other names: it is for {names}"),
        )
    }

    fn self_signed(self) -> Refusal {
        let end = date(self.certificate.not_after_ms);
        self.because(
            Reason::SelfSigned,
            &format!("is self-signed and is not among those that are trusted (it is valid until {end})"),
        )
    }

    pub(super) fn not_pinned(self) -> Refusal {
        let key = fingerprint_text(&self.certificate.public_key_sha256);
        self.because(
            Reason::NotPinned,
            &format!("has none of the expected fingerprints; its public key has {key}"),
        )
    }

    /// More certificates came along than anybody needs.
    pub(super) fn with_too_many(self) -> Refusal {
        self.because(
            Reason::BadCertificate,
            "came with more certificates than lead to any authority",
        )
    }

    /// The operator's list has a certificate of the chain.
    pub(super) fn distrusted(self, hash: &[u8]) -> Refusal {
        let what = "is distrusted by the operator of this host";
        if hash == self.certificate.sha256 {
            return self.because(Reason::Revoked, what);
        }
        let listed = fingerprint_text(hash);
        self.because(
            Reason::Revoked,
            &format!("{what}, for its key or for whom it leads to: {listed} is listed"),
        )
    }

    fn because(self, reason: Reason, what: &str) -> Refusal {
        let Self {
            certificate, name, ..
        } = self;
        let subject = match certificate.subject.as_str() {
            "" => "no subject".to_owned(),
            subject => format!("subject {}", shown(subject, SUBJECT_SHOWN)),
        };
        let own = fingerprint_text(&certificate.sha256);
        let name = name.map(|name| format!(" for {name}")).unwrap_or_default();
        Refusal(Box::new(Error {
            reason,
            message: format!(
                "The certificate that the server showed{name} {what}. It has {own} and {subject}."
            ),
            certificate: Some(certificate),
        }))
    }
}

/// What rustls says, cut and without tricks: some of it comes from the server.
pub(super) fn said(error: &rustls::Error) -> String {
    shown(&error.to_string(), 200)
}
