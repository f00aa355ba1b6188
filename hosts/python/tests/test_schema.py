"""Settings and options against schemas, with templates in them."""

from __future__ import annotations

import json
import unittest

from flowhost_py.failure import Failure
from flowhost_py.schema import Schema

OPTIONS = {
    "type": "object",
    "additionalProperties": False,
    "required": ["path"],
    "properties": {
        "path": {"type": "string", "minLength": 3},
        "count": {"type": "integer"},
        "mode": {"enum": ["a", "b"]},
        "either": {"oneOf": [{"const": "x"}, {"type": "object", "properties": {"y": {"type": "integer"}}}]},
    },
}


class Schemas(unittest.TestCase):
    def setUp(self) -> None:
        self.schema = Schema("the options", json.dumps(OPTIONS))

    def refused(self, value: object, templates: bool = False) -> str:
        with self.assertRaises(Failure) as caught:
            self.schema.check(json.dumps(value), templates)
        self.assertEqual(caught.exception.kind, "refused")
        return caught.exception.message

    def test_what_fits(self) -> None:
        self.schema.check('{"path": "abc", "count": 1, "mode": "a", "either": {"y": 1}}')

    def test_what_does_not(self) -> None:
        self.assertIn("/count", self.refused({"path": "abc", "count": "1"}))
        self.assertIn("nope", self.refused({"path": "abc", "nope": 1}))
        self.assertIn("path", self.refused({}))

    def test_values_are_not_shown(self) -> None:
        self.assertNotIn("hunter2", self.refused({"path": "abc", "count": "hunter2"}))

    def test_templates_are_not_judged(self) -> None:
        templates = {"path": "{{", "count": "{{ n }}", "mode": "{{ m }}", "either": {"y": "{{ y }}"}}
        self.schema.check(json.dumps(templates), templates=True)
        self.refused(templates)
        self.assertIn("nope", self.refused({"path": "{{ p }}", "nope": 1}, templates=True))

    def test_what_is_no_json_and_no_schema(self) -> None:
        with self.assertRaises(Failure):
            self.schema.check("{")
        for text in ("{", '{"type": 1}'):
            with self.subTest(text), self.assertRaises(ValueError):
                Schema("the options", text)


if __name__ == "__main__":
    unittest.main()
