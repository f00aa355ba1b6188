"""`wasi:sockets/tcp`: sockets, each use of which the policy is asked about."""

from __future__ import annotations

import errno
import ipaddress
import select
import socket
from typing import Any

from ..policy import Reach
from ..wait import Interest, Waiter
from ..wasm.linking import Interface, function
from ..wasm.resources import Resource
from ..wasm.values import WitError
from .io import CHUNK, InputStream, OutputStream, Pollable, closed, failed
from .network import NetworkHandle, code, from_wit, socket_to_wit

NANOSECONDS = 1_000_000_000
FAMILIES = {"ipv4": socket.AF_INET, "ipv6": socket.AF_INET6}
HOW = {"receive": socket.SHUT_RD, "send": socket.SHUT_WR, "both": socket.SHUT_RDWR}
BACKLOG = 16
UNDER_WAY = (errno.EINPROGRESS, errno.EWOULDBLOCK)


class TcpInput(InputStream):
    """What a socket receives."""

    def __init__(self, owner: TcpSocket, waiter: Waiter) -> None:
        super().__init__(waiter)
        self._owner = owner
        self._arrived = b""
        self._end: WitError | None = None

    def ready(self) -> bool:
        """Fetches what has arrived, so that one look at the socket serves the wait and the read."""
        if not self._arrived and not self._end:
            try:
                self._arrived = self._owner.socket.recv(CHUNK)
                if not self._arrived:
                    self._end = closed()
            except (BlockingIOError, InterruptedError):
                return False
            except OSError as error:
                self._end = failed(f"reading from the socket: {error.strerror or error}")
            if self._end:
                self._owner.ended()
        return True

    def interest(self) -> Interest | None:
        return (self._owner.socket.fileno(), select.POLLIN)

    def take(self, most: int) -> bytes:
        if not self.ready():
            return b""
        if self._end and not self._arrived:
            raise self._end
        taken, self._arrived = self._arrived[:most], self._arrived[most:]
        return taken


class TcpOutput(OutputStream):
    """What a socket sends. It holds what the socket has not taken of one write, and takes no more until it has."""

    def __init__(self, owner: TcpSocket, waiter: Waiter) -> None:
        super().__init__(waiter)
        self._owner = owner
        self._held = memoryview(b"")
        self._broken: str | None = None
        self._end_after = False

    def room(self) -> int:
        return CHUNK if self.flushed() else 0

    def put(self, data: bytes) -> None:
        self._held = memoryview(data)
        if not self._push():
            self._waiter.unsent.add(self)

    def flushed(self) -> bool:
        done = self._push()
        if self._broken is not None:
            raise failed(f"writing to the socket: {self._broken}")
        return done

    def ready(self) -> bool:
        return self._push()

    def interest(self) -> Interest | None:
        return (self._owner.socket.fileno(), select.POLLOUT) if self._held else None

    def end(self) -> None:
        """Ends the sending side, once everything is sent."""
        self._end_after = True
        self._push()

    def _push(self) -> bool:
        """Sends what it can. Says whether nothing is held any more, sent or lost."""
        try:
            while self._held and self._broken is None:
                self._held = self._held[self._owner.socket.send(self._held) :]
            if self._end_after and self._broken is None:
                self._end_after = False
                self._owner.socket.shutdown(socket.SHUT_WR)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError as error:
            self._broken, self._held = error.strerror or str(error), memoryview(b"")
        return True

    def dropped(self) -> None:
        # What was written goes out with the waits that follow; the socket is closed when its own handle is dropped.
        self._push()


