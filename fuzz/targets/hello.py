"""The HELLO of the mezha protocol, and what else a stranger may begin with.

Invariant: the body of a HELLO says what a side takes, or is refused with a sentence and a code that the peer is told;
what it said is said in the same words again; and the first bytes of a stream are the magic, not enough yet, or are
given a name in a sentence.

Allowed: HandshakeError.
"""

from fuzz.choices import Choices
from mezha.errors import HandshakeError
from mezha.session.frames import Code
from mezha.session.greeting import MAGIC, check_magic, not_greeted
from mezha.session.hello import Hello, agree_on_heartbeat, agree_on_version

__all__ = ["check"]

#: What is said in a HELLO, so that not all of them have to be found.
VALUES = (
    b"\0\1\0\1\1",
    b"\0\2\0\x08",
    b"\0\3\0\x08",
    b"\0\4\0\4",
    b"\0\5\0\x0c",
    b"\0\6\0\x08",
    b"\0\7\0\3",
    b"\x80\x10\0\0",
)


def check(data: bytes) -> None:
    """Read a HELLO, and the beginning of a stream."""
    choices = Choices(data)
    first = choices.piece(16)
    body = b"\0\1\0\2\1\2" * choices.below(2)
    while choices:
        body += choices.one_of(VALUES) * choices.below(2) + choices.piece(choices.below(16))
    _greeted(first)
    _greeted(MAGIC[: choices.below(9)] + first)
    _said(body)


def _greeted(first: bytes) -> None:
    sentence = str(not_greeted(first[: len(MAGIC)]))
    assert sentence.isprintable()
    try:
        greeted = check_magic(first)
    except HandshakeError as error:
        if first.startswith(MAGIC) or len(first) < len(MAGIC) or str(error) != sentence:
            raise
        return
    assert greeted == first.startswith(MAGIC)
    assert greeted or len(first) < len(MAGIC)


def _said(body: bytes) -> None:
    try:
        hello = Hello.decode(body, speaks=(1, 2))
    except HandshakeError as error:
        if not str(error) or error.code not in (Code.PROTOCOL_ERROR, Code.VERSION, Code.UNSUPPORTED):
            raise
        return
    again = Hello.decode(hello.encode(), speaks=(1, 2))
    assert again == hello
    assert agree_on_version((1, 2), hello.versions) in (1, 2)
    assert agree_on_heartbeat(hello, Hello()) == hello.heartbeat
