//! Guests that go where they must not. What they must not reach is really there, and counts.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, UdpSocket};

use flow_tests::guests::Guest;
use serde_json::{Value, json};

const DENIED: &str = "Permission denied";

fn to(behaviour: &str, address: &str, planned: &Value) -> Guest {
    Guest::misbehaving(&json!({ "behaviour": behaviour, "address": address, "planned": planned }))
}

/// Nobody has knocked.
fn assert_untouched(listener: &TcpListener) {
    listener.set_nonblocking(true).expect("our socket");
    assert!(listener.accept().is_err(), "somebody connected");
}

/// What it tried to reach was refused at once, and the operator was told.
fn assert_denied(guest: Guest, address: &str) {
    let outcome = guest.run();
    outcome.assert_step_failed("internal", &[address, DENIED]);
    let lines = outcome.policy_lines();
    assert_eq!(lines.len(), 1, "{outcome}");
    assert!(lines[0].contains(address), "{outcome}");
}

#[test]
fn an_address_that_is_not_planned_is_not_reached() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound").to_string();
    // Allowed by the operator, and not asked for.
    assert_denied(to("dial", &address, &json!([])).allow("127.0.0.1"), &address);
    assert_untouched(&listener);
}

#[test]
fn another_port_than_the_planned_one_is_not_reached() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound").to_string();
    assert_denied(
        to("dial", &address, &json!([["127.0.0.1", 21]])).allow("127.0.0.1"),
        &address,
    );
    assert_untouched(&listener);
}

#[test]
fn special_addresses_that_are_not_planned_are_not_reached() {
    for address in [
        "169.254.169.254:80",
        "10.0.0.1:80",
        "192.168.0.1:22",
        "[fd00:ec2::254]:80",
        "[::1]:22",
    ] {
        assert_denied(to("dial", address, &json!([])), address);
    }
}

#[test]
fn special_addresses_that_are_planned_need_the_operator() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("bound").port();
    for (host, port, class) in [
        ("169.254.169.254", 80, "metadata"),
        ("10.0.0.1", 80, "private"),
        ("127.0.0.1", port, "loopback"),
        ("localhost", port, "loopback"),
        ("::ffff:127.0.0.1", port, "loopback"),
    ] {
        let guest = to("dial", &format!("127.0.0.1:{port}"), &json!([[host, port]]));
        let outcome = guest.run();
        outcome.assert_step_failed("policy", &[host, class, "--allow"]);
    }
    assert_untouched(&listener);
}

#[test]
fn what_is_planned_and_allowed_is_reached() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound");
    let guest = to(
        "dial",
        &address.to_string(),
        &json!([["127.0.0.1", address.port()]]),
    );
    let outcome = guest.allow("127.0.0.1").run();
    outcome.assert_step_failed("internal", &[&format!("connected to {address}")]);
    assert!(listener.accept().is_ok());
}

#[test]
fn a_name_that_is_not_planned_is_not_looked_up() {
    assert_denied(
        to("resolve", "unplanned.invalid", &json!([])),
        "unplanned.invalid",
    );
}

#[test]
fn nobody_listens_without_a_plan() {
    for (address, told) in [
        ("127.0.0.1:0", "TcpListen with 127.0.0.1:"),
        ("0.0.0.0:2121", "TcpBind with 0.0.0.0:2121"),
    ] {
        let outcome = to("bind", address, &json!([])).run();
        outcome.assert_step_failed("internal", &[address, DENIED]);
        let lines = outcome.policy_lines();
        assert_eq!(lines.len(), 1, "{outcome}");
        assert!(lines[0].contains(told), "{outcome}");
    }
}

#[test]
fn no_datagram_gets_out() {
    let receiver = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let address = receiver.local_addr().expect("bound");
    let planned = json!([["127.0.0.1", address.port()]]);
    let outcome = to("send-datagram", &address.to_string(), &planned)
        .allow("127.0.0.1")
        .run();
    outcome.assert_step_failed("internal", &[DENIED]);
    receiver.set_nonblocking(true).expect("our socket");
    assert!(receiver.recv(&mut [0; 16]).is_err(), "a datagram arrived");
}

#[test]
fn what_is_sent_ends_with_its_limit() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound");
    let sink = std::thread::spawn(move || {
        let (mut peer, _) = listener.accept().expect("a connection");
        std::io::copy(&mut peer, &mut std::io::sink()).unwrap_or(0)
    });
    let guest = to(
        "send",
        &address.to_string(),
        &json!([["127.0.0.1", address.port()]]),
    );
    let outcome = guest.allow("127.0.0.1").limit("bytes_out=1MiB").run();
    outcome.assert_step_failed("limit", &["`bytes_out` (1MiB)", "--limit it.bytes_out="]);
    let arrived = sink.join().expect("no panic");
    assert!(arrived <= 1 << 20, "{arrived} bytes arrived");
}

#[test]
fn what_is_received_ends_with_its_limit() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound");
    let source = std::thread::spawn(move || {
        let (mut peer, _) = listener.accept().expect("a connection");
        let piece = [7; 4096];
        // Until the other end has had enough.
        while peer.write_all(&piece).is_ok() {}
        let _ = peer.read(&mut [0]);
    });
    let guest = to(
        "receive",
        &address.to_string(),
        &json!([["127.0.0.1", address.port()]]),
    );
    let outcome = guest.allow("127.0.0.1").limit("bytes_in=1MiB").run();
    outcome.assert_step_failed("limit", &["`bytes_in` (1MiB)", "--limit it.bytes_in="]);
    source.join().expect("no panic");
}
