"""Ber: elements of X.690, of definite and of indefinite length, kept whole."""

import pytest
from forgiving import TOO_LARGE, told
from hypothesis import given
from hypothesis import strategies as st

from mezha.errors import FramingError, LocalProtocolError, MessageTooLarge
from mezha.framing import Ber, Frame, Ldap, Need, Skipping
from mezha.testing import laws

framing = Ber()
ldap = Ldap()
#: RFC 4511: message 2, an unbind request.
UNBIND = bytes.fromhex("30 05 02 01 02 42 00")
ANY = 1 << 62


def split(data: bytes | str, limit: int = ANY, using: Ber = framing) -> Frame | Need:
    return using.split(bytearray(bytes.fromhex(data) if isinstance(data, str) else data), limit)


def test_an_element_stays_as_it_is() -> None:
    assert ldap.encode(UNBIND[:1], UNBIND[1:]) == (UNBIND[:1], UNBIND[1:])
    assert split(UNBIND + UNBIND) == split(UNBIND + UNBIND, using=ldap) == Frame(0, 7, 7)
    large = b"\x30\x84\x00\x20\x00\x00", bytearray(1 << 21)
    assert framing.encode(*large)[1] is large[1]


@pytest.mark.parametrize(
    ("element", "end"),
    [
        ("05 00", 2),  # NULL
        ("01 01 ff", 3),  # X.690, 8.2: TRUE
        ("5f 1f 01 61", 4),  # a tag number of 31, the first that does not fit into the identifier
        ("5f 81 00 01 61", 5),  # 128
        ("5f ff ff ff ff 7f 00", 7),
        ("30 7f" + "00" * 127, 129),
        ("30 81 01 61", 4),
        ("30 82 00 01 61", 5),
        ("30 84 00 00 00 01 61", 7),  # as Active Directory writes it
        ("30 fe" + "00" * 125 + "01 61", 129),
        ("30 80 00 00", 4),
        ("30 80 05 00 00 00", 6),
        ("30 80 30 80 00 00 04 01 00 00 00", 11),
        ("24 80 04 02 61 62 04 01 63 00 00", 11),  # a string in segments
        ("3f 1f 80 00 00", 5),
    ],
)
def test_an_element_and_where_it_ends(element: str, end: int) -> None:
    data = bytes.fromhex(element)
    assert split(data) == split(data + b"more") == Frame(0, end, end)
    laws.check_inverse(framing, data[: end // 2], data[end // 2 :])
    laws.check_limit(framing, data)
    laws.check_any_cut(framing, data + UNBIND + data, 200)


@pytest.mark.parametrize(
    ("data", "need"),
    [
        ("30", 2),
        ("30 05", 7),
        ("30 82", 4),
        ("30 82 01", 4),
        ("30 82 01 2c", 304),
        ("1f", 2),
        ("1f 81", 3),
        ("1f 81 00", 4),
        ("1f 81 00 82", 6),
        ("30 80", 4),
        ("30 80 04", 4),
        ("30 80 04 09", 15),
        ("30 80 00", 4),
        ("30 80 30 80 00 00", 8),
    ],
)
def test_what_it_needs(data: str, need: int) -> None:
    verdict = split(data)
    assert isinstance(verdict, Need)
    assert verdict.size == need


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ("00", "an end of contents, 00, where no element of indefinite length has begun"),
        ("00 00", "an end of contents, 00, where no element of indefinite length has begun"),
        ("1f 80", "a tag number written in more bytes than it needs: 1f 80"),
        ("1f 1e", "a tag number written in more bytes than it needs: 1f 1e"),
        ("1f 00", "a tag number written in more bytes than it needs: 1f 00"),
        ("1f 81 82 83 84 85 06", "a tag number of more than 5 bytes: 1f 81 82 83 84 85"),
        ("04 80", "an indefinite length of what contains no elements: 04 80"),
        ("5f 1f 80", "an indefinite length of what contains no elements: 5f 1f 80"),
        ("30 ff", "a length that begins with ff means nothing: 30 ff"),
        ("30 89 01" + "00" * 8, "a length of more than 64 bits: 30 89 01 00 00 00 00 00 00 00 00"),
        ("30 80 00 01", "an end of contents has no contents: 00 01"),
        ("30 80 04 80", "an indefinite length of what contains no elements: 04 80"),
    ],
)
def test_what_is_no_element(data: str, text: str) -> None:
    wrong = bytes.fromhex(data)
    for behind in (b"", b"more"):
        with pytest.raises(FramingError) as caught:
            split(wrong + behind)
        assert str(caught.value) == text
    laws.check_any_cut(framing, UNBIND + wrong + b"more", 1 << 70)
    with pytest.raises(LocalProtocolError) as refused:
        framing.encode(wrong)
    assert str(refused.value) == f"the message is no element of BER: {text}: nothing was sent"


