"""The engine, one for a process, and how a guest is stopped in the middle of its own code."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

from wasmtime import Config, Engine, Store
from wasmtime import _ffi as ffi

from .linking import failure

MEMORY = 256 * 1024 * 1024
"""Bytes of memory that one guest may have."""
GO_ON = 0
"""`WASMTIME_UPDATE_DEADLINE_CONTINUE` of the C API."""


def _engine() -> Engine:
    config = Config()
    config.epoch_interruption = True
    # Calls are made one after another. With concurrency, wasmtime 50.0 also traps ("deferred host scope has no call
    # context") where a function of the host is given two borrowed handles.
    ffi.wasmtime_config_concurrency_support_set(config.ptr(), False)
    return Engine(config)


ENGINE = _engine()


def interrupt() -> None:
    """Makes every guest that runs ask whether it may go on, at its next loop or call."""
    ENGINE.increment_epoch()


class GuestStore(Store):
    """What one live connector is made of. Its guest runs until `interrupt`, and on if nothing has `stopped` it."""

    def __init__(self, stopped: Callable[[], str | None]) -> None:
        super().__init__(ENGINE)
        self._stopped = stopped
        self.set_limits(memory_size=MEMORY)
        # Kept here: wasmtime holds the function, but Python does not know.
        self._asked = ASKED(self._ask)
        ffi.wasmtime_store_epoch_deadline_callback(self.ptr(), self._asked, None, NO_FINALIZER)
        self.set_epoch_deadline(1)

    def _ask(self, _context: Any, _data: Any, ticks: Any, what: Any) -> int:
        if why := self._stopped():
            return failure(f"stopped: {why}")
        ticks[0], what[0] = 1, GO_ON
        return 0


ASKED = ctypes.CFUNCTYPE(
    ctypes.c_size_t,
    ctypes.POINTER(ffi.wasmtime_context_t),
    ctypes.c_void_p,
    ctypes.POINTER(ctypes.c_uint64),
    ctypes.POINTER(ffi.wasmtime_update_deadline_kind_t),
)
NO_FINALIZER = ctypes.CFUNCTYPE(None, ctypes.c_void_p)()
