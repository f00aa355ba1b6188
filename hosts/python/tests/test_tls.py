"""The TLS of the contract against OpenSSL as a server, both without a socket."""

from __future__ import annotations

import hashlib
import ssl
import tempfile
import unittest
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from flowhost_py.policy import Policy
from flowhost_py.tls.context import Context
from flowhost_py.tls.session import Session
from flowhost_py.wasm.values import WitError

from .certificates import DAY, Identity, identity

AUTHORITY = identity("Test authority", authority=True)
SERVER = identity("localhost", AUTHORITY)
CLIENT = identity("client", AUTHORITY)
VERSIONS = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)
ROOTS = {"roots": AUTHORITY.pem}


class Server:
    """A server whose connections have no sockets."""

    def __init__(self, own: Identity, version: ssl.TLSVersion, client_roots: str | None = None) -> None:
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls.minimum_version = self.tls.maximum_version = version
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "both.pem")
            path.write_text(own.pem + own.key_pem)
            self.tls.load_cert_chain(path)
        if client_roots:
            self.tls.verify_mode = ssl.CERT_REQUIRED
            self.tls.load_verify_locations(cadata=client_roots)

    def accept(self) -> Peer:
        return Peer(self)


class Peer:
    """One connection of the server."""

    def __init__(self, server: Server) -> None:
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = server.tls.wrap_bio(self._in, self._out, server_side=True)
        self.shaken = False
        self.received = b""
        self.error: ssl.SSLError | None = None

    def turn(self, records: bytes) -> bytes:
        """Takes records, and gives what the server answers."""
        self._in.write(records)
        try:
            if not self.shaken:
                self.tls.do_handshake()
                self.shaken = True
            while data := self.tls.read(65536):
                self.received += data
        except (ssl.SSLWantReadError, ssl.SSLZeroReturnError):
            pass
        except ssl.SSLError as error:
            self.error = error
        return self._out.read()

    def say(self, data: bytes) -> bytes:
        self.tls.write(data)
        return self._out.read()

    def close(self) -> bytes:
        try:
            self.tls.unwrap()
        except ssl.SSLError:
            pass  # The client has not said its own yet.
        return self._out.read()


def whole(records: bytes) -> list[bytes]:
    return [records]


def bytewise(records: bytes) -> list[bytes]:
    return [records[at : at + 1] for at in range(len(records))]


def shake(session: Session, peer: Peer, cut: Callable[[bytes], list[bytes]] = whole) -> None:
    """Turns the handshake until both sides have nothing to say."""
    to_server = session.encrypt(b"")
    while to_server:
        to_client = peer.turn(to_server)
        to_server = b""
        for piece in cut(to_client):
            to_server += session.decrypt(piece)["reply"]


def connect(
    server: Server, trust: Any = ROOTS, name: str = "localhost", policy: Policy | None = None, certificate: Any = None
) -> tuple[Session, Peer, Context]:
    context = Context(trust, certificate, policy or Policy())
    session, peer = context.open(name), server.accept()
    shake(session, peer)
    return session, peer, context


class TlsCase(unittest.TestCase):
    def refused(self, reason: str, call: Callable[..., Any], *given: Any) -> dict[str, Any]:
        with self.assertRaises(WitError) as caught:
            call(*given)
        self.assertEqual(caught.exception.value["reason"], reason, caught.exception.value["message"])
        return dict(caught.exception.value)


