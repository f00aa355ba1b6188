//! Opening data connections: EPSV, PASV and what lies between them, and active mode. What runs over them is in
//! `data`.

pub(crate) mod address;

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::control::Reply;
use crate::data::Transfer;
use crate::error::{Effect, Error, Kind, Op};
use crate::session::Session;
use crate::settings::{Connection, DataAddress, DataConnection, PortRange};
use crate::transport::{Level, Stream};

use address::{extended_port, extended_port_command, passive_address, port_command, ports_from};

/// How long the first connection to a port of EPSV may take before PASV is tried. A firewall that knows PASV
/// alone swallows the packets, and a file's whole time-out is long to wait for that.
const FIRST_TRY: Duration = Duration::from_secs(10);

/// How data connections are opened, and what was found out about it.
#[derive(Debug, Clone)]
pub struct Mode {
    way: DataConnection,
    address: DataAddress,
    ports: Option<PortRange>,
    /// Where in the range of ports the next listener is looked for.
    next_port: u32,
    /// PORT was refused, and EPRT was not.
    extended_port: bool,
    /// It was told already that answers to PASV name another address.
    elsewhere: bool,
    /// The command that led to the last data connection.
    pub(crate) worked: Option<&'static str>,
    /// Why `auto` does not use EPSV.
    pub(crate) why_not_epsv: Option<String>,
}

impl Mode {
    /// As the settings say.
    pub fn new(settings: &Connection) -> Self {
        // Somewhere in the range, so that those who use it at the same time do not all begin with the same.
        let start = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .map_or(0, |since| since.subsec_micros());
        Self {
            way: settings.data_connection,
            address: settings.data_address,
            ports: settings.active_ports,
            next_port: start,
            extended_port: false,
            elsewhere: false,
            worked: None,
            why_not_epsv: None,
        }
    }
}

impl Session {
    /// Opens a data connection for `command`, which is sent in between as the way of opening demands.
    pub(crate) fn open_data(&mut self, op: Op, subject: &str, command: &str) -> Result<Transfer, Error> {
        let opened = self.open_once(op, subject, command);
        match opened {
            // "Need account for storing files." It is sent once.
            Err(error) if error.code == Some(532) => match self.account.take() {
                Some(account) => {
                    self.send_account(&account)?;
                    self.open_once(op, subject, command)
                }
                None => Err(error),
            },
            opened => opened,
        }
    }

    fn open_once(&mut self, op: Op, subject: &str, command: &str) -> Result<Transfer, Error> {
        let (stream, early) = if self.mode.way == DataConnection::Active {
            self.open_active(op, subject, command)?
        } else {
            let stream = self.open_passive(op, subject)?;
            let begun = self.begin(op, subject, command);
            if begun.is_err() {
                self.control.trace.closed(0);
            }
            (stream, begun?)
        };
        self.patience.transfers(true);
        let transfer = Transfer::new(op, subject, stream, early);
        // Now and not at the first byte: an empty file has none, and the server waits for it.
        match self.protect(&transfer) {
            Ok(()) => Ok(transfer),
            Err(error) => Err(self.transfer_failed(transfer, &error)),
        }
    }

    /// Sends the command that the data connection is for. A reply that says that all is done already is kept:
    /// some servers leave the one before it out, or are done before they say so.
    fn begin(&mut self, op: Op, subject: &str, command: &str) -> Result<Option<Reply>, Error> {
        let reply = self.command(op, subject, command)?;
        match reply.code {
            125 | 150 => Ok(None),
            226 | 250 if matches!(op, Op::Read | Op::List) => Ok(Some(reply)),
            code => {
                let refusal = Error::reply(op, subject, code, &reply.text);
                Err(self.wanting_protection(refusal))
            }
        }
    }

    fn open_passive(&mut self, op: Op, subject: &str) -> Result<Stream, Error> {
        match self.mode.way {
            DataConnection::Pasv => self.pasv(op, subject),
            // EPSV gives no address, and one was asked for.
            DataConnection::Auto if self.mode.address == DataAddress::AsGiven && self.is_v4() => {
                self.pasv(op, subject)
            }
            DataConnection::Auto => self.epsv_or_pasv(op, subject),
            _ => {
                let to = self.ask_epsv()?;
                self.dial(op, subject, to, "EPSV")
            }
        }
    }

