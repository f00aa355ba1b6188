"""What one live connector may call: all interfaces, and what they share."""

from __future__ import annotations

from .imports import clocks, io, network, nothing, random, tcp
from .imports.context import Context
from .imports.exchange import Exchange
from .imports.tls import Tls
from .policy import Policy, Reach
from .wait import Waiter
from .wasm.linking import Host, Interface

SILENT = ("wasi:cli/", "wasi:random/", "wasi:io/error", "wasi:io/streams", "wasi:filesystem/preopens")
"""What a C library calls by itself: allowed also where a function may call no import."""


class Guest(Host):
    """The functions that one live connector may call, and what they share."""

    def __init__(self, policy: Policy, run_id: str, log_threshold: str) -> None:
        self.waiter = Waiter()
        self.reach = Reach(policy, self.waiter)
        self.words = nothing.LastWords(self.waiter)
        self.context = Context(run_id, log_threshold)
        self.exchange = Exchange(self.waiter)
        self.mute: str | None = None
        """The function that runs and may call no import."""
        interfaces: list[Interface] = [
            self.context,
            self.exchange,
            Tls(policy),
            Types(),
            *io.interfaces(self.waiter),
            clocks.MonotonicClock(self.waiter),
            clocks.WallClock(),
            random.Random(),
            random.Insecure(),
            random.InsecureSeed(),
            network.Network(),
            network.InstanceNetwork(),
            network.NameLookup(self.reach, self.waiter),
            tcp.Tcp(),
            tcp.TcpCreateSocket(self.reach, self.waiter),
            *nothing.interfaces(self.waiter, self.words),
        ]
        super().__init__({interface.NAME: interface for interface in interfaces})

    def enter(self, name: str) -> None:
        self.waiter.check()
        if self.mute and not name.startswith(SILENT):
            raise RuntimeError(f"`{self.mute}` must call no import")

    def close(self) -> None:
        """Lets go of everything: sockets are closed, handles are dead."""
        self.resources.clear()
        self.waiter.close()


class Types(Interface):
    """`flow:connector/types` has no functions."""

    NAME, VERSION = "flow:connector/types", "0.1.1"


def offered() -> dict[str, Interface]:
    """The interfaces that there are, by name: what a component is compared with when it is loaded."""
    guest = Guest(Policy(), "", "info")
    guest.close()
    return guest.interfaces
