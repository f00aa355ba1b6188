"""What may be reached: the plan, and what the operator allows of it."""

from __future__ import annotations

import ipaddress
import unittest
from typing import Any

from flowhost_py.failure import Failure
from flowhost_py.policy import Policy, Reach, Rule
from flowhost_py.wait import Waiter

HERE = ipaddress.ip_address("127.0.0.1")
THERE = ipaddress.ip_address("127.0.0.2")
CONTROL = 2121


def egress(host: str, first: int, last: int | None = None, **more: Any) -> dict[str, Any]:
    return {
        "host": host,
        "first_port": first,
        "last_port": last or first,
        "direction": "connect",
        "secondary": False,
        "reason": "the test wants it",
        **more,
    }


DATA = egress("127.0.0.1", 1024, 65535, secondary=True)
FTP = [egress("127.0.0.1", CONTROL), DATA]


class Rules(unittest.TestCase):
    def test_reading(self) -> None:
        for text, rule in (
            ("*", Rule("*")),
            ("FTP.Example.com.:21", Rule("ftp.example.com", 21, 21)),
            ("127.0.0.1:1024-65535", Rule("127.0.0.1", 1024, 65535)),
            ("[::1]:21", Rule("::1", 21, 21)),
            ("::1", Rule("::1")),
            ("[::1]", Rule("::1")),
            ("localhost", Rule("localhost")),
        ):
            with self.subTest(text):
                self.assertEqual(Rule.parse(text), rule)

    def test_what_is_none(self) -> None:
        for text in ("host:x", "host:0", "host:2-1", "host:1-65536", "host:-1"):
            with self.subTest(text), self.assertRaises(ValueError):
                Rule.parse(text)


class Reaching(unittest.TestCase):
    def reach(self, *allow: str, plan: list[dict[str, Any]] = FTP, listen: bool = False) -> Reach:
        waiter = Waiter()
        self.addCleanup(waiter.close)
        reach = Reach(Policy(tuple(Rule.parse(text) for text in allow), listen), waiter)
        reach.grant(plan)
        return reach

    def refused(self, *allow: str, plan: list[dict[str, Any]], listen: bool = False) -> None:
        with self.assertRaises(Failure) as caught:
            self.reach(*allow, plan=plan, listen=listen)
        self.assertEqual(caught.exception.kind, "policy")

    def test_nothing_before_a_plan(self) -> None:
        waiter = Waiter()
        self.addCleanup(waiter.close)
        self.assertFalse(Reach(Policy((Rule("*"),), True), waiter).may_connect(HERE, CONTROL))

    def test_a_plan_must_be_allowed(self) -> None:
        self.refused(plan=FTP)
        self.refused("127.0.0.1:21", plan=FTP)
        self.refused("localhost", plan=[egress("127.0.0.1", CONTROL)])
        self.refused("*", plan=[egress("*", CONTROL)])
        self.refused("*", plan=[egress("127.0.0.1", 20, direction="accept")])
        self.refused("*", plan=[egress("127.0.0.1", port) for port in range(1, 102)])

    def test_a_rule_for_an_address_is_for_the_names_that_lead_there(self) -> None:
        reach = self.reach("127.0.0.1:2121", plan=[egress("localhost", CONTROL)])
        self.assertTrue(reach.may_connect(HERE, CONTROL))
        self.assertIn(HERE, reach.lookup("LOCALHOST.") or [])
        self.assertIsNone(reach.lookup("example.com"))

    def test_no_more_than_planned_and_no_more_than_allowed(self) -> None:
        reach = self.reach("*", plan=[egress("127.0.0.1", CONTROL)])
        self.assertTrue(reach.may_connect(HERE, CONTROL))
        self.assertFalse(reach.may_connect(HERE, CONTROL + 1))
        self.assertFalse(reach.may_connect(THERE, CONTROL))
        reach = self.reach("127.0.0.1:2121", plan=[egress("127.0.0.1", 2000, 3000)])
        self.assertTrue(reach.may_connect(HERE, CONTROL))
        self.assertFalse(reach.may_connect(HERE, CONTROL + 1))

    def test_data_connections_belong_to_a_control_connection(self) -> None:
        reach = self.reach("*")
        self.assertFalse(reach.may_connect(HERE, 5000), "there is none yet")
        reach.connected("control", HERE, CONTROL)
        self.assertTrue(reach.may_connect(HERE, 5000))
        self.assertFalse(reach.may_connect(HERE, 80), "below the planned ports")
        self.assertFalse(reach.may_connect(THERE, 5000))
        reach.ended("control")
        self.assertFalse(reach.may_connect(HERE, 5000))

    def test_a_data_connection_is_no_control_connection(self) -> None:
        reach = self.reach("*")
        reach.connected("data", HERE, 5000)
        self.assertFalse(reach.may_connect(HERE, 5000))

    def test_a_first_connection_to_one_of_many_ports_has_no_others(self) -> None:
        reach = self.reach("*", plan=[egress("127.0.0.1", 2000, 3000), DATA])
        reach.connected("control", HERE, CONTROL)
        self.assertFalse(reach.may_connect(HERE, 5000))

    def test_any_address_beside_a_control_connection(self) -> None:
        plan = [egress("127.0.0.1", CONTROL), egress("*", 1024, 65535, secondary=True)]
        reach = self.reach("127.0.0.1:2121", "127.0.0.2", plan=plan)
        self.assertFalse(reach.may_connect(THERE, 5000))
        reach.connected("control", HERE, CONTROL)
        self.assertTrue(reach.may_connect(THERE, 5000))
        self.assertFalse(reach.may_connect(ipaddress.ip_address("127.0.0.3"), 5000), "the operator has a say")

    def test_listening(self) -> None:
        accept = egress("127.0.0.1", 5000, 5100, direction="accept", secondary=True)
        reach = self.reach("*", plan=[egress("127.0.0.1", CONTROL), accept], listen=True)
        self.assertFalse(reach.may_listen(5000))
        reach.connected("control", HERE, CONTROL)
        self.assertTrue(reach.may_listen(5000))
        self.assertFalse(reach.may_listen(4999))
        self.assertTrue(reach.may_accept(HERE))
        self.assertFalse(reach.may_accept(THERE))
        self.assertFalse(self.reach("*", plan=[egress("127.0.0.1", CONTROL)], listen=True).may_listen(5000))

    def test_the_next_plan_takes_the_place_of_the_last(self) -> None:
        reach = self.reach("*")
        reach.connected("control", HERE, CONTROL)
        reach.grant([egress("127.0.0.1", 80)])
        self.assertFalse(reach.may_connect(HERE, 5000))
        self.assertFalse(reach.may_connect(HERE, CONTROL))

    def test_a_name_that_does_not_resolve(self) -> None:
        reach = self.reach("*", plan=[egress("no-such-name.invalid", 21)])
        self.assertEqual(reach.lookup("no-such-name.invalid"), [])


if __name__ == "__main__":
    unittest.main()
