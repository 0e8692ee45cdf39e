"""Delimited and Lines: what they carry, what they refuse, and the edges of markers and limits."""

from collections.abc import Callable

import pytest
from forgiving import TOO_LARGE, cut_off, told
from framing.plainly import plainly
from hypothesis import example, given
from hypothesis import strategies as st

from mezha.errors import LocalProtocolError, MessageTooLarge
from mezha.framing import Delimited, Frame, Framing, Lines, Need, Resyncing, Skipping, Verdict, parse_framing
from mezha.limits import Timeouts
from mezha.testing import cuts, laws


def split(framing: Framing, data: bytes, limit: int = 100, resume: int = 0) -> Verdict:
    return framing.split(bytearray(data), limit, resume)


# -- Delimited ---------------------------------------------------------------------------------------------------------


def test_a_marker_stands_behind_each_message() -> None:
    framing = Delimited(b"\0")
    assert framing.encode(b"Hello", b"!") == (b"Hello!", b"\0")
    assert split(framing, b"Hello!\0World!\0") == Frame(0, 6, 7)
    assert split(framing, b"\0") == Frame(0, 0, 1)
    assert split(framing, b"Hello!") == Need(7, 6)
    assert framing.run()(b"Hello!\0World!\0!", 0, 100, 9) == ([b"Hello!", b"World!"], 14)
    assert Delimited(b"\n").run()(b"Hello!\r\n", 0, 100, 9) == ([b"Hello!\r"], 8)


def test_a_large_message_is_not_copied() -> None:
    message = bytes(100_000)
    assert Delimited(b"\1").encode(message)[0] is message
    assert Lines().encode(message)[0] is message


@given(marker=st.text("ab", min_size=1, max_size=5).map(str.encode), message=st.text("ab", max_size=12).map(str.encode))
@example(marker=b"aba", message=b"ab")  # the marker would be found two bytes early: ab|aba is aba|ba
@example(marker=b"aba", message=b"a")
@example(marker=b"aa", message=b"a")
@example(marker=b"aab", message=b"aaa")
@example(marker=b"abab", message=b"ab")
@example(marker=b"abab", message=b"bab")
def test_it_refuses_exactly_what_would_arrive_otherwise(marker: bytes, message: bytes) -> None:
    framing = Delimited(marker)
    first = (message + marker).find(marker)
    if first == len(message):
        laws.check_inverse(framing, message)
    else:
        with pytest.raises(LocalProtocolError, match=f"^the message has the marker {marker!r} in it, at byte {first},"):
            framing.encode(message)


@given(marker=st.text("ab", min_size=1, max_size=4).map(str.encode), stream=st.text("ab", max_size=16).map(str.encode))
def test_markers_that_overlap_with_themselves_are_found_first_come_first_served(marker: bytes, stream: bytes) -> None:
    *messages, rest = stream.split(marker)
    knowledge = laws.known(Delimited(marker), stream, limit=100)
    assert knowledge.messages == messages
    assert stream[knowledge.starts[-1] :] == rest
    laws.check_any_cut(Delimited(marker), stream, limit=100)


@pytest.mark.parametrize("marker", [b";", b"\r\n", b"aab"])
@pytest.mark.parametrize("limit", [0, 1, 5])
def test_the_marker_does_not_count_towards_the_limit(marker: bytes, limit: int) -> None:
    framing = Delimited(marker)
    text = f"the peer sent more than {limit} bytes without ending the message; this side takes at most {limit} (max_"
    for size in range(limit + 4):
        wire = b"x" * size + marker
        laws.check_any_cut(framing, wire, limit)
        if size <= limit:
            assert split(framing, wire, limit) == Frame(0, size, len(wire))
            assert isinstance(split(framing, wire[:-1], limit), Need) or size + len(marker) == 1
        else:
            with pytest.raises(MessageTooLarge) as caught:
                split(framing, wire, limit)
            assert str(caught.value).startswith(text)
            assert (caught.value.size, caught.value.limit) == (None, limit)


@pytest.mark.parametrize("framing", [Delimited(b"\0\0"), Lines()], ids=plainly)
def test_too_much_is_noticed_when_no_marker_can_save_it(framing: Framing) -> None:
    assert split(framing, b"x" * 6, limit=5) == Need(7, 5 if isinstance(framing, Delimited) else 6)
    with pytest.raises(MessageTooLarge):
        split(framing, b"x" * 7, limit=5)


