"""The exchange: with any number of requests in flight, every question gets its own answer, or is cancelled, once."""

from collections.abc import Callable
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mezha.errors import ClosedByUs, LocalProtocolError, RequestFailed
from mezha.session.events import Answered, Asked, Cancelled
from mezha.session.exchange import Exchange
from mezha.session.frames import AnyFrame, Cancel, Failure, Frames, Kind, Numbered, parse_frame
from mezha.session.hello import Hello
from mezha.session.outbox import Outbox
from mezha.session.sizes import Sizes

HELLO = Hello(max_message=300_000, requests=50, request_bytes=400_000)


class End:
    """One end of an exchange."""

    def __init__(self, *, answers: bool = True, ours: Hello = HELLO, theirs: Hello | None = HELLO) -> None:
        self.sizes = sizes = Sizes(ours)
        sizes.theirs = theirs
        self.outbox = Outbox(ours.max_message, 1 << 20)
        self.exchange = Exchange(sizes, self.outbox, answers=answers)

    def sent(self) -> list[AnyFrame]:
        """What is sent next."""
        wire = b"".join(self.outbox.collect())
        handed_over, self.outbox.handed_over = self.outbox.handed_over, None
        if handed_over:
            self.exchange.gone(handed_over)
        decoder = Frames().decoder()
        decoder.feed(wire)
        return [parse_frame(frame) for frame in decoder]

    def hear(self, frame: AnyFrame) -> None:
        """Take a frame of the other end."""
        match frame:
            case Numbered(kind, number, body):
                self.exchange.hear(kind, number, memoryview(body))
            case Failure(number, code, text):
                self.exchange.hear_failure(number, code, text)
            case Cancel(number):
                self.exchange.hear_cancel(number)
            case _:
                raise AssertionError(frame)

    def told(self) -> list[object]:
        """What is for the driver."""
        events = list(self.exchange.events)
        self.exchange.events.clear()
        return events


def answer_to(question: bytes) -> bytes:
    return question[::-1] * (1 if len(question) % 5 or len(question) > 100_000 else 3)


@given(seed=st.integers(0, 1 << 30), count=st.sampled_from((1, 20, 1000)))
def test_a_thousand_in_flight_and_cancelled_at_every_point_match_their_answers(seed: int, count: int) -> None:
    random = Random(seed)
    asker, answerer = End(), End()
    there: list[AnyFrame] = []
    back: list[AnyFrame] = []
    asked: dict[int, bytes] = {}
    to_answer: dict[int, bytes] = {}
    answered: set[bytes] = set()
    begun = 0

    def ask() -> None:
        nonlocal begun
        if begun < count:
            begun += 1
            size = random.choice((0, 3, 50)) if begun % 100 else random.choice((70_000, 200_000))
            question = b"%d " % begun + bytes(size)
            asked[asker.exchange.request(question)] = question

    def cancel() -> None:
        if asked and random.random() < 0.3:
            number = random.choice([*asked])
            del asked[number]
            asker.exchange.cancel(number)

    def answer() -> None:
        if to_answer:
            number = random.choice([*to_answer])
            question = to_answer.pop(number)
            if len(question) % 7 == 6:
                answerer.exchange.fail(number, 300, "no")
            else:
                answerer.exchange.answer(number, answer_to(question))

    def send(end: End, way: list[AnyFrame]) -> None:
        way += end.sent()

    def arrive(way: list[AnyFrame], end: End) -> None:
        for _ in range(random.randint(0, len(way))):
            end.hear(way.pop(0))
        for event in end.told():
            match event:
                case Asked(number, body):
                    assert number not in to_answer
                    assert body not in answered, "asked twice"
                    answered.add(body)
                    to_answer[number] = body
                case Cancelled(number):
                    to_answer.pop(number)
                    answerer.exchange.fail(number, 9, "")
                case Answered(number, outcome):
                    question = asked.pop(number)
                    assert question in answered
                    if isinstance(outcome, RequestFailed):
                        assert len(question) % 7 == 6
                    else:
                        assert outcome == answer_to(question)
                case _:
                    raise AssertionError(event)

    steps: list[Callable[[], None]] = [
        ask, ask, ask, cancel, answer, answer,
        lambda: send(asker, there), lambda: send(answerer, back),
        lambda: arrive(there, answerer), lambda: arrive(back, asker),
    ]  # fmt: skip
    while begun < count or asked or to_answer or there or back or asker.outbox.size or answerer.outbox.size:
        random.choice(steps)()
        assert asker.exchange.ours[1] <= HELLO.requests
        assert answerer.exchange.theirs[1] <= HELLO.requests
    assert asker.exchange.ours[1] == answerer.exchange.theirs[1] == 0
    assert answerer.exchange.theirs[0] <= asker.exchange.ours[0] <= count


