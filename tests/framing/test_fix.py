"""FIX: the whole message, and nothing that its own length and checksum contradict."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from verdicts import fault, forgiven, needs, read, refusal, size_too_large

from mezha.errors import FramingError
from mezha.framing import Fix, Frame, Resyncing
from mezha.testing import laws

framing = Fix()


def message(text: str) -> bytes:
    return text.replace("|", "\x01").encode()


#: A heart-beat, and an order with data of any bytes in it.
BEAT = message("8=FIX.4.4|9=5|35=0|10=163|")
ORDER = message("8=FIXT.1.1|9=0024|35=D|95=5|96=|10=0|58=x|10=022|")


def test_a_message_is_all_of_it() -> None:
    assert framing.encode(BEAT[:9], BEAT[9:]) == (BEAT,)
    assert read(framing, BEAT + ORDER + BEAT) == [BEAT, ORDER, BEAT]
    assert framing.split(bytearray(BEAT + b"8="), 100) == Frame(0, len(BEAT), len(BEAT))
    assert read(framing, message("8=FIX|9=0|10=004|")) == [message("8=FIX|9=0|10=004|")]


@given(st.binary(max_size=300))
def test_its_checksum_is_the_sum_of_the_bytes_before_it(body: bytes) -> None:
    head = b"8=FIX.4.2\x019=%d\x01%b\x01" % (len(body) + 1, body)
    whole = head + b"10=%03d\x01" % (sum(head) % 256)
    laws.check_inverse(framing, whole)
    wrong = head + b"10=%03d\x01" % ((sum(head) + 1) % 256)
    assert refusal(framing, wrong).startswith("the peer could not read this message: CheckSum (10) is ")


def test_only_what_is_needed_is_waited_for() -> None:
    assert [needs(framing, BEAT[:size]) for size in range(1, 14)] == [*range(2, 15)]
    assert needs(framing, BEAT[:14]) == needs(framing, BEAT[:-1]) == len(BEAT)


@pytest.mark.parametrize(
    ("stream", "text"),
    [
        ("G", "a FIX message begins with '8=FIX' and '9=', and byte 0 is 'G' (0x47)"),
        ("8=FO", "a FIX message begins with '8=FIX' and '9=', and byte 3 is 'O' (0x4f)"),
        ("8=FIX.4.4|3", "a FIX message begins with '8=FIX' and '9=', and byte 10 is '3' (0x33)"),
        ("8=FIX.4.4|95", "a FIX message begins with '8=FIX' and '9=', and byte 11 is '5' (0x35)"),
        ("8=FIX" + "x" * 16, "field '8=FIX' of a FIX message has more than 20 bytes"),
        ("8=FIX.4.4|9=" + "0" * 21, "field '9=' of a FIX message has more than 22 bytes"),
        ("8=FIX.4.4|9=|", "BodyLength (9) is b'', which is no number of bytes"),
        ("8=FIX.4.4|9=-5|", "BodyLength (9) is b'-5', which is no number of bytes"),
        (
            "8=FIX.4.4|9=4|35=0|10=163",
            "behind the 4 bytes that BodyLength (9) counts comes CheckSum (10), and here b'0\\x0110=163'",
        ),
        (
            "8=FIX.4.4|9=5|35=0|11=163|",
            "behind the 5 bytes that BodyLength (9) counts comes CheckSum (10), and here b'\\x0111=163\\x01'",
        ),
        ("8=FIX.4.4|9=5|35=0|10=164|", "CheckSum (10) is b'164\\x01', and the bytes before it sum up to 163"),
        ("8=FIX.4.4|9=5|35=1|10=163|", "CheckSum (10) is b'163\\x01', and the bytes before it sum up to 164"),
        ("8=FIX.4.4|9=5|35=0|10=163 ", "CheckSum (10) is b'163 ', and the bytes before it sum up to 163"),
    ],
)
def test_bytes_that_are_no_fix(stream: str, text: str) -> None:
    assert fault(framing, message(stream)) == text


def test_a_field_that_is_too_long_is_so_whatever_follows() -> None:
    for field in ("8=FIX" + "x" * 16, "8=FIX.4.4|9=" + "0" * 21):
        with pytest.raises(FramingError, match=r"^field '[89]=(FIX)?' of a FIX message has more than 2\d bytes$"):
            framing.split(bytearray(message(field + "|9=5|35=0|10=163|")), 1000)
    longest = message("8=FIX" + "x" * 15 + "|9=" + "0" * 19 + "5|35=0|10=")
    longest += b"%03d\x01" % (sum(longest[:-3]) % 256)
    assert read(framing, longest) == [longest]


def test_the_limit_counts_the_whole_message() -> None:
    assert read(framing, BEAT, len(BEAT)) == [BEAT]
    assert size_too_large(framing, BEAT[:14], len(BEAT) - 1) == len(BEAT)
    assert size_too_large(framing, message("8=FIX.4.4|9=99999999999999999999|"), 1000) == 10**20 + 39


def test_what_is_not_one_message_is_refused() -> None:
    endless = message("8=FIX.4.4|9=99999999999999999999|")
    assert refusal(framing, endless) == f"the message has 33 bytes, and is not whole without {10**20 + 6} more"
    assert refusal(framing, b"") == "an empty message has no header"
    assert refusal(framing, BEAT[:-1]) == f"the message has {len(BEAT) - 1} bytes, and is not whole without 1 more"
    assert refusal(framing, BEAT, BEAT) == f"the message has {2 * len(BEAT)} bytes, and ends after {len(BEAT)}"
    assert refusal(framing, b"35=0\x01") == (
        "the peer could not read this message: a FIX message begins with '8=FIX' and '9=', and byte 0 is '3' (0x33)"
    )


def test_a_message_over_the_limit_can_be_skipped() -> None:
    laws.check_skipping(framing, [BEAT, ORDER, BEAT], len(BEAT))


def test_a_garbled_message_can_be_ignored() -> None:
    garbled = BEAT.replace(b"35=0", b"35=1")
    assert forgiven(Resyncing(framing), BEAT + garbled + BEAT, 100) == [BEAT, "FramingError", BEAT]
