//! What failures of TLS mean to people, and the one setting that would accept what was refused.

use std::io;

use super::{Error, Kind, Op, printable};
use crate::tls::{Failure, Reason, pin};

impl Error {
    /// A handshake or a TLS session that failed.
    pub(super) fn tls(op: Op, what: &str, failure: &Failure) -> Self {
        let (kind, field) = match failure.reason {
            Reason::Denied => (Kind::DeniedByHost, Some("tls_trust")),
            Reason::WrongName => (Kind::Tls, Some("tls_server_name")),
            Reason::ClientCertificate => (Kind::Tls, Some("tls_client_certificate")),
            Reason::NoCommonVersion | Reason::NotTls | Reason::Protocol | Reason::BadCertificate => {
                (Kind::Tls, None)
            }
            _ => (Kind::Tls, Some("tls_trust")),
        };
        let advice = advice(failure).map_or_else(String::new, |advice| format!(" {advice}"));
        Self {
            effect: op.effect_of_lost_reply(),
            field: field.map(|field| format!("/connection/{field}")),
            session_lost: true,
            ..Self::new(kind, format!("{what}: {}{advice}", sentence(&failure.message)))
        }
    }

    /// A setting of TLS that the host cannot or will not do, said before anything is sent.
    pub fn tls_setting(failure: &Failure, field: &str) -> Self {
        let kind = match failure.reason {
            Reason::Denied => Kind::DeniedByHost,
            Reason::Invalid | Reason::ClientCertificate => Kind::InvalidSettings,
            _ => Kind::Tls,
        };
        Self {
            field: Some(format!("/connection/{field}")),
            ..Self::new(
                kind,
                format!("The TLS settings cannot be used: {}", sentence(&failure.message)),
            )
        }
    }
}

/// Whether the other end does not speak TLS at all.
pub fn is_not_tls(error: &io::Error) -> bool {
    failure_of(error).is_some_and(|failure| failure.reason == Reason::NotTls)
}

/// A failure of TLS, where that is what a stream's error is.
pub(super) fn failure_of(error: &io::Error) -> Option<&Failure> {
    error.get_ref().and_then(|inner| inner.downcast_ref())
}

/// What would be right.
fn advice(failure: &Failure) -> Option<String> {
    let pin = failure
        .certificate
        .as_ref()
        .map(|certificate| format!("`tls_trust: {{ pinned: \"{}\" }}`", pin(certificate)));
    let name = failure
        .certificate
        .as_ref()
        .and_then(|certificate| certificate.names.iter().find(|name| !name.contains('*')));
    Some(match (failure.reason, pin, name) {
        (Reason::Expired, Some(pin), _) => {
            format!(
                "The server needs a new certificate. When its operator confirms the fingerprint, {pin} accepts this \
                 one all the same."
            )
        }
        (Reason::NotYetValid, Some(pin), _) => {
            format!(
                "Check the clock of this machine. When the server's operator confirms the fingerprint, {pin} accepts \
                 the certificate all the same."
            )
        }
        (Reason::WrongName, _, Some(name)) => format!(
            "If this is the right server, set `tls_server_name: {}`.",
            printable(name)
        ),
        (Reason::UnknownIssuer, Some(pin), _) => format!(
            "Set `tls_trust: {{ roots: … }}` to the issuer's certificate, or, when the server's operator confirms \
             the fingerprint, {pin}."
        ),
        (Reason::WrongName, Some(pin), None) | (Reason::SelfSigned, Some(pin), _) => {
            format!("When the server's operator confirms the fingerprint, set {pin}.")
        }
        (Reason::NotPinned, Some(pin), _) => format!(
            "Somebody else may be answering. When the server's operator confirms that the certificate was replaced, \
             set {pin}."
        ),
        (Reason::Revoked, _, _) => "No setting of the connection accepts it.".to_owned(),
        (Reason::ClientCertificate, _, _) => {
            "Set `tls_client_certificate` to one of the instance's `client_certificates` that the server knows."
                .to_owned()
        }
        _ => return None,
    })
}

/// The host's text, as the end of a sentence of ours.
fn sentence(text: &str) -> String {
    let text = printable(text);
    format!("{}.", text.trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::Certificate;

    fn failure(reason: Reason, names: &[&str]) -> Failure {
        Failure {
            reason,
            message: "a\r\nreason.".to_owned(),
            certificate: Some(Box::new(Certificate {
                sha256: vec![0xab; 32],
                public_key_sha256: vec![0; 32],
                subject: String::new(),
                issuer: String::new(),
                not_before_ms: 0,
                not_after_ms: 0,
                names: names.iter().map(|name| (*name).to_owned()).collect(),
            })),
        }
    }

    fn told(reason: Reason, names: &[&str]) -> Error {
        let error = io::Error::from(failure(reason, names));
        Error::io(Op::Secure, "h:21", &error)
    }

    #[test]
    fn each_failure_names_the_one_setting_that_would_accept() {
        let pin = format!("tls_trust: {{ pinned: \"sha256:{}\" }}", "ab".repeat(32));
        for (reason, names, says, field) in [
            (Reason::Expired, &["h"][..], pin.as_str(), Some("tls_trust")),
            (Reason::NotYetValid, &["h"], &pin, Some("tls_trust")),
            (
                Reason::WrongName,
                &["*.x", "y.x"],
                "`tls_server_name: y.x`",
                Some("tls_server_name"),
            ),
            (Reason::WrongName, &["*.x"], &pin, Some("tls_server_name")),
            (Reason::UnknownIssuer, &[], &pin, Some("tls_trust")),
            (Reason::SelfSigned, &[], &pin, Some("tls_trust")),
            (Reason::NotPinned, &[], &pin, Some("tls_trust")),
            (Reason::Revoked, &[], "No setting", Some("tls_trust")),
            (
                Reason::ClientCertificate,
                &[],
                "`tls_client_certificate`",
                Some("tls_client_certificate"),
            ),
            (Reason::NotTls, &[], "a  reason.", None),
            (Reason::NoCommonVersion, &[], "a  reason.", None),
        ] {
            let error = told(reason, names);
            assert_eq!(error.kind, Kind::Tls, "{reason:?}");
            assert!(error.message.contains(says), "{reason:?}: {error}");
            let field = field.map(|field| format!("/connection/{field}"));
            assert_eq!(error.field, field, "{reason:?}");
            assert!(error.session_lost && error.retry == crate::error::Retry::Never);
            let error = io::Error::from(failure(reason, &[]));
            assert_eq!(is_not_tls(&error), reason == Reason::NotTls);
        }
        assert_eq!(told(Reason::Denied, &[]).kind, Kind::DeniedByHost);
    }

    #[test]
    fn settings_that_cannot_be_are_named() {
        for (reason, kind) in [
            (Reason::Denied, Kind::DeniedByHost),
            (Reason::Invalid, Kind::InvalidSettings),
            (Reason::ClientCertificate, Kind::InvalidSettings),
            (Reason::Revoked, Kind::Tls),
        ] {
            let error = Error::tls_setting(&failure(reason, &[]), "tls_trust");
            assert_eq!(error.kind, kind, "{reason:?}");
            assert_eq!(error.field.as_deref(), Some("/connection/tls_trust"));
        }
    }
}
