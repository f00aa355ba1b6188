//! One data connection through the proxy.

use std::io::{self, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::Ordering;
use std::time::Duration;

use rustix::net::sockopt;

use super::session::{SERVER, Session};
use super::{TO_CLIENT, TO_SERVER, What, end, lock};
use crate::poll::readable;
use crate::wire::Wire;

/// What the sockets of a data connection hold. Whatever is in them is lost with a reset, and a test that counts
/// bytes must be able to tell that from a transfer that starts over.
const SOCKET_BUFFER: usize = 128 * 1024;

/// How much is passed on at once.
const PIECE: usize = 64 * 1024;

/// Where a data connection that has come goes on to.
#[derive(Clone, Copy)]
pub(super) enum Way {
    /// Passive mode: to this port of the server.
    ToServer(u16),
    /// Active mode: to this port of the client.
    ToClient(u16),
}

/// Two ends of a data connection, in the order of [`TO_CLIENT`] and [`TO_SERVER`].
struct Ends {
    wires: [Wire; 2],
    /// This end may still send.
    open: [bool; 2],
    /// This end is to be told that the other one has sent all, once its handshake is over: an empty file has ended
    /// when its handshake has, and the one at the other end may take longer.
    to_finish: [bool; 2],
}

/// What an end had to give.
enum Piece {
    Nothing,
    Bytes(usize),
    End,
}

impl Session {
    /// Waits for the data connection, connects to the other end, and passes on until both have ended.
    pub(super) fn move_data(&self, listener: &TcpListener, way: Way) -> io::Result<()> {
        let Some(mut ends) = self.connect(listener, way)? else {
            return Ok(());
        };
        let pace = lock(&self.shared.plan).pace;
        let mut buffer = vec![0; pace.map_or(PIECE, |(piece, _)| piece.min(PIECE))];
        let mut counted = false;
        while ends.are_open() {
            if self.shared.is_over() {
                return Ok(());
            }
            if self.shared.is_killed() {
                let [client, server] = ends.wires;
                drop(server);
                self.shared.keep(client);
                return Ok(());
            }
            ends.finish();
            if let Some(resumed) = ends.wires[TO_CLIENT].resumed().filter(|_| !counted) {
                counted = true;
                self.shared.protected[usize::from(resumed)].fetch_add(1, Ordering::Relaxed);
            }
            let mut idle = true;
            for from in ends.ready() {
                let read = match ends.take(from, &mut buffer)? {
                    Piece::Bytes(read) => read,
                    Piece::End => continue,
                    Piece::Nothing => {
                        idle = false;
                        continue;
                    }
                };
                idle = false;
                let to = 1 - from;
                let (pass, cut) = if self.is_file.load(Ordering::Relaxed) {
                    self.shared.count(to, read)
                } else {
                    (read, None)
                };
                ends.wires[to].write_all(&buffer[..pass])?;
                let Some(cut) = cut else {
                    if let Some((_, pause)) = pace {
                        std::thread::sleep(pause);
                    }
                    continue;
                };
                if cut.what != What::Data {
                    *lock(&self.breaking) = Some((cut.what, cut.how));
                }
                if cut.what == What::Control {
                    ends.wires[to].write_all(&buffer[pass..read])?;
                    self.shared.moved[to].fetch_add((read - pass) as u64, Ordering::Relaxed);
                    continue;
                }
                let [client, server] = ends.wires;
                end(client, cut.how)?;
                return end(server, cut.how);
            }
            if idle {
                // An end that has closed stays readable; the other one has a while.
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        Ok(())
    }

    /// Both ends of a data connection; none when the session is over before there is one.
    fn connect(&self, listener: &TcpListener, way: Way) -> io::Result<Option<Ends>> {
        while !readable(&[listener])[0] {
            if self.is_over() {
                return Ok(None);
            }
        }
        let (came, _) = listener.accept()?;
        let sockets = match way {
            Way::ToServer(port) => [came, TcpStream::connect((self.shared.server.ip(), port))?],
            Way::ToClient(port) => [TcpStream::connect((Ipv4Addr::LOCALHOST, port))?, came],
        };
        for socket in &sockets {
            sockopt::set_socket_send_buffer_size(socket, SOCKET_BUFFER)?;
            sockopt::set_socket_recv_buffer_size(socket, SOCKET_BUFFER)?;
        }
        let mut wires = sockets.map(Wire::new);
        if let Some((to_client, to_server)) = &self.tls
            && self.private.load(Ordering::Relaxed)
        {
            wires[TO_CLIENT].become_server(to_client);
            wires[TO_SERVER].become_client(to_server, SERVER);
            wires[TO_SERVER].flush()?;
        }
        Ok(Some(Ends {
            wires,
            open: [true, true],
            to_finish: [false, false],
        }))
    }
}

impl Ends {
    fn are_open(&self) -> bool {
        self.open.iter().chain(&self.to_finish).any(|is| *is)
    }

    /// Passes on the ends that can be told by now.
    fn finish(&mut self) {
        for (wire, to_finish) in self.wires.iter_mut().zip(&mut self.to_finish) {
            if *to_finish && !wire.is_handshaking() {
                *to_finish = false;
                // The receiver may have gone before.
                let _ = wire.finish();
            }
        }
    }

    /// The ends that have something to give, after a short wait.
    fn ready(&self) -> impl Iterator<Item = usize> + use<> {
        let [client, server] = &self.wires;
        let polled = readable(&[client, server]);
        let ready = [TO_CLIENT, TO_SERVER].map(|end| {
            // Data for an end that is still in its handshake would pile up there.
            let waits = !self.wires[end].is_handshaking() && self.wires[1 - end].is_handshaking();
            self.open[end] && !waits && (polled[end] || self.wires[end].has_unread())
        });
        [TO_CLIENT, TO_SERVER].into_iter().filter(move |end| ready[*end])
    }

    /// Takes a piece from an end. Its end is passed on as it was: with or without word of it. A transfer is over when
    /// its sender closes.
    fn take(&mut self, from: usize, buffer: &mut [u8]) -> io::Result<Piece> {
        let other = 1 - from;
        match self.wires[from].read_ready(buffer) {
            Ok(None) => return Ok(Piece::Nothing),
            Ok(Some(0)) => self.to_finish[other] = true,
            Ok(Some(read)) => return Ok(Piece::Bytes(read)),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                // The receiver may have gone before.
                let _ = self.wires[other].socket().shutdown(Shutdown::Write);
                self.to_finish[from] = false;
            }
            Err(error) => return Err(error),
        }
        self.open[from] = false;
        self.finish();
        Ok(Piece::End)
    }
}
