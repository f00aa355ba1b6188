"""An FTP server on loopback: PORT FIRST_PASSIVE LAST_PASSIVE ROOT USER PASSWORD LOCKED_FOLDER SIGN_IN_LOG
[explicit|implicit private|clear any|TLSv1.2|TLSv1.3 CERTIFICATE_WITH_KEY]"""

import logging
import sys

from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import FTPHandler
from pyftpdlib.servers import FTPServer

port, first, last = map(int, sys.argv[1:4])
root, user, password, locked, log = sys.argv[4:9]
tls = sys.argv[9:]

Base = FTPHandler
if tls:
    from OpenSSL import SSL
    from pyftpdlib.handlers import TLS_FTPHandler as Base


class Handler(Base):
    authorizer = DummyAuthorizer()
    passive_ports = range(first, last + 1)
    max_login_attempts = 10
    auth_failed_timeout = 0

    def on_login(self, username):
        with open(log, "a", encoding="utf-8") as file:
            print("signed in", username, file=file)


class ImplicitHandler(Handler):
    """TLS first, and the greeting within."""

    def handle(self):
        self.secure_connection(self.ssl_context)

    def handle_ssl_established(self):
        super().handle()


if tls:
    mode, data, version, certificate = tls
    Handler.tls_control_required = True
    Handler.tls_data_required = data == "private"
    Handler.certfile = certificate
    context = Handler.get_ssl_context()
    least, most = {"any": (SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION)}.get(version) or (
        [getattr(SSL, version.upper().replace(".", "_").replace("TLSV", "TLS") + "_VERSION")] * 2
    )
    context.set_min_proto_version(least)
    context.set_max_proto_version(most)
    # Without a name for its sessions it lets nobody resume one.
    context.set_session_id(b"test")
    if mode == "implicit":
        Handler = ImplicitHandler

logging.basicConfig(level=logging.WARNING)
Handler.authorizer.add_user(user, password, root, perm="elradfmwMT")
Handler.authorizer.override_perm(user, locked, "elr", recursive=True)
FTPServer(("127.0.0.1", port), Handler).serve_forever()
