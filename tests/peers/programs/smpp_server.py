"""Be the centre of a mobile network, over SMPP, at a port: take every message, and give it a number."""

import asyncio
import sys

from smpp34 import Server, SubmitSmEvent


async def main() -> None:
    server = Server("127.0.0.1", int(sys.argv[1]), system_id="mezha")
    await server.start()
    number = 0
    while True:
        event = await server.next()
        if isinstance(event, SubmitSmEvent):
            number += 1
            event.accept(f"{number}:{event.short_message.decode()}")


asyncio.run(main())