    /// EPSV, and PASV where that is refused or leads nowhere. What works is remembered for the session.
    fn epsv_or_pasv(&mut self, op: Op, subject: &str) -> Result<Stream, Error> {
        let patience = Arc::clone(&self.patience);
        let opened = self
            .ask_epsv()
            .and_then(|to| patience.within(FIRST_TRY, || self.dial(op, subject, to, "EPSV")));
        match opened {
            Ok(stream) => {
                self.mode.way = DataConnection::Epsv;
                Ok(stream)
            }
            Err(error) if falls_back(&error) => {
                let message = format!("EPSV does not work here, so PASV is tried. {error}");
                (self.host.log)(Level::Debug, &message);
                let stream = self.pasv(op, subject)?;
                self.mode.way = DataConnection::Pasv;
                self.mode.why_not_epsv = Some(error.message);
                Ok(stream)
            }
            Err(error) => Err(error),
        }
    }

    fn ask_epsv(&mut self) -> Result<SocketAddr, Error> {
        let reply = self.expect(Op::SetUp, &self.server.clone(), "EPSV", &[229])?;
        let port = extended_port(&reply.exact).ok_or_else(|| self.unreadable("EPSV"))?;
        self.destination(None, port)
    }

    fn pasv(&mut self, op: Op, subject: &str) -> Result<Stream, Error> {
        let reply = self.expect(Op::SetUp, &self.server.clone(), "PASV", &[227])?;
        let (given, port) = passive_address(&reply.exact).ok_or_else(|| self.unreadable("PASV"))?;
        let to = self.destination(Some(given), port)?;
        self.dial(op, subject, to, "PASV")
    }

    /// Where a data connection goes. Unless the settings say otherwise to the control connection's peer, whatever
    /// address the server named: it could send us anywhere, and behind NAT it names one that leads nowhere.
    fn destination(&mut self, given: Option<Ipv4Addr>, port: u16) -> Result<SocketAddr, Error> {
        let mut peer = self.peer()?;
        peer.set_port(port);
        Ok(match (self.mode.address, given) {
            (DataAddress::Fixed(address), _) => SocketAddr::new(address, port),
            // 0.0.0.0 is how some say "here".
            (DataAddress::AsGiven, Some(given)) if !given.is_unspecified() => {
                SocketAddr::new(given.into(), port)
            }
            (DataAddress::ControlPeer, Some(given))
                if peer.ip().to_canonical() != given && !self.mode.elsewhere =>
            {
                self.mode.elsewhere = true;
                let message = format!(
                    "The answer to PASV names {given}; data connections go to {} all the same, for \
                     `data_address` says so.",
                    peer.ip()
                );
                (self.host.log)(Level::Debug, &message);
                peer
            }
            _ => peer,
        })
    }

    fn peer(&self) -> Result<SocketAddr, Error> {
        let peer = self.control.stream().peer();
        peer.map_err(|error| Error::io(Op::SetUp, &self.server, &error))
    }

    fn is_v4(&self) -> bool {
        self.peer().is_ok_and(|peer| peer.ip().to_canonical().is_ipv4())
    }

    fn dial(&mut self, op: Op, subject: &str, to: SocketAddr, way: &'static str) -> Result<Stream, Error> {
        let connected = Stream::connect(to, &self.patience).map_err(|error| {
            if error.kind() == io::ErrorKind::InvalidInput {
                // Multicast and the like.
                let message =
                    format!("The answer to {way} names {to}, and nobody can connect to that address.");
                return Error::new(Kind::Protocol, message);
            }
            let error = Error::io(op, subject, &error);
            Error {
                message: format!("{} (data connection to {to} after {way})", error.message),
                // No command has been sent, so nothing has happened to the file, and the session is well.
                effect: Effect::None,
                session_lost: error.ends_call,
                ..error
            }
        })?;
        self.control.trace.opened(Some(to), way);
        self.mode.worked = Some(way);
        Ok(connected)
    }

