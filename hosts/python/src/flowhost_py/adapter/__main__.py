"""`python -m flowhost_py.adapter`: speaks the suite's protocol over standard input and output."""

from __future__ import annotations

import sys

from .lines import Lines
from .requests import Requests


def main() -> int:
    """Serves until its input ends."""
    lines = Lines(sys.stdin.buffer, sys.stdout.buffer)
    requests = Requests(lines)
    for line in lines.read():
        requests.take(line)
    requests.end()
    return 0


if __name__ == "__main__":
    sys.exit(main())
