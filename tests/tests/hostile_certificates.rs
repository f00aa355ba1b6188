//! Servers that show the wrong certificate, or want one of ours: what is told, what would accept it, and that no user
//! name and no password is sent before the server is trusted.

use flow_tests::pki::{self, Identity, Version};
use flow_tests::run::{Bench, Run, SHOP, flow, get, with, write};
use flow_tests::script::{Script, ScriptServer};
use serde_json::{Value, json};

fn showing(identity: &Identity) -> ScriptServer {
    Script::new()
        .file("a.txt", "hello")
        .tls(identity.server(None))
        .start()
}

fn flow_with(settings: Value) -> Value {
    flow(
        &[(SHOP, with(settings, "timeout", 5))],
        vec![get(SHOP, json!({ "path": "a.txt" })), write("in")],
    )
}

fn pull(bench: &Bench, settings: Value, arguments: &[&str]) -> Run {
    bench.run_with(&flow_with(settings), arguments)
}

/// The one failure is of TLS and says all this; it was not tried again; and the server learned nothing of us.
fn assert_refused(run: &Run, server: &ScriptServer, parts: &[&str]) {
    assert_eq!(run.code, Some(1), "{parts:?}: {run}");
    let failure = run.assert_failed("tls");
    let message = failure["message"].as_str().unwrap_or_default();
    for part in parts {
        assert!(message.contains(part), "{part:?} is not in: {run}");
    }
    assert_eq!(server.commands(), ["AUTH TLS"], "{run}");
    assert_eq!(server.connections(), 1, "{run}");
}

fn pinned(settings: Value, pin: &str) -> Value {
    with(
        settings,
        "tls_trust",
        json!({ "pinned": format!("sha256:{pin}") }),
    )
}

/// It is refused for this reason, and its fingerprint, which is told, is enough to accept it.
fn refused_unless_pinned(identity: &Identity, parts: &[&str]) {
    let (server, bench) = (showing(identity), Bench::new());
    let run = pull(&bench, server.settings(), &[]);
    assert_refused(&run, &server, parts);
    let pin = format!("tls_trust: {{ pinned: \"sha256:{}\" }}", identity.sha256());
    assert_refused(&run, &server, &["127.0.0.1", &pin]);

    let (server, bench) = (showing(identity), Bench::new());
    pull(&bench, pinned(server.settings(), &identity.sha256()), &[]).assert_ok(1);
    assert_eq!(bench.files("in")["a.txt"], b"hello");
    assert_eq!(server.in_clear(), ["AUTH TLS"]);
}

#[test]
fn one_whose_time_is_over() {
    refused_unless_pinned(&pki::expired(), &["expired on 2020-12-31", "CN=Expired Server"]);
}

#[test]
fn one_whose_time_has_not_begun() {
    refused_unless_pinned(&pki::not_yet_valid(), &["2048-01-01", "clock"]);
}

#[test]
fn one_of_an_unknown_authority() {
    refused_unless_pinned(
        &pki::of_an_unknown_authority(),
        &["CN=Unknown Authority", "not trusted", "roots"],
    );
}

#[test]
fn one_that_is_its_own_issuer() {
    refused_unless_pinned(&pki::self_signed(), &["self-signed"]);
}

/// What `openssl req -x509` makes.
#[test]
fn one_that_is_its_own_issuer_and_an_authority() {
    refused_unless_pinned(&pki::self_signed_as_authority(), &["self-signed"]);
}

/// The server's own certificate as the one that is trusted: its name and its time still count.
#[test]
fn one_that_is_its_own_issuer_is_trusted_as_a_root() {
    for identity in [pki::self_signed(), pki::self_signed_as_authority()] {
        let (server, bench) = (showing(&identity), Bench::new());
        let trust = json!({ "roots": identity.certificate });
        pull(&bench, with(server.settings(), "tls_trust", trust.clone()), &[]).assert_ok(1);

        let (server, bench) = (showing(&identity), Bench::new());
        let settings = with(server.settings(), "tls_trust", trust);
        let run = pull(&bench, with(settings, "tls_server_name", "ftp.example.com"), &[]);
        assert_refused(
            &run,
            &server,
            &["ftp.example.com", "`tls_server_name: localhost`"],
        );
    }
}

#[test]
fn one_for_another_name() {
    let identity = pki::for_another_name();
    let (server, bench) = (showing(&identity), Bench::new());
    let run = pull(&bench, server.settings(), &[]);
    assert_refused(
        &run,
        &server,
        &["127.0.0.1", "other.example", "`tls_server_name: other.example`"],
    );
    let (server, bench) = (showing(&identity), Bench::new());
    let settings = with(server.settings(), "tls_server_name", "other.example");
    pull(&bench, settings, &[]).assert_ok(1);
}

