"""The states of the protocol as tables: what is not in them is an error.

A stream of frames has the same states at both its ends; only what an error means differs: one's own mistake, or the
peer's. The same holds for a request, but for a CANCEL that crosses the answer.
"""

from collections.abc import Mapping
from enum import Enum
from typing import TypeVar

from mezha.session.frames import Kind

__all__ = ["ANSWERING", "ASKING", "STREAM", "Request", "Stream", "Table", "diagram"]


class Stream(Enum):
    """How far one side's stream of frames has come."""

    #: The magic and HELLO are still missing.
    GREETING = "GREETING"
    #: Between two messages.
    OPEN = "OPEN"
    #: Inside a message in pieces.
    MIDDLE = "MIDDLE"
    #: No more messages; everything else goes on.
    ENDED = "ENDED"
    #: Nothing more at all.
    CLOSED = "CLOSED"


class Request(Enum):
    """How far a request has come."""

    #: Its number is free: not asked, or answered.
    FREE = "FREE"
    #: Pieces of the question are on their way.
    ASKING = "ASKING"
    #: The question is whole.
    ASKED = "ASKED"
    #: Pieces of the answer are on their way.
    ANSWERING = "ANSWERING"
    #: Nobody waits for the answer any more; it still has to come.
    CANCELLED = "CANCELLED"


_State = TypeVar("_State", Stream, Request)

#: From a state and the kind of a frame to the next state.
Table = Mapping[tuple[_State, Kind], _State]

#: Frames that leave a stream as it is, from HELLO to CLOSE.
_ANY_TIME = (
    Kind.REQUEST,
    Kind.REQUEST_PART,
    Kind.REPLY,
    Kind.REPLY_PART,
    Kind.FAILURE,
    Kind.CANCEL,
    Kind.CREDIT,
    Kind.PING,
    Kind.PONG,
)

#: One side's stream of frames.
STREAM: Table[Stream] = {
    (Stream.GREETING, Kind.HELLO): Stream.OPEN,
    (Stream.OPEN, Kind.MESSAGE): Stream.OPEN,
    (Stream.OPEN, Kind.PART): Stream.MIDDLE,
    (Stream.MIDDLE, Kind.PART): Stream.MIDDLE,
    (Stream.MIDDLE, Kind.LAST): Stream.OPEN,
    (Stream.MIDDLE, Kind.DROP): Stream.OPEN,
    (Stream.OPEN, Kind.END): Stream.ENDED,
    (Stream.OPEN, Kind.CLOSE): Stream.CLOSED,
    (Stream.MIDDLE, Kind.CLOSE): Stream.CLOSED,
    (Stream.ENDED, Kind.CLOSE): Stream.CLOSED,
    **{(state, kind): state for state in (Stream.OPEN, Stream.MIDDLE, Stream.ENDED) for kind in _ANY_TIME},
}

#: A request as its asker sees it: REQUEST, REQUEST_PART and CANCEL go out, the others come in.
ASKING: Table[Request] = {
    (Request.FREE, Kind.REQUEST): Request.ASKED,
    (Request.FREE, Kind.REQUEST_PART): Request.ASKING,
    (Request.ASKING, Kind.REQUEST_PART): Request.ASKING,
    (Request.ASKING, Kind.REQUEST): Request.ASKED,
    (Request.ASKING, Kind.CANCEL): Request.CANCELLED,
    (Request.ASKED, Kind.CANCEL): Request.CANCELLED,
    (Request.ASKED, Kind.REPLY_PART): Request.ANSWERING,
    (Request.ASKED, Kind.REPLY): Request.FREE,
    (Request.ASKED, Kind.FAILURE): Request.FREE,
    (Request.ANSWERING, Kind.CANCEL): Request.CANCELLED,
    (Request.ANSWERING, Kind.REPLY_PART): Request.ANSWERING,
    (Request.ANSWERING, Kind.REPLY): Request.FREE,
    (Request.ANSWERING, Kind.FAILURE): Request.FREE,
    (Request.CANCELLED, Kind.REPLY_PART): Request.CANCELLED,
    (Request.CANCELLED, Kind.REPLY): Request.FREE,
    (Request.CANCELLED, Kind.FAILURE): Request.FREE,
}

#: A request as its answerer sees it. A CANCEL that crossed the answer comes too late, and is nothing.
ANSWERING: Table[Request] = {**ASKING, (Request.FREE, Kind.CANCEL): Request.FREE}


#: An arrow has room for so many names beside each other.
_NAMES_IN_A_ROW = 3


def diagram(table: Table[_State], first: _State) -> str:
    """Draw a table as a state diagram in the words of Mermaid, from the state in which it begins."""
    arrows: dict[tuple[_State, _State], list[str]] = {}
    for (state, kind), following in table.items():
        arrows.setdefault((state, following), []).append(kind.name)
    lines = ["stateDiagram-v2", f"    [*] --> {first.value}"]
    for (state, following), names in arrows.items():
        rows = [", ".join(names[place : place + _NAMES_IN_A_ROW]) for place in range(0, len(names), _NAMES_IN_A_ROW)]
        lines.append(f"    {state.value} --> {following.value}: {',<br/>'.join(rows)}")
    final = {following for _, following in arrows} - {state for state, _ in arrows}
    lines += [f"    {state.value} --> [*]" for state in type(first) if state in final]
    return "\n".join(lines) + "\n"
