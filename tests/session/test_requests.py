"""Questions and answers in their tables: each is counted, from its first byte to the last of its answer."""

from collections.abc import Callable

import pytest

from mezha.errors import MessageTooLarge, RemoteProtocolError
from mezha.session import requests
from mezha.session.frames import Kind
from mezha.session.hello import Hello
from mezha.session.requests import Answering, Asking
from mezha.session.sizes import Sizes
from mezha.session.states import ANSWERING, ASKING, Request

OURS = Hello(max_message=100, requests=16, request_bytes=65_536)


def asking(theirs: Hello | None = None) -> Asking:
    sizes = Sizes(OURS)
    sizes.theirs = theirs
    return Asking(sizes)


def in_flight(table: Asking, question: bytes = b"?") -> int:
    """Ask something that has gone out."""
    number = table.ask(question)
    assert table.next() == (number, question)
    table.asked(number)
    return number


# -- asking -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("theirs", "count", "size"),
    [(None, 16, 65_536), (Hello(requests=20, request_bytes=70_000), 20, 70_000)],
)
def test_no_more_is_asked_than_the_peer_takes(theirs: Hello | None, count: int, size: int) -> None:
    many = asking(theirs)
    numbers = [many.ask(b"?") for _ in range(count + 2)]
    assert [many.next() for _ in range(count + 1)] == [*((number, b"?") for number in numbers[:count]), None]
    assert (many.count, many.size, many.total) == (count, count, count)
    many.asked(numbers[0])
    assert many.reply(numbers[0], b"!") == b"!"
    assert many.next() == (numbers[count], b"?")
    much = asking(theirs)
    first, second = much.ask(bytes(size)), much.ask(b"?")
    assert much.next() == (first, bytes(size))
    assert much.next() is None
    much.asked(first)
    much.failure(first)
    assert much.next() == (second, b"?")


def test_numbers_come_around_and_those_in_use_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "_IDS", 4)
    table = asking()
    kept = in_flight(table)
    numbers: list[int] = []
    for _ in range(5):
        numbers.append(in_flight(table))
        table.reply(numbers[-1], b"")
    assert (kept, numbers) == (0, [1, 2, 3, 1, 2])
    assert [table.ask(b""), table.ask(b"")] == [3, 1]
    assert table.waits(3)
    assert not table.waits(kept)
    assert table.ask(b"") == 2


def test_an_answer_comes_at_once_or_in_pieces_and_frees_the_number() -> None:
    table = asking()
    number = in_flight(table)
    table.reply_part(number, b"a")
    table.reply_part(number, b"b")
    assert table.reply(number, b"c") == b"abc"
    assert (table.count, table.size, table.total) == (0, 0, 1)
    with pytest.raises(RemoteProtocolError, match=f"a REPLY for request {number}, which is FREE"):
        table.reply(number, b"")


def test_a_failure_may_follow_pieces() -> None:
    table = asking()
    number = in_flight(table)
    table.reply_part(number, b"a")
    assert table.failure(number)
    assert table.count == 0


@pytest.mark.parametrize("pieces", [0, 1])
def test_what_was_cancelled_is_answered_all_the_same_and_its_answer_is_nothing(pieces: int) -> None:
    table = asking()
    numbers = [in_flight(table) for _ in range(3)]
    for number in numbers:
        if pieces:
            table.reply_part(number, b"a")
        assert table.cancel(number)
        assert not table.cancel(number)
        table.reply_part(number, bytes(1000))  # of any size
    assert table.count == 3
    assert table.reply(numbers[0], bytes(1000)) is None
    assert not table.failure(numbers[1])
    assert table.count == 1
    assert table.give_up() == []


def test_an_answer_must_not_come_before_the_question_has_gone() -> None:
    table = asking()
    number = table.ask(b"?")
    table.next()
    for come in (
        lambda: table.reply(number, b""),
        lambda: table.reply_part(number, b""),
        lambda: table.failure(number),
    ):
        with pytest.raises(RemoteProtocolError, match="which is ASKING"):
            come()
    table.cancel(number)
    table.asked(number)
    assert table.reply(number, b"") is None


@pytest.mark.parametrize("last", [False, True])
def test_an_answer_over_the_limit_is_refused_and_somebody_still_waits(last: bool) -> None:
    table = asking()
    number = in_flight(table)
    table.reply_part(number, bytes(100))
    with pytest.raises(MessageTooLarge, match="an answer of 101 bytes"):
        (table.reply if last else table.reply_part)(number, b"1")
    assert table.give_up() == [number]


def test_what_was_not_asked_yet_is_forgotten_without_a_trace() -> None:
    table = asking()
    in_line, gone = table.ask(b"in line"), table.ask(b"next")
    table.forget(in_line)
    assert table.line() == [(gone, 4)]
    table.next()
    table.forget(gone)
    assert (table.count, table.size, table.line()) == (0, 0, [])
    assert not table.cancel(gone)
    table.asked(gone)


def test_in_the_end_all_who_wait_are_told() -> None:
    table = asking()
    flying, cancelled = in_flight(table), in_flight(table)
    waiting = table.ask(b"waits")
    table.cancel(cancelled)
    assert table.give_up() == [flying, waiting]
    assert (table.count, table.size, table.give_up()) == (0, 0, [])


