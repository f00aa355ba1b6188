"""Settings and options, checked against the connector's JSON Schemas (2020-12)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, ValidationError

from .failure import Failure

TEMPLATE = "{{"
"""A text with this in it is a template: nothing can be said of it before its values are filled in."""

CHOICES = {"anyOf", "oneOf", "allOf", "not", "if"}
"""What judges a value as a whole, whose parts may be templates."""


class Schema:
    """One schema of a connector."""

    def __init__(self, what: str, text: str) -> None:
        """`what` is what it describes, for messages. Raises `ValueError` when it is no schema."""
        self._what = what
        try:
            schema = json.loads(text)
            Draft202012Validator.check_schema(schema)
        except (json.JSONDecodeError, SchemaError) as problem:
            message = f"the connector's schema of {what} is no JSON Schema: {str(problem).splitlines()[0]}"
            raise ValueError(message) from None
        self._validator = Draft202012Validator(schema)

    def check(self, text: str, templates: bool = False) -> None:
        """Raises `Failure` when the JSON text does not fit. With `templates` it may contain some."""
        try:
            value = json.loads(text)
        except json.JSONDecodeError as problem:
            raise Failure("refused", f"{self._what}: no JSON: {problem}") from None
        for unfit in self._problems(value, templates):
            # The value itself is not shown: it may be a secret.
            where = "/".join(["", *(str(part) for part in unfit.absolute_path)])
            raise Failure("refused", f"{self._what}{where and f' at {where}'}: {_say(unfit)}")

    def _problems(self, value: Any, templates: bool) -> Iterator[ValidationError]:
        for problem in self._validator.iter_errors(value):
            if not (templates and _open(problem)):
                yield problem


def _open(problem: ValidationError) -> bool:
    """Whether a problem may be none once the templates are filled in."""
    if isinstance(problem.instance, str):
        return TEMPLATE in problem.instance
    return problem.validator in CHOICES and TEMPLATE in json.dumps(problem.instance)


def _say(problem: ValidationError) -> str:
    if problem.validator in ("additionalProperties", "unevaluatedProperties", "required"):
        return problem.message  # It names properties, and shows no values.
    expected = json.dumps(problem.validator_value)
    return f"the value does not fit `{problem.validator}`: {expected[:200]}"
