"""The magic, at every cut, and the names of what stands there instead."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mezha.errors import HandshakeError
from mezha.framing import Framing, LengthPrefixed, Netstring
from mezha.session.greeting import MAGIC, check_magic, not_greeted


def complaint(first: bytes) -> str:
    error = not_greeted(first)
    assert error.code == 2
    return str(error)


def looks(first: bytes) -> str | None:
    """What it looks like, judged by as much as a greeting has."""
    if len(first) >= len(MAGIC):
        with pytest.raises(HandshakeError) as caught:
            check_magic(first)
        assert str(caught.value) == complaint(first[: len(MAGIC)])
    _, _, name = complaint(first[: len(MAGIC)]).partition("This looks like ")
    return name or None


@given(st.binary(max_size=20))
def test_any_bytes_are_the_magic_or_none_yet_or_an_error(first: bytes) -> None:
    for data in (first, bytearray(first), MAGIC + first, MAGIC[: len(first)]):
        if len(data) < 8:
            assert check_magic(data) is False
            assert "its first bytes are" in complaint(bytes(data)) or MAGIC.startswith(data)
        elif data[:8] == MAGIC:
            assert check_magic(data)
        else:
            looks(bytes(data))


def test_the_magic() -> None:
    assert MAGIC.hex(" ") == "8d 4d 5a 48 0d 0a 1a 0a"
    assert MAGIC[0] > 0x7F
    with pytest.raises(UnicodeDecodeError):
        MAGIC.decode()


@pytest.mark.parametrize(
    ("line", "what"),
    [
        (MAGIC.replace(b"\r\n", b"\n"), "the line turns CR LF into LF"),
        (MAGIC.replace(b"\n", b"\r\n"), "the line turns LF into CR LF"),
        (MAGIC.replace(b"\r", b"\n"), "the line turns CR into LF"),
        (b"\x0d" + MAGIC[1:], "the line strips the high bit of every byte"),
        (b"\xc2" + MAGIC, "the line takes bytes for Latin-1 and writes them as UTF-8"),
        (b"\xef\xbf\xbd" + MAGIC[1:], "the line takes bytes for UTF-8, and replaces what is not"),
        (MAGIC[1:], "the line drops bytes that are not ASCII"),
    ],
)
def test_a_line_that_is_not_clean_is_named(line: bytes, what: str) -> None:
    for behind in (b"", b"\0\0\0\6\0\0\1\0\1\1"):
        assert looks(line + behind) == (
            f"the magic of the mezha protocol, mangled: {what}. Messages need a line that leaves bytes as they are"
        )


@pytest.mark.parametrize(
    ("first", "name"),
    [
        (b"GET / HTTP/1.1\r\n", "an HTTP request"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "an SSH banner"),
        (b"\x16\x03\x01\0\xf8\1\0\0\xf4", "a TLS ClientHello: the peer wants TLS, and this side speaks plain TCP"),
        (b"Hello!\n", "text (framing=Lines()?)"),
        (b'{"method": "initialize"}', "text (framing=Lines()?)"),
        (b"\0\0\0\6Hello!", "a message of 6 bytes behind its length (framing=LengthPrefixed(4)?)"),
        (b"\6\0\0\0Hello!", 'a message of 6 bytes behind its length (framing=LengthPrefixed(4, "little")?)'),
        (b"\0\6Hello!", "a message of 6 bytes behind its length (framing=LengthPrefixed(2)?)"),
        (b"\6\0Hello!", 'a message of 6 bytes behind its length (framing=LengthPrefixed(2, "little")?)'),
        (b"\x01\0\0\0\0\0\0\0", 'a message of 1 bytes behind its length (framing=LengthPrefixed(4, "little")?)'),
        (b"6:Hello!,", "a netstring (framing=Netstring()?)"),
        (b"12:", "a netstring (framing=Netstring()?)"),
        (b"\xff" * 8, None),
        (bytes(8), None),
    ],
)
def test_who_calls_instead(first: bytes, name: str | None) -> None:
    assert looks(first) == name


@given(
    st.sampled_from([LengthPrefixed(4), LengthPrefixed(4, "little"), LengthPrefixed(2), Netstring()]),
    st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=10, max_size=99).map(str.encode),
)
def test_a_bare_framing_is_recognised(framing: Framing, message: bytes) -> None:
    assert str(looks(b"".join(framing.encode(message)))).endswith(f"(framing={_short(framing)}?)")


def _short(framing: Framing) -> str:
    if isinstance(framing, LengthPrefixed):
        return f"LengthPrefixed({framing.width}" + (', "little")' if framing.byteorder == "little" else ")")
    return repr(framing)


def test_one_who_says_nothing_or_little() -> None:
    assert complaint(b"") == "the peer has sent nothing, not even the beginning of the mezha protocol"
    assert complaint(MAGIC[:3]) == (
        "the peer began the mezha protocol and went no further: 3 of the first 8 bytes have arrived"
    )
    assert complaint(b"hi\r\n") == (
        r"the peer does not speak the mezha protocol: its first bytes are b'hi\r\n'. "
        "This looks like text (framing=Lines()?)"
    )
    assert complaint(b"\xfe") == "the peer does not speak the mezha protocol: its first bytes are b'\\xfe'"
