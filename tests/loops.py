"""The event loops on which the asyncio flavour is tested."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

__all__ = ["ALL_LOOPS", "LOOPS"]

#: What makes a loop, and whether in debug mode.
LOOPS: dict[str, tuple[Callable[[], asyncio.AbstractEventLoop], bool]] = {
    "asyncio": (asyncio.new_event_loop, False),
    "debug": (asyncio.new_event_loop, True),
}
with suppress(ImportError):  # there is none for Windows
    import uvloop

    LOOPS["uvloop"] = (uvloop.new_event_loop, False)


class _Completing(asyncio.SelectorEventLoop):
    """A loop that cannot say when a socket is readable, as the one of Windows that waits for completion."""

    def add_reader(self, *_: object) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        raise NotImplementedError


#: Also those on which only a listener behaves in a way of its own.
ALL_LOOPS = {**LOOPS, "no readers": (_Completing, False)}
