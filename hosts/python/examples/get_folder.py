"""Gets all files of a folder over FTPS, with any component that has an endpoint `ftp-get`.

Usage: get_folder.py COMPONENT HOST PORT USER FOLDER TARGET [CERTIFICATE.pem]; the password comes from FTP_PASSWORD.
The server's certificate is checked against the roots of this machine, or is the one in CERTIFICATE.pem.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from flowhost_py import FileBody, Flow, Incoming, Instance, Policy, Refused, Rule, Run, error, load


class IntoFolder(Flow):
    """Takes every file, and keeps it under its own name."""

    def __init__(self, target: Path) -> None:
        self._target = target

    def offered(self, metadata):
        # The name comes from the server: only its last part is used, and never one that leads elsewhere.
        name = Path(metadata["name"] or "").name
        if not name:
            raise Refused(error("invalid-settings", "a file without a name cannot be kept"))
        print(f"{name}: {metadata['size']} bytes")
        return FileBody(self._target / name)

    def finished(self, body, metadata):
        # When this returns, the connector may delete the original: so the file is on the disk by then.
        body.keep()

    def gone(self, body, how, reason):
        print(f"{body.path.name}: {how}: {reason and reason['message']}")

    def log(self, level, message):
        print(f"{level}: {message}", file=sys.stderr)


def main() -> int:
    component, host, port, user, folder, target, *certificate = sys.argv[1:]

    # Once: compile the component, and compare it with the contract.
    connector = load(Path(component))

    # What the operator allows: this server, its control connection and its data connections. Nothing else.
    policy = Policy(allow=(Rule.parse(f"{host}:{port}"), Rule.parse(f"{host}:1024-65535")))

    # One live connector within one run.
    instance = Instance(connector, Run("run-1"), policy, log_threshold="info")

    # Settings and options are JSON; the connector's schemas describe them.
    auth = {"username": user, "password": os.environ["FTP_PASSWORD"]}
    connection = {"host": host, "port": int(port), "auth": auth, "tls": "explicit"}
    if certificate:
        connection["tls_trust"] = {"roots": Path(certificate[0]).read_text()}
    options = json.dumps({"root": folder, "path": ".*"})

    # The first step of a flow is handed the run's trigger.
    incoming = [Incoming.trigger("run-1", options)]
    flow = IntoFolder(Path(target))
    outcome = instance.call("ftp-get", json.dumps(connection), options, incoming, flow, limit=600)
    instance.close()
    print(outcome.summary)
    return 0 if outcome.well else 1


if __name__ == "__main__":
    sys.exit(main())
