//! A flow may say which bytes a connector has to be.

use flowhost::engine::{Runtime, RuntimeOptions};
use flowhost::flow::{self, Flow, LoadOptions, Problem, Problems};
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use std::fs;
use std::sync::{Arc, OnceLock};
use tempfile::TempDir;

/// A folder with a connector, and flows that use it.
struct Bench {
    folder: TempDir,
    guest: Vec<u8>,
}

fn runtime() -> Arc<Runtime> {
    static RUNTIME: OnceLock<Arc<Runtime>> = OnceLock::new();
    let made = RUNTIME.get_or_init(|| Runtime::new(RuntimeOptions::default()).expect("an engine"));
    Arc::clone(made)
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let guest = wat::parse_str(include_str!("guests/reports.wat")).expect("well formed");
        fs::write(folder.path().join("reports.wasm"), &guest).expect("written");
        Self { folder, guest }
    }

    fn digest(&self) -> String {
        format!("{:x}", Sha256::digest(&self.guest))
    }

    /// Loads a flow with instances that have these `connector`s, each on one line.
    async fn load(&self, connectors: &[&str]) -> Result<Flow, Problems> {
        let path = self.folder.path().join("flow.yaml");
        let mut text = "name: test\ninstances:\n".to_owned();
        for (index, connector) in connectors.iter().enumerate() {
            writeln!(text, "  i{index}: {{ connector: {connector} }}").expect("a string takes all");
        }
        text += "steps:\n  - folder: { read: '*.none' }\n";
        fs::write(&path, text).expect("written");
        flow::load(&runtime(), &path, &LoadOptions::default()).await
    }

    async fn problem(&self, connector: &str) -> Problem {
        let problems = self.load(&[connector]).await.expect_err(connector);
        let found: Vec<_> = problems.iter().cloned().collect();
        assert_eq!(found.len(), 1, "{connector}: {problems}");
        found[0].clone()
    }
}

#[tokio::test]
async fn the_pinned_bytes_are_loaded_however_the_digest_is_written() {
    let bench = Bench::new();
    let digest = bench.digest();
    let pairs: Vec<&str> = (0..32).map(|index| &digest[2 * index..2 * index + 2]).collect();
    let colons = pairs.join(":").to_uppercase();
    for written in [
        digest.clone(),
        format!("sha256:{digest}"),
        colons.clone(),
        format!("SHA256:{colons}"),
    ] {
        let pinned = format!("{{ path: ./reports.wasm, sha256: '{written}' }}");
        let flow = bench
            .load(&[&pinned, "./reports.wasm"])
            .await
            .unwrap_or_else(|problems| panic!("{problems}"));
        assert_eq!(flow.instances["i0"].connector.digest, digest);
        assert!(Arc::ptr_eq(
            &flow.instances["i0"].connector,
            &flow.instances["i1"].connector
        ));
    }
}

#[tokio::test]
async fn a_built_in_connector_is_pinned_by_its_name() {
    let bench = Bench::new();
    let wrong = format!("{{ path: ftp, sha256: '{}' }}", bench.digest());
    let problem = bench.problem(&wrong).await;
    let digest = format!("{:x}", Sha256::digest(flowhost::FTP_COMPONENT));
    assert!(problem.message.contains(&digest), "{problem}");
    // Its settings are wrong, but not its bytes.
    let right = format!("{{ path: ftp, sha256: '{digest}' }}");
    assert_eq!(bench.problem(&right).await.field, "instances.i0.settings.host");
}

#[tokio::test]
async fn other_bytes_are_a_problem_that_tells_what_to_do() {
    let bench = Bench::new();
    let pinned = "0123456789abcdef".repeat(4);
    let connector = format!("{{ path: ./reports.wasm, sha256: '{pinned}' }}");
    let problems = bench
        .load(&["./reports.wasm", &connector])
        .await
        .expect_err("other bytes");
    let found: Vec<_> = problems.iter().collect();
    assert_eq!(found.len(), 1, "the other instance did not ask: {problems}");
    assert_eq!(found[0].field, "instances.i1.connector.sha256");
    assert_eq!(found[0].place.map(|place| place.line), Some(4), "{problems}");
    assert!(found[0].file.ends_with("flow.yaml"), "{problems}");
    for words in [
        &format!("its digest is sha256:{}", bench.digest()),
        &format!("sha256:{pinned} is pinned"),
        "`./reports.wasm`",
        "`flowhost describe`",
    ] {
        assert!(found[0].message.contains(words), "{words}: {problems}");
    }
}

/// Nothing of it runs, not even the compiler: it would say that this is no component.
#[tokio::test]
async fn other_bytes_are_not_even_compiled() {
    let bench = Bench::new();
    fs::write(bench.folder.path().join("reports.wasm"), "no component").expect("written");
    let problem = bench
        .problem(&format!(
            "{{ path: ./reports.wasm, sha256: '{}' }}",
            bench.digest()
        ))
        .await;
    assert!(problem.message.contains("is not the pinned one"), "{problem}");
}

#[tokio::test]
async fn what_is_wrong_with_a_pin_is_told() {
    let bench = Bench::new();
    let digest = bench.digest();
    for (connector, field, words) in [
        (
            format!("{{ path: ftp, sha256: '{}' }}", &digest[1..]),
            "sha256",
            "64 hexadecimal digits",
        ),
        (
            format!("{{ path: ftp, sha256: '{}' }}", digest.replace(&digest[..1], "g")),
            "sha256",
            "64 hexadecimal digits",
        ),
        (
            format!("{{ path: ftp, sha256: 'md5:{digest}' }}"),
            "sha256",
            "64 hexadecimal digits",
        ),
        (
            "{ path: ftp, sha256: '' }".to_owned(),
            "sha256",
            "must not be empty",
        ),
        (
            "{ path: ftp, sha256: 12 }".to_owned(),
            "sha256",
            "must be text, not a whole number",
        ),
        ("{ path: ftp }".to_owned(), "sha256", "is missing"),
        (
            format!("{{ sha256: '{digest}' }}"),
            "path",
            "is missing, for example `ftp`",
        ),
        (
            format!("{{ path: '', sha256: '{digest}' }}"),
            "path",
            "must not be empty",
        ),
        (
            format!("{{ path: ./none.wasm, sha256: '{digest}' }}"),
            "path",
            "cannot be read",
        ),
        (
            format!("{{ path: ftpp, sha256: '{digest}' }}"),
            "path",
            "did you mean `ftp`?",
        ),
        (
            format!("{{ path: ftp, sha256: '{digest}', sha512: ab }}"),
            "sha512",
            "is not known here; did you mean `sha256`?",
        ),
    ] {
        let problem = bench.problem(&connector).await;
        assert!(problem.message.contains(words), "{connector}: {problem}");
        let expected = format!("instances.i0.connector.{field}");
        assert_eq!(problem.field, expected, "{connector}: {problem}");
        assert_eq!(
            problem.place.map(|place| place.line),
            Some(3),
            "{connector}: {problem}"
        );
    }
}

#[tokio::test]
async fn what_is_neither_form_is_told() {
    let bench = Bench::new();
    for (connector, words) in [
        ("5", "must be text or a mapping, not a whole number"),
        ("[ftp]", "must be text or a mapping, not a list"),
        ("''", "must not be empty"),
    ] {
        let problem = bench.problem(connector).await;
        assert!(problem.message.contains(words), "{connector}: {problem}");
        assert_eq!(problem.field, "instances.i0.connector", "{problem}");
    }
}
