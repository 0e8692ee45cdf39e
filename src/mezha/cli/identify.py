"""``mezha identify``: say which framing captured or live bytes are in."""

import json
import socket
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from mezha.cli.options import Failure, Parser, parse_place, parse_size
from mezha.cli.output import as_text
from mezha.framing.strangers import describe
from mezha.identify import Explanation, Stream, identify, read_capture
from mezha.limits import Limits

__all__ = ["run"]

#: Bytes of a message that are shown, and of a live stream that are read.
_SHOWN = 60
_LIVE = 1 << 20


def run(words: Sequence[str]) -> int:
    """Look at what the command line names; return 1 if nothing explains any of it."""
    parser = Parser(
        "identify",
        usage="mezha identify FILE [options]\n       mezha identify HOST:PORT [options]",
        description="Say which framings explain the bytes in a file, in each direction of each\n"
        "connection in a capture (pcap, pcapng: needs mezha[identify]), or of a live\nserver; the best first.",
        epilog="""\
bits of evidence: what a framing asks for beyond chance. A marker of one byte
that is seen once in 256 bytes says nothing, a checksum of 16 bits says 16.

examples:
  mezha identify capture.pcap
  mezha identify stream.bin --top 5
  mezha identify localhost:6379 --say 'PING\\r\\n'""",
    )
    parser.arguments.add_argument("source", metavar="FILE", help="a file, or HOST:PORT of a server that is running")
    group = parser.add_argument_group("options")
    group.add_argument("--top", metavar="N", type=int, default=3, help="how many to show (default: 3)")
    group.add_argument(
        "--max-message", metavar="SIZE", default="1MiB", help="the largest message to believe in (default: 1MiB)"
    )
    group.add_argument("--say", metavar="TEXT", help=r"say this to a live server first; \r, \n, \xff are bytes")
    group.add_argument(
        "--wait", metavar="SECONDS", type=float, default=2.0, help="how long to listen to it (default: 2)"
    )
    group.add_argument("--json", action="store_true", help="an object for each stream")
    options = parser.parse(words)
    limit = parser.checked(parse_size, options.max_message) or Limits().max_message
    known = False
    for stream in _streams(parser, options.source, options.say, options.wait):
        found = identify(stream.data, limit=limit, ended=stream.ended)[: max(options.top, 1)]
        stranger = describe(stream.data[:64])
        known = known or bool(found) or stranger is not None
        if options.json:
            print(json.dumps(_object(stream, stranger, found), ensure_ascii=False))
        else:
            _show(stream, stranger, found)
    return 0 if known else 1


def _streams(parser: Parser, source: str, say: str | None, wait: float) -> list[Stream]:
    path = Path(source)
    if path.is_file():
        try:
            return read_capture(path)
        except ImportError as error:
            raise Failure(f"to read captures, install mezha[identify]: {error}") from error
        except ValueError as error:
            raise Failure(str(error)) from error
    try:
        place = parse_place(source)
    except ValueError:
        parser.error(f"{source!r} is no file, and not HOST:PORT")
    if place.host is None:
        parser.error(f"{source!r} says no host to connect to")
    said = b"" if say is None else say.encode("latin-1", "backslashreplace").decode("unicode_escape").encode("latin-1")
    until = time.monotonic() + wait
    data = bytearray()
    ended = False
    with socket.create_connection((place.host, place.port or 0), timeout=max(wait, 1.0)) as sock:
        sock.sendall(said)
        with suppress(TimeoutError):
            while not ended and len(data) < _LIVE and (left := until - time.monotonic()) > 0:
                sock.settimeout(left)
                piece = sock.recv(65536)
                data += piece
                ended = not piece
    if not data:
        raise Failure(f"{place} said nothing within {wait:g} s: perhaps it waits to be spoken to (--say)")
    return [Stream(f"{place} -> here", bytes(data), ended=ended)]


def _show(stream: Stream, stranger: str | None, found: list[Explanation]) -> None:
    print(f"{stream.name}: {len(stream.data)} bytes" + _blemishes(stream))
    if stranger:
        print(f"  this looks like {stranger}")
    if not found and not stranger:
        print("  no framing of the catalogue explains this")
    for place, each in enumerate(found, 1):
        also = f" (the same as {', '.join(each.also)})" if each.also else ""
        print(f"  {place}. {each.form}{also}: {_count(each)}, {_rest(each)}, {each.bits:.0f} bits of evidence")
        if place == 1:
            for message in each.messages:
                more = f" … ({len(message)} bytes)" if len(message) > _SHOWN else ""
                print(f"       {as_text(message[:_SHOWN])}{more}")


def _count(each: Explanation) -> str:
    return f"{each.count} message{'s' * (each.count != 1)}"


def _rest(each: Explanation) -> str:
    if each.whole:
        return "nothing left over"
    return f"{each.rest} bytes left over ({'which are none' if each.fault else 'unfinished'})"


def _blemishes(stream: Stream) -> str:
    blemishes = [
        "its beginning is not in the capture" * (not stream.begun),
        f"{stream.lost} bytes were not captured, and what follows them is left out" * bool(stream.lost),
    ]
    return "".join(f"; {blemish}" for blemish in blemishes if blemish)


def _object(stream: Stream, stranger: str | None, found: list[Explanation]) -> dict[str, object]:
    return {
        "stream": stream.name,
        "bytes": len(stream.data),
        "begun": stream.begun,
        "ended": stream.ended,
        "lost": stream.lost,
        "looks_like": stranger,
        "framings": [
            {
                "framing": each.form,
                "also": each.also,
                "messages": each.count,
                "rest": each.rest,
                "fault": each.fault,
                "bits": round(each.bits, 1),
                "first": [message.hex() for message in each.messages],
            }
            for each in found
        ],
    }
