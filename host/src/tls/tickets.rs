//! The sessions that a context's connections resume.

use rustls::NamedGroup;
use rustls::client::{
    ClientConnectionData, ClientSessionStore, Tls12ClientSessionValue, Tls13ClientSessionValue,
};
use rustls::kernel::KernelConnection;
use rustls::pki_types::ServerName;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Unused tickets that are kept: a server gives two or three at a time.
const UNUSED: usize = 4;
/// Server names of one context. A connector has one, or a second one for data connections.
const NAMES: usize = 4;
/// No ticket lives longer (RFC 8446, section 4.6.1).
const LONGEST_LIFE: Duration = Duration::from_hours(7 * 24);

/// What is left of a TLS 1.3 connection once its handshake is over: it makes new keys, and tickets of what the server
/// says for one.
pub(super) type Remainder = Arc<Mutex<KernelConnection<ClientConnectionData>>>;

/// The resumable sessions of one control connection.
///
/// TLS 1.3 advises to use a ticket once, so that nobody who watches can tell that two connections are the same
/// client's, and rustls does so. FTP servers that insist on resumption give one ticket for each connection, which
/// does not always arrive; without one, the next data connection would be refused. The data connections of one control
/// connection are no secret in any way, and so the last ticket is used again where there is no new one.
#[derive(Default)]
pub(super) struct Tickets(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    servers: HashMap<ServerName<'static>, Server>,
    /// Nothing is kept any more.
    closed: bool,
}

#[derive(Default)]
struct Server {
    group: Option<NamedGroup>,
    tls12: Option<Tls12ClientSessionValue>,
    /// Not used yet, the newest last.
    unused: Vec<Tls13ClientSessionValue>,
    last: Option<Last>,
}

/// What the last ticket was made of, and can be made of again.
#[derive(Clone)]
struct Last {
    connection: Remainder,
    /// The server's message `NewSessionTicket` (RFC 8446, section 4.6.1), without its header.
    message: Arc<[u8]>,
    until: Instant,
}

impl Tickets {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps the ticket of a message that the server sent after a handshake.
    ///
    /// # Errors
    /// When it is none.
    pub(super) fn keep(
        &self,
        name: &ServerName<'static>,
        connection: &Remainder,
        message: &[u8],
    ) -> Result<(), rustls::Error> {
        // It comes back through `insert_tls13_ticket`.
        print(connection, message)?;
        let life = message
            .first_chunk()
            .map_or(0, |seconds| u32::from_be_bytes(*seconds));
        let life = Duration::from_secs(life.into()).min(LONGEST_LIFE);
        let mut kept = self.kept();
        if !kept.closed {
            kept.server(name.clone()).last = Some(Last {
                connection: Arc::clone(connection),
                message: message.into(),
                until: Instant::now() + life,
            });
        }
        Ok(())
    }

    /// Forgets everything. Needed at the end, since what is kept of a connection keeps the tickets in its turn.
    pub(super) fn close(&self) {
        let mut kept = self.kept();
        kept.closed = true;
        kept.servers.clear();
    }
}

/// Lets rustls make a ticket and put it into its connection's store.
fn print(connection: &Remainder, message: &[u8]) -> Result<(), rustls::Error> {
    let mut connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
    connection.handle_new_session_ticket(message)
}

impl Kept {
    fn server(&mut self, name: ServerName<'static>) -> &mut Server {
        if self.servers.len() >= NAMES && !self.servers.contains_key(&name) {
            self.servers.clear();
        }
        self.servers.entry(name).or_default()
    }
}

/// Tickets are as good as keys: none of them is shown.
impl fmt::Debug for Tickets {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Tickets").finish_non_exhaustive()
    }
}

impl ClientSessionStore for Tickets {
    fn set_kx_hint(&self, server_name: ServerName<'static>, group: NamedGroup) {
        self.kept().server(server_name).group = Some(group);
    }

    fn kx_hint(&self, server_name: &ServerName<'_>) -> Option<NamedGroup> {
        self.kept().servers.get(&server_name.to_owned())?.group
    }

    fn set_tls12_session(&self, server_name: ServerName<'static>, value: Tls12ClientSessionValue) {
        self.kept().server(server_name).tls12 = Some(value);
    }

    fn tls12_session(&self, server_name: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        self.kept().servers.get(&server_name.to_owned())?.tls12.clone()
    }

    fn remove_tls12_session(&self, server_name: &ServerName<'static>) {
        if let Some(server) = self.kept().servers.get_mut(server_name) {
            server.tls12 = None;
        }
    }

    fn insert_tls13_ticket(&self, server_name: ServerName<'static>, value: Tls13ClientSessionValue) {
        let mut kept = self.kept();
        if kept.closed {
            return;
        }
        let unused = &mut kept.server(server_name).unused;
        if unused.len() >= UNUSED {
            unused.remove(0);
        }
        unused.push(value);
    }

    fn take_tls13_ticket(&self, server_name: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        let last = {
            let mut kept = self.kept();
            let server = kept.servers.get_mut(server_name)?;
            if let Some(ticket) = server.unused.pop() {
                return Some(ticket);
            }
            server.last.clone()?
        };
        if last.until <= Instant::now() {
            return None;
        }
        print(&last.connection, &last.message).ok()?;
        self.kept().servers.get_mut(server_name)?.unused.pop()
    }
}
