"""What the verbs have in common on the command line: the place, the framing, sizes, output, and how errors read."""

import argparse
import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NoReturn, TypeVar

from mezha.framing import Framing, parse_framing
from mezha.limits import Limits

__all__ = [
    "FRAMINGS",
    "FRAMINGS_HELP",
    "Failure",
    "Parser",
    "Place",
    "add_connection_options",
    "add_output_options",
    "parse_place",
    "parse_size",
    "require_framing",
]

#: The framings as the help shows them: by the name in ``mezha.framing.names.NAMES``, how to write it, what it means.
FRAMINGS = {
    "lines": ("lines", "a line feed ends each message; lines:crlf writes CR LF"),
    "delimited": (r"delimited:\r\n", "a marker of your choice ends each message"),
    "length": ("length:4:big", "a length of 1, 2, 3, 4 or 8 bytes, big or little, comes first"),
    "varint": ("varint", "a length as protobuf writes it comes first"),
    "netstring": ("netstring", "6:Hello!, (a decimal length, and a comma behind)"),
    "fixed": ("fixed:512", "every message has this many bytes"),
    "mqtt": ("mqtt", "MQTT packets, with their fixed header"),
    "ber": ("ber", "ASN.1 in its basic encoding, whole elements"),
    "ldap": ("ldap", "LDAP, whole messages"),
    "oncrpc": ("oncrpc", "ONC RPC records (rpcbind, NFS), in fragments"),
    "slip": ("slip", "c0 ends each message; slip:both begins it, too"),
    "cobs": ("cobs", "a zero ends each message, and none is in it"),
    "hdlc": ("hdlc:fcs=16", "between flags, with a checksum of 16 or 32 bits, or 0"),
    "websocket": ("websocket", "RFC 6455 frames; a client is websocket:masked"),
    "chunked": ("chunked", "HTTP/1.1 chunked bodies; chunked:8192 writes chunks"),
    "dns": ("dns", "DNS over TCP"),
    "erlang": ("erlang:4", "sockets and ports of Erlang; a length of 1, 2 or 4 bytes"),
    "multiprocessing": ("multiprocessing", "connections between processes of Python"),
    "modbus": ("modbus", "Modbus/TCP, whole units"),
    "tpkt": ("tpkt", "ISO transport (RFC 1006): S7, MMS, H.323"),
    "smpp": ("smpp", "SMPP, whole PDUs"),
    "diameter": ("diameter", "Diameter, whole messages"),
    "postgres": ("postgres", "PostgreSQL, whole messages"),
    "mysql": ("mysql", "MySQL and MariaDB: a packet's number and its payload"),
    "kafka": ("kafka", "Apache Kafka"),
    "bgp": ("bgp", "BGP, whole messages"),
    "syslog": ("syslog", "syslog, counted; syslog:lines writes the older form"),
    "content-length": ("content-length", "a header as in LSP and DAP comes first"),
    "mllp": ("mllp", "blocks of HL7 messages"),
    "fix": ("fix", "FIX messages, length and checksum checked"),
    "stomp": ("stomp", "STOMP frames; an empty message is a heart-beat"),
    "resp": ("resp", "values of Redis, whole"),
    "memcached": ("memcached", "lines of memcached, with their values"),
    "nats": ("nats", "lines of NATS, with their payloads"),
    "dot-stuffed": ("dot-stuffed", "texts of SMTP, POP3 and NNTP, a lone dot behind"),
    "skip": ("skip:lines", "another one, but a message over the limit is skipped"),
    "resync": ("resync:lines", "another one, but what is no message is skipped"),
    "checked": ("checked:crc32:varint", "another one, with a checksum behind each message"),
}
FRAMINGS_HELP = "framings, for --framing (both ends must use the same):\n" + "\n".join(
    f"  {form:<15} {meaning}" for form, meaning in FRAMINGS.values()
)

Word = TypeVar("Word")
Value = TypeVar("Value")

