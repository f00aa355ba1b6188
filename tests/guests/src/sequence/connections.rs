//! Calls of TLS, sockets and the lookup of names.

use std::net::{SocketAddr, ToSocketAddrs as _};

use socket2::{Domain, Socket, Type};

use crate::bindings::flow::connector::tls::{Context, Trust};
use crate::sequence::{Held, Step, values};

/// Where nobody may go: a network for examples, this machine, the operator's neighbours.
const ADDRESSES: [&str; 4] = ["192.0.2.1:21", "127.0.0.1:1", "[::1]:1", "169.254.169.254:80"];

impl Held {
    pub(super) fn tls(&mut self, step: Step) {
        let Step { name, which, how } = step;
        if name == b't' {
            let certificate = (which % 4 == 3).then_some("no such certificate");
            self.contexts.0.extend(Context::create(&trust(how), certificate));
            return;
        }
        if name == b'o' {
            let server = ["server.example", "127.0.0.1", "", "a..b", "*"][how % 5];
            let context = self.contexts.get(which);
            let session = context.and_then(|context| context.open(server).ok());
            self.sessions.0.extend(session);
            return;
        }
        let Some(session) = self.sessions.get(which) else {
            return;
        };
        match name {
            b'e' => drop(session.encrypt(&values::bytes(how))),
            b'y' => drop(session.decrypt(&records(how))),
            b'C' => drop(session.close()),
            _ => drop(session.info()),
        }
    }

    pub(super) fn network(&mut self, step: Step) {
        let Step { name, which, how } = step;
        if name == b'K' {
            let family = [Domain::IPV4, Domain::IPV6][how % 2];
            self.sockets.0.extend(Socket::new(family, Type::STREAM, None));
            return;
        }
        if name == b'N' {
            let name = ["server.example", "localhost", "", "a..b", "127.0.0.1"][how % 5];
            drop((name, 80).to_socket_addrs());
            return;
        }
        let Some((socket, address)) = self.sockets.get(which).zip(address(how)) else {
            return;
        };
        if name == b'J' {
            drop(socket.connect(&address.into()));
        } else {
            drop(socket.bind(&address.into()).and_then(|()| socket.listen(1)));
        }
    }
}

fn address(number: usize) -> Option<SocketAddr> {
    ADDRESSES[number % ADDRESSES.len()].parse().ok()
}

fn trust(number: usize) -> Trust {
    match number % 6 {
        0 => Trust::Pinned(vec![vec![7; 32]]),
        1 => Trust::Pinned(vec![vec![7; 31], Vec::new()]),
        2 => Trust::Roots(String::new()),
        3 => Trust::Roots("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_owned()),
        4 => Trust::HostDefault,
        _ => Trust::Insecure,
    }
}

/// What a server may send, and what none does.
fn records(number: usize) -> Vec<u8> {
    match number % 6 {
        0 => Vec::new(),
        1 => vec![21, 3, 3, 0, 2, 2, 40],
        2 => vec![22, 3, 3],
        3 => vec![23, 3, 3, 0xff, 0xff, 0],
        4 => b"220 not TLS\r\n".to_vec(),
        _ => values::bytes(number),
    }
}
