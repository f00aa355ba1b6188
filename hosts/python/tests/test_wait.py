"""Waiting, and what ends it."""

from __future__ import annotations

import select
import socket
import threading
import time
import unittest

from flowhost_py.imports.clocks import Alarm
from flowhost_py.imports.tcp import TcpSocket
from flowhost_py.policy import Policy, Reach
from flowhost_py.wait import Always, Stopped, Waiter, When
from flowhost_py.wasm.values import WitError

MIB = 1024 * 1024


class Never(When):
    """Is never ready."""

    def __init__(self) -> None:
        super().__init__(lambda: False)


class Waits(unittest.TestCase):
    def setUp(self) -> None:
        self.waiter = Waiter()
        self.addCleanup(self.waiter.close)

    def later(self, seconds: float, what: object) -> None:
        timer = threading.Timer(seconds, what)  # type: ignore[arg-type]
        timer.start()
        self.addCleanup(timer.join)

    def test_what_is_ready_is_not_waited_for(self) -> None:
        self.assertEqual(self.waiter.wait([Never(), Always(), Always()]), [1, 2])

    def test_another_thread(self) -> None:
        there: list[int] = []

        def bring() -> None:
            there.append(1)
            self.waiter.wake()

        self.later(0.1, bring)
        self.assertEqual(self.waiter.wait([Never(), When(lambda: bool(there))]), [1])

    def test_the_clock(self) -> None:
        start = time.monotonic()
        self.assertEqual(self.waiter.wait([Alarm(start + 60), Alarm(start + 0.1)]), [1])
        self.assertGreaterEqual(time.monotonic() - start, 0.1)

    def test_an_end_by_force(self) -> None:
        self.later(0.1, lambda: self.waiter.stop("time-out"))
        with self.assertRaises(Stopped):
            self.waiter.wait([Never()])
        with self.assertRaises(Stopped):
            self.waiter.wait([Always()])

    def test_wakes_without_number(self) -> None:
        for _ in range(100_000):
            self.waiter.wake()
        self.assertEqual(self.waiter.wait([Always()]), [0])


class Sockets(unittest.TestCase):
    def setUp(self) -> None:
        self.waiter = Waiter()
        self.addCleanup(self.waiter.close)
        ours, self.peer = socket.socketpair()
        self.addCleanup(self.peer.close)
        self.socket = TcpSocket(ours, Reach(Policy(), self.waiter), self.waiter)
        self.addCleanup(self.socket.dropped)
        self.input, self.output = self.socket.streams()

    def test_reading(self) -> None:
        self.assertEqual(self.input.read(10), b"")
        self.peer.send(b"hello")
        self.assertEqual(self.input.blocking_read(2), b"he")
        self.peer.close()
        self.assertEqual(self.input.blocking_read(10), b"llo")
        for _ in range(2):
            with self.assertRaises(WitError) as caught:
                self.input.blocking_read(10)
            self.assertEqual(caught.exception.value, "closed")

    def test_more_than_was_permitted(self) -> None:
        permit = self.output.check_write()
        with self.assertRaises(RuntimeError):
            self.output.write(bytes(permit + 1))

    def test_a_peer_that_does_not_read(self) -> None:
        data = bytes(range(256)) * (MIB // 256)
        sent = 0
        while permit := self.output.check_write():
            self.output.write(data[sent : sent + permit])
            sent += permit
            self.assertLess(sent, MIB, "the peer's system holds so much at most")
        self.assertFalse(self.output.ready())

        def read() -> None:
            received = bytearray()
            while len(received) < sent:
                received += self.peer.recv(65536)
            self.received = bytes(received)

        # What was taken goes out while the connector waits for something else.
        thread = threading.Thread(target=read)
        thread.start()
        self.waiter.wait([When(lambda: not thread.is_alive() or not self.waiter.unsent)])
        thread.join()
        self.assertEqual(self.received, data[:sent])
        self.assertGreater(self.output.check_write(), 0)

    def test_an_end_after_what_was_written(self) -> None:
        self.output.check_write()
        self.output.write(b"last")
        self.socket.shutdown("send")
        self.assertEqual(self.peer.recv(10), b"last")
        self.assertEqual(self.peer.recv(10), b"")

    def test_a_peer_that_is_gone(self) -> None:
        self.peer.close()
        with self.assertRaises(WitError) as caught:
            for _ in range(100):
                self.output.blocking_write_and_flush(b"hello")
        self.assertIn("last-operation-failed", caught.exception.value)

    def test_the_wait_for_a_socket(self) -> None:
        self.assertEqual(self.input.interest(), (self.socket.socket.fileno(), select.POLLIN))
        threading.Timer(0.1, lambda: self.peer.send(b"x")).start()
        self.assertEqual(self.waiter.wait([self.input]), [0])


if __name__ == "__main__":
    unittest.main()