def test_what_waits_for_the_hello_and_is_too_large_then_is_refused() -> None:
    end = End(theirs=None)
    numbers = [end.exchange.request(bytes(size)) for size in (65_000, 1000, 100_000)]
    assert [frame.kind for frame in end.sent()] == [Kind.REQUEST]
    end.sizes.theirs = Hello(max_message=90_000, request_bytes=90_000)
    end.exchange.meet()
    (refused,) = end.told()
    assert isinstance(refused, Answered)
    assert refused.id == numbers[2]
    assert isinstance(refused.outcome, LocalProtocolError)
    assert [frame.kind for frame in end.sent()] == [Kind.REQUEST]
    assert end.exchange.ours == (2, 2)


def test_what_nobody_answers_is_refused() -> None:
    end = End(answers=False)
    end.hear(Numbered(Kind.REQUEST, 7, b"?"))
    assert end.told() == []
    assert end.sent() == [Failure(7, 7, "requests are not answered here")]
    assert end.exchange.theirs == (1, 0)


def test_a_question_that_is_too_large_for_one_frame_of_here_is_refused() -> None:
    end = End(ours=Hello(max_message=10))
    end.hear(Numbered(Kind.REQUEST, 7, bytes(11)))
    assert end.told() == []
    assert end.sent() == [Failure(7, 5, "a question of 11 bytes is over the limit")]


def test_an_answer_that_is_too_large_is_refused_on_both_sides() -> None:
    end = End(theirs=Hello(max_message=10))
    end.hear(Numbered(Kind.REQUEST, 7, b"?"))
    with pytest.raises(LocalProtocolError, match="the answer has 11 bytes, and the peer takes at most 10"):
        end.exchange.answer(7, bytes(11))
    assert end.sent() == [Failure(7, 5, "the answer has 11 bytes, and 10 are the most")]
    end.exchange.answer(7, b"again")
    assert end.sent() == []


def test_an_answer_nobody_waits_for_is_nothing() -> None:
    end = End()
    end.exchange.answer(7, b"!")
    end.exchange.fail(7, 8, "no")
    assert end.sent() == []


def test_a_cancelled_question_is_told_if_the_peer_has_heard_of_it() -> None:
    end = End()
    small, large, begun = (end.exchange.request(bytes(size)) for size in (3, 100_000, 150_000))
    end.exchange.cancel(large)
    assert [frame.kind for frame in end.sent()] == [Kind.REQUEST, Kind.REQUEST_PART]
    end.exchange.cancel(small)
    end.exchange.cancel(begun)
    end.exchange.cancel(begun)
    assert end.sent() == [Cancel(small), Cancel(begun)]
    for number in (small, begun):
        end.hear(Failure(number, 9, ""))
    assert end.told() == []
    assert end.exchange.ours == (3, 0)


def test_a_question_cancelled_in_the_middle_is_answered_at_once() -> None:
    end = End()
    end.hear(Numbered(Kind.REQUEST_PART, 7, b"a"))
    end.hear(Cancel(7))
    assert end.told() == []
    assert end.sent() == [Failure(7, 9, "")]


def test_in_the_end_everybody_is_told_with_an_error_of_his_own() -> None:
    end = End()
    first, second = end.exchange.request(b"1"), end.exchange.request(b"2")
    end.hear(Numbered(Kind.REQUEST, 7, b"?"))
    end.told()
    end.exchange.give_up(lambda: ClosedByUs("over"))
    *answered, cancelled = end.told()
    assert cancelled == Cancelled(7)
    outcomes = [event.outcome for event in answered if isinstance(event, Answered)]
    assert [event.id for event in answered if isinstance(event, Answered)] == [first, second]
    assert all(isinstance(outcome, ClosedByUs) for outcome in outcomes)
    assert outcomes[0] is not outcomes[1]
