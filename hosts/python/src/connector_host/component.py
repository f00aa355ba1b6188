"""Loading: a component is compiled, compared with the contract, and asked what it is."""

from __future__ import annotations

import ctypes
import hashlib
import threading
from pathlib import Path
from typing import Any

from wasmtime import Config, Engine, WasmtimeError
from wasmtime import _ffi as ffi
from wasmtime import component as wit

from .failure import Failure
from .schema import Schema
from .wasm.linking import Codecs, Import, compatible, imports, item_type

CONNECTOR = "flow:connector/connector"
CONTRACT = "0.1.1"
"""The version of `flow:connector` that this host implements."""

MAGIC = b"\0asm"
COMPONENT_LAYER = b"\x0d\x00\x01\x00"
"""What follows the magic number of a component; a core module has its version 1 there."""

ENDPOINT = (
    "(record{connection: string, options: string}) -> result<record{payloads: u64, bytes: u64, skipped: u64, failed: u64}, "
    "record{kind: enum{invalid-settings, authentication, permission, not-found, conflict, unreachable, timeout, busy, tls, "
    "protocol, data, denied-by-host, cancelled, unsupported, internal}, message: string, code: option<string>, "
    "retry: variant{never, backoff, after-ms(u64)}, effect: enum{none, partial, unknown}, details: option<string>}>"
)
"""The type by which an endpoint is known, written out: see `signature`."""


def make_engine() -> Engine:
    """The engine: one for a process. Its epoch is raised when some guest has to be stopped."""
    config = Config()
    config.epoch_interruption = True
    # Calls are made one after another. With concurrency, wasmtime 50.0 also traps ("deferred host scope has no call
    # context") where a function of the host is given two borrowed handles.
    ffi.wasmtime_config_concurrency_support_set(config.ptr(), False)
    return Engine(config)


ENGINE = make_engine()


class Connector:
    """A component that is a connector. It may be started any number of times."""

    def __init__(self, name: str, component: wit.Component) -> None:
        self.name, self.component = name, component
        self.codecs = Codecs()
        self.endpoints: dict[str, tuple[str, str]] = {}
        """The endpoints: by name, the interface and the function that are called."""
        self.interface = self._check_exports()
        self._check_imports()
        self.descriptor: dict[str, Any] = self._describe()
        self.connection_schema = Schema("the connection settings", self.descriptor["connection_schema"])
        self.option_schemas = {
            endpoint["name"]: Schema(f"the options of `{endpoint['name']}`", endpoint["options_schema"])
            for endpoint in self.descriptor["endpoints"]
        }
        self._check_endpoints()

    @classmethod
    def load(cls, path: Path) -> Connector:
        """Loads a file. Raises `Failure` (`refused`) with the reason when this host cannot run it."""
        try:
            data = path.read_bytes()
        except OSError as problem:
            raise Failure("refused", f"{path} cannot be read: {problem.strerror}") from None
        return cls(path.name, compiled(data, path.name))

    def _check_exports(self) -> str:
        """Finds the connector interface and the endpoints. Gives the interface's full name."""
        found = None
        for name, item in self.component.type.exports(ENGINE).items():
            interface, _, version = name.partition("@")
            if not isinstance(item_type(item), wit.ComponentInstanceType):
                continue
            if interface == CONNECTOR:
                if not compatible(CONTRACT, version):
                    raise self._refused(f"it exports `{name}`, and this host knows version {CONTRACT}")
                found = name
                continue
            for function, export in item_type(item).exports(ENGINE).items():
                if isinstance(item_type(export), wit.FuncType) and signature(item_type(export)) == ENDPOINT:
                    if function in self.endpoints:
                        raise self._refused(f"it has two endpoints of the name `{function}`")
                    self.endpoints[function] = (name, function)
        if found is None:
            raise self._refused(f"it is no connector: it does not export `{CONNECTOR}@{CONTRACT}`")
        if not self.endpoints:
            raise self._refused("it has no endpoint: no exported function has the type of one")
        return found

    def _check_imports(self) -> None:
        """Compares what it imports with what there is."""
        # Not at the top: instances are made of connectors.
        from .instance import offered

        known = offered()
        for interface, version, ty in imports(self.component, ENGINE):
            full = f"{interface}@{version}" if version else interface
            ours = known.get(interface)
            if ours is None:
                raise self._refused(f"it imports `{full}`, which this host does not have")
            if not compatible(ours.VERSION, version):
                raise self._refused(f"it imports `{full}`, and this host has version {ours.VERSION}")
            if isinstance(ty, wit.ComponentInstanceType):
                for name, item in ty.exports(ENGINE).items():
                    if isinstance(item_type(item), wit.FuncType) and ours.find(name) is None:
                        missing = Import(interface, version, name)
                        raise self._refused(f"it imports {missing}, which this host does not have")

    def _describe(self) -> dict[str, Any]:
        from .instance import describe

        try:
            return describe(self)
        except Failure as failure:
            raise self._refused(f"`describe` failed: {failure.message}") from None

    def _check_endpoints(self) -> None:
        described = [endpoint["name"] for endpoint in self.descriptor["endpoints"]]
        if sorted(described) != sorted(self.endpoints):
            raise self._refused(
                f"`describe` names the endpoints {', '.join(described) or 'none'}, and it exports {', '.join(self.endpoints)}"
            )

    def _refused(self, message: str) -> Failure:
        return Failure("refused", f"{self.name} cannot be loaded: {message}")


_compiled: dict[bytes, wit.Component] = {}
_compiling = threading.Lock()


def compiled(data: bytes, name: str) -> wit.Component:
    """Compiles a component, once a process."""
    if not data.startswith(MAGIC):
        raise Failure("refused", f"{name} cannot be loaded: it is no WebAssembly")
    if data[4:8] != COMPONENT_LAYER:
        raise Failure("refused", f"{name} cannot be loaded: it is a core module, and this host loads components")
    digest = hashlib.sha256(data).digest()
    with _compiling:
        if digest not in _compiled:
            try:
                _compiled[digest] = wit.Component(ENGINE, data)
            except WasmtimeError as problem:
                message = f"{name} cannot be loaded: it is no valid component: {str(problem).splitlines()[0]}"
                raise Failure("refused", message) from None
        return _compiled[digest]


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
