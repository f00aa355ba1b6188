//! The FTP connector natively: the same code as in the component, by the kit's harness, over real sockets.

use flow_connector::harness::{Answer, Harness, Outcome, Payload};
use flow_connector::{Kind, Metadata};
use flow_tests::servers::{FtpServer, Kind as Server};
use ftp_connector::Ftp;
use serde_json::{Value, json};

fn server() -> FtpServer {
    let server = FtpServer::start(Server::Embedded)
        .expect("the server starts")
        .expect("it is built in");
    server.write("outbound/a.csv", "1;2");
    server.write("outbound/b.csv", "3;4;5");
    server
}

fn get(server: &FtpServer, options: Value) -> Harness {
    Harness::new()
        .connection(server.settings())
        .options(options)
        .payload(Payload::trigger())
}

fn names(outcome: &Outcome) -> Vec<&str> {
    let names = outcome
        .accepted
        .iter()
        .filter_map(|payload| payload.metadata.name.as_deref());
    names.collect()
}

#[test]
fn files_are_got_and_moved_when_the_flow_has_them() {
    let server = server();
    let options = json!({ "root": "outbound", "path": r".*\.csv", "after": "move to done/" });
    let outcome = get(&server, options)
        .answer(|metadata| match metadata.name.as_deref() {
            Some("a.csv") => Answer::Accept,
            _ => Answer::Skip,
        })
        .call::<Ftp>("ftp-get");
    let summary = outcome.summary();
    assert_eq!((summary.payloads, summary.bytes, summary.skipped), (1, 3, 1));
    assert_eq!(
        (names(&outcome), outcome.accepted[0].text()),
        (vec!["a.csv"], "1;2")
    );
    let original = outcome.accepted[0].metadata.attribute(Metadata::ORIGINAL_PATH);
    assert_eq!(original, Some("outbound/a.csv"));
    assert_eq!(server.read("done/a.csv").as_deref(), Some(&b"1;2"[..]));
    assert_eq!(server.read("outbound/b.csv").as_deref(), Some(&b"3;4;5"[..]));
}

#[test]
fn a_file_that_the_flow_has_no_room_for_stays() {
    let server = server();
    let options = json!({ "path": "outbound/b.csv", "after": "delete" });
    let outcome = get(&server, options)
        .answer(|_| Answer::Full(2))
        .call::<Ftp>("ftp-get");
    assert_eq!((outcome.summary().payloads, outcome.summary().failed), (0, 1));
    assert_eq!(outcome.aborted[0].1.message, "The flow has no room for it.");
    assert_eq!(server.read("outbound/b.csv").as_deref(), Some(&b"3;4;5"[..]));
}

#[test]
fn payloads_are_put_and_passed_on() {
    let server = server();
    let outcome = Harness::new()
        .connection(server.settings())
        .options(json!({ "path": "inbound/" }))
        .payload(Payload::of("x.txt", "hello".repeat(1000)))
        .call::<Ftp>("ftp-put");
    assert_eq!((outcome.summary().payloads, outcome.summary().bytes), (1, 5000));
    assert_eq!(
        outcome.passed()[0].attribute("stored_path"),
        Some("inbound/x.txt")
    );
    assert_eq!(
        server.read("inbound/x.txt"),
        Some("hello".repeat(1000).into_bytes())
    );
}

#[test]
fn a_call_that_is_cancelled_leaves_nothing_half_done() {
    let server = server();
    let outcome = Harness::new()
        .connection(server.settings())
        .options(json!({ "path": "inbound/" }))
        .payload(Payload::of("x.txt", vec![b'x'; 1 << 20]))
        .cancelled_after(3)
        .call::<Ftp>("ftp-put");
    assert_eq!(outcome.error().kind, Kind::Cancelled);
    assert_eq!(server.read("inbound/x.txt"), None);
}
