"""`flow:connector/exchange`: payloads between the flow and the connector."""

from __future__ import annotations

from typing import Any, BinaryIO

from ..desk import Desk, Writing
from ..failure import error
from ..flow import Incoming, Refused
from ..wait import Waiter
from ..wasm.linking import Interface, function
from ..wasm.resources import Resource
from ..wasm.values import WitError
from .io import CHUNK, InputStream, OutputStream, closed, failed


class BodyOutput(OutputStream):
    """Takes the body of a payload that the connector makes. It has no room while the flow has none."""

    def __init__(self, desk: Desk, writing: Writing, waiter: Waiter) -> None:
        super().__init__(waiter)
        self._desk, self._writing = desk, writing

    def room(self) -> int:
        if self._writing.over:
            raise closed()
        if self._writing.failed:
            raise failed(self._writing.failed["message"])
        return CHUNK if self._writing.body.room() else 0

    def put(self, data: bytes) -> None:
        self.room()  # It may have ended between the permit and the bytes.
        try:
            self._desk.write(self._writing, data)
        except Refused as refused:
            raise failed(str(refused)) from None


class BodyInput(InputStream):
    """Gives the body of a payload that was handed in."""

    def __init__(self, desk: Desk, file: BinaryIO, waiter: Waiter) -> None:
        super().__init__(waiter)
        self._desk, self._file = desk, file

    def take(self, most: int) -> bytes:
        if not self._desk.open:
            raise closed()
        if most == 0:
            return b""
        try:
            data = self._file.read(most)
        except OSError as problem:
            raise failed(f"the body cannot be read: {problem}") from None
        if not data:
            raise closed()
        return data

    def dropped(self) -> None:
        self._file.close()


class Writer(Resource, name="writer"):
    """A new payload on its way into the flow."""

    def __init__(self, desk: Desk, writing: Writing, waiter: Waiter) -> None:
        self._desk, self.writing, self._waiter = desk, writing, waiter

    def desk(self) -> Desk:
        """The desk, while the writer's call lasts."""
        if not self._desk.open:
            raise RuntimeError("the writer outlived its call")
        return self._desk

    @function
    def body(self) -> OutputStream:
        desk = self.desk()
        if self.writing.opened:
            raise RuntimeError("the stream of one writer was asked for twice")
        self.writing.opened = True
        return BodyOutput(desk, self.writing, self._waiter)

    def dropped(self) -> None:
        # Without finish or abort, which take the handle away: to be taken for an abort.
        if self._desk.open and not self.writing.over:
            self._desk.give_up(self.writing, "dropped")


class Reader(Resource, name="reader"):
    """A payload that was handed in."""

    def __init__(self, desk: Desk, incoming: Incoming, waiter: Waiter) -> None:
        self._desk, self.incoming, self._waiter = desk, incoming, waiter

    def desk(self) -> Desk:
        """The desk, while the reader's call lasts."""
        if not self._desk.open:
            raise RuntimeError("the reader outlived its call")
        return self._desk

    @function
    def metadata(self) -> dict[str, Any]:
        self.desk()
        return self.incoming.metadata

    @function
    def options(self) -> str:
        self.desk()
        return self.incoming.options

    @function
    def body(self) -> InputStream | None:
        desk = self.desk()
        if self.incoming.body is None:
            return None
        try:
            return BodyInput(desk, self.incoming.body.open(), self._waiter)
        except OSError as problem:
            raise WitError(error("internal", f"the stored body cannot be read: {problem}")) from None

    @function
    def earlier(self) -> dict[str, Any] | None:
        self.desk()
        earlier = self.incoming.earlier
        return None if earlier is None else {"note": earlier.note}

    @function
    def note(self, text: str) -> None:
        desk = self.desk()
        try:
            desk.note(self.incoming, text)
        except Refused as refused:
            raise WitError(refused.error) from None


class Exchange(Interface):
    """`flow:connector/exchange`."""

    NAME, VERSION = "flow:connector/exchange", "0.1.1"
    RESOURCES = (Writer, Reader, InputStream, OutputStream)

    def __init__(self, waiter: Waiter) -> None:
        self._waiter = waiter
        self.desk: Desk | None = None
        """The desk of the call that runs now."""

    def _desk(self) -> Desk:
        if self.desk is None:
            raise RuntimeError("there is no call")
        if self.desk.cancelled.is_set():
            raise WitError(error("cancelled", "the run is being cancelled"))
        return self.desk

    @function
    def begin(self, metadata: dict[str, Any]) -> Any:
        desk = self._desk()
        if not desk.payloads:
            return "stop"
        try:
            answer = desk.begin(metadata)
        except Refused as refused:
            raise WitError(refused.error) from None
        return answer if isinstance(answer, str) else {"accept": Writer(desk, answer, self._waiter)}

    @function
    def next(self) -> Reader | None:
        desk = self._desk()
        incoming = desk.next()
        return None if incoming is None else Reader(desk, incoming, self._waiter)

    @function
    def report(self, id: str, problem: dict[str, Any]) -> None:
        if self.desk is not None:
            self.desk.report(id, problem)

    @function
    def writer_finish(self, this: Writer) -> None:
        try:
            this.desk().finish(this.writing)
        except Refused as refused:
            raise WitError(refused.error) from None

    @function
    def writer_abort(self, this: Writer, reason: dict[str, Any]) -> None:
        this.desk().give_up(this.writing, "aborted", reason)

    @function
    def reader_settle(self, this: Reader, outcome: Any) -> None:
        this.desk().settle(this.incoming, outcome)
