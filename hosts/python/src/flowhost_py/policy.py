"""What a connector may reach: what its plan asks for *and* what its operator allows.

The names of a plan are resolved once a call, and pinned. Secondary connections (FTP's data connections) go to where a
first connection leads, and only while that one lives.
"""

from __future__ import annotations

import ipaddress
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from .failure import Failure
from .wait import Waiter, When

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

ANY = "*"
"""In a plan: any address, which only the server will tell. In the operator's rules: everything."""

PLAN_MOST = 100
"""Most entries of a plan. Each may be a name to resolve."""

HIGHEST_PORT = 65535


def as_address(text: str) -> Address | None:
    """The address that a text is, if it is one."""
    try:
        return ipaddress.ip_address(text.strip("[]"))
    except ValueError:
        return None


def normal(host: str) -> str:
    """One spelling of a name or an address."""
    address = as_address(host)
    return str(address) if address else host.rstrip(".").lower()


@dataclass(frozen=True)
class Rule:
    """A target that the operator allows: `ftp.example.com:21`, `127.0.0.1:1024-65535`, `[::1]:21`, or `*`."""

    host: str
    first: int = 1
    last: int = HIGHEST_PORT

    @classmethod
    def parse(cls, text: str) -> Rule:
        """Reads a rule; `ValueError` says what is wrong with it."""
        if text == ANY:
            return cls(ANY)
        host, colon, ports = text.rpartition(":")
        if not colon or text.endswith("]") or as_address(text):
            return cls(normal(text))
        first, dash, last = ports.partition("-")
        try:
            rule = cls(normal(host), int(first), int(last if dash else first))
        except ValueError:
            raise ValueError(f"{text!r}: the ports must be a number, or two with `-` between them") from None
        if not 1 <= rule.first <= rule.last <= HIGHEST_PORT:
            raise ValueError(f"{text!r}: ports are from 1 to {HIGHEST_PORT}, the lower one first")
        return rule

    def means(self, name: str, address: Address | None) -> bool:
        """Whether it is about a host of a plan, by its name or by where that leads."""
        return self.host in (ANY, name) or (address is not None and as_address(self.host) == address)

    def covers(self, first: int, last: int) -> bool:
        """Whether at least one of these ports is among its own."""
        return self.first <= last and first <= self.last


@dataclass(frozen=True)
class Policy:
    """What the operator of this host allows one connector. By default nothing."""

    allow: tuple[Rule, ...] = ()
    listen: bool = False
    """Whether it may wait for connections, where its plan asks for that."""
    insecure_tls: bool = False
    """Whether it may trust servers that prove nothing."""
    client_certificates: dict[str, tuple[str, str]] = field(default_factory=dict)
    """The certificates that it may show, each with its key (PEM), by the name that the settings use."""

    def allows(self, name: str, address: Address | None, first: int, last: int) -> bool:
        """Whether at least one of the ports may be reached."""
        return any(rule.means(name, address) and rule.covers(first, last) for rule in self.allow)


@dataclass(frozen=True)
class Link:
    """A first connection that lives."""

    peer: Address
    hosts: tuple[str, ...]
    """The hosts of the plan by which it was allowed."""


