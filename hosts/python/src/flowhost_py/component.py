"""Loading: a component is compiled, compared with the contract, and asked what it is."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path
from typing import Any

from wasmtime import WasmtimeError
from wasmtime import component as wit

from .failure import Failure
from .guest import offered
from .schema import Schema
from .wasm.engine import ENGINE
from .wasm.linking import Codecs, Import, compatible, imports, item_type
from .wasm.signature import CONNECTOR_FUNCTIONS, ENDPOINT, signature

CONNECTOR = "flow:connector/connector"
CONTRACT = "0.1.1"
"""The version of `flow:connector` that this host implements."""

MAGIC = b"\0asm"
COMPONENT_LAYER = b"\x0d\x00\x01\x00"
"""What follows the magic number of a component; a core module has its version 1 there."""


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
                self._check_connector(item_type(item))
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

    def _check_connector(self, ty: wit.ComponentInstanceType) -> None:
        exports = {name: item_type(export) for name, export in ty.exports(ENGINE).items()}
        for name, expected in CONNECTOR_FUNCTIONS.items():
            if not isinstance(exports.get(name), wit.FuncType) or signature(exports[name]) != expected:
                raise self._refused(f"its `{CONNECTOR}` has no function `{name}` of the type {expected}")

    def _check_imports(self) -> None:
        """Compares what it imports with what there is."""
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
            exported = ", ".join(self.endpoints)
            raise self._refused(f"`describe` names the endpoints {', '.join(described)}, and it exports {exported}")

    def _refused(self, message: str) -> Failure:
        return Failure("refused", f"{self.name} cannot be loaded: {message}")


_compiled: dict[bytes, wit.Component] = {}
_compiling = threading.Lock()


def compiled(data: bytes, name: str) -> wit.Component:
    """Compiles a component, once a process."""
    if not data.startswith(MAGIC):
        raise Failure("refused", f"{name} cannot be loaded: it is no WebAssembly component")
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