def test_the_search_goes_on_where_the_marker_may_have_begun() -> None:
    framing = Delimited(b"--end")
    assert split(framing, b"--e") == Need(4, 0)
    assert split(framing, b"12345678--e") == Need(12, 7)
    assert split(framing, b"12345678--end", resume=7) == Frame(0, 8, 13)


def test_a_marker_has_a_byte() -> None:
    with pytest.raises(ValueError, match=r"^a marker has one byte or more$"):
        Delimited(b"")


@pytest.mark.parametrize("text", [r"a\.b", r"\\\.", "\\\n", r"\400", r"\x41\777"])
def test_what_is_no_escape_is_refused(text: str) -> None:
    with pytest.raises(
        ValueError, match=r"^'\\\\(\.|\\n|400|777)' is no escape; a backslash itself is written as two$"
    ):
        Delimited.parse([text])


def test_a_marker_is_kept_as_bytes() -> None:
    marker = bytearray(b"ab")
    framing = Delimited(marker)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    marker[:] = b"cd"
    assert framing == Delimited(b"ab")
    assert hash(framing) == hash(Delimited(b"ab"))


@given(st.binary(min_size=1))
@example(b":")
@example(b"\\")
@example("п".encode())
def test_any_marker_has_a_string_form(marker: bytes) -> None:
    assert parse_framing(str(Delimited(marker))) == Delimited(marker)
    assert str(Delimited(marker)).isascii()


@pytest.mark.parametrize(
    ("text", "marker"),
    [
        ("delimited:|", b"|"),
        ("delimited::", b":"),
        ("delimited:a:b", b"a:b"),
        (r"delimited:\r\n", b"\r\n"),
        (r"delimited:\x00\xff", b"\x00\xff"),
        (r"delimited:\\n", b"\\n"),
        ("delimited:\xe9", b"\xe9"),
    ],
)
def test_a_marker_is_written_with_escapes(text: str, marker: bytes) -> None:
    assert parse_framing(text) == Delimited(marker)


# -- Lines -------------------------------------------------------------------------------------------------------------


def test_one_ending_is_written_and_both_are_read() -> None:
    assert Lines().encode(b"Hello", b"!") == (b"Hello!", b"\n")
    assert Lines(b"\r\n").encode(b"Hello!") == (b"Hello!", b"\r\n")
    for framing in (Lines(), Lines(b"\r\n")):
        assert split(framing, b"Hello!\nWorld!\n") == Frame(0, 6, 7)
        assert split(framing, b"Hello!\r\nWorld!\n") == Frame(0, 6, 8)
        assert split(framing, b"\n") == Frame(0, 0, 1)
        assert split(framing, b"\r\n") == Frame(0, 0, 2)
        assert split(framing, b"\nHello!\r") == Frame(0, 0, 1)
        assert split(framing, b"a\rb\r\r\n") == Frame(0, 4, 6)
        assert split(framing, b"Hello!\r") == Need(8, 7)
        assert framing.run()(b"one\ntwo\r\n\n\r\n\rthree", 0, 100, 9) == ([b"one", b"two", b"", b""], 12)


@given(message=st.text("a\r\n", max_size=8).map(str.encode), end=st.sampled_from((b"\n", b"\r\n")))
@example(message=b"a\nb", end=b"\n")
@example(message=b"a\r", end=b"\n")
@example(message=b"\ra", end=b"\n")
def test_a_line_has_no_line_feed_and_does_not_end_with_a_carriage_return(message: bytes, end: bytes) -> None:
    framing = Lines(end)
    place = message.find(b"\n")
    if place >= 0:
        with pytest.raises(LocalProtocolError, match=f"^the message has a line feed in it, at byte {place}, "):
            framing.encode(message)
    elif message.endswith(b"\r"):
        with pytest.raises(
            LocalProtocolError,
            match=r"^the message ends with a carriage return, which would be lost: nothing was sent$",
        ):
            framing.encode(message)
    else:
        laws.check_inverse(framing, message)


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("limit", [0, 1, 5])
def test_neither_ending_counts_towards_the_limit(end: bytes, limit: int) -> None:
    for size in range(limit + 4):
        wire = b"x" * size + end
        laws.check_any_cut(Lines(), wire, limit)
        if size <= limit:
            assert split(Lines(), wire, limit) == Frame(0, size, len(wire))
        else:
            with pytest.raises(MessageTooLarge, match=f"^the peer sent more than {limit} bytes") as caught:
                split(Lines(), wire, limit)
            assert (caught.value.size, caught.value.limit) == (None, limit)


