"""grpc.aio on the stock loop: one bidirectional stream of bytes, ``write`` and ``read``, no serializer, no size limit.

Every channel has a connection of its own (``grpc.use_local_subchannel_pool``).
"""

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import grpc
import grpc.aio

from benchmarks.awaiting import AsyncLink, AsyncPeer, Handler
from benchmarks.job import Job
from benchmarks.peer import HOST

__all__ = ["PEERS"]

_OPTIONS = (
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.use_local_subchannel_pool", 1),
)


class GrpcAio(AsyncPeer):
    """A stream of gRPC."""

    package = "grpcio"
    most_connections = 1000

    def listen(self, job: Job, handler: Handler) -> AbstractAsyncContextManager[int]:
        """Serve."""
        return _listen(handler)

    async def connect(self, job: Job, port: int) -> AsyncLink:
        """Open a channel, and a stream in it."""
        channel: Any = grpc.aio.insecure_channel(f"{HOST}:{port}", options=_OPTIONS)
        call = channel.stream_stream("/benchmark/stream")()
        await call.wait_for_connection()
        return AsyncLink(call.write, call.read, channel.close)


@asynccontextmanager
async def _listen(handler: Handler) -> AsyncGenerator[int]:
    async def attend(_: object, context: Any) -> None:
        await context.send_initial_metadata(())
        await handler(AsyncLink(context.write, context.read, _nothing))

    server = grpc.aio.server(options=_OPTIONS)
    methods: dict[str, Any] = {"stream": grpc.stream_stream_rpc_method_handler(attend)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("benchmark", methods),))
    port = server.add_insecure_port(f"{HOST}:0")
    await server.start()
    yield port
    await server.stop(grace=0.5)


async def _nothing() -> None:
    pass


PEERS = (GrpcAio("grpc.aio stream"),)
