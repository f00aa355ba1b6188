"""Types written out, to compare them with what is expected."""

from __future__ import annotations

from typing import Any

from wasmtime import component as wit


def signature(ty: Any) -> str:
    """A type written out, for comparison. Names of types and parameters do not matter, those of members do; which
    resource a handle is of, wasmtime looks after."""
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
    if isinstance(ty, wit.OwnType):
        return "own"
    if isinstance(ty, wit.BorrowType):
        return "borrow"
    return type(ty).__name__.lower()
