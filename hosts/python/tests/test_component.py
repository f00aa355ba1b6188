"""What is refused, and why. The conformance suite has the rest, with components made for it."""

from __future__ import annotations

import tempfile
import unittest
from pathlib import Path

from wasmtime import wat2wasm

from flowhost_py import CallFailed, Failure, Flow, Incoming, Instance, Run, load
from flowhost_py.wasm.linking import compatible

from .component import COMPONENT

MINIMAL = Path(__file__).parents[3] / "tests" / "conformance" / "components" / "minimal.wat"
"""The smallest connector. Its marks, `(; … ;)`, are places to put more."""


def minimal(mark: str = "", text: str = "") -> bytes:
    """The smallest connector with a text in place of a mark."""
    wat = MINIMAL.read_text()
    if mark not in wat:
        raise ValueError(f"{MINIMAL} has no {mark!r}")
    return bytes(wat2wasm(wat.replace(mark, text) if mark else wat))


class Refusals(unittest.TestCase):
    def refused(self, data: bytes, *words: str) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "it.wasm")
            path.write_bytes(data)
            with self.assertRaises(Failure) as caught:
                load(path)
        self.assertEqual(caught.exception.kind, "refused")
        for word in ("it.wasm", *words):
            self.assertIn(word, caught.exception.message)

    def test_what_is_no_component(self) -> None:
        self.refused(b"", "no WebAssembly")
        self.refused(b"(component)", "no WebAssembly")
        self.refused(bytes(wat2wasm("(module)")), "core module")
        self.refused(bytes(wat2wasm("(component)")) + b"rest", "no valid component")

    def test_what_is_no_connector(self) -> None:
        self.refused(bytes(wat2wasm("(component)")), "flow:connector/connector")
        other = '(component (instance $i) (export "flow:connector/connector@0.1.0" (instance $i)))'
        self.refused(bytes(wat2wasm(other)), "describe")
        later = '(component (instance $i) (export "flow:connector/connector@0.2.0" (instance $i)))'
        self.refused(bytes(wat2wasm(later)), "0.2.0", "0.1")

    def test_imports(self) -> None:
        more, context = "(; more imports ;)", "(; more of the context ;)"
        strange = '(import "acme:payroll/salaries@1.0.0" (instance (export "all" (func (result string)))))'
        self.refused(minimal(more, strange), "acme:payroll/salaries@1.0.0")
        self.refused(minimal(context, '(export "weather" (func (result string)))'), "`weather`", "context@0.1.1")
        self.refused(minimal(context, '(export "attempt" (func (result string)))'), "`attempt`", "() -> u32")
        self.refused(minimal(more, '(import "lonely" (func))'), "lonely")

    def test_a_description_that_cannot_be(self) -> None:
        schemas = {"connection_schema": "{}", "endpoints": [{"name": "ftp-get", "options_schema": "{}"}]}
        put = {"name": "ftp-put", "options_schema": "{}"}
        connector = load(COMPONENT)
        for descriptor, word in (
            (schemas, "ftp-put"),
            ({**schemas, "endpoints": [*schemas["endpoints"], put], "connection_schema": "no JSON"}, "settings"),
            ({**schemas, "endpoints": [*schemas["endpoints"], put], "title": "x" * 9_000_000}, "characters"),
        ):
            with self.subTest(word), self.assertRaises(Failure) as caught:
                connector.learn(descriptor)
            self.assertIn(word, caught.exception.message)
            self.assertIn("ftp.wasm", caught.exception.message)

    def test_a_file_that_is_not_there(self) -> None:
        with self.assertRaises(Failure) as caught:
            load(Path("nowhere.wasm"))
        self.assertIn("nowhere.wasm", caught.exception.message)


class Calls(unittest.TestCase):
    def test_the_smallest_connector(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "minimal.wasm")
            path.write_bytes(minimal())
            connector = load(path)
        self.assertEqual((list(connector.endpoints), connector.descriptor["id"]), (["nothing"], "minimal"))
        instance = Instance(connector, Run("run"))
        self.assertEqual(instance.plan("nothing", "{}"), [])
        flow, trigger = Flow(), Incoming.trigger("run", "{}")
        for _ in range(2):
            outcome = instance.call("nothing", "{}", "{}", [trigger], flow, limit=5)
            self.assertEqual(outcome.summary, {"payloads": 0, "bytes": 0, "skipped": 0, "failed": 0})
        with self.assertRaises(CallFailed) as caught:
            instance.call("something", "{}", "{}", [trigger], flow, limit=5)
        self.assertEqual(caught.exception.kind, "refused")
        instance.close()
        with self.assertRaises(Failure):
            instance.plan("nothing", "{}")


class Versions(unittest.TestCase):
    def test_compatible(self) -> None:
        for ours, theirs, expected in (
            ("0.1.1", "0.1.0", True),
            ("0.1.1", "0.1.99", True),
            ("0.1.1", "0.2.0", False),
            ("0.1.1", "1.1.0", False),
            ("0.1.1", "", False),
            ("0.2.6", "0.2.0", True),
            ("1.2.0", "1.5.0", True),
        ):
            with self.subTest(ours=ours, theirs=theirs):
                self.assertEqual(compatible(ours, theirs), expected)


if __name__ == "__main__":
    unittest.main()