# -- answering --------------------------------------------------------------------------------------------------------


def test_a_question_comes_at_once_or_in_pieces() -> None:
    table = Answering(OURS)
    assert table.request(7, b"abc") == b"abc"
    table.part(8, b"a")
    table.part(8, b"b")
    assert table.request(8, b"c") == b"abc"
    assert (table.count, table.size, table.total) == (2, 6, 2)
    for number in (7, 8):
        assert table.answer(number)
        assert not table.answer(number)
        with pytest.raises(RemoteProtocolError, match=f"a REQUEST for request {number}, which is ASKED"):
            table.request(number, b"")
        table.gone(number)
        assert not table.answer(number)
        table.gone(number)
    assert (table.count, table.size) == (0, 0)


def test_no_more_is_taken_than_was_said() -> None:
    table = Answering(Hello(max_message=1 << 20, requests=16, request_bytes=65_536))
    for number in range(16):
        table.request(number, b"")
    with pytest.raises(RemoteProtocolError, match="request 16 while 16 are unanswered: at most 16"):
        table.request(16, b"")
    table.answer(3)
    with pytest.raises(RemoteProtocolError):  # as long as the answer has not gone
        table.part(16, b"1")
    table.gone(3)
    table.part(16, bytes(65_000))
    with pytest.raises(RemoteProtocolError, match="65537 bytes of requests that are unanswered: at most 65536"):
        table.part(16, bytes(537))
    table.request(16, bytes(536))


def test_a_question_over_the_limit_is_answered_if_it_came_at_once_and_else_refused() -> None:
    table = Answering(OURS)
    assert table.request(7, bytes(101)) is None
    assert table.answer(7)
    table.part(8, bytes(100))
    with pytest.raises(MessageTooLarge, match="a request of 101 bytes"):
        table.request(8, b"1")
    with pytest.raises(MessageTooLarge):
        table.part(9, bytes(101))
    assert table.give_up() == []  # nobody knows of these


def test_who_answers_is_told_of_a_cancel_once_and_only_if_there_is_somebody() -> None:
    table = Answering(OURS)
    assert table.cancel(7) == (False, False)  # it has crossed the answer
    table.request(7, b"")
    assert table.cancel(7) == (True, False)
    with pytest.raises(RemoteProtocolError, match="a CANCEL for request 7, which is CANCELLED"):
        table.cancel(7)
    assert table.answer(7)
    table.part(8, b"abc")
    assert table.cancel(8) == (False, True)
    assert table.answer(8)
    table.request(9, b"")
    table.answer(9)
    assert table.cancel(9) == (False, False)
    assert table.give_up() == []
    assert (table.count, table.size) == (0, 0)


def test_in_the_end_those_who_still_answer_are_named() -> None:
    table = Answering(OURS)
    for number in (1, 2, 3):
        table.request(number, b"")
    table.answer(1)
    table.cancel(2)
    table.part(4, b"unfinished")
    assert table.give_up() == [3]


# -- both -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [Kind.REPLY, Kind.REPLY_PART, Kind.FAILURE])
@pytest.mark.parametrize("state", Request)
def test_every_answer_in_every_state_is_in_the_table_or_an_error(state: Request, kind: Kind) -> None:
    table = asking()
    number = 0
    if state is not Request.FREE:
        number = table.ask(b"?")
        table.next()
    if state is not Request.ASKING:
        table.asked(number)
    if state is Request.ANSWERING:
        table.reply_part(number, b"a")
    if state is Request.CANCELLED:
        table.cancel(number)
    calls: dict[Kind, Callable[[], object]] = {
        Kind.REPLY: lambda: table.reply(number, b""),
        Kind.REPLY_PART: lambda: table.reply_part(number, b""),
        Kind.FAILURE: lambda: table.failure(number),
    }
    if (state, kind) in ASKING:
        calls[kind]()
        assert table.count == (ASKING[state, kind] is not Request.FREE)
    else:
        with pytest.raises(RemoteProtocolError, match=f"which is {state.value}"):
            calls[kind]()


@pytest.mark.parametrize("kind", [Kind.REQUEST, Kind.REQUEST_PART, Kind.CANCEL])
@pytest.mark.parametrize("state", [Request.FREE, Request.ASKING, Request.ASKED, Request.CANCELLED])
def test_every_question_in_every_state_is_in_the_table_or_an_error(state: Request, kind: Kind) -> None:
    table = Answering(OURS)
    if state is Request.ASKING:
        table.part(7, b"a")
    elif state is not Request.FREE:
        table.request(7, b"a")
    if state is Request.CANCELLED:
        table.cancel(7)
    calls: dict[Kind, Callable[[], object]] = {
        Kind.REQUEST: lambda: table.request(7, b""),
        Kind.REQUEST_PART: lambda: table.part(7, b""),
        Kind.CANCEL: lambda: table.cancel(7),
    }
    if (state, kind) in ANSWERING:
        calls[kind]()
        assert table.count == (ANSWERING[state, kind] is not Request.FREE)
    else:
        with pytest.raises(RemoteProtocolError, match=f"which is {state.value}"):
            calls[kind]()
