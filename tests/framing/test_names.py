"""The string forms: what they name, and what is said where they name nothing."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mezha.framing import (
    Checked,
    Delimited,
    FixedSize,
    Framing,
    LengthPrefixed,
    Lines,
    Netstring,
    Resyncing,
    Skipping,
    VarintPrefixed,
    names,
    parse_framing,
)
from mezha.framing.checksums import CHECKSUMS
from mezha.testing.strategies import FRAMINGS


@given(st.one_of(*FRAMINGS.values()))
def test_every_framing_is_named_and_found_by_its_name(framing: Framing) -> None:
    assert parse_framing(str(framing)) == framing


@pytest.mark.parametrize(
    ("text", "framing"),
    [
        ("length", LengthPrefixed()),
        ("length:4:big", LengthPrefixed()),
        ("length:2:little", LengthPrefixed(2, "little")),
        ("length:2:big:adjust=-2", LengthPrefixed(2, adjust=-2)),
        ("length:adjust=7", LengthPrefixed(adjust=7)),
        ("length:2:offset=1:fixed=ca", LengthPrefixed(2, offset=1, fixed=b"\xca")),
        ("length:2:big:offset=2:adjust=1:strip=0", LengthPrefixed(2, offset=2, adjust=1, strip=0)),
        ("varint", VarintPrefixed()),
        ("netstring", Netstring()),
        (r"delimited:\r\n", Delimited(b"\r\n")),
        (r"delimited:\\.", Delimited(b"\\.")),
        (r"delimited:\4\\00", Delimited(b"\4\\00")),
        (r"delimited:\x7c\377\0\41\u00e4", Delimited(b"|\xff\0!\xe4")),
        ("lines", Lines()),
        ("fixed:512", FixedSize(512)),
        ("skip:lines", Skipping(Lines())),
        (r"skip:delimited:\n", Skipping(Delimited(b"\n"))),
        ("checked:crc32:lines", Checked(Lines(), "crc32")),
        ("resync:checked:sum8:length:2", Resyncing(Checked(LengthPrefixed(2), "sum8"))),
        ("resync:length:1:offset=1:fixed=ca", Resyncing(LengthPrefixed(1, offset=1, fixed=b"\xca"))),
    ],
)
def test_what_the_forms_mean(text: str, framing: Framing) -> None:
    assert parse_framing(text) == framing


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("varint:32", "it takes no options"),
        ("netstring:", "it takes no options"),
        ("delimited", "a marker has one byte or more"),
        ("delimited:", "a marker has one byte or more"),
        ("delimited:\\", r"'unicodeescape' codec can't decode byte 0x5c in position 0: \ at end of string"),
        ("delimited:\\x0", "'unicodeescape' codec can't decode bytes in position 0-2: truncated \\xXX escape"),
        (r"delimited:a\.b", r"'\\.' is no escape; a backslash itself is written as two"),
        (r"delimited:\\\.", r"'\\.' is no escape; a backslash itself is written as two"),
        ("delimited:\\\n", r"'\\\n' is no escape; a backslash itself is written as two"),
        (r"delimited:\400", r"'\\400' is no escape; a backslash itself is written as two"),
        ("delimited:я", "'latin-1' codec can't encode character '\\u044f' in position 0: ordinal not in range(256)"),
        (
            "delimited:\\u044f",
            "'latin-1' codec can't encode character '\\u044f' in position 0: ordinal not in range(256)",
        ),
        ("lines:cr", "its one option is the ending to write, 'lf' or 'crlf'"),
        ("fixed", "its one option is the size of every message, in bytes"),
        ("fixed:0", "the size must be 1 byte or more, not 0"),
        ("fixed:big", "invalid literal for int() with base 10: 'big'"),
        ("length:5", "a length can be 1, 2, 3, 4 or 8 bytes wide, not 5"),
        ("length:4:middle", "'middle' is not understood there"),
        ("length:big", "'big' is not understood there"),
        ("length:4:big:9", "'9' is not understood there"),
        ("length:", "'' is not understood there"),
        ("length:4:big:offset", "'offset' is not understood there"),
        ("length:4:big:width=4", "'width=4' is not understood there"),
        ("length:4:big:adjust=x", "invalid literal for int() with base 10: 'x'"),
        ("length:4:big:fixed=xy", "non-hexadecimal number found in fromhex() arg at position 0"),
        ("length:4:big:offset=-1", "offset counts the bytes in front of the length, and cannot be -1"),
        ("length:4:big:strip=2", "strip=2 would cut the length field in two: it stands at 0..4"),
        (
            "length:2:big:offset=1",
            (
                "1 bytes beside the length are stripped, so encode() must know them: "
                "give fixed= those 1 bytes (not 0), or keep them with a smaller strip="
            ),
        ),
        ("skip:fixed:3", "fixed:3 cannot skip a message over the limit: nothing says where it ends"),
        ("skip:skip:lines", "skip:lines cannot skip a message over the limit: nothing says where it ends"),
        ("resync:varint", "varint cannot find its way back: nothing in it tells where a message begins"),
        ("checked:skip:lines", f"no checksum is called 'skip'; there are {', '.join(CHECKSUMS)}"),
        ("checked:sum8:skip:lines", "skip:lines forgives, and would have to stand in front: skip:checked"),
        ("skip:fixed", "its one option is the size of every message, in bytes"),
    ],
)
def test_a_form_that_names_nothing_says_why(text: str, why: str) -> None:
    with pytest.raises(ValueError, match="^" + re.escape(f"{text!r} names no framing: {why}") + "$") as caught:
        parse_framing(text)
    assert type(caught.value) is ValueError
    assert isinstance(caught.value.__cause__, ValueError)


@pytest.mark.parametrize(
    "text", ["", "lenght", "Lines", "lines ", ":lines", "skip", "skip:", "skip:lenght", "checked", "checked:crc32"]
)
def test_an_unknown_name_is_answered_with_those_that_are(text: str) -> None:
    name = text.removeprefix("skip:").partition(":")[0]
    known = ", ".join(names.NAMES) + ", and in front of these skip, resync, checked"
    with pytest.raises(ValueError, match=f"^no framing is called {name!r}; there are {known}$"):
        parse_framing(text)


def test_every_framing_has_a_name_and_is_tested_by_it() -> None:
    assert set(names.NAMES.values()) == set(FRAMINGS)


def test_what_stands_in_front_of_a_name_is_none_itself() -> None:
    assert not names.PREFIXES.keys() & names.NAMES.keys()
    with pytest.raises(ValueError, match="names no framing: skip:lines cannot skip"):
        parse_framing("skip:" * 10_000 + "lines")
