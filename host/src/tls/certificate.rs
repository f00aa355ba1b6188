//! A certificate (DER, RFC 5280) as the contract describes it.

use super::text::shown;
use crate::contract::tls::Certificate;
use rustls::pki_types::CertificateDer;
use rustls::server::ParsedCertificate;
use sha2::{Digest as _, Sha256};
use std::net::IpAddr;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::objects::{oid_registry, oid2abbrev};
use x509_parser::prelude::FromDer as _;
use x509_parser::x509::{AttributeTypeAndValue, X509Name, X509Version};

/// Characters of a distinguished name; one that is longer is cut.
const NAME_LENGTH: usize = 512;
/// Characters of one alternative name: those of the longest DNS name.
const ALTERNATIVE_LENGTH: usize = 253;
/// Alternative names. Certificates of large sites have some hundred.
const ALTERNATIVES: usize = 500;

/// Describes a certificate. Of one that cannot be read, only its hash is known; everything else is empty.
pub(super) fn describe(der: &[u8]) -> Certificate {
    let mut certificate = Certificate {
        sha256: sha256(der).to_vec(),
        public_key_sha256: Vec::new(),
        subject: String::new(),
        issuer: String::new(),
        not_before_ms: 0,
        not_after_ms: 0,
        names: Vec::new(),
    };
    let Ok((_, parsed)) = X509Certificate::from_der(der) else {
        return certificate;
    };
    certificate.public_key_sha256 = sha256(parsed.public_key().raw).to_vec();
    certificate.subject = distinguished_name(parsed.subject());
    certificate.issuer = distinguished_name(parsed.issuer());
    let milliseconds = |seconds: i64| seconds.saturating_mul(1_000);
    certificate.not_before_ms = milliseconds(parsed.validity().not_before.timestamp());
    certificate.not_after_ms = milliseconds(parsed.validity().not_after.timestamp());
    certificate.names = alternative_names(&parsed);
    certificate
}

/// What decides between two ways to refuse a certificate.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Nature {
    /// Subject and issuer are the same.
    pub(super) self_issued: bool,
    /// It may sign other certificates.
    pub(super) authority: bool,
}

/// What kind of certificate it is; nothing of one that cannot be read.
pub(super) fn nature(der: &[u8]) -> Nature {
    X509Certificate::from_der(der).map_or_else(
        |_| Nature::default(),
        |(_, parsed)| Nature {
            self_issued: parsed.subject().as_raw() == parsed.issuer().as_raw(),
            authority: parsed.is_ca(),
        },
    )
}

/// Whether it is a certificate at all.
pub(super) fn is_readable(der: &[u8]) -> bool {
    X509Certificate::from_der(der).is_ok()
}

/// Whether a certificate may sign others: an authority's, or a self-issued one of the first version of X.509, in which
/// nothing says what it may.
pub(super) fn may_issue(der: &[u8]) -> bool {
    X509Certificate::from_der(der).is_ok_and(|(_, certificate)| {
        let oldest = certificate.version() == X509Version::V1;
        certificate.is_ca() || (oldest && certificate.subject().as_raw() == certificate.issuer().as_raw())
    })
}

pub(super) fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// The hashes by which a certificate may be pinned or distrusted: its own and its public key's.
///
/// The key is taken from the parser that checks the handshake's signature: were it another's, a certificate could show
/// a pinned key to the one and its true key to the other.
pub(super) fn hashes(certificate: &CertificateDer<'_>) -> impl Iterator<Item = [u8; 32]> {
    // The parser that checks signatures has the first say on what the key is. It does not read the oldest certificates.
    let key = ParsedCertificate::try_from(certificate)
        .ok()
        .map(|parsed| sha256(&parsed.subject_public_key_info()))
        .or_else(|| {
            let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
            Some(sha256(parsed.public_key().raw))
        });
    std::iter::once(sha256(certificate)).chain(key)
}

fn alternative_names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(extension)) = certificate.subject_alternative_name() else {
        return Vec::new();
    };
    let names = extension.value.general_names.iter();
    names.filter_map(alternative_name).take(ALTERNATIVES).collect()
}

fn alternative_name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some(shown(name, ALTERNATIVE_LENGTH)),
        GeneralName::IPAddress(bytes) => {
            let four = <[u8; 4]>::try_from(*bytes).map(IpAddr::from);
            let sixteen = || <[u8; 16]>::try_from(*bytes).map(IpAddr::from);
            let address = four.or_else(|_| sixteen()).ok()?;
            Some(address.to_string())
        }
        // Other kinds of names are not for servers.
        _ => None,
    }
}

/// A name as RFC 4514 writes it: the most specific part first.
fn distinguished_name(name: &X509Name<'_>) -> String {
    let parts: Vec<String> = name
        .iter_rdn()
        .map(|part| part.iter().map(attribute).collect::<Vec<_>>().join("+"))
        .collect();
    let parts: Vec<String> = parts.into_iter().rev().collect();
    shown(&parts.join(","), NAME_LENGTH)
}

fn attribute(attribute: &AttributeTypeAndValue<'_>) -> String {
    let oid = attribute.attr_type();
    let kind = oid2abbrev(oid, oid_registry()).map_or_else(|_| oid.to_id_string(), str::to_owned);
    // Old encodings are read as far as they are ASCII, which is what they hold in practice.
    let value = attribute.as_str().map_or_else(
        |_| String::from_utf8_lossy(attribute.as_slice()).into_owned(),
        str::to_owned,
    );
    format!("{kind}={}", escaped(&value))
}

fn escaped(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    let last = value.chars().count().saturating_sub(1);
    for (index, character) in value.chars().enumerate() {
        let special = matches!(character, ',' | '+' | '"' | '\\' | '<' | '>' | ';');
        let at_an_end =
            (character == ' ' && (index == 0 || index == last)) || (character == '#' && index == 0);
        if special || at_an_end {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_escaped() {
        assert_eq!(escaped("a, b"), "a\\, b");
        assert_eq!(escaped(" #a "), "\\ #a\\ ");
        assert_eq!(escaped("#"), "\\#");
    }

    #[test]
    fn of_what_is_no_certificate_the_hash_is_known() {
        let certificate = describe(b"no certificate");
        assert_eq!(certificate.sha256, sha256(b"no certificate"));
        assert_eq!(certificate.names, [""; 0]);
        assert!(!is_readable(b"no certificate"));
    }
}