_BINARY = {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
_UNITS = {"": 1, **_BINARY, **{f"{k}ib": v for k, v in _BINARY.items()}, "kb": 10**3, "mb": 10**6, "gb": 10**9}
_PORTS = range(65536)


class Failure(Exception):
    """Something went wrong that needs no traceback; the text is the whole story."""


class Parser(argparse.ArgumentParser):
    """The parser of one verb: help that fits the screen, an error that is one sentence."""

    def __init__(self, verb: str, usage: str, description: str, epilog: str) -> None:
        super().__init__(
            prog=f"mezha {verb}",
            usage=usage,
            description=description,
            epilog=epilog,
            formatter_class=lambda prog: argparse.RawDescriptionHelpFormatter(
                prog, max_help_position=25, width=min(shutil.get_terminal_size().columns, 90)
            ),
            allow_abbrev=False,
            add_help=False,
        )
        self.arguments = self.add_argument_group("arguments")

    def parse(self, words: Sequence[str]) -> argparse.Namespace:
        """Parse the call; options may stand anywhere among the words."""
        self.arguments.add_argument("-h", "--help", action="help", help="show this, and do nothing else")
        return self.parse_intermixed_args(words)

    def error(self, message: str) -> NoReturn:
        """Say what is wrong with the call, and exit with code 2."""
        self.exit(2, f"{self.prog}: {message.removeprefix('argument ')} (see {self.prog} --help)\n")

    def checked(self, parse: Callable[[Word], Value], word: Word) -> Value:
        """Return what ``parse`` makes of a word of the call, or exit and say what is wrong with it."""
        try:
            return parse(word)
        except ValueError as error:
            self.error(str(error))


@dataclass(frozen=True, slots=True)
class Place:
    """Where to connect or listen: a host (``None``: every address of this machine) and a port, or a path."""

    host: str | None = None
    port: int | None = None
    unix: str | None = None

    def __str__(self) -> str:
        if self.unix is not None:
            return self.unix
        return f"[{self.host}]:{self.port}" if self.host and ":" in self.host else f"{self.host or '*'}:{self.port}"


def parse_place(text: str) -> Place:
    """Read ``PORT`` (of this machine, 127.0.0.1), ``HOST:PORT``, ``[IPV6]:PORT``, or ``:PORT`` for every address.

    Raises:
        ValueError: it is none of these.

    """
    host, colon, port = text.rpartition(":")
    if not colon:
        host = "127.0.0.1"
    elif host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError(f"{text!r}: put an IPv6 address in brackets, as [::1]:9000")
    if not (port.isascii() and port.isdecimal()):
        raise ValueError(f"{text!r} is not PORT, HOST:PORT or [IPV6]:PORT")
    if int(port) not in _PORTS:
        raise ValueError(f"{text!r}: a port is a number up to 65535")
    return Place(None if host in ("", "*") else host, int(port))


def parse_size(text: str) -> int:
    """Read a number of bytes: ``65536``, ``64k`` or ``64KiB`` (of 1024), ``64kB`` (of 1000), and so with M and G.

    Raises:
        ValueError: it is none.

    """
    match = re.fullmatch(r"(\d+)\s*([a-z]*)", text.strip().lower(), re.ASCII)
    if match is None or match[2] not in _UNITS:
        raise ValueError(f"{text!r} is not a size, as 4096, 64k, 1MiB or 10MB")
    return int(match[1]) * _UNITS[match[2]]


def add_connection_options(parser: Parser, *, where: str) -> None:
    """Add the options that say where, in which framing, and how large."""
    group = parser.add_argument_group("connection")
    group.add_argument("--framing", metavar="FRAMING", type=_framing, help="how messages are marked, see below")
    group.add_argument("--unix", metavar="PATH", help=f"{where} a Unix socket, instead of a port")
    group.add_argument(
        "--max-message",
        metavar="SIZE",
        type=_size,
        default=Limits().max_message,
        help="largest message in either direction, as 64k or 1MiB (default: 1MiB)",
    )


def require_framing(parser: Parser, options: argparse.Namespace) -> Framing:
    """Return the framing given; without one, or with one that contradicts the limit, exit and explain."""
    framing: Framing | None = options.framing
    if framing is None:
        parser.error(
            "say how messages are marked, as with --framing lines: both ends must agree, and nothing is assumed"
        )
    parser.checked(lambda limit: framing.decoder(limit=limit), options.max_message)
    return framing


def add_output_options(parser: Parser, *, hex_also: str = "", quiet: str = "") -> None:
    """Add the options that say how messages are shown, and ``--quiet``, if it means something."""
    group = parser.add_argument_group("output")
    shape = group.add_mutually_exclusive_group()
    shape.add_argument("--text", action="store_true", help="a line each; what is not text is escaped (default)")
    shape.add_argument("--hex", action="store_true", help=f"a line each, in hex digits{hex_also}")
    group.add_argument("--json", action="store_true", help="an object each: peer, time, size, text (or hex)")
    if quiet:
        group.add_argument("-q", "--quiet", action="store_true", help=quiet)


def _framing(text: str) -> Framing:
    try:
        return parse_framing(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _size(text: str) -> int:
    try:
        return parse_size(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
