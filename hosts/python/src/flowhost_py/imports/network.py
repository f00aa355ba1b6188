"""`wasi:sockets/network`, `instance-network` and `ip-name-lookup`: addresses, and the names of the plan."""

from __future__ import annotations

import errno
import ipaddress
from typing import Any

from ..policy import Address, Reach
from ..wait import Always, Waiter
from ..wasm.linking import Interface, function
from ..wasm.resources import Resource
from ..wasm.values import WitError
from .io import IoError, Pollable

CODES = {
    errno.EACCES: "access-denied",
    errno.EPERM: "access-denied",
    errno.EADDRINUSE: "address-in-use",
    errno.EADDRNOTAVAIL: "address-not-bindable",
    errno.ECONNREFUSED: "connection-refused",
    errno.ECONNRESET: "connection-reset",
    errno.ECONNABORTED: "connection-aborted",
    errno.ETIMEDOUT: "timeout",
    errno.EHOSTUNREACH: "remote-unreachable",
    errno.ENETUNREACH: "remote-unreachable",
    errno.EHOSTDOWN: "remote-unreachable",
    errno.ENETDOWN: "remote-unreachable",
    errno.EMFILE: "new-socket-limit",
    errno.ENFILE: "new-socket-limit",
    errno.ENOMEM: "out-of-memory",
    errno.ENOBUFS: "out-of-memory",
    errno.EINVAL: "invalid-argument",
    errno.EOPNOTSUPP: "not-supported",
    errno.EAFNOSUPPORT: "not-supported",
}


def code(error: OSError | int) -> WitError:
    """The `error-code` of an error of the operating system."""
    number = error if isinstance(error, int) else error.errno
    return WitError(CODES.get(number or 0, "unknown"))


def to_wit(address: Address) -> dict[str, tuple[int, ...]]:
    """An address as an `ip-address`."""
    if isinstance(address, ipaddress.IPv4Address):
        return {"ipv4": tuple(address.packed)}
    return {"ipv6": tuple(int.from_bytes(address.packed[at : at + 2], "big") for at in range(0, 16, 2))}


def socket_to_wit(address: tuple[Any, ...]) -> dict[str, dict[str, Any]]:
    """An address of Python's sockets as an `ip-socket-address`."""
    host = ipaddress.ip_address(str(address[0]).partition("%")[0])
    if isinstance(host, ipaddress.IPv4Address):
        return {"ipv4": {"port": address[1], "address": tuple(host.packed)}}
    return {
        "ipv6": {
            "port": address[1],
            "flow_info": address[2],
            "address": to_wit(host)["ipv6"],
            "scope_id": address[3],
        }
    }


def from_wit(address: dict[str, dict[str, Any]]) -> tuple[Address, int]:
    """Host and port of an `ip-socket-address`."""
    family, parts = next(iter(address.items()))
    if family == "ipv4":
        return ipaddress.IPv4Address(bytes(parts["address"])), parts["port"]
    packed = b"".join(part.to_bytes(2, "big") for part in parts["address"])
    return ipaddress.IPv6Address(packed), parts["port"]


class NetworkHandle(Resource, name="network"):
    """The right to ask; what is answered is the policy's to decide."""


class Network(Interface):
    """`wasi:sockets/network`."""

    NAME, VERSION, RESOURCES = "wasi:sockets/network", "0.2.6", (NetworkHandle,)

    @function
    def network_error_code(self, error: IoError) -> str | None:
        return None


class InstanceNetwork(Interface):
    """`wasi:sockets/instance-network`."""

    NAME, VERSION, RESOURCES = "wasi:sockets/instance-network", "0.2.6", (NetworkHandle,)

    @function
    def instance_network(self) -> NetworkHandle:
        return NetworkHandle()


class Addresses(Resource, name="resolve-address-stream"):
    """The pinned addresses of a name."""

    def __init__(self, addresses: list[Address], waiter: Waiter) -> None:
        self._left = list(addresses)
        self._waiter = waiter

    @function
    def resolve_next_address(self) -> dict[str, tuple[int, ...]] | None:
        return to_wit(self._left.pop(0)) if self._left else None

    @function
    def subscribe(self) -> Pollable:
        return Pollable(Always(), self._waiter)


class NameLookup(Interface):
    """`wasi:sockets/ip-name-lookup`: the names of the plan, and no others. They were resolved before the call."""

    NAME, VERSION = "wasi:sockets/ip-name-lookup", "0.2.6"
    RESOURCES = (Addresses, NetworkHandle, Pollable)

    def __init__(self, reach: Reach, waiter: Waiter) -> None:
        self._reach = reach
        self._waiter = waiter

    @function
    def resolve_addresses(self, network: NetworkHandle, name: str) -> Addresses:
        addresses = self._reach.lookup(name)
        if addresses is None:
            raise WitError("access-denied")
        if not addresses:
            raise WitError("name-unresolvable")
        return Addresses(addresses, self._waiter)
