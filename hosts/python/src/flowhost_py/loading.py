"""Loading: a component is compiled, compared with the contract, and asked what it is."""

from __future__ import annotations

from pathlib import Path

from .component import Connector
from .desk import Run
from .failure import Failure
from .instance import Instance


def load(path: Path) -> Connector:
    """Loads a file. Raises `Failure` (`refused`) with the reason when this host cannot run it."""
    try:
        data = path.read_bytes()
    except OSError as problem:
        raise Failure("refused", f"{path} cannot be read: {problem.strerror}") from None
    connector = Connector(path.name, data)
    try:
        # It can reach nothing, and may call nothing: so it needs no run, no policy and no settings.
        instance = Instance(connector, Run(""))
        try:
            descriptor = instance.describe()
        finally:
            instance.close()
    except Failure as failure:
        raise connector.refused(f"`describe` failed: {failure.message}") from None
    connector.learn(descriptor)
    return connector
