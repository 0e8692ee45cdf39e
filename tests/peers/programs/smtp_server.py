"""Take mail over SMTP, with aiosmtpd, at a port, and answer each with its text, in hexadecimal."""

import asyncio
import sys

from aiosmtpd.smtp import SMTP, Envelope, Session


class Takes:
    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        assert isinstance(envelope.content, bytes)
        return "250 " + envelope.content.hex()


async def main() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(Takes(), hostname="peer"), "127.0.0.1", int(sys.argv[1]))
    await server.serve_forever()


asyncio.run(main())
