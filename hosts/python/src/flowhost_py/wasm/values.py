"""Values of the component model as Python values, both ways.

wasmtime-py converts lists byte by byte, which is far too slow for the bodies of files, and gives variants in several
shapes. So this host reads and writes the C API's values itself. One shape for each type:

| WIT                      | Python                                        |
|--------------------------|-----------------------------------------------|
| `bool`, numbers, `string`| `bool`, `int`, `float`, `str`                 |
| `list<u8>`, `list<T>`    | `bytes`, `list`                               |
| `record`                 | `dict`, with `_` for `-` in the names         |
| `tuple`                  | `tuple`                                       |
| `enum`                   | `str`                                         |
| `flags`                  | `set` of `str`                                |
| `variant`                | `str`, or `{"case": value}` where it has one  |
| `option`                 | `None` or the value                           |
| `result`                 | the value, or `WitError` is raised            |
| `own`, `borrow`          | the host's object, a `Resource`               |

These are also the shapes of the adapter's JSON, so most things pass from one border to the other as they are.
A *lift* reads a value that came from the guest; a *lower* writes one that goes to it. Both are made once for a type.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from ctypes import POINTER, byref
from typing import Any

from wasmtime import WasmtimeError
from wasmtime import _ffi as ffi
from wasmtime import component as wit

from .resources import Resource, Resources

Lift = Callable[[Resources, Any], Any]
Lower = Callable[[Resources, Any, Any], None]


class WitError(Exception):
    """The `error` of a `result`, with its value."""

    def __init__(self, value: Any) -> None:
        super().__init__(value)
        self.value = value


VAL = ffi.wasmtime_component_val_t
VAL_SIZE = ctypes.sizeof(VAL)
"""One value: its kind, and a union of everything that it may be."""
KIND_AT = VAL.kind.offset
BYTE_AT = VAL.of.offset

SCALARS: dict[type, tuple[Any, str]] = {
    wit.Bool: (ffi.WASMTIME_COMPONENT_BOOL, "boolean"),
    wit.S8: (ffi.WASMTIME_COMPONENT_S8, "s8"),
    wit.S16: (ffi.WASMTIME_COMPONENT_S16, "s16"),
    wit.S32: (ffi.WASMTIME_COMPONENT_S32, "s32"),
    wit.S64: (ffi.WASMTIME_COMPONENT_S64, "s64"),
    wit.U8: (ffi.WASMTIME_COMPONENT_U8, "u8"),
    wit.U16: (ffi.WASMTIME_COMPONENT_U16, "u16"),
    wit.U32: (ffi.WASMTIME_COMPONENT_U32, "u32"),
    wit.U64: (ffi.WASMTIME_COMPONENT_U64, "u64"),
    wit.F32: (ffi.WASMTIME_COMPONENT_F32, "f32"),
    wit.F64: (ffi.WASMTIME_COMPONENT_F64, "f64"),
}


def member(name: str) -> str:
    """The Python name of a member of a record."""
    return name.replace("-", "_")


def _text(value: str) -> Any:
    # What comes from elsewhere (a certificate, a server) may hold what UTF-8 cannot say.
    return ffi.str_to_capi(value.encode("utf-8", "replace").decode("utf-8"))


# --- From the guest


def lift(ty: Any) -> Lift:
    """Makes the function that reads values of this type. It leaves the value to whoever owns it."""
    if type(ty) in SCALARS:
        field = SCALARS[type(ty)][1]
        return lambda _, val: getattr(val.of, field)
    if isinstance(ty, wit.Char):
        return lambda _, val: chr(val.of.character)
    if isinstance(ty, wit.String):
        return lambda _, val: ffi.to_str(val.of.string)
    if isinstance(ty, wit.EnumType):
        return lambda _, val: ffi.to_str(val.of.enumeration)
    if isinstance(ty, wit.ListType):
        return _lift_list(ty)
    if isinstance(ty, wit.RecordType):
        return _lift_record(ty)
    if isinstance(ty, wit.TupleType):
        elements = [lift(element) for element in ty.elements]
        return lambda held, val: tuple(element(held, val.of.tuple.data[at]) for at, element in enumerate(elements))
    if isinstance(ty, wit.VariantType):
        return _lift_variant(ty)
    if isinstance(ty, wit.OptionType):
        payload = lift(ty.payload)
        return lambda held, val: payload(held, val.of.option.contents) if val.of.option else None
    if isinstance(ty, wit.ResultType):
        return _lift_result(ty)
    if isinstance(ty, wit.FlagsType):
        return lambda _, val: {ffi.to_str(val.of.flags.data[at]) for at in range(val.of.flags.size)}
    if isinstance(ty, wit.OwnType):
        return lambda held, val: held.take(_rep(held, val))
    if isinstance(ty, wit.BorrowType):
        return lambda held, val: held.get(_rep(held, val))
    raise TypeError(f"this host does not know the type {ty}")


def _lift_list(ty: wit.ListType) -> Lift:
    if isinstance(ty.element, wit.U8):

        def octets(_: Resources, val: Any) -> bytes:
            # Each byte lies in a value of its own; every so-and-so-many-th byte is the list.
            block = ctypes.string_at(val.of.list.data, val.of.list.size * VAL_SIZE)
            return block[BYTE_AT::VAL_SIZE]

        return octets
    element = lift(ty.element)
    return lambda held, val: [element(held, val.of.list.data[at]) for at in range(val.of.list.size)]


def _lift_record(ty: wit.RecordType) -> Lift:
    fields = [(member(name), lift(field)) for name, field in ty.fields]
    return lambda held, val: {name: field(held, val.of.record.data[at].val) for at, (name, field) in enumerate(fields)}


def _lift_variant(ty: wit.VariantType) -> Lift:
    cases = {name: None if payload is None else lift(payload) for name, payload in ty.cases}

    def variant(held: Resources, val: Any) -> Any:
        name = ffi.to_str(val.of.variant.discriminant)
        payload = cases[name]
        return name if payload is None else {name: payload(held, val.of.variant.val.contents)}

    return variant


def _lift_result(ty: wit.ResultType) -> Lift:
    ok, err = (None if side is None else lift(side) for side in (ty.ok, ty.err))

    def result(held: Resources, val: Any) -> Any:
        side = ok if val.of.result.is_ok else err
        value = None if side is None else side(held, val.of.result.val.contents)
        if not val.of.result.is_ok:
            raise WitError(value)
        return value

    return result


def _rep(held: Resources, val: Any) -> int:
    """The number by which a handle of the guest stands for an object of ours."""
    host = POINTER(ffi.wasmtime_component_resource_host_t)()
    error = ffi.wasmtime_component_resource_any_to_host(held.context, val.of.resource, byref(host))
    if error:
        raise WasmtimeError._from_ptr(error)
    try:
        return int(ffi.wasmtime_component_resource_host_rep(host))
    finally:
        ffi.wasmtime_component_resource_host_delete(host)


# --- To the guest


def lower(ty: Any) -> Lower:
    """Makes the function that writes values of this type into a place of the C API, which owns them then."""
    if type(ty) in SCALARS:
        return _lower_scalar(*SCALARS[type(ty)])
    if isinstance(ty, wit.Char):
        kind = ffi.WASMTIME_COMPONENT_CHAR
        return lambda _, value, val: _set(val, kind, "character", ord(value))
    if isinstance(ty, wit.String):
        kind = ffi.WASMTIME_COMPONENT_STRING
        return lambda _, value, val: _set(val, kind, "string", _text(value))
    if isinstance(ty, wit.EnumType):
        kind = ffi.WASMTIME_COMPONENT_ENUM
        return lambda _, value, val: _set(val, kind, "enumeration", _text(value))
    if isinstance(ty, wit.ListType):
        return _lower_list(ty)
    if isinstance(ty, wit.RecordType):
        return _lower_record(ty)
    if isinstance(ty, wit.TupleType):
        return _lower_tuple(ty)
    if isinstance(ty, wit.VariantType):
        return _lower_variant(ty)
    if isinstance(ty, wit.OptionType):
        return _lower_option(ty)
    if isinstance(ty, wit.ResultType):
        return _lower_result(ty)
    if isinstance(ty, wit.FlagsType):
        return _lower_flags
    if isinstance(ty, wit.OwnType):
        return _lower_own
    raise TypeError(f"this host does not know the type {ty}")


def _set(val: Any, kind: Any, field: str, value: Any) -> None:
    val.kind = kind
    setattr(val.of, field, value)


def _lower_scalar(kind: Any, field: str) -> Lower:
    def scalar(_: Resources, value: Any, val: Any) -> None:
        val.kind = kind
        setattr(val.of, field, value)

    return scalar


def _lower_list(ty: wit.ListType) -> Lower:
    octets = isinstance(ty.element, wit.U8)
    element = None if octets else lower(ty.element)

    def write(held: Resources, value: Any, val: Any) -> None:
        raw = ffi.wasmtime_component_vallist_t()
        ffi.wasmtime_component_vallist_new_uninit(byref(raw), len(value))
        if element is not None:
            for at, item in enumerate(value):
                element(held, item, raw.data[at])
        elif value:
            block = bytearray(len(value) * VAL_SIZE)
            block[KIND_AT::VAL_SIZE] = bytes([ffi.WASMTIME_COMPONENT_U8.value]) * len(value)
            block[BYTE_AT::VAL_SIZE] = value
            ctypes.memmove(raw.data, (ctypes.c_char * len(block)).from_buffer(block), len(block))
        _set(val, ffi.WASMTIME_COMPONENT_LIST, "list", raw)

    return write


def _lower_record(ty: wit.RecordType) -> Lower:
    fields = [(name, member(name), lower(field)) for name, field in ty.fields]

    def record(held: Resources, value: Any, val: Any) -> None:
        raw = ffi.wasmtime_component_valrecord_t()
        ffi.wasmtime_component_valrecord_new_uninit(byref(raw), len(fields))
        for at, (name, own, field) in enumerate(fields):
            # What is left out is none: a member that is no option then fails to be written.
            field(held, value.get(own), raw.data[at].val)
            raw.data[at].name = ffi.str_to_capi(name)
        _set(val, ffi.WASMTIME_COMPONENT_RECORD, "record", raw)

    return record


def _lower_tuple(ty: wit.TupleType) -> Lower:
    elements = [lower(element) for element in ty.elements]

    def write(held: Resources, value: Any, val: Any) -> None:
        raw = ffi.wasmtime_component_valtuple_t()
        ffi.wasmtime_component_valtuple_new_uninit(byref(raw), len(elements))
        for at, element in enumerate(elements):
            element(held, value[at], raw.data[at])
        _set(val, ffi.WASMTIME_COMPONENT_TUPLE, "tuple", raw)

    return write


def _boxed(held: Resources, write: Lower | None, value: Any) -> Any:
    """A value in a place of its own, as options, results and variants hold it."""
    if write is None:
        return None
    place = VAL()
    write(held, value, place)
    return ffi.wasmtime_component_val_new(byref(place))


def _lower_option(ty: wit.OptionType) -> Lower:
    payload = lower(ty.payload)

    def option(held: Resources, value: Any, val: Any) -> None:
        boxed = None if value is None else _boxed(held, payload, value)
        _set(val, ffi.WASMTIME_COMPONENT_OPTION, "option", boxed)

    return option


def _lower_variant(ty: wit.VariantType) -> Lower:
    cases = {name: None if payload is None else lower(payload) for name, payload in ty.cases}

    def variant(held: Resources, value: Any, val: Any) -> None:
        name, payload = (value, None) if isinstance(value, str) else next(iter(value.items()))
        raw = ffi.wasmtime_component_valvariant_t()
        boxed = _boxed(held, cases[name], payload)
        raw.discriminant = ffi.str_to_capi(name)
        raw.val = boxed
        _set(val, ffi.WASMTIME_COMPONENT_VARIANT, "variant", raw)

    return variant


def _lower_result(ty: wit.ResultType) -> Lower:
    ok, err = (None if side is None else lower(side) for side in (ty.ok, ty.err))

    def result(held: Resources, value: Any, val: Any) -> None:
        failed = isinstance(value, WitError)
        boxed = _boxed(held, err, value.value) if failed else _boxed(held, ok, value)
        raw = ffi.wasmtime_component_valresult_t()
        raw.is_ok = not failed
        raw.val = boxed
        _set(val, ffi.WASMTIME_COMPONENT_RESULT, "result", raw)

    return result


def _lower_flags(_: Resources, value: set[str], val: Any) -> None:
    raw = ffi.wasmtime_component_valflags_t()
    ffi.wasmtime_component_valflags_new_uninit(byref(raw), len(value))
    for at, name in enumerate(sorted(value)):
        raw.data[at] = ffi.str_to_capi(name)
    _set(val, ffi.WASMTIME_COMPONENT_FLAGS, "flags", raw)


def _lower_own(held: Resources, value: Resource, val: Any) -> None:
    host = ffi.wasmtime_component_resource_host_new(True, held.put(value), value.TYPE)
    any_ = POINTER(ffi.wasmtime_component_resource_any_t)()
    error = ffi.wasmtime_component_resource_host_to_any(held.context, host, byref(any_))
    ffi.wasmtime_component_resource_host_delete(host)
    if error:
        raise WasmtimeError._from_ptr(error)
    _set(val, ffi.WASMTIME_COMPONENT_RESOURCE, "resource", any_)
