"""One call's payloads: who has which, what became of each, and whether all of it went well."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from .failure import error
from .flow import Body, Error, Flow, Incoming, Metadata, Refused

TEXTS = ("version", "name", "content_type")


@dataclass(frozen=True)
class Limits:
    """What one connector may make in a call, and how large."""

    body: int = 1 << 40
    """Bytes of one payload's body."""
    metadata: int = 64 * 1024
    """Bytes of one payload's metadata, or of a note."""
    payloads: int = 100_000
    """Payloads made in a call."""


@dataclass
class Run:
    """One instance's part of one run. What the flow has accepted is known for all calls of the run."""

    id: str
    accepted: set[tuple[str, str | None]] = field(default_factory=set)
    """Payloads that the flow has accepted, by id and version."""


def metadata_size(metadata: Metadata) -> int:
    """Bytes of the texts in it."""
    texts = [metadata["id"], *(metadata.get(name) or "" for name in TEXTS)]
    texts.extend(text for pair in metadata.get("attributes") or [] for text in pair)
    return sum(len(text.encode()) for text in texts)


@contextmanager
def storing(what: str, kind: str = "data") -> Iterator[None]:
    """Around what a flow does with a disk: the connector is told that it is full, and goes on as it sees fit."""
    try:
        yield
    except OSError as problem:
        raise Refused(error(kind, f"{what} cannot be stored: {problem.strerror or problem}")) from None


def over(limit: str, most: int, what: str) -> str:
    """The message for what is beyond a limit."""
    return f"{what} than this host's limit `{limit}` allows, which is {most}"


@dataclass
class Writing:
    """A payload on its way into the flow."""

    metadata: Metadata
    body: Body
    written: int = 0
    opened: bool = False
    over: bool = False
    """Nothing is taken any more: it was finished or given up, or the call has ended."""
    failed: Error | None = None
    """Why it cannot be finished any more."""