class Reach:
    """What one live connector may reach at this moment."""

    def __init__(self, policy: Policy, waiter: Waiter) -> None:
        self._policy = policy
        self._waiter = waiter
        self._plan: list[dict[str, Any]] = []
        self._pinned: dict[str, list[Address]] = {}
        self._links: dict[Any, Link] = {}

    def grant(self, plan: list[dict[str, Any]]) -> None:
        """Grants the plan of the next call, all of it or nothing, in place of the last one's. Connections that live are
        not touched. Raises `Failure` (`policy`) when the operator does not allow it."""
        self._plan, self._pinned = [], {}
        if len(plan) > PLAN_MOST:
            raise _refused(f"its plan has {len(plan)} entries, and a plan has at most {PLAN_MOST}")
        pinned: dict[str, list[Address]] = {}
        for egress in plan:
            host = normal(egress["host"])
            if host != ANY and host not in pinned:
                pinned[host] = resolve(host, self._waiter)
            self._check(egress, host, pinned.get(host, []))
        self._plan, self._pinned = plan, pinned

    def _check(self, egress: dict[str, Any], host: str, addresses: list[Address]) -> None:
        first, last = egress["first_port"], egress["last_port"]
        no_address: list[Address | None] = [None]
        what = f"`{egress['host']}`, port {first if first == last else f'{first} to {last}'} ({egress['reason']})"
        if egress["direction"] == "accept":
            if not self._policy.listen:
                raise _refused(f"it wants to wait for a connection of {what}, and the operator does not let it listen")
        elif host == ANY and not egress["secondary"]:
            raise _refused(f"it wants to reach any address, {what}; that is granted beside a first connection only")
        elif not egress["secondary"] and not any(
            self._policy.allows(host, address, first, last) for address in (addresses or no_address)
        ):
            raise _refused(f"it wants to reach {what}, which the operator does not allow")

    def lookup(self, name: str) -> list[Address] | None:
        """The pinned addresses of a name; `None` when the plan does not ask for it."""
        return self._pinned.get(normal(name))

    def may_connect(self, address: Address, port: int) -> bool:
        """Whether a connection may be opened now."""
        if any(self._firsts(address, port)):
            return True
        return any(
            self._belongs(host, address) and self._policy.allows(host, address, port, port)
            for host, egress in self._entries("connect", port)
            if egress["secondary"]
        )

    def may_listen(self, port: int) -> bool:
        """Whether the connector may wait for connections on this port."""
        return self._policy.listen and any(
            self._links or not egress["secondary"] for _, egress in self._entries("accept", port)
        )

    def may_accept(self, address: Address) -> bool:
        """Whether a connection of this address may be taken."""
        return any(
            self._belongs(host, address)
            if egress["secondary"]
            else host == ANY or address in self._pinned.get(host, [])
            for host, egress in self._entries("accept", None)
        )

    def connected(self, connection: Any, address: Address, port: int) -> None:
        """A connection is open: it may be a first one, to which others belong."""
        if hosts := tuple(self._firsts(address, port, single=True)):
            self._links[connection] = Link(address, hosts)

    def ended(self, connection: Any) -> None:
        """A connection has ended."""
        self._links.pop(connection, None)

    def _entries(self, direction: str, port: int | None) -> Iterator[tuple[str, dict[str, Any]]]:
        for egress in self._plan:
            ports = range(egress["first_port"], egress["last_port"] + 1)
            if egress["direction"] == direction and (port is None or port in ports):
                yield normal(egress["host"]), egress

    def _firsts(self, address: Address, port: int, single: bool = False) -> Iterator[str]:
        """The hosts of the plan that allow this as a first connection. Only one to a `single` port can have others
        that belong to it."""
        for host, egress in self._entries("connect", port):
            if egress["secondary"] or (single and egress["first_port"] != egress["last_port"]):
                continue
            if address in self._pinned.get(host, []) and self._policy.allows(host, address, port, port):
                yield host

    def _belongs(self, host: str, address: Address) -> bool:
        """Whether a secondary connection belongs to a first one that lives."""
        if host == ANY:
            return bool(self._links)
        if any(not egress["secondary"] and normal(egress["host"]) == host for egress in self._plan):
            # It goes to the very machine that the first one found, also where the name has several.
            return any(link.peer == address and host in link.hosts for link in self._links.values())
        # Another machine that the settings name.
        return bool(self._links) and address in self._pinned.get(host, [])


def _refused(message: str) -> Failure:
    return Failure("policy", f"the connector's plan is refused: {message}")


def resolve(name: str, waiter: Waiter) -> list[Address]:
    """The addresses of a name; none when it has none. Asking cannot be interrupted, so a thread does it."""
    if address := as_address(name):
        return [address]
    found: list[list[Address]] = []

    def ask() -> None:
        addresses: list[Address] = []
        try:
            for *_, address in socket.getaddrinfo(name, None, type=socket.SOCK_STREAM):
                # A link-local address has its interface behind `%`.
                addresses.append(ipaddress.ip_address(str(address[0]).partition("%")[0]))
        except (OSError, UnicodeError):
            pass  # It has none, or cannot be a name at all.
        found.append(list(dict.fromkeys(addresses)))
        waiter.wake()

    threading.Thread(target=ask, name=f"resolve {name}", daemon=True).start()
    waiter.wait([When(lambda: bool(found))])
    return found[0]
