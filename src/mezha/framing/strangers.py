"""Recognise the programs that most often call at the wrong door, by the first bytes they say."""

__all__ = ["clue", "describe"]

_STRANGERS: tuple[tuple[bytes, str], ...] = (
    *(
        (method + b" ", "an HTTP request")
        for method in (b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"OPTIONS", b"PATCH", b"TRACE", b"CONNECT")
    ),
    (b"PRI * HTTP/2", "an HTTP/2 request"),
    (b"HTTP/", "an HTTP response"),
    (b"SSH-", "an SSH banner"),
    (b"\x16\x03", "a TLS ClientHello: the peer wants TLS, and this side speaks plain TCP"),
    (b"\x15\x03", "a TLS alert: the peer speaks TLS, and this side plain TCP"),
    (b"\x8dMZH\r\n\x1a\n", "the mezha protocol: the peer was opened without framing=, and this side with one"),
    (b"220 ", "the greeting of an SMTP or FTP server"),
    (b"220-", "the greeting of an SMTP or FTP server"),
)
#: Fewer bytes could be anything.
_ENOUGH = 3


def describe(first: bytes) -> str | None:
    """Say what the first bytes of a stream look like ("an HTTP request"), or ``None`` if they look like nothing known.

    As few as three bytes may do; a recognised beginning that is shorter than the bytes, or longer, both count.
    """
    for opening, name in _STRANGERS:
        known = min(len(first), len(opening))
        if known >= min(_ENOUGH, len(opening)) and first[:known] == opening[:known]:
            return name
    return None


def clue(header: bytes) -> str:
    """Return the end of an error's text that says what a header looks like, or nothing.

    Give it only bytes that every cut has shown by then.
    """
    stranger = describe(header)
    return f". Its first bytes are {header!r}: this looks like {stranger}" if stranger else ""
