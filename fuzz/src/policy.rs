//! Policy files and what the command line adds to them: a slip of the operator must not open the network.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use flowhost::flow::document::Document;
use flowhost::policy::{EgressPolicy, Policy};
use serde_json::Value;

use crate::{assert_message, assert_problem};

/// The name of the file that the text is said to be from. Its folder is not there.
const FILE: &str = "/nowhere/policy.yaml";

/// A name that no rule can be for, so that only addresses count.
const NAME: &str = "no name";

/// Addresses that nobody may reach unless a rule names them, and the length of the prefix that makes them special.
const SPECIAL: [(&str, u8); 16] = [
    ("127.0.0.1", 8),
    ("127.8.9.10", 8),
    ("0.0.0.0", 8),
    ("10.0.0.1", 8),
    ("10.255.255.255", 8),
    ("172.16.0.1", 12),
    ("172.31.255.1", 12),
    ("192.168.1.1", 16),
    ("169.254.10.10", 16),
    ("169.254.169.254", 32),
    ("100.100.100.200", 32),
    ("::1", 128),
    ("fe80::1", 10),
    ("fd12:3456::1", 7),
    ("fd00:ec2::254", 128),
    ("::ffff:10.0.0.1", 8),
];

/// Reads a policy file, and the same text as an argument of the command line.
///
/// # Panics
/// Unless faults are told with their places, and no special address is open that no rule names.
pub fn policy(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    arguments(text);
    let Ok(document) = Document::parse(FILE, text) else {
        // What is wrong with YAML itself is the business of `flow`.
        return;
    };
    if document.value.pointer("/tls/roots").is_some() {
        // It would be read.
        return;
    }
    let read = || Policy::parse(FILE, text, Path::new("/nowhere"));
    match read() {
        Ok(policy) => {
            accepted(&policy, &document.value);
            assert_eq!(
                format!("{policy:?}"),
                format!("{:?}", read().expect("it was sound"))
            );
        }
        Err(problems) => {
            for problem in problems.iter() {
                assert_problem(problem, text);
            }
            assert_eq!(read().err().as_ref(), Some(&problems), "the second time differs");
        }
    }
}

/// `--allow`, `--listen` and `--limit`.
fn arguments(text: &str) {
    match Policy::default().allow(text) {
        Ok(policy) => assert_closed(&policy.egress, &[text]),
        Err(message) => assert_message(&message),
    }
    match Policy::default().listen(text) {
        Ok(policy) => assert_closed(&policy.egress, &[]),
        Err(message) => assert_message(&message),
    }
    match Policy::default().limit(text) {
        Ok(policy) => assert_closed(&policy.egress, &[]),
        Err(message) => assert_message(&message),
    }
}

fn accepted(policy: &Policy, file: &Value) {
    let common = file.get("egress");
    assert_rules(&policy.of("no such instance").egress, &[common]);
    let instances = file.get("instances").and_then(Value::as_object);
    for (name, instance) in instances.into_iter().flatten() {
        assert_rules(&policy.of(name).egress, &[instance.get("egress"), common]);
    }
}

/// The rules in force are those that the file says; where several speak, the first does.
fn assert_rules(egress: &EgressPolicy, said: &[Option<&Value>]) {
    let find = |name: &str| {
        said.iter()
            .flatten()
            .find_map(|rules| rules.get(name).filter(|rule| !rule.is_null()))
    };
    let texts = |rules: &Value| -> Vec<String> {
        let rules = rules.as_array().into_iter().flatten();
        rules.filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let allowed = find("allow").map(texts).unwrap_or_default();
    assert_closed(egress, &allowed.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(
        find("listen").is_some() || egress.check_listen(&(40_000..=40_000)).is_err(),
        "nobody allowed listening"
    );
    let public = IpAddr::V4(Ipv4Addr::new(203, 0, 114, 7));
    if find("public") == Some(&Value::Bool(false)) && allowed.is_empty() {
        assert!(
            egress.check(NAME, public, &(21..=21)).is_err(),
            "nothing is allowed"
        );
    }
    // Denying adds up.
    for denied in said
        .iter()
        .flatten()
        .filter_map(|rules| rules.get("deny"))
        .flat_map(texts)
    {
        if let Ok(address) = denied.trim().parse::<IpAddr>() {
            assert!(
                egress.check(NAME, address, &(21..=21)).is_err(),
                "{address} is denied"
            );
        }
    }
}

/// No special address may be reached but those that the rules name.
fn assert_closed(egress: &EgressPolicy, rules: &[&str]) {
    for (text, prefix) in SPECIAL {
        let address: IpAddr = text.parse().expect("an address");
        if egress.check(NAME, address, &(21..=21)).is_ok() {
            assert!(
                rules
                    .iter()
                    .any(|rule| names(rule, address.to_canonical(), prefix)),
                "{address} is open, and named by none of {rules:?}"
            );
        }
    }
}

/// Whether a rule is for this address or a range around it that is all special. Written out again, and not the host's
/// own reading.
fn names(rule: &str, address: IpAddr, prefix: u8) -> bool {
    let rule = rule.trim();
    let host = match rule.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((inside, _)) => inside,
        None if rule.matches(':').count() == 1 => rule.split(':').next().unwrap_or_default(),
        None => rule,
    };
    // Ports may stand behind a range in brackets or without them: `10.0.0.0/8:21`, `[fd00::]/8:21`, `fd00::/8`.
    let behind = rule.split_once('/').map(|(_, behind)| behind);
    let length = behind.map(|behind| behind.split(':').next().unwrap_or_default());
    let base = host.split('/').next().unwrap_or_default();
    let Ok(base) = base.trim_matches(['[', ']']).parse::<IpAddr>() else {
        return false;
    };
    let length: u8 = match length.map(str::parse) {
        None => return base.to_canonical() == address,
        Some(Ok(length)) => length,
        Some(Err(_)) => return false,
    };
    let (base, length) = match (base, base.to_canonical()) {
        (IpAddr::V6(_), IpAddr::V4(inside)) => (IpAddr::V4(inside), length.saturating_sub(96)),
        (_, base) => (base, length),
    };
    let shared = match (base, address) {
        (IpAddr::V4(base), IpAddr::V4(address)) => (base.to_bits() ^ address.to_bits()).leading_zeros(),
        (IpAddr::V6(base), IpAddr::V6(address)) => (base.to_bits() ^ address.to_bits()).leading_zeros(),
        _ => return false,
    };
    shared >= u32::from(length) && length >= prefix
}
