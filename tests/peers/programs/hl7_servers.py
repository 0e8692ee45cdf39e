"""Acknowledge HL7 messages over MLLP: python-hl7 at one port, and hl7apy, which takes one a connection, at another."""

import asyncio
import sys
from threading import Thread
from typing import Any

from hl7.mllp import HL7StreamReader, HL7StreamWriter, start_hl7_server
from hl7apy.mllp import AbstractHandler, MLLPServer
from hl7apy.parser import parse_message


class Acknowledges(AbstractHandler):
    def reply(self) -> str:
        message: Any = parse_message(self.incoming_message)
        control_id = message.msh.msh_10.to_er7()
        return f"\x0bMSH|^~\\&|||||||ACK|{control_id}|P|2.3\rMSA|AA|{control_id}\r\x1c\r"


async def acknowledge(reader: HL7StreamReader, writer: HL7StreamWriter) -> None:
    while not reader.at_eof():
        message: Any = await reader.readmessage()
        writer.writemessage(message.create_ack())
        await writer.drain()


async def main() -> None:
    server = await start_hl7_server(acknowledge, "127.0.0.1", int(sys.argv[1]), encoding="utf-8")
    print("ready", flush=True)
    await server.serve_forever()


other = MLLPServer("127.0.0.1", int(sys.argv[2]), {"ADT^A01": (Acknowledges,)})
Thread(target=other.serve_forever, daemon=True).start()
asyncio.run(main())
