"""Waiting: the one place where a live connector's thread sleeps, and where it can be woken or stopped.

Whatever a connector waits for (a socket, a clock, room for a body, the flow's answer), it waits here. So a deadline
and a cancellation always get through.
"""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable, Sequence
from typing import Protocol

Interest = tuple[int, int]
"""A file descriptor and what is waited for on it (`select.POLLIN`, `select.POLLOUT`)."""


class Source(Protocol):
    """Something that can be waited for."""

    def ready(self) -> bool:
        """Whether the wait is over. It may do work that has become possible."""

    def interest(self) -> Interest | None:
        """The socket that it depends on, if any."""

    def due(self) -> float | None:
        """When it is ready at the latest, by `time.monotonic`, if it depends on the clock."""


class Stopped(BaseException):
    """The call is ended by force. It is no error of ours, so nothing but the call's end may catch it."""


class Waiter:
    """Where one live connector waits. `wake` and `stop` may be called from any thread."""

    def __init__(self) -> None:
        self._hear, self._say = socket.socketpair()
        self._hear.setblocking(False)
        self._say.setblocking(False)
        self.stopped: str | None = None
        """Why the call is ended by force: `time-out` or `cancelled`."""
        self.unsent: set[Source] = set()
        """Outputs that hold bytes which their sockets have not taken: they go on while the connector waits."""

    def wake(self) -> None:
        """Makes a wait look again at what it waits for."""
        try:
            self._say.send(b"!")
        except OSError:
            pass  # It is full of wake-ups, or closed with its instance.

    def stop(self, why: str) -> None:
        """Ends the wait of now and all that follow."""
        self.stopped = self.stopped or why
        self.wake()

    def check(self) -> None:
        """Raises `Stopped` when the call is to end by force."""
        if self.stopped:
            raise Stopped(self.stopped)

    def wait(self, sources: Sequence[Source]) -> list[int]:
        """Waits until at least one is ready, and says which are."""
        while True:
            self._drain()
            self.check()
            self.send()
            ready = [at for at, source in enumerate(sources) if source.ready()]
            if ready:
                return ready
            self._sleep(sources)

    def send(self) -> None:
        """Hands on what can be sent by now."""
        for output in list(self.unsent):
            if output.ready():
                self.unsent.discard(output)

    def _sleep(self, sources: Sequence[Source]) -> None:
        poll = select.poll()
        wanted: dict[int, int] = {self._hear.fileno(): select.POLLIN}
        for source in [*sources, *self.unsent]:
            if interest := source.interest():
                wanted[interest[0]] = wanted.get(interest[0], 0) | interest[1]
        for descriptor, events in wanted.items():
            poll.register(descriptor, events)
        times = [due for source in sources if (due := source.due()) is not None]
        # poll counts in whole milliseconds: rounded up, or the last one would be spent turning in circles.
        poll.poll(max(0, (min(times) - time.monotonic()) * 1000 + 1) if times else None)

    def _drain(self) -> None:
        try:
            while self._hear.recv(4096):
                pass
        except OSError:
            pass  # Nothing there.

    def close(self) -> None:
        """At the end of the instance."""
        self._hear.close()
        self._say.close()


class Always:
    """What need not be waited for."""

    def ready(self) -> bool:
        return True

    def interest(self) -> Interest | None:
        return None

    def due(self) -> float | None:
        return None


class When:
    """What another thread brings about; it calls `Waiter.wake` then."""

    def __init__(self, condition: Callable[[], bool]) -> None:
        self._condition = condition

    def ready(self) -> bool:
        return bool(self._condition())

    def interest(self) -> Interest | None:
        return None

    def due(self) -> float | None:
        return None
