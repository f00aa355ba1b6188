//! Where to: a name, an address or a range of them, with ports or without. One way to write it, in the policy file and
//! on the command line.

use super::address::{Class, class, plain};
use ipnet::IpNet;
use std::fmt;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::str::FromStr;

/// Ports: `21`, `21,990`, `40000-40100`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ports(Vec<RangeInclusive<u16>>);

impl Ports {
    /// Whether one of them is in the range.
    #[must_use]
    pub fn overlap(&self, range: &RangeInclusive<u16>) -> bool {
        self.0
            .iter()
            .any(|own| own.start() <= range.end() && range.start() <= own.end())
    }

    /// Whether all ports of the range are among them.
    #[must_use]
    pub fn cover(&self, range: &RangeInclusive<u16>) -> bool {
        let mut ports = range.clone();
        ports.all(|port| self.0.iter().any(|own| own.contains(&port)))
    }
}

impl From<RangeInclusive<u16>> for Ports {
    fn from(range: RangeInclusive<u16>) -> Self {
        Self(vec![range])
    }
}

impl FromStr for Ports {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || format!("`{text}` are no ports: write `21`, `21,990` or `40000-40100`");
        let port = |text: &str| text.trim().parse::<u16>().ok().filter(|port| *port > 0);
        let ranges = text.split(',').map(|part| {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let range = port(first)?..=port(last)?;
            (!range.is_empty()).then_some(range)
        });
        ranges.collect::<Option<Vec<_>>>().map(Self).ok_or_else(wrong)
    }
}

impl fmt::Display for Ports {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, range) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            match (range.start(), range.end()) {
                (first, last) if first == last => write!(formatter, "{comma}{first}")?,
                (first, last) => write!(formatter, "{comma}{first}-{last}")?,
            }
        }
        Ok(())
    }
}

/// Some hosts, with some ports of theirs or all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    hosts: Hosts,
    /// None: all.
    ports: Option<Ports>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Hosts {
    Name(String),
    /// All names that end with a dot and this.
    Below(String),
    Range(IpNet),
}

impl Target {
    /// Whether a name alone may make it match: nobody needs to look that name up to know.
    pub(crate) fn is_range(&self) -> bool {
        matches!(self.hosts, Hosts::Range(_))
    }

    pub(crate) fn has_name(&self, name: &str) -> bool {
        match &self.hosts {
            Hosts::Name(own) => own == name,
            Hosts::Below(domain) => name
                .strip_suffix(domain.as_str())
                .is_some_and(|rest| rest.ends_with('.')),
            Hosts::Range(_) => false,
        }
    }

    pub(crate) fn holds(&self, address: IpAddr) -> bool {
        match &self.hosts {
            Hosts::Range(range) => range.contains(&plain(address)),
            _ => false,
        }
    }

    /// Whether it speaks of the address, known under the name, so clearly that a special address is meant too: a range
    /// has to lie within the special one, and metadata services are nobody's by name, since whoever owns the name says
    /// where it leads.
    pub(crate) fn means(&self, name: &str, address: IpAddr) -> bool {
        let (class, special) = class(address);
        if self.has_name(name) {
            return class != Class::Metadata;
        }
        match &self.hosts {
            Hosts::Range(range) => {
                range.contains(&plain(address)) && special.is_none_or(|special| special.contains(range))
            }
            _ => false,
        }
    }

    /// The ports that it speaks of; none: all.
    pub(crate) fn ports(&self) -> Option<&Ports> {
        self.ports.as_ref()
    }
}

/// A name as it is compared: without case, and without the dot at its end.
pub(crate) fn normalize(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}

impl From<IpNet> for Target {
    fn from(range: IpNet) -> Self {
        Self {
            hosts: Hosts::Range(range),
            ports: None,
        }
    }
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let (host, ports) = split(text);
        let hosts = hosts(host).filter(|_| !text.contains("://"));
        let hosts = hosts.ok_or_else(|| {
            format!(
                "`{text}` is no target: write a name (`ftp.example.com`, `*.example.com`), an address (`10.1.2.3`, `[fd00::1]`) or a \
                 range (`10.1.0.0/16`), with ports behind a colon if not all are meant (`ftp.example.com:21,990`)"
            )
        })?;
        let ports = ports.map(Ports::from_str).transpose()?;
        Ok(Self { hosts, ports })
    }
}

/// Host and ports. An IPv6 address has colons of its own: with ports it stands in brackets.
fn split(text: &str) -> (&str, Option<&str>) {
    if let Some((host, rest)) = text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        // A range has its length behind the bracket or within.
        return match rest.strip_prefix(':') {
            Some(ports) => (host, Some(ports)),
            None if rest.is_empty() => (host, None),
            None => (text, None),
        };
    }
    match text.split_once(':') {
        Some((_, rest)) if rest.contains(':') => (text, None),
        Some((host, ports)) => (host, Some(ports)),
        None => (text, None),
    }
}

fn hosts(text: &str) -> Option<Hosts> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(Hosts::Range(IpNet::from(plain(address))));
    }
    if text.contains('/') {
        return range(text).map(Hosts::Range);
    }
    let name = normalize(text);
    let (below, name) = match name.strip_prefix("*.") {
        Some(domain) => (true, domain.to_owned()),
        None => (false, name),
    };
    let label = |label: &str| {
        let mut characters = label.chars();
        !label.is_empty()
            && label.len() <= 63
            && characters.all(|character| character.is_alphanumeric() || matches!(character, '-' | '_'))
    };
    // What looks like an address and is none is a mistake, and not a name.
    let is_name = name.split('.').all(label) && !name.chars().all(|c| c.is_ascii_digit() || c == '.');
    is_name.then_some(if below {
        Hosts::Below(name)
    } else {
        Hosts::Name(name)
    })
}

