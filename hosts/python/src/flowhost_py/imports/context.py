"""`flow:connector/context`: this run, as the connector may know it."""

from __future__ import annotations

import time

from ..desk import Desk
from ..wasm.linking import Interface, function

LEVELS = ("trace", "debug", "info", "warn", "error")


class Context(Interface):
    """`flow:connector/context`."""

    NAME, VERSION = "flow:connector/context", "0.1.1"

    def __init__(self, run_id: str, threshold: str) -> None:
        self._run_id, self._threshold = run_id, threshold
        self.attempt_number = 1
        self.deadline = time.monotonic()
        self.desk: Desk | None = None
        """The desk of the call that runs now."""

    @function
    def run_id(self) -> str:
        return self._run_id

    @function
    def attempt(self) -> int:
        return self.attempt_number

    @function
    def remaining_ms(self) -> int:
        return max(0, int((self.deadline - time.monotonic()) * 1000))

    @function
    def cancelled(self) -> bool:
        return self.desk is not None and self.desk.cancelled.is_set()

    @function
    def log_threshold(self) -> str:
        return self._threshold

    @function
    def log(self, level: str, message: str) -> None:
        if self.desk and LEVELS.index(level) >= LEVELS.index(self._threshold):
            self.desk.flow.log(level, message)

    @function
    def progress(self, what: str, done: int, total: int | None) -> None:
        if self.desk:
            self.desk.flow.progress(what, done, total)
