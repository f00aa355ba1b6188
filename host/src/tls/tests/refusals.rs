//! Which servers are not believed, and what is said about it.

use super::certificates::{Issued, params};
use super::{
    NAME, Server, TLS12, TLS13, agreed, context, context_of, refused, server_config, shake, trusting,
};
use crate::contract::tls::{Error, Reason, Trust};
use crate::tls::certificate::{describe, sha256};
use crate::tls::{TlsPolicy, TlsVersion};
use rcgen::date_time_ymd;
use std::sync::Arc;

fn told(error: &Error, reason: Reason, words: &[&str]) {
    assert_eq!(error.reason, reason, "{}", error.message);
    for word in words {
        assert!(
            error.message.contains(word),
            "{word:?} is not in: {}",
            error.message
        );
    }
}

/// Why this certificate is refused, with both versions.
fn refusal(trust: &Trust, issued: &Issued) -> Box<Error> {
    let old = refused(&context(trust), server_config(issued, &[&TLS12]));
    let new = refused(&context(trust), server_config(issued, &[&TLS13]));
    assert_eq!(old.message, new.message);
    let shown = new.certificate.as_ref().expect("the certificate");
    assert_eq!(shown.sha256, sha256(&issued.der()));
    new
}

#[test]
fn times_are_checked() {
    let authority = Issued::authority("Example CA");
    let mut old = params(NAME, &[NAME]);
    old.not_after = date_time_ymd(2024, 5, 1);
    let error = refusal(&trusting(&authority), &authority.issue(old));
    told(
        &error,
        Reason::Expired,
        &[
            "for ftp.example.com",
            "expired on 2024-05-01",
            "CN=ftp.example.com",
            "sha256:",
        ],
    );

    let mut new = params(NAME, &[NAME]);
    new.not_before = date_time_ymd(2080, 2, 3);
    let error = refusal(&trusting(&authority), &authority.issue(new));
    told(&error, Reason::NotYetValid, &["valid only from 2080-02-03 on"]);
}

#[test]
fn names_are_checked() {
    let authority = Issued::authority("Example CA");
    let other = authority.issue(params("other", &["a.example.com", "10.0.0.1"]));
    let error = refusal(&trusting(&authority), &other);
    told(
        &error,
        Reason::WrongName,
        &[
            "for ftp.example.com is for other names",
            "a.example.com, 10.0.0.1",
        ],
    );
}

#[test]
fn addresses_are_names_too() {
    let authority = Issued::authority("Example CA");
    let config = Arc::new(server_config(&authority.server(), &[&TLS13]));
    let context = context(&trusting(&authority));
    for (name, good) in [
        ("127.0.0.1", true),
        ("[::1]", false),
        ("ftp.example.com.", true),
        ("FTP.example.com", true),
    ] {
        let mut session = context.open(name).expect("a name");
        let result = shake(&mut session, &mut Server::new(&config));
        assert_eq!(result.is_ok(), good, "{name}");
    }
    for name in ["", "a b", "ftp_ü.example", "fe80::1%eth0"] {
        let error = context.open(name).err().expect("no name");
        told(&error, Reason::Invalid, &["is not a name"]);
    }
}

#[test]
fn issuers_are_checked() {
    let authority = Issued::authority("Example CA");
    let stranger = Issued::authority("Strange CA");
    let error = refusal(&trusting(&authority), &stranger.server());
    told(
        &error,
        Reason::UnknownIssuer,
        &["issued by CN=Strange CA", "not trusted"],
    );
    // One that claims the right name.
    let forger = Issued::authority("Example CA");
    let error = refusal(&trusting(&authority), &forger.server());
    assert!(matches!(
        error.reason,
        Reason::UnknownIssuer | Reason::BadCertificate
    ));
}

#[test]
fn a_self_signed_certificate_is_told_from_an_unknown_issuer() {
    let authority = Issued::authority("Example CA");
    let alone = Issued::self_signed(params(NAME, &[NAME]));
    told(
        &refusal(&trusting(&authority), &alone),
        Reason::SelfSigned,
        &["self-signed", "valid until 2090-01-01"],
    );
    // As `openssl req -x509` makes them: an authority's.
    let as_authority = Issued::authority(NAME);
    told(
        &refusal(&trusting(&authority), &as_authority),
        Reason::SelfSigned,
        &["self-signed"],
    );
}

