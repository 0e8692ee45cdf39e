"""picows, WebSocket frames with callbacks, on uvloop as its documentation advises.

With the transports of aiofastnet, which it uses by default where that is installed, and without. The read buffer begins
at the size of a message if that is more than the default; the sender pauses when told to.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect, ws_create_server

from benchmarks.callbacks import CallbackPeer, Receiver
from benchmarks.job import Job
from benchmarks.peer import BACKLOG, HOST

__all__ = ["PEERS"]

_BINARY = WSMsgType.BINARY


class Listener(WSListener):
    """One connection."""

    transport: WSTransport

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._resumed: asyncio.Future[None] | None = None

    @property
    def congested(self) -> bool:
        """Whether the peer reads too slowly."""
        return self._resumed is not None

    def send(self, message: bytes) -> None:
        """Queue a message."""
        self.transport.send(_BINARY, message)

    def resumed(self) -> Awaitable[object]:
        """Return what is done when there is room again."""
        assert self._resumed
        return self._resumed

    def close(self) -> None:
        """End the connection."""
        self.transport.disconnect()

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Begin."""
        self.transport = transport

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Hand over a message."""
        if frame.msg_type == _BINARY:
            self._receiver(self, frame.get_payload_as_bytes())

    def pause_writing(self) -> None:
        """Let the sender wait."""
        self._resumed = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        """Let the sender go on."""
        if self._resumed:
            self._resumed.set_result(None)
        self._resumed = None


class Picows(CallbackPeer):
    """WebSocket frames, in Cython."""

    package = "picows"
    loop = "uvloop"

    def __init__(self, name: str, *, fast_net: bool = False) -> None:
        self.name = name
        self._fast_net = fast_net

    def listen(self, job: Job, receiver: Callable[[], Receiver]) -> AbstractAsyncContextManager[int]:
        """Serve."""
        return self._listen(job, receiver)

    async def connect(self, job: Job, port: int, receiver: Receiver) -> Listener:
        """Open a connection."""
        listener = Listener(receiver)
        url = f"ws://{HOST}:{port}"
        await ws_connect(lambda: listener, url, read_buffer_init_size=_buffer(job), use_aiofastnet=self._fast_net)
        return listener

    @asynccontextmanager
    async def _listen(self, job: Job, receiver: Callable[[], Receiver]) -> AsyncGenerator[int]:
        server = await ws_create_server(
            lambda request: Listener(receiver()),
            HOST,
            0,
            read_buffer_init_size=_buffer(job),
            use_aiofastnet=self._fast_net,
            backlog=BACKLOG,
        )
        async with server:
            yield server.sockets[0].getsockname()[1]


def _buffer(job: Job) -> int:
    return max(16384, job.size + 64)


PEERS = (Picows("picows, uvloop"), Picows("picows, uvloop, aiofastnet", fast_net=True))
