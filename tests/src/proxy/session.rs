//! One control connection through the proxy.

use std::io::{self, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use rustls::{ClientConfig, ServerConfig};

use super::data::Way;
use super::{At, How, Shared, What, end, lock, word};
use crate::pki;
use crate::poll::readable;
use crate::servers::tls::Mode;
use crate::wire::Wire;

/// The name by which the proxy calls the server; the certificates of the tests have it.
pub(super) const SERVER: &str = "localhost";

/// One control connection and its data connections.
pub(super) struct Session {
    pub(super) shared: Arc<Shared>,
    /// The last command moves a file, not a listing.
    pub(super) is_file: AtomicBool,
    /// What is to break, as a data connection has found.
    pub(super) breaking: Mutex<Option<(What, How)>>,
    /// Both sides of TLS; none in clear. Each session has its own, so that nothing of another is resumed.
    pub(super) tls: Option<(Arc<ServerConfig>, Arc<ClientConfig>)>,
    /// Data connections are in TLS.
    pub(super) private: AtomicBool,
    /// The server's end of a control connection that broke at the client's end alone.
    left_open: Mutex<Option<Wire>>,
    over: AtomicBool,
}

/// What the client has asked for and the server has not answered.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asked {
    Nothing,
    /// `AUTH TLS`.
    Encryption,
    /// `PROT`, with `P` or without.
    Protection(bool),
}

/// What a command asks for besides being passed on.
struct Noted {
    asked: Asked,
    /// Its reply is to be lost.
    losing: bool,
    /// Its number, over all sessions.
    number: usize,
}

