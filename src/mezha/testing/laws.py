"""The laws of framings and decoders, as functions: give them a framing, and they raise AssertionError if it breaks one.

They know nothing of a framing but its ``encode`` and ``split``, so they hold for one of your own as well.
"""

import operator
import time
import tracemalloc
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from mezha.engine import Framed
from mezha.errors import LocalProtocolError, MessageTooLarge, TruncatedMessage
from mezha.framing import Data, Decoder, Forgiving, Frame, Framing, Need, Resume, Run, Skip, Skipping, Verdict
from mezha.limits import Limits
from mezha.testing import cuts

__all__ = [
    "Fault",
    "Forgiveness",
    "Knowledge",
    "Metered",
    "Way",
    "check_any_cut",
    "check_backlog_is_cheap",
    "check_forgiving",
    "check_inverse",
    "check_limit",
    "check_linear",
    "check_reverse",
    "check_skipping",
    "check_split",
    "check_takes_no_memory",
    "fault_of",
    "known",
    "refuses",
]

_ALL = 1 << 62


class Fault(NamedTuple):
    """An error, as far as two of them can be the same."""

    kind: type[Exception]
    text: str
    attributes: dict[str, Any]


def fault_of(error: Exception) -> Fault:
    """Describe an error, so that it can be compared."""
    return Fault(type(error), str(error), dict(vars(error)))


# -- what there is to know about a stream, by split() alone ------------------------------------------------------------


class Knowledge(NamedTuple):
    """What a stream says, by asking ``split`` anew after each byte: the plainest way to read, and the slowest."""

    messages: list[bytes]
    #: How many bytes had to be there until each message was known.
    known_at: list[int]
    #: Where each message's frame begins, and the rest behind the last and behind what belongs to no message.
    starts: list[int]
    #: Where each message's frame ends.
    ends: list[int]
    #: Where the bytes begin of which nothing is settled yet, when so many are here: none, one, and so on.
    fronts: list[int]
    #: What is wrong behind the messages, and how many bytes had to be there until it was known.
    fault: Fault | None
    fault_at: int

    def after(self, size: int) -> tuple[int, Fault | None]:
        """Say how many messages, and which fault, are known from the first ``size`` bytes."""
        return sum(at <= size for at in self.known_at), self.fault if self.fault and self.fault_at <= size else None


def known(framing: Framing, stream: bytes, limit: int) -> Knowledge:
    """Read a stream with ``split`` alone."""
    messages: list[bytes] = []
    known_at: list[int] = []
    starts: list[int] = []
    ends: list[int] = []
    fronts = [0]
    fault: Fault | None = None
    front = fault_at = 0
    for size in range(1, len(stream) + 1):
        while front < size and fault is None:
            match _ask(framing, stream[front:size], limit):
                case Need():
                    break
                case Fault() as found:
                    fault, fault_at = found, size
                case Skip(end):
                    assert end > 0, "bytes that belong to no message are one or more"
                    front += end
                case Frame(end=end) as frame:
                    assert end > 0, "a frame has one byte or more"
                    messages.append(frame.cut(stream[front:size]))
                    known_at.append(size)
                    starts.append(front)
                    front += end
                    ends.append(front)
        fronts.append(front)
    return Knowledge(messages, known_at, [*starts, front], ends, fronts, fault, fault_at)


def _ask(framing: Framing, data: bytes, limit: int, resume: Resume = 0) -> Verdict | Fault:
    buffer = bytearray(data)
    try:
        verdict = framing.split(buffer, limit, resume)  # type: ignore[arg-type]  # it gets what it gave
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what is compared
        return fault_of(error)
    finally:
        assert buffer == data, "split() must not change the buffer"
    return verdict


