"""``mezha send``: send messages, and wait for replies."""

import itertools
import os
import sys
import threading
from argparse import ArgumentTypeError, Namespace
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from ssl import SSLCertVerificationError, SSLContext

from mezha.blocking import Peer, connect
from mezha.cli.options import (
    FRAMINGS_HELP,
    Failure,
    Parser,
    Place,
    add_connection_options,
    add_output_options,
    parse_place,
    require_framing,
)
from mezha.cli.output import Printer, notice, watcher
from mezha.cli.tls import add_client_options, client_context
from mezha.errors import ClosedByPeer, ClosedByUs, ConnectionLost, MezhaError
from mezha.framing import Framing
from mezha.limits import Limits

__all__ = ["run"]

#: As many replies as there are, until the peer ends its stream.
_ALL = -1


def run(words: Sequence[str]) -> int:
    """Send as the command line says."""
    parser = Parser(
        "send",
        usage="mezha send [HOST:]PORT [MESSAGE ...] --framing FRAMING [options]\n"
        "       mezha send --unix PATH [MESSAGE ...] --framing FRAMING [options]",
        description="Send each MESSAGE as one message; without any, each line of the standard input.",
        epilog=f"""\
examples:
  mezha send 9000 --framing lines Hello! World!
  mezha send 9000 --framing lines --replies 2 Hello! World!
  mezha send example.org:9000 --framing length:2 --tls --hex 00ff 0a
  tail -f log.txt | mezha send 9000 --framing lines

{FRAMINGS_HELP}""",
    )
    parser.arguments.add_argument(
        "place", metavar="[HOST:]PORT", nargs="?", help="where to connect; 127.0.0.1 if no host is given"
    )
    parser.arguments.add_argument(
        "messages", metavar="MESSAGE", nargs="*", help="a message; put -- before any that begins with -"
    )
    add_connection_options(parser, where="connect to")
    replies = parser.add_argument_group("replies")
    replies.add_argument("--replies", metavar="N", type=_replies, default=0, help="wait for N, or all: until the end")
    replies.add_argument(
        "--timeout", metavar="SECONDS", type=float, help="how long to wait for each; with all, what silence ends it"
    )
    add_output_options(parser, hex_also="; messages are given so, too")
    add_client_options(parser)
    options = parser.parse(words)

    arguments: list[str] = options.messages
    if options.unix is not None:
        place = Place(unix=options.unix)
        if options.place is not None:  # with a path every word is a message
            arguments = [options.place, *arguments]
    elif options.place is None:
        parser.error("say where to connect: PORT, HOST:PORT, or --unix PATH")
    else:
        place = parser.checked(parse_place, options.place)
        if place.host is None:
            parser.error(f"{options.place!r} says no host to connect to")
    framing = require_framing(parser, options)
    tls = client_context(parser, options)
    messages: Iterable[bytes]
    if not arguments:
        messages = _from_lines(0, hex_digits=options.hex)
    elif options.hex:
        messages = [parser.checked(_from_hex, argument) for argument in arguments]
    else:
        messages = [os.fsencode(argument) for argument in arguments]

    with _connect(place, framing, tls, options) as peer:
        if not arguments and sys.stdin.isatty():
            notice(f"connected to {place}; each line is a message, Ctrl-D ends")
        try:
            if options.replies:
                _exchange(peer, messages, options, half_close=tls is None)
            else:
                for message in messages:
                    peer.send(message)
        except KeyboardInterrupt:
            peer.abort()  # rather than wait until the peer has read the rest
            raise
    return 0


def _connect(place: Place, framing: Framing, tls: SSLContext | None, options: Namespace) -> Peer:
    try:
        return connect(
            place.host,
            place.port,
            unix=place.unix,
            framing=framing,
            tls=tls,
            server_hostname=options.server_name,
            limits=Limits(max_message=options.max_message),
            observer=watcher(framing),
        )
    except SSLCertVerificationError as error:
        raise Failure(
            f"cannot trust {place}: {error.verify_message.rstrip('.')} (--ca says whom to trust, --insecure anybody)"
        ) from error
    except OSError as error:
        raise Failure(f"cannot connect to {place}: {error.strerror or error}") from error


def _exchange(peer: Peer, messages: Iterable[bytes], options: Namespace, *, half_close: bool) -> None:
    """Send in another thread, so that neither side ever waits for the other to read, and print the replies."""
    refusals: list[Exception] = []

    def send() -> None:
        try:
            for message in messages:
                peer.send(message)
            if options.replies == _ALL and half_close:
                peer.send_eof()
        except (ConnectionLost, ClosedByUs):
            pass  # whoever receives finds out
        except Exception as error:  # noqa: BLE001 - raised below, in the main thread
            refusals.append(error)
            peer.abort()

    sender = threading.Thread(target=send, daemon=True)
    sender.start()
    printer = Printer(options)
    count = 0
    try:
        while count != options.replies:
            most = None if options.replies == _ALL else options.replies - count
            replies = peer.recv_many(most, timeout=options.timeout)
            printer.show(peer.remote_address, replies)
            count += len(replies)
        threading.Thread(target=_drain, args=(peer,), daemon=True).start()
        sender.join()
    except TimeoutError:
        if options.replies != _ALL:
            raise Failure(f"no reply within {options.timeout:g} s, after {count} of {options.replies}") from None
    except ClosedByPeer:
        if options.replies != _ALL:
            raise Failure(f"the peer ended its stream after {count} of {options.replies} replies") from None
    except ClosedByUs:
        if not refusals:
            raise
    if refusals:
        raise refusals[0]


def _drain(peer: Peer) -> None:
    with suppress(MezhaError):
        for _ in peer:
            pass


def _from_lines(descriptor: int, *, hex_digits: bool) -> Iterator[bytes]:
    """Yield the lines of a file as they come, without their endings; the last need not have one."""
    rest = b""
    numbers = itertools.count(1)
    while chunk := os.read(descriptor, 65536):
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield _from_line(line.removesuffix(b"\r"), next(numbers), hex_digits=hex_digits)
    if rest:
        yield _from_line(rest, next(numbers), hex_digits=hex_digits)


def _from_line(line: bytes, number: int, *, hex_digits: bool) -> bytes:
    try:
        return _from_hex(line.decode("ascii", "replace")) if hex_digits else line
    except ValueError as error:
        raise Failure(f"line {number}: {error}") from None


def _from_hex(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a message in hex digits, two for each byte") from None


def _replies(text: str) -> int:
    if text == "all":
        return _ALL
    if not (text.isascii() and text.isdecimal()):
        raise ArgumentTypeError(f"{text!r} is not a number, nor all")
    return int(text)
