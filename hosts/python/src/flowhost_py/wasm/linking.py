"""Gives a component the functions that it imports.

An interface of the WIT is a class here: its functions are methods marked with `@function`, and so are the methods of
its resources. A component may call nothing that is not marked.
"""

from __future__ import annotations

import ctypes
import itertools
from collections.abc import Callable, Iterator
from ctypes import POINTER, byref
from typing import Any, ClassVar, TypeVar

from wasmtime import Engine, WasmtimeError
from wasmtime import _ffi as ffi
from wasmtime import component as wit

from . import values
from .resources import Resource, Resources

F = TypeVar("F", bound=Callable[..., Any])


def function(method: F) -> F:
    """Marks a method as a function that guests may import; its WIT name is its own, with `-` for `_`."""
    method.__dict__["wit"] = method.__name__.rstrip("_").replace("_", "-")
    return method


def _marked(owner: type) -> dict[str, str]:
    """WIT names of a class's functions, and the attributes that they are."""
    found = ((name, getattr(owner, name)) for name in dir(owner))
    return {value.wit: name for name, value in found if hasattr(value, "wit")}


class Interface:
    """One interface of the WIT. An instance of it belongs to one live connector."""

    NAME: ClassVar[str]
    """Package and interface, such as `wasi:io/poll`."""
    VERSION: ClassVar[str]
    """The version that this host implements; a component may ask for any that is compatible with it."""
    RESOURCES: ClassVar[tuple[type[Resource], ...]] = ()

    def find(self, name: str) -> Callable[..., Any] | None:
        """The function of a WIT name: `poll`, `[method]pollable.block`, `[static]writer.finish`."""
        kind, _, rest = name.rpartition("]")
        if not kind:
            return self._own(rest)
        resource, _, method = rest.partition(".")
        if kind == "[method":
            for owner in self.RESOURCES:
                if resource == owner.NAME and method in _marked(owner):
                    attribute = _marked(owner)[method]
                    return lambda this, *more: getattr(this, attribute)(*more)
        if kind == "[static":
            # The functions of a resource that are not about one of it stand beside the others, under both names.
            return self._own(f"{resource}-{method}")
        return None

    def _own(self, name: str) -> Callable[..., Any] | None:
        marked = _marked(type(self))
        return getattr(self, marked[name]) if name in marked else None


def compatible(ours: str, theirs: str) -> bool:
    """Whether a component that asks for one version can have another: below 1.0, the second number must be the same."""
    most = 2 if ours.startswith("0.") else 1
    return ours.split(".")[:most] == theirs.split(".")[:most]


def item_type(item: Any) -> Any:
    """The type of an import or export, which wasmtime-py gives as it is up to version 49, and in a wrapper since."""
    return getattr(item, "ty", item)


def imports(component: wit.Component, engine: Engine) -> Iterator[tuple[str, str, Any]]:
    """What a component imports: interface, version, type."""
    for name, item in component.type.imports(engine).items():
        interface, _, version = name.partition("@")
        yield interface, version, item_type(item)


class Linked:
    """The functions of one live connector, in a linker of its own."""

    def __init__(self, engine: Engine, component: wit.Component, codecs: Codecs, host: Host) -> None:
        self.linker = wit.Linker(engine)
        with self.linker.root() as root:
            for interface, version, ty in imports(component, engine):
                full = f"{interface}@{version}" if version else interface
                if isinstance(ty, wit.ComponentInstanceType):
                    with root.add_instance(full) as instance:
                        self._fill(instance, full, host.interfaces[interface], ty.exports(engine), codecs, host)

    def _fill(
        self, instance: Any, full: str, ours: Interface, exports: dict[str, Any], codecs: Codecs, host: Host
    ) -> None:
        resources = {resource.NAME: resource for resource in ours.RESOURCES}
        for name, item in exports.items():
            ty = item_type(item)
            if isinstance(ty, wit.ResourceType) and name in resources:
                kind = wit.ResourceType.host(resources[name].TYPE)
                instance.add_resource(name, kind, lambda _, rep: host.drop(rep))
            elif isinstance(ty, wit.FuncType) and (call := ours.find(name)):
                number = next(_NUMBERS)
                _CALLS[number] = (call, codecs, f"{full}#{name}", host)
                text = name.encode()
                error = ffi.wasmtime_component_linker_instance_add_func(
                    instance.ptr(), ctypes.create_string_buffer(text), len(text), _called, number, _forgotten
                )
                if error:
                    raise WasmtimeError._from_ptr(error)


