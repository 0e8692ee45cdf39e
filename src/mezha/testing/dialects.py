"""What the framings of one protocol each carry, for Hypothesis: the bytes that mean something, and whole messages."""

from collections.abc import Callable

from hypothesis import strategies as st

from mezha.framing import ContentLength, DotStuffed, Fix, Framing, Memcached, Mllp, Nats, Resp, Stomp, Syslog

__all__ = ["MESSAGES", "SIGNS"]

Body = st.SearchStrategy[bytes]


def _text(body: bytes, *, without: bytes) -> bytes:
    """Leave out bytes that may not stand there."""
    return bytes(byte for byte in body if byte not in without)


def _mllp(body: Body) -> Body:
    return body.map(lambda text: text.replace(b"\x1c\r", b"\x1c\x0b"))


def _fix(body: Body) -> Body:
    def message(version: bytes, length: bytes, fields: bytes) -> bytes:
        fields += b"\x01"
        head = b"8=FIX%b\x019=%b\x01%b" % (version, length % len(fields), fields)
        return head + b"10=%03d\x01" % (sum(head) % 256)

    return st.builds(message, st.sampled_from((b".4.4", b"T.1.1", b"")), st.sampled_from((b"%d", b"%05d")), body)


def _stomp(body: Body) -> Body:
    def frame(head: bytes, line: bytes, text: bytes) -> bytes:
        if b"%d" in head:
            return head.replace(b"%d", b"%d" % len(text)).replace(b"\n", line) + line + text
        return head.replace(b"\n", line) + line + _text(text, without=b"\0")

    heads = (
        b"SEND\n",
        b"ACK\nid:1\n",
        b"SEND\ncontent-length:%d\n",
        b"MESSAGE\na:b\ncontent-length: %d\ncontent-length:0\n",
    )
    return st.just(b"") | st.builds(frame, st.sampled_from(heads), st.sampled_from((b"\n", b"\r\n")), body)


def _resp(body: Body) -> Body:
    def line(kind: bytes, text: bytes) -> bytes:
        return kind + _text(text, without=b"\n") + b"\r\n"

    def block(kind: bytes, text: bytes) -> bytes:
        return b"%b%d\r\n%b\r\n" % (kind, len(text), text)

    def values(kind: bytes, some: list[bytes]) -> bytes:
        return b"%b%d\r\n" % (kind, len(some)) + b"".join(some)

    def pairs(kind: bytes, some: list[tuple[bytes, bytes]], behind: bytes) -> bytes:
        return values(kind, [key + value for key, value in some]) + behind

    def inner(value: Body) -> Body:
        some = st.lists(st.tuples(value, value), max_size=2)
        return (
            st.builds(values, st.sampled_from((b"*", b"~", b">")), st.lists(value, max_size=3))
            | st.builds(pairs, st.just(b"%"), some, st.just(b""))
            | st.builds(pairs, st.just(b"|"), some, value)
        )

    short = body.map(lambda text: text[:3])
    lines = st.builds(line, st.sampled_from((b"+", b"-", b":", b"_", b"#", b",", b"(")), short)
    blocks = st.builds(block, st.sampled_from((b"$", b"!", b"=")), short)
    return st.recursive(lines | blocks | st.sampled_from((b"$-1\r\n", b"*-1\r\n")), inner, max_leaves=4)


def _with_block(line: bytes, block: bytes) -> bytes:
    return line % len(block) + b"\r\n" + block


def _memcached(body: Body) -> Body:
    bare = st.sampled_from((b"get a", b"STORED", b"END", b"STAT pid 1", b"mg a v", b"1", b"sets", b"a\r"))
    sized = (b"set a 0 0 %d", b"cas a 0  0 %d 7 noreply", b"VALUE a 0 %d", b"VALUE a 0 %d 7", b"ms a %d T0", b"VA %d")
    return bare | st.builds(_with_block, st.sampled_from(sized), body)


def _nats(body: Body) -> Body:
    bare = st.sampled_from((b"PING", b"pong", b"+OK", b"-ERR 'x'", b'INFO {"a":1}', b"SUB a.* 1"))
    sized = (b"PUB a %d", b"pub a b\t%d", b"MSG a 1 %d", b"MSG a 1  b %d", b"HPUB a 0 %d", b"HMSG a 1 b 0 %d")
    return bare | st.builds(_with_block, st.sampled_from(sized), body)


def _dot_stuffed(body: Body) -> Body:
    lines = st.lists(body.map(lambda text: _text(text[:4], without=b"\r\n") + b"\r\n"), max_size=6)
    return lines.map(b"".join)


#: For each framing, the bytes that mean something in it.
SIGNS: dict[type[Framing], bytes] = {
    Syslog: b"<013> \n\r",
    ContentLength: b"Content-Length: 01\r\n\r\n",
    Mllp: b"\x0b\x1c\r|",
    Fix: b"8=FIX\x019=10=",
    Stomp: b"\n\0\r:A\n",
    Resp: b"*$+_%|01-\r\n\r\n",
    Memcached: b"get set 01\r\n\r\n",
    Nats: b"PUB PING 01\r\n\r\n",
    DotStuffed: b".\r\n.\r\na",
}

#: For each framing that does not carry just anything, its messages, made from any bytes.
MESSAGES: dict[type[Framing], Callable[[Body], Body]] = {
    Mllp: _mllp,
    Fix: _fix,
    Stomp: _stomp,
    Resp: _resp,
    Memcached: _memcached,
    Nats: _nats,
    DotStuffed: _dot_stuffed,
}
