"""A real FTP server for the tests: pyftpdlib, in a thread of this process, with FTPS where it gets a certificate."""

from __future__ import annotations

import logging
import tempfile
import threading
from pathlib import Path
from types import TracebackType
from typing import Any

from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import FTPHandler, TLS_FTPHandler
from pyftpdlib.ioloop import IOLoop
from pyftpdlib.servers import FTPServer

from .certificates import Identity

# It would set up the log by itself otherwise, and tell every command.
logging.basicConfig(level=logging.WARNING)

USER, PASSWORD = "shop", "s3cret"


class Server:
    """Serves a folder of its own, `root`, as long as the `with` block lasts."""

    def __init__(self, tls: Identity | None = None) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self.root = Path(self._folder.name, "root")
        self.root.mkdir()
        authorizer = DummyAuthorizer()
        authorizer.add_user(USER, PASSWORD, str(self.root), perm="elradfmwMT")
        members: dict[str, Any] = {"authorizer": authorizer}
        if tls:
            certificate = Path(self._folder.name, "certificate.pem")
            certificate.write_text(tls.pem + tls.key_pem)
            members |= {"certfile": str(certificate), "tls_control_required": True, "tls_data_required": True}
            # Each server has its own context, and so its own certificate.
            members["ssl_context"] = None
        handler = type("Handler", (TLS_FTPHandler if tls else FTPHandler,), members)
        self._loop = IOLoop()
        self._server = FTPServer(("127.0.0.1", 0), handler, ioloop=self._loop)
        self.port: int = self._server.socket.getsockname()[1]
        self._over = False
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def _serve(self) -> None:
        while not self._over:
            self._loop.loop(timeout=0.05, blocking=False)

    def __enter__(self) -> Server:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._over = True
        self._thread.join()
        self._server.close_all()
        self._folder.cleanup()
