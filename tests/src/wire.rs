//! One end of a connection, in clear or in TLS: what the proxy, the front and the scripted server talk through.
//!
//! It blocks, but for [`Wire::read_ready`], which takes what a poll has announced and may find that it was nothing
//! but records of the handshake or a ticket.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, Connection, HandshakeKind, ServerConfig, ServerConnection};

use crate::pki::Version;

/// One end of a connection.
#[derive(Debug)]
pub struct Wire {
    socket: TcpStream,
    tls: Option<Box<Tls>>,
}

#[derive(Debug)]
struct Tls {
    connection: Connection,
    /// Bytes that have been decrypted and not been read.
    unread: usize,
    /// The other side has announced its end, and that has not been read. It often comes with the last bytes, and
    /// nothing after it until it is answered.
    ended: bool,
}

impl Wire {
    /// In clear.
    #[must_use]
    pub fn new(socket: TcpStream) -> Self {
        Self { socket, tls: None }
    }

    /// From here on TLS, as the server. Nothing is sent by it.
    ///
    /// # Panics
    /// When it is TLS already.
    pub fn become_server(&mut self, config: &Arc<ServerConfig>) {
        let connection = ServerConnection::new(Arc::clone(config)).expect("a whole configuration");
        self.become_tls(connection.into());
    }

    /// From here on TLS, as the client of a server with this name. Nothing is sent by it; reading and writing do.
    ///
    /// # Panics
    /// When it is TLS already, or the name is none.
    pub fn become_client(&mut self, config: &Arc<ClientConfig>, name: &str) {
        let name = ServerName::try_from(name.to_owned()).expect("a name or an address");
        let connection = ClientConnection::new(Arc::clone(config), name).expect("a whole configuration");
        self.become_tls(connection.into());
    }

    fn become_tls(&mut self, mut connection: Connection) {
        assert!(self.tls.is_none(), "it is TLS already");
        // A proxy passes on what comes, whole.
        connection.set_buffer_limit(None);
        self.tls = Some(Box::new(Tls {
            connection,
            unread: 0,
            ended: false,
        }));
    }

    /// Whether it is TLS, or becoming it.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// Whether TLS is being agreed on.
    #[must_use]
    pub fn is_handshaking(&self) -> bool {
        self.connection().is_some_and(|tls| tls.is_handshaking())
    }

    /// Whether the session was resumed; not known before the end of the handshake, and not in clear.
    #[must_use]
    pub fn resumed(&self) -> Option<bool> {
        let kind = self.connection()?.handshake_kind()?;
        Some(kind == HandshakeKind::Resumed)
    }

    /// The version that was agreed on.
    #[must_use]
    pub fn version(&self) -> Option<Version> {
        match self.connection()?.protocol_version()? {
            rustls::ProtocolVersion::TLSv1_2 => Some(Version::V12),
            rustls::ProtocolVersion::TLSv1_3 => Some(Version::V13),
            _ => None,
        }
    }

    /// Goes through the handshake, when it is TLS.
    ///
    /// # Errors
    /// When the other end breaks it off.
    pub fn handshake(&mut self) -> io::Result<()> {
        self.flush()?;
        while self.is_handshaking() {
            self.pump()?;
        }
        Ok(())
    }

    /// Whether [`Wire::read_ready`] gives something without a look at the socket.
    #[must_use]
    pub fn has_unread(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.unread > 0 || tls.ended)
    }

    /// Reads what is there when the socket is readable or [`Wire::has_unread`]; none when it was nothing to read.
    /// 0 is an end that the other side has announced (in TLS: by `close_notify`).
    ///
    /// # Errors
    /// `UnexpectedEof` when a connection in TLS ends without `close_notify`.
    pub fn read_ready(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        if !self.has_unread() {
            self.pump()?;
        }
        let Some(tls) = &mut self.tls else {
            return self.socket.read(buffer).map(Some);
        };
        match tls.connection.reader().read(buffer) {
            Ok(read) => {
                tls.unread = tls.unread.saturating_sub(read);
                tls.ended &= read > 0;
                Ok(Some(read))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Says that nothing more is sent: `close_notify`, where it is TLS, and the end of the stream.
    ///
    /// # Errors
    /// When the other end has gone.
    pub fn finish(&mut self) -> io::Result<()> {
        self.say_close_notify()?;
        self.socket.shutdown(Shutdown::Write)
    }

    /// Says `close_notify` and leaves the socket as it is; nothing in clear.
    ///
    /// # Errors
    /// When the other end has gone.
    pub fn say_close_notify(&mut self) -> io::Result<()> {
        if let Some(tls) = &mut self.tls {
            tls.connection.send_close_notify();
        }
        self.flush()
    }

    /// The socket, for what goes past TLS.
    #[must_use]
    pub fn socket(&self) -> &TcpStream {
        &self.socket
    }

    /// The socket alone. What TLS had still to say is not said.
    #[must_use]
    pub fn into_socket(self) -> TcpStream {
        self.socket
    }

    fn connection(&self) -> Option<&Connection> {
        self.tls.as_ref().map(|tls| &tls.connection)
    }

    /// Takes one piece from the socket through TLS, and sends what TLS has to say to it.
    fn pump(&mut self) -> io::Result<()> {
        let Some(tls) = &mut self.tls else { return Ok(()) };
        let read = tls.connection.read_tls(&mut self.socket)?;
        let state = tls.connection.process_new_packets();
        if let Ok(state) = &state {
            tls.unread = state.plaintext_bytes_to_read();
            tls.ended = state.peer_has_closed();
        }
        let handshaking = tls.connection.is_handshaking();
        // A reply, or the alert that says what was wrong.
        let sent = self.flush();
        state.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        if read == 0 && handshaking {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        // Whoever has said all may be gone before our tickets reach him; what he said counts.
        if self.has_unread() { Ok(()) } else { sent }
    }
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.flush()?;
        loop {
            if let Some(read) = self.read_ready(buffer)? {
                return Ok(read);
            }
        }
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else {
            return self.socket.write(bytes);
        };
        let written = tls.connection.writer().write(bytes)?;
        self.flush()?;
        Ok(written)
    }

    /// Data that is written during the handshake waits for its end within TLS.
    fn flush(&mut self) -> io::Result<()> {
        let Some(tls) = &mut self.tls else { return Ok(()) };
        while tls.connection.wants_write() {
            tls.connection.write_tls(&mut self.socket)?;
        }
        Ok(())
    }
}

impl AsFd for Wire {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