/// A range of addresses. Its address is read as the standard library reads them: `010.0.0.0` is ten to some and eight to
/// others, and so to nobody here. One of IPv4 in the clothes of IPv6 is one of IPv4, as its addresses are.
fn range(text: &str) -> Option<IpNet> {
    let (address, length) = text.split_once('/')?;
    let address: IpAddr = address.parse().ok()?;
    let length = length.parse().ok().filter(|length| *length <= 128_u8)?;
    let (address, length) = match (address, plain(address)) {
        // 6to4 has the address in its middle.
        (IpAddr::V6(six), IpAddr::V4(four)) if length >= 96 && six.segments()[0] != 0x2002 => {
            (IpAddr::V4(four), length - 96)
        }
        (address, _) => (address, length),
    };
    Some(IpNet::new(address, length).ok()?.trunc())
}

impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = match &self.hosts {
            Hosts::Name(name) => name.clone(),
            Hosts::Below(domain) => format!("*.{domain}"),
            Hosts::Range(range) if range.prefix_len() == range.max_prefix_len() => range.addr().to_string(),
            Hosts::Range(range) => range.to_string(),
        };
        match &self.ports {
            None => formatter.write_str(&host),
            Some(ports) if host.contains(':') => write!(formatter, "[{host}]:{ports}"),
            Some(ports) => write!(formatter, "{host}:{ports}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(text: &str) -> Target {
        text.parse().unwrap_or_else(|error| panic!("{error}"))
    }

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    /// Found by fuzzing.
    #[test]
    fn ranges_have_one_reading() {
        for text in [
            "010.0.0.0/8",
            "10.0.0.00/8",
            "10.0.0.0/33",
            "10.0.0.0/",
            "10.0.0.0/8/8",
            "::/129",
        ] {
            assert!(text.parse::<Target>().is_err(), "{text}");
        }
        for (text, inside) in [
            ("::ffff:10.0.0.0/104", "10.9.8.7"),
            ("64:ff9b::a00:0/104", "10.9.8.7"),
            ("10.0.0.0/8", "::ffff:10.9.8.7"),
            ("2001:db8::/32", "2001:db8::7"),
        ] {
            let target: Target = text.parse().expect("a target");
            assert!(target.holds(inside.parse().expect("an address")), "{text}");
        }
    }

    #[test]
    fn targets_are_written_in_one_way() {
        for text in [
            "ftp.example.com",
            "*.example.com:21,990",
            "10.1.2.3",
            "10.1.0.0/16:40000-40100",
            "fd00::/8",
            "[fd00::1]:21",
            "fd00::1",
            "localhost:1-65535",
        ] {
            assert_eq!(target(text).to_string(), text);
        }
        assert_eq!(target("[::1]").to_string(), "::1");
        assert_eq!(target("[fd00::/8]:21").to_string(), "[fd00::/8]:21");
        assert_eq!(target("10.1.2.3/16").to_string(), "10.1.0.0/16");
        assert_eq!(target("FTP.Example.COM.").to_string(), "ftp.example.com");
        assert_eq!(target("::ffff:10.0.0.1").to_string(), "10.0.0.1");
    }

    #[test]
    fn what_is_no_target_is_said() {
        for text in [
            "",
            "10.1.2.300",
            "10.1.0.0/33",
            "a b",
            "*",
            "*.",
            "ftp:",
            "ftp:0",
            "ftp:x",
            "a:9-1",
            "[::1",
            "[::1]x",
            "ftp://h",
        ] {
            assert!(text.parse::<Target>().is_err(), "{text:?} was taken");
        }
    }

    #[test]
    fn a_range_means_a_special_address_only_when_it_lies_within_its_range() {
        assert!(target("10.1.0.0/16").means("", address("10.1.2.3")));
        assert!(target("10.0.0.0/8").means("", address("10.1.2.3")));
        assert!(!target("0.0.0.0/0").means("", address("10.1.2.3")));
        assert!(!target("8.0.0.0/5").means("", address("10.1.2.3")));
        assert!(target("8.0.0.0/5").means("", address("8.8.8.8")));
        assert!(!target("169.254.0.0/16").means("", address("169.254.169.254")));
        assert!(target("169.254.169.254").means("", address("169.254.169.254")));
        assert!(target("169.254.169.254").means("", address("::ffff:169.254.169.254")));
    }

    #[test]
    fn a_name_means_wherever_it_leads_except_for_metadata_services() {
        let name = target("ftp.internal");
        assert!(name.means("ftp.internal", address("10.1.2.3")));
        assert!(name.means("ftp.internal", address("127.0.0.1")));
        assert!(!name.means("other.internal", address("10.1.2.3")));
        assert!(!name.means("ftp.internal", address("169.254.169.254")));
        let below = target("*.internal");
        assert!(below.means("ftp.internal", address("10.1.2.3")));
        assert!(!below.means("internal", address("10.1.2.3")));
        assert!(!below.means("ftpinternal", address("10.1.2.3")));
    }

    #[test]
    fn ports_cover_and_overlap() {
        let ports: Ports = "21,1000-2000,2001".parse().expect("ports");
        assert!(ports.cover(&(21..=21)) && ports.cover(&(1500..=2001)));
        assert!(!ports.cover(&(1500..=2002)) && ports.overlap(&(1500..=2002)));
        assert!(!ports.overlap(&(22..=999)));
    }
}
