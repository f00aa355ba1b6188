"""What a connector's C library names, and this host grants nothing of: files, environment, arguments, terminals, UDP.

The functions are there, since a component does not start without what it imports. They tell that there is nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..wait import Waiter
from ..wasm.linking import Interface, function
from ..wasm.resources import Resource
from ..wasm.values import WitError
from .io import Empty, InputStream, OutputStream, Pollable, Sink


class Exited(Exception):
    """The connector wanted to end the program; it has none to end."""


class Environment(Interface):
    """`wasi:cli/environment`: empty."""

    NAME, VERSION = "wasi:cli/environment", "0.2.6"

    @function
    def get_environment(self) -> list[tuple[str, str]]:
        return []

    @function
    def get_arguments(self) -> list[str]:
        return []

    @function
    def initial_cwd(self) -> str | None:
        return None


class Exit(Interface):
    """`wasi:cli/exit`: stops the connector, as a trap does."""

    NAME, VERSION = "wasi:cli/exit", "0.2.6"

    @function
    def exit(self, status: Any) -> None:
        raise Exited("the connector called exit")

    @function
    def exit_with_code(self, code: int) -> None:
        raise Exited(f"the connector called exit with {code}")


class LastWords(OutputStream):
    """Standard output and error: what a connector says when it panics. Its end is kept, for the report of a trap."""

    MOST = 4096

    def __init__(self, waiter: Waiter) -> None:
        super().__init__(waiter)
        self.said = b""

    def room(self) -> int:
        return self.MOST

    def put(self, data: bytes) -> None:
        self.said = (self.said + data)[-self.MOST :]

    def text(self) -> str:
        """What was said last."""
        return self.said.decode("utf-8", "replace").strip()


class Stdin(Interface):
    """`wasi:cli/stdin`: at its end."""

    NAME, VERSION = "wasi:cli/stdin", "0.2.6"

    def __init__(self, waiter: Waiter) -> None:
        self._waiter = waiter

    @function
    def get_stdin(self) -> InputStream:
        return Empty(self._waiter)


class Stdout(Interface):
    """`wasi:cli/stdout`: nobody reads it."""

    NAME, VERSION = "wasi:cli/stdout", "0.2.6"

    def __init__(self, waiter: Waiter) -> None:
        self._waiter = waiter

    @function
    def get_stdout(self) -> OutputStream:
        return Sink(self._waiter)


class Stderr(Interface):
    """`wasi:cli/stderr`: the last words."""

    NAME, VERSION = "wasi:cli/stderr", "0.2.6"

    def __init__(self, words: LastWords) -> None:
        self._words = words

    @function
    def get_stderr(self) -> OutputStream:
        return self._words


class Nothing(Interface):
    """An interface whose functions take a handle that no guest can come by. What can be called says no."""

    def __init__(self, name: str, resources: tuple[str, ...] = (), answers: dict[str, Any] | None = None) -> None:
        self.NAME, self.VERSION = name, "0.2.6"  # type: ignore[misc]
        self.RESOURCES = (*(_unobtainable(resource) for resource in resources), Pollable)  # type: ignore[misc]
        self._answers = answers or {}

    def find(self, name: str) -> Callable[..., Any] | None:
        def answer(*_: Any) -> Any:
            if name not in self._answers:
                raise RuntimeError(f"this host grants nothing of {self.NAME}")
            if isinstance(self._answers[name], WitError):
                raise self._answers[name]
            return self._answers[name]

        return answer


_made: dict[str, type[Resource]] = {}


def _unobtainable(name: str) -> type[Resource]:
    """A kind of resource of which there is none."""
    if name not in _made:
        _made[name] = type(name, (Resource,), {}, name=name)
    return _made[name]


def interfaces(waiter: Waiter, words: LastWords) -> list[Interface]:
    """All that grants nothing."""
    return [
        Environment(),
        Exit(),
        Stdin(waiter),
        Stdout(waiter),
        Stderr(words),
        Nothing("wasi:cli/terminal-input", ("terminal-input",)),
        Nothing("wasi:cli/terminal-output", ("terminal-output",)),
        Nothing("wasi:cli/terminal-stdin", answers={"get-terminal-stdin": None}),
        Nothing("wasi:cli/terminal-stdout", answers={"get-terminal-stdout": None}),
        Nothing("wasi:cli/terminal-stderr", answers={"get-terminal-stderr": None}),
        Nothing("wasi:filesystem/types", ("descriptor", "directory-entry-stream"), {"filesystem-error-code": None}),
        Nothing("wasi:filesystem/preopens", answers={"get-directories": []}),
        Nothing("wasi:sockets/udp", ("udp-socket", "incoming-datagram-stream", "outgoing-datagram-stream")),
        Nothing("wasi:sockets/udp-create-socket", answers={"create-udp-socket": WitError("access-denied")}),
    ]
