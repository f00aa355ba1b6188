"""Drives the sessions of docs/ftps.md, which stand before this text, as a connector would: a page of FTP over them.

Usage: PORT USER PASSWORD ROOT ROOTS.PEM. The server insists that data connections resume the session.
"""
import re
import socket
import sys


class Wire:
    """A socket and the session over it."""

    def __init__(self, port, context=None):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.session, self.plain, self.ended = None, b"", False
        if context is not None:
            self.secure(context)

    def secure(self, context):
        self.session = context.open("localhost")
        self.socket.sendall(self.session.encrypt(b""))
        while self.take():
            pass

    def take(self):
        records = self.socket.recv(65536)
        if not records:
            self.ended = True
            return False
        plaintext, reply, handshaking, closed = self.session.decrypt(records)
        self.plain += plaintext
        self.ended = self.ended or closed
        if reply:
            self.socket.sendall(reply)
        return handshaking

    def send(self, data):
        self.socket.sendall(self.session.encrypt(data) if self.session else data)

    def line(self):
        while b"\n" not in self.plain:
            assert not self.ended, "the server left"
            if self.session:
                self.take()
            else:
                self.plain += self.socket.recv(65536)
        line, self.plain = self.plain.split(b"\n", 1)
        return line.decode().strip()

    def all(self):
        while not self.ended:
            self.take()
        return self.plain

    def end(self):
        self.socket.sendall(self.session.close())
        self.socket.shutdown(socket.SHUT_WR)
        while records := self.socket.recv(65536):
            self.session.decrypt(records)
        self.socket.close()


class Ftp:
    def __init__(self, port, context):
        self.context, self.control = context, Wire(port)
        self.expect("220")
        self.command("AUTH TLS", "234")
        self.control.secure(context)

    def expect(self, code):
        line = self.control.line()
        while not re.match(r"\d{3} ", line):
            line = self.control.line()
        assert line.startswith(code), line
        return line

    def command(self, command, code):
        self.control.send(command.encode() + b"\r\n")
        return self.expect(code)

    def data(self, command):
        port = int(re.search(r"\|(\d+)\|", self.command("EPSV", "229")).group(1))
        wire = Wire(port)
        self.command(command, "150")
        wire.secure(self.context)
        assert wire.session.info()["resumed"], "a data connection in a new session"
        return wire


port, user, password, root, roots = int(sys.argv[1]), *sys.argv[2:6]
with open(roots) as file:
    context = Context(("roots", file.read()), {})
ftp = Ftp(port, context)
info = ftp.control.session.info()
ftp.command("USER " + user, "331")
ftp.command("PASS " + password, "230")
ftp.command("PBSZ 0", "200")
ftp.command("PROT P", "200")
ftp.command("TYPE I", "200")
content = bytes(range(256)) * 4000
# More often than a server gives tickets with its first handshake.
for round in range(5):
    wire = ftp.data(f"STOR {root}/guide.bin")
    for at in range(0, len(content), 65536):
        wire.send(content[at:at + 65536])
    wire.end()
    ftp.expect("226")
    wire = ftp.data(f"RETR {root}/guide.bin")
    assert wire.all() == content, "not what was sent"
    wire.end()
    ftp.expect("226")

# The other ways of trust.
pinned = Ftp(port, Context(("pinned", [info["sha256"]]), {}))
assert pinned.control.session.info()["sha256"] == info["sha256"]
for trust, reason in [(("pinned", [bytes(32)]), "not-pinned"), (("host-default", None), "unknown-issuer")]:
    try:
        Ftp(port, Context(trust, {}))
    except TlsError as error:
        assert error.reason == reason, (error.reason, str(error))
    else:
        raise AssertionError(f"{trust} is believed")
for trust, certificate, reason in [(("insecure", None), None, "denied"), (("host-default", None), "x", "invalid")]:
    try:
        Context(trust, {}, certificate)
    except TlsError as error:
        assert error.reason == reason
    else:
        raise AssertionError(f"{trust} with {certificate} is taken")
print("whole", info["version"], info["cipher"])