def check_split(framing: Framing, stream: bytes, limit: int) -> None:
    """Check that ``split`` knows only the bytes at the front, and says what they mean as soon as they show it.

    - Once it has found a message or a fault, more bytes behind change nothing.
    - ``Need.size`` is more than is there, and asking earlier than that would have brought nothing.
    - ``resume``, any that it gave for fewer bytes of the same message, never changes the answer.

    Of bytes that belong to no message there may be more, once more have come.
    """
    for start in sorted(set(known(framing, stream, limit).fronts)):
        data = stream[start:]
        verdicts = [_ask(framing, data[:size], limit) for size in range(1, len(data) + 1)]
        needs: list[tuple[int, Need]] = []
        for size, verdict in enumerate(verdicts, 1):
            if not isinstance(verdict, Need):
                assert all(_upheld(verdict, later) for later in verdicts[size:]), "more bytes have changed the answer"
                assert all(need.size <= size for _, need in needs), f"{size} bytes show {verdict}: asked too late"
            for earlier, need in needs if size <= 40 else needs[-1:]:
                resumed = _ask(framing, data[:size], limit, need.resume)
                assert _same(resumed, verdict), f"resumed from {earlier}, {size} bytes are {resumed}, not {verdict}"
            if not isinstance(verdict, Need):
                break
            assert verdict.size > size, f"{size} bytes are there, and {verdict} asks for no more"
            needs.append((size, verdict))


def _upheld(verdict: Verdict | Fault, later: Verdict | Fault) -> bool:
    if isinstance(verdict, Skip) and isinstance(later, Skip):
        return later.end >= verdict.end
    return later == verdict


def _same(one: Verdict | Fault, other: Verdict | Fault) -> bool:
    if isinstance(one, Need) and isinstance(other, Need):
        return one.size == other.size
    return one == other


# -- inverse -----------------------------------------------------------------------------------------------------------


def check_inverse(framing: Framing, *parts: Data) -> None:
    """Check that ``split`` reads back what ``encode`` writes, whatever stands behind it and however it was handed in.

    Raises:
        LocalProtocolError: the framing refuses the message.

    """
    message = b"".join(parts)
    wire = b"".join(framing.encode(*parts))
    assert b"".join(framing.encode(message)) == wire, "the parts of a message must not show"
    others: tuple[Data, ...] = (bytearray(message), memoryview(message))
    for other in others:
        assert b"".join(framing.encode(other)) == wire, f"a {type(other).__name__} is written otherwise than bytes"
    for behind in (b"", wire, b"\0", b"\n", b"\xff" * 9):
        front, verdict = 0, framing.split(bytearray(wire + behind), len(message))
        while isinstance(verdict, Skip):
            front += verdict.end
            assert 0 < front < len(wire), f"{verdict} for a whole message"
            verdict = framing.split(bytearray(wire[front:] + behind), len(message))
        assert isinstance(verdict, Frame), f"{verdict} for a whole message"
        end = front + verdict.end
        assert end == len(wire), f"{wire!r}, with {behind!r} behind, ends at {end}"
        read = verdict.cut(wire[front:])
        assert read == message, f"{message!r} is written as {wire!r}, which is read as {read!r}"
    decoder = framing.decoder(limit=len(message))
    decoder.feed(wire * 3)
    several = list(decoder)
    assert several == [message] * 3, f"three times {message!r} is read as {several}"


def refuses(framing: Framing, *parts: Data) -> bool:
    """Say whether ``encode`` refuses a message."""
    try:
        framing.encode(*parts)
    except LocalProtocolError:
        return True
    return False


def check_reverse(
    framing: Framing, stream: bytes, limit: int, same: Callable[[bytes, bytes | None], bool] = operator.eq
) -> None:
    """Check that ``encode`` writes again what ``split`` accepts, byte for byte.

    Where a framing reads more than it writes, ``same(read, written)`` says whether two frames mean the same; written is
    ``None`` where ``encode`` refuses the message.
    """
    reading = known(framing, stream, limit)
    for message, start, end in zip(reading.messages, reading.starts, reading.ends, strict=False):
        frame, written = stream[start:end], None if refuses(framing, message) else b"".join(framing.encode(message))
        assert same(frame, written), f"read {frame!r}, wrote {written!r}"


