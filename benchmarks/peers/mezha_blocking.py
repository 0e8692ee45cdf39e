"""mezha for blocking code, four bytes of length: ``send`` and ``recv`` one by one, and 100 a ``send_many``.

Default limits, but for ``max_message``; ``mezha.blocking.Server``, a thread for each connection. "session" speaks the
mezha protocol in place of the bare framing. "pure" is the plain Python twin of the native core (``MEZHA_PURE=1``).
"""

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import mezha.blocking
from benchmarks.blocking import BlockingPeer, Link
from benchmarks.job import Job
from benchmarks.peer import BACKLOG, HOST

__all__ = ["PEERS"]

BARE = mezha.LengthPrefixed(4)
LIMITS = mezha.Limits(max_message=64 << 20)


class MezhaBlocking(BlockingPeer):
    """mezha, blocking."""

    package = "mezha"
    ours = True

    def __init__(self, name: str, *, many: bool = False, pure: bool = False, session: bool = False) -> None:
        self.name = name
        self._many = many
        self._options: dict[str, Any] = {"framing": None if session else BARE, "limits": LIMITS}
        if pure:
            self.environment = {"MEZHA_PURE": "1"}
            self.only = frozenset({"one-way"})

    def listen(self, job: Job, handler: Callable[[Link], None]) -> AbstractContextManager[int]:
        """Serve."""
        return self._listen(job, handler)

    def connect(self, job: Job, port: int) -> Link:
        """Open a connection."""
        return self._link(job, mezha.blocking.connect(HOST, port, **self._options))

    @contextmanager
    def _listen(self, job: Job, handler: Callable[[Link], None]) -> Generator[int]:
        listener = mezha.blocking.listen(HOST, 0, backlog=BACKLOG, **self._options)
        server = mezha.blocking.Server(listener, lambda peer: handler(self._link(job, peer)), max_connections=10_000)
        with server:
            yield listener.port

    def _link(self, job: Job, peer: mezha.blocking.Peer) -> Link:
        if self._many:
            return Link(peer.send, peer.recv, peer.close, send_many=peer.send_many, recv_many=peer.recv_many)
        return Link(peer.send, peer.recv, peer.close)


PEERS = (
    MezhaBlocking("mezha blocking"),
    MezhaBlocking("mezha blocking, send_many", many=True),
    MezhaBlocking("mezha blocking, session", session=True),
    MezhaBlocking("mezha blocking, session, send_many", session=True, many=True),
    MezhaBlocking("mezha blocking, pure", pure=True),
    MezhaBlocking("mezha blocking, send_many, pure", many=True, pure=True),
)
