"""Failures of a call, by who has to act."""

from __future__ import annotations

from typing import Any


class Failure(Exception):
    """A call that did not come to its end, or a component that cannot be loaded.

    `kind` says what failed:

    - `refused`: the component, its settings or its options are not what they must be, or the instance is gone
    - `connector`: the connector returned an error, which is in `error`
    - `policy`: the operator does not allow what it plans
    - `trap`: it broke down; the instance is gone
    - `time-out`: its time was up, and it was ended by force; the instance is gone
    - `cancelled`: it was asked to end, did not, and was ended by force; the instance is gone
    - `limit`: a limit was reached that ends the call
    - `host`: a fault of this host
    """

    def __init__(self, kind: str, message: str, error: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.kind, self.message, self.error = kind, message, error


def error(
    kind: str, message: str, *, retry: Any = "never", effect: str = "none", code: str | None = None
) -> dict[str, Any]:
    """An `error` of the contract, in this host's own words."""
    return {
        "kind": kind,
        "message": message,
        "code": code,
        "retry": retry,
        "effect": effect,
        "details": None,
    }