#[test]
fn a_servers_own_certificate_can_be_trusted_for_its_names_and_time() {
    for issued in [
        Issued::self_signed(params(NAME, &[NAME])),
        {
            let mut params = params(NAME, &[NAME]);
            params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
            Issued::self_signed(params)
        },
        Issued::authority("Strange CA").server(),
    ] {
        let config = Arc::new(server_config(&issued, &[&TLS13]));
        agreed(&context(&trusting(&issued)), &config);
    }
    let other = Issued::self_signed(params("other", &["other.example.com"]));
    told(
        &refusal(&trusting(&other), &other),
        Reason::WrongName,
        &["other.example.com"],
    );
    let mut old = params(NAME, &[NAME]);
    old.not_after = date_time_ymd(2024, 5, 1);
    let old = Issued::self_signed(old);
    told(&refusal(&trusting(&old), &old), Reason::Expired, &["2024-05-01"]);
}

/// The key of a server that is trusted as itself must not make certificates for other servers.
#[test]
fn a_servers_own_certificate_vouches_for_nobody_else() {
    let own = Issued::self_signed(params("partner", &["partner.example.com"]));
    let made = own.issue(params(NAME, &[NAME]));
    told(
        &refusal(&trusting(&own), &made),
        Reason::UnknownIssuer,
        &["not trusted"],
    );
}

/// Anybody can make a certificate that has expired: that nobody vouches for it is what counts.
#[test]
fn an_expired_certificate_of_nobody_is_not_called_expired() {
    let trust = trusting(&Issued::authority("Example CA"));
    let mut old = params(NAME, &[NAME]);
    old.not_after = date_time_ymd(2024, 5, 1);
    told(
        &refusal(&trust, &Issued::self_signed(old.clone())),
        Reason::SelfSigned,
        &["self-signed"],
    );
    let stranger = Issued::authority("Strange CA");
    told(
        &refusal(&trust, &stranger.issue(old)),
        Reason::UnknownIssuer,
        &["Strange CA"],
    );
}

/// A server need not show the authority that has issued its certificate.
#[test]
fn an_authority_that_is_distrusted_is_no_root() {
    let (authority, other) = (Issued::authority("Example CA"), Issued::authority("Other CA"));
    let policy = TlsPolicy {
        distrusted: vec![sha256(&authority.der())],
        ..TlsPolicy::default()
    };
    let error = context_of(&trusting(&authority), None, &policy)
        .err()
        .expect("none is left");
    told(&error, Reason::Revoked, &["distrusted by the operator"]);
    let both = Trust::Roots(authority.pem() + &other.pem());
    let context = context_of(&both, None, &policy).expect("one is left");
    let config = server_config(&authority.server(), &[&TLS13]);
    told(&refused(&context, config), Reason::UnknownIssuer, &["Example CA"]);
    agreed(&context, &Arc::new(server_config(&other.server(), &[&TLS13])));
    // Those of the system are left as they are, but for the one.
    let error = refused(
        &context_of(&Trust::HostDefault, None, &policy).unwrap_or_else(|_| {
            // A machine without any roots.
            context_of(&trusting(&other), None, &policy).expect("a context")
        }),
        server_config(&authority.server(), &[&TLS13]),
    );
    told(&error, Reason::UnknownIssuer, &["Example CA"]);
}

#[test]
fn a_server_that_sends_a_crowd_of_certificates_is_refused() {
    let authority = Issued::authority("Example CA");
    let issued = authority.server();
    let mut config = server_config(&issued, &[&TLS13]);
    let key = rustls::crypto::ring::sign::any_supported_type(&issued.key()).expect("a key");
    let mut chain = issued.chain();
    chain.extend(vec![authority.der(); 11]);
    config.cert_resolver = Arc::new(rustls::sign::SingleCertAndKey::from(
        rustls::sign::CertifiedKey::new(chain, key),
    ));
    let error = refused(&context(&trusting(&authority)), config);
    told(&error, Reason::BadCertificate, &["more certificates"]);
}

#[test]
fn pins_need_neither_name_nor_time() {
    let mut old = params("other", &["other.example.com"]);
    old.not_after = date_time_ymd(2024, 5, 1);
    let issued = Issued::self_signed(old);
    let certificate = describe(&issued.der());
    for pin in [certificate.sha256.clone(), certificate.public_key_sha256.clone()] {
        let trust = Trust::Pinned(vec![vec![0; 32], pin]);
        for version in [&TLS12, &TLS13] {
            agreed(&context(&trust), &Arc::new(server_config(&issued, &[version])));
        }
    }
    let error = refusal(&Trust::Pinned(vec![vec![0; 32]]), &issued);
    let key = crate::tls::text::fingerprint_text(&certificate.public_key_sha256);
    let own = crate::tls::text::fingerprint_text(&certificate.sha256);
    told(
        &error,
        Reason::NotPinned,
        &["none of the expected fingerprints", &key, &own],
    );
}

