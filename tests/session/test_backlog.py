"""The backlog: what waits goes out in order, piece by piece; the life of it is in ``test_outbox``."""

import pytest

from mezha.errors import LocalProtocolError
from mezha.framing import Data
from mezha.session.backlog import Backlog, Piece
from mezha.session.frames import PIECE, Drop, Kind

MUCH = 1 << 30


def shown(piece: Piece | None) -> tuple[int, int, int, object] | None:
    """A piece in short: its kind, the size of its body, how many messages are whole, and what is done."""
    if piece is None:
        return None
    wire = b"".join(piece.parts)
    assert len(wire) == 4 + int.from_bytes(wire[:4], "big")
    return wire[4], len(wire) - 5, piece.whole, piece.done


def test_messages_go_in_order_and_as_whole_as_they_can() -> None:
    backlog = Backlog()
    assert backlog.empty
    for size in (3, PIECE, PIECE + 1, 0):
        backlog.message(bytes(size))
    backlog.end()
    assert (backlog.size, backlog.whole, backlog.messages, backlog.empty) == (3 + 2 * PIECE + 1, 4, True, False)
    pieces = [backlog.next_of_messages(MUCH) for _ in range(7)]
    assert [shown(piece) for piece in pieces] == [
        (Kind.MESSAGE, 3, 1, None),
        (Kind.MESSAGE, PIECE, 1, None),
        (Kind.PART, PIECE, 0, None),
        (Kind.LAST, 1, 1, None),
        (Kind.MESSAGE, 0, 1, None),
        (Kind.END, 0, 0, None),
        None,
    ]
    assert [piece.cost for piece in pieces if piece] == [8, PIECE + 5, PIECE + 5, 6, 5, 0]
    assert backlog.empty


def test_a_piece_waits_for_credit_for_all_of_it() -> None:
    backlog = Backlog()
    backlog.message(b"abc")
    assert (backlog.due(7), backlog.next_of_messages(7)) == (0, None)
    assert backlog.due(8) == 8
    assert backlog.next_of_messages(8)
    assert backlog.due(MUCH) == 0


def test_an_end_needs_none() -> None:
    backlog = Backlog()
    backlog.end()
    assert backlog.due(0) == 5
    assert (backlog.size, backlog.whole, backlog.sending) == (0, 0, 0)
    assert shown(backlog.next_of_messages(0)) == (Kind.END, 0, 0, None)


def test_large_questions_and_answers_take_turns() -> None:
    backlog = Backlog()
    assert backlog.next_of_numbered() is None
    backlog.numbered(Kind.REQUEST, 7, bytes(PIECE + 2))
    backlog.numbered(Kind.REPLY, 7, bytes(PIECE))
    assert (backlog.due(0), backlog.size, backlog.messages) == (PIECE + 9, 2 * PIECE + 2, False)
    assert [shown(backlog.next_of_numbered()) for _ in range(4)] == [
        (Kind.REQUEST_PART, PIECE + 4, 0, None),
        (Kind.REPLY, PIECE + 4, 0, (Kind.REPLY, 7)),
        (Kind.REQUEST, 6, 0, (Kind.REQUEST, 7)),
        None,
    ]


def test_a_question_can_be_withdrawn() -> None:
    backlog = Backlog()
    backlog.numbered(Kind.REPLY, 7, bytes(2 * PIECE))
    backlog.numbered(Kind.REQUEST, 7, bytes(2 * PIECE))
    assert backlog.withdraw(7)
    assert not backlog.withdraw(7)
    backlog.numbered(Kind.REQUEST, 8, bytes(2 * PIECE))
    backlog.next_of_numbered()
    backlog.next_of_numbered()
    assert not backlog.withdraw(8)
    assert shown(backlog.next_of_numbered()) == (Kind.REPLY, PIECE + 4, 0, (Kind.REPLY, 7))
    assert backlog.empty


def test_nothing_is_copied() -> None:
    message = bytes(PIECE + 1)
    backlog = Backlog()
    backlog.message(message)
    backlog.numbered(Kind.REPLY, 7, message)
    parts: list[Data] = []
    for piece in (backlog.next_of_messages(MUCH), backlog.next_of_numbered()):
        assert piece
        parts += piece.parts[1:]
    assert all(isinstance(part, memoryview) and part.obj is message for part in parts)


def test_a_message_that_grows_goes_as_far_as_it_is_here() -> None:
    backlog = Backlog()
    backlog.begin_stream()
    with pytest.raises(LocalProtocolError, match="already: end it first"):
        backlog.begin_stream()
    assert (backlog.due(MUCH), backlog.next_of_messages(MUCH), backlog.whole) == (0, None, 0)
    backlog.stream.add(memoryview(b"abc"))
    assert shown(backlog.next_of_messages(MUCH)) == (Kind.PART, 3, 0, None)
    assert backlog.sending == 3
    assert backlog.next_of_messages(MUCH) is None
    backlog.end_stream()
    assert backlog.whole == 1
    assert shown(backlog.next_of_messages(MUCH)) == (Kind.LAST, 0, 1, None)
    for ask in (lambda: backlog.stream, backlog.end_stream):
        with pytest.raises(LocalProtocolError, match="no message is being sent as a stream"):
            ask()


@pytest.mark.parametrize("begun", [False, True])
def test_a_message_that_grew_and_was_given_up(begun: bool) -> None:
    backlog = Backlog()
    backlog.drop_stream(Drop(300, "never mind"))
    backlog.begin_stream()
    backlog.stream.add(memoryview(b"abc"))
    if begun:
        assert backlog.next_of_messages(MUCH)
    backlog.message(b"behind")
    backlog.drop_stream(Drop(300, "never mind"))
    assert backlog.whole == 1
    if begun:
        assert backlog.sending == 0
        assert shown(backlog.next_of_messages(0)) == (Kind.DROP, 12, 0, None)
    assert shown(backlog.next_of_messages(MUCH)) == (Kind.MESSAGE, 6, 1, None)
