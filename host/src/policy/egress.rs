//! What the operator lets connectors reach. A connector reaches what its `plan` asks for *and* this allows.

use super::address::{Class, class, special};
use super::target::{Ports, Target};
use std::net::IpAddr;
use std::ops::RangeInclusive;

/// The operator's rules for connections. By default: any public address, none of one's own, and no listening.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EgressPolicy {
    /// Whether public addresses are allowed that no rule names.
    pub public: bool,
    /// What is allowed besides.
    pub allow: Vec<Target>,
    /// What is refused, whatever else allows it.
    pub deny: Vec<Target>,
    /// The ports to which data connections may go: secondary connections, to the other end of a first one that is
    /// allowed. None: only those that would be allowed for a first one.
    pub data_ports: Option<Ports>,
    /// The ports on which a connector may wait for data connections (FTP's active mode); none: it may not.
    pub listen: Option<Ports>,
}

impl Default for EgressPolicy {
    fn default() -> Self {
        Self {
            public: true,
            allow: Vec::new(),
            deny: Vec::new(),
            // Below are services that nobody wants a server to talk one into connecting to.
            data_ports: Some(Ports::from(1024..=u16::MAX)),
            listen: None,
        }
    }
}

/// Why the operator's rules refuse something. Says what would allow it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A rule of `deny`.
    #[error("the operator denies `{0}`")]
    Denied(String),
    /// A special address that nobody allowed.
    #[error(
        "it is {class}; the operator has to allow it: `--allow {target}`, or `egress.allow` in the policy file"
    )]
    Special {
        /// What it is.
        class: Class,
        /// What to allow.
        target: String,
    },
    /// Only what is listed is allowed.
    #[error(
        "it is not among what the operator allows; to add it: `--allow {0}`, or `egress.allow` in the policy file"
    )]
    Unlisted(String),
    /// Waiting for connections outside the allowed ports.
    #[error(
        "it waits for connections on the ports {ports}, and the operator allows {allowed}; the operator sets them with `--listen \
         PORTS` or `egress.listen` in the policy file, and the connector's settings have to stay within (for FTP: \
         `active_ports`)"
    )]
    Listen {
        /// What the plan asks for.
        ports: String,
        /// What is allowed.
        allowed: String,
    },
}

impl EgressPolicy {
    /// Only these targets, with these ports of theirs, for data connections too; and no listening.
    #[must_use]
    pub fn only(allow: Vec<Target>) -> Self {
        Self {
            public: false,
            allow,
            data_ports: None,
            ..Self::default()
        }
    }

    /// Whatever a plan asks for, one's own addresses included, but no listening: where there is nothing to protect, such
    /// as on a machine that only runs tests.
    #[must_use]
    pub fn anything() -> Self {
        Self {
            public: true,
            ..Self::only(special().map(Target::from).collect())
        }
    }

    /// Whether an address may be reached on at least one of the ports, under the name by which the plan knows it.
    ///
    /// # Errors
    /// Why not.
    pub fn check(&self, name: &str, address: IpAddr, ports: &RangeInclusive<u16>) -> Result<(), Refusal> {
        self.check_denied(name, address, ports)?;
        let mut allowed = self.allow.iter();
        if allowed
            .any(|target| target.means(name, address) && target.ports().is_none_or(|own| own.overlap(ports)))
        {
            return Ok(());
        }
        match class(address).0 {
            Class::Public if self.public => Ok(()),
            Class::Public => Err(Refusal::Unlisted(with_ports(name, ports))),
            // A name would not do, or would do for more than this.
            class => Err(Refusal::Special {
                class,
                target: with_ports(&address.to_string(), ports),
            }),
        }
    }

    /// Whether a data connection may go to an address, which is the other end of a first connection or named by it.
    pub(crate) fn allows_data(&self, name: &str, address: IpAddr, port: u16) -> bool {
        let ports = port..=port;
        let Some(data_ports) = &self.data_ports else {
            return self.check(name, address, &ports).is_ok();
        };
        data_ports.overlap(&ports)
            && (self.allow.iter().any(|target| target.means(name, address))
                || self.public && class(address).0 == Class::Public)
            && self.check_denied(name, address, &ports).is_ok()
    }