class Connections(TlsCase):
    def test_data_both_ways_and_the_end(self) -> None:
        for version in VERSIONS:
            with self.subTest(version):
                session, peer, _ = connect(Server(SERVER, version))
                self.assertTrue(peer.shaken)
                data = bytes(range(256)) * 1000  # Many records.
                peer.turn(session.encrypt(data))
                self.assertEqual(peer.received, data)
                self.assertEqual(session.decrypt(peer.say(data))["plaintext"], data)
                peer.turn(session.close())
                self.assertEqual(session.close(), b"", "close gives nothing the second time")
                self.refused("protocol", session.encrypt, b"more")
                received = session.decrypt(peer.close())
                self.assertTrue(received["closed"])

    def test_records_in_pieces(self) -> None:
        for version in VERSIONS:
            with self.subTest(version):
                session, peer = Context(ROOTS, None, Policy()).open("localhost"), Server(SERVER, version).accept()
                shake(session, peer, bytewise)
                received = [session.decrypt(piece) for piece in bytewise(peer.say(b"hello") + peer.close())]
                self.assertEqual(b"".join(each["plaintext"] for each in received), b"hello")
                self.assertFalse(received[-2]["closed"])
                self.assertTrue(received[-1]["closed"])

    def test_empty_input_is_no_end(self) -> None:
        session, peer, _ = connect(Server(SERVER, VERSIONS[1]))
        self.assertEqual(session.decrypt(b"")["closed"], False)
        self.assertEqual(session.decrypt(peer.say(b"still there"))["plaintext"], b"still there")

    def test_info(self) -> None:
        for version, name, cipher in zip(
            VERSIONS,
            ("TLSv1.2", "TLSv1.3"),
            ("TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", "TLS_AES_256_GCM_SHA384"),
            strict=True,
        ):
            with self.subTest(version):
                session, peer = Context(ROOTS, None, Policy()).open("localhost"), Server(SERVER, version).accept()
                hello = session.encrypt(b"")
                self.assertIsNone(session.info(), "during the handshake")
                self.refused("protocol", session.encrypt, b"too early")
                reply = session.decrypt(peer.turn(hello))["reply"]
                session.decrypt(peer.turn(reply))
                info = session.info()
                assert info is not None
                self.assertEqual((info["version"], info["cipher"], info["resumed"]), (name, cipher, False))
                certificate = info["certificate"]
                self.assertEqual(certificate["sha256"], hashlib.sha256(SERVER.der).digest())
                self.assertEqual((certificate["subject"], certificate["issuer"]), ("CN=localhost", "CN=Test authority"))
                self.assertEqual(certificate["names"], ["localhost"])

    def test_sessions_are_resumed_within_a_context_only(self) -> None:
        for version in VERSIONS:
            with self.subTest(version):
                server = Server(SERVER, version)
                _, _, context = connect(server)
                for _ in range(3):
                    session, peer = context.open("localhost"), server.accept()
                    shake(session, peer)
                    self.assertTrue(peer.tls.session_reused)
                    info = session.info()
                    assert info is not None
                    self.assertTrue(info["resumed"])
                    self.assertEqual(info["certificate"]["sha256"], hashlib.sha256(SERVER.der).digest())
                other, _, _ = connect(server)
                self.assertFalse((other.info() or {})["resumed"])

    def test_an_end_of_the_socket_is_no_end_of_the_data(self) -> None:
        session, peer, _ = connect(Server(SERVER, VERSIONS[1]))
        received = session.decrypt(peer.say(b"half")[:-1])
        self.assertEqual((received["plaintext"], received["closed"]), (b"", False))

    def test_what_was_good_comes_before_the_error(self) -> None:
        session, peer, _ = connect(Server(SERVER, VERSIONS[1]))
        good = peer.say(b"good")
        broken = bytearray(peer.say(b"broken"))
        broken[-1] ^= 1
        self.assertEqual(session.decrypt(good + broken)["plaintext"], b"good")
        self.refused("protocol", session.decrypt, b"")
        self.assertNotEqual(session.close(), b"", "the alert")
        self.refused("protocol", session.decrypt, b"")

    def test_a_client_certificate(self) -> None:
        policy = Policy(client_certificates={"mine": (CLIENT.pem, CLIENT.key_pem)})
        for version in VERSIONS:
            with self.subTest(version):
                server = Server(SERVER, version, client_roots=AUTHORITY.pem)
                _, peer, _ = connect(server, policy=policy, certificate="mine")
                self.assertTrue(peer.shaken)
                session, peer = Context(ROOTS, None, Policy()).open("localhost"), server.accept()
                self.refused("client-certificate", shake, session, peer)