# -- any cut, same outcome ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Way:
    """A way to use a decoder."""

    #: What ``take`` is asked for; 0 iterates instead.
    count: int = 1
    #: Take all there is after each piece, or one run, or nothing before the end.
    pace: str = "all"
    #: Look at ``ready`` before taking.
    peek: bool = False


_WAYS = (
    Way(),
    Way(count=0),
    Way(count=2),
    Way(count=_ALL),
    Way(peek=True),
    Way(count=_ALL, peek=True),
    Way(pace="one run"),
    Way(pace="one run", count=2, peek=True),
    Way(pace="nothing", count=_ALL),
    Way(pace="nothing", count=0),
)


def check_any_cut(
    framing: Framing,
    stream: bytes,
    limit: int,
    cuttings: Iterable[Sequence[bytes]] = (),
    ways: Sequence[Way] = _WAYS,
) -> None:
    """Check that no cut, nor the way to use the decoder, changes the messages of a stream, or its error or end.

    What is known after each piece depends on the bytes so far, not on where they were cut: it is what ``split`` alone
    says of them. All cuttings of :func:`cuts.everywhere` are tried, and yours.
    """
    reading = known(framing, stream, limit)
    ends = [
        _explained_cut(framing, reading, cutting, limit, way)
        for number, cutting in enumerate((*cuts.everywhere(stream), *cuttings))
        for way in (ways if number < 2 else (ways[number % len(ways)],))  # all ways for the whole and for single bytes
    ]
    assert all(end == ends[0] for end in ends), "cuts have changed how it ends"


def _explained_cut(
    framing: Framing, reading: Knowledge, cutting: Sequence[bytes], limit: int, way: Way
) -> Fault | None:
    try:
        return _check_one_cut(framing, reading, cutting, limit, way)
    except AssertionError as error:
        raise AssertionError(f"cut as {list(cutting)}: {error}") from error


def _check_one_cut(
    framing: Framing, reading: Knowledge, cutting: Sequence[bytes], limit: int, way: Way
) -> Fault | None:
    decoder = framing.decoder(limit=limit)
    got: list[bytes] = []
    fault: Fault | None = None
    size = 0
    scratch = bytearray(max(map(len, cutting), default=0))
    for piece in cutting:
        scratch[: len(piece)] = piece
        decoder.feed(memoryview(scratch)[: len(piece)])
        scratch[:] = b"\xee" * len(scratch)  # a driver reads into the same memory again
        size += len(piece)
        if way.pace == "nothing":
            continue
        fault = _take(decoder, got, way, once=way.pace != "all") or fault
        if way.pace == "all":
            known_now = (len(got), fault)
            assert known_now == reading.after(size), f"after {size} bytes, used as {way}: {known_now} is known"
            assert fault or not decoder.ready, f"ready after {size} bytes, with nothing to take"
            rest = b"".join(cutting)[reading.fronts[size] : size]
            assert fault or decoder.unused() == rest, f"{rest!r} is left, and unused() says {decoder.unused()!r}"
    fault = _take(decoder, got, way) or fault
    assert got == reading.messages, f"used as {way}: {got}, where split() alone reads {reading.messages}"
    assert fault == reading.fault, f"used as {way}: {fault}, where split() alone finds {reading.fault}"
    decoder.feed(b"")
    fault = _take(decoder, got, way)
    assert got == reading.messages, "the end of a stream makes no message"
    left = size - reading.starts[-1]
    if reading.fault:
        assert fault == reading.fault, f"at the end the fault is {fault}, not {reading.fault}"
    elif left:
        assert fault, f"{left} bytes are left at the end, and nobody says so"
        assert fault.kind is TruncatedMessage, f"{left} bytes are left at the end, and it is {fault}"
        verdict = _ask(framing, b"".join(cutting)[reading.starts[-1] :], limit)
        assert isinstance(verdict, Need), f"{verdict} for what is left at the end"
        assert fault.attributes == {"received": left, "needed": verdict.size}, f"{left} bytes left, {verdict}: {fault}"
    else:
        assert fault is None, f"nothing is left at the end, and it is {fault}"
        assert decoder.buffered == 0, f"nothing is left at the end, and {decoder.buffered} bytes are held"
    return fault