#[test]
fn whoever_is_believed_has_to_have_the_key() {
    let issued = Issued::self_signed(params(NAME, &[NAME]));
    let other = Issued::self_signed(params(NAME, &[NAME]));
    let stolen = rustls::sign::CertifiedKey::new(
        issued.chain(),
        rustls::crypto::ring::sign::any_supported_type(&other.key()).expect("a key"),
    );
    let stolen = Arc::new(rustls::sign::SingleCertAndKey::from(stolen));
    let policy = TlsPolicy {
        insecure: true,
        ..TlsPolicy::default()
    };
    for trust in [
        Trust::Insecure,
        Trust::Pinned(vec![sha256(&issued.der()).to_vec()]),
        trusting(&issued),
    ] {
        for version in [&TLS12, &TLS13] {
            let config = rustls::ServerConfig::builder_with_provider(crate::tls::provider())
                .with_protocol_versions(&[version])
                .expect("known")
                .with_no_client_auth()
                .with_cert_resolver(Arc::clone(&stolen) as _);
            let error = refused(&context_of(&trust, None, &policy).expect("allowed"), config);
            told(&error, Reason::BadCertificate, &["signature"]);
            assert!(error.certificate.is_some());
        }
    }
}

#[test]
fn no_check_needs_the_operators_leave() {
    let error = context_of(&Trust::Insecure, None, &TlsPolicy::default())
        .err()
        .expect("denied");
    told(&error, Reason::Denied, &["operator of this host does not allow"]);
    let policy = TlsPolicy {
        insecure: true,
        ..TlsPolicy::default()
    };
    let context = context_of(&Trust::Insecure, None, &policy).expect("allowed");
    let issued = Issued::self_signed(params("other", &[]));
    agreed(&context, &Arc::new(server_config(&issued, &[&TLS13])));
}

#[test]
fn what_the_operator_distrusts_is_refused_in_every_trust() {
    let authority = Issued::authority("Example CA");
    let intermediate = authority.issue({
        let mut params = params("Example Sub-CA", &[]);
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params
    });
    let issued = intermediate.server();
    let own = describe(&issued.der());
    let hash = |hash: &[u8]| <[u8; 32]>::try_from(hash).expect("a hash");
    for distrusted in [
        hash(&own.sha256),
        hash(&own.public_key_sha256),
        sha256(&intermediate.der()),
    ] {
        let policy = TlsPolicy {
            insecure: true,
            distrusted: vec![distrusted],
            roots: Some(authority.pem()),
            ..TlsPolicy::default()
        };
        for trust in [
            Trust::Insecure,
            Trust::HostDefault,
            trusting(&authority),
            Trust::Pinned(vec![own.sha256.clone()]),
        ] {
            let mut config = server_config(&issued, &[&TLS13]);
            let key = rustls::crypto::ring::sign::any_supported_type(&issued.key()).expect("a key");
            let chain = vec![issued.der(), intermediate.der()];
            let certified = rustls::sign::CertifiedKey::new(chain, key);
            config.cert_resolver = Arc::new(rustls::sign::SingleCertAndKey::from(certified));
            let trusted = TlsPolicy {
                distrusted: Vec::new(),
                ..policy.clone()
            };
            agreed(
                &context_of(&trust, None, &trusted).expect("a context"),
                &Arc::new(config.clone()),
            );
            let error = refused(&context_of(&trust, None, &policy).expect("a context"), config);
            told(&error, Reason::Revoked, &["distrusted by the operator"]);
        }
    }
}

#[test]
fn the_operators_roots_are_the_hosts() {
    let authority = Issued::authority("Example CA");
    let policy = TlsPolicy::default()
        .with_roots(authority.pem())
        .expect("certificates");
    let context = context_of(&Trust::HostDefault, None, &policy).expect("a context");
    agreed(&context, &Arc::new(server_config(&authority.server(), &[&TLS13])));
    let stranger = Issued::authority("Strange CA").server();
    let error = refused(&context, server_config(&stranger, &[&TLS13]));
    told(&error, Reason::UnknownIssuer, &[]);
    assert!(TlsPolicy::default().with_roots("no PEM".to_owned()).is_err());
}

#[test]
fn the_oldest_version_is_the_operators() {
    let authority = Issued::authority("Example CA");
    let policy = TlsPolicy {
        minimum: TlsVersion::V1_3,
        ..TlsPolicy::default()
    };
    let context = context_of(&trusting(&authority), None, &policy).expect("a context");
    let error = refused(&context, server_config(&authority.server(), &[&TLS12]));
    told(
        &error,
        Reason::NoCommonVersion,
        &["ftp.example.com", "at least TLS 1.3"],
    );
    agreed(
        &context,
        &Arc::new(server_config(&authority.server(), &[&TLS13, &TLS12])),
    );
}

