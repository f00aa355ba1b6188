//! Addresses and ports as EPSV, PASV, EPRT and PORT write them, and a range of ports.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::settings::PortRange;

/// All ports of a range, from the one with this number on, counted round.
pub fn ports_from(range: PortRange, start: u32) -> impl Iterator<Item = u16> {
    let count = u32::from(range.last - range.first) + 1;
    let start = start % count;
    (start..start + count).filter_map(move |at| u16::try_from(u32::from(range.first) + at % count).ok())
}

/// PORT (RFC 959), for IPv4.
pub fn port_command(address: SocketAddr) -> String {
    let port = address.port();
    match address.ip().to_canonical() {
        IpAddr::V4(ip) => {
            let [a, b, c, d] = ip.octets();
            format!("PORT {a},{b},{c},{d},{},{}", port >> 8, port & 0xff)
        }
        IpAddr::V6(_) => extended_port_command(address),
    }
}

/// EPRT (RFC 2428), for both families.
pub fn extended_port_command(address: SocketAddr) -> String {
    let ip = address.ip().to_canonical();
    let family = if ip.is_ipv4() { 1 } else { 2 };
    format!("EPRT |{family}|{ip}|{}|", address.port())
}

/// The port in `229 … (|||6446|)`. The delimiter is of the server's choice.
pub fn extended_port(text: &str) -> Option<u16> {
    let inner = text.split_once('(')?.1.split_once(')')?.0;
    let delimiter = inner.chars().next()?;
    inner
        .split(delimiter)
        .nth(3)?
        .trim()
        .parse()
        .ok()
        .filter(|port| *port != 0)
}

/// Address and port in `227 … (h1,h2,h3,h4,p1,p2)`; RFC 1123 section 4.1.2.6 warns that the brackets may be
/// missing, so the first six numbers with commas between them count. Some put blanks after the commas.
pub fn passive_address(text: &str) -> Option<(Ipv4Addr, u16)> {
    text.replace(", ", ",")
        .split(|c: char| !c.is_ascii_digit() && c != ',')
        .find_map(|run| {
            let numbers: Vec<u8> = run.split(',').map(str::parse).collect::<Result<_, _>>().ok()?;
            match numbers[..] {
                [a, b, c, d, high, low] => {
                    let port = u16::from_be_bytes([high, low]);
                    (port != 0).then_some((Ipv4Addr::new(a, b, c, d), port))
                }
                _ => None,
            }
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_of_passive_answers() {
        assert_eq!(
            extended_port("Entering Extended Passive Mode (|||6446|)"),
            Some(6446)
        );
        assert_eq!(extended_port("ok (!!!21!)"), Some(21));
        for wrong in ["", "(|||)", "(|||0|)", "(|||70000|)", "|||6446|", "(", "()"] {
            assert_eq!(extended_port(wrong), None, "{wrong:?}");
        }
        let ten = Ipv4Addr::new(10, 0, 0, 1);
        for (text, port) in [
            ("Entering Passive Mode (10,0,0,1,216,4).", 0xd804),
            ("Entering Passive Mode (10, 0, 0, 1, 216, 4).", 0xd804),
            ("Entering Passive Mode 10,0,0,1,0,21", 21),
            ("=10,0,0,1,4,0", 1024),
        ] {
            assert_eq!(passive_address(text), Some((ten, port)), "{text}");
        }
        for wrong in [
            "",
            "(1,2,3,4,5)",
            "(1,2,3,4,300,1)",
            "(1,2,3,4,0,0)",
            "(1,2,3,4,5,6,7)",
            "(1,2,3,4,5,-6)",
            "(,,,,,)",
        ] {
            assert_eq!(passive_address(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn active_commands() {
        for (address, port, extended) in [
            (
                "192.0.2.1:54321",
                "PORT 192,0,2,1,212,49",
                "EPRT |1|192.0.2.1|54321|",
            ),
            (
                "[2001:db8::1]:80",
                "EPRT |2|2001:db8::1|80|",
                "EPRT |2|2001:db8::1|80|",
            ),
            (
                "[::ffff:192.0.2.1]:80",
                "PORT 192,0,2,1,0,80",
                "EPRT |1|192.0.2.1|80|",
            ),
        ] {
            let address = address.parse().unwrap();
            assert_eq!(port_command(address), port);
            assert_eq!(extended_port_command(address), extended);
        }
    }

    #[test]
    fn every_port_of_the_range_is_tried_once() {
        let range = PortRange {
            first: 50_000,
            last: 50_003,
        };
        for start in [0, 1, 3, 4, u32::MAX] {
            let mut ports: Vec<_> = ports_from(range, start).collect();
            let first = ports[0];
            ports.sort_unstable();
            assert_eq!(ports, [50_000, 50_001, 50_002, 50_003]);
            assert_eq!(u32::from(first), 50_000 + start % 4);
        }
        let all = PortRange {
            first: 1,
            last: u16::MAX,
        };
        assert_eq!(ports_from(all, 65_534).take(2).collect::<Vec<_>>(), [65_535, 1]);
    }
}
