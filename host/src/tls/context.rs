//! Whom one control connection trusts, who it is, and the sessions that its data connections resume.

use super::identity::Identity;
use super::policy::{TlsPolicy, TlsVersion};
use super::provider;
use super::session::Session;
use super::text::shown;
use super::tickets::Tickets;
use super::verify::{SystemTrust, Verifier, invalid};
use crate::contract::tls::{Error, Trust};
use rustls::client::{ResolvesClientCert, Resumption, UnbufferedClientConnection};
use rustls::pki_types::ServerName;
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, SignatureScheme, SupportedProtocolVersion};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Characters of a connector's text that a message repeats.
pub(crate) const NAME_SHOWN: usize = 100;

/// Trust, and the sessions that may be resumed.
///
/// One for each control connection, so that a session is resumed only where its certificate was checked in the same
/// way, and never by another account.
pub struct Context {
    config: Arc<ClientConfig>,
    setting: Arc<Setting>,
}

/// What a session needs of its context.
pub(super) struct Setting {
    pub(super) minimum: TlsVersion,
    pub(super) tickets: Arc<Tickets>,
    pub(super) identity: Arc<Shown>,
}

impl Context {
    /// # Errors
    /// `invalid` for trust that cannot be, `denied` for what the operator does not allow.
    pub(crate) fn new(
        trust: &Trust,
        identity: Option<&Identity>,
        policy: &TlsPolicy,
        system: &SystemTrust,
    ) -> Result<Self, Box<Error>> {
        let verifier = Verifier::new(trust, policy, system)?;
        let identity = Arc::new(Shown {
            key: identity.map(Identity::key),
            asked: AtomicBool::new(false),
        });
        let tickets = Arc::new(Tickets::default());
        let versions: &[&SupportedProtocolVersion] = match policy.minimum {
            TlsVersion::V1_2 => &[&TLS13, &TLS12],
            TlsVersion::V1_3 => &[&TLS13],
        };
        let mut config = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(versions)
            .map_err(|error| invalid(format!("TLS cannot be set up: {error}.")))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_client_cert_resolver(Arc::clone(&identity) as _);
        config.resumption = Resumption::store(Arc::clone(&tickets) as _);
        // The keys stay in this process: they go to `records`, which goes on where the handshake has ended.
        config.enable_secret_extraction = true;
        Ok(Self {
            config: Arc::new(config),
            setting: Arc::new(Setting {
                minimum: policy.minimum,
                tickets,
                identity,
            }),
        })
    }

    /// A session with the server of this name, a DNS name or an IP address.
    ///
    /// # Errors
    /// `invalid` when it is neither.
    pub fn open(&self, server_name: &str) -> Result<Session, Box<Error>> {
        let name = parse_name(server_name)?;
        let connection = UnbufferedClientConnection::new(Arc::clone(&self.config), name.clone())
            .map_err(|error| invalid(format!("TLS with {server_name:?} cannot begin: {error}.")))?;
        Ok(Session::new(connection, name, Arc::clone(&self.setting)))
    }
}

#[cfg(test)]
impl Context {
    /// What of its sessions is kept.
    pub(super) fn tickets(&self) -> std::sync::Weak<Tickets> {
        Arc::downgrade(&self.setting.tickets)
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        self.setting.tickets.close();
    }
}

/// A DNS name, also with the root's dot at its end, or an IP address, also in brackets.
fn parse_name(text: &str) -> Result<ServerName<'static>, Box<Error>> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let bare = bare.or_else(|| text.strip_suffix('.')).unwrap_or(text);
    ServerName::try_from(bare.to_owned()).map_err(|_| {
        invalid(format!(
            "{:?} is not a name that a certificate can be for: that is a DNS name in ASCII, or an IP address.",
            shown(text, NAME_SHOWN)
        ))
    })
}

/// Shows the server our certificate, when it asks and there is one.
pub(super) struct Shown {
    key: Option<Arc<CertifiedKey>>,
    asked: AtomicBool,
}

impl Shown {
    /// Whether a server has asked. An alert after that is probably about the answer.
    pub(super) fn was_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }

    /// Whether there is one.
    pub(super) fn is_there(&self) -> bool {
        self.key.is_some()
    }
}

impl std::fmt::Debug for Shown {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Shown").finish_non_exhaustive()
    }
}

impl ResolvesClientCert for Shown {
    fn resolve(
        &self,
        _root_hint_subjects: &[&[u8]],
        _sigschemes: &[SignatureScheme],
    ) -> Option<Arc<CertifiedKey>> {
        self.asked.store(true, Ordering::Relaxed);
        self.key.clone()
    }

    fn has_certs(&self) -> bool {
        self.key.is_some()
    }
}
