//! Implicit FTPS for servers that have none (Pure-FTPd and libunftp): a front takes connections in TLS, signs on to the
//! server with `AUTH TLS`, and passes the control connection on. Data connections go straight to the server, which
//! has the same certificate.
//!
//! The session of the control connection is the front's, so data connections cannot resume it. Both servers allow that.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use rustls::{ClientConfig, ServerConfig};

use super::tls::Tls;
use crate::pki;
use crate::poll::readable;
use crate::wire::Wire;

/// How much is passed on at once. Lines are short.
const PIECE: usize = 4096;

/// A running front. Dropping it ends it with all of its connections.
pub struct Front {
    address: SocketAddr,
    over: Arc<AtomicBool>,
    accepting: Option<JoinHandle<()>>,
}

impl Front {
    pub fn start(server_port: u16, tls: &Tls) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let over = Arc::new(AtomicBool::new(false));
        let (to_client, to_server) = (
            tls.identity.server(tls.version),
            Arc::new(pki::client_config(tls.version)),
        );
        let flag = Arc::clone(&over);
        let accepting = std::thread::spawn(move || {
            let mut threads = Vec::new();
            while !flag.load(Ordering::Relaxed) {
                if !readable(&[&listener])[0] {
                    continue;
                }
                let Ok((client, _)) = listener.accept() else { break };
                let (over, to_client, to_server) =
                    (Arc::clone(&flag), Arc::clone(&to_client), Arc::clone(&to_server));
                threads.push(std::thread::spawn(move || {
                    // An error is one end that has gone; the other goes with it.
                    let _ = serve(client, server_port, &to_client, &to_server, &over);
                }));
            }
            for thread in threads {
                let _ = thread.join();
            }
        });
        Ok(Self {
            address,
            over,
            accepting: Some(accepting),
        })
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        let _ = self.accepting.take().map(JoinHandle::join);
    }
}

fn serve(
    client: TcpStream,
    server_port: u16,
    to_client: &Arc<ServerConfig>,
    to_server: &Arc<ClientConfig>,
    over: &AtomicBool,
) -> io::Result<()> {
    client.set_nodelay(true)?;
    let mut client = Wire::new(client);
    client.become_server(to_client);
    let (greeting, mut server) = sign_on(server_port, to_server)?;
    // Until the handshake is over it waits within TLS.
    client.write_all(&greeting)?;

    let mut buffer = [0; PIECE];
    while !over.load(Ordering::Relaxed) {
        let polled = readable(&[&client, &server]);
        let ends = [&mut client, &mut server];
        let ready = [0, 1].map(|end| polled[end] || ends[end].has_unread());
        let [client, server] = ends;
        if ready[0] && !pass_on(client, server, &mut buffer)? {
            return Ok(());
        }
        if ready[1] && !pass_on(server, client, &mut buffer)? {
            return Ok(());
        }
    }
    Ok(())
}

/// Passes one piece on; false at the end.
fn pass_on(from: &mut Wire, to: &mut Wire, buffer: &mut [u8]) -> io::Result<bool> {
    match from.read_ready(buffer)? {
        Some(0) => {
            to.finish()?;
            Ok(false)
        }
        Some(read) => to.write_all(&buffer[..read]).map(|()| true),
        None => Ok(true),
    }
}

/// The server's greeting, and a connection to it that is TLS by now.
fn sign_on(port: u16, config: &Arc<ClientConfig>) -> io::Result<(Vec<u8>, Wire)> {
    let socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    socket.set_nodelay(true)?;
    let mut lines = BufReader::new(socket);
    let greeting = reply(&mut lines)?;
    lines.get_mut().write_all(b"AUTH TLS\r\n")?;
    let answer = reply(&mut lines)?;
    if !answer.starts_with(b"234") || !lines.buffer().is_empty() {
        return Err(io::Error::other("the server behind the front has no TLS"));
    }
    let mut server = Wire::new(lines.into_inner());
    server.become_client(config, "127.0.0.1");
    server.handshake()?;
    Ok((greeting, server))
}

/// All lines of a reply.
fn reply(lines: &mut BufReader<TcpStream>) -> io::Result<Vec<u8>> {
    let mut reply = Vec::new();
    loop {
        let start = reply.len();
        if lines.read_until(b'\n', &mut reply)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if reply.get(start + 3) == Some(&b' ') {
            return Ok(reply);
        }
    }
}
