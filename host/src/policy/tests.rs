//! Who may be reached, and when.

use super::bounds::Bounds;
use super::reach::{Lookup, Reach};
use super::*;
use crate::contract::{Direction, Egress};
use crate::event::Events;
use std::net::SocketAddr;
use std::sync::Mutex;
use wasmtime_wasi::sockets::SocketAddrUse::{TcpAccept, TcpBind, TcpConnect, TcpListen, UdpBind};

fn egress(host: &str, first_port: u16, last_port: u16, direction: Direction, secondary: bool) -> Egress {
    Egress {
        host: host.to_owned(),
        first_port,
        last_port,
        direction,
        secondary,
        reason: "a test".to_owned(),
    }
}

fn control(host: &str) -> Egress {
    egress(host, 21, 21, Direction::Connect, false)
}

fn data(host: &str) -> Egress {
    egress(host, 1024, 65535, Direction::Connect, true)
}

fn address(text: &str) -> SocketAddr {
    text.parse().expect("a socket address")
}

fn reach_with(policy: &Policy, events: Events) -> Reach {
    let InstancePolicy { egress, limits, .. } = policy.of("i");
    Reach::none(Bounds::new("i", limits, events), egress)
}

fn reach(policy: &Policy) -> Reach {
    reach_with(policy, Events::none())
}

async fn granted(policy: &Policy, plan: &[Egress]) -> Reach {
    let reach = reach(policy);
    reach.grant(plan).await.expect("granted");
    reach
}

#[tokio::test]
async fn only_planned_addresses_and_ports_are_reached() {
    let reach = reach(&Policy::default());
    assert!(!reach.permits(address("192.0.2.1:21"), TcpConnect));
    reach.grant(&[control("192.0.2.1")]).await.expect("granted");
    assert!(reach.permits(address("192.0.2.1:21"), TcpConnect));
    assert!(!reach.permits(address("192.0.2.1:22"), TcpConnect));
    assert!(!reach.permits(address("192.0.2.2:21"), TcpConnect));
    // The next call's plan takes the place of this one's.
    reach.grant(&[control("192.0.2.2")]).await.expect("granted");
    assert!(!reach.permits(address("192.0.2.1:21"), TcpConnect));
    assert!(reach.permits(address("192.0.2.2:21"), TcpConnect));
}

#[tokio::test]
async fn data_connections_go_to_the_control_peer_while_its_connection_lives() {
    let reach = granted(&Policy::default(), &[control("192.0.2.1"), data("192.0.2.1")]).await;
    let (first, second) = (address("192.0.2.1:21"), address("192.0.2.1:40000"));
    assert!(!reach.permits(second, TcpConnect), "nobody has connected yet");
    assert!(reach.permits(first, TcpConnect));
    assert!(
        !reach.permits(second, TcpConnect),
        "to be allowed is not to be connected"
    );
    reach.connected(7, first);
    assert!(reach.permits(second, TcpConnect));
    assert!(!reach.permits(address("192.0.2.2:40000"), TcpConnect));
    assert!(!reach.permits(address("192.0.2.1:80"), TcpConnect));
    reach.connected(8, second);
    reach.ended(7);
    assert!(
        !reach.permits(second, TcpConnect),
        "the data connection is no control connection"
    );
}

#[tokio::test]
async fn the_operators_data_ports_hold_besides_the_plan() {
    let mut policy = Policy::default();
    policy.egress.data_ports = Some("50000-51000".parse().expect("ports"));
    let reach = granted(&policy, &[control("192.0.2.1"), data("192.0.2.1")]).await;
    reach.connected(7, address("192.0.2.1:21"));
    assert!(reach.permits(address("192.0.2.1:50500"), TcpConnect));
    assert!(!reach.permits(address("192.0.2.1:40000"), TcpConnect));
}

#[tokio::test]
async fn listening_needs_a_plan_and_the_operator_and_accepts_only_the_control_peer() {
    let active = egress("192.0.2.1", 40_000, 40_010, Direction::Accept, true);
    let plan = [control("192.0.2.1"), active];
    let refused = reach(&Policy::default()).grant(&plan).await.expect_err("refused");
    assert!(refused.to_string().contains("--listen"), "{refused}");

    let policy = Policy::default().listen("40000-40100").expect("ports");
    let reach = reach(&policy);
    assert!(reach.permits(address("0.0.0.0:0"), TcpBind));
    assert!(!reach.permits(address("0.0.0.0:40000"), TcpListen));
    reach.grant(&plan).await.expect("granted");
    assert!(reach.permits(address("0.0.0.0:40000"), TcpListen));
    assert!(
        !reach.permits(address("0.0.0.0:40011"), TcpListen),
        "beyond the plan"
    );
    assert!(
        !reach.permits(address("192.0.2.1:20"), TcpAccept),
        "nobody was called"
    );
    reach.connected(7, address("192.0.2.1:21"));
    assert!(reach.permits(address("192.0.2.1:20"), TcpAccept));
    assert!(!reach.permits(address("192.0.2.9:20"), TcpAccept));
}

