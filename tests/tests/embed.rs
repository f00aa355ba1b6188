//! The program of the embedding guide does what the guide says.

use flow_tests::run::flowhost;
use flow_tests::servers::{FtpServer, Kind};
use std::process::Command;

#[test]
fn the_embedding_example_gets_all_csv_files_of_a_folder() {
    let server = FtpServer::start(Kind::Embedded)
        .expect("the server starts")
        .expect("it is built in");
    server.write("orders/a.csv", "1;2");
    server.write("orders/b.csv", "3;4;5");
    server.write("orders/readme.txt", "not a CSV file");

    // Cargo builds examples along with the tests.
    let program = flowhost().with_file_name("examples").join("embed");
    let port = server.port.to_string();
    let done = Command::new(program)
        .args(["127.0.0.1", &port, server.user, server.password, "orders"])
        .output()
        .expect("the example has been built");
    let (stdout, stderr) = (
        String::from_utf8_lossy(&done.stdout),
        String::from_utf8_lossy(&done.stderr),
    );
    assert!(done.status.success(), "{stdout}{stderr}");
    let mut lines: Vec<&str> = stdout.lines().collect();
    lines.sort_unstable();
    assert_eq!(
        lines,
        ["2 payloads", "a.csv: 3 bytes", "b.csv: 5 bytes"],
        "{stderr}"
    );
    assert!(!stderr.contains(server.password), "{stderr}");
}
