"""The suite as a flow: what the connector offers becomes events, and the suite's lines are the answers."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from typing import Any, Literal

from ..failure import error
from ..flow import Body, Error, Flow, Incoming, Metadata, Refused
from .lines import Lines

BUFFER = 512 * 1024
"""Bytes of one payload that wait here until the suite asks for them. Then the connector has to wait."""

OFFERS: dict[Any, Literal["skip", "accepted", "stop"]] = {
    "skip": "skip",
    "accepted": "accepted",
    "stop": "stop",
}

_numbers = itertools.count(1)
"""Numbers of questions and of payloads; the same for all calls, so that an answer finds its call."""


class Pulled:
    """A body that the suite takes as fast as it likes."""

    def __init__(self, number: int, flow: SuiteFlow) -> None:
        self.number = number
        self._flow = flow
        self._held = bytearray()
        self._asked = 0
        # Bytes come from the call's thread, and the suite's wishes from the one that reads its lines.
        self._lock = threading.Lock()

    def room(self) -> bool:
        with self._lock:
            return len(self._held) < BUFFER

    def write(self, data: bytes) -> None:
        with self._lock:
            self._held += data
            self._hand_on()

    def sent(self) -> bool:
        with self._lock:
            return not self._held

    def discard(self) -> None:
        with self._lock:
            self._held.clear()

    def ask(self, count: int) -> None:
        """The suite takes so many bytes more."""
        with self._lock:
            self._asked += count
            self._hand_on()
        self._flow.waiter.wake()

    def _hand_on(self) -> None:
        while self._asked and self._held:
            piece = bytes(self._held[: min(self._asked, 64 * 1024)])
            del self._held[: len(piece)]
            self._asked -= len(piece)
            self._flow.tell("data", payload=self.number, data=piece)


class SuiteFlow(Flow):
    """One call's flow."""

    def __init__(self, call: int, lines: Lines) -> None:
        self._call, self._lines = call, lines
        self._answers: dict[int, dict[str, Any]] = {}
        self.bodies: dict[int, Pulled] = {}
        self.questions: set[int] = set()

    def tell(self, event: str, **members: Any) -> None:
        """Tells the suite what happens."""
        self._lines.write(call=self._call, event=event, **members)

    def answer(self, number: int, said: dict[str, Any]) -> None:
        """The suite's answer to a question, from the thread that reads its lines."""
        self._answers[number] = said
        self.waiter.wake()

    def _ask(self, event: str, until: Callable[[], bool] = lambda: False, **members: Any) -> dict[str, Any]:
        """Asks the suite, and waits for its answer. Raises `Refused` with an error that it answers."""
        number = next(_numbers)
        self.questions.add(number)
        self.tell(event, ask=number, **members)
        self.wait(lambda: number in self._answers or until())
        self.questions.discard(number)
        said = self._answers.pop(number, None)
        if said is None:
            raise Refused(error("cancelled", "the run is being cancelled"))
        if said.get("error") is not None:
            raise Refused(said["error"])
        return said

    def offered(self, metadata: Metadata) -> Body | Literal["skip", "accepted", "stop"]:
        body = Pulled(next(_numbers), self)
        self.bodies[body.number] = body
        said = self._ask("offered", until=self.cancelled.is_set, metadata=metadata, payload=body.number)
        offer = said.get("offer")
        if offer == "accept":
            return body
        if offer in OFFERS:
            return OFFERS[offer]
        raise Refused(error("internal", f"the suite answered an offer with {offer!r}"))

    def finished(self, body: Body, metadata: Metadata) -> None:
        assert isinstance(body, Pulled)
        self._ask("finishing", payload=body.number)

    def gone(self, body: Body, how: str, reason: Error | None) -> None:
        assert isinstance(body, Pulled)
        self.tell("gone", payload=body.number, how=how, reason=reason)

    def noted(self, incoming: Incoming, text: str) -> None:
        self._ask("noted", id=incoming.metadata["id"], text=text)

    def settled(self, incoming: Incoming, outcome: Any) -> None:
        self.tell("settled", id=incoming.metadata["id"], outcome=outcome)

    def reported(self, id: str, problem: Error) -> None:
        self.tell("reported", id=id, error=problem)

    def log(self, level: str, message: str) -> None:
        self.tell("log", level=level, message=message)

    def progress(self, what: str, done: int, total: int | None) -> None:
        self.tell("progress", what=what, done=done, total=total)