impl Session {
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        let tls = shared.tls.as_ref();
        Self {
            shared: Arc::clone(shared),
            is_file: AtomicBool::new(false),
            breaking: Mutex::new(None),
            tls: tls.map(|tls| {
                (
                    tls.identity.server(tls.version),
                    Arc::new(pki::client_config(tls.version)),
                )
            }),
            private: AtomicBool::new(false),
            left_open: Mutex::new(None),
            over: AtomicBool::new(false),
        }
    }

    pub(super) fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_over(&self) -> bool {
        self.shared.is_over() || self.over.load(Ordering::Relaxed)
    }

    pub(super) fn serve(self: &Arc<Self>, mut client: Wire, mut server: Wire) -> io::Result<()> {
        let (mut from_client, mut from_server) = (Lines::default(), Lines::default());
        if self.shared.tls.is_some_and(|tls| tls.mode == Mode::Implicit) {
            self.secure(&mut client, &mut server)?;
        }
        let mut losing = false;
        let mut number = 0;
        let mut asked = Asked::Nothing;
        while !self.shared.is_over() {
            if self.shared.is_killed() {
                drop(server);
                self.shared.keep(client);
                return Ok(());
            }
            let polled = readable(&[&client, &server]);
            // Looked at before anything is passed on: a reply to the break must not arrive.
            if let Some((what, how)) = lock(&self.breaking).take() {
                end(client, how)?;
                if what == What::Control {
                    *lock(&self.left_open) = Some(server);
                    return Ok(());
                }
                return end(server, how);
            }
            if polled[1] || server.has_unread() {
                if !from_server.fill(&mut server)? {
                    return client.finish();
                }
                while let Some(line) = from_server.take() {
                    if is_final(&line) {
                        self.shared.reach(At::Reply(number));
                        if self.shared.is_killed() {
                            break;
                        }
                    }
                    if losing && !line.starts_with(b"1") {
                        return Ok(());
                    }
                    let answered = match asked {
                        Asked::Encryption if line.starts_with(b"234 ") => true,
                        Asked::Protection(private) if line.starts_with(b"200 ") => {
                            self.private.store(private, Ordering::Relaxed);
                            false
                        }
                        _ => false,
                    };
                    client.write_all(&self.rewritten(line)?)?;
                    if answered {
                        self.secure(&mut client, &mut server)?;
                        asked = Asked::Nothing;
                    }
                }
            }
            if polled[0] || client.has_unread() {
                if !from_client.fill(&mut client)? {
                    return server.finish();
                }
                while let Some(line) = from_client.take() {
                    let noted = self.note(&line);
                    number = noted.number;
                    self.shared.reach(At::Command(number));
                    if self.shared.is_killed() {
                        break;
                    }
                    losing |= noted.losing;
                    asked = noted.asked;
                    server.write_all(&self.redirected(line)?)?;
                }
            }
        }
        Ok(())
    }

    /// From here on TLS, at both ends.
    fn secure(&self, client: &mut Wire, server: &mut Wire) -> io::Result<()> {
        if let Some((to_client, to_server)) = &self.tls {
            client.become_server(to_client);
            server.become_client(to_server, SERVER);
            server.flush()?;
        }
        Ok(())
    }

    /// Writes a command down.
    fn note(&self, line: &[u8]) -> Noted {
        let text = String::from_utf8_lossy(line).trim_end().to_owned();
        let command = word(&text).to_ascii_uppercase();
        if !["NOOP", "ABOR"].contains(&command.as_str()) {
            let is_file = ["RETR", "STOR", "APPE"].contains(&command.as_str());
            self.is_file.store(is_file, Ordering::Relaxed);
        }
        let asked = match command.as_str() {
            "AUTH" => Asked::Encryption,
            "PROT" => Asked::Protection(text.ends_with('P')),
            _ => Asked::Nothing,
        };
        let number = {
            let mut commands = lock(&self.shared.commands);
            commands.push(text);
            commands.len()
        };
        let mut plan = lock(&self.shared.plan);
        let at = plan.lost.iter().position(|lost| *lost == command);
        let losing = at.map(|at| plan.lost.remove(at)).is_some();
        Noted {
            asked,
            losing,
            number,
        }
    }

    /// A reply line, with a port of ours in place of the server's.
    fn rewritten(self: &Arc<Self>, line: Vec<u8>) -> io::Result<Vec<u8>> {
        let text = String::from_utf8_lossy(&line);
        let port = match text.get(..4) {
            Some("229 ") => text
                .split("|||")
                .nth(1)
                .and_then(|rest| rest.split('|').next()?.parse().ok()),
            Some("227 ") => last_two(&text),
            _ => None,
        };
        let Some(port) = port else { return Ok(line) };
        let own = self.listen(Way::ToServer(port))?;
        let reply = if text.starts_with("229") {
            format!("229 by way of the proxy (|||{own}|)\r\n")
        } else {
            format!(
                "227 by way of the proxy (127,0,0,1,{},{})\r\n",
                own / 256,
                own % 256
            )
        };
        Ok(reply.into_bytes())
    }

    /// A command line, with a port of ours in place of the client's when data is in TLS: the server would not accept
    /// the client's session, which is the proxy's.
    fn redirected(self: &Arc<Self>, line: Vec<u8>) -> io::Result<Vec<u8>> {
        if !self.private.load(Ordering::Relaxed) {
            return Ok(line);
        }
        let text = String::from_utf8_lossy(&line);
        let port = match text.get(..5) {
            Some("PORT ") => last_two(text.trim_end()),
            Some("EPRT ") => text.split('|').nth(3).and_then(|port| port.parse().ok()),
            _ => None,
        };
        let Some(port) = port else { return Ok(line) };
        let own = self.listen(Way::ToClient(port))?;
        let command = if text.starts_with("PORT") {
            format!("PORT 127,0,0,1,{},{}\r\n", own / 256, own % 256)
        } else {
            format!("EPRT |1|127.0.0.1|{own}|\r\n")
        };
        Ok(command.into_bytes())
    }

    /// A port for a data connection that goes on this way.
    fn listen(self: &Arc<Self>, way: Way) -> io::Result<u16> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let own = listener.local_addr()?.port();
        let session = Arc::clone(self);
        self.shared.spawn(move || {
            // An error is one end that has gone; the other goes with it.
            let _ = session.move_data(&listener, way);
        });
        Ok(own)
    }
}

/// Whether a reply ends with this line: it has no dash after its code, and is not one of those that others follow.
fn is_final(line: &[u8]) -> bool {
    matches!(line, [b'2'..=b'5', b'0'..=b'9', b'0'..=b'9', b' ', ..])
}

/// Lines out of pieces.
#[derive(Default)]
struct Lines(Vec<u8>);

impl Lines {
    /// False at the end.
    fn fill(&mut self, from: &mut Wire) -> io::Result<bool> {
        let mut buffer = [0; 4096];
        let Some(read) = from.read_ready(&mut buffer)? else {
            return Ok(true);
        };
        self.0.extend_from_slice(&buffer[..read]);
        Ok(read > 0)
    }

    fn take(&mut self) -> Option<Vec<u8>> {
        let end = self.0.iter().position(|byte| *byte == b'\n')?;
        Some(self.0.drain(..=end).collect())
    }
}

/// The port in `PORT` and in a reply to `PASV`: the last two of the numbers after the first four letters.
fn last_two(text: &str) -> Option<u16> {
    let numbers = text.get(4..)?.split(|c: char| !c.is_ascii_digit());
    let numbers: Vec<u16> = numbers.filter_map(|number| number.parse().ok()).collect();
    let [.., high, low] = numbers.as_slice() else {
        return None;
    };
    Some(high * 256 + low)
}
