"""Real files over FTP and FTPS, with the FTP connector."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
import unittest
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flowhost_py import CallFailed, Connector, Flow, Incoming, Instance, Limits, Outcome, Policy, Rule, Run, Text, load
from flowhost_py.flow import Body, Metadata

from .certificates import identity
from .component import COMPONENT
from .servers import PASSWORD, USER, Server

MIB = 1024 * 1024
LARGE = os.urandom(3 * MIB + 7)


class Memory:
    """A body in memory; it has room while it may hold more."""

    def __init__(self, most: int) -> None:
        self.data = bytearray()
        self.most = most

    def room(self) -> bool:
        return len(self.data) < self.most

    def write(self, data: bytes) -> None:
        self.data += data

    def sent(self) -> bool:
        return True

    def discard(self) -> None:
        self.data.clear()


class Into(Flow):
    """Takes everything into memory."""

    def __init__(self, most: int = 1 << 40) -> None:
        self.made: dict[str, bytes] = {}
        self.begun: dict[str, Memory] = {}
        self.settlements: list[Any] = []
        self.room = most
        self.when_offered: Callable[[], None] = lambda: None

    def offered(self, metadata: Metadata) -> Body:
        body = self.begun[metadata["name"]] = Memory(self.room)
        self.when_offered()
        return body

    def finished(self, body: Body, metadata: Metadata) -> None:
        assert isinstance(body, Memory)
        self.made[metadata["name"]] = bytes(body.data)

    def settled(self, incoming: Incoming, outcome: Any) -> None:
        self.settlements.append(outcome)


class Transfers(unittest.TestCase):
    connector: Connector

    @classmethod
    def setUpClass(cls) -> None:
        cls.connector = load(COMPONENT)

    def start(self, server: Server, limits: Limits | None = None, listen: bool = False, **settings: Any) -> None:
        policy = Policy((Rule.parse("127.0.0.1:1024-65535"),), listen)
        self.instance = Instance(self.connector, Run("run"), policy, limits)
        self.addCleanup(self.instance.close)
        auth = {"username": USER, "password": PASSWORD}
        self.connection = json.dumps({"host": "127.0.0.1", "port": server.port, "auth": auth, **settings})

    def get(self, flow: Flow, path: str, limit: float = 60) -> Outcome:
        options = json.dumps({"root": "/", "path": path})
        trigger = Incoming.trigger("run", options)
        return self.instance.call("ftp-get", self.connection, options, [trigger], flow, limit=limit)

    def both_ways(self, server: Server, listen: bool = False, **settings: Any) -> None:
        files = {"empty.bin": b"", "small.bin": b"hello", "large.bin": LARGE}
        for name, data in files.items():
            (server.root / name).write_bytes(data)
        self.start(server, listen=listen, **settings)
        flow = Into()
        outcome = self.get(flow, ".*")
        self.assertTrue(outcome.well)
        self.assertEqual(flow.made, files)

        incoming = [
            Incoming({"id": name, "attributes": []}, json.dumps({"path": f"up/{name}"}), Text(data))
            for name, data in files.items()
        ]
        options = json.dumps({"path": "up/{{ name }}"})
        outcome = self.instance.call("ftp-put", self.connection, options, incoming, flow, limit=60)
        self.assertTrue(outcome.well)
        self.assertEqual({path.name: path.read_bytes() for path in (server.root / "up").iterdir()}, files)

    def test_ftp(self) -> None:
        with Server() as server:
            self.both_ways(server)

    def test_ftps(self) -> None:
        own = identity("127.0.0.1")
        with Server(own) as server:
            self.both_ways(server, tls="explicit", tls_trust={"roots": own.pem})

    def test_active_mode(self) -> None:
        with Server() as server:
            self.both_ways(server, listen=True, data_connection="active")
            self.start(server, data_connection="active")
            with self.assertRaises(CallFailed) as caught:
                self.get(Into(), ".*")
            self.assertEqual(caught.exception.kind, "policy")

    def test_the_example(self) -> None:
        own = identity("127.0.0.1")
        with Server(own) as server, tempfile.TemporaryDirectory() as folder:
            (server.root / "orders").mkdir()
            (server.root / "orders" / "large.bin").write_bytes(LARGE)
            certificate, target = Path(folder, "own.pem"), Path(folder, "target")
            certificate.write_text(own.pem)
            target.mkdir()
            program = Path(__file__).parents[1] / "examples" / "get_folder.py"
            command: list[str | Path] = [
                program,
                COMPONENT,
                "127.0.0.1",
                str(server.port),
                USER,
                "orders",
                target,
                certificate,
            ]
            environment = {**os.environ, "FTP_PASSWORD": PASSWORD, "PYTHONPATH": os.pathsep.join(sys.path)}
            done = subprocess.run(
                [sys.executable, *command], env=environment, capture_output=True, text=True, timeout=60, check=False
            )
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual({path.name: path.read_bytes() for path in target.iterdir()}, {"large.bin": LARGE})

    def test_the_readme_shows_the_example(self) -> None:
        home = Path(__file__).parents[1]
        example = (home / "examples" / "get_folder.py").read_text()
        shown = re.findall(r"```python\n(.*?)```", (home / "README.md").read_text(), re.DOTALL)
        self.assertEqual(len(shown), 2)
        for code in shown:
            self.assertTrue(code in example or textwrap.indent(code, "    ") in example, code)

    def test_ftps_with_a_stranger(self) -> None:
        with Server(identity("127.0.0.1")) as server:
            self.start(server, tls="explicit")
            with self.assertRaises(CallFailed) as caught:
                self.get(Into(), ".*")
            self.assertEqual((caught.exception.error or {})["kind"], "tls")

    def test_a_full_flow_makes_the_server_wait(self) -> None:
        with Server() as server:
            (server.root / "large.bin").write_bytes(LARGE)
            self.start(server)
            flow = Into(most=MIB)

            def make_room() -> None:
                time.sleep(0.5)
                self.held = len(flow.begun["large.bin"].data)
                flow.begun["large.bin"].most = 1 << 40
                flow.waiter.wake()

            threading.Thread(target=make_room, daemon=True).start()
            self.assertTrue(self.get(flow, "large.bin").well)
            self.assertLess(self.held, MIB + 65536 + 1)
            self.assertEqual(flow.made, {"large.bin": LARGE})

    def test_a_deadline_gets_through_while_it_waits(self) -> None:
        with Server() as server:
            (server.root / "large.bin").write_bytes(LARGE)
            self.start(server)
            flow = Into(most=1)
            with self.assertRaises(CallFailed) as caught:
                self.get(flow, "large.bin", limit=1)
            self.assertEqual(caught.exception.kind, "time-out")
            self.assertEqual(caught.exception.unsettled, [{"id": "run", "as": "unknown"}])
            with self.assertRaises(CallFailed) as caught:
                self.get(flow, "large.bin")
            self.assertEqual(caught.exception.kind, "refused")

    def test_a_cancelled_call_returns_by_itself(self) -> None:
        with Server() as server:
            (server.root / "large.bin").write_bytes(LARGE)
            self.start(server)
            flow = Into()
            flow.when_offered = self.instance.cancel
            with self.assertRaises(CallFailed) as caught:
                self.get(flow, "large.bin")
            self.assertEqual(caught.exception.kind, "connector")
            self.assertEqual((caught.exception.error or {})["kind"], "cancelled")
            self.assertTrue(self.get(Into(), "large.bin").well, "the next call is another")

    def test_a_call_is_cancelled_while_it_waits_for_room(self) -> None:
        with Server() as server:
            (server.root / "large.bin").write_bytes(LARGE)
            self.start(server)
            flow = Into(most=1)
            flow.when_offered = threading.Timer(0.5, self.instance.cancel).start
            with self.assertRaises(CallFailed) as caught:
                self.get(flow, "large.bin")
            self.assertEqual((caught.exception.kind, flow.made), ("connector", {}))
            self.assertEqual((caught.exception.error or {})["kind"], "cancelled")

    def test_a_body_beyond_the_limit(self) -> None:
        with Server() as server:
            (server.root / "large.bin").write_bytes(LARGE)
            self.start(server, Limits(body=MIB))
            flow = Into()
            outcome = self.get(flow, "large.bin")
            self.assertFalse(outcome.well)
            self.assertEqual(flow.made, {})

    def test_what_the_operator_does_not_allow(self) -> None:
        with Server() as server:
            self.start(server)
            self.connection = self.connection.replace("127.0.0.1", "127.0.0.2")
            with self.assertRaises(CallFailed) as caught:
                self.get(Into(), ".*")
            self.assertEqual(caught.exception.kind, "policy")

    def test_options_that_do_not_fit(self) -> None:
        with Server() as server:
            self.start(server)
            with self.assertRaises(CallFailed) as caught:
                self.instance.call("ftp-get", self.connection, '{"pfad": "a"}', [], Into(), limit=5)
            self.assertEqual(caught.exception.kind, "refused")
            self.assertIn("pfad", caught.exception.message)

    def test_two_instances_at_once(self) -> None:
        with Server() as server:
            (server.root / "large.bin").write_bytes(LARGE)
            flows = [Into(), Into()]

            def run(flow: Into) -> None:
                case = Transfers()
                case.start(server)
                case.get(flow, "large.bin")
                case.doCleanups()

            threads = [threading.Thread(target=run, args=[flow]) for flow in flows]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            for flow in flows:
                self.assertEqual(flow.made, {"large.bin": LARGE})


if __name__ == "__main__":
    unittest.main()
