"""`wasi:random`: random numbers, all of them good ones."""

from __future__ import annotations

import secrets

from ..wasm.linking import Interface, function

MOST = 1024 * 1024
"""Bytes at a time."""


def _bytes(length: int) -> bytes:
    if length > MOST:
        raise RuntimeError(f"{length} random bytes were asked for at a time; at most {MOST} are given")
    return secrets.token_bytes(length)


class Random(Interface):
    """`wasi:random/random`."""

    NAME, VERSION = "wasi:random/random", "0.2.6"

    @function
    def get_random_bytes(self, length: int) -> bytes:
        return _bytes(length)

    @function
    def get_random_u64(self) -> int:
        return secrets.randbits(64)


class Insecure(Interface):
    """`wasi:random/insecure`."""

    NAME, VERSION = "wasi:random/insecure", "0.2.6"

    @function
    def get_insecure_random_bytes(self, length: int) -> bytes:
        return _bytes(length)

    @function
    def get_insecure_random_u64(self) -> int:
        return secrets.randbits(64)


class InsecureSeed(Interface):
    """`wasi:random/insecure-seed`."""

    NAME, VERSION = "wasi:random/insecure-seed", "0.2.6"

    @function
    def insecure_seed(self) -> tuple[int, int]:
        return secrets.randbits(64), secrets.randbits(64)
