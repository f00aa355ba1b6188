//! `wasi:sockets/tcp` and `tcp-create-socket`: WASI's own, with sockets and bytes counted, and with an eye on which
//! first connections live: data connections may be opened only beside one (`policy/reach.rs`).

use super::sockets::View;
use crate::policy::LimitReached;
use crate::policy::bounds::Bounds;
use crate::policy::reach::Reach;
use bytes::Bytes;
use std::net::SocketAddr;
use wasmtime::component::Resource;
use wasmtime_wasi::p2::bindings::sockets::network::{ErrorCode, IpAddressFamily, IpSocketAddress, Network};
use wasmtime_wasi::p2::bindings::sockets::tcp::{self, HostTcpSocket, ShutdownType, TcpSocket};
use wasmtime_wasi::p2::bindings::sockets::tcp_create_socket;
use wasmtime_wasi::p2::{
    DynInputStream, DynOutputStream, DynPollable, InputStream, OutputStream, Pollable, SocketError,
    StreamError, StreamResult,
};

type Socket = Resource<TcpSocket>;
type Streams = (Resource<DynInputStream>, Resource<DynOutputStream>);

impl View<'_> {
    /// Puts the counters between the guest and a socket's streams.
    fn counted(&mut self, socket: &Socket, (input, output): Streams) -> Result<Streams, SocketError> {
        let input: DynInputStream = Box::new(Input {
            inner: self.wasi.table.delete(input)?,
            bounds: self.bounds.clone(),
            reach: self.reach.clone(),
            socket: socket.rep(),
        });
        let output: DynOutputStream = Box::new(Output {
            inner: self.wasi.table.delete(output)?,
            bounds: self.bounds.clone(),
        });
        Ok((
            self.wasi.table.push_child(input, socket)?,
            self.wasi.table.push_child(output, socket)?,
        ))
    }
}

/// What comes in over a socket.
struct Input {
    inner: DynInputStream,
    bounds: Bounds,
    reach: Reach,
    socket: u32,
}

#[async_trait::async_trait]
impl Pollable for Input {
    async fn ready(&mut self) {
        self.inner.ready().await;
    }
}

#[async_trait::async_trait]
impl InputStream for Input {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        let read = self.inner.read(size);
        match &read {
            Ok(bytes) => self
                .bounds
                .received(bytes.len())
                .map_err(|reached| over(&reached))?,
            Err(StreamError::Closed | StreamError::LastOperationFailed(_)) => self.reach.ended(self.socket),
            Err(StreamError::Trap(_)) => {}
        }
        read
    }

    async fn cancel(&mut self) {
        self.inner.cancel().await;
    }
}

/// What goes out over a socket.
struct Output {
    inner: DynOutputStream,
    bounds: Bounds,
}

#[async_trait::async_trait]
impl Pollable for Output {
    async fn ready(&mut self) {
        self.inner.ready().await;
    }
}

#[async_trait::async_trait]
impl OutputStream for Output {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.bounds.sent(bytes.len()).map_err(|reached| over(&reached))?;
        self.inner.write(bytes)
    }

    fn flush(&mut self) -> StreamResult<()> {
        self.inner.flush()
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        self.inner.check_write()
    }

    async fn cancel(&mut self) {
        self.inner.cancel().await;
    }
}

/// Not the end of the stream: a guest must not take what it has so far for the whole.
fn over(reached: &LimitReached) -> StreamError {
    StreamError::LastOperationFailed(wasmtime::Error::msg(reached.to_string()))
}

impl tcp_create_socket::Host for View<'_> {
    fn create_tcp_socket(&mut self, family: IpAddressFamily) -> Result<Socket, SocketError> {
        if self.bounds.open_socket().is_err() {
            return Err(ErrorCode::NewSocketLimit.into());
        }
        let socket = tcp_create_socket::Host::create_tcp_socket(&mut self.wasi, family);
        if socket.is_err() {
            self.bounds.close_socket();
        }
        socket
    }
}

impl tcp::Host for View<'_> {}