class Desk:
    """The payloads of one call. `check` has a desk without payloads."""

    def __init__(self, flow: Flow, run: Run, limits: Limits, incoming: list[Incoming], payloads: bool = True) -> None:
        self.flow, self.run, self.limits = flow, run, limits
        self.payloads = payloads
        self.cancelled = threading.Event()
        self._waiting = list(incoming)
        self._held: list[Incoming] = []
        """Handed out, and not settled; also those whose reader the connector has dropped."""
        self._writing: list[Writing] = []
        self._made = 0
        self._failed: set[str] = set()
        """Ids of payloads that the connector made, whose last outcome is a failure."""
        self._failures = 0
        """Payloads that were handed in and failed."""
        self._reported = False
        self.open = True

    # What is handed in.

    def next(self) -> Incoming | None:
        """The next payload, once and in order."""
        if not self._waiting:
            return None
        self._held.append(self._waiting[0])
        return self._waiting.pop(0)

    def settle(self, incoming: Incoming, outcome: Any) -> None:
        """Counts what became of one."""
        self._held = [held for held in self._held if held is not incoming]
        outcome = self._judged(incoming, outcome)
        if isinstance(outcome, dict) and "fail" in outcome:
            self._failures += 1
        self.flow.settled(incoming, outcome)

    def _judged(self, incoming: Incoming, outcome: Any) -> Any:
        if not isinstance(outcome, dict) or "pass" not in outcome:
            return outcome
        passed = outcome["pass"]
        if passed["id"] != incoming.metadata["id"]:
            message = "the connector passed the payload on under another id than it came with"
            return {"fail": error("internal", message, effect="unknown")}
        if metadata_size(passed) > self.limits.metadata:
            message = over("metadata", self.limits.metadata, "the payload was passed on with more bytes of metadata")
            return {"fail": error("denied-by-host", message, effect="unknown")}
        return outcome

    # What the connector makes.

    def begin(self, metadata: Metadata) -> Writing | str:
        """Offers a payload to the flow. Raises `Refused`."""
        if not metadata["id"]:
            raise Refused(error("invalid-settings", "the payload's id is empty; it has to name the payload"))
        if metadata_size(metadata) > self.limits.metadata:
            message = over("metadata", self.limits.metadata, "the payload's metadata has more bytes")
            raise Refused(error("invalid-settings", message))
        if self._key(metadata) in self.run.accepted:
            return "accepted"
        # With those that are under way: each of them may still be accepted.
        if self._made + len(self._writing) >= self.limits.payloads:
            message = over("payloads", self.limits.payloads, "the call makes more payloads")
            raise Refused(error("denied-by-host", message))
        with storing("the payload"):
            answer = self.flow.offered(metadata)
        if isinstance(answer, str):
            return answer
        writing = Writing(metadata, answer)
        self._writing.append(writing)
        return writing

    def write(self, writing: Writing, data: bytes) -> None:
        """Takes a piece of a body. Raises `Refused`, and `finish` will say the same."""
        try:
            if writing.written + len(data) > self.limits.body:
                message = over("body", self.limits.body, "the body has more bytes")
                raise Refused(error("denied-by-host", message))
            with storing("the body"):
                writing.body.write(data)
        except Refused as refused:
            writing.failed = refused.error
            writing.body.discard()
            raise
        writing.written += len(data)

    def finish(self, writing: Writing) -> None:
        """Has the flow accept a payload for good. Raises `Refused`."""
        size = writing.metadata.get("size")
        if writing.failed is None and size is not None and size != writing.written:
            message = f"the body has {writing.written} bytes, and its metadata said {size}"
            writing.failed = error("data", message, retry="backoff")
        if writing.failed is None and self._key(writing.metadata) in self.run.accepted:
            message = "the flow has accepted this payload from another writer since it was begun"
            writing.failed = error("conflict", message)
        if writing.failed is not None:
            self.give_up(writing, "refused", writing.failed)
            raise Refused(writing.failed)
        try:
            self.flow.wait(writing.body.sent)
            with storing("the body"):
                self.flow.finished(writing.body, writing.metadata)
        except Refused:
            self._end(writing)
            self._failed.add(writing.metadata["id"])
            writing.body.discard()
            raise
        self._end(writing)
        self._made += 1
        self._failed.discard(writing.metadata["id"])
        self.run.accepted.add(self._key(writing.metadata))

    def give_up(self, writing: Writing, how: str, reason: Error | None = None) -> None:
        """Counts a payload as failed, until it is begun again and accepted."""
        self._end(writing)
        writing.body.discard()
        if self._key(writing.metadata) not in self.run.accepted:
            self._failed.add(writing.metadata["id"])
        self.flow.gone(writing.body, how, reason)

    def note(self, incoming: Incoming, text: str) -> None:
        """Has the flow keep a text. Raises `Refused`."""
        if len(text.encode()) > self.limits.metadata:
            message = over("metadata", self.limits.metadata, "the note has more bytes")
            raise Refused(error("denied-by-host", message))
        with storing("the note", "internal"):
            self.flow.noted(incoming, text)

    def report(self, id: str, problem: Error) -> None:
        """A problem with a payload that is safe."""
        self._reported = True
        self.flow.reported(id, problem)

    def _end(self, writing: Writing) -> None:
        writing.over = True
        self._writing = [other for other in self._writing if other is not writing]

    @staticmethod
    def _key(metadata: Metadata) -> tuple[str, str | None]:
        return metadata["id"], metadata.get("version")

    # The end.

    def close(self, untouched: bool) -> list[dict[str, str]]:
        """Ends the call: nothing is taken from the connector any more. Gives what it took and did not settle, and how
        that counts. `untouched`: the connector returned an error, so what it left it did not touch."""
        for writing in list(self._writing):
            self.give_up(writing, "dropped")
        self.open = False
        counted = "untouched" if untouched else "unknown"
        return [{"id": incoming.metadata["id"], "as": counted} for incoming in self._held]

    def well(self, unsettled: list[dict[str, str]]) -> bool:
        """Whether nothing failed, nothing was reported, and nothing was left without a word."""
        return not (self._failed or self._failures or self._reported or unsettled)
