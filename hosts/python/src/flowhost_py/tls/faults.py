"""What went wrong with TLS, in the contract's words: OpenSSL's errors, by what somebody has to change."""

from __future__ import annotations

import ssl
from typing import Any

from .certificate import describe

VERIFY = {
    9: "not-yet-valid",
    10: "expired",
    18: "self-signed",
    19: "unknown-issuer",
    20: "unknown-issuer",
    21: "unknown-issuer",
    23: "revoked",
    27: "unknown-issuer",
    62: "wrong-name",
    64: "wrong-name",
}
"""OpenSSL's X509_V_ERR_ codes. All others: the certificate itself is bad."""

NO_COMMON_VERSION = {
    "NO_PROTOCOLS_AVAILABLE",
    "TLSV1_ALERT_INSUFFICIENT_SECURITY",
    "TLSV1_ALERT_PROTOCOL_VERSION",
    "UNSUPPORTED_PROTOCOL",
    "WRONG_SSL_VERSION",
}
CLIENT_CERTIFICATE = {
    "SSLV3_ALERT_BAD_CERTIFICATE",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED",
    "SSLV3_ALERT_CERTIFICATE_REVOKED",
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN",
    "SSLV3_ALERT_NO_CERTIFICATE",
    "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE",
    "TLSV1_ALERT_ACCESS_DENIED",
    "TLSV1_ALERT_UNKNOWN_CA",
    "TLSV13_ALERT_CERTIFICATE_REQUIRED",
}
NOT_TLS = {"HTTP_REQUEST", "HTTPS_PROXY_REQUEST", "WRONG_VERSION_NUMBER"}
BAD_CERTIFICATE = {"BAD_SIGNATURE", "BAD_ECC_CERT", "CERTIFICATE_VERIFY_FAILED", "WRONG_CERTIFICATE_TYPE"}

RECORD_TYPES = range(20, 24)
"""The first byte of a TLS record: change of cipher, alert, handshake, data."""


def fault(reason: str, message: str, certificate: bytes | None = None) -> dict[str, Any]:
    """The contract's `error`."""
    return {"reason": reason, "message": message, "certificate": certificate and describe(certificate)}


def explain(error: ssl.SSLError, name: str, certificate: bytes | None, met: bool) -> dict[str, Any]:
    """What an error of OpenSSL means. `met`: the server has shown its certificate."""
    if isinstance(error, ssl.SSLCertVerificationError):
        reason = VERIFY.get(error.verify_code, "bad-certificate")
        return fault(reason, f"the certificate for {name} is refused: {error.verify_message}", certificate)
    said = error.reason or ""
    shown = said.replace("_", " ").lower() or str(error)
    if said in NOT_TLS:
        return fault("not-tls", f"what {name} sends is not TLS")
    if said in NO_COMMON_VERSION:
        return fault("no-common-version", f"{name} offers no TLS version that this host accepts (1.2, 1.3): {shown}")
    if said in CLIENT_CERTIFICATE:
        return fault("client-certificate", f"{name} wants a client certificate, or not the one it got: {shown}")
    if said == "SSLV3_ALERT_HANDSHAKE_FAILURE":
        # TLS 1.2 has no alert of its own for a certificate of ours that is missing.
        if met:
            return fault(
                "client-certificate", f"{name} ended the handshake, most likely for want of a certificate of ours"
            )
        return fault("no-common-version", f"{name} shares no TLS version or cipher with this host")
    if said in BAD_CERTIFICATE:
        return fault("bad-certificate", f"the certificate for {name} is refused: {shown}", certificate)
    return fault("protocol", f"TLS with {name} failed: {shown}")