#[test]
fn one_that_is_not_the_pinned_one() {
    let (server, bench) = (showing(pki::good()), Bench::new());
    let other = pki::another_good();
    let run = pull(&bench, pinned(server.settings(), &other.sha256()), &[]);
    assert_refused(
        &run,
        &server,
        &["127.0.0.1", "fingerprint", &pki::good().sha256(), "pinned"],
    );
}

#[test]
fn one_that_the_operator_distrusts_though_the_flow_trusts_it() {
    let good = pki::good();
    for listed in [good.sha256(), good.public_key_sha256()] {
        let (server, bench) = (showing(good), Bench::new());
        let run = pull(
            &bench,
            server.settings(),
            &["--distrust", &format!("sha256:{listed}")],
        );
        assert_refused(&run, &server, &["distrusted", &listed, "127.0.0.1"]);
    }
    for listed in [good.sha256(), good.public_key_sha256()] {
        let (server, bench) = (showing(good), Bench::new());
        let run = pull(
            &bench,
            pinned(server.settings(), &good.sha256()),
            &["--distrust", &listed],
        );
        assert_refused(&run, &server, &["distrusted", &listed]);
    }
}

/// Servers do not show the root, which is on this side: that it is not in what they show must not help them.
#[test]
fn one_of_an_authority_that_the_operator_distrusts_though_the_flow_trusts_it() {
    let root = pki::authority().sha256();
    let (server, bench) = (showing(pki::good()), Bench::new());
    let run = pull(&bench, server.settings(), &["--distrust", &root]);
    let failure = run.assert_failed("tls");
    let message = failure["message"].as_str().unwrap_or_default();
    assert!(message.contains("distrusted by the operator"), "{run}");
    assert_eq!(server.connections(), 0, "{run}");

    // With somebody else who is still trusted.
    let (server, bench) = (showing(pki::good()), Bench::new());
    let both = pki::authority().pem() + &pki::self_signed_as_authority().certificate;
    let settings = with(server.settings(), "tls_trust", json!({ "roots": both }));
    let run = pull(&bench, settings, &["--distrust", &root]);
    assert_refused(&run, &server, &["CN=Test Authority", "127.0.0.1"]);

    bench.write("operator.pem", both);
    let settings = with(server.settings(), "tls_trust", "host-default");
    let run = pull(
        &bench,
        settings,
        &["--tls-roots", "operator.pem", "--distrust", &root],
    );
    let _ = run.assert_failed("tls");
    assert_eq!(server.count("USER"), 0, "{run}");
}

#[test]
fn nobody_is_trusted_unseen_unless_the_operator_allows_it() {
    let identity = pki::expired();
    let (server, bench) = (showing(&identity), Bench::new());
    let settings = with(server.settings(), "tls_trust", "insecure");
    let run = pull(&bench, settings.clone(), &[]);
    assert_eq!(run.code, Some(1), "{run}");
    let failure = run.assert_failed("denied-by-host");
    let message = failure["message"].as_str().unwrap_or_default();
    assert!(message.contains("insecure"), "{run}");
    assert_eq!(server.connections(), 0, "{run}");

    pull(&bench, settings, &["--allow-insecure-tls"]).assert_ok(1);
    assert_eq!(server.in_clear(), ["AUTH TLS"]);
}

/// Somebody in between may show the right certificate, but has not got its key.
#[test]
fn the_right_certificate_without_its_key_is_refused_even_when_it_is_pinned() {
    let good = pki::good();
    let server = Script::new()
        .file("a.txt", "hello")
        .tls(good.server_with_the_key_of(&pki::another_good()))
        .start();
    for settings in [
        server.settings(),
        pinned(server.settings(), &good.sha256()),
        with(server.settings(), "tls_trust", "insecure"),
    ] {
        let (seen, bench) = (server.connections(), Bench::new());
        let run = pull(&bench, settings, &["--allow-insecure-tls"]);
        let _ = run.assert_failed("tls");
        assert_eq!(server.connections(), seen + 1, "{run}");
        assert_eq!(server.count("USER") + server.count("PASS"), 0, "{run}");
    }
}

#[test]
fn the_operators_roots_are_the_hosts_default() {
    let (server, bench) = (showing(pki::good()), Bench::new());
    let settings = with(server.settings(), "tls_trust", "host-default");
    let run = pull(&bench, settings.clone(), &[]);
    assert_refused(&run, &server, &["CN=Test Authority"]);
    bench.write("operator.pem", pki::authority().pem());
    pull(&bench, settings, &["--tls-roots", "operator.pem"]).assert_ok(1);
}

