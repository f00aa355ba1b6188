//! Client certificates: read, asked for, shown.

use super::certificates::{Issued, params};
use super::{NAME, Server, TLS12, TLS13, asking_config, context_of, server_config, shake, trusting};
use crate::contract::tls::{Error, Reason};
use crate::tls::identity::{Identity, IdentityError};
use crate::tls::{Identities, TlsPolicy};
use rustls::server::ServerConfig;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use tempfile::TempDir;

/// A folder with PEM files.
struct Files(TempDir);

impl Files {
    fn new(files: &[(&str, String)]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, text) in files {
            fs::write(folder.path().join(name), text).expect("written");
        }
        Self(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn identity(&self, certificate: &str, key: &str) -> Result<Identity, IdentityError> {
        Identity::read(&self.path(certificate), &self.path(key))
    }
}

fn identity(issued: &Issued) -> Identity {
    let files = Files::new(&[("both.pem", issued.pem() + &issued.key_pem())]);
    files
        .identity("both.pem", "both.pem")
        .expect("a certificate with its key")
}

/// What comes of a handshake, and of the first words after it: in TLS 1.3 the server judges us then.
fn meet(authority: &Issued, identity: Option<&Identity>, config: ServerConfig) -> Result<(), Box<Error>> {
    let context = context_of(&trusting(authority), identity, &TlsPolicy::default()).expect("a context");
    let mut session = context.open(NAME).expect("a name");
    let mut server = Server::new(&Arc::new(config));
    shake(&mut session, &mut server)?;
    session.decrypt(server.give())?;
    assert!(!server.0.is_handshaking());
    Ok(())
}

#[test]
fn a_server_that_asks_gets_the_certificate() {
    let authority = Issued::authority("Example CA");
    let us = identity(&authority.issue(params("us", &["us.example.com"])));
    for version in [&TLS12, &TLS13] {
        let config = || asking_config(&authority.server(), &authority, &[version]);
        meet(&authority, Some(&us), config()).unwrap_or_else(|error| panic!("{}", error.message));
        // One that does not ask gets none.
        meet(
            &authority,
            Some(&us),
            server_config(&authority.server(), &[version]),
        )
        .expect("agreed");

        let error = meet(&authority, None, config()).expect_err("it wants one");
        assert_eq!(error.reason, Reason::ClientCertificate);
        assert!(
            error.message.contains("wants a client certificate, and got none"),
            "{}",
            error.message
        );

        let stranger =
            identity(&Issued::authority("Strange CA").issue(params("them", &["them.example.com"])));
        let error = meet(&authority, Some(&stranger), config()).expect_err("it knows no such issuer");
        assert_eq!(error.reason, Reason::ClientCertificate);
        assert!(
            error.message.contains("does not accept the client certificate"),
            "{}",
            error.message
        );
    }
}

#[test]
fn files_that_are_no_identity_are_told_apart() {
    let authority = Issued::authority("Example CA");
    let (us, them) = (authority.server(), authority.server());
    let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let old = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAAA\n\
               -----END RSA PRIVATE KEY-----\n";
    let damaged = us.key_pem().replace("-----END", "s3cret-s3cret\n-----END");
    let files = Files::new(&[
        ("us.pem", us.pem()),
        ("us.key", us.key_pem()),
        ("them.key", them.key_pem()),
        ("encrypted.key", encrypted.to_owned()),
        ("old.key", old.to_owned()),
        ("damaged.key", damaged),
        ("cut.key", us.key_pem().replace("-----END", "")),
        ("empty", String::new()),
        (
            "bad.pem",
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_owned(),
        ),
        (
            "bad.key",
            "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n".to_owned(),
        ),
    ]);
    assert!(files.identity("us.pem", "us.key").is_ok());
    for (certificate, key, of_key, words) in [
        ("none.pem", "us.key", false, "cannot be read"),
        ("us.pem", "none.key", true, "cannot be read"),
        ("empty", "us.key", false, "no certificate in"),
        ("us.key", "us.key", false, "no certificate in"),
        ("bad.pem", "us.key", false, "the certificate in"),
        ("us.pem", "us.pem", true, "no private key in"),
        ("us.pem", "encrypted.key", true, "decrypt it first"),
        ("us.pem", "old.key", true, "decrypt it first"),
        ("us.pem", "damaged.key", true, "not PEM text"),
        ("us.pem", "cut.key", true, "not PEM text"),
        ("us.pem", "bad.key", true, "cannot be used"),
        ("us.pem", "them.key", true, "does not belong to"),
    ] {
        let error = files.identity(certificate, key).expect_err(words);
        let text = error.to_string();
        assert!(text.contains(words), "{certificate} with {key}: {text}");
        assert_eq!(error.is_of_key(), of_key, "{text}");
        assert!(!text.contains("s3cret"), "{text}");
        assert!(!format!("{error:?}").contains("s3cret"), "{error:?}");
    }
}

#[test]
fn texts_are_an_identity_as_files_are() {
    let authority = Issued::authority("Example CA");
    let (us, them) = (authority.server(), authority.server());
    assert!(Identity::from_pem(&us.pem(), &us.key_pem()).is_ok());
    let error = Identity::from_pem(&us.pem(), &them.key_pem()).expect_err("another's key");
    assert_eq!(
        error.to_string(),
        "the private key in the key's text does not belong to the first certificate in the certificate's text"
    );
}

#[test]
fn keys_never_show() {
    let issued = Issued::authority("Example CA").server();
    let identities: Identities = [("us".to_owned(), identity(&issued))].into();
    let shown = format!("{identities:?}");
    assert_eq!(shown, "{\"us\": Identity { .. }}");
}