class TcpSocket(Resource, name="tcp-socket"):
    """One socket, through its life: made, bound, connected or listening."""

    def __init__(self, handle: socket.socket, reach: Reach, waiter: Waiter, state: str = "unbound") -> None:
        handle.setblocking(False)
        self.socket = handle
        self._reach = reach
        self._waiter = waiter
        self._state = state
        self._output: TcpOutput | None = None
        self._backlog = BACKLOG

    def _expect(self, *states: str) -> None:
        if self._state not in states:
            raise WitError("invalid-state")

    def ended(self) -> None:
        """The connection has ended: others no longer belong to it."""
        self._reach.ended(self)

    def streams(self) -> tuple[TcpInput, TcpOutput]:
        """Its streams, once it is connected."""
        self._state = "connected"
        self._output = TcpOutput(self, self._waiter)
        return TcpInput(self, self._waiter), self._output

    def dropped(self) -> None:
        self.ended()
        if self._output:
            self._output.ready()
            self._waiter.unsent.discard(self._output)
        self.socket.close()

    # What a wait for the socket itself waits for.

    def ready(self) -> bool:
        wanted = self.interest()
        if wanted is None:
            return True
        poll = select.poll()
        poll.register(*wanted)
        return bool(poll.poll(0))

    def interest(self) -> Interest | None:
        events = {"connecting": select.POLLOUT, "listening": select.POLLIN}.get(self._state)
        return None if events is None else (self.socket.fileno(), events)

    def due(self) -> float | None:
        return None

    @function
    def subscribe(self) -> Pollable:
        return Pollable(self, self._waiter)

    @function
    def start_connect(self, network: NetworkHandle, remote_address: dict[str, Any]) -> None:
        self._expect("unbound", "bound")
        address, port = from_wit(remote_address)
        if not self._reach.may_connect(address, port):
            raise WitError("access-denied")
        number = self.socket.connect_ex((str(address), port))
        if number and number not in UNDER_WAY:
            self._state = "closed"
            raise code(number)
        self._state = "connecting"

    @function
    def finish_connect(self) -> tuple[TcpInput, TcpOutput]:
        if self._state != "connecting":
            raise WitError("not-in-progress")
        if not self.ready():
            raise WitError("would-block")
        if number := self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self._state = "closed"
            raise code(number)
        try:
            host, port, *_ = self.socket.getpeername()
        except OSError as error:
            self._state = "closed"
            raise code(error) from None
        self._reach.connected(self, ipaddress.ip_address(host), port)
        return self.streams()

    @function
    def start_bind(self, network: NetworkHandle, local_address: dict[str, Any]) -> None:
        self._expect("unbound")
        address, port = from_wit(local_address)
        # A port of one's own choice is needed to listen only.
        if port and not self._reach.may_listen(port):
            raise WitError("access-denied")
        try:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.socket.bind((str(address), port))
        except OSError as error:
            raise code(error) from None
        self._state = "binding"

    @function
    def finish_bind(self) -> None:
        if self._state != "binding":
            raise WitError("not-in-progress")
        self._state = "bound"

    @function
    def start_listen(self) -> None:
        self._expect("bound")
        if not self._reach.may_listen(self.socket.getsockname()[1]):
            raise WitError("access-denied")
        try:
            self.socket.listen(self._backlog)
        except OSError as error:
            raise code(error) from None
        self._state = "listen-started"

    @function
    def finish_listen(self) -> None:
        if self._state != "listen-started":
            raise WitError("not-in-progress")
        self._state = "listening"

    @function
    def accept(self) -> tuple[TcpSocket, TcpInput, TcpOutput]:
        self._expect("listening")
        try:
            while True:
                accepted, (host, *_) = self.socket.accept()
                if self._reach.may_accept(ipaddress.ip_address(str(host).partition("%")[0])):
                    break
                accepted.close()  # Somebody whom the plan did not name.
        except (BlockingIOError, InterruptedError):
            raise WitError("would-block") from None
        except OSError as error:
            raise code(error) from None
        taken = TcpSocket(accepted, self._reach, self._waiter)
        return (taken, *taken.streams())

    @function
    def shutdown(self, shutdown_type: str) -> None:
        self._expect("connected")
        try:
            if shutdown_type != "receive" and self._output:
                self._output.end()
            if shutdown_type != "send":
                self.socket.shutdown(HOW["receive"])
        except OSError as error:
            raise code(error) from None

    # Addresses and options.

    @function
    def local_address(self) -> dict[str, Any]:
        if self._state in ("unbound", "closed"):
            raise WitError("invalid-state")
        return socket_to_wit(self.socket.getsockname())

    @function
    def remote_address(self) -> dict[str, Any]:
        self._expect("connected")
        try:
            return socket_to_wit(self.socket.getpeername())
        except OSError:
            raise WitError("invalid-state") from None

    @function
    def is_listening(self) -> bool:
        return self._state == "listening"

    @function
    def address_family(self) -> str:
        return "ipv4" if self.socket.family == socket.AF_INET else "ipv6"

    @function
    def set_listen_backlog_size(self, value: int) -> None:
        if value == 0:
            raise WitError("invalid-argument")
        self._expect("unbound", "binding", "bound", "listening")
        self._backlog = min(value, 1024)

    @function
    def keep_alive_enabled(self) -> bool:
        return bool(self._get(socket.SOL_SOCKET, socket.SO_KEEPALIVE))

    @function
    def set_keep_alive_enabled(self, value: bool) -> None:
        self._set(socket.SOL_SOCKET, socket.SO_KEEPALIVE, int(value))

    @function
    def keep_alive_idle_time(self) -> int:
        return self._get(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) * NANOSECONDS

    @function
    def set_keep_alive_idle_time(self, value: int) -> None:
        self._set_seconds(socket.TCP_KEEPIDLE, value)

    @function
    def keep_alive_interval(self) -> int:
        return self._get(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL) * NANOSECONDS

    @function
    def set_keep_alive_interval(self, value: int) -> None:
        self._set_seconds(socket.TCP_KEEPINTVL, value)

    @function
    def keep_alive_count(self) -> int:
        return self._get(socket.IPPROTO_TCP, socket.TCP_KEEPCNT)

    @function
    def set_keep_alive_count(self, value: int) -> None:
        self._set(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, self._positive(value, 127))

    @function
    def hop_limit(self) -> int:
        return self._get(*self._hops())

    @function
    def set_hop_limit(self, value: int) -> None:
        self._set(*self._hops(), self._positive(value, 255))

    @function
    def receive_buffer_size(self) -> int:
        return self._get(socket.SOL_SOCKET, socket.SO_RCVBUF)

    @function
    def set_receive_buffer_size(self, value: int) -> None:
        self._set(socket.SOL_SOCKET, socket.SO_RCVBUF, self._positive(value, 1 << 30))

    @function
    def send_buffer_size(self) -> int:
        return self._get(socket.SOL_SOCKET, socket.SO_SNDBUF)

    @function
    def set_send_buffer_size(self, value: int) -> None:
        self._set(socket.SOL_SOCKET, socket.SO_SNDBUF, self._positive(value, 1 << 30))

    def _hops(self) -> tuple[int, int]:
        if self.socket.family == socket.AF_INET:
            return socket.IPPROTO_IP, socket.IP_TTL
        return socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS

    def _positive(self, value: int, most: int) -> int:
        if value == 0:
            raise WitError("invalid-argument")
        return min(value, most)

    def _set_seconds(self, option: int, value: int) -> None:
        # The system counts in seconds; less than one is one.
        seconds = max(1, self._positive(value, 32767 * NANOSECONDS) // NANOSECONDS)
        self._set(socket.IPPROTO_TCP, option, seconds)

    def _get(self, level: int, option: int) -> int:
        try:
            return self.socket.getsockopt(level, option)
        except OSError as error:
            raise code(error) from None

    def _set(self, level: int, option: int, value: int) -> None:
        try:
            self.socket.setsockopt(level, option, value)
        except OSError as error:
            raise code(error) from None


class Tcp(Interface):
    """`wasi:sockets/tcp`."""

    NAME, VERSION = "wasi:sockets/tcp", "0.2.6"
    RESOURCES = (TcpSocket, NetworkHandle, Pollable, InputStream, OutputStream)


class TcpCreateSocket(Interface):
    """`wasi:sockets/tcp-create-socket`."""

    NAME, VERSION = "wasi:sockets/tcp-create-socket", "0.2.6"
    RESOURCES = (TcpSocket, NetworkHandle)

    def __init__(self, reach: Reach, waiter: Waiter) -> None:
        self._reach = reach
        self._waiter = waiter

    @function
    def create_tcp_socket(self, address_family: str) -> TcpSocket:
        try:
            handle = socket.socket(FAMILIES[address_family], socket.SOCK_STREAM)
            if address_family == "ipv6":
                handle.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        except OSError as error:
            raise code(error) from None
        return TcpSocket(handle, self._reach, self._waiter)
