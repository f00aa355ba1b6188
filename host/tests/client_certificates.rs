//! Client certificates of a flow are read when it is loaded, and never shown.

use flowhost::engine::{CacheOptions, Runtime, RuntimeOptions};
use flowhost::flow::{self, Flow, LoadOptions, Problems};
use std::fs;
use std::sync::Arc;
use tempfile::TempDir;

/// A folder with a flow, a certificate and its key, and a host that compiles the connector once.
struct Bench {
    folder: TempDir,
    key: String,
    runtime: Arc<Runtime>,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let key = rcgen::KeyPair::generate().expect("a key");
        let params = rcgen::CertificateParams::new(vec!["us.example.com".to_owned()]).expect("a name");
        let certificate = params.self_signed(&key).expect("signed");
        let key = key.serialize_pem();
        fs::write(folder.path().join("us.pem"), certificate.pem()).expect("written");
        fs::write(folder.path().join("us.key"), &key).expect("written");
        let cache = CacheOptions {
            folder: folder.path().join("cache"),
            key: folder.path().join("cache.key"),
        };
        let runtime = Runtime::new(RuntimeOptions { cache: Some(cache) }).expect("an engine");
        Self { folder, key, runtime }
    }

    async fn load(&self, client_certificates: &str) -> Result<Flow, Problems> {
        let path = self.folder.path().join("flow.yaml");
        let text = format!(
            "name: test\ninstances:\n  partner:\n    connector: ftp\n    settings: {{ host: ftp.example.com }}\n    \
             client_certificates:\n{client_certificates}steps:\n  - folder: {{ read: '*.none' }}\n"
        );
        fs::write(&path, text).expect("written");
        flow::load(&self.runtime, &path, &LoadOptions::default()).await
    }
}

#[tokio::test]
async fn a_certificate_is_known_by_its_name_and_its_key_by_nobody() {
    let bench = Bench::new();
    let flow = bench
        .load("      us: { certificate: us.pem, key: us.key }\n")
        .await
        .unwrap_or_else(|problems| panic!("{problems}"));
    let partner = &flow.instances["partner"];
    assert_eq!(partner.identities.keys().collect::<Vec<_>>(), ["us"]);
    let secret = bench.key.lines().nth(1).expect("Base64");
    for shown in [
        format!("{flow:?}"),
        format!("{partner:?}"),
        format!("{:?}", partner.identities),
    ] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_certificate_is_told_with_its_line_and_field() {
    let bench = Bench::new();
    for (line, field, words) in [
        (
            "us: { certificate: none.pem, key: us.key }",
            "certificate",
            "cannot be read",
        ),
        (
            "us: { certificate: us.pem, key: none.key }",
            "key",
            "cannot be read",
        ),
        (
            "us: { certificate: us.key, key: us.key }",
            "certificate",
            "there is no certificate in",
        ),
        (
            "us: { certificate: us.pem, key: us.pem }",
            "key",
            "there is no private key in",
        ),
        ("us: { certificate: us.pem }", "key", "is missing"),
        (
            "us: { certificate: us.pem, key: us.key, password: x }",
            "password",
            "is not known here",
        ),
    ] {
        let problems = bench.load(&format!("      {line}\n")).await.expect_err(words);
        let found: Vec<_> = problems.iter().collect();
        assert_eq!(found.len(), 1, "{problems}");
        assert!(found[0].message.contains(words), "{problems}");
        assert_eq!(found[0].place.map(|place| place.line), Some(7), "{problems}");
        let expected = format!("instances.partner.client_certificates.us.{field}");
        assert!(found[0].field == expected || words == "is missing", "{problems}");
    }
}
