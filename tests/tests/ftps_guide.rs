//! The page of Python in `docs/ftps.md`, which shows hosts of other makers how to hold TLS, does what it says.

use std::path::Path;
use std::process::Command;

use flow_tests::pki::{self, Version};
use flow_tests::servers::tls::{Mode, Tls};
use flow_tests::servers::{FtpServer, Kind, Limits};

/// The code of the document.
fn code() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/ftps.md");
    let document = std::fs::read_to_string(path).expect("the document is readable");
    let (_, code) = document.split_once("```python\n").expect("it has code");
    let (code, _) = code.split_once("\n```").expect("the code has an end");
    code.to_owned()
}

fn runs_with(version: Version) {
    let limits = Limits {
        tls: Some(Tls::new(Mode::Explicit).only(version)),
        ..Limits::default()
    };
    let server = FtpServer::start_with(Kind::Vsftpd, limits).expect("the server starts");
    let Some(server) = server else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let program = folder.path().join("guide.py");
    std::fs::write(&program, code() + "\n\n" + include_str!("ftps_guide.py")).expect("own folder");
    let roots = folder.path().join("roots.pem");
    std::fs::write(&roots, pki::authority().pem()).expect("own folder");
    let output = Command::new("python3")
        .arg(&program)
        .arg(server.port.to_string())
        .args([server.user, server.password, server.remote_root.as_str()])
        .arg(&roots)
        .output()
        .expect("python3 is there");
    let (said, errors) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{errors}");
    assert!(said.starts_with(&format!("whole {}", version.name())), "{said}");
}

#[test]
fn the_page_of_python_holds_sessions_of_tls_1_2() {
    runs_with(Version::V12);
}

#[test]
fn the_page_of_python_holds_sessions_of_tls_1_3() {
    runs_with(Version::V13);
}
