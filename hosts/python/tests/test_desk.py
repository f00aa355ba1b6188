"""What one call counts of its payloads."""

from __future__ import annotations

import errno
import unittest
from typing import Any
from unittest import mock

from flowhost_py.desk import Desk, Limits, Run, Writing
from flowhost_py.failure import error
from flowhost_py.flow import Body, Error, Flow, Incoming, Metadata, Refused
from flowhost_py.wait import Waiter


class Memory:
    """A body in memory."""

    def __init__(self) -> None:
        self.data = b""

    def room(self) -> bool:
        return True

    def write(self, data: bytes) -> None:
        self.data += data

    def sent(self) -> bool:
        return True

    def discard(self) -> None:
        self.data = b""


class Told(Flow):
    """Takes everything, and keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[Any] = []
        self.refuse = False

    def offered(self, metadata: Metadata) -> Body:
        self.told.append("offered")
        return Memory()

    def finished(self, body: Body, metadata: Metadata) -> None:
        if self.refuse:
            raise Refused(error("data", "the disk is full"))
        self.told.append(("finished", metadata["id"]))

    def gone(self, body: Body, how: str, reason: Error | None) -> None:
        self.told.append((how, reason and reason["kind"]))

    def settled(self, incoming: Incoming, outcome: Any) -> None:
        self.told.append(outcome if isinstance(outcome, str) else next(iter(outcome)))


def metadata(id: str, **more: Any) -> Metadata:
    return {"id": id, "attributes": [], **more}


class Desks(unittest.TestCase):
    def setUp(self) -> None:
        self.run_, self.flow = Run("run"), Told()

    def desk(self, *ids: str, **limits: int) -> Desk:
        desk = Desk(self.flow, self.run_, Limits(**limits), [Incoming(metadata(id), "{}") for id in ids])
        waiter = Waiter()
        self.addCleanup(waiter.close)
        self.flow.begin(waiter, desk.cancelled)
        return desk

    def begun(self, desk: Desk, id: str, **more: Any) -> Writing:
        writing = desk.begin(metadata(id, **more))
        assert isinstance(writing, Writing)
        return writing

    def refused(self, kind: str, call: Any, *given: Any) -> None:
        with self.assertRaises(Refused) as caught:
            call(*given)
        self.assertEqual(caught.exception.error["kind"], kind)

    def test_accepted_once_a_run(self) -> None:
        desk = self.desk()
        writing = self.begun(desk, "a", version="1")
        desk.write(writing, b"hello")
        desk.finish(writing)
        self.assertEqual(desk.begin(metadata("a", version="1")), "accepted")
        self.assertEqual(self.desk().begin(metadata("a", version="1")), "accepted")
        self.begun(desk, "a", version="2")
        self.assertEqual(self.flow.told, ["offered", ("finished", "a"), "offered"])

    def test_a_wrong_length(self) -> None:
        for size, data in ((4, b"hello"), (6, b"hello"), (1, b"")):
            desk = self.desk()
            writing = self.begun(desk, "a", size=size)
            desk.write(writing, data)
            self.refused("data", desk.finish, writing)
            self.assertEqual(self.flow.told[-1], ("refused", "data"))
            self.assertFalse(desk.well(desk.close(False)))

    def test_limits(self) -> None:
        desk = self.desk(body=4, metadata=8, payloads=1)
        self.refused("invalid-settings", desk.begin, metadata(""))
        self.refused("invalid-settings", desk.begin, metadata("123456789"))
        writing = self.begun(desk, "a")
        self.refused("denied-by-host", desk.begin, metadata("b"))
        desk.write(writing, b"1234")
        self.refused("denied-by-host", desk.write, writing, b"5")
        self.refused("denied-by-host", desk.finish, writing)

    def test_only_the_last_outcome_counts(self) -> None:
        desk = self.desk()
        desk.give_up(self.begun(desk, "a"), "aborted", error("busy", "again"))
        desk.finish(self.begun(desk, "a"))
        self.assertTrue(desk.well(desk.close(False)))
        self.run_.accepted.clear()
        desk.give_up(self.begun(desk, "a"), "aborted", error("busy", "again"))
        self.assertFalse(desk.well([]))

    def test_two_writers_of_one_payload(self) -> None:
        desk = self.desk()
        first, second = self.begun(desk, "a"), self.begun(desk, "a")
        desk.finish(second)
        self.refused("conflict", desk.finish, first)
        self.assertTrue(desk.well(desk.close(False)), "the payload is safe")

    def test_a_flow_that_refuses(self) -> None:
        desk = self.desk()
        self.flow.refuse = True
        self.refused("data", desk.finish, self.begun(desk, "a"))
        self.assertFalse(desk.well(desk.close(False)))
        self.assertNotIn(("a", None), self.run_.accepted)

    def test_a_full_disk(self) -> None:
        desk = self.desk("a")
        full = OSError(errno.ENOSPC, "No space left on device")
        writing = self.begun(desk, "b")
        with mock.patch.object(Memory, "write", side_effect=full):
            self.refused("data", desk.write, writing, b"hello")
        self.refused("data", desk.finish, writing)
        with mock.patch.object(Told, "offered", side_effect=full):
            self.refused("data", desk.begin, metadata("c"))
        with mock.patch.object(Told, "finished", side_effect=full):
            self.refused("data", desk.finish, self.begun(desk, "d"))
        incoming = desk.next()
        with mock.patch.object(Told, "noted", side_effect=full):
            self.refused("internal", desk.note, incoming, "text")
        self.refused("denied-by-host", desk.note, incoming, "x" * 70_000)

    def test_a_writer_left_at_the_end(self) -> None:
        desk = self.desk()
        self.begun(desk, "a")
        self.assertFalse(desk.well(desk.close(False)))
        self.assertEqual(self.flow.told[-1], ("dropped", None))

    def test_settling(self) -> None:
        desk = self.desk("a", "b", "c")
        for outcome in ("consume", {"pass": metadata("b")}, {"pass": metadata("x")}):
            incoming = desk.next()
            assert incoming is not None
            desk.settle(incoming, outcome)
        self.assertIsNone(desk.next())
        self.assertEqual(self.flow.told, ["consume", "pass", "fail"])
        self.assertFalse(desk.well(desk.close(False)), "one was passed on under another id")

    def test_a_payload_that_failed_stays_so(self) -> None:
        desk = self.desk("a")
        incoming = desk.next()
        assert incoming is not None
        desk.settle(incoming, {"fail": error("data", "broken")})
        desk.finish(self.begun(desk, "a"))
        self.assertFalse(desk.well(desk.close(False)), "another payload has the same id")

    def test_what_was_not_settled(self) -> None:
        for untouched, held in ((False, "unknown"), (True, "untouched")):
            desk = self.desk("a", "b", "c")
            first = desk.next()
            assert first is not None
            desk.settle(first, "consume")
            desk.next()
            unsettled = desk.close(untouched)
            self.assertEqual(unsettled, [{"id": "b", "as": held}])
            self.assertFalse(desk.well(unsettled))

    def test_a_report(self) -> None:
        desk = self.desk()
        desk.report("a", error("permission", "it cannot be deleted"))
        self.assertFalse(desk.well(desk.close(False)))


if __name__ == "__main__":
    unittest.main()
