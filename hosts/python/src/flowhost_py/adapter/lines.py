"""The adapter's lines: JSON objects, one a line. Whole lines are written, from whatever thread."""

from __future__ import annotations

import base64
import json
import sys
import threading
from collections.abc import Iterator
from typing import Any, BinaryIO


class Lines:
    """Standard input and output."""

    def __init__(self, given: BinaryIO, taken: BinaryIO) -> None:
        self._in, self._out = given, taken
        self._lock = threading.Lock()

    def read(self) -> Iterator[dict[str, Any]]:
        """The suite's lines, until it ends."""
        for line in self._in:
            try:
                said = json.loads(line)
            except ValueError as problem:
                print(f"a line is no JSON: {problem}", file=sys.stderr)
                continue
            if isinstance(said, dict):
                yield said
            else:
                print(f"a line is no JSON object: {line[:100]!r}", file=sys.stderr)

    def write(self, **members: Any) -> None:
        """Writes one line."""
        line = json.dumps(members, ensure_ascii=False, default=_plain).encode("utf-8", "replace") + b"\n"
        with self._lock:
            self._out.write(line)
            self._out.flush()


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    raise TypeError(f"{type(value)} has no JSON form")
