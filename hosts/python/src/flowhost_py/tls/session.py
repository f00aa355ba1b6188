"""One TLS connection: bytes in, bytes out."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any

from ..wasm.linking import function
from ..wasm.resources import Resource
from ..wasm.values import WitError
from .certificate import describe, public_key_sha256, sha256
from .ciphers import CIPHERS
from .faults import RECORD_TYPES, explain, fault

if TYPE_CHECKING:
    from .context import Context

PIECE = 64 * 1024
UNEXPECTED_MESSAGE, CERTIFICATE_UNKNOWN = 10, 46


def alert(description: int) -> bytes:
    """A fatal alert in clear (RFC 8446, 6), where OpenSSL has none to send."""
    return bytes([21, 3, 3, 0, 2, 2, description])


class Session(Resource, name="session"):
    """A TLS connection of a client, on OpenSSL with memory in place of a socket."""

    def __init__(self, context: Context, name: str) -> None:
        self._context, self._name = context, name
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.tls.wrap_bio(self._in, self._out, server_hostname=name, session=context.latest)
        self._heard = False
        self._handshaking, self._closed, self._ended = True, False, False
        self._failed: dict[str, Any] | None = None
        """After this there is only `close`."""
        self._told = False
        """Whether the failure was returned: what the server said before it goes first."""

    @function
    def decrypt(self, records: bytes) -> dict[str, Any]:
        self._alive()
        plaintext = bytearray()
        if not self._closed:
            self._hear(records)
            try:
                if self._shake():
                    self._read(plaintext)
                self._keep_session()
            except ssl.SSLError as error:
                self._fail(explain(error, self._name, self._certificate(), bool(self._chain())))
        if self._failed and not plaintext:
            self._alive()
        return {
            "plaintext": bytes(plaintext),
            "reply": b"" if self._failed else self._out.read(),
            "handshaking": self._handshaking,
            "closed": self._closed,
        }

    @function
    def encrypt(self, data: bytes) -> bytes:
        self._alive()
        try:
            if data and (self._handshaking or self._ended):
                when = "was closed from here" if self._ended else "is not established yet"
                raise WitError(fault("protocol", f"TLS with {self._name} {when}: there can be no data"))
            if self._shake():
                left = memoryview(data)
                while left:  # It may take less than all.
                    left = left[self._tls.write(left) :]
        except ssl.SSLError as error:
            self._fail(explain(error, self._name, self._certificate(), bool(self._chain())))
            self._alive()
        return self._out.read()

    @function
    def close(self) -> bytes:
        if self._ended:
            return b""
        self._ended = True
        if not self._failed and not self._handshaking:
            try:
                self._tls.unwrap()
            except (ssl.SSLError, OSError):
                pass  # The peer has not said its own yet; ours is written.
        return self._out.read()

    @function
    def info(self) -> dict[str, Any] | None:
        cipher = self._tls.cipher()
        if self._handshaking or cipher is None:
            return None
        certificate = self._certificate()
        return {
            "version": self._tls.version(),
            "cipher": CIPHERS.get(cipher[0], cipher[0]),
            "resumed": bool(self._tls.session_reused),
            "certificate": certificate and describe(certificate),
        }

    def _alive(self) -> None:
        if self._failed:
            failed = self._failed
            if self._told:
                failed = fault("protocol", f"TLS with {self._name} has failed before")
            self._told = True
            raise WitError(failed)

    def _hear(self, records: bytes) -> None:
        if records and not self._heard:
            self._heard = True
            if records[0] not in RECORD_TYPES:
                self._fail(fault("not-tls", f"what {self._name} sends is not TLS"))
                self._out.write(alert(UNEXPECTED_MESSAGE))
                return
        self._in.write(records)

    def _shake(self) -> bool:
        """Goes on with the handshake. Says whether it is over."""
        if self._failed:
            return False
        if self._handshaking:
            try:
                self._tls.do_handshake()
                done = True
            except ssl.SSLWantReadError:
                done = False
            # Looked at as soon as it is there, before anything goes out that the wrong server should not have.
            if not self._pinned():
                return False
            self._handshaking = not done
        return not self._handshaking

    def _read(self, plaintext: bytearray) -> None:
        try:
            while not self._closed:
                data = self._tls.read(PIECE)
                plaintext += data
                self._closed = not data
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self._closed = True

    def _keep_session(self) -> None:
        """Keeps what the next connection can resume. TLS 1.3 sends it after the handshake, often as the last thing."""
        session = None if self._handshaking else self._tls.session
        if session is not None and (session.has_ticket or self._tls.version() == "TLSv1.2"):
            self._context.latest = session

    def _chain(self) -> list[Any]:
        """The certificates that the server has shown, also during the handshake."""
        # `SSLObject.get_unverified_chain` is public from Python 3.13 on, and gives bytes there.
        public = getattr(self._tls, "get_unverified_chain", None)
        return (public or self._tls._sslobj.get_unverified_chain)() or []  # type: ignore[attr-defined]

    def _certificate(self) -> bytes | None:
        """The server's own certificate; that of the resumed session when there was one."""
        for certificate in self._chain():
            if isinstance(certificate, bytes):
                return certificate
            return ssl.PEM_cert_to_DER_cert(certificate.public_bytes())
        return None if self._handshaking else self._tls.getpeercert(binary_form=True)

    def _pinned(self) -> bool:
        """Whether the server may be who it says, by its pins."""
        pins, certificate = self._context.pins, self._certificate()
        if pins is None or certificate is None:
            return True
        found = sha256(certificate)
        if found in pins or public_key_sha256(certificate) in pins:
            return True
        message = f"the certificate of {self._name} is sha256:{found.hex()}, which is none of the pinned"
        self._fail(fault("not-pinned", message, certificate))
        # OpenSSL has agreed already. What it wants to send must not go out: an alert in its place.
        self._out.read()
        self._out.write(alert(CERTIFICATE_UNKNOWN))
        return False

    def _fail(self, failed: dict[str, Any]) -> None:
        self._failed = self._failed or failed
