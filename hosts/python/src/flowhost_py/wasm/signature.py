"""Types written out, to compare them with what is expected."""

from __future__ import annotations

from typing import Any

from wasmtime import component as wit

CALL = "record{connection: string, options: string}"
SUMMARY = "record{payloads: u64, bytes: u64, skipped: u64, failed: u64}"
ERROR_KIND = (
    "enum{invalid-settings, authentication, permission, not-found, conflict, unreachable, timeout, busy, tls, "
    "protocol, data, denied-by-host, cancelled, unsupported, internal}"
)
ERROR = (
    f"record{{kind: {ERROR_KIND}, message: string, code: option<string>, "
    "retry: variant{never, backoff, after-ms(u64)}, effect: enum{none, partial, unknown}, details: option<string>}"
)
ENDPOINT = f"({CALL}) -> result<{SUMMARY}, {ERROR}>"
"""The type by which an endpoint is known."""

DESCRIBED = "record{name: string, title: string, description: string, options-schema: string}"
EGRESS = (
    "record{host: string, first-port: u16, last-port: u16, direction: enum{connect, accept}, secondary: bool, "
    "reason: string}"
)
CHECK_STEP = "record{name: string, status: enum{passed, warning, failed}, message: string, details: option<string>}"
CONNECTOR_FUNCTIONS = {
    "describe": (
        "() -> record{id: string, version: string, title: string, description: string, connection-schema: string, "
        f"endpoints: list<{DESCRIBED}>, details: option<string>}}"
    ),
    "plan": f"(option<string>, {CALL}) -> result<list<{EGRESS}>, {ERROR}>",
    "check": f"(string, bool) -> result<list<{CHECK_STEP}>, {ERROR}>",
}
"""The functions of `flow:connector/connector`, and their types."""


def signature(ty: Any) -> str:
    """A type written out, for comparison. Names of types and parameters do not matter, those of members do."""
    if isinstance(ty, wit.FuncType):
        result = f" -> {signature(ty.result)}" if ty.result is not None else ""
        return f"({', '.join(signature(param) for _, param in ty.params)}){result}"
    if isinstance(ty, wit.RecordType):
        return f"record{{{', '.join(f'{name}: {signature(field)}' for name, field in ty.fields)}}}"
    if isinstance(ty, wit.VariantType):
        cases = (name + (f"({signature(payload)})" if payload is not None else "") for name, payload in ty.cases)
        return f"variant{{{', '.join(cases)}}}"
    if isinstance(ty, wit.EnumType):
        return f"enum{{{', '.join(ty.names)}}}"
    if isinstance(ty, wit.FlagsType):
        return f"flags{{{', '.join(ty.names)}}}"
    if isinstance(ty, wit.ListType):
        return f"list<{signature(ty.element)}>"
    if isinstance(ty, wit.OptionType):
        return f"option<{signature(ty.payload)}>"
    if isinstance(ty, wit.ResultType):
        return f"result<{', '.join('_' if side is None else signature(side) for side in (ty.ok, ty.err))}>"
    if isinstance(ty, wit.TupleType):
        return f"tuple<{', '.join(signature(element) for element in ty.elements)}>"
    return type(ty).__name__.lower()