impl HostTcpSocket for View<'_> {
    fn finish_connect(&mut self, socket: Socket) -> Result<Streams, SocketError> {
        let own = Resource::new_borrow(socket.rep());
        let streams = self.wasi.finish_connect(socket)?;
        let peer = self.wasi.remote_address(Resource::new_borrow(own.rep()))?;
        self.reach.connected(own.rep(), SocketAddr::from(peer));
        self.counted(&own, streams)
    }

    fn accept(
        &mut self,
        socket: Socket,
    ) -> Result<(Socket, Resource<DynInputStream>, Resource<DynOutputStream>), SocketError> {
        if self.bounds.open_socket().is_err() {
            return Err(ErrorCode::NewSocketLimit.into());
        }
        let accepted = self.wasi.accept(socket);
        if accepted.is_err() {
            self.bounds.close_socket();
        }
        let (socket, input, output) = accepted?;
        let (input, output) = self.counted(&socket, (input, output))?;
        Ok((socket, input, output))
    }

    fn drop(&mut self, socket: Socket) -> wasmtime::Result<()> {
        self.reach.ended(socket.rep());
        HostTcpSocket::drop(&mut self.wasi, socket)?;
        self.bounds.close_socket();
        Ok(())
    }

    async fn start_bind(
        &mut self,
        socket: Socket,
        network: Resource<Network>,
        address: IpSocketAddress,
    ) -> Result<(), SocketError> {
        self.wasi.start_bind(socket, network, address).await
    }

    fn finish_bind(&mut self, socket: Socket) -> Result<(), SocketError> {
        self.wasi.finish_bind(socket)
    }

    fn start_connect(
        &mut self,
        socket: Socket,
        network: Resource<Network>,
        address: IpSocketAddress,
    ) -> Result<(), SocketError> {
        self.wasi.start_connect(socket, network, address)
    }

    async fn start_listen(&mut self, socket: Socket) -> Result<(), SocketError> {
        self.wasi.start_listen(socket).await
    }

    fn finish_listen(&mut self, socket: Socket) -> Result<(), SocketError> {
        self.wasi.finish_listen(socket)
    }

    fn local_address(&mut self, socket: Socket) -> Result<IpSocketAddress, SocketError> {
        self.wasi.local_address(socket)
    }

    fn remote_address(&mut self, socket: Socket) -> Result<IpSocketAddress, SocketError> {
        self.wasi.remote_address(socket)
    }

    fn is_listening(&mut self, socket: Socket) -> wasmtime::Result<bool> {
        self.wasi.is_listening(socket)
    }

    fn address_family(&mut self, socket: Socket) -> wasmtime::Result<IpAddressFamily> {
        self.wasi.address_family(socket)
    }

    fn set_listen_backlog_size(&mut self, socket: Socket, value: u64) -> Result<(), SocketError> {
        self.wasi.set_listen_backlog_size(socket, value)
    }

    fn keep_alive_enabled(&mut self, socket: Socket) -> Result<bool, SocketError> {
        self.wasi.keep_alive_enabled(socket)
    }

    fn set_keep_alive_enabled(&mut self, socket: Socket, value: bool) -> Result<(), SocketError> {
        self.wasi.set_keep_alive_enabled(socket, value)
    }

    fn keep_alive_idle_time(&mut self, socket: Socket) -> Result<u64, SocketError> {
        self.wasi.keep_alive_idle_time(socket)
    }

    fn set_keep_alive_idle_time(&mut self, socket: Socket, value: u64) -> Result<(), SocketError> {
        self.wasi.set_keep_alive_idle_time(socket, value)
    }

    fn keep_alive_interval(&mut self, socket: Socket) -> Result<u64, SocketError> {
        self.wasi.keep_alive_interval(socket)
    }

    fn set_keep_alive_interval(&mut self, socket: Socket, value: u64) -> Result<(), SocketError> {
        self.wasi.set_keep_alive_interval(socket, value)
    }

    fn keep_alive_count(&mut self, socket: Socket) -> Result<u32, SocketError> {
        self.wasi.keep_alive_count(socket)
    }

    fn set_keep_alive_count(&mut self, socket: Socket, value: u32) -> Result<(), SocketError> {
        self.wasi.set_keep_alive_count(socket, value)
    }

    fn hop_limit(&mut self, socket: Socket) -> Result<u8, SocketError> {
        self.wasi.hop_limit(socket)
    }

    fn set_hop_limit(&mut self, socket: Socket, value: u8) -> Result<(), SocketError> {
        self.wasi.set_hop_limit(socket, value)
    }

    fn receive_buffer_size(&mut self, socket: Socket) -> Result<u64, SocketError> {
        self.wasi.receive_buffer_size(socket)
    }

    fn set_receive_buffer_size(&mut self, socket: Socket, value: u64) -> Result<(), SocketError> {
        self.wasi.set_receive_buffer_size(socket, value)
    }

    fn send_buffer_size(&mut self, socket: Socket) -> Result<u64, SocketError> {
        self.wasi.send_buffer_size(socket)
    }

    fn set_send_buffer_size(&mut self, socket: Socket, value: u64) -> Result<(), SocketError> {
        self.wasi.set_send_buffer_size(socket, value)
    }

    fn subscribe(&mut self, socket: Socket) -> wasmtime::Result<Resource<DynPollable>> {
        HostTcpSocket::subscribe(&mut self.wasi, socket)
    }

    fn shutdown(&mut self, socket: Socket, how: ShutdownType) -> Result<(), SocketError> {
        self.wasi.shutdown(socket, how)
    }
}
