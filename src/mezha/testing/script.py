"""Script: a peer on a real socket that does what a test says, and makes the test fail when the other side does not."""

import selectors
import socket
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from mezha.sockets import reset_at_close

__all__ = ["Script"]

#: How many bytes a failure shows, and how many of them before the first that is wrong.
_SHOWN = 80
_BEFORE = 40


class Script:
    r"""A peer that plays a script, step by step, in a thread of its own.

    The other side is yours: a client of any kind, blocking, asyncio or trio, mezha's or not::

        with Script().expect(b"Hello!\n").say(b"Wor").wait(0.1).say(b"ld!\n").end() as peer:
            with connect(*peer.address, framing=Lines()) as client:
                client.send(b"Hello!")
                print(client.recv())            # b'World!'

    ``Script()`` listens on a free port of 127.0.0.1; ``Script(sock)`` plays on a connected socket without TLS, which it
    closes at the end. No step may take longer than ``limit`` seconds.

    A step that fails ends the script, closes the connection, and is an AssertionError where the ``with`` block is left.
    Leaving the block waits for the steps still to be done, so close your side inside it; an exception calls them off.
    A connection that no step has closed is closed then.
    """

    def __init__(self, sock: socket.socket | None = None, *, limit: float = 5.0) -> None:
        self._sock = sock
        self._limit = limit
        self._listener: socket.socket | None = None
        self._steps: list[tuple[str, Callable[[], None]]] = []
        self._received = bytearray()
        self._deadline = 0.0
        self._failure: AssertionError | None = None
        self._left = False  # it was that the other side left, and that may follow from something else
        if sock is None:
            self.accept()

    # -- the steps ----------------------------------------------------------------------------------------------------

    def expect(self, data: bytes) -> Self:
        """Read exactly these bytes. It fails as soon as another one comes, or the end."""
        return self._add(f"expect({_shown(data)})", lambda: self._expect(data))

    def expect_end(self) -> Self:
        """Read the end of the other side's stream. It fails if bytes come, or a reset."""
        return self._add("expect_end()", self._expect_end)

    def skip(self, count: int) -> Self:
        """Read so many bytes, whatever they are."""
        return self._add(f"skip({count})", lambda: self._skip(count))

    def skip_until(self, marker: bytes) -> Self:
        r"""Read up to these bytes and with them, as ``b"\r\n\r\n"``, whatever comes before."""
        return self._add(f"skip_until({_shown(marker)})", lambda: self._skip_until(marker))

    def say(self, *pieces: bytes, pause: float = 0.0) -> Self:
        """Send bytes. ``pause`` is the seconds between two pieces; without one, the network may glue them."""
        words = [*map(_shown, pieces), *([f"pause={pause:g}"] if pause else [])]
        return self._add(f"say({', '.join(words)})", lambda: self._say(pieces, pause))

    def wait(self, seconds: float) -> Self:
        """Do nothing for so long, whatever the limit."""
        return self._add(f"wait({seconds:g})", lambda: self._wait(seconds))

    def end(self) -> Self:
        """End this side's stream; it can still read (half-close)."""
        return self._add("end()", lambda: self._socket.shutdown(socket.SHUT_WR))

    def close(self) -> Self:
        """Close the connection as systems do: if bytes have come that were not read, that is a reset."""
        return self._add("close()", self._close)

    def reset(self) -> Self:
        """Break the connection: the other side gets ECONNRESET, perhaps before it has read what was said."""
        return self._add("reset()", self._reset)

    def accept(self) -> Self:
        """Wait for another connection, and close the one there is. The first of a server goes without saying.

        Raises:
            ValueError: it plays on a socket that it was given.

        """
        if self._sock is not None:
            raise ValueError("a script on a socket that it was given has no other connections to accept")
        return self._add("accept()", self._accept)

    # -- while it plays -----------------------------------------------------------------------------------------------

    @property
    def address(self) -> tuple[str, int]:
        """Host and port to connect to.

        Raises:
            ValueError: it does not listen: not yet, not any more, or it was given a socket.

        """
        if self._listener is None:
            raise ValueError("a script has an address only in its with block, and none if it was given a socket")
        host, port = self._listener.getsockname()
        return host, port

    @property
    def received(self) -> bytes:
        """What the steps have read until now, all connections together."""
        return bytes(self._received)

    def finish(self) -> None:
        """Wait until the last step is done.

        Raises:
            AssertionError: one failed.

        """
        self._thread.join()
        if self._failure:
            raise self._failure

    def __enter__(self) -> Self:
        if self._sock is None:
            self._listener = socket.create_server(("127.0.0.1", 0))
            self._listener.setblocking(False)
        else:
            self._sock.setblocking(False)
        self._alarm, self._alarmed = socket.socketpair()
        self._thread = threading.Thread(target=self._play, name="mezha.testing.Script", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is not None:
            self._alarm.close()
        self._thread.join()
        self._close()
        self._alarm.close()
        self._alarmed.close()
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        if self._failure is None or self._failure is error:
            return
        if error is None:
            raise self._failure
        if isinstance(error, Exception) and not self._left:
            raise self._failure from error
        error.add_note(str(self._failure))

    # -- in its thread ------------------------------------------------------------------------------------------------

    def _add(self, name: str, act: Callable[[], None]) -> Self:
        self._steps.append((name, act))
        return self

    def _play(self) -> None:
        for number, (name, act) in enumerate(self._steps, 1):
            self._deadline = time.monotonic() + self._limit
            try:
                act()
            except _CalledOff:
                return
            except (_Failure, OSError) as failure:
                what = f"the connection broke: {failure}" if isinstance(failure, OSError) else str(failure)
                self._left = isinstance(failure, OSError) or failure.left
                places = [f"  {place:2}  {step}" for place, (step, _) in enumerate(self._steps, 1)]
                places[number - 1] += "  <-- here"
                text = "\n".join((f"step {number} of the script, {name}, failed: {what}", *places))
                self._failure = AssertionError(text)
                self._close()
                return

    @property
    def _socket(self) -> socket.socket:
        if self._sock is None:
            raise _Failure("a step before has closed the connection")
        return self._sock

    def _accept(self) -> None:
        self._close()
        assert self._listener
        self._await(self._listener, selectors.EVENT_READ, "nobody connected")
        self._sock, _ = self._listener.accept()
        self._sock.setblocking(False)
        self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)  # pieces are to go when they are said

    def _expect(self, data: bytes) -> None:
        begin = len(self._received)
        while (count := len(self._received) - begin) < len(data):
            try:
                more = self._read(len(data) - count)
            except (_Failure, OSError) as failure:
                got = bytes(self._received[begin:])
                raise _Failure(f"{failure}{_compared(data, got)}", left=isinstance(failure, OSError)) from None
            got = bytes(self._received[begin:])
            if not more:
                raise _Failure(f"the end came too early{_compared(data, got)}", left=True)
            if not data.startswith(got):
                raise _Failure(f"other bytes came{_compared(data, got)}")

    def _expect_end(self) -> None:
        if more := self._read(_SHOWN):
            raise _Failure(f"bytes came\n  got       {_shown(more)}")

    def _skip(self, count: int) -> None:
        while count:
            more = self._read(count)
            if not more:
                raise _Failure(f"the end came {count} bytes too early", left=True)
            count -= len(more)

    def _skip_until(self, marker: bytes) -> None:
        begin = len(self._received)
        while not self._received.endswith(marker, begin):
            if not self._read(1):  # what comes behind is for the next step
                raise _Failure(f"the end came too early\n  got       {_shown(self._received[begin:])}", left=True)

    def _say(self, pieces: tuple[bytes, ...], pause: float) -> None:
        for number, piece in enumerate(pieces):
            if number and pause:
                self._wait(pause)
                self._deadline = time.monotonic() + self._limit
            left = memoryview(piece)
            while left:
                try:
                    left = left[self._socket.send(left) :]
                except BlockingIOError:
                    self._await(self._socket, selectors.EVENT_WRITE, "the other side does not read")

    def _wait(self, seconds: float) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._alarmed, selectors.EVENT_READ)
            if selector.select(seconds):
                raise _CalledOff

    def _reset(self) -> None:
        if self._socket.family not in (socket.AF_INET, socket.AF_INET6):
            raise _Failure("only TCP knows a reset")
        reset_at_close(self._socket)
        self._close()

    def _close(self) -> None:
        sock, self._sock = self._sock, None
        if sock is not None:
            sock.close()

    def _read(self, count: int) -> bytes:
        """Read at most so many bytes; none at the end."""
        while True:
            try:
                data = self._socket.recv(count)
            except BlockingIOError:
                self._await(self._socket, selectors.EVENT_READ, "nothing more came")
            else:
                self._received += data
                return data

    def _await(self, sock: socket.socket, event: int, otherwise: str) -> None:
        """Wait for a socket."""
        with selectors.DefaultSelector() as selector:
            selector.register(sock, event)
            selector.register(self._alarmed, selectors.EVENT_READ)
            ready = selector.select(max(self._deadline - time.monotonic(), 0))
        if not ready:
            raise _Failure(f"{otherwise} within {self._limit:g} s")
        if any(key.fileobj is self._alarmed for key, _ in ready):
            raise _CalledOff


class _Failure(Exception):
    """A step failed."""

    def __init__(self, text: str, *, left: bool = False) -> None:
        super().__init__(text)
        self.left = left


class _CalledOff(Exception):
    """The block was left by an exception."""


def _shown(data: bytes | bytearray) -> str:
    return f"{bytes(data[:_SHOWN])!r}{'...' if len(data) > _SHOWN else ''}"


def _compared(expected: bytes, got: bytes) -> str:
    """Show two strings of bytes from where they are about to differ."""
    alike = next((at for at, (one, other) in enumerate(zip(expected, got, strict=False)) if one != other), len(got))
    begin = max(alike - _BEFORE, 0)
    return (
        f"\n  expected  {_shown(expected[begin:])}\n  got       {_shown(got[begin:])}\n"
        f"  they are alike for {alike} of {len(expected)} bytes{f', and shown from byte {begin} on' if begin else ''}"
    )