#[test]
fn the_operators_least_version_holds_whatever_the_server_offers() {
    let server = Script::new()
        .file("a.txt", "hello")
        .tls(pki::good().server(Some(Version::V12)))
        .start();
    let bench = Bench::new();
    let run = pull(&bench, server.settings(), &["--tls-minimum", "1.3"]);
    assert_refused(&run, &server, &["version"]);
    pull(&bench, server.settings(), &["--tls-minimum", "1.2"]).assert_ok(1);
}

/// The key and the certificate are files, and the settings name them.
fn with_client_certificate(bench: &Bench, settings: Value, identity: &Identity) -> Value {
    bench.write("certs/client.pem", &identity.certificate);
    bench.write("certs/client.key", &identity.key);
    let mut flow = flow_with(with(settings, "tls_client_certificate", "warehouse"));
    flow["instances"][SHOP]["client_certificates"] =
        json!({ "warehouse": { "certificate": "certs/client.pem", "key": "certs/client.key" } });
    flow
}

fn demanding(version: Version) -> ScriptServer {
    Script::new()
        .file("a.txt", "hello")
        .tls(pki::good().demanding_server(Some(version)))
        .start()
}

/// It asked once, and said which setting names a certificate; no password was sent.
fn assert_certificate_wanted(run: &Run, server: &ScriptServer, version: Version) {
    let failure = run.assert_failed("tls");
    let message = failure["message"].as_str().unwrap_or_default();
    assert!(message.contains("`tls_client_certificate`"), "{version:?}: {run}");
    assert_eq!(server.count("PASS"), 0, "{version:?}: {run}");
    assert_eq!(server.connections(), 1, "{version:?}: {run}");
}

const VERSIONS: [Version; 2] = [Version::V12, Version::V13];

#[test]
fn a_certificate_of_ours_that_is_wanted_and_missing_is_told() {
    for version in VERSIONS {
        let (server, bench) = (demanding(version), Bench::new());
        let run = pull(&bench, server.settings(), &[]);
        assert_certificate_wanted(&run, &server, version);
    }
}

#[test]
fn a_certificate_of_ours_that_is_wanted_is_shown() {
    for version in VERSIONS {
        let (server, bench) = (demanding(version), Bench::new());
        let flow = with_client_certificate(&bench, server.settings(), &pki::client());
        bench.run(&flow).assert_ok(1);
        assert_eq!(bench.files("in")["a.txt"], b"hello", "{version:?}");
    }
}

#[test]
fn a_certificate_of_ours_that_the_server_does_not_know_is_told() {
    for version in VERSIONS {
        let (server, bench) = (demanding(version), Bench::new());
        let flow = with_client_certificate(&bench, server.settings(), &pki::unknown_client());
        let run = bench.run(&flow);
        assert_certificate_wanted(&run, &server, version);
    }
}

#[test]
fn a_certificate_of_ours_that_nobody_has_is_wrong_before_anything_connects() {
    let (server, bench) = (demanding(Version::V13), Bench::new());
    let settings = with(server.settings(), "tls_client_certificate", "warehouse");
    let run = pull(&bench, settings, &[]);
    assert_ne!(run.code, Some(0), "{run}");
    assert!(run.stdout.contains("warehouse"), "{run}");
    assert_eq!(server.connections(), 0, "{run}");
}

#[test]
fn a_key_that_does_not_fit_its_certificate_is_wrong_before_anything_connects() {
    let (server, bench) = (demanding(Version::V13), Bench::new());
    let flow = with_client_certificate(&bench, server.settings(), &pki::client());
    bench.write("certs/client.key", &pki::client().key);
    bench
        .run(&flow)
        .assert_wrong(&["client_certificates", "warehouse"]);
    bench.write("certs/client.key", "no key");
    bench
        .run(&flow)
        .assert_wrong(&["client_certificates", "warehouse"]);
    assert_eq!(server.connections(), 0);
}

#[test]
fn settings_of_trust_that_make_no_sense_are_wrong_before_anything_connects() {
    let (server, bench) = (showing(pki::good()), Bench::new());
    for (trust, part) in [
        (json!({ "roots": "no certificate" }), "PEM"),
        (json!({ "pinned": "sha256:1234" }), "64 hexadecimal"),
        (json!({ "pinned": [] }), "pinned"),
        (json!("everybody"), "insecure"),
    ] {
        let run = pull(&bench, with(server.settings(), "tls_trust", trust), &[]);
        run.assert_wrong(&["instances.shop.settings.tls_trust", part]);
    }
    assert_eq!(server.connections(), 0);
}