#[tokio::test]
async fn who_may_connect_of_itself_is_who_the_plan_names_and_the_operator_allows() {
    let plan = [egress("192.0.2.1", 40_000, 40_010, Direction::Accept, false)];
    let policy = Policy::default().listen("40000-40100").expect("ports");
    let listening = granted(&policy, &plan).await;
    assert!(listening.permits(address("0.0.0.0:40000"), TcpListen));
    assert!(listening.permits(address("192.0.2.1:5555"), TcpAccept));
    assert!(!listening.permits(address("192.0.2.2:5555"), TcpAccept));
    let mut nobody = policy;
    nobody.egress.public = false;
    let refused = reach(&nobody)
        .grant(&plan)
        .await
        .expect_err("nobody may be reached");
    assert!(refused.to_string().contains("192.0.2.1"), "{refused}");
}

#[tokio::test]
async fn what_is_wanted_on_many_ports_is_no_control_connection() {
    let many = egress("192.0.2.1", 21, 30, Direction::Connect, false);
    let reach = granted(&Policy::default(), &[many, data("192.0.2.1")]).await;
    reach.connected(7, address("192.0.2.1:21"));
    assert!(!reach.permits(address("192.0.2.1:40000"), TcpConnect));
}

#[tokio::test]
async fn any_address_is_granted_for_the_stated_ports_beside_a_first_connection() {
    let reach = granted(&Policy::default(), &[control("192.0.2.1"), data("*")]).await;
    let elsewhere = address("198.51.100.7:40000");
    assert!(!reach.permits(elsewhere, TcpConnect));
    reach.connected(7, address("192.0.2.1:21"));
    assert!(reach.permits(elsewhere, TcpConnect));
    assert!(!reach.permits(address("198.51.100.7:80"), TcpConnect));
    assert!(!reach.permits(elsewhere, TcpAccept));
    for special in [
        "10.0.0.1:40000",
        "127.0.0.1:40000",
        "169.254.169.254:40000",
        "[::1]:40000",
    ] {
        assert!(!reach.permits(address(special), TcpConnect), "{special}");
    }
    assert_eq!(reach.lookup("*"), Lookup::Denied);
}

#[tokio::test]
async fn another_machine_for_data_has_to_be_allowed_as_any_other() {
    let plan = [control("192.0.2.1"), data("10.0.0.7")];
    let usual = granted(&Policy::default(), &plan).await;
    usual.connected(7, address("192.0.2.1:21"));
    assert!(!usual.permits(address("10.0.0.7:40000"), TcpConnect));
    let policy = Policy::default().allow("10.0.0.7").expect("a target");
    let allowed = granted(&policy, &plan).await;
    assert!(
        !allowed.permits(address("10.0.0.7:40000"), TcpConnect),
        "nobody has connected yet"
    );
    allowed.connected(7, address("192.0.2.1:21"));
    assert!(allowed.permits(address("10.0.0.7:40000"), TcpConnect));
}

#[tokio::test]
async fn a_plan_is_granted_as_a_whole_or_not_at_all() {
    for (plan, words) in [
        (vec![control("192.0.2.1"), control("*")], "any address (`*`)"),
        (
            vec![control("192.0.2.1"), control("10.0.0.1")],
            "`10.0.0.1` (a test): it is an address of a private network",
        ),
        (vec![control("192.0.2.1"), control("169.254.169.254")], "metadata"),
        (vec![control("192.0.2.1"); 101], "101 entries"),
    ] {
        let reach = reach(&Policy::default());
        let refused = reach.grant(&plan).await.expect_err("refused").to_string();
        assert!(refused.contains(words), "{refused}");
        assert!(!reach.permits(address("192.0.2.1:21"), TcpConnect));
    }
}

#[tokio::test]
async fn a_name_without_an_address_is_asked_for_again() {
    let reach = reach(&Policy::default());
    // Longer than DNS allows, so that nobody is asked.
    let name = "x".repeat(64);
    reach.grant(&[control(&name)]).await.expect("granted");
    assert_eq!(reach.lookup(&name), Lookup::Unknown);
}

#[tokio::test]
async fn udp_is_never_allowed() {
    let reach = granted(
        &Policy::default(),
        &[egress("192.0.2.1", 1, 65535, Direction::Connect, false)],
    )
    .await;
    assert!(!reach.permits(address("192.0.2.1:0"), UdpBind));
}

#[tokio::test]
async fn a_name_outside_the_plan_is_refused_and_told_once() {
    let told = Arc::new(Mutex::new(0));
    let count = Arc::clone(&told);
    let policy = Policy::default().allow("127.0.0.1").expect("a target");
    let reach = reach_with(
        &policy,
        Events::new(move |_| *count.lock().expect("not poisoned") += 1),
    );
    assert_eq!(reach.lookup("elsewhere.example"), Lookup::Denied);
    assert_eq!(reach.lookup("elsewhere.example"), Lookup::Denied);
    assert_eq!(*told.lock().expect("not poisoned"), 1);
    reach.grant(&[control("127.0.0.1")]).await.expect("granted");
    assert_eq!(
        reach.lookup("127.0.0.1"),
        Lookup::Addresses(vec![address("127.0.0.1:1").ip()])
    );
}