def _take(decoder: Decoder, got: list[bytes], way: Way, *, once: bool = False) -> Fault | None:
    """Take what there is; check what ``take`` and ``ready`` promise."""
    try:
        if way.count == 0:
            got.extend(decoder)
            return None
        while True:
            ready = decoder.ready if way.peek else None
            run = decoder.take(way.count)
            assert ready is None or ready == bool(run), f"ready is {ready}, and take() returns {run}"
            assert len(run) <= way.count, f"take({way.count}) returns {len(run)} messages"
            got += run
            if once or not run:
                return None
            if len(run) < way.count:  # then nothing whole may have been left
                once = True
                assert decoder.take() == [], f"take({way.count}) has left a whole message behind"
    except AssertionError:
        raise
    except Exception as error:  # noqa: BLE001
        first = error
    assert decoder.ready, "a fault is something to take, as often as one asks"
    buffered = decoder.buffered
    for _ in range(2):
        again = _error_of(lambda: decoder.take(max(way.count, 1)))
        assert again, "a fault was forgotten"
        assert again is not first, "each raise makes a fresh exception"
        assert fault_of(again) == fault_of(first), f"a fault has changed: {again!r} after {first!r}"
        if not decoder.ended:
            decoder.feed(b"\n" * 1000)
    assert decoder.buffered == buffered, "what is fed after an error is thrown away"
    return fault_of(first)


def _error_of(call: Callable[[], object]) -> Exception | None:
    try:
        call()
    except Exception as error:  # noqa: BLE001
        return error
    return None


# -- faults that are forgiven ------------------------------------------------------------------------------------------


class Forgiveness(NamedTuple):
    """What a decoder that forgives makes of a stream."""

    #: Messages, and the faults between them.
    found: list[bytes | Fault]
    #: The error at the end, if there is one.
    fault: Fault | None
    dropped: int
    skipped: int


def check_forgiving(
    framing: Framing, stream: bytes, limit: int, cuttings: Iterable[Sequence[bytes]] = ()
) -> Forgiveness:
    """Check that no cut changes what a framing that forgives makes of a stream, and return what that is.

    Messages, faults in their places, how many bytes were dropped, and how it ends are the same for every cut. Up to the
    first fault it makes of the stream what ``split`` alone says, and tells of the fault what would have been raised.
    """
    reading = known(framing, stream, limit)
    whole = _forgive(framing, cuts.whole(stream), limit, _ALL)
    first = [fault for fault in (*whole.found, whole.fault) if isinstance(fault, Fault)][:1]
    assert whole.found[: len(reading.messages)] == reading.messages, f"{whole}, where split() reads {reading.messages}"
    if reading.fault:
        assert first == [reading.fault], f"{whole}, where split() finds {reading.fault}"
    else:
        assert whole.dropped == 0, f"{whole}, where there is nothing to forgive"
    for number, cutting in enumerate((*cuts.everywhere(stream), *cuttings)):
        found = _forgive(framing, cutting, limit, (_ALL, 1, 2)[number % 3])
        assert found == whole, f"cut as {list(cutting)}: {found}, and in one piece {whole}"
    return whole


