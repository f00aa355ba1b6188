"""A host for connectors: WebAssembly components that speak the contract `flow:connector`."""

__version__ = "0.1.1"

from .component import Connector
from .desk import Limits, Run
from .failure import Failure, error
from .flow import Body, Earlier, File, FileBody, Flow, Incoming, Refused, Source, Text
from .instance import CallFailed, Instance, Outcome
from .loading import load
from .policy import Policy, Rule

__all__ = [
    "Body",
    "CallFailed",
    "Connector",
    "Earlier",
    "Failure",
    "File",
    "FileBody",
    "Flow",
    "Incoming",
    "Instance",
    "Limits",
    "Outcome",
    "Policy",
    "Refused",
    "Rule",
    "Run",
    "Source",
    "Text",
    "error",
    "load",
]
