"""The conformance suite: what every flavour promises, as laws that run on ours, and on yours.

A *flavour* is a way to use mezha, as ``mezha.asyncio`` is one. To check one of your own, adapt it to :class:`Flavour`,
with a :class:`Peer` and a :class:`Listener` (the modules ``on_...`` show how), and run all laws at once::

    check_flavour(MyFlavour("mine"))

or each as a test of its own::

    @pytest.mark.parametrize("case", cases(MyFlavour("mine")), ids=str)
    def test_conformance(case: Case, tmp_path: Path) -> None:
        case.hold(tmp_path)

It needs ``mezha[testing]``. Ours are ``on_blocking.Blocking``, ``on_asyncio.Asyncio`` and ``on_trio.Trio``.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from mezha.testing.conformance import bounds, closing, faults, life, receiving, requests, sending, streams
from mezha.testing.conformance.flavour import Flavour, Listener, Peer
from mezha.testing.conformance.net import LAWS, TRANSPORTS, Law, open_net

__all__ = ["Case", "Flavour", "Law", "Listener", "Peer", "cases", "check_flavour"]

#: Each has entered its laws in LAWS.
PARTS = (receiving, sending, faults, closing, bounds, requests, streams, life)


@dataclass(frozen=True)
class Case:
    """A law, to be checked for a flavour on a transport."""

    law: Law
    flavour: Flavour
    transport: str
    #: In a bare framing, or else in the mezha protocol.
    bare: bool = True

    def __str__(self) -> str:
        return f"{self.law.name}-{self.flavour.name}-{self.transport}{'' if self.bare else '-session'}"

    def hold(self, path: Path) -> None:
        """Check it, with a directory for Unix sockets. Nothing is left running, or open.

        Raises:
            AssertionError: the law does not hold. Other exceptions mean the same: the flavour raised what it must not.

        """
        with open_net(self.flavour, self.transport, path, bare=self.bare) as net:
            self.law.hold(net)


def cases(flavour: Flavour, transports: Iterable[str] = TRANSPORTS) -> list[Case]:
    """List what is to be checked: every law on each of these transports (tcp, unix, tls) on which it holds.

    Most are checked twice: in a bare framing, and in the mezha protocol.
    """
    return [
        Case(law, flavour, transport, bare)
        for law in LAWS
        for transport in transports
        if transport in law.transports
        for bare, holds in ((True, law.bare), (False, law.session))
        if holds
    ]


def check_flavour(flavour: Flavour, transports: Iterable[str] = TRANSPORTS) -> None:
    """Check all laws of the conformance suite for a flavour. It takes a minute.

    Raises:
        AssertionError: one does not hold, and the text says which; its cause says why.

    """
    with TemporaryDirectory() as directory:
        for case in cases(flavour, transports):
            try:
                case.hold(Path(directory))
            except Exception as error:
                raise AssertionError(
                    f"the flavour {flavour.name} breaks the law {case.law.name!r} on {case.transport}"
                    f"{'' if case.bare else ', with the session on'}: {error}"
                ) from error
