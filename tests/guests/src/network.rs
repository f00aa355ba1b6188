//! Where a connector must not go.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs as _, UdpSocket};

use socket2::{Domain, Socket, Type};

use crate::bindings::flow::connector::types::Error;
use crate::options::seen;

/// Connects.
///
/// # Errors
/// Always: what came of it.
pub fn dial(address: &str) -> Result<(), Error> {
    Err(match connect(address) {
        Ok(_) => seen(format!("connected to {address}")),
        Err(fault) => fault,
    })
}

/// Connects and waits for a byte, however long it takes.
///
/// # Errors
/// What came of it.
pub fn wait_for_answer(address: &str) -> Result<(), Error> {
    let mut byte = [0];
    let read = connect(address)?.read(&mut byte);
    Err(told(&format!("read from {address}"), read))
}

/// Asks for the addresses of a name.
///
/// # Errors
/// Always: what came of it.
pub fn resolve(name: &str) -> Result<(), Error> {
    let found = (name, 80).to_socket_addrs().map(Iterator::collect::<Vec<_>>);
    Err(told(&format!("resolve {name}"), found))
}

/// Listens.
///
/// # Errors
/// Always: what came of it.
pub fn bind(address: &str) -> Result<(), Error> {
    Err(told(
        &format!("listen on {address}"),
        TcpListener::bind(parse(address)?),
    ))
}

/// Sends a datagram.
///
/// # Errors
/// Always: what came of it.
pub fn send_datagram(address: &str) -> Result<(), Error> {
    let address = parse(address)?;
    let socket = match UdpSocket::bind("0.0.0.0:0") {
        Ok(socket) => socket,
        Err(fault) => return Err(seen(format!("bind: {fault}"))),
    };
    Err(told(
        &format!("send to {address}"),
        socket.send_to(b"hello", address),
    ))
}

/// Makes sockets and keeps them.
///
/// # Errors
/// Always: how many there are, and why there are no more.
pub fn open_sockets(count: u64) -> Result<(), Error> {
    let mut sockets = Vec::new();
    for number in 0..count {
        match Socket::new(Domain::IPV4, Type::STREAM, None) {
            Ok(socket) => sockets.push(socket),
            Err(fault) => return Err(seen(format!("{number} sockets, then: {fault}"))),
        }
    }
    Err(seen(format!("{count} sockets")))
}

/// Sends without end.
///
/// # Errors
/// Always: how it ended.
pub fn send(address: &str) -> Result<(), Error> {
    let mut stream = connect(address)?;
    let piece = vec![7; 64 << 10];
    let mut sent = 0;
    loop {
        match stream.write(&piece) {
            Ok(bytes) => sent += bytes,
            Err(fault) => return Err(seen(format!("{sent} bytes sent, then: {fault}"))),
        }
    }
}

/// Receives without end.
///
/// # Errors
/// Always: how it ended.
pub fn receive(address: &str) -> Result<(), Error> {
    let mut stream = connect(address)?;
    let mut piece = vec![0; 64 << 10];
    let mut received = 0;
    loop {
        match stream.read(&mut piece) {
            Ok(0) => return Err(seen(format!("{received} bytes received, then the end"))),
            Ok(bytes) => received += bytes,
            Err(fault) => return Err(seen(format!("{received} bytes received, then: {fault}"))),
        }
    }
}

fn connect(address: &str) -> Result<TcpStream, Error> {
    TcpStream::connect(parse(address)?).map_err(|fault| seen(format!("connect to {address}: {fault}")))
}

fn parse(address: &str) -> Result<SocketAddr, Error> {
    address
        .parse()
        .map_err(|_| seen(format!("{address} is no address with a port")))
}

fn told<T>(what: &str, came_of_it: io::Result<T>) -> Error {
    match came_of_it {
        Ok(_) => seen(format!("{what}: done")),
        Err(fault) => seen(format!("{what}: {fault}")),
    }
}
