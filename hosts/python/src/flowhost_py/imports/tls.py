"""`flow:connector/tls`: what the connector sees of `flowhost_py.tls`."""

from __future__ import annotations

from typing import Any

from ..policy import Policy
from ..tls.context import Context
from ..tls.session import Session
from ..wasm.linking import Interface, function


class Tls(Interface):
    """`flow:connector/tls`."""

    NAME, VERSION, RESOURCES = "flow:connector/tls", "0.1.1", (Context, Session)

    def __init__(self, policy: Policy) -> None:
        self._policy = policy

    @function
    def context_create(self, trust: Any, client_certificate: str | None) -> Context:
        return Context(trust, client_certificate, self._policy)
