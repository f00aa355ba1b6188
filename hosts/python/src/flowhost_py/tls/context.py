"""Trust, and the sessions that may be resumed: one context for each control connection."""

from __future__ import annotations

import ipaddress
import re
import ssl
import tempfile
from pathlib import Path
from typing import Any

from ..policy import Policy
from ..wasm.linking import function
from ..wasm.resources import Resource
from ..wasm.values import WitError
from .ciphers import CIPHERS
from .faults import fault
from .session import Session

HASH_BYTES = 32
NAME = re.compile(
    r"(?=.{1,253}\.?$)([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.?", re.I
)
"""A DNS name, in the letters that go over the wire."""


def invalid(message: str) -> WitError:
    """What was asked for cannot be."""
    return WitError(fault("invalid", message))


class Context(Resource, name="context"):
    """What holds for all connections that belong to one control connection."""

    def __init__(self, trust: Any, client_certificate: str | None, policy: Policy) -> None:
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.tls.minimum_version = ssl.TLSVersion.TLSv1_2
        # A second handshake within a connection could change who the server is.
        self.tls.options |= ssl.OP_NO_RENEGOTIATION
        self.tls.set_ciphers(":".join(CIPHERS))
        self.pins: frozenset[bytes] | None = None
        self.latest: ssl.SSLSession | None = None
        """The session to resume. Tickets of TLS 1.3 are meant for one use each, but the last one is kept: that the
        connections of one FTP session belong together is known anyhow."""
        self._believe(trust, policy)
        if client_certificate is not None:
            self._identify(client_certificate, policy)

    def _believe(self, trust: Any, policy: Policy) -> None:
        kind, value = (trust, None) if isinstance(trust, str) else next(iter(trust.items()))
        if kind == "host-default":
            self.tls.load_default_certs()
        elif kind == "roots":
            # A root may be the server's own certificate, which somebody else has issued.
            self.tls.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
            try:
                self.tls.load_verify_locations(cadata=value)
            except (ssl.SSLError, ValueError) as problem:
                raise invalid(f"the roots are no certificates in PEM: {problem}") from None
            if not self.tls.get_ca_certs(binary_form=True) and self.tls.cert_store_stats()["x509"] == 0:
                raise invalid("the roots hold no certificate in PEM")
        elif kind == "pinned":
            if not value or any(len(pin) != HASH_BYTES for pin in value):
                raise invalid(f"a pinned hash has {HASH_BYTES} bytes (SHA-256), and there is at least one")
            self.pins = frozenset(value)
            self._believe_anybody()
        elif policy.insecure_tls:
            self._believe_anybody()
        else:
            raise WitError(fault("denied", "the operator of this host does not allow servers that prove nothing"))

    def _believe_anybody(self) -> None:
        self.tls.check_hostname = False
        self.tls.verify_mode = ssl.CERT_NONE

    def _identify(self, name: str, policy: Policy) -> None:
        if name not in policy.client_certificates:
            raise invalid(f"this host has no client certificate of the name {name!r}")
        # `ssl` reads certificates and keys from files only; nobody else can read in this folder.
        with tempfile.TemporaryDirectory() as folder:
            certificate, key = Path(folder, "certificate"), Path(folder, "key")
            for path, pem in zip((certificate, key), policy.client_certificates[name], strict=True):
                path.write_text(pem)
            try:
                # Without a passphrase to give, a key that wants one is an error; OpenSSL would ask the terminal.
                self.tls.load_cert_chain(certificate, key, password=lambda: "")
            except (ssl.SSLError, ValueError) as problem:
                raise invalid(f"the client certificate {name!r} or its key cannot be read: {problem}") from None

    @function
    def open(self, server_name: str) -> Session:
        return Session(self, checked(server_name))


def checked(name: str) -> str:
    """The name that a session is for: a DNS name or an address."""
    try:
        return str(ipaddress.ip_address(name.strip("[]")))
    except ValueError:
        if not NAME.fullmatch(name):
            raise invalid(f"{name!r} is neither a DNS name nor an address") from None
    return name.rstrip(".")
