"""The echo server with asyncio: a task for each connection. Ctrl-C ends it."""

import asyncio

from mezha.asyncio import Peer, serve


async def echo(peer: Peer) -> None:
    async for message in peer:
        await peer.send(message)


async def shout(peer: Peer, question: bytes) -> bytes:
    return question.upper()


async def main() -> None:
    async with serve(echo, "localhost", 1898, answer=shout) as server:
        await server.serve_forever()


asyncio.run(main())