def test_what_else_ldap_does_not_take() -> None:
    with pytest.raises(FramingError, match=r"^an element begins with 0x30 here, and this with 0x47$"):
        split(b"GET / HTTP/1.1", using=ldap)
    with pytest.raises(FramingError, match=r"^an element of indefinite length, and only definite ones are taken here$"):
        split("30 80", using=ldap)
    assert laws.refuses(ldap, bytes.fromhex("30 80 00 00"))
    assert laws.refuses(ldap, bytes.fromhex("31 00"))
    assert split("31 00", using=Ber(definite=True)) == Frame(0, 2, 2)


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ("", "an empty message is no element of BER: nothing was sent"),
        ("30", "the message is no element of BER: it has not ended after 1 bytes: nothing was sent"),
        ("30 05 02", "the message has 3 bytes, and the element of BER in it ends after 7: nothing was sent"),
        ("05 00 05 00", "the message has 4 bytes, and the element of BER in it ends after 2: nothing was sent"),
        ("30 80 00", "the message is no element of BER: it has not ended after 3 bytes: nothing was sent"),
        ("30 80 00 00 00", "the message has 5 bytes, and the element of BER in it ends after 4: nothing was sent"),
    ],
)
def test_what_is_not_one_element_is_not_sent(message: str, text: str) -> None:
    with pytest.raises(LocalProtocolError) as caught:
        framing.encode(bytes.fromhex(message))
    assert str(caught.value) == text


@pytest.mark.parametrize(
    ("data", "limit", "size", "text"),
    [
        ("30 05", 6, 7, "a message of 7 bytes"),
        ("30 88 ff ff ff ff ff ff ff ff", 2**64 + 8, 2**64 + 9, "a message of 18446744073709551625 bytes"),
        ("30 80", 3, None, "a message of 4 bytes or more"),
        ("30 80 30 80", 7, None, "a message of 8 bytes or more"),
        ("30 80 04 7f", 132, None, "a message of 133 bytes or more"),
    ],
)
def test_what_is_over_the_limit_is_refused_as_soon_as_it_shows(
    data: str, limit: int, size: int | None, text: str
) -> None:
    with pytest.raises(MessageTooLarge) as caught:
        split(data, limit)
    assert (caught.value.size, caught.value.limit) == (size, limit)
    assert str(caught.value) == f"the peer announced {text}; this side takes at most {limit} (max_message)"
    assert isinstance(split(data, limit + 1), Need)
    laws.check_any_cut(framing, bytes.fromhex(data) + b"\4\0", limit)


@given(st.lists(st.sampled_from(bytes.fromhex("30 1f 80 00 00 00 01 02 81 04")), max_size=20).map(bytes))
def test_any_bytes_are_judged_alike_at_every_cut(inside: bytes) -> None:
    stream = b"\x30\x80" + inside
    laws.check_split(framing, stream, 1000)
    laws.check_any_cut(framing, stream, 1000)


def test_what_is_inside_is_not_read_again() -> None:
    for inside in (b"\x30\x80" * 4000 + b"\0\0" * 4000, b"\4\1a" * 4000):
        laws.check_linear(framing, b"\x30\x80" + inside + b"\0\0")


def test_a_length_costs_no_memory() -> None:
    laws.check_takes_no_memory(framing, b"\x30\x84\x03\xff\xff\xff abc", 1 << 30)
    laws.check_takes_no_memory(framing, b"\x30\x80\x04\x84\x03\xff\xff\xff abc", 1 << 30)


def test_an_element_over_the_limit_can_be_skipped() -> None:
    null = b"\5\0"
    for large in ("04 05" + "61" * 5, "30 80 04 05 61 62 63 64 65 00 00", "30 80 30 80 05 00 00 00 04 00 00 00"):
        stream = null + bytes.fromhex(large) + null
        assert told(Skipping(framing), stream, 5) == [null, TOO_LARGE, null]
        laws.check_forgiving(Skipping(framing), stream, 5)
    wrong = bytes.fromhex("30 80 04 05 61 62 63 64 65 00 01")
    assert told(Skipping(framing), wrong)[1:] == ["FramingError: an end of contents has no contents: 00 01"]
    laws.check_forgiving(Skipping(framing), wrong, 5)


@given(st.lists(st.sampled_from(bytes.fromhex("30 80 00 00 00 01 02 04")), max_size=16).map(bytes))
def test_skipping_is_the_same_for_every_cut(inside: bytes) -> None:
    laws.check_forgiving(Skipping(framing), b"\x30\x80" + inside, 4)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("ber", Ber()),
        ("ber:definite", Ber(definite=True)),
        ("ber:identifier=61", Ber(identifier=0x61)),
        ("ber:definite:identifier=30", Ber(definite=True, identifier=0x30)),
    ],
)
def test_the_string_form(text: str, meant: Ber) -> None:
    assert str(meant) == text
    assert Ber.parse(text.split(":")[1:]) == meant


def test_ldap_is_a_kind_of_it() -> None:
    assert (str(ldap), repr(ldap)) == ("ldap", "Ldap()")
    assert Ldap.parse([]) == ldap
    assert ldap != Ber(definite=True, identifier=0x30)
    assert (ldap.definite, ldap.identifier) == (True, 0x30)


@pytest.mark.parametrize("option", ["", "indefinite", "identifier", "tag=30"])
def test_options_that_it_does_not_have(option: str) -> None:
    with pytest.raises(ValueError, match=r"^its options are 'definite' and 'identifier=30', in hexadecimal, not '"):
        Ber.parse([option])


@pytest.mark.parametrize("identifier", [0, -1, 0x1F, 0x3F, 0xFF, 0x100])
def test_what_is_no_identifier_of_one_byte(identifier: int) -> None:
    with pytest.raises(ValueError, match=rf"^an identifier of one byte is .*, and not {identifier}$"):
        Ber(identifier=identifier)
