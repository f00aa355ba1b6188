"""`wasi:io`: errors, waiting, and streams. What the streams lead to is elsewhere: `tcp.py`, `exchange.py`."""

from __future__ import annotations

from typing import Any

from ..wait import Interest, Source, Waiter
from ..wasm.linking import Interface, function
from ..wasm.resources import Resource
from ..wasm.values import WitError

CHUNK = 64 * 1024
"""Most bytes of one read, and of one permit to write. Sockets give hardly more at a time."""


class IoError(Resource, name="error"):
    """Why a stream failed."""

    def __init__(self, message: str) -> None:
        self.message = message

    @function
    def to_debug_string(self) -> str:
        return self.message


def closed() -> WitError:
    """The stream is at its end."""
    return WitError("closed")


def failed(message: str) -> WitError:
    """The stream is of no more use. Not its end: nobody may take what came so far for the whole."""
    return WitError({"last-operation-failed": IoError(message)})


class Pollable(Resource, name="pollable"):
    """Something to wait for."""

    def __init__(self, source: Source, waiter: Waiter) -> None:
        self.source = source
        self._waiter = waiter

    @function
    def ready(self) -> bool:
        self._waiter.check()
        self._waiter.send()
        return self.source.ready()

    @function
    def block(self) -> None:
        self._waiter.wait([self.source])


class InputStream(Resource, name="input-stream"):
    """A stream to read. Subclasses say where from: `take`, and what `Source` asks for."""

    def __init__(self, waiter: Waiter) -> None:
        self._waiter = waiter

    def take(self, most: int) -> bytes:
        """Up to so many bytes, none when there are none yet. Raises `closed` or `failed`."""
        raise NotImplementedError

    def ready(self) -> bool:
        return True

    def interest(self) -> Interest | None:
        return None

    def due(self) -> float | None:
        return None

    @function
    def read(self, length: int) -> bytes:
        return self.take(min(length, CHUNK))

    @function
    def blocking_read(self, length: int) -> bytes:
        if length:
            self._waiter.wait([self])
        return self.read(length)

    @function
    def skip(self, length: int) -> int:
        return len(self.read(length))

    @function
    def blocking_skip(self, length: int) -> int:
        return len(self.blocking_read(length))

    @function
    def subscribe(self) -> Pollable:
        return Pollable(self, self._waiter)


class OutputStream(Resource, name="output-stream"):
    """A stream to write. Subclasses say where to: `room`, `put`, `flushed`, and what `Source` asks for."""

    def __init__(self, waiter: Waiter) -> None:
        self._waiter = waiter
        self._permit = 0

    def room(self) -> int:
        """How many bytes may be written now; 0: none yet. Raises `closed` or `failed`."""
        raise NotImplementedError

    def put(self, data: bytes) -> None:
        """Takes bytes, no more than there was room for."""
        raise NotImplementedError

    def flushed(self) -> bool:
        """Whether everything is where it goes. Raises `failed`."""
        return True

    def ready(self) -> bool:
        """Whether there is room, or a failure to be told of."""
        try:
            return self.room() > 0
        except WitError:
            return True

    def interest(self) -> Interest | None:
        return None

    def due(self) -> float | None:
        return None

    @function
    def check_write(self) -> int:
        self._permit = self.room()
        return self._permit

    @function
    def write(self, contents: bytes) -> None:
        if len(contents) > self._permit:
            raise RuntimeError(f"{len(contents)} bytes were written where check-write allowed {self._permit}")
        self._permit -= len(contents)
        self.put(contents)

    @function
    def blocking_write_and_flush(self, contents: bytes) -> None:
        while contents:
            self._waiter.wait([self])
            piece = contents[: self.check_write()]
            self.write(piece)
            contents = contents[len(piece) :]
        self.blocking_flush()

    @function
    def flush(self) -> None:
        self.flushed()

    @function
    def blocking_flush(self) -> None:
        while not self.flushed():
            self._waiter.wait([self])

    @function
    def write_zeroes(self, length: int) -> None:
        self.write(bytes(length))

    @function
    def blocking_write_zeroes_and_flush(self, length: int) -> None:
        self.blocking_write_and_flush(bytes(length))

    @function
    def splice(self, source: InputStream, length: int) -> int:
        data = source.read(min(length, self.check_write()))
        self.write(data)
        return len(data)

    @function
    def blocking_splice(self, source: InputStream, length: int) -> int:
        self._waiter.wait([self])
        data = source.blocking_read(min(length, self.check_write()))
        self.write(data)
        return len(data)

    @function
    def subscribe(self) -> Pollable:
        return Pollable(self, self._waiter)


class Error(Interface):
    """`wasi:io/error`."""

    NAME, VERSION, RESOURCES = "wasi:io/error", "0.2.6", (IoError,)


class Poll(Interface):
    """`wasi:io/poll`."""

    NAME, VERSION, RESOURCES = "wasi:io/poll", "0.2.6", (Pollable,)

    def __init__(self, waiter: Waiter) -> None:
        self._waiter = waiter

    @function
    def poll(self, pollables: list[Pollable]) -> list[int]:
        if not pollables:
            raise RuntimeError("poll was called with nothing to wait for")
        return self._waiter.wait([pollable.source for pollable in pollables])


class Streams(Interface):
    """`wasi:io/streams`."""

    NAME, VERSION, RESOURCES = "wasi:io/streams", "0.2.6", (InputStream, OutputStream)


class Sink(OutputStream):
    """Takes everything and keeps nothing."""

    def room(self) -> int:
        return CHUNK

    def put(self, data: bytes) -> None:
        pass


class Empty(InputStream):
    """At its end from the start."""

    def take(self, most: int) -> bytes:
        raise closed()


def interfaces(waiter: Waiter) -> list[Any]:
    """All of `wasi:io`."""
    return [Error(), Poll(waiter), Streams()]
