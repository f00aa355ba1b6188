"""`wasi:clocks`: the time, and waiting for it."""

from __future__ import annotations

import time

from ..wait import Interest, Waiter
from ..wasm.linking import Interface, function
from .io import Pollable

NANOSECONDS = 1_000_000_000


class Alarm:
    """Ready from a moment on."""

    def __init__(self, due: float) -> None:
        self._due = due

    def ready(self) -> bool:
        return time.monotonic() >= self._due

    def interest(self) -> Interest | None:
        return None

    def due(self) -> float | None:
        return self._due


class MonotonicClock(Interface):
    """`wasi:clocks/monotonic-clock`."""

    NAME, VERSION = "wasi:clocks/monotonic-clock", "0.2.6"
    RESOURCES = (Pollable,)

    def __init__(self, waiter: Waiter) -> None:
        self._waiter = waiter

    @function
    def now(self) -> int:
        return time.monotonic_ns()

    @function
    def resolution(self) -> int:
        return 1

    @function
    def subscribe_instant(self, when: int) -> Pollable:
        return Pollable(Alarm(when / NANOSECONDS), self._waiter)

    @function
    def subscribe_duration(self, duration: int) -> Pollable:
        return Pollable(Alarm(time.monotonic() + duration / NANOSECONDS), self._waiter)


class WallClock(Interface):
    """`wasi:clocks/wall-clock`."""

    NAME, VERSION = "wasi:clocks/wall-clock", "0.2.6"

    @function
    def now(self) -> dict[str, int]:
        seconds, nanoseconds = divmod(time.time_ns(), NANOSECONDS)
        return {"seconds": seconds, "nanoseconds": nanoseconds}

    @function
    def resolution(self) -> dict[str, int]:
        return {"seconds": 0, "nanoseconds": 1}
