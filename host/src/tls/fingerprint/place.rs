//! Which server to look at.

use std::fmt;
use std::net::Ipv6Addr;

const FTP_PORT: u16 = 21;
const IMPLICIT_PORT: u16 = 990;

/// When TLS begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// After `AUTH TLS` (RFC 4217).
    Explicit,
    /// With the connection.
    Implicit,
}

impl fmt::Display for Mode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Explicit => "explicit",
            Self::Implicit => "implicit",
        })
    }
}

/// Where to look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// A name or an address, without brackets.
    pub host: String,
    /// The port of the control connection.
    pub port: u16,
    /// When TLS begins.
    pub mode: Mode,
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(formatter, "[{}]:{}", self.host, self.port)
        } else {
            write!(formatter, "{}:{}", self.host, self.port)
        }
    }
}

/// A text that names no server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} names no server: {right}")]
pub struct NoPlace {
    text: String,
    right: &'static str,
}

impl Place {
    /// Reads `HOST`, `HOST:PORT`, `[IPv6]` or `[IPv6]:PORT`. Without a mode, port 990 is implicit and every other one
    /// explicit; without a port, implicit is 990 and everything else 21.
    ///
    /// # Errors
    /// When it is none of these.
    pub fn parse(text: &str, mode: Option<Mode>) -> Result<Self, NoPlace> {
        let wrong = |right| NoPlace {
            text: text.to_owned(),
            right,
        };
        if text.contains("://") {
            return Err(wrong("write HOST:PORT alone, without `://`"));
        }
        let (host, port) = if let Some(rest) = text.strip_prefix('[') {
            let (host, rest) = rest
                .split_once(']')
                .ok_or_else(|| wrong("the bracket of the IPv6 address is not closed"))?;
            if host.parse::<Ipv6Addr>().is_err() {
                return Err(wrong("what is in brackets has to be an IPv6 address"));
            }
            match rest.strip_prefix(':') {
                None if rest.is_empty() => (host, None),
                None => return Err(wrong("after the bracket comes `:` and the port")),
                Some(port) => (host, Some(port)),
            }
        } else {
            if text.parse::<Ipv6Addr>().is_ok() {
                return Err(wrong(
                    "write an IPv6 address in brackets, such as `[2001:db8::1]:21`",
                ));
            }
            text.split_once(':')
                .map_or((text, None), |(host, port)| (host, Some(port)))
        };
        let strange = |character: char| character.is_whitespace() || "/@:[]".contains(character);
        if host.is_empty() || (host.contains(strange) && !text.starts_with('[')) {
            return Err(wrong("write HOST:PORT, such as `ftp.example.com:21`"));
        }
        let port = match port {
            None => None,
            Some(port) => match port.parse() {
                Ok(0) | Err(_) => return Err(wrong("the port has to be a number from 1 to 65535")),
                Ok(port) => Some(port),
            },
        };
        let mode = mode.unwrap_or(match port {
            Some(IMPLICIT_PORT) => Mode::Implicit,
            _ => Mode::Explicit,
        });
        let usual = match mode {
            Mode::Explicit => FTP_PORT,
            Mode::Implicit => IMPLICIT_PORT,
        };
        Ok(Self {
            host: host.to_owned(),
            port: port.unwrap_or(usual),
            mode,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_as_people_write_them() {
        let place = |text: &str| Place::parse(text, None).map(|place| format!("{place} {}", place.mode));
        for (text, expected) in [
            ("ftp.example.com", "ftp.example.com:21 explicit"),
            ("ftp.example.com:2121", "ftp.example.com:2121 explicit"),
            ("ftp.example.com:990", "ftp.example.com:990 implicit"),
            ("10.0.0.1:990", "10.0.0.1:990 implicit"),
            ("[::1]", "[::1]:21 explicit"),
            ("[::1]:990", "[::1]:990 implicit"),
        ] {
            assert_eq!(place(text).as_deref(), Ok(expected));
        }
        let implicit = Place::parse("h", Some(Mode::Implicit)).expect("a place");
        assert_eq!(implicit.port, 990);
        let explicit = Place::parse("h:990", Some(Mode::Explicit)).expect("a place");
        assert_eq!(explicit.mode, Mode::Explicit);
        for (text, right) in [
            ("", "write HOST:PORT"),
            (":21", "write HOST:PORT"),
            ("a b", "write HOST:PORT"),
            ("user@h", "write HOST:PORT"),
            ("h:0", "from 1 to 65535"),
            ("h:65536", "from 1 to 65535"),
            ("h:", "from 1 to 65535"),
            ("h:21:22", "from 1 to 65535"),
            ("ftp://h", "without `://`"),
            ("::1", "in brackets"),
            ("[::1", "not closed"),
            ("[h]:21", "has to be an IPv6 address"),
            ("[::1]21", "after the bracket"),
        ] {
            let error = place(text).expect_err(text).to_string();
            assert!(error.contains(right), "{error}");
        }
    }
}
