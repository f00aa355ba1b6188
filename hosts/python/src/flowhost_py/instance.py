"""A live connector: one instance of a flow within one run. What it holds (its FTP session) lasts over its calls."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from wasmtime import WasmtimeError

from .component import Connector
from .contract import CONNECTOR
from .desk import Desk, Limits, Run
from .failure import Failure
from .flow import Flow, Incoming
from .guest import Guest
from .policy import Policy
from .wait import Stopped
from .wasm.engine import ENGINE, GuestStore, interrupt
from .wasm.linking import GuestFunction, Linked
from .wasm.values import WitError

QUICK = 5.0
"""Seconds for `describe` and `plan`, which neither wait nor work much, and for a component's start."""
GRACE = 3.0
"""Seconds that a connector has to end in good order after it was asked to; a second is what the contract asks for."""


@dataclass(frozen=True)
class Outcome:
    """What came of a call that ended with a summary."""

    summary: dict[str, int]
    well: bool
    unsettled: list[dict[str, str]]


class CallFailed(Failure):
    """A call that failed, with what it left."""

    def __init__(self, failure: Failure, unsettled: list[dict[str, str]]) -> None:
        super().__init__(failure.kind, failure.message, failure.error)
        self.unsettled = unsettled


class Instance:
    """A live connector. Its calls are made one after another; `cancel` may come from any thread."""

    def __init__(
        self,
        connector: Connector,
        run: Run,
        policy: Policy | None = None,
        limits: Limits | None = None,
        log_threshold: str = "info",
    ) -> None:
        self._connector, self._run, self._limits = connector, run, limits or Limits()
        self._guest = Guest(policy or Policy(), run.id, log_threshold)
        self._turn = threading.Lock()
        self._ending = threading.Lock()
        self._desk: Desk | None = None
        self.alive = True
        """Whether it can be called: not any more after a trap or an end by force."""
        self._store = GuestStore(lambda: self._guest.waiter.stopped)
        self._linked = Linked(ENGINE, connector.component, connector.codecs, self._guest)
        self._functions: dict[tuple[str, str], GuestFunction] = {}
        self._guest.mute = "the start"
        self._instance = self._within(QUICK, lambda: self._linked.linker.instantiate(self._store, connector.component))

    def describe(self) -> dict[str, Any]:
        """What the connector says of itself. Raises `Failure`."""
        with self._turn:
            return dict(self._quick("describe"))

    def plan(self, endpoint: str | None, connection: str, options: str = "{}") -> list[dict[str, Any]]:
        """What a call of the endpoint would reach; without one, what `check` would. Raises `Failure`."""
        with self._turn:
            return self._plan(endpoint, connection, options)

    def check(self, connection: str, probe_write: bool, limit: float, flow: Flow) -> list[dict[str, Any]]:
        """Has the connector connect, sign in, and tell what it finds. `limit` is in seconds. Raises `Failure`."""
        with self._turn:
            desk = self._begin(Desk(flow, self._run, self._limits, [], payloads=False))
            try:
                end = time.monotonic() + limit
                self._check_settings(None, connection, "{}")
                self._grant(end, self._plan(None, connection, "{}"))
                return list(self._call(end, 1, desk, CONNECTOR, "check", connection, probe_write))
            finally:
                self._end(desk, untouched=True)

    def call(
        self,
        endpoint: str,
        connection: str,
        options: str,
        incoming: Sequence[Incoming],
        flow: Flow,
        *,
        limit: float,
        attempt: int = 1,
    ) -> Outcome:
        """Calls an endpoint, within `limit` seconds. Raises `CallFailed`."""
        with self._turn:
            desk = self._begin(Desk(flow, self._run, self._limits, list(incoming)))
            try:
                end = time.monotonic() + limit
                self._check_settings(endpoint, connection, options)
                for payload in incoming:
                    self._connector.option_schemas[endpoint].check(payload.options)
                self._grant(end, self._plan(endpoint, connection, options))
                call = {"connection": connection, "options": options}
                summary = self._call(end, attempt, desk, self._connector.endpoints[endpoint], endpoint, call)
            except Failure as failure:
                unsettled = self._end(desk, untouched=failure.kind not in ("trap", "time-out", "cancelled"))
                raise CallFailed(failure, unsettled) from None
            unsettled = self._end(desk, untouched=False)
            return Outcome(summary, desk.well(unsettled), unsettled)

    def cancel(self, flow: Flow | None = None) -> None:
        """Asks the call of now to end, and ends it by force when it does not. With `flow`: that flow's call, also when
        it is only about to begin."""
        if flow is not None:
            flow.cancel_wanted = True
        desk = self._desk
        if desk is not None and flow in (None, desk.flow):
            desk.cancelled.set()
            self._guest.waiter.wake()
            timer = threading.Timer(GRACE, self._force, [desk])
            timer.daemon = True
            timer.start()

    def _force(self, desk: Desk) -> None:
        """The grace of a cancelled call is over; it may have ended by then."""
        with self._ending:
            if self._desk is desk:
                self._stop("cancelled")

    def kill(self) -> None:
        """Ends the call of now by force, and the instance with it."""
        self._stop("cancelled")

    def close(self) -> None:
        """Ends it, and closes its connections."""
        with self._turn:
            self._kill()

    def _check_settings(self, endpoint: str | None, connection: str, options: str) -> None:
        self._connector.connection_schema.check(connection, templates=True)
        if endpoint is None:
            return
        if endpoint not in self._connector.endpoints:
            known = ", ".join(self._connector.endpoints)
            raise Failure("refused", f"the connector has no endpoint {endpoint!r}; it has {known}")
        self._connector.option_schemas[endpoint].check(options, templates=True)

    def _begin(self, desk: Desk) -> Desk:
        desk.flow.begin(self._guest.waiter, desk.cancelled)
        self._desk = desk
        if desk.flow.cancel_wanted:
            self.cancel(desk.flow)
        return desk

    def _end(self, desk: Desk, untouched: bool) -> list[dict[str, str]]:
        with self._ending:
            self._desk = self._guest.exchange.desk = self._guest.context.desk = None
            if self.alive:
                self._guest.waiter.stopped = None  # The end by force came too late.
        desk.flow.cancel_wanted = False
        return desk.close(untouched)

    def _plan(self, endpoint: str | None, connection: str, options: str) -> list[dict[str, Any]]:
        if endpoint is not None and endpoint not in self._connector.endpoints:
            self._check_settings(endpoint, connection, options)
        call = {"connection": connection, "options": options}
        return list(self._quick("plan", endpoint, call))

    def _quick(self, function: str, *params: Any) -> Any:
        """Calls a function that may call no import."""
        self._guest.mute = function
        try:
            return self._within(
                QUICK, lambda: self._function(CONNECTOR, function)(self._store, self._guest.resources, *params)
            )
        finally:
            self._guest.mute = None

    def _grant(self, end: float, plan: list[dict[str, Any]]) -> None:
        """Grants what the policy allows of a plan. It takes as long as its names take to be resolved."""
        self._within(end - time.monotonic(), lambda: self._guest.reach.grant(plan))

    def _call(self, end: float, attempt: int, desk: Desk, interface: str, function: str, *params: Any) -> Any:
        """Calls a function that does the work."""
        self._guest.context.attempt_number = attempt
        self._guest.context.deadline = end
        self._guest.exchange.desk = self._guest.context.desk = desk
        self._guest.mute = None
        return self._within(
            end - time.monotonic(),
            lambda: self._function(interface, function)(self._store, self._guest.resources, *params),
        )

    def _function(self, interface: str, function: str) -> GuestFunction:
        if interface == CONNECTOR:
            interface = self._connector.interface
        made = self._functions.get((interface, function))
        if made is None:
            index = self._instance.get_export_index(self._store, interface)
            func = self._instance.get_func(self._store, self._instance.get_export_index(self._store, function, index))
            if func is None:
                raise Failure("host", f"`{function}` of `{interface}` is not there")
            made = self._functions[(interface, function)] = GuestFunction(func, func.type(self._store))
        return made

    def _within(self, limit: float, run: Callable[[], Any]) -> Any:
        """Runs the guest, at most so many seconds. Raises `Failure`; after all but the connector's own errors and those
        of the policy the instance is gone."""
        if not self.alive:
            raise Failure("refused", "the connector's instance ended with an earlier trap or time-out; start another")
        timer = threading.Timer(max(0, limit), self._stop, ["time-out"])
        timer.daemon = True
        timer.start()
        self._guest.fault = None
        try:
            return run()
        except WitError as error:
            raise Failure("connector", error.value["message"], error.value) from None
        except (WasmtimeError, Stopped) as problem:
            raise self._broken(problem) from None
        finally:
            timer.cancel()
            timer.join()

    def _broken(self, problem: BaseException) -> Failure:
        """Why the guest was stopped. Nothing of it may be used again."""
        stopped, fault, words = self._guest.waiter.stopped, self._guest.fault, self._guest.words.text()
        self._kill()
        if stopped == "time-out":
            return Failure("time-out", "the call took longer than it may and was ended by force")
        if stopped:
            return Failure("cancelled", "the call was asked to end, did not, and was ended by force")
        message = str(fault) if fault is not None else cause(str(problem))
        return Failure("trap", "the connector broke down: " + message + (f"; its last words: {words}" if words else ""))

    def _stop(self, why: str) -> None:
        """Ends the guest by force, wherever it is: in a wait of ours, or in its own code."""
        self._guest.waiter.stop(why)
        interrupt()

    def _kill(self) -> None:
        if self.alive:
            self.alive = False
            self._guest.close()
            self._functions.clear()
            self._store.close()
            self._linked.linker.close()


def cause(message: str) -> str:
    """What wasmtime names as the first cause, without the guest's stack before it."""
    _, caused, causes = message.partition("Caused by:")
    lines = (causes if caused else message).strip().splitlines()
    return lines[0].removeprefix("0: ").strip() if lines else "no reason was given"
