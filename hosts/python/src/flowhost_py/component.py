"""A component that is a connector: what it exports and imports, compared with the contract and with this host."""

from __future__ import annotations

import hashlib
import threading
from typing import Any

from wasmtime import WasmtimeError
from wasmtime import component as wit

from . import contract
from .failure import Failure
from .guest import offered
from .schema import Schema
from .wasm.engine import ENGINE
from .wasm.linking import Codecs, compatible, imports, item_type
from .wasm.signature import signature

MAGIC = b"\0asm"
COMPONENT_LAYER = b"\x0d\x00\x01\x00"
"""What follows the magic number of a component; a core module has its version 1 there."""

MOST_DESCRIBED = 8 * 1024 * 1024
"""Characters of a description, about; the FTP connector's has 40,000."""


class Connector:
    """A connector, as `load` gives it. It may be started any number of times."""

    descriptor: dict[str, Any]
    """What it says of itself: `describe` of the contract."""
    connection_schema: Schema
    option_schemas: dict[str, Schema]
    """The schemas of its settings, and of each endpoint's options."""

    def __init__(self, name: str, data: bytes) -> None:
        """Compiles it. Raises `Failure` (`refused`) with the reason when this host cannot run it."""
        self.name = name
        self.component = self._compile(data)
        self.codecs = Codecs()
        self.endpoints: dict[str, str] = {}
        """The endpoints: by name, the interface that they are exported by."""
        self.interface = self._check_exports()
        """The full name of the contract's interface, with the version that it was built against."""
        self._check_imports()

    def refused(self, message: str) -> Failure:
        """Why it cannot be loaded."""
        return Failure("refused", f"{self.name} cannot be loaded: {message}")

    def _compile(self, data: bytes) -> wit.Component:
        if not data.startswith(MAGIC):
            raise self.refused("it is no WebAssembly component")
        if data[4:8] != COMPONENT_LAYER:
            raise self.refused("it is a core module, and this host loads components")
        try:
            return compiled(data)
        except WasmtimeError as problem:
            raise self.refused(f"it is no valid component: {str(problem).splitlines()[0]}") from None

    def _check_exports(self) -> str:
        """Finds the contract's interface, and the endpoints by their type."""
        found = None
        for name, item in self.component.type.exports(ENGINE).items():
            interface, _, version = name.partition("@")
            ty = item_type(item)
            if not isinstance(ty, wit.ComponentInstanceType):
                continue
            functions = _functions(ty)
            if interface == contract.CONNECTOR:
                if not compatible(contract.VERSION, version):
                    raise self.refused(f"it exports `{name}`, and this host knows version {contract.VERSION}")
                for function, expected in contract.FUNCTIONS[interface].items():
                    if functions.get(function) != expected:
                        raise self.refused(f"its `{name}` has no function `{function}` of the type {expected}")
                found = name
                continue
            for function, type_ in functions.items():
                if type_ != contract.ENDPOINT:
                    continue
                if function in self.endpoints:
                    raise self.refused(f"it has two endpoints of the name `{function}`")
                self.endpoints[function] = name
        if found is None:
            raise self.refused(f"it is no connector: it does not export `{contract.CONNECTOR}@{contract.VERSION}`")
        if not self.endpoints:
            raise self.refused("it has no endpoint: no exported function has the type of one")
        return found

    def _check_imports(self) -> None:
        """Compares what it imports with what there is."""
        known = offered()
        for interface, version, ty in imports(self.component, ENGINE):
            full = f"{interface}@{version}" if version else interface
            ours = known.get(interface)
            if ours is None:
                raise self.refused(f"it imports `{full}`, which this host does not have")
            if not compatible(ours.VERSION, version):
                raise self.refused(f"it imports `{full}`, and this host has version {ours.VERSION}")
            if not isinstance(ty, wit.ComponentInstanceType):
                raise self.refused(f"it imports `{full}`, which is no interface")
            for function, type_ in _functions(ty).items():
                if ours.find(function) is None:
                    raise self.refused(f"it imports `{function}` of `{full}`, which this host does not have")
                expected = contract.FUNCTIONS.get(interface, {}).get(function, type_)
                if type_ != expected:
                    raise self.refused(f"it imports `{function}` of `{full}` as {type_}; this host has {expected}")

    def learn(self, descriptor: dict[str, Any]) -> None:
        """Takes what it says of itself. Raises `Failure` (`refused`) when that cannot be."""
        if len(str(descriptor)) > MOST_DESCRIBED:
            raise self.refused(f"`describe` gives more than {MOST_DESCRIBED} characters")
        described = [endpoint["name"] for endpoint in descriptor["endpoints"]]
        if sorted(described) != sorted(self.endpoints):
            exported = ", ".join(self.endpoints)
            raise self.refused(f"`describe` names the endpoints {', '.join(described)}, and it exports {exported}")
        try:
            self.connection_schema = Schema("the connection settings", descriptor["connection_schema"])
            self.option_schemas = {
                endpoint["name"]: Schema(f"the options of `{endpoint['name']}`", endpoint["options_schema"])
                for endpoint in descriptor["endpoints"]
            }
        except ValueError as problem:
            raise self.refused(str(problem)) from None
        self.descriptor = descriptor


def _functions(ty: wit.ComponentInstanceType) -> dict[str, str]:
    """The functions of an interface, with their types written out."""
    exports = ((name, item_type(item)) for name, item in ty.exports(ENGINE).items())
    return {name: signature(export) for name, export in exports if isinstance(export, wit.FuncType)}


_compiled: dict[bytes, wit.Component] = {}
_compiling = threading.Lock()


def compiled(data: bytes) -> wit.Component:
    """Compiles a component, once a process."""
    digest = hashlib.sha256(data).digest()
    with _compiling:
        if digest not in _compiled:
            _compiled[digest] = wit.Component(ENGINE, data)
        return _compiled[digest]