class Host:
    """What the functions of one live connector share. `Instance` fills it."""

    def __init__(self, interfaces: dict[str, Interface]) -> None:
        self.interfaces = interfaces
        self.resources = Resources()
        self.fault: BaseException | None = None
        """What went wrong in a function of ours, so that the guest had to be stopped."""

    def enter(self, name: str) -> None:
        """Before each function: may raise what stops the guest."""

    def drop(self, rep: int) -> None:
        """The guest has dropped a handle."""
        try:
            self.resources.drop(rep)
        except Exception as fault:
            self.fault = fault
            raise


class Codecs:
    """How the parameters and results of a component's imports are read and written; made when first needed."""

    def __init__(self) -> None:
        self._made: dict[str, tuple[list[values.Lift], values.Lower | None]] = {}

    def of(self, name: str, raw_type: Any) -> tuple[list[values.Lift], values.Lower | None]:
        """Those of the function of this name."""
        if name not in self._made:
            # The type belongs to wasmtime, which calls us; `owner` keeps wasmtime-py from freeing it.
            ty = wit.FuncType._from_ptr(raw_type, owner=self)
            result = None if ty.result is None else values.lower(ty.result)
            self._made[name] = ([values.lift(param) for _, param in ty.params], result)
        return self._made[name]


# --- The C API's side

_NUMBERS = itertools.count(1)
_CALLS: dict[int, tuple[Callable[..., Any], Codecs, str, Host]] = {}


def failure(message: str) -> int:
    """An error for wasmtime, which stops the guest with it."""
    return int(ctypes.cast(WasmtimeError(message)._consume(), ctypes.c_void_p).value or 0)


@ffi.wasmtime_component_func_callback_t  # type: ignore[untyped-decorator]
def _called(number: int, context: Any, raw_type: Any, args: Any, _: int, results: Any, _n: int) -> int:
    call, codecs, name, host = _CALLS[number]
    outer, host.resources.context = host.resources.context, context
    try:
        host.enter(name)
        lifts, lower = codecs.of(name, raw_type)
        given = [lift(host.resources, args[at]) for at, lift in enumerate(lifts)]
        try:
            answer = call(*given)
        except values.WitError as error:
            answer = error
        if lower is not None:
            lower(host.resources, answer, results[0])
        return 0
    except BaseException as fault:  # Nothing may get past here: C called us.
        host.fault = fault
        return failure(f"{name}: {fault}")
    finally:
        host.resources.context = outer


@ctypes.CFUNCTYPE(None, ctypes.c_void_p)  # type: ignore[untyped-decorator]
def _forgotten(number: int) -> None:
    _CALLS.pop(number, None)


class GuestFunction:
    """A function that a component exports."""

    def __init__(self, func: wit.Func, ty: wit.FuncType) -> None:
        self._func = func._func
        self._params = [values.lower(param) for _, param in ty.params]
        self._result = None if ty.result is None else values.lift(ty.result)

    def __call__(self, store: Any, resources: Resources, *params: Any) -> Any:
        """Calls it. Raises `WitError` for the error of a result, and `WasmtimeError` when the guest was stopped."""
        context = store._context()
        resources.context = context
        given = (values.VAL * len(self._params))()
        result = values.VAL()
        try:
            for lower, param, place in zip(self._params, params, given, strict=True):
                lower(resources, param, place)
            error = ffi.wasmtime_component_func_call(
                byref(self._func), context, given, len(given), byref(result), 1 if self._result else 0
            )
            if error:
                raise WasmtimeError._from_ptr(ctypes.cast(error, POINTER(ffi.wasmtime_error_t)))
            return None if self._result is None else self._result(resources, result)
        finally:
            for place in given:
                ffi.wasmtime_component_val_delete(byref(place))
            ffi.wasmtime_component_val_delete(byref(result))
            resources.context = None