def _forgive(framing: Framing, cutting: Sequence[bytes], limit: int, count: int) -> Forgiveness:
    decoder = framing.decoder(limit=limit)
    assert isinstance(decoder, Forgiving), f"it does not forgive: {framing!r}"
    found: list[bytes | Fault] = []
    decoder.tell = lambda error: found.append(fault_of(error))
    fault = None
    try:
        for piece in (*cutting, b""):
            decoder.feed(piece)
            while True:
                ready, before = decoder.ready, decoder.forgiven
                run = decoder.take(count)
                found += run
                assert ready == bool(run or decoder.forgiven > before), f"ready is {ready}, and take() returns {run}"
                if not run:
                    break
    except AssertionError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what is compared
        fault = fault_of(error)
    if fault:
        assert decoder.ready, "a fault is something to take"
        again = _error_of(decoder.take)
        assert again, "a fault was forgotten"
        assert fault_of(again) == fault, f"a fault has changed: {again!r} after {fault}"
    told = sum(isinstance(one, Fault) for one in found)
    assert decoder.forgiven == told, f"{decoder.forgiven} faults are forgiven, and {told} were told"
    return Forgiveness(found, fault, decoder.dropped, decoder.skipped)


def check_skipping(framing: Framing, messages: Sequence[bytes], limit: int) -> None:
    """Check that of these messages a framing that skips hands out those within the limit, and tells of the others."""
    wire = b"".join(b"".join(framing.encode(message)) for message in messages)
    too_large = sum(len(b"".join(framing.encode(message))) for message in messages if len(message) > limit)
    outcome = check_forgiving(Skipping(framing), wire, limit)
    got = [one for one in outcome.found if isinstance(one, bytes)]
    faults = [one for one in outcome.found if isinstance(one, Fault)]
    assert outcome.fault is None, f"a message over the limit is skipped, and {outcome.fault} comes behind"
    assert got == [message for message in messages if len(message) <= limit], f"of {messages} come {got}"
    assert len(faults) == len(messages) - len(got), f"{len(messages) - len(got)} are skipped, and {faults} are told"
    # what may stand in front of a message anyway is skipped, and not dropped with it
    dropped_right = outcome.dropped <= too_large <= outcome.dropped + outcome.skipped
    assert dropped_right, f"of {too_large} bytes over the limit {outcome.dropped} are dropped"


# -- one limit ---------------------------------------------------------------------------------------------------------


def check_limit(framing: Framing, message: bytes) -> None:
    """Check that a message of the limit passes and one byte more is refused: by a decoder, cut anywhere, and ``send``.

    A framing that has no smaller messages at all may refuse such a limit instead, with ValueError.
    """
    wire = b"".join(framing.encode(message))
    size = len(message)
    for cutting in cuts.everywhere(wire, short=8):
        got: list[bytes] = []
        fault = _fault_at_end(framing.decoder(limit=size), cutting, got)
        assert fault is None, f"cut as {cutting}, {size} bytes of {size} allowed are refused: {fault}"
        assert got == [message], f"cut as {cutting}, {message!r} comes as {got}"
    open_handed = Framed(framing, limits=Limits(max_message=size))
    open_handed.send(message)
    assert b"".join(open_handed.outgoing()) == wire, "an engine writes it otherwise"
    if not size:
        return
    try:
        strict = Framed(framing, limits=Limits(max_message=size - 1))
    except ValueError:
        return
    for cutting in cuts.everywhere(wire, short=8):
        got = []
        fault = _fault_at_end(framing.decoder(limit=size - 1), cutting, got)
        assert fault, f"cut as {cutting}, {size} bytes pass where {size - 1} are allowed"
        assert fault.kind is MessageTooLarge, f"cut as {cutting}, a byte too much is {fault}"
        assert fault.attributes["limit"] == size - 1, f"the limit is {size - 1}, and the error says {fault}"
        assert fault.attributes["size"] in (size, None), f"the size is {size}, and the error says {fault}"
        assert got == [], f"cut as {cutting}, {got} comes in front of the error"
    refusal = _error_of(lambda: strict.send(message))
    assert isinstance(refusal, LocalProtocolError), f"{size} bytes are sent where {size - 1} are allowed"
    assert (refusal.size, refusal.limit) == (size, size - 1), f"the refusal says {refusal.size}, {refusal.limit}"
    assert strict.outgoing() == [], "something is written of a message that is refused"


def _fault_at_end(decoder: Decoder, cutting: Sequence[bytes], got: list[bytes]) -> Fault | None:
    try:
        for piece in (*cutting, b""):
            decoder.feed(piece)
            got += decoder.take(_ALL)
    except Exception as error:  # noqa: BLE001
        return fault_of(error)
    return None