    fn check_denied(&self, name: &str, address: IpAddr, ports: &RangeInclusive<u16>) -> Result<(), Refusal> {
        let denied = self.deny.iter().find(|target| {
            (target.has_name(name) || target.holds(address))
                && target.ports().is_none_or(|own| own.cover(ports))
        });
        denied.map_or(Ok(()), |target| Err(Refusal::Denied(target.to_string())))
    }

    /// Whether to ask for a name's addresses at all: asking tells the name to whoever serves it.
    pub(crate) fn check_name(&self, name: &str, ports: &RangeInclusive<u16>) -> Result<(), Refusal> {
        let named = self
            .deny
            .iter()
            .find(|target| target.has_name(name) && target.ports().is_none());
        if let Some(target) = named {
            return Err(Refusal::Denied(target.to_string()));
        }
        let mut allowed = self.allow.iter();
        if self.public || allowed.any(|target| target.is_range() || target.has_name(name)) {
            return Ok(());
        }
        Err(Refusal::Unlisted(with_ports(name, ports)))
    }

    /// Whether a connector may wait for connections on all these ports.
    ///
    /// # Errors
    /// Why not.
    pub fn check_listen(&self, ports: &RangeInclusive<u16>) -> Result<(), Refusal> {
        if self.listen.as_ref().is_some_and(|own| own.cover(ports)) {
            return Ok(());
        }
        Err(Refusal::Listen {
            ports: shown(ports),
            allowed: self
                .listen
                .as_ref()
                .map_or_else(|| "none".to_owned(), Ports::to_string),
        })
    }
}

fn shown(ports: &RangeInclusive<u16>) -> String {
    if ports.start() == ports.end() {
        ports.start().to_string()
    } else {
        format!("{}-{}", ports.start(), ports.end())
    }
}

