"""Framings, decoders and kernels with one fault each, which the laws have to notice; and one without."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mezha.errors import FramingError, LocalProtocolError, MessageTooLarge, TruncatedMessage
from mezha.framing import (
    Data,
    Decoder,
    Forgiving,
    Frame,
    Framing,
    Garbage,
    LengthPrefixed,
    Need,
    Recover,
    Run,
    Skip,
    Verdict,
)
from mezha.framing.tolerant import Tolerant
from mezha.limits import Limits


@dataclass(frozen=True)
class Byte(Framing):
    """A byte of length: right, until a subclass gets one thing wrong."""

    def encode(self, *parts: Data) -> Sequence[Data]:
        message = b"".join(parts)
        if len(message) > 255:
            raise LocalProtocolError("more than 255 bytes: nothing was sent", size=len(message), limit=255)
        return (bytes([len(message)]), message)

    def split(self, buffer: bytearray, limit: int, resume: int = 0) -> Verdict:
        size = buffer[0]
        if size > limit:
            raise MessageTooLarge("too large", size=size, limit=limit)
        return Frame(1, 1 + size, 1 + size) if len(buffer) > size else Need(1 + size)


# -- encode ------------------------------------------------------------------------------------------------------------


class ShowsParts(Byte):
    def encode(self, *parts: Data) -> Sequence[Data]:
        return super().encode(*reversed(parts))


class ShowsBytearrays(Byte):
    def encode(self, *parts: Data) -> Sequence[Data]:
        return super().encode(*(part for part in parts if not isinstance(part, bytearray)))


class ShowsViews(Byte):
    def encode(self, *parts: Data) -> Sequence[Data]:
        return super().encode(*(part for part in parts if not isinstance(part, memoryview)))


# -- split -------------------------------------------------------------------------------------------------------------


class NeverWhole(Byte):
    def split(self, buffer: bytearray, limit: int, resume: int = 0) -> Verdict:
        return Need(len(buffer) + 1)


class TooSoon(Byte):
    def split(self, buffer: bytearray, limit: int, resume: int = 0) -> Verdict:
        return Frame(1, 1, 1)


class EndsLater(Byte):
    def split(self, buffer: bytearray, limit: int, resume: int = 0) -> Verdict:
        verdict = super().split(buffer, limit, resume)
        return Frame(1, verdict.stop, verdict.end + 1) if isinstance(verdict, Frame) else verdict


class LosesAByte(Byte):
    def split(self, buffer: bytearray, limit: int, resume: int = 0) -> Verdict:
        verdict = super().split(buffer, limit, resume)
        return Frame(1, max(verdict.stop - 1, 1), verdict.end) if isinstance(verdict, Frame) else verdict


class LooksAhead(Byte):
    """It wants to see that something follows."""

    def split(self, buffer: bytearray, limit: int, resume: int = 0) -> Verdict:
        verdict = super().split(buffer, limit, resume)
        if isinstance(verdict, Frame) and len(buffer) == verdict.end + 1:
            raise FramingError("one byte behind the message")
        return verdict


class AsksTooMuch(Byte):
    def split(self, buffer: bytearray, limit: int, resume: int = 0) -> Verdict:
        verdict = super().split(buffer, limit, resume)
        return Need(verdict.size + 1) if isinstance(verdict, Need) else verdict


class AsksForNothing(Byte):
    def split(self, buffer: bytearray, limit: int, resume: int = 0) -> Verdict:
        verdict = super().split(buffer, limit, resume)
        return Need(len(buffer)) if isinstance(verdict, Need) else verdict


class TrustsResume(Byte):
    """It takes ``resume`` for a promise about the message."""

    def split(self, buffer: bytearray, limit: int, resume: int = 0) -> Verdict:
        verdict = super().split(buffer, limit, resume)
        return Need(verdict.size + resume, 1) if isinstance(verdict, Need) else verdict


class SkipsNothing(Byte):
    def split(self, buffer: bytearray, limit: int, resume: int = 0) -> Verdict:
        return Skip(0)


class SkipsAll(Byte):
    def split(self, buffer: bytearray, limit: int, resume: int = 0) -> Verdict:
        return Skip(len(buffer))


class SkipsLess(Byte):
    """What it has left out belongs to a message, once more is there."""

    def split(self, buffer: bytearray, limit: int, resume: int = 0) -> Verdict:
        return Skip(1) if len(buffer) == 3 else Skip(2) if len(buffer) == 2 else super().split(buffer, limit, resume)


class StandsStill(Byte):
    def split(self, buffer: bytearray, limit: int, resume: int = 0) -> Verdict:
        return Frame(0, 0, 0)


class EatsTheBuffer(Byte):
    def split(self, buffer: bytearray, limit: int, resume: int = 0) -> Verdict:
        verdict = super().split(buffer, limit, resume)
        del buffer[:1]
        return verdict


class TakesOneMore(Byte):
    def split(self, buffer: bytearray, limit: int, resume: int = 0) -> Verdict:
        return super().split(buffer, limit + 1, resume)


class ReadsMore(Byte):
    """Half of what it reads it would not write."""

    def split(self, buffer: bytearray, limit: int, resume: int = 0) -> Verdict:
        return super().split(bytearray([buffer[0] & 0x7F]) + buffer[1:], limit, resume)


class Trusts(LengthPrefixed):
    """It takes as much memory as is announced, and no more: what everybody does who trusts a length."""

    def split(self, buffer: bytearray, limit: int, resume: int = 0) -> Frame | Need:
        verdict = super().split(buffer, limit, resume)
        if isinstance(verdict, Need):
            bytearray(verdict.size)
        return verdict


# -- kernels -----------------------------------------------------------------------------------------------------------


class LosesTheNext(Byte):
    """It passes over a message where it does not begin at the front."""

    def run(self) -> Run | None:
        def run(data: bytes | bytearray, start: int, limit: int, count: int) -> tuple[list[bytes], int]:
            _, begin = _cut(data, start, limit, int(start > 0), hurry=False)
            return _cut(data, begin, limit, count, hurry=False)

        return run


class Hurries(Byte):
    """It takes an unfinished message for a whole one, if it comes behind a whole one in the same read."""

    def run(self) -> Run | None:
        return lambda data, start, limit, count: _cut(data, start, limit, count, hurry=True)


def _cut(data: bytes | bytearray, start: int, limit: int, count: int, *, hurry: bool) -> tuple[list[bytes], int]:
    messages: list[bytes] = []
    while len(messages) < count and start < len(data):
        size = data[start]
        stop = start + 1 + size
        if size > limit or (stop > len(data) and not (hurry and messages)):
            break
        messages.append(bytes(data[start + 1 : stop]))
        start = min(stop, len(data))
    return messages, start


# -- decoders ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class DecodedBy(Byte):
    """A framing that is right, with a decoder that is not."""

    kind: type[Decoder]

    def decoder(self, *, limit: int = Limits().max_message) -> Decoder:
        return self.kind(self, limit=limit)


class Counting(Decoder):
    """A decoder that counts what its faults depend on."""

    def __init__(self, framing: Framing, *, limit: int = Limits().max_message) -> None:
        super().__init__(framing, limit=limit)
        self.fed = 0
        self.since_taken = 0
        self.raised = 0

    def feed(self, data: Data) -> None:
        self.fed += 1
        self.since_taken += 1
        super().feed(data)

    def again(self) -> int:
        """Count how often it has raised."""
        self.raised += 1
        return self.raised


class NeverReady(Decoder):
    @property
    def ready(self) -> bool:
        return False


class NotReadyToFail(Decoder):
    @property
    def ready(self) -> bool:
        return super().ready and not self.shut


class AlwaysReady(Decoder):
    @property
    def ready(self) -> bool:
        return True


class TakesMore(Decoder):
    def take(self, count: int = 1) -> list[bytes]:
        return super().take(count + 1)


class LeavesSome(Decoder):
    def take(self, count: int = 1) -> list[bytes]:
        return super().take(min(count, 1))


class Doubles(Decoder):
    def take(self, count: int = 1) -> list[bytes]:
        return 2 * super().take(count)


class Invents(Decoder):
    def take(self, count: int = 1) -> list[bytes]:
        return [b""]


class TiresWhenFed(Counting):
    """Fed four times without a break, it forgets to look."""

    def take(self, count: int = 1) -> list[bytes]:
        tired, self.since_taken = self.since_taken > 3, 0
        if tired:
            super().take(1 << 20)
        return super().take(count)


class BlindWhenFed(Counting):
    """Fed four times without a break, it does not see a fault any more."""

    def take(self, count: int = 1) -> list[bytes]:
        try:
            messages = super().take(count)
        except MessageTooLarge:
            if self.since_taken > 3 and not self.raised:
                return []
            self.again()
            raise
        if not messages:
            self.since_taken = 0
        return messages


class KeepsViews(Counting):
    """It keeps what it is fed where it is, until somebody reads into the same place."""

    views: tuple[Data, ...] = ()

    def feed(self, data: Data) -> None:
        self.views = (*self.views, data)

    def take(self, count: int = 1) -> list[bytes]:
        views, self.views = self.views, ()
        for view in views:
            super().feed(view)
        return super().take(count)


class LeavesNothing(Decoder):
    def unused(self) -> bytes:
        return b""


class GrowsWhenShut(Counting):
    @property
    def buffered(self) -> int:
        return super().buffered + (self.fed if self.raised else 0)

    def take(self, count: int = 1) -> list[bytes]:
        try:
            return super().take(count)
        except Exception:
            self.again()
            raise


class Forgets(Decoder):
    def take(self, count: int = 1) -> list[bytes]:
        return [] if self.shut else super().take(count)


class RaisesTheSame(Counting):
    first: Exception | None = None

    def take(self, count: int = 1) -> list[bytes]:
        try:
            return super().take(count)
        except MessageTooLarge as error:
            self.first = self.first or error
            raise self.first from None


class ChangesItsMind(Counting):
    def take(self, count: int = 1) -> list[bytes]:
        try:
            return super().take(count)
        except MessageTooLarge:
            raise FramingError(f"number {self.again()}") from None


# What is wrong at the end only.


class EndsSilently(Decoder):
    def take(self, count: int = 1) -> list[bytes]:
        try:
            return super().take(count)
        except TruncatedMessage:
            return []


class EndsOtherwise(Decoder):
    def take(self, count: int = 1) -> list[bytes]:
        try:
            return super().take(count)
        except TruncatedMessage:
            raise FramingError("it ended") from None


class EndsWithWrongNumbers(Decoder):
    def take(self, count: int = 1) -> list[bytes]:
        try:
            return super().take(count)
        except TruncatedMessage:
            raise TruncatedMessage("it ended", received=0, needed=1) from None


class EndsInOtherWords(Counting):
    """It says how often it was fed."""

    def take(self, count: int = 1) -> list[bytes]:
        try:
            return super().take(count)
        except TruncatedMessage as error:
            raise TruncatedMessage(f"fed {self.fed} times", received=error.received, needed=error.needed) from None


class EndsWithAMessage(Counting):
    def take(self, count: int = 1) -> list[bytes]:
        try:
            return super().take(count)
        except TruncatedMessage:
            return [b""] if self.again() == 1 else []


class EndsWithAnotherFault(Decoder):
    def take(self, count: int = 1) -> list[bytes]:
        if self.ended:
            raise FramingError("it ended")
        return super().take(count)


class NeverEndsWell(Decoder):
    @property
    def ready(self) -> bool:
        return self.ended or super().ready

    def take(self, count: int = 1) -> list[bytes]:
        if self.ended and not self.buffered:
            raise TruncatedMessage("it ended", received=0, needed=1)
        return super().take(count)


class HoldsOn(Decoder):
    """It says that it still holds a byte."""

    @property
    def buffered(self) -> int:
        return super().buffered or int(self.ended)

    def take(self, count: int = 1) -> list[bytes]:
        return [] if self.ended and not super().buffered else super().take(count)


# What is wrong about limits only.


class TooStrict(Decoder):
    def __init__(self, framing: Framing, *, limit: int = Limits().max_message) -> None:
        super().__init__(framing, limit=max(limit - 1, 0))


class TooLax(Decoder):
    def __init__(self, framing: Framing, *, limit: int = Limits().max_message) -> None:
        super().__init__(framing, limit=limit + 1)


class Refuses(Decoder):
    """It refuses what is too large, and a subclass says it in another way."""

    def take(self, count: int = 1) -> list[bytes]:
        try:
            return super().take(count)
        except MessageTooLarge as error:
            return self.refuse({"size": error.size, "limit": error.limit})

    def refuse(self, numbers: dict[str, Any]) -> list[bytes]:
        raise MessageTooLarge("too large", **numbers)


class RefusesOtherwise(Refuses):
    def refuse(self, numbers: dict[str, Any]) -> list[bytes]:
        raise FramingError("too large")


class NamesAnotherLimit(Refuses):
    def refuse(self, numbers: dict[str, Any]) -> list[bytes]:
        raise MessageTooLarge("too large", **numbers | {"limit": 999})


class NamesAnotherSize(Refuses):
    def refuse(self, numbers: dict[str, Any]) -> list[bytes]:
        raise MessageTooLarge("too large", **numbers | {"size": 999})


class RefusesTooLate(Refuses):
    """It hands something out first."""

    said = False

    def refuse(self, numbers: dict[str, Any]) -> list[bytes]:
        if not self.said:
            self.said = True
            return [b"?"]
        return super().refuse(numbers)


# -- decoders that forgive ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Past(Byte):
    """A framing that is right, and finds the end of a message over the limit; unless it is told otherwise."""

    recover: Recover | None = None

    def past_too_large(self) -> Recover:
        return self.recover or (lambda buffer, limit, resume: Garbage(1 + buffer[0]))


def past_all(buffer: bytearray, limit: int, resume: int) -> Garbage:
    """Drop what happens to be there."""
    return Garbage(len(buffer))


def past_two(buffer: bytearray, limit: int, resume: int) -> Garbage:
    """Drop a message too many."""
    return Garbage(1 + buffer[0], 1 - resume)


def past_nothing(buffer: bytearray, limit: int, resume: int) -> Garbage:
    """Find out that it was no message."""
    raise FramingError("no message")


@dataclass(frozen=True)
class ForgivenBy(Tolerant):
    """A framing that skips, with a decoder of this kind."""

    kind: type[Forgiving]
    framing: Framing
    name = "forgiven"
    forgives = (MessageTooLarge,)

    def recover(self) -> Recover | None:
        return self.framing.past_too_large()

    def decoder(self, *, limit: int = Limits().max_message) -> Forgiving:
        return self.kind(self, limit=limit)


def past_three(buffer: bytearray, limit: int, resume: int) -> Garbage:
    """Drop two messages too many."""
    return Garbage(1 + buffer[0], (resume + 1) % 3)


class ForgivesLosing(Forgiving):
    def take(self, count: int = 1) -> list[bytes]:
        return [message[1:] for message in super().take(count)]


class ForgivesInOtherWords(Forgiving):
    def take(self, count: int = 1) -> list[bytes]:
        tell = self.tell
        assert tell
        self.tell = lambda error: tell(MessageTooLarge("other"))
        try:
            return super().take(count)
        finally:
            self.tell = tell


class ForgivesMuch(Forgiving):
    def __init__(self, framing: Tolerant, *, limit: int = Limits().max_message) -> None:
        super().__init__(framing, limit=limit)
        self.dropped = 1


class ForgivesMoreThanItTells(Forgiving):
    def take(self, count: int = 1) -> list[bytes]:
        before = self.forgiven
        try:
            return super().take(count)
        finally:
            self.forgiven += self.forgiven - before


class ForgivesReadily(Forgiving):
    @property
    def ready(self) -> bool:
        return True


class ForgivesUnwillingly(Forgiving):
    @property
    def ready(self) -> bool:
        return super().ready and not self.shut


class ForgivesAll(Forgiving):
    def take(self, count: int = 1) -> list[bytes]:
        return [] if self.shut else super().take(count)


class ForgivesDifferently(Forgiving):
    raised = 0

    def take(self, count: int = 1) -> list[bytes]:
        try:
            return super().take(count)
        except FramingError:
            self.raised += 1
            raise FramingError(f"for the {self.raised}. time") from None
