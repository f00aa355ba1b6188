"""The contract `flow:connector` as this host knows it: its functions, with their types (`wasm/signature.py`).

A component is compared with this when it is loaded.
"""

from __future__ import annotations

VERSION = "0.1.1"
CONNECTOR = "flow:connector/connector"
CONTEXT = "flow:connector/context"
EXCHANGE = "flow:connector/exchange"
TLS = "flow:connector/tls"

CALL = "record{connection: string, options: string}"
SUMMARY = "record{payloads: u64, bytes: u64, skipped: u64, failed: u64}"
KIND = (
    "enum{invalid-settings, authentication, permission, not-found, conflict, unreachable, timeout, busy, tls, "
    "protocol, data, denied-by-host, cancelled, unsupported, internal}"
)
ERROR = (
    f"record{{kind: {KIND}, message: string, code: option<string>, "
    "retry: variant{never, backoff, after-ms(u64)}, effect: enum{none, partial, unknown}, details: option<string>}"
)
METADATA = (
    "record{id: string, version: option<string>, name: option<string>, content-type: option<string>, "
    "size: option<u64>, modified-ms: option<u64>, attributes: list<tuple<string, string>>}"
)
LEVEL = "enum{trace, debug, info, warn, error}"

ENDPOINT = f"({CALL}) -> result<{SUMMARY}, {ERROR}>"
"""The type by which an endpoint is known."""

DESCRIBED = "record{name: string, title: string, description: string, options-schema: string}"
EGRESS = (
    "record{host: string, first-port: u16, last-port: u16, direction: enum{connect, accept}, secondary: bool, "
    "reason: string}"
)
CHECK_STEP = "record{name: string, status: enum{passed, warning, failed}, message: string, details: option<string>}"

CERTIFICATE = (
    "record{sha256: list<u8>, public-key-sha256: list<u8>, subject: string, issuer: string, not-before-ms: s64, "
    "not-after-ms: s64, names: list<string>}"
)
REASON = (
    "enum{expired, not-yet-valid, wrong-name, unknown-issuer, self-signed, not-pinned, revoked, bad-certificate, "
    "no-common-version, client-certificate, not-tls, protocol, denied, invalid}"
)
TLS_ERROR = f"record{{reason: {REASON}, message: string, certificate: option<{CERTIFICATE}>}}"
TRUST = "variant{host-default, roots(string), pinned(list<list<u8>>), insecure}"
RECEIVED = "record{plaintext: list<u8>, reply: list<u8>, handshaking: bool, closed: bool}"
INFO = (
    f"record{{version: string, cipher: string, resumed: bool, certificate: option<{CERTIFICATE}>, "
    "details: option<string>}"
)

FUNCTIONS: dict[str, dict[str, str]] = {
    CONNECTOR: {
        "describe": (
            "() -> record{id: string, version: string, title: string, description: string, connection-schema: string, "
            f"endpoints: list<{DESCRIBED}>, details: option<string>}}"
        ),
        "plan": f"(option<string>, {CALL}) -> result<list<{EGRESS}>, {ERROR}>",
        "check": f"(string, bool) -> result<list<{CHECK_STEP}>, {ERROR}>",
    },
    CONTEXT: {
        "run-id": "() -> string",
        "attempt": "() -> u32",
        "remaining-ms": "() -> u64",
        "cancelled": "() -> bool",
        "log-threshold": f"() -> {LEVEL}",
        "log": f"({LEVEL}, string)",
        "progress": "(string, u64, option<u64>)",
    },
    EXCHANGE: {
        "[method]writer.body": "(borrow) -> own",
        "[static]writer.finish": f"(own) -> result<_, {ERROR}>",
        "[static]writer.abort": f"(own, {ERROR})",
        "[method]reader.metadata": f"(borrow) -> {METADATA}",
        "[method]reader.options": "(borrow) -> string",
        "[method]reader.body": f"(borrow) -> result<option<own>, {ERROR}>",
        "[method]reader.earlier": "(borrow) -> option<record{note: option<string>}>",
        "[method]reader.note": f"(borrow, string) -> result<_, {ERROR}>",
        "[static]reader.settle": f"(own, variant{{pass({METADATA}), consume, fail({ERROR})}})",
        "begin": f"({METADATA}) -> result<variant{{accept(own), skip, accepted, stop}}, {ERROR}>",
        "next": f"() -> result<option<own>, {ERROR}>",
        "report": f"(string, {ERROR})",
    },
    TLS: {
        "[static]context.create": f"({TRUST}, option<string>) -> result<own, {TLS_ERROR}>",
        "[method]context.open": f"(borrow, string) -> result<own, {TLS_ERROR}>",
        "[method]session.decrypt": f"(borrow, list<u8>) -> result<{RECEIVED}, {TLS_ERROR}>",
        "[method]session.encrypt": f"(borrow, list<u8>) -> result<list<u8>, {TLS_ERROR}>",
        "[method]session.close": "(borrow) -> list<u8>",
        "[method]session.info": f"(borrow) -> option<{INFO}>",
    },
}
"""What the connector exports, and what it may import, by interface."""
