"""What the harness wants of a peer, and where it finds them all: a plug-in is a module of ``benchmarks.peers``."""

import importlib
import importlib.metadata
import inspect
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Literal

from benchmarks import peers
from benchmarks.job import Job, Outcome

__all__ = ["BACKLOG", "HOST", "Control", "Peer", "Style", "discover", "load"]

HOST = "127.0.0.1"
#: Connections that wait in the system until they are accepted.
BACKLOG = 1024

Style = Literal["blocking", "asyncio", "callbacks", "decoder"]


class Control(ABC):
    """What a peer may ask of the process that measures."""

    @abstractmethod
    def ready(self, port: int) -> None:
        """Server: it listens there; let the client begin."""

    @abstractmethod
    def report(self, outcome: Outcome) -> None:
        """Say what was measured."""

    @abstractmethod
    def hold(self) -> None:
        """Wait until both processes have reported; only then may what they opened be closed."""


class Peer(ABC):
    """Something that carries messages. Its plug-in's docstring states the settings it is measured with."""

    #: What it is called in the tables.
    name: str
    style: Style
    #: The distribution whose version is stated, if it is not part of Python.
    package: str | None = None
    #: Its results are set against the others'.
    ours = False
    #: One socket of the server hears all connections.
    merges = False
    #: More connections than this are not asked of it.
    most_connections = 5000
    #: Environment variables of its processes.
    environment: Mapping[str, str] = MappingProxyType({})
    #: The cases it takes part in; empty for all that suit its style.
    only: frozenset[str] = frozenset()

    @property
    def module(self) -> str:
        """Where its processes find it."""
        return type(self).__module__

    @abstractmethod
    def serve(self, job: Job, control: Control) -> None:
        """Be the server of a job."""

    @abstractmethod
    def drive(self, job: Job, port: int, control: Control) -> None:
        """Be the client of a job."""

    @property
    def settings(self) -> str:
        """What the plug-in says about itself, in one paragraph."""
        return " ".join((inspect.getdoc(inspect.getmodule(type(self))) or "").split())

    @property
    def version(self) -> str:
        """The version of its package; empty for what is part of Python."""
        return importlib.metadata.version(self.package) if self.package else ""


def load(module: str) -> Sequence[Peer]:
    """Return the peers of a plug-in.

    Raises:
        ImportError: a package it needs is not installed.

    """
    plug_in: Sequence[Peer] = importlib.import_module(module).PEERS
    return plug_in


def discover() -> tuple[dict[str, Peer], dict[str, str]]:
    """Return the peers by name, and what prevents the others, by the name of their plug-in."""
    found: dict[str, Peer] = {}
    missing: dict[str, str] = {}
    for module in sorted(pkgutil.iter_modules(peers.__path__), key=lambda module: module.name):
        try:
            found |= {peer.name: peer for peer in load(f"{peers.__name__}.{module.name}")}
        except ImportError as error:
            missing[module.name] = f"not installed: {error}"
    return found, missing