# -- linear ------------------------------------------------------------------------------------------------------------


class Metered(Framing):
    """A framing that works as the one inside, and counts the bytes that each call may have looked at."""

    def __init__(self, framing: Framing) -> None:
        self._framing = framing
        self._run = framing.run()
        #: Bytes looked at, at the worst.
        self.looked = 0
        #: Calls of ``split`` and of the kernel.
        self.calls = 0

    def encode(self, *parts: Data) -> Sequence[Data]:
        """Encode."""
        return self._framing.encode(*parts)

    def split(self, buffer: bytearray, limit: int, resume: Resume = 0) -> Verdict:
        """Split, and count from ``resume`` to the end of the message, or of the bytes; a message put together twice."""
        verdict = self._framing.split(buffer, limit, resume)  # type: ignore[arg-type]  # it gets what it gave
        self.calls += 1
        self.looked += len(buffer) if isinstance(verdict, Need) else verdict.end
        self.looked -= resume if isinstance(resume, int) else resume[0]
        if isinstance(verdict, Frame) and verdict.message is not None:
            self.looked += verdict.end
        return verdict

    def run(self) -> Run | None:
        """Return the kernel, which counts what it has cut, and the rest where it has stopped early."""
        return self._count_run if self._run else None

    def _count_run(self, data: bytes | bytearray, start: int, limit: int, count: int) -> tuple[list[bytes], int]:
        assert self._run
        messages, stop = self._run(data, start, limit, count)
        self.calls += 1
        self.looked += (stop if len(messages) == count else len(data)) - start
        return messages, stop


def check_linear(framing: Framing, message: bytes, piece: int = 1, *, each: int = 8) -> None:
    """Check that a message in small pieces costs work in proportion to its bytes: ``each`` looks a byte at most."""
    metered = Metered(framing)
    wire = b"".join(framing.encode(message))
    decoder = metered.decoder(limit=len(message))
    for start in range(0, len(wire), piece):
        assert not decoder.take(), f"a message comes from {start} of {len(wire)} bytes"
        decoder.feed(wire[start : start + piece])
    assert decoder.take() == [message], "the message does not come out whole"
    assert metered.looked <= each * len(wire) + 100, f"{metered.looked / len(wire):.0f} looks a byte"
    assert metered.calls <= 2 * len(wire) // piece + 10, f"{metered.calls} calls for {len(wire) // piece} pieces"


def check_backlog_is_cheap(framing: Framing, message: bytes, use: Callable[[Decoder, bytes], object]) -> None:
    """Check that it costs nothing to go on, however much waits to be taken: ``use(decoder, wire of one message)``.

    This is about copies, which nothing can count. So it is timed: what 64 times the bytes wait for may take eight
    times as long, where copying them would take some fifty times.
    """
    wire = b"".join(framing.encode(message))
    spent: dict[int, float] = {}
    for backlog in (1 << 16, 1 << 22):
        decoder = framing.decoder()
        decoder.feed(wire * (backlog // len(wire)))
        best = float("inf")
        for _ in range(5):
            began = time.process_time()
            for _ in range(200):
                use(decoder, wire)
            best = min(best, time.process_time() - began)
        spent[backlog] = best
    low, high = spent.values()
    assert high < 8 * low + 0.001, f"{low * 5000:.1f} µs each became {high * 5000:.1f}"


def check_takes_no_memory(framing: Framing, beginning: bytes, limit: int) -> None:
    """Check that a message announced and not sent costs no memory beyond the bytes that did arrive."""
    decoder = framing.decoder(limit=limit)
    tracemalloc.start()
    try:
        decoder.feed(beginning)
        assert decoder.take() == [], "a message comes from its beginning"
        assert not decoder.ready, "ready, with nothing to take"
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 32 << 10, f"{peak} bytes for {len(beginning)} that arrived"
