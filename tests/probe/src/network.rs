//! Steps of sockets, and of all else that WASI has.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs as _, UdpSocket};

use crate::expect;
use crate::script::NetworkStep;
use crate::slots::{Slots, get, take};

/// Does a step.
///
/// # Errors
/// When it goes otherwise.
pub fn perform(step: &NetworkStep, slots: &mut Slots) -> Result<(), String> {
    match step {
        NetworkStep::Connect {
            to,
            place,
            expect: expected,
        } => {
            let came = match dial(to) {
                Ok(line) => {
                    slots.lines.insert(place.clone(), line);
                    "done".to_owned()
                }
                Err(fault) => fault,
            };
            expect(expected, &came)
        }
        NetworkStep::Send { on, text } => get(&mut slots.lines, on)?
            .write_all(text.as_bytes())
            .map_err(|fault| word(&fault)),
        NetworkStep::Receive { on, text } => {
            let line = get(&mut slots.lines, on)?;
            let mut bytes = Vec::new();
            let most = text.len().max(1) as u64;
            line.take(most)
                .read_to_end(&mut bytes)
                .map_err(|fault| word(&fault))?;
            expect(text, &String::from_utf8_lossy(&bytes))
        }
        NetworkStep::HangUp { on } => take(&mut slots.lines, on).map(drop),
        NetworkStep::Listen { on, expect: expected } => {
            let address = parse(on)?;
            expect(expected, &told(&TcpListener::bind(address)))
        }
        NetworkStep::Resolve {
            name,
            expect: expected,
        } => {
            let found = (name.as_str(), 80).to_socket_addrs();
            expect(expected, &told(&found))
        }
        NetworkStep::Datagram { to } => {
            let address = parse(to)?;
            let sent = UdpSocket::bind("0.0.0.0:0").and_then(|socket| socket.send_to(b"hello", address));
            match sent {
                Ok(_) => Err("a datagram was sent".to_owned()),
                Err(_) => Ok(()),
            }
        }
        NetworkStep::Environment {} => {
            let variables = std::env::vars_os().count();
            // The name of the program is no secret, and some C libraries want one.
            let arguments = std::env::args_os().skip(1).count();
            expect(
                "0 variables, 0 arguments",
                &format!("{variables} variables, {arguments} arguments"),
            )
        }
        NetworkStep::Files {} => {
            for path in ["/", ".", "/etc/passwd", "/tmp"] {
                if std::fs::metadata(path).is_ok() || std::fs::read_dir(path).is_ok() {
                    return Err(format!("{path} can be seen"));
                }
            }
            let made = std::fs::write("/tmp/flow-probe", "was here");
            made.is_err()
                .then_some(())
                .ok_or_else(|| "a file could be written".to_owned())
        }
        NetworkStep::Input {} => {
            let mut byte = [0];
            match io::stdin().read(&mut byte) {
                Ok(0) | Err(_) => Ok(()),
                Ok(_) => Err("there was something to be read".to_owned()),
            }
        }
    }
}

/// Connects.
///
/// # Errors
/// What came of it, in a word.
pub fn dial(address: &str) -> Result<TcpStream, String> {
    TcpStream::connect(parse(address)?).map_err(|fault| word(&fault))
}

fn parse(address: &str) -> Result<SocketAddr, String> {
    address
        .parse()
        .map_err(|_| format!("{address} is no address with a port"))
}

fn told<T>(came: &io::Result<T>) -> String {
    match came {
        Ok(_) => "done".to_owned(),
        Err(fault) => word(fault),
    }
}

fn word(fault: &io::Error) -> String {
    match fault.kind() {
        ErrorKind::PermissionDenied => "access-denied".to_owned(),
        ErrorKind::ConnectionRefused => "refused".to_owned(),
        _ => fault.to_string(),
    }
}
