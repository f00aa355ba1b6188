//! Which addresses are the internet's, and which are somebody's own: those are refused unless the operator names them.

use ipnet::IpNet;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::LazyLock;

/// What kind of place an address is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Anybody's: the internet.
    Public,
    /// This machine.
    Loopback,
    /// A private network (RFC 1918, RFC 4193, RFC 6598, RFC 2544).
    Private,
    /// This machine's neighbours (RFC 3927, RFC 4291).
    LinkLocal,
    /// Where clouds hand out credentials to whoever asks from the machine itself.
    Metadata,
    /// Nobody's: multicast, and what is kept for later (RFC 6890).
    Reserved,
}

impl fmt::Display for Class {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Public => "a public address",
            Self::Loopback => "an address of this machine itself (loopback)",
            Self::Private => "an address of a private network",
            Self::LinkLocal => "a link-local address",
            Self::Metadata => "the address of a cloud's metadata service",
            Self::Reserved => "a reserved address",
        })
    }
}

/// Single addresses come first: they lie within the ranges behind them.
const SPECIAL: [(&str, Class); 32] = [
    // AWS, Azure, Google and most others; AWS containers and pods; Alibaba; Oracle.
    ("169.254.169.254/32", Class::Metadata),
    ("169.254.170.2/32", Class::Metadata),
    ("169.254.170.23/32", Class::Metadata),
    ("100.100.100.200/32", Class::Metadata),
    ("192.0.0.192/32", Class::Metadata),
    ("168.63.129.16/32", Class::Metadata),
    ("fd00:ec2::254/128", Class::Metadata),
    ("fd00:ec2::23/128", Class::Metadata),
    ("fd20:ce::254/128", Class::Metadata),
    ("127.0.0.0/8", Class::Loopback),
    // To connect to `0.0.0.0` is to connect to oneself.
    ("0.0.0.0/8", Class::Loopback),
    ("::1/128", Class::Loopback),
    ("::/128", Class::Loopback),
    ("10.0.0.0/8", Class::Private),
    ("172.16.0.0/12", Class::Private),
    ("192.168.0.0/16", Class::Private),
    ("100.64.0.0/10", Class::Private),
    ("198.18.0.0/15", Class::Private),
    ("fc00::/7", Class::Private),
    ("fec0::/10", Class::Private),
    ("169.254.0.0/16", Class::LinkLocal),
    ("fe80::/10", Class::LinkLocal),
    ("192.0.0.0/24", Class::Reserved),
    ("192.88.99.0/24", Class::Reserved),
    ("224.0.0.0/4", Class::Reserved),
    ("240.0.0.0/4", Class::Reserved),
    ("100::/64", Class::Reserved),
    ("5f00::/16", Class::Reserved),
    ("ff00::/8", Class::Reserved),
    // Local-use translation (RFC 8215): where it leads to is the local network's affair.
    ("64:ff9b:1::/48", Class::Private),
    // Teredo and ORCHID: tunnels and names, nobody's servers.
    ("2001::/23", Class::Reserved),
    ("3fff::/20", Class::Reserved),
];

static RANGES: LazyLock<Vec<(IpNet, Class)>> = LazyLock::new(|| {
    let parsed = SPECIAL.iter().map(|(range, class)| (range.parse().ok(), *class));
    parsed
        .filter_map(|(range, class)| Some((range?, class)))
        .collect()
});

/// The ranges that are not the internet's.
pub(super) fn special() -> impl Iterator<Item = IpNet> {
    RANGES.iter().map(|(range, _)| *range)
}

/// The address that is meant: an IPv4 address also where it comes in the clothes of IPv6.
pub(crate) fn plain(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => embedded(address).map_or(IpAddr::V6(address), IpAddr::V4),
    }
}

/// The IPv4 address to which an IPv6 address leads: mapped (RFC 4291), NAT64 (RFC 6052), 6to4 (RFC 3056), and the
/// compatible ones that nobody uses any more.
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let part = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        Ipv4Addr::new(a, b, c, d)
    };
    match address.segments() {
        [0, 0, 0, 0, 0, 0xffff, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x2002, high, low, ..] => Some(part(high, low)),
        // `::` and `::1` are addresses of their own.
        [0, 0, 0, 0, 0, 0, high, low] if (high, low) > (0, 1) => Some(part(high, low)),
        _ => None,
    }
}

/// What kind of place an address is, and the range that makes it so.
pub(crate) fn class(address: IpAddr) -> (Class, Option<IpNet>) {
    let address = plain(address);
    RANGES
        .iter()
        .find(|(range, _)| range.contains(&address))
        .map_or((Class::Public, None), |(range, class)| (*class, Some(*range)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class_of(address: &str) -> Class {
        class(address.parse().expect("an address")).0
    }

    #[test]
    fn every_range_is_one() {
        assert_eq!(RANGES.len(), SPECIAL.len());
    }

    #[test]
    fn addresses_are_what_they_are_in_any_clothes() {
        for (address, expected) in [
            ("192.0.2.1", Class::Public),
            ("8.8.8.8", Class::Public),
            ("2606:4700::1111", Class::Public),
            ("127.0.0.1", Class::Loopback),
            ("127.255.255.254", Class::Loopback),
            ("0.0.0.0", Class::Loopback),
            ("::", Class::Loopback),
            ("::1", Class::Loopback),
            ("::ffff:127.0.0.1", Class::Loopback),
            ("::127.0.0.1", Class::Loopback),
            ("64:ff9b::7f00:1", Class::Loopback),
            ("2002:7f00:1::", Class::Loopback),
            ("10.1.2.3", Class::Private),
            ("172.31.255.255", Class::Private),
            ("172.32.0.1", Class::Public),
            ("192.168.0.1", Class::Private),
            ("100.64.0.1", Class::Private),
            ("100.128.0.1", Class::Public),
            ("::ffff:10.0.0.1", Class::Private),
            ("fd12::1", Class::Private),
            ("fe80::1", Class::LinkLocal),
            ("169.254.1.1", Class::LinkLocal),
            ("169.254.169.254", Class::Metadata),
            ("::ffff:169.254.169.254", Class::Metadata),
            ("64:ff9b::a9fe:a9fe", Class::Metadata),
            ("2002:a9fe:a9fe::1", Class::Metadata),
            ("fd00:ec2::254", Class::Metadata),
            ("100.100.100.200", Class::Metadata),
            ("224.0.0.1", Class::Reserved),
            ("255.255.255.255", Class::Reserved),
            ("ff02::1", Class::Reserved),
            ("2001:0:1::", Class::Reserved),
        ] {
            assert_eq!(class_of(address), expected, "{address}");
        }
    }
}
