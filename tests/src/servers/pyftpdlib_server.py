"""An FTP server on loopback: PORT FIRST_PASSIVE LAST_PASSIVE ROOT USER PASSWORD LOCKED_FOLDER SIGN_IN_LOG"""

import logging
import sys

from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import FTPHandler
from pyftpdlib.servers import FTPServer

port, first, last = map(int, sys.argv[1:4])
root, user, password, locked, log = sys.argv[4:9]


class Handler(FTPHandler):
    authorizer = DummyAuthorizer()
    passive_ports = range(first, last + 1)
    max_login_attempts = 10
    auth_failed_timeout = 0

    def on_login(self, username):
        with open(log, "a", encoding="utf-8") as file:
            print("signed in", username, file=file)


logging.basicConfig(level=logging.WARNING)
Handler.authorizer.add_user(user, password, root, perm="elradfmwMT")
Handler.authorizer.override_perm(user, locked, "elr", recursive=True)
FTPServer(("127.0.0.1", port), Handler).serve_forever()
