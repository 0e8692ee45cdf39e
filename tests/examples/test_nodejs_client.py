"""The client in Node.js, written from the specification alone: it plays the scenes, and understands mezha both ways."""

import asyncio
import shutil
import subprocess
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
from docs_blocks import ROOT
from waiting import PATIENCE

import mezha.asyncio
import mezha.blocking
from mezha import RequestFailed
from mezha.session import Ending
from mezha.testing.scenes import scene_names, scenes

CLIENT = Path(ROOT, "examples", "clients", "nodejs")

#: What demo.mjs prints.
DEMO = """\
Hello! World!
well, and you?
500000 0 9
100 99!
no answer within 50 ms
that is impossible
alive
closed 0 3 0
"""


@pytest.fixture(scope="module")
def node() -> str:
    found = shutil.which("node")
    if found is None:
        pytest.skip("node is missing: apt install nodejs (make test does so, as root on Debian)")
    return found


def run(*command: object) -> str:
    """Run a program to its end; return what it printed."""
    done = subprocess.run([*map(str, command)], capture_output=True, encoding="utf-8", timeout=PATIENCE, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done
    return done.stdout


def test_it_plays_the_scenes(node: str) -> None:
    printed = run(node, "--test", "--test-reporter=tap", CLIENT / "scenes.test.mjs")
    count = 2 * sum(len(scenes(name)) for name in scene_names())
    assert f"# pass {count}\n# fail 0\n" in printed


# -- a client of mezha's servers ---------------------------------------------------------------------------------------


def reply(_: object, question: bytes) -> bytes:
    if question == b"how are you?":
        return b"well, and you?"
    if question == b"something impossible":
        raise RequestFailed("that is impossible", code=300)
    return question + b"!"


def test_it_understands_an_asyncio_server(node: str) -> None:
    heard: list[bytes] = []
    given_up = asyncio.Event()
    endings: list[Ending | None] = []

    async def answer(peer: mezha.asyncio.Peer, question: bytes) -> bytes:
        if question == b"something slow":
            try:
                await asyncio.Event().wait()
            finally:
                given_up.set()
        return reply(peer, question)

    async def echo(peer: mezha.asyncio.Peer) -> None:
        heard.append(await peer.request(b"who are you?"))
        async for message in peer:
            await peer.send(message)
        endings.append(peer.ending)

    async def main() -> str:
        async with asyncio.timeout(PATIENCE):
            async with mezha.asyncio.serve(echo, "127.0.0.1", 0, answer=answer) as server:
                (socket,) = server.sockets
                printed = await asyncio.to_thread(run, node, CLIENT / "demo.mjs", socket.getsockname()[1])
                await given_up.wait()
        return printed

    assert asyncio.run(main()) == DEMO
    assert heard == [b"you asked who are you?"]
    (ending,) = endings
    assert ending
    assert (ending.how, ending.by_peer, ending.sent, ending.delivered, ending.never_sent) == ("closed", True, 3, 3, 0)


def test_it_understands_a_blocking_server(node: str) -> None:
    heard: list[bytes] = []
    over = threading.Event()

    def answer(peer: mezha.blocking.Peer, question: bytes) -> bytes:
        if question == b"something slow":
            over.wait(PATIENCE)
        return reply(peer, question)

    def echo(peer: mezha.blocking.Peer) -> None:
        heard.append(peer.request(b"who are you?", timeout=PATIENCE))
        for message in peer:
            peer.send(message)

    with (
        mezha.blocking.listen("127.0.0.1", 0, answer=answer) as listener,
        mezha.blocking.Server(listener, echo),
    ):
        try:
            assert run(node, CLIENT / "demo.mjs", listener.port) == DEMO
        finally:
            over.set()
    assert heard == [b"you asked who are you?"]


# -- a server of mezha's clients ---------------------------------------------------------------------------------------


@contextmanager
def echo_server(node: str) -> Generator[int]:
    process = subprocess.Popen(
        [node, CLIENT / "echo_server.mjs"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8"
    )
    try:
        assert process.stdout
        yield int(process.stdout.readline())
    finally:
        process.kill()
        _, errors = process.communicate(timeout=PATIENCE)
    assert errors == ""


def test_a_blocking_client_understands_it(node: str) -> None:
    with echo_server(node) as port:
        peer = mezha.blocking.connect("127.0.0.1", port, answer=reply)
        for message in (b"", b"Hello!", bytes(65_536), bytes(65_537), bytes(1_000_000)):
            peer.send(message, timeout=PATIENCE)
            assert peer.recv(timeout=PATIENCE) == message
        messages = [b"%d" % number for number in range(2000)]
        peer.send_many(messages, timeout=PATIENCE)
        assert [peer.recv(timeout=PATIENCE) for _ in messages] == messages
        assert peer.request(b"abc", timeout=PATIENCE) == b"cba"
        assert peer.request(bytes(200_000), timeout=PATIENCE) == bytes(200_000)
        assert peer.ping(timeout=PATIENCE) < PATIENCE
        peer.send_stream([b"Hello, ", b"World!"])
        assert peer.recv(timeout=PATIENCE) == b"Hello, World!"
        ending = peer.close()
    assert ending
    assert (ending.how, ending.sent, ending.delivered, ending.never_sent) == ("closed", 2006, 2006, 0)


def test_an_asyncio_client_understands_it(node: str) -> None:
    async def main(port: int) -> Ending | None:
        async with asyncio.timeout(PATIENCE), mezha.asyncio.connect("127.0.0.1", port) as peer:
            for message in (b"", b"Hello!", bytes(65_536), bytes(65_537), bytes(1_000_000)):
                await peer.send(message)
                assert await peer.recv() == message
            answers = await asyncio.gather(*(peer.request(b"%03d" % number) for number in range(300)))
            assert answers == [(b"%03d" % number)[::-1] for number in range(300)]
            return await peer.close()

    with echo_server(node) as port:
        ending = asyncio.run(main(port))
    assert ending
    assert (ending.how, ending.sent, ending.delivered, ending.never_sent) == ("closed", 5, 5, 0)
