"""In programs of anyio: each flavour on its backend, and a stream of anyio's that becomes a peer."""

from types import ModuleType

import anyio
import pytest
from anyio.abc import SocketAttribute, SocketStream

import mezha.asyncio
import mezha.trio
from mezha.errors import ClosedByPeer
from mezha.framing import Lines


@pytest.mark.parametrize(("backend", "flavour"), [("trio", mezha.trio), ("asyncio", mezha.asyncio)])
def test_cancel_scopes_and_task_groups_of_anyio(backend: str, flavour: ModuleType) -> None:
    answers: list[bytes] = []

    async def echo(peer: mezha.trio.Peer | mezha.asyncio.Peer) -> None:
        async for message in peer:
            await peer.send(message.upper())

    async def ask(port: int, question: bytes) -> None:
        async with flavour.connect("127.0.0.1", port, framing=Lines()) as peer:
            with anyio.move_on_after(0.01) as scope:
                await peer.recv()
            assert scope.cancelled_caught
            await peer.send(question)
            answers.append(await peer.recv())  # which the cancelled recv has not taken along

    async def main() -> None:
        with anyio.fail_after(20):
            async with (
                flavour.serve(echo, "127.0.0.1", 0, framing=Lines()) as server,
                anyio.create_task_group() as tasks,
            ):
                for question in (b"one", b"two", b"three"):
                    tasks.start_soon(ask, server.port, question)

    anyio.run(main, backend=backend)
    assert sorted(answers) == [b"ONE", b"THREE", b"TWO"]


def test_a_stream_of_anyio_becomes_a_peer() -> None:
    """It is the same connection, and goes on where the stream was left."""

    async def greet(stream: SocketStream) -> None:
        assert await stream.receive(7) == b"LOGIN 1"
        await stream.send(b"OK")
        sock = stream.extra(SocketAttribute.raw_socket).dup()
        await stream.aclose()
        async with mezha.trio.wrap(sock, Lines()) as peer:
            await peer.send(await peer.recv())

    async def main() -> None:
        with anyio.fail_after(20):
            async with (
                await anyio.create_tcp_listener(local_host="127.0.0.1") as listener,
                anyio.create_task_group() as tasks,
            ):
                tasks.start_soon(listener.serve, greet)
                stream = await anyio.connect_tcp("127.0.0.1", listener.extra(SocketAttribute.local_port))
                await stream.send(b"LOGIN 1")
                assert await stream.receive() == b"OK"
                sock = stream.extra(SocketAttribute.raw_socket).dup()
                await stream.aclose()
                async with mezha.trio.wrap(sock, Lines()) as peer:
                    await peer.send(b"Hello!")
                    assert await peer.recv() == b"Hello!"
                    with pytest.raises(ClosedByPeer):
                        await peer.recv()
                tasks.cancel_scope.cancel()

    anyio.run(main, backend="trio")


def test_what_is_no_stream_of_trio_is_refused() -> None:
    async def main() -> None:
        listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
        async with listener, await anyio.connect_tcp("127.0.0.1", listener.extra(SocketAttribute.local_port)) as stream:
            with pytest.raises(TypeError, match="wrap wants a trio stream or a socket, not a SocketStream"):
                await mezha.trio.wrap(stream, Lines())  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]

    anyio.run(main, backend="trio")