@pytest.mark.parametrize("limit", [0, 1, 3])
def test_carriage_returns_at_the_limit_are_judged_alike_at_every_cut(limit: int) -> None:
    for before in (b"", b"\r", b"\r\r", b"a\r", b"\ra"):
        for size in range(limit + 3):
            for end in (b"\n", b"\r\n", b"\r\r\n", b"\r", b""):
                laws.check_any_cut(Lines(), b"x" * size + before + end, limit)


def test_the_search_of_a_line_goes_on_behind_what_was_searched() -> None:
    assert split(Lines(), b"12345\r") == Need(7, 6)
    assert split(Lines(), b"12345\r\n", resume=6) == Frame(0, 5, 7)


class Watched(bytearray):
    """A buffer that notes between which places it is searched."""

    searched: tuple[int, int] | None = None

    def find(self, sought: object, start: object = 0, end: object = None, /) -> int:
        self.searched = start, end  # type: ignore[assignment] # pyright: ignore[reportAttributeAccessIssue]
        return super().find(sought, start, end)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(("framing", "ending"), [(Lines(), 2), (Delimited(b"\0"), 1), (Delimited(b"--end"), 5)])
def test_nothing_is_searched_twice_nor_beyond_the_limit(framing: Framing, ending: int) -> None:
    buffer = Watched(b"x" * 10)
    framing.split(buffer, 100, 7)
    assert buffer.searched == (7, 100 + ending)
    with pytest.raises(MessageTooLarge):
        framing.split(buffer, 3, 0)
    assert buffer.searched == (0, 3 + ending)


def test_a_line_ends_in_one_of_two_ways() -> None:
    with pytest.raises(ValueError, match=r"^a line ends with b'\\n' or b'\\r\\n', not b'\\r'; for another"):
        Lines(b"\r")


@pytest.mark.parametrize(
    ("text", "framing", "canonical"),
    [
        ("lines", Lines(), "lines"),
        ("lines:lf", Lines(b"\n"), "lines"),
        ("lines:crlf", Lines(b"\r\n"), "lines:crlf"),
    ],
)
def test_the_string_form_names_the_ending_written(text: str, framing: Lines, canonical: str) -> None:
    assert parse_framing(text) == framing
    assert str(framing) == canonical


@pytest.mark.parametrize("options", [["cr"], ["lf", "crlf"], [""]])
def test_other_endings_have_no_string_form(options: list[str]) -> None:
    with pytest.raises(ValueError, match=r"^its one option is the ending to write, 'lf' or 'crlf'$"):
        Lines.parse(options)


@pytest.mark.parametrize("framing", [Delimited(b"!"), Lines()], ids=str)
def test_who_ends_a_message_with_a_marker_may_take_time(framing: Framing) -> None:
    assert framing.timeouts == Timeouts(message=None)


def test_a_person_types() -> None:
    decoder = Lines().decoder()
    lines: list[bytes] = []
    for key in cuts.byte_by_byte(b"GET / HTTP/1.0\r\n\r\n"):
        decoder.feed(key)
        lines += decoder.take(9)
    assert lines == [b"GET / HTTP/1.0", b""]


def test_a_number_is_no_marker() -> None:
    with pytest.raises(TypeError, match="bytes-like"):
        Delimited(10)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


# -- behind a fault ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tolerant", [Skipping, Resyncing])
@pytest.mark.parametrize(
    ("framing", "stream", "found"),
    [
        (Lines(), b"abcdef\none\nabcdefg\r\n\n", [TOO_LARGE, b"one", TOO_LARGE, b""]),
        (Lines(), b"one\nabcdefg", [b"one", TOO_LARGE, cut_off(7, 8)]),
        (Delimited(b"--"), b"abcdef-a--a--", [TOO_LARGE, b"a"]),
        (Delimited(b"--"), b"abcdefgh-", [TOO_LARGE, cut_off(9, 10)]),
    ],
)
def test_what_is_over_the_limit_is_skipped(
    tolerant: Callable[[Framing], Framing], framing: Framing, stream: bytes, found: list[bytes | str]
) -> None:
    assert told(tolerant(framing), stream) == found
