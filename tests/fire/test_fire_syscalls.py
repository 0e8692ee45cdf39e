"""Each system call of a short conversation fails once: it ends in what is right or in an error that is documented."""

import errno
import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager, nullcontext, suppress
from itertools import count

import pytest
from fire.forker import Forker, Line
from fire.injecting import Injected, injecting, why_not
from fire.leaks import leaves_nothing
from fire.parties import FRAMING, PARTIES, Party
from waiting import PATIENCE

from mezha import MezhaError, TruncatedMessage

"localhost".encode("idna")  # it is imported by who asks for an address, and no import is to fail

#: The last goes past every buffer of the process.
_MESSAGES = [b"Hello!", b"World!" * 20_000]
_STREAM = b"".join(b"".join(FRAMING.encode(message)) for message in _MESSAGES)
#: What a client says at last, so that a server knows that all has arrived.
_THANKS = b"Thanks!"

#: What a kind of call fails with. Each error is one that it is known to fail with, or that must do no harm.
_HARD = {
    "socket": errno.EMFILE,
    "socketpair": errno.EMFILE,
    "bind": errno.EADDRINUSE,
    "listen": errno.EADDRINUSE,
    "accept4": errno.ECONNABORTED,
    "connect": errno.ECONNREFUSED,
    "getsockname": errno.ENOBUFS,
    "getpeername": errno.ENOTCONN,
    "setsockopt": errno.ENOBUFS,
    "getsockopt": errno.ENOBUFS,
    "ioctl": errno.ENOMEM,
    "fcntl": errno.EMFILE,
    "sendto": errno.ECONNRESET,
    "sendmsg": errno.EPIPE,
    "recvfrom": errno.ECONNRESET,
    "read": errno.ECONNRESET,
    "write": errno.EPIPE,
    "writev": errno.EPIPE,
    "shutdown": errno.ENOTCONN,
    "close": errno.EIO,
    "poll|ppoll": errno.ENOMEM,
    "epoll_create1": errno.EMFILE,
    "epoll_ctl": errno.ENOSPC,
    "epoll_wait|epoll_pwait": errno.ENOMEM,
    "mmap": errno.ENOMEM,
}
_SOFT = {
    "accept4": errno.EMFILE,
    "sendto": errno.EAGAIN,
    "sendmsg": errno.EAGAIN,
    "recvfrom": errno.EAGAIN,
    "read": errno.EAGAIN,
    "write": errno.EAGAIN,
    "writev": errno.EAGAIN,
    "close": errno.EINTR,
    "poll|ppoll": errno.EINTR,
    "epoll_wait|epoll_pwait": errno.EINTR,
}


#: Calls of a loop for itself. What it does when they fail is its own affair; those of the blocking flavour are ours.
_OF_LOOPS = {kind for kind in _HARD if "poll" in kind} | {"socketpair", "ioctl", "fcntl", "mmap"}
#: And those of the transports of asyncio and uvloop.
_OF_TRANSPORTS = {"getsockname", "getpeername", "setsockopt", "getsockopt"}
_NOT_OURS = {
    "blocking": set[str](),
    "trio": _OF_LOOPS,
    "asyncio": _OF_LOOPS | _OF_TRANSPORTS,
    "uvloop": _OF_LOOPS | _OF_TRANSPORTS,
}


@pytest.fixture(scope="module", params=["hard", "soft"])
def forker(request: pytest.FixtureRequest) -> Generator[tuple[Forker, dict[str, int]]]:
    if reason := why_not():
        pytest.skip(reason)
    errors = _HARD if request.param == "hard" else _SOFT
    with injecting(errors) as it:
        yield it, errors


# -- in the job --------------------------------------------------------------------------------------------------------


