"""The suite's requests, each answered in a thread of its own, since calls wait."""

from __future__ import annotations

import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .. import __version__
from ..component import Connector
from ..contract import VERSION
from ..desk import Limits, Run
from ..failure import Failure
from ..flow import Earlier, File, Incoming, Source, Text
from ..instance import CallFailed, Instance
from ..loading import load
from ..policy import Policy, Rule
from .lines import Lines
from .suite import SuiteFlow

PROTOCOL = 1
LONG = ("load", "start", "plan", "check", "call", "end")
"""What may take its time, while other lines come in."""
ENDING = 2.0
"""Seconds that a call which was ended by force may take to come back."""


class Requests:
    """What was loaded and started, and the calls that are under way."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self._connectors: dict[str, Connector] = {}
        self._instances: dict[str, Instance] = {}
        self._runs: dict[tuple[str, str], Run] = {}
        self._calls: dict[int, UnderWay] = {}
        self._threads: set[threading.Thread] = set()

    def take(self, said: dict[str, Any]) -> None:
        """Takes one line of the suite."""
        if "do" in said:
            if said["do"] in LONG:
                thread = threading.Thread(target=self._serve, args=[said], daemon=True)
                self._threads.add(thread)
                thread.start()
            else:
                self._serve(said)
        elif "answer" in said:
            for call in list(self._calls.values()):
                if said["answer"] in call.flow.questions:
                    call.flow.answer(said["answer"], said)
        elif "take" in said:
            for call in list(self._calls.values()):
                if body := call.flow.bodies.get(said["take"]):
                    body.ask(said["bytes"])
        else:
            print(f"a line is neither a request nor an answer: {said}", file=sys.stderr)

    def end(self) -> None:
        """The suite has gone: ends what is under way."""
        for call in list(self._calls.values()):
            call.instance.kill()
        for thread in list(self._threads):
            thread.join(ENDING)

    def _serve(self, said: dict[str, Any]) -> None:
        try:
            self._answer(said)
        finally:
            self._threads.discard(threading.current_thread())

    def _answer(self, said: dict[str, Any]) -> None:
        work: Callable[[dict[str, Any]], Any] | None = getattr(self, f"_do_{said['do']}", None)
        try:
            if work is None:
                raise Failure("host", f"the adapter does not know the request {said['do']!r}")
            answer = {"ok": work(said)}
        except Failure as failure:
            failed: dict[str, Any] = {"kind": failure.kind, "message": failure.message}
            if failure.error is not None:
                failed["error"] = failure.error
            answer = {"failed": failed}
            if isinstance(failure, CallFailed):
                answer["unsettled"] = failure.unsettled
        except Exception as fault:
            traceback.print_exc()
            answer = {"failed": {"kind": "host", "message": f"{type(fault).__name__}: {fault}"}}
        self._lines.write(id=said.get("id"), **answer)

    def _do_hello(self, said: dict[str, Any]) -> dict[str, Any]:
        if said.get("protocol") != PROTOCOL:
            raise Failure("host", f"this adapter speaks protocol {PROTOCOL}")
        return {"name": "flowhost-py", "version": __version__, "contract": VERSION, "protocol": PROTOCOL}

    def _do_load(self, said: dict[str, Any]) -> dict[str, Any]:
        connector = load(Path(said["component"]))
        self._connectors[said["as"]] = connector
        return {"endpoints": list(connector.endpoints), "descriptor": connector.descriptor}

    def _do_start(self, said: dict[str, Any]) -> dict[str, Any]:
        connector = self._connectors.get(said["connector"])
        if connector is None:
            raise Failure("refused", f"no connector was loaded as {said['connector']!r}")
        run = self._runs.setdefault((said["run"], said["instance"]), Run(said["run"]))
        limits = {name: value for name, value in (said.get("limits") or {}).items() if value is not None}
        self._instances[said["instance"]] = Instance(
            connector, run, _policy(said.get("policy") or {}), Limits(**limits), said.get("log_threshold") or "info"
        )
        return {}

    def _do_plan(self, said: dict[str, Any]) -> dict[str, Any]:
        plan = self._instance(said).plan(said.get("endpoint"), said["connection"], said.get("options") or "{}")
        return {"egress": plan}

    def _do_check(self, said: dict[str, Any]) -> dict[str, Any]:
        instance = self._instance(said)
        with self._under_way(said, instance) as flow:
            steps = instance.check(said["connection"], bool(said.get("probe_write")), said["limit_ms"] / 1000, flow)
        return {"steps": steps}

    def _do_call(self, said: dict[str, Any]) -> dict[str, Any]:
        instance = self._instance(said)
        with self._under_way(said, instance) as flow:
            outcome = instance.call(
                said["endpoint"],
                said["connection"],
                said["options"],
                [_incoming(payload) for payload in said["incoming"]],
                flow,
                limit=said["limit_ms"] / 1000,
                attempt=said["attempt"],
            )
        return {"summary": outcome.summary, "well": outcome.well, "unsettled": outcome.unsettled}

    def _do_cancel(self, said: dict[str, Any]) -> dict[str, Any]:
        if call := self._calls.get(said["call"]):
            call.instance.cancel(call.flow)
        return {}

    def _do_end(self, said: dict[str, Any]) -> dict[str, Any]:
        self._instance(said).close()
        del self._instances[said["instance"]]
        return {}

    def _instance(self, said: dict[str, Any]) -> Instance:
        instance = self._instances.get(said["instance"])
        if instance is None:
            raise Failure("refused", f"no instance was started as {said['instance']!r}")
        return instance

    def _under_way(self, said: dict[str, Any], instance: Instance) -> UnderWay:
        return UnderWay(self._calls, said["id"], SuiteFlow(said["id"], self._lines), instance)


class UnderWay:
    """A call, where the suite's lines find it as long as it lasts."""

    def __init__(self, calls: dict[int, UnderWay], call: int, flow: SuiteFlow, instance: Instance) -> None:
        self._calls, self._call = calls, call
        self.flow, self.instance = flow, instance

    def __enter__(self) -> SuiteFlow:
        self._calls[self._call] = self
        return self.flow

    def __exit__(self, *_: object) -> None:
        del self._calls[self._call]


def _policy(said: dict[str, Any]) -> Policy:
    try:
        allow = tuple(Rule.parse(text) for text in said.get("allow") or [])
    except ValueError as problem:
        raise Failure("refused", f"the policy: {problem}") from None
    certificates = (said.get("client_certificates") or {}).items()
    return Policy(
        allow,
        bool(said.get("listen")),
        bool(said.get("insecure_tls")),
        {name: (pair["certificate"], pair["key"]) for name, pair in certificates},
    )


def _incoming(said: dict[str, Any]) -> Incoming:
    body: Source | None = None
    if (given := said.get("body")) is not None:
        body = File(Path(given["file"])) if "file" in given else Text(given["text"].encode())
    metadata = {"attributes": [], **said["metadata"]}
    metadata["attributes"] = [tuple(pair) for pair in metadata["attributes"] or []]
    earlier = said.get("earlier")
    return Incoming(metadata, said["options"], body, earlier and Earlier(earlier.get("note")))