#[test]
fn a_server_of_the_last_century_is_told_apart() {
    let context = context(&trusting(&Issued::authority("Example CA")));
    let mut session = context.open(NAME).expect("a name");
    session.encrypt(&[]).expect("a hello");
    // A ServerHello of TLS 1.0 with TLS_RSA_WITH_AES_128_CBC_SHA, no session and no extensions.
    let mut hello = vec![22, 3, 1, 0, 42, 2, 0, 0, 38, 3, 1];
    hello.extend([7; 32]);
    hello.extend([0, 0, 0x2f, 0]);
    let error = session.decrypt(hello).expect_err("too old");
    told(&error, Reason::NoCommonVersion, &["at least TLS 1.2"]);
    assert!(!session.close().is_empty());

    // Others only say that they do not want to.
    let mut session = context.open(NAME).expect("a name");
    session.encrypt(&[]).expect("a hello");
    let error = session
        .decrypt(vec![21, 3, 1, 0, 2, 2, 70])
        .expect_err("an alert");
    told(&error, Reason::NoCommonVersion, &["at least TLS 1.2"]);
}

#[test]
fn what_is_no_tls_is_shown_without_its_tricks() {
    let context = context(&trusting(&Issued::authority("Example CA")));
    for (arrived, words) in [
        (
            &b"530 Please login with USER and PASS.\r\n"[..],
            "\"530 Please login with USER and PASS.\"",
        ),
        (b"SSH-2.0-OpenSSH_9\r\n", "SSH-2.0"),
        (b"\x1b[2Jgone\r\n", "where it is expected."),
        (b"\x80\x2e\x01\x00\x02\x00", "where it is expected."),
    ] {
        let mut session = context.open(NAME).expect("a name");
        session.encrypt(&[]).expect("a hello");
        let error = session.decrypt(arrived.to_vec()).expect_err("no TLS");
        told(
            &error,
            Reason::NotTls,
            &["ftp.example.com does not speak TLS", words],
        );
        assert!(!error.message.contains('\x1b'));
    }
}

#[test]
fn other_failures_are_of_the_protocol() {
    let context = context(&trusting(&Issued::authority("Example CA")));
    for (arrived, words) in [
        (vec![21, 3, 3, 0, 2, 2, 80], "internal_error (80)"),
        (vec![22, 3, 3, 0, 4, 99, 0, 0, 0], "failed"),
    ] {
        let mut session = context.open(NAME).expect("a name");
        session.encrypt(&[]).expect("a hello");
        let error = session.decrypt(arrived).expect_err("broken");
        told(&error, Reason::Protocol, &[words]);
    }
}

#[test]
fn a_handshake_without_end_is_given_up() {
    let context = context(&trusting(&Issued::authority("Example CA")));
    let mut session = context.open(NAME).expect("a name");
    session.encrypt(&[]).expect("a hello");
    // A message of 16 MiB, which is announced and then sent on and on.
    let mut record = vec![22, 3, 3, 64, 0, 11, 0xff, 0xff, 0xff];
    record.resize(5 + 16 * 1024, 0);
    let given_up = (0..64).any(|_| session.decrypt(record.clone()).is_err());
    assert!(given_up);
}

#[test]
fn trust_that_cannot_be_is_told() {
    let policy = TlsPolicy::default();
    let why = |trust| context_of(&trust, None, &policy).err().expect("it cannot be");
    told(
        &why(Trust::Roots(String::new())),
        Reason::Invalid,
        &["no certificate", "BEGIN CERTIFICATE"],
    );
    told(
        &why(Trust::Roots("x".repeat(2 << 20))),
        Reason::Invalid,
        &["more than"],
    );
    let damaged = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    told(
        &why(Trust::Roots(damaged.to_owned())),
        Reason::Invalid,
        &["number 1"],
    );
    let malformed = "-----BEGIN CERTIFICATE-----\nA\n";
    told(
        &why(Trust::Roots(malformed.to_owned())),
        Reason::Invalid,
        &["not PEM"],
    );
    told(
        &why(Trust::Pinned(vec![vec![1; 20]])),
        Reason::Invalid,
        &["32 bytes"],
    );
    told(&why(Trust::Pinned(Vec::new())), Reason::Invalid, &["no pinned"]);
    let many = vec![vec![1; 32]; 65];
    told(&why(Trust::Pinned(many)), Reason::Invalid, &["more than 64"]);
}
