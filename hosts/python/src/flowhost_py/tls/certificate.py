"""What a certificate says, for people and for pins. Everything in it comes from the server."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


def sha256(der: bytes) -> bytes:
    """The hash of a certificate."""
    return hashlib.sha256(der).digest()


def public_key_sha256(der: bytes) -> bytes | None:
    """The hash of its public key (SubjectPublicKeyInfo), if it can be read."""
    try:
        key = x509.load_der_x509_certificate(der).public_key()
        return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest()
    except Exception:  # cryptography has many ways to say that a certificate is broken.
        return None


def describe(der: bytes) -> dict[str, Any] | None:
    """The contract's `certificate`; none when it cannot be read."""
    key = public_key_sha256(der)
    if key is None:
        return None
    try:
        certificate = x509.load_der_x509_certificate(der)
        return {
            "sha256": sha256(der),
            "public_key_sha256": key,
            "subject": certificate.subject.rfc4514_string(),
            "issuer": certificate.issuer.rfc4514_string(),
            "not_before_ms": _milliseconds(certificate.not_valid_before_utc),
            "not_after_ms": _milliseconds(certificate.not_valid_after_utc),
            "names": _names(certificate),
        }
    except Exception:  # As above.
        return None


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def _names(certificate: x509.Certificate) -> list[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [str(name.value) for name in names if isinstance(name, x509.DNSName | x509.IPAddress)]
