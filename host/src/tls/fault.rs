//! Why a session failed, in the contract's words: what rustls says, what the peer says, and what is no TLS.

use super::policy::TlsVersion;
use super::refusal::{carried, said};
use super::text::shown;
use crate::contract::tls::{Error, Reason};
use rustls::AlertDescription as Alert;

/// Characters of clear text that a message repeats.
const CLEAR_TEXT_SHOWN: usize = 80;

/// What a message has to know of the session that failed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Circumstances<'a> {
    /// The server's name.
    pub(super) name: &'a str,
    /// The oldest version that the operator accepts.
    pub(super) minimum: TlsVersion,
    /// Whether the server has asked for a certificate of ours.
    pub(super) asked: bool,
    /// Whether it got one.
    pub(super) identified: bool,
    /// What of the bytes that arrived is not understood yet.
    pub(super) arrived: &'a [u8],
}

impl Circumstances<'_> {
    pub(super) fn error(&self, error: &rustls::Error) -> Box<Error> {
        use rustls::Error as Tls;
        if let Some(refusal) = carried(error) {
            return Box::new(refusal.clone());
        }
        let name = self.name;
        match error {
            Tls::AlertReceived(alert) => self.alert(*alert),
            Tls::PeerIncompatible(_) => self.no_common_version(),
            Tls::InvalidCertificate(_) | Tls::NoCertificatesPresented => fault(
                Reason::BadCertificate,
                format!(
                    "The certificate that {name} showed cannot be accepted: {}.",
                    said(error)
                ),
            ),
            Tls::InvalidMessage(_) if !starts_a_record(self.arrived) => self.not_tls(),
            Tls::DecryptError => fault(
                Reason::Protocol,
                format!(
                    "What {name} sent cannot be decrypted: it was changed on the way, or is not of this connection."
                ),
            ),
            other => fault(
                Reason::Protocol,
                format!("TLS with {name} failed: {}.", said(other)),
            ),
        }
    }

    fn alert(&self, alert: Alert) -> Box<Error> {
        let name = self.name;
        match alert {
            Alert::CertificateRequired | Alert::NoCertificate => self.certificate_wanted(),
            Alert::HandshakeFailure if self.asked && !self.identified => self.certificate_wanted(),
            Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::UnknownCA
            | Alert::AccessDenied => {
                if self.asked && !self.identified {
                    return self.certificate_wanted();
                }
                fault(
                    Reason::ClientCertificate,
                    format!(
                        "{name} does not accept the client certificate that it got: it answered with the alert {}.",
                        alert_name(alert)
                    ),
                )
            }
            Alert::ProtocolVersion | Alert::InsufficientSecurity | Alert::HandshakeFailure => {
                self.no_common_version()
            }
            other => fault(
                Reason::Protocol,
                format!("{name} ended TLS with the alert {}.", alert_name(other)),
            ),
        }
    }

    fn certificate_wanted(&self) -> Box<Error> {
        fault(
            Reason::ClientCertificate,
            format!("{} wants a client certificate, and got none.", self.name),
        )
    }

    fn no_common_version(&self) -> Box<Error> {
        fault(
            Reason::NoCommonVersion,
            format!(
                "{} offers no TLS version with a cipher that this host accepts: the host wants at least {}.",
                self.name, self.minimum
            ),
        )
    }

    fn not_tls(&self) -> Box<Error> {
        let text = String::from_utf8_lossy(self.arrived);
        let line = text.lines().next().unwrap_or_default();
        let printable = line.len() > 2 && line.chars().all(|character| !character.is_control());
        let what = if printable {
            format!(": it sent clear text, {:?}", shown(line, CLEAR_TEXT_SHOWN))
        } else {
            String::new()
        };
        fault(
            Reason::NotTls,
            format!("{} does not speak TLS where it is expected{what}.", self.name),
        )
    }
}

pub(super) fn fault(reason: Reason, message: String) -> Box<Error> {
    Box::new(Error {
        reason,
        message,
        certificate: None,
    })
}

/// Whether bytes begin like a record of any version (RFC 8446, section 5.1).
fn starts_a_record(bytes: &[u8]) -> bool {
    matches!(bytes, [20..=24, 3, ..] | [20..=24] | [])
}

/// As the standards write it, such as `handshake_failure`.
fn alert_name(alert: Alert) -> String {
    let number = u8::from(alert);
    if matches!(alert, Alert::Unknown(_)) {
        return format!("number {number}");
    }
    let mut name = String::new();
    let mut capitals = false;
    for character in format!("{alert:?}").chars() {
        if character.is_ascii_uppercase() && !capitals && !name.is_empty() {
            name.push('_');
        }
        capitals = character.is_ascii_uppercase();
        name.push(character.to_ascii_lowercase());
    }
    format!("{name} ({number})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alerts_have_their_standard_names() {
        assert_eq!(alert_name(Alert::HandshakeFailure), "handshake_failure (40)");
        assert_eq!(alert_name(Alert::UnknownCA), "unknown_ca (48)");
        assert_eq!(alert_name(Alert::Unknown(200)), "number 200");
    }
}
