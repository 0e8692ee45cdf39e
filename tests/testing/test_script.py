"""Script: it says and expects what it was told, whoever is at the other end, and tells what went wrong."""

import asyncio
import gc
import re
import socket
import struct
import threading
import time
from collections.abc import Callable, Generator

import pytest
from hypothesis import given
from hypothesis import strategies as st

import mezha.asyncio
from mezha import ClosedByPeer, ConnectionLost, Lines
from mezha.blocking import connect
from mezha.testing import Script

SHORT = 0.05


@pytest.fixture(autouse=True)
def _nothing_left() -> Generator[None]:
    """See that no thread is left, and no socket: one that nobody closed warns, and warnings are errors."""
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before
    gc.collect()


def client_of(script: Script) -> socket.socket:
    sock = socket.create_connection(script.address)
    sock.settimeout(20)
    return sock


def exactly(sock: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count and (more := sock.recv(count - len(data))):
        data += more
    return data


def play(script: Script, act: Callable[[Script], object]) -> None:
    with script as peer:
        act(peer)


def failure_of(script: Script, act: Callable[[socket.socket], object]) -> str:
    """Play a script while a client does this; return what the AssertionError says that it raises."""

    def connect_and_act(peer: Script) -> None:
        with client_of(peer) as sock:
            act(sock)

    with pytest.raises(AssertionError) as caught:
        play(script, connect_and_act)
    assert type(caught.value) is AssertionError
    return str(caught.value)


# -- what it says and expects -----------------------------------------------------------------------------------------


def test_a_conversation() -> None:
    script = Script().expect(b"Hello!\n").say(b"Wor").wait(0.01).say(b"ld!\nmore\n").expect_end().end()
    with script as peer, connect(*peer.address, framing=Lines()) as client:
        client.send(b"Hello!")
        assert client.recv() == b"World!"
        assert client.recv() == b"more"
        client.send_eof()
        with pytest.raises(ClosedByPeer):
            client.recv()


def test_a_conversation_with_asyncio() -> None:
    async def converse(address: tuple[str, int]) -> None:
        async with asyncio.timeout(20), mezha.asyncio.connect(*address, framing=Lines()) as client:
            await client.send(b"Hello!")
            assert await client.recv() == b"World!"

    with Script().expect(b"Hello!\n").say(b"World!\n").expect_end() as peer:
        asyncio.run(converse(peer.address))


@given(st.lists(st.tuples(st.booleans(), st.binary(min_size=1, max_size=30)), max_size=6))
def test_any_conversation(turns: list[tuple[bool, bytes]]) -> None:
    ours, theirs = socket.socketpair()
    script = Script(theirs)
    for says, data in turns:
        (script.say if says else script.expect)(data)
    with script.expect_end(), ours:
        ours.settimeout(20)
        for says, data in turns:
            if says:
                assert exactly(ours, len(data)) == data
            else:
                ours.sendall(data)
        ours.close()


def test_between_pieces_is_a_pause() -> None:
    begun = time.monotonic()
    with Script().say(b"Hel", b"lo", b"!", pause=0.03) as peer, client_of(peer) as sock:
        assert exactly(sock, 6) == b"Hello!"
        assert time.monotonic() - begun > 0.06


def test_more_than_the_system_holds_is_said_and_expected() -> None:
    large = bytes(5_000_000)
    with Script().expect(large).say(large).end() as peer, client_of(peer) as sock:
        sock.sendall(large)
        assert sum(map(len, iter(lambda: sock.recv(1 << 16), b""))) == len(large)


def test_some_bytes_are_skipped() -> None:
    script = Script().skip(3).expect(b"three").skip_until(b"\r\n\r\n").expect(b"body").say(b"thanks")
    with script as peer, client_of(peer) as sock:
        sock.sendall(b"onethree: some header\r\nanother\r\n\r\nbody")
        assert sock.recv(100) == b"thanks"
        assert peer.received == b"onethree: some header\r\nanother\r\n\r\nbody"


def test_reset() -> None:
    script = Script().expect(b"go\n").say(b"half a li").reset()  # not before it spoke: a reset may reach it in connect
    with script as peer, connect(*peer.address, framing=Lines()) as client:
        client.send(b"go")
        peer.finish()
        with pytest.raises(ConnectionLost):
            client.recv()


def test_half_close() -> None:
    with Script().end().expect(b"still heard").expect_end() as peer, client_of(peer) as sock:
        assert sock.recv(1) == b""
        sock.sendall(b"still heard")


def test_close() -> None:
    with Script().expect(b"one").close().accept().close() as peer:
        with client_of(peer) as sock:
            sock.sendall(b"one")
            assert sock.recv(1) == b""
        with client_of(peer) as sock:
            assert sock.recv(1) == b""


def test_a_client_that_comes_again() -> None:
    script = Script().expect(b"one").reset().accept().expect(b"one").say(b"ok")
    with script as peer:
        with client_of(peer) as sock:
            sock.sendall(b"one")
            with pytest.raises(ConnectionResetError):
                sock.recv(1)
        with client_of(peer) as sock:
            sock.sendall(b"one")
            assert sock.recv(2) == b"ok"
        assert peer.received == b"oneone"


def test_a_connection_that_no_step_closes_stays_until_the_block_is_left() -> None:
    with Script().say(b"Hello!") as peer:
        sock = client_of(peer)
        peer.finish()
        assert sock.recv(100) == b"Hello!"
        sock.setblocking(False)
        with pytest.raises(BlockingIOError):
            sock.recv(1)
    with sock:
        sock.settimeout(20)
        assert sock.recv(1) == b""


def test_an_empty_script_wants_a_connection() -> None:
    with Script() as peer, client_of(peer):
        pass


def test_over_a_socket_given() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(20)
        with Script(socket.create_connection(server.getsockname())).say(b"Hello!").expect(b"World!").reset() as peer:
            served, _ = server.accept()
            with served:
                served.settimeout(20)
                assert exactly(served, 6) == b"Hello!"
                served.sendall(b"World!")
                with pytest.raises(ConnectionResetError):
                    served.recv(1)
            with pytest.raises(ValueError, match="none if it was given a socket"):
                peer.address  # noqa: B018


# -- what goes wrong --------------------------------------------------------------------------------------------------


def talk(sock: socket.socket, data: bytes) -> bytes:
    sock.sendall(data)
    return sock.recv(100)


def test_other_bytes() -> None:
    said = failure_of(
        Script().expect(b"Hello!\n").say(b"World!\n").end(),
        lambda sock: talk(sock, b"Help!\n"),
    )
    assert said.splitlines() == [
        r"step 2 of the script, expect(b'Hello!\n'), failed: other bytes came",
        r"  expected  b'Hello!\n'",
        r"  got       b'Help!\n'",
        r"  they are alike for 3 of 7 bytes",
        r"   1  accept()",
        r"   2  expect(b'Hello!\n')  <-- here",
        r"   3  say(b'World!\n')",
        r"   4  end()",
    ]


def test_other_bytes_far_into_a_long_message() -> None:
    said = failure_of(
        Script().expect(b"=" * 1000 + b"Hello!" + b"=" * 500),
        lambda sock: talk(sock, b"=" * 1000 + b"World!"),
    )
    assert said.splitlines()[:4] == [
        f"step 2 of the script, expect(b'{'=' * 80}'...), failed: other bytes came",
        f"  expected  b'{'=' * 40}Hello!{'=' * 34}'...",
        f"  got       b'{'=' * 40}World!'",
        "  they are alike for 1000 of 1506 bytes, and shown from byte 960 on",
    ]


def test_it_does_not_wait_for_more_when_what_came_is_wrong() -> None:
    def act(sock: socket.socket) -> None:
        sock.sendall(b"x")
        assert sock.recv(1) == b""  # it hangs up

    assert "other bytes came" in failure_of(Script(limit=3600).expect(bytes(1000)), act)


def test_the_end_comes_too_early() -> None:
    said = failure_of(Script().expect(b"Hello!"), lambda sock: sock.sendall(b"Hel"))
    assert "failed: the end came too early\n  expected  b'Hello!'\n  got       b'Hel'\n" in said
    said = failure_of(Script().skip(5), lambda sock: sock.sendall(b"Hel"))
    assert "skip(5), failed: the end came 2 bytes too early\n" in said
    said = failure_of(Script().skip_until(b"!"), lambda sock: sock.sendall(b"Hel"))
    assert "skip_until(b'!'), failed: the end came too early\n  got       b'Hel'\n" in said


def test_the_connection_breaks() -> None:
    ours, theirs = socket.socketpair()
    ours.close()
    with pytest.raises(AssertionError, match=r"say\(b'Hello!'\), failed: the connection broke: .*pipe"):
        play(Script(theirs).say(b"Hello!"), lambda peer: None)

    def reset(sock: socket.socket) -> None:
        sock.sendall(b"Hel")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    said = failure_of(Script().skip(3).expect(b"lo!"), reset)
    assert re.search(r"expect\(b'lo!'\), failed: .*reset.*\n  expected  b'lo!'\n  got       b''\n", said)


def test_nothing_comes_in_time() -> None:
    ours, theirs = socket.socketpair()
    ours.sendall(b"Hel")
    with ours, pytest.raises(AssertionError) as caught:
        play(Script(theirs, limit=SHORT).expect(b"Hello!"), lambda peer: None)
    assert "failed: nothing more came within 0.05 s\n  expected  b'Hello!'\n  got       b'Hel'\n" in str(caught.value)
    cases: tuple[tuple[Callable[[Script], Script], str], ...] = (
        (lambda script: script.expect_end(), r"expect_end\(\), failed: nothing more came within 0\.05 s\n"),
        (lambda script: script.say(bytes(50_000_000)), r"failed: the other side does not read within 0\.05 s\n"),
    )
    for script, text in cases:
        ours, theirs = socket.socketpair()
        with ours, pytest.raises(AssertionError, match=text):
            play(script(Script(theirs, limit=SHORT)), lambda peer: None)


def test_nobody_connects() -> None:
    with pytest.raises(AssertionError, match=r"accept\(\), failed: nobody connected within 0\.05 s"):
        play(Script(limit=SHORT).expect(b"Hello!"), lambda peer: None)


def test_bytes_come_instead_of_the_end() -> None:
    said = failure_of(Script().expect(b"Hello!").expect_end(), lambda sock: sock.sendall(b"Hello!World!"))
    assert "expect_end(), failed: bytes came\n  got       b'World!'\n" in said


def test_a_limit_is_for_each_step() -> None:
    """And not for those that only wait."""
    ours, theirs = socket.socketpair()
    script = Script(theirs, limit=0.2)
    for _ in range(6):
        script.wait(0.05).say(b"x", b"y", pause=0.05)
    with script.wait(0.25), ours:
        assert exactly(ours, 12) == b"xy" * 6


def test_steps_behind_the_close() -> None:
    assert "a step before has closed" in failure_of(Script().close().say(b"Hello!"), lambda sock: sock.recv(1))
    ours, theirs = socket.socketpair()
    if theirs.family != socket.AF_INET:
        with pytest.raises(AssertionError, match="only TCP knows a reset"), ours, Script(theirs).reset():
            pass


def test_finish_waits_for_the_last_step_and_tells() -> None:
    def act(peer: Script) -> None:
        with client_of(peer) as sock:
            sock.sendall(b"two")
            peer.finish()
            raise RuntimeError("it did not tell")

    with pytest.raises(AssertionError, match="other bytes"):
        play(Script().expect(b"one"), act)


# -- an exception leaves the block ------------------------------------------------------------------------------------


class Mine(Exception):
    pass


def test_it_calls_off_what_is_left() -> None:
    def act(peer: Script) -> None:
        with client_of(peer):
            raise Mine

    begun = time.monotonic()
    for script in (Script(), Script().wait(3600).say(b"Hello!"), Script(limit=3600).say(bytes(50_000_000)).expect(b"")):
        with pytest.raises(Mine):
            play(script, act)
    with pytest.raises(Mine), Script(limit=3600).expect(b"nobody comes"):
        raise Mine
    assert time.monotonic() - begun < 20


def test_what_a_client_says_follows_from_what_the_script_says() -> None:
    def act(peer: Script) -> None:
        with connect(*peer.address, framing=Lines()) as client:
            client.send(b"World!")
            client.recv()

    with pytest.raises(AssertionError, match="other bytes came") as caught:
        play(Script().expect(b"Hello!\n"), act)
    assert isinstance(caught.value.__cause__, ClosedByPeer | ConnectionLost)


def test_that_a_client_left_follows_from_the_exception() -> None:
    def act(peer: Script) -> None:
        client_of(peer).close()
        with pytest.raises(AssertionError):
            peer.finish()
        raise Mine

    with pytest.raises(Mine) as caught:
        play(Script().expect(b"Hello!"), act)
    (note,) = caught.value.__notes__
    assert "the end came too early" in note


def test_what_is_no_exception_of_a_test_goes_on() -> None:
    def act(peer: Script) -> None:
        with client_of(peer) as sock:
            sock.sendall(b"World!")
            assert sock.recv(1) == b""
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        play(Script().expect(b"Hello!"), act)
    (note,) = caught.value.__notes__
    assert "other bytes came" in note


# -- misuse -----------------------------------------------------------------------------------------------------------


def test_an_address_is_there_while_it_plays() -> None:
    script = Script()
    with pytest.raises(ValueError, match="only in its with block"):
        script.address  # noqa: B018
    with script as peer, client_of(peer):
        assert peer.address[0] == "127.0.0.1"
    with pytest.raises(ValueError, match="only in its with block"):
        script.address  # noqa: B018


def test_a_socket_given_is_the_only_one() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, pytest.raises(ValueError, match="no other connections to accept"):
        Script(theirs).accept()