#[test]
fn a_policy_file_says_all_of_it() {
    let text = "
egress:
  public: false
  allow: ['ftp.partner.example:21,990', 10.1.0.0/16]
  deny: [10.1.2.3]
  data_ports: 50000-51000
  listen: 40000-40100
limits: { memory: 64MiB, handles: 50 }
tls: { minimum: '1.3', distrust: ['abababababababababababababababababababababababababababababababab'] }
instances:
  shop:
    egress: { allow: [shop.example], deny: [10.9.9.9] }
    limits: { cpu_quota: 5% }
";
    let policy = Policy::parse("policy.yaml", text, std::path::Path::new("")).expect("sound");
    let (common, shop) = (policy.of("other"), policy.of("shop"));
    assert!(!common.egress.public && !shop.egress.public);
    let shown = |targets: &[target::Target]| targets.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(
        shown(&common.egress.allow),
        ["ftp.partner.example:21,990", "10.1.0.0/16"]
    );
    assert_eq!(shown(&shop.egress.allow), ["shop.example"]);
    assert_eq!(shown(&shop.egress.deny), ["10.1.2.3", "10.9.9.9"]);
    assert_eq!(
        shop.egress.data_ports,
        Some("50000-51000".parse().expect("ports"))
    );
    assert_eq!(shop.limits.value("cpu_quota"), "5%");
    assert_eq!(
        (shop.limits.value("memory"), common.limits.handles),
        ("64MiB".to_owned(), 50)
    );
    assert_eq!(common.limits.value("cpu_quota"), "100%");
    assert_eq!(shop.tls.minimum, crate::tls::TlsVersion::V1_3);

    let policy = policy
        .limit("memory=32MiB")
        .and_then(|policy| policy.limit("shop.handles=9"));
    let policy = policy
        .and_then(|policy| policy.allow("x.example"))
        .expect("sound");
    assert_eq!(
        (
            policy.of("shop").limits.value("memory"),
            policy.of("shop").limits.handles
        ),
        ("32MiB".to_owned(), 9)
    );
    assert_eq!(policy.of("other").limits.handles, 50);
    assert_eq!(
        shown(&policy.of("shop").egress.allow),
        ["shop.example", "x.example"]
    );
}

#[test]
fn what_is_wrong_in_a_policy_file_has_a_line() {
    let text = "egress:
  alow: []
  deny: [10.1.2.300]
limits:
  memory: lots
  cpus: 3
tls: { distrust: [ab] }
instances:
  shop:
    limits: { grace: 0s }
";
    let problems = |text| {
        let problems = Policy::parse("p.yaml", text, std::path::Path::new("")).expect_err("wrong");
        problems.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let found = problems(text);
    assert!(
        found[0].starts_with("p.yaml:2:3: egress.alow: is not known here; did you mean `allow`?"),
        "{found:#?}"
    );
    assert!(
        found[1].starts_with("p.yaml:6:3: limits.cpus: is not known here"),
        "{found:#?}"
    );
    let found = problems(&text.replace("alow", "allow").replace("  cpus: 3\n", ""));
    let beginnings = [
        "p.yaml:3:10: egress.deny[0]: `10.1.2.300` is no target: write a name",
        "p.yaml:5:3: limits.memory: the limit `memory` cannot be `lots`: write a number of bytes",
        "p.yaml:6:19: tls.distrust[0]: is no SHA-256",
        "p.yaml:9:15: instances.shop.limits.grace: the limit `grace` cannot be `0s`",
    ];
    assert_eq!(found.len(), beginnings.len(), "{found:#?}");
    for (found, beginning) in found.iter().zip(beginnings) {
        assert!(found.starts_with(beginning), "{found}");
    }
}

#[test]
fn what_a_command_line_says_wrongly_is_told() {
    let wrong = |change: &str| Policy::default().limit(change).expect_err("wrong");
    assert!(wrong("memory").starts_with("write NAME=VALUE"));
    assert!(wrong("shop.memroy=1").starts_with("there is no limit `memroy`; did you mean `memory`?"));
    assert!(Policy::default().allow("10.0.0.0/99").is_err());
    assert!(Policy::default().listen("0").is_err());
}

#[test]
fn an_argument_that_is_wrong_is_repeated_in_one_line() {
    let wrong = "10.0.0.1:\u{1b}[31m\n";
    for message in [
        Policy::default().allow(wrong),
        Policy::default().listen(wrong),
        Policy::default().limit(&format!("{wrong}=1")),
    ]
    .map(|refused| refused.expect_err("wrong"))
    {
        assert!(!message.chars().any(char::is_control), "{message:?}");
    }
}
