"""The client with asyncio; either client can talk to either server."""

import asyncio

from mezha.asyncio import connect


async def main() -> None:
    async with connect("localhost", 1898) as peer:
        await peer.send(b"Hello!")
        await peer.send(b"World!")
        async with asyncio.timeout(5):
            print(await peer.recv(), await peer.recv())
            print(await peer.request(b"how are you?"))


asyncio.run(main())
