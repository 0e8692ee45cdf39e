"""How messages are shown: as text, as hex digits, or as an object of JSON a line."""

import json
import sys
import threading
from argparse import Namespace
from collections.abc import Sequence
from datetime import UTC, datetime

from mezha.errors import RemoteProtocolError
from mezha.framing import Framing, Tolerant
from mezha.observe import Observer

__all__ = ["Printer", "as_json", "as_text", "notice", "watcher"]


def as_text(message: bytes) -> str:
    r"""Return a message as one line that a terminal shows safely: controls, and what is not UTF-8, as ``\x1b``."""
    text = message.decode("utf-8", "backslashreplace")
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() or letter == "\t" else letter.encode("unicode_escape").decode("ascii")
        for letter in text
    )


def as_json(peer: str, message: bytes, now: datetime, *, hex_only: bool = False, ascii_only: bool = False) -> str:
    """Return a message as an object of JSON, with ``text`` where it is UTF-8, or else with ``hex``."""
    record: dict[str, str | int] = {
        "peer": peer,
        "time": now.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "size": len(message),
    }
    try:
        record |= {"hex": message.hex()} if hex_only else {"text": message.decode()}
    except UnicodeDecodeError:
        record["hex"] = message.hex()
    return json.dumps(record, ensure_ascii=ascii_only)


def notice(text: str) -> None:
    """Say something about the connection, where it does not get among the messages."""
    print(text, file=sys.stderr, flush=True)


class _Forgiven(Observer):
    def fault_forgiven(self, error: RemoteProtocolError) -> None:
        notice(f"passed over: {error}")


def watcher(framing: Framing) -> Observer | None:
    """Return who says what is passed over, if the framing forgives something; the others are not to be slowed down."""
    return _Forgiven() if isinstance(framing, Tolerant) else None


class Printer:
    """Prints messages on the standard output, of any number of threads, each message in a line of its own."""

    def __init__(self, options: Namespace) -> None:
        self._json: bool = options.json
        self._hex: bool = options.hex
        self._ascii = not (sys.stdout.encoding or "").lower().startswith("utf")
        self._lock = threading.Lock()
        self._last: str | None = None

    def show(self, peer: str, messages: Sequence[bytes], *, name: bool = True) -> None:
        """Print messages of a peer; say first whose they are, if the last were another's.

        Raises:
            BrokenPipeError: nobody reads the output any more.

        """
        if self._json:
            now = datetime.now(UTC)
            lines = [as_json(peer, message, now, hex_only=self._hex, ascii_only=self._ascii) for message in messages]
        else:
            lines = [message.hex() if self._hex else as_text(message) for message in messages]
        with self._lock:
            if name and not self._json and self._last not in (None, peer):
                notice(f"from {peer}:")
            self._last = peer
            sys.stdout.write("".join(f"{line}\n" for line in lines))
            sys.stdout.flush()