fn with_ports(host: &str, ports: &RangeInclusive<u16>) -> String {
    let ports = shown(ports);
    if host.contains(':') {
        format!("[{host}]:{ports}")
    } else {
        format!("{host}:{ports}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(public: bool, allow: &[&str], deny: &[&str]) -> EgressPolicy {
        let targets = |texts: &[&str]| texts.iter().map(|text| text.parse().expect("a target")).collect();
        EgressPolicy {
            public,
            allow: targets(allow),
            deny: targets(deny),
            ..EgressPolicy::default()
        }
    }

    fn check(policy: &EgressPolicy, name: &str, address: &str, port: u16) -> Result<(), Refusal> {
        policy.check(name, address.parse().expect("an address"), &(port..=port))
    }

    #[test]
    fn special_addresses_have_to_be_named() {
        let usual = EgressPolicy::default();
        assert_eq!(check(&usual, "h", "192.0.2.1", 21), Ok(()));
        for address in [
            "127.0.0.1",
            "10.0.0.1",
            "169.254.1.1",
            "169.254.169.254",
            "::1",
            "fe80::1",
            "224.0.0.1",
        ] {
            assert!(
                matches!(check(&usual, "h", address, 21), Err(Refusal::Special { .. })),
                "{address}"
            );
        }
        let message = check(&usual, "h", "10.0.0.1", 21)
            .expect_err("refused")
            .to_string();
        assert_eq!(
            message,
            "it is an address of a private network; the operator has to allow it: `--allow 10.0.0.1:21`, or `egress.allow` in the \
             policy file"
        );
        let own = policy(true, &["10.0.0.0/24:21", "h"], &[]);
        assert_eq!(check(&own, "other", "10.0.0.1", 21), Ok(()));
        assert!(check(&own, "other", "10.0.0.1", 22).is_err());
        assert_eq!(check(&own, "h", "10.9.0.1", 22), Ok(()));
    }

    #[test]
    fn a_list_of_what_is_allowed_can_be_all() {
        let listed = policy(false, &["ftp.example:21"], &[]);
        assert_eq!(check(&listed, "ftp.example", "192.0.2.1", 21), Ok(()));
        assert!(matches!(
            check(&listed, "ftp.example", "192.0.2.1", 22),
            Err(Refusal::Unlisted(_))
        ));
        assert!(matches!(
            check(&listed, "other.example", "192.0.2.1", 21),
            Err(Refusal::Unlisted(_))
        ));
        assert!(listed.check_name("other.example", &(21..=21)).is_err());
        assert!(
            policy(false, &["192.0.2.0/24"], &[])
                .check_name("other.example", &(21..=21))
                .is_ok()
        );
    }

    #[test]
    fn what_is_denied_stays_so() {
        let strict = policy(
            true,
            &["10.0.0.0/8", "evil.example"],
            &["10.1.0.0/16", "evil.example", "192.0.2.1:25"],
        );
        assert_eq!(check(&strict, "h", "10.2.0.1", 21), Ok(()));
        assert_eq!(
            check(&strict, "h", "10.1.0.1", 21),
            Err(Refusal::Denied("10.1.0.0/16".to_owned()))
        );
        assert!(check(&strict, "evil.example", "192.0.2.7", 21).is_err());
        assert!(strict.check_name("evil.example", &(21..=21)).is_err());
        assert!(check(&strict, "h", "192.0.2.1", 25).is_err());
        assert_eq!(check(&strict, "h", "192.0.2.1", 26), Ok(()));
    }

    #[test]
    fn data_connections_have_ports_of_their_own() {
        let listed = policy(false, &["ftp.example:21"], &[]);
        let address = "192.0.2.1".parse().expect("an address");
        assert!(listed.allows_data("ftp.example", address, 50_000));
        assert!(!listed.allows_data("ftp.example", address, 80));
        assert!(!listed.allows_data("other.example", address, 50_000));
    }

    #[test]
    fn what_is_only_allowed_holds_for_data_connections_with_its_ports() {
        let only = EgressPolicy::only(vec!["127.0.0.1:2121,50000-50010".parse().expect("a target")]);
        let address = "127.0.0.1".parse().expect("an address");
        assert_eq!(check(&only, "127.0.0.1", "127.0.0.1", 2121), Ok(()));
        assert!(check(&only, "127.0.0.1", "127.0.0.1", 2122).is_err());
        assert!(check(&only, "ftp.example", "192.0.2.1", 2121).is_err());
        assert!(only.allows_data("127.0.0.1", address, 50_010));
        assert!(!only.allows_data("127.0.0.1", address, 50_011));
    }

    #[test]
    fn anything_is_anything() {
        let anything = EgressPolicy::anything();
        for address in [
            "192.0.2.1",
            "127.0.0.1",
            "169.254.169.254",
            "10.0.0.1",
            "::1",
            "fe80::1",
            "224.0.0.1",
        ] {
            assert_eq!(check(&anything, "h", address, 21), Ok(()), "{address}");
            let address = address.parse().expect("an address");
            assert!(anything.allows_data("h", address, 80), "{address}");
        }
        assert!(anything.check_listen(&(1024..=1024)).is_err());
    }

    #[test]
    fn listening_is_allowed_on_all_planned_ports_or_not_at_all() {
        let refused = EgressPolicy::default()
            .check_listen(&(40_000..=40_010))
            .expect_err("refused");
        assert!(
            refused.to_string().starts_with(
                "it waits for connections on the ports 40000-40010, and the operator allows none;"
            )
        );
        let listening = EgressPolicy {
            listen: Some("40000-40100".parse().expect("ports")),
            ..EgressPolicy::default()
        };
        assert_eq!(listening.check_listen(&(40_000..=40_100)), Ok(()));
        assert!(listening.check_listen(&(1..=65_535)).is_err());
    }
}
