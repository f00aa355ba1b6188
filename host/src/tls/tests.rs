//! Sessions against a server of rustls' own, in memory: no socket, no time-out.

mod certificates;
mod clients;
mod fingerprints;
mod records;
mod refusals;
mod resumption;
mod traffic;

use super::{Context, Identity, Session, SystemTrust, TlsPolicy, provider};
use crate::contract::tls::{Error, Received, Trust};
use certificates::Issued;
use rustls::server::{ServerConfig, ServerConnection, WebPkiClientVerifier};
use rustls::{RootCertStore, SupportedProtocolVersion};
use std::io::{Read as _, Write as _};
use std::sync::Arc;

pub(super) use rustls::version::{TLS12, TLS13};

/// The name that the server's good certificates are for.
const NAME: &str = "ftp.example.com";

/// How a server is set up.
fn server_config(issued: &Issued, versions: &[&'static SupportedProtocolVersion]) -> ServerConfig {
    ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(versions)
        .expect("known versions")
        .with_no_client_auth()
        .with_single_cert(issued.chain(), issued.key())
        .expect("a certificate with its key")
}

/// One that wants a client certificate of this authority.
fn asking_config(
    issued: &Issued,
    authority: &Issued,
    versions: &[&'static SupportedProtocolVersion],
) -> ServerConfig {
    let mut roots = RootCertStore::empty();
    roots.add(authority.der()).expect("an authority");
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider());
    ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(versions)
        .expect("known versions")
        .with_client_cert_verifier(verifier.build().expect("a verifier"))
        .with_single_cert(issued.chain(), issued.key())
        .expect("a certificate with its key")
}

/// The other side of a session.
struct Server(ServerConnection);

impl Server {
    fn new(config: &Arc<ServerConfig>) -> Self {
        Self(ServerConnection::new(Arc::clone(config)).expect("a connection"))
    }

    /// Takes records, and gives the data in them.
    fn take(&mut self, mut records: &[u8]) -> Result<Vec<u8>, rustls::Error> {
        let mut data = Vec::new();
        while !records.is_empty() {
            self.0.read_tls(&mut records).expect("memory");
            let state = self.0.process_new_packets()?;
            let mut part = vec![0; state.plaintext_bytes_to_read()];
            self.0.reader().read_exact(&mut part).expect("it is there");
            data.extend(part);
        }
        Ok(data)
    }

    /// Gives the records that it has to send.
    fn give(&mut self) -> Vec<u8> {
        let mut records = Vec::new();
        while self.0.wants_write() {
            self.0.write_tls(&mut records).expect("memory");
        }
        records
    }

    fn say(&mut self, data: &[u8]) -> Vec<u8> {
        self.0.set_buffer_limit(None);
        self.0.writer().write_all(data).expect("memory");
        self.give()
    }

    fn close(&mut self) -> Vec<u8> {
        self.0.send_close_notify();
        self.give()
    }
}

/// A context with the default policy.
fn context(trust: &Trust) -> Context {
    context_of(trust, None, &TlsPolicy::default()).expect("a context")
}

fn context_of(trust: &Trust, identity: Option<&Identity>, policy: &TlsPolicy) -> Result<Context, Box<Error>> {
    Context::new(trust, identity, policy, &SystemTrust::default())
}

fn trusting(issued: &Issued) -> Trust {
    Trust::Roots(issued.pem())
}

/// Lets both sides talk until the handshake is over. What the server says after that is left with it.
fn shake(session: &mut Session, server: &mut Server) -> Result<(), Box<Error>> {
    let hello = session.encrypt(&[])?;
    let mut refused = server.take(&hello).is_err();
    loop {
        let records = server.give();
        assert!(
            refused || !records.is_empty(),
            "the handshake does not come to an end"
        );
        let Received {
            reply,
            handshaking,
            plaintext,
            ..
        } = session.decrypt(records)?;
        assert_eq!(plaintext, b"");
        refused |= server.take(&reply).is_err();
        if !handshaking {
            return Ok(());
        }
    }
}

/// A session and a server that have agreed.
fn agreed(context: &Context, config: &Arc<ServerConfig>) -> (Session, Server) {
    let mut session = context.open(NAME).expect("a name");
    let mut server = Server::new(config);
    shake(&mut session, &mut server).unwrap_or_else(|error| panic!("{}", error.message));
    (session, server)
}

/// Why they do not agree.
fn refused(context: &Context, config: ServerConfig) -> Box<Error> {
    let mut session = context.open(NAME).expect("a name");
    let mut server = Server::new(&Arc::new(config));
    shake(&mut session, &mut server).expect_err("they should not agree")
}
