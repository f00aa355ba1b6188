//! Who may be reached.

use super::*;

fn egress(host: &str, first_port: u16, last_port: u16, direction: Direction, secondary: bool) -> Egress {
    Egress {
        host: host.to_owned(),
        first_port,
        last_port,
        direction,
        secondary,
        reason: String::new(),
    }
}

fn address(text: &str) -> SocketAddr {
    text.parse().expect("a socket address")
}

#[tokio::test]
async fn only_planned_addresses_and_ports_are_reached() {
    let reach = Reach::none(Events::none());
    assert!(!reach.permits(address("192.0.2.1:21"), SocketAddrUse::TcpConnect));
    reach
        .grant(&[egress("192.0.2.1", 21, 21, Direction::Connect, false)])
        .await
        .expect("granted");
    assert!(reach.permits(address("192.0.2.1:21"), SocketAddrUse::TcpConnect));
    assert!(!reach.permits(address("192.0.2.1:22"), SocketAddrUse::TcpConnect));
    assert!(!reach.permits(address("192.0.2.2:21"), SocketAddrUse::TcpConnect));
}

#[tokio::test]
async fn data_connections_need_a_control_connection_to_the_same_address() {
    let reach = Reach::none(Events::none());
    reach
        .grant(&[
            egress("192.0.2.1", 21, 21, Direction::Connect, false),
            egress("192.0.2.1", 1, 65535, Direction::Connect, true),
        ])
        .await
        .expect("granted");
    assert!(!reach.permits(address("192.0.2.1:40000"), SocketAddrUse::TcpConnect));
    assert!(reach.permits(address("192.0.2.1:21"), SocketAddrUse::TcpConnect));
    assert!(reach.permits(address("192.0.2.1:40000"), SocketAddrUse::TcpConnect));
}

#[tokio::test]
async fn listening_needs_a_plan_and_accepts_only_the_planned_peer() {
    let reach = Reach::none(Events::none());
    assert!(reach.permits(address("0.0.0.0:0"), SocketAddrUse::TcpBind));
    assert!(!reach.permits(address("0.0.0.0:40000"), SocketAddrUse::TcpListen));
    reach
        .grant(&[egress("192.0.2.1", 1024, 65535, Direction::Accept, true)])
        .await
        .expect("granted");
    assert!(reach.permits(address("0.0.0.0:40000"), SocketAddrUse::TcpListen));
    assert!(reach.permits(address("192.0.2.1:20"), SocketAddrUse::TcpAccept));
    assert!(!reach.permits(address("192.0.2.9:20"), SocketAddrUse::TcpAccept));
}

#[tokio::test]
async fn any_address_is_granted_for_the_stated_ports_after_a_first_connection() {
    let reach = Reach::none(Events::none());
    reach
        .grant(&[
            egress("192.0.2.1", 21, 21, Direction::Connect, false),
            egress("*", 1024, 65535, Direction::Connect, true),
        ])
        .await
        .expect("granted");
    let elsewhere = address("198.51.100.7:40000");
    assert!(!reach.permits(elsewhere, SocketAddrUse::TcpConnect));
    assert!(reach.permits(address("192.0.2.1:21"), SocketAddrUse::TcpConnect));
    assert!(reach.permits(elsewhere, SocketAddrUse::TcpConnect));
    assert!(!reach.permits(address("198.51.100.7:80"), SocketAddrUse::TcpConnect));
    assert!(!reach.permits(elsewhere, SocketAddrUse::TcpAccept));
    assert_eq!(reach.lookup("*"), Lookup::Denied);
}

#[tokio::test]
async fn any_address_as_the_first_connection_is_refused_and_nothing_is_granted() {
    let reach = Reach::none(Events::none());
    let refused = reach
        .grant(&[
            egress("192.0.2.1", 21, 21, Direction::Connect, false),
            egress("*", 21, 21, Direction::Connect, false),
        ])
        .await
        .expect_err("refused");
    assert!(refused.to_string().contains("any address (`*`)"), "{refused}");
    assert!(!reach.permits(address("192.0.2.1:21"), SocketAddrUse::TcpConnect));
}

#[tokio::test]
async fn a_name_without_an_address_is_asked_for_again() {
    let reach = Reach::none(Events::none());
    // Longer than DNS allows, so that nobody is asked.
    let name = "x".repeat(64);
    let plan = [egress(&name, 21, 21, Direction::Connect, false)];
    assert!(!reach.grant(&plan).await.expect("granted"));
    assert_eq!(reach.lookup(&name), Lookup::Unknown);
    let plan = [egress("192.0.2.1", 21, 21, Direction::Connect, false)];
    assert!(reach.grant(&plan).await.expect("granted"));
}

#[tokio::test]
async fn udp_is_never_allowed() {
    let reach = Reach::none(Events::none());
    reach
        .grant(&[egress("192.0.2.1", 1, 65535, Direction::Connect, false)])
        .await
        .expect("granted");
    assert!(!reach.permits(address("192.0.2.1:0"), SocketAddrUse::UdpBind));
}

#[tokio::test]
async fn a_name_outside_the_plan_is_refused_and_told_once() {
    let told = Arc::new(Mutex::new(0));
    let count = Arc::clone(&told);
    let reach = Reach::none(Events::new(move |_| *count.lock().expect("not poisoned") += 1));
    assert_eq!(reach.lookup("elsewhere.example"), Lookup::Denied);
    assert_eq!(reach.lookup("elsewhere.example"), Lookup::Denied);
    assert_eq!(*told.lock().expect("not poisoned"), 1);
    reach
        .grant(&[egress("127.0.0.1", 21, 21, Direction::Connect, false)])
        .await
        .expect("granted");
    assert_eq!(
        reach.lookup("127.0.0.1"),
        Lookup::Addresses(vec![address("127.0.0.1:1").ip()])
    );
}