    fn unreadable(&self, command: &str) -> Error {
        let message = format!("The answer of `{}` to {command} names no port.", self.server);
        Error::new(Kind::Protocol, message)
    }

    fn open_active(
        &mut self,
        op: Op,
        subject: &str,
        command: &str,
    ) -> Result<(Stream, Option<Reply>), Error> {
        let failed = |error: &io::Error| {
            let error = Error::io(op, subject, error);
            Error {
                message: format!("{} (active data connection)", error.message),
                ..error
            }
        };
        let unsent = |error: io::Error| Error {
            effect: Effect::None,
            session_lost: false,
            ..failed(&error)
        };
        let listener = self.listen().map_err(|error| match error {
            Unheard::NoPort(range) => no_port(range),
            Unheard::Io(error) => unsent(error),
        })?;
        let local = listener.local_addr().map_err(unsent)?;
        let way = self.announce(local)?;
        let early = self.begin(op, subject, command)?;
        let stream = self
            .control
            .stream()
            .accept(&listener)
            .map_err(|error| failed(&error).losing_session())?;
        self.control.trace.opened(stream.peer().ok(), way);
        self.mode.worked = Some(way);
        Ok((stream, early))
    }

    /// Tells the server where to connect to, with PORT for IPv4 and else with EPRT.
    fn announce(&mut self, local: SocketAddr) -> Result<&'static str, Error> {
        let server = self.server.clone();
        if local.ip().to_canonical().is_ipv4() && !self.mode.extended_port {
            match self.expect(Op::SetUp, &server, &port_command(local), &[200]) {
                Ok(_) => return Ok("PORT"),
                Err(error) if matches!(error.code, Some(500 | 502)) => self.mode.extended_port = true,
                Err(error) => return Err(error),
            }
        }
        self.expect(Op::SetUp, &server, &extended_port_command(local), &[200])?;
        Ok("EPRT")
    }

    /// Listens on a port of the range, beginning somewhere else each time: one that was just used may not be
    /// free yet.
    fn listen(&mut self) -> Result<TcpListener, Unheard> {
        let Some(range) = self.mode.ports else {
            return self.control.stream().listen(0).map_err(Unheard::Io);
        };
        for port in ports_from(range, self.mode.next_port) {
            self.mode.next_port = self.mode.next_port.wrapping_add(1);
            match self.control.stream().listen(port) {
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::AddrInUse | io::ErrorKind::AddrNotAvailable
                    ) => {}
                listening => return listening.map_err(Unheard::Io),
            }
        }
        Err(Unheard::NoPort(range))
    }
}

/// Why nothing can be listened on.
enum Unheard {
    NoPort(PortRange),
    Io(io::Error),
}

fn no_port(range: PortRange) -> Error {
    Error {
        field: Some("/connection/active_ports".to_owned()),
        ..Error::new(
            Kind::Unreachable,
            format!("None of the ports {range} of the setting `active_ports` is free to listen on."),
        )
    }
    .retryable()
}

/// Whether EPSV failed in a way that PASV may not: it was refused, unreadable, or led nowhere.
fn falls_back(error: &Error) -> bool {
    match error.code {
        Some(code) => code != 421 && code != 530,
        None => {
            !error.session_lost
                && !error.ends_call
                && matches!(error.kind, Kind::Protocol | Kind::Unreachable | Kind::Timeout)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_pasv_is_tried_after() {
        let refused = |code| Error::reply(Op::SetUp, "h", code, "");
        assert!(
            [500, 502, 425, 522, 550]
                .into_iter()
                .all(|code| falls_back(&refused(code)))
        );
        assert!(![421, 530].into_iter().any(|code| falls_back(&refused(code))));
        let unreachable = Error::new(Kind::Timeout, "nobody there");
        assert!(falls_back(&unreachable));
        assert!(!falls_back(&unreachable.clone().losing_session()));
        assert!(!falls_back(&unreachable.ending_call()));
        assert!(!falls_back(&Error::cancelled()));
        assert!(!falls_back(&Error::new(Kind::DeniedByHost, "no")));
    }
}