class Trust(TlsCase):
    def test_refusals(self) -> None:
        expired = identity("localhost", AUTHORITY, since=-3 * DAY, until=-DAY)
        future = identity("localhost", AUTHORITY, since=DAY)
        other = identity("elsewhere.example", AUTHORITY)
        stranger = identity("localhost", identity("Another", authority=True))
        alone = identity("localhost")
        for version in VERSIONS:
            for own, reason in (
                (expired, "expired"),
                (future, "not-yet-valid"),
                (other, "wrong-name"),
                (stranger, "unknown-issuer"),
                (alone, "self-signed"),
            ):
                with self.subTest(reason, version=version):
                    session, peer = Context(ROOTS, None, Policy()).open("localhost"), Server(own, version).accept()
                    self.refused(reason, shake, session, peer)
                    self.assertIsNone(session.info())
                    peer.turn(session.close())
                    self.assertIn("ALERT", str(peer.error and peer.error.reason), "the server is told")
                    self.assertEqual(session.close(), b"")
                    self.refused("protocol", session.decrypt, b"")

    def test_pins(self) -> None:
        alone = identity("elsewhere.example", since=-3 * DAY, until=-DAY)
        spki = alone.certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        wrong = b"x" * 32
        for version in VERSIONS:
            for pin in (hashlib.sha256(alone.der).digest(), hashlib.sha256(spki).digest()):
                with self.subTest("right", version=version):
                    session, _, _ = connect(Server(alone, version), {"pinned": [wrong, pin]})
                    self.assertIsNotNone(session.info())
            with self.subTest("wrong", version=version):
                context = Context({"pinned": [wrong]}, None, Policy())
                session, peer = context.open("localhost"), Server(alone, version).accept()
                error = self.refused("not-pinned", shake, session, peer)
                self.assertEqual(error["certificate"]["sha256"], hashlib.sha256(alone.der).digest())
                self.assertFalse(peer.shaken, "nothing of ours has gone out")
                peer.turn(session.close())
                self.assertIn("ALERT", str(peer.error and peer.error.reason))
                self.assertIsNone(context.latest)

    def test_the_servers_own_certificate_as_root(self) -> None:
        alone = identity("localhost")
        for own in (alone, SERVER):
            session, _, _ = connect(Server(own, VERSIONS[1]), {"roots": own.pem})
            self.assertIsNotNone(session.info())

    def test_an_address_as_name(self) -> None:
        own = identity("127.0.0.1", AUTHORITY)
        session, _, _ = connect(Server(own, VERSIONS[1]), name="127.0.0.1")
        self.assertIsNotNone(session.info())
        other = Context(ROOTS, None, Policy()).open("127.0.0.2")
        self.refused("wrong-name", shake, other, Server(own, VERSIONS[1]).accept())

    def test_insecure_is_the_operators_to_allow(self) -> None:
        self.refused("denied", Context, "insecure", None, Policy())
        session, _, _ = connect(Server(identity("x"), VERSIONS[1]), "insecure", policy=Policy(insecure_tls=True))
        self.assertIsNotNone(session.info())

    def test_the_hosts_roots(self) -> None:
        session = Context("host-default", None, Policy()).open("localhost")
        self.refused("unknown-issuer", shake, session, Server(SERVER, VERSIONS[1]).accept())

    def test_what_cannot_be(self) -> None:
        broken = Policy(client_certificates={"broken": ("no PEM", "no PEM")})
        for trust, certificate, policy in (
            ({"roots": "no PEM"}, None, Policy()),
            ({"roots": ""}, None, Policy()),
            ({"roots": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"}, None, Policy()),
            ({"pinned": [b"short"]}, None, Policy()),
            ({"pinned": [b"x" * 33]}, None, Policy()),
            ("host-default", "unknown", Policy()),
            ("host-default", "broken", broken),
        ):
            with self.subTest(trust=trust, certificate=certificate):
                self.refused("invalid", Context, trust, certificate, policy)
        context = Context("host-default", None, Policy())
        for name in ("", "a b", "host:21", "-.example", "a..b", "x" * 64, "ä.example"):
            with self.subTest(name=name):
                self.refused("invalid", context.open, name)


class NotTls(TlsCase):
    def test_what_is_not_tls(self) -> None:
        session = Context(ROOTS, None, Policy()).open("localhost")
        session.encrypt(b"")
        self.refused("not-tls", session.decrypt, b"220 Welcome\r\n")
        self.assertNotEqual(session.close(), b"")

    def test_no_common_version(self) -> None:
        session = Context(ROOTS, None, Policy()).open("localhost")
        session.encrypt(b"")
        self.refused("no-common-version", session.decrypt, bytes([21, 3, 1, 0, 2, 2, 70]))

    def test_no_common_cipher(self) -> None:
        server = Server(SERVER, VERSIONS[0])
        server.tls.set_ciphers("ECDHE-ECDSA-AES128-SHA256")
        session = Context(ROOTS, None, Policy()).open("localhost")
        self.refused("no-common-version", shake, session, server.accept())


if __name__ == "__main__":
    unittest.main()
