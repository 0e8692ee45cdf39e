"""The trio driver: a stream with its engine, and what moves bytes between the two, to the end of the connection."""

from contextlib import suppress

import trio
from trio.lowlevel import spawn_system_task

from mezha.engine import Engine
from mezha.limits import Limits
from mezha.sockets import own_and_peer_address, reset_at_close
from mezha.trio.reader import Reader
from mezha.trio.stream import SocketStream, TLSStream, as_tls
from mezha.trio.writer import Writer

__all__ = ["Driver"]


class Driver:
    """One connection: its halves, and its end."""

    __slots__ = ("_closing", "_transport", "addresses", "engine", "gone", "reader", "stream", "tls", "writer")

    def __init__(self, engine: Engine, limits: Limits, stream: trio.abc.Stream) -> None:
        self.engine = engine
        self.stream = stream
        self.tls = as_tls(stream)
        below = stream if self.tls is None else self.tls.transport_stream
        #: The addresses of this side and of the peer.
        self.addresses = own_and_peer_address(getattr(below, "socket", None))
        self._transport = below if isinstance(below, SocketStream) else None  # our own socket, also under TLS
        self.writer = Writer(engine, stream, limits.outbox)
        self.reader = self._open_reader()
        self._closing = False
        engine.begin(trio.current_time())
        #: The stream is closed, or somebody else's.
        self.gone = trio.Event()

    @property
    def socket(self) -> SocketStream | None:
        """Our own socket, which may be under TLS; ``None`` for somebody else's stream."""
        return self._transport

    def _open_reader(self) -> Reader:
        return Reader(self.engine, self.stream)

    def take(self, count: int) -> list[bytes]:
        """Take up to so many messages from the engine."""
        return self.engine.take(count)

    async def close(self, within: float) -> None:
        """Write what is left, and close the stream; cut it after ``within`` seconds, or when cancelled."""
        self._shut()
        if self.gone.is_set():
            await trio.lowlevel.checkpoint()
            return
        try:
            with trio.move_on_after(within):
                if self._closing:  # somebody else is at it
                    await self.gone.wait()
                else:
                    self._closing = True
                    await self.writer.written()
                    await self.reader.unread()
                    if self.tls is not None and self._transport is not None:
                        await _finish_decrypting(self.tls, self._transport)
                    await self.stream.aclose()
                    self._leave()
        except Exception:  # noqa: BLE001 - it is broken already; the stream may be anybody's
            pass
        finally:
            if self._transport is None and not self.gone.is_set():
                await self._close_forcefully()
            self.cut()

    def cut(self) -> None:
        """Cut the connection at once."""
        if self.gone.is_set():
            return
        self._shut()
        self._leave()
        if self._transport is not None:
            reset_at_close(self._transport.socket)
            self._transport.cut()
        else:
            with suppress(RuntimeError):  # trio does not run any more
                spawn_system_task(self._close_forcefully)

    async def release(self) -> tuple[trio.abc.Stream, bytes]:
        """Part with the stream, and with what was read and not handed out. Cannot be cancelled."""
        unread = self.engine.unused()
        self._shut()
        with trio.CancelScope(shield=True):
            unread += await self.reader.unread()
        self._leave()
        if self._transport is None:
            return self.stream, unread
        socket = trio.SocketStream(trio.socket.from_stdlib_socket(self._transport.socket))
        if self.tls is None:
            return socket, unread
        self.tls.transport_stream = socket
        return self.tls, unread

    # -- below --------------------------------------------------------------------------------------------------------

    def _shut(self) -> None:
        """Let all who wait find out that nothing more is sent or received."""
        self.engine.close()
        if not self.gone.is_set():
            self.writer.shut()
            self.reader.shut()

    def _leave(self) -> None:
        """Have done with the stream."""
        self.gone.set()
        self.writer.stop()

    async def _close_forcefully(self) -> None:
        try:
            with suppress(Exception):  # the stream may be anybody's
                await trio.aclose_forcefully(self.stream)
        finally:
            self._leave()


async def _finish_decrypting(tls: TLSStream, transport: SocketStream) -> None:
    """Read what TLS has: over bytes unread, trio's would close without its goodbye."""
    transport.deaf = True
    with suppress(trio.WouldBlock):
        while await tls.receive_some():
            pass