def converses(line: Line, flavour: str, role: str, port: int, kind: str, point: int, error: int) -> tuple[bool, str]:
    """Have a call fail in a conversation; say whether it came to that, and how it ended."""
    party = PARTIES[flavour]

    async def side() -> tuple[bool, str]:
        outcome = "right"
        injected = Injected(kind, point, error)
        try:
            await (asks(party, port) if role == "client" else answers(party, line))
        except (MezhaError, OSError) as failure:
            outcome = type(failure).__name__
        except MemoryError:
            outcome = "MemoryError" if kind == "mmap" else "an unexpected MemoryError"
        return injected.reached(), outcome

    with leaves_nothing() if kind != "close" else nullcontext():
        return party.run(side())


async def asks(party: Party, port: int) -> None:
    peer = await party.connect("127.0.0.1", port)
    try:
        for message in _MESSAGES:
            await peer.send(message)
        for message in _MESSAGES:
            assert await peer.recv() == message
    finally:
        await peer.close()


async def answers(party: Party, line: Line) -> None:
    listening = await party.listen()
    try:
        line.say(listening.port)
        peer = await party.accept(listening)
        try:
            for message in _MESSAGES:
                assert await peer.recv() == message
                await peer.send(message)
            assert await peer.recv() == _THANKS
        finally:
            await peer.close()
    finally:
        listening.close()


# -- the other side ----------------------------------------------------------------------------------------------------


@contextmanager
def _echo(received: bytearray) -> Generator[int]:
    """Send back what comes over one connection, and note it."""

    def serve() -> None:
        with suppress(OSError), listening.accept()[0] as sock:  # closed before anybody came, or broken
            while data := sock.recv(1 << 16):
                received.extend(data)
                sock.sendall(data)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        serving = threading.Thread(target=serve)
        serving.start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)
        serving.join(PATIENCE)


def _ask(port: int, answered: bytearray) -> None:
    """Send everything, and note what comes back."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port)) as sock:
        sending = threading.Thread(target=_send_all, args=(sock,))
        sending.start()
        while data := sock.recv(1 << 16):
            answered.extend(data)
            if len(answered) == len(_STREAM):
                sock.sendall(b"".join(FRAMING.encode(_THANKS)))
        sock.shutdown(socket.SHUT_RDWR)
        sending.join(PATIENCE)


def _send_all(sock: socket.socket) -> None:
    with suppress(OSError):
        sock.sendall(_STREAM)


# -- the sweep ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("flavour", PARTIES)
@pytest.mark.parametrize("role", ["client", "server"])
def test_each_call_fails_once(flavour: str, role: str, forker: tuple[Forker, dict[str, int]]) -> None:
    jobs, errors = forker
    outcomes: dict[str, list[str]] = {}
    for kind, error in errors.items():
        if kind in _NOT_OURS[flavour]:
            continue
        for point in count():
            print(kind, point)
            seen = bytearray()
            if role == "client":
                with _echo(seen) as port:
                    reached, outcome = jobs.run(converses, flavour, role, port, kind, point, error)
            else:
                with jobs.start(converses, flavour, role, 0, kind, point, error) as job:
                    said, value = job.next()
                    if said == "said":
                        while not job.spoke():  # who accepts may pass over one connection, and goes on
                            _ask(value, seen)
                        value = job.result()
                    else:
                        assert said == "returned", value
                reached, outcome = value
            messages, whole = _messages(bytes(seen))
            assert messages == _MESSAGES[: len(messages)], f"{kind} {point}: {outcome}"
            assert outcome != "right" or (whole and messages == _MESSAGES), f"{kind} {point}"
            assert not outcome.startswith("an unexpected"), f"{kind} {point}: {outcome}"
            if not reached:
                assert outcome == "right", f"{kind} {point}: {outcome}"
                break
            outcomes.setdefault(kind, []).append(outcome)
    print(outcomes)


def _messages(stream: bytes) -> tuple[list[bytes], bool]:
    """Return the messages that are whole in a stream, and whether that is all of it."""
    decoder = FRAMING.decoder()
    if stream:
        decoder.feed(stream)
    decoder.feed(b"")
    messages: list[bytes] = []
    try:
        messages.extend(decoder)
    except TruncatedMessage:
        return messages, False
    return messages, True
