"""The flow's side of a call: what you write to use a connector.

Make a subclass of `Flow` that says what to take and where to put it, and hand it to `Instance.call`. Its methods are
called in that call's thread, in the order of what the connector does.
"""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal, Protocol

from .wait import Waiter, When

Metadata = dict[str, Any]
"""What is known of a payload: `metadata` of the contract, with `_` for `-`."""
Error = dict[str, Any]
"""A failure: `error` of the contract. `failure.error` makes one."""


class Refused(Exception):
    """Raised by a flow's methods: the connector is told this error, and goes on as it sees fit."""

    def __init__(self, error: Error) -> None:
        super().__init__(error["message"])
        self.error = error


class Body(Protocol):
    """Where the body of one payload goes."""

    def room(self) -> bool:
        """Whether it takes a piece now. While it does not, the connector waits: wake it with `Waiter.wake`."""

    def write(self, data: bytes) -> None:
        """Takes a piece, of at most 64 KiB. Raises `Refused` when it cannot, and is then not asked again."""

    def sent(self) -> bool:
        """Whether all that it took is where it goes. `Flow.finished` is not called before."""

    def discard(self) -> None:
        """Forgets what came so far."""


class Source(Protocol):
    """The body of a payload that is handed in."""

    def open(self) -> BinaryIO:
        """A new stream from the first byte."""


@dataclass(frozen=True)
class Text:
    """A body in memory."""

    data: bytes

    def open(self) -> BinaryIO:
        return io.BytesIO(self.data)


@dataclass(frozen=True)
class File:
    """A body in a file."""

    path: Path

    def open(self) -> BinaryIO:
        return self.path.open("rb")


@dataclass(frozen=True)
class Earlier:
    """An earlier try of the same payload that may have been made; see `reader.earlier` in the contract."""

    note: str | None = None


@dataclass(frozen=True)
class Incoming:
    """A payload that is handed to a connector."""

    metadata: Metadata
    options: str
    """The endpoint's options with this payload's values filled into the templates, JSON."""
    body: Source | None = None
    earlier: Earlier | None = None

    @classmethod
    def trigger(cls, run_id: str, options: str) -> Incoming:
        """What the first step of a flow is given: it stands for the run itself."""
        return cls({"id": run_id, "attributes": []}, options)


class Flow:
    """Answers a connector. This one takes nothing; override what you need."""

    waiter: Waiter
    """Where the call waits."""
    cancelled: threading.Event
    """Whether the call was asked to end."""
    cancel_wanted = False
    """Set by `Instance.cancel`, also before the call begins."""

    def begin(self, waiter: Waiter, cancelled: threading.Event) -> None:
        """A call begins."""
        self.waiter, self.cancelled = waiter, cancelled

    def wait(self, condition: Callable[[], bool]) -> None:
        """Waits for another thread, which calls `self.waiter.wake()`. Never sleep otherwise: the call's deadline would
        pass unseen."""
        self.waiter.wait([When(condition)])

    def offered(self, metadata: Metadata) -> Body | Literal["skip", "accepted", "stop"]:
        """A new payload. Give where its body goes, or why it is not wanted: `skip`, `accepted` (had before, and safe),
        `stop` (no more)."""
        return "stop"

    def finished(self, body: Body, metadata: Metadata) -> None:
        """The body is whole. When this returns, the flow has accepted it for good, and the connector may delete the
        original: do not return before it is safe. Raises `Refused` otherwise."""

    def gone(self, body: Body, how: str, reason: Error | None) -> None:
        """A payload will not come: it was `aborted` by the connector, `dropped` without a word, or `refused` by this
        host (a wrong length, a limit)."""

    def noted(self, incoming: Incoming, text: str) -> None:
        """Keeps a text for a later try. Must not return before it is on the disk, if there are later tries."""

    def settled(self, incoming: Incoming, outcome: Any) -> None:
        """What became of a payload that was handed in: `consume`, `{"pass": metadata}` or `{"fail": error}`."""

    def reported(self, id: str, problem: Error) -> None:
        """A problem with a payload that is safe."""

    def log(self, level: str, message: str) -> None:
        """A line for the run's log."""

    def progress(self, what: str, done: int, total: int | None) -> None:
        """How far the connector is."""


class FileBody:
    """A body that goes to a file. It has another name until it is whole."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._part = path.with_name(f".{path.name}.part")
        self._file = self._part.open("wb")

    def room(self) -> bool:
        return True

    def write(self, data: bytes) -> None:
        self._file.write(data)

    def sent(self) -> bool:
        return True

    def discard(self) -> None:
        self._file.close()
        self._part.unlink(missing_ok=True)

    def keep(self) -> None:
        """Puts it on the disk under its own name."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._part.rename(self.path)
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
