"""The conversation: what a side does by itself, when frames arrive, time passes, or an end comes."""

import math
import sys
from struct import Struct

from mezha.errors import (
    ConnectionLost,
    HandshakeError,
    MessageDropped,
    MessageTooLarge,
    MessageTooSlow,
    RemoteProtocolError,
)
from mezha.framing import Data
from mezha.limits import Limits, Timeouts
from mezha.session.credit import Grant
from mezha.session.exchange import Exchange
from mezha.session.frames import (
    HEADER,
    PIECE,
    AnyFrame,
    Body,
    Cancel,
    Close,
    Code,
    Drop,
    End,
    Failure,
    Kind,
    Pong,
    encode_frame,
    parse_frame,
)
from mezha.session.greeting import MAGIC
from mezha.session.heartbeat import LATE, Heartbeat
from mezha.session.hello import (
    ALLOWANCE,
    SMALLEST_REQUEST_BYTES,
    SMALLEST_WINDOW,
    Hello,
    agree_on_heartbeat,
)
from mezha.session.inbox import Inbox
from mezha.session.intake import Intake
from mezha.session.life import Life
from mezha.session.outbox import Outbox
from mezha.session.pings import Pings
from mezha.session.sizes import Sizes
from mezha.session.states import Stream
from mezha.session.welcome import Welcome

__all__ = ["Conversation", "hello_of"]

#: Seconds in which a goodbye is answered, whether or not the program has taken all that came before.
_ANSWER_WITHIN = 5.0
_NUMBER = Struct(">I").unpack_from
_NUMBER_OF_BYTES = Struct(">Q").unpack_from


def hello_of(limits: Limits, timeouts: Timeouts, agent: str = "") -> Hello:
    """Return what a side with these limits and time-outs says of itself."""
    return Hello(
        max_message=limits.max_message,
        window=max(limits.inbox, SMALLEST_WINDOW),
        heartbeat=int((timeouts.heartbeat or 0) * 1000),
        requests=limits.requests,
        request_bytes=max(limits.inbox, limits.max_message, SMALLEST_REQUEST_BYTES),
        agent=agent,
    )


class Conversation:
    """Puts the small machines together, and keeps them going. What a program wants of them is for ``Session``."""

    __slots__ = (
        "_answers",
        "_bytes_received",
        "_exchange",
        "_grant",
        "_heartbeat",
        "_inbox",
        "_intake",
        "_life",
        "_outbox",
        "_pings",
        "_sizes",
        "_timeouts",
        "_welcome",
        "plain",
    )

    def __init__(self, limits: Limits, timeouts: Timeouts, hello: Hello | None, *, answers: bool) -> None:
        """Be one side of a connection. Without ``answers``, requests of the peer are refused."""
        ours = hello or hello_of(limits, timeouts)
        self._timeouts = timeouts
        self._life = Life()
        self._sizes = Sizes(ours)
        self._welcome: Welcome | None = Welcome(ours.versions)
        self._heartbeat = Heartbeat()
        self._pings = Pings()
        self._intake = Intake(min(ours.max_message, PIECE))
        self._inbox = Inbox(ours.max_message)
        self._grant = Grant(ours.window)
        self._outbox = Outbox(ours.max_message, limits.outbox)
        self._answers = answers
        self._bytes_received = 0
        self._exchange: Exchange | None = None
        #: What was last received was messages and nothing else: nothing is to be done, except by ``frame_due``.
        self.plain = False

    def begin(self, now: float) -> None:
        """Say hello."""
        self._outbox.greet((MAGIC, *encode_frame(Body(Kind.HELLO, self._sizes.ours.encode()))))
        if self._welcome and self._timeouts.handshake is not None:
            self._welcome.due = now + self._timeouts.handshake

    def deadline(self) -> float | None:
        """Return when to look after the peer."""
        if self._life.dead or self._life.cause or self._life.fault:
            return None
        due = (
            self._welcome.due
            if self._welcome
            else min(self._heartbeat.deadline(), self.frame_due, self._life.answer_by)
        )
        return None if due == math.inf else due

    def expire(self, now: float) -> None:
        """Ask a silent peer whether it is there, or give it up; also one that does not finish what it has begun."""
        if (due := self.deadline()) is None or now < due:
            return
        if self._welcome:
            assert self._timeouts.handshake is not None
            self._refuse(self._welcome.late(self._timeouts.handshake))
            return
        if now >= self._life.answer_by:
            self._answer_goodbye()
        if now >= self.frame_due:
            self._refuse_slow_frame(now)
        if self._life.fault:
            return
        ask = self._heartbeat.look(now)
        if (silence := self._heartbeat.silence(now)) is not None:
            self._lose(f"the peer has been silent for {silence:.3g} s, and was asked (Timeouts.heartbeat)", silence)
            self._life.dead = True
            self._inbox.end()
        elif ask:
            self._outbox.control(self._pings.ping())

    def receive(self, data: Data, now: float) -> None:
        """Take bytes that arrived, or the end."""
        life = self._life
        self.plain = False
        if life.dead:
            return
        if not len(data):
            self._end_of_stream()
            return
        if life.fault or life.goodbyes.theirs:  # what follows the last frame is nothing
            return
        self._heartbeat.heard = now
        self._bytes_received += len(data)
        try:
            messages = self._intake.messages(data) if life.stream is Stream.OPEN else 0
            if messages == len(data):
                self._grant.spend(messages)
                self._inbox.feed(data)
                if life.closed:
                    self._account()
                else:
                    self.plain = True
            else:
                self._read(data, now, messages)
        except RemoteProtocolError as error:
            self._refuse(error)
        except MemoryError as error:  # bytes are missing from here on
            self.lost(error)
            life.dead = True
            self._inbox.end()
            raise

    def lost(self, cause: BaseException) -> None:
        """Note that the connection broke."""
        if not self._life.dead:
            self._lose(f"the connection was lost: {str(cause) or type(cause).__name__}", cause=cause)

    # -- what arrives -------------------------------------------------------------------------------------------------

    def _read(self, data: Data, now: float, messages: int) -> None:
        """Read frames; the first of them is HELLO. So many bytes are known to be MESSAGE frames."""
        life = self._life
        only_messages = life.stream is Stream.OPEN and not life.closed
        if self._welcome:
            theirs = self._welcome.feed(data)
            if theirs is None:
                return
            data, self._welcome = self._welcome.rest, None
            life.step(Kind.HELLO)
            self._sizes.theirs = theirs
            self._outbox.limit(theirs.max_message)
            self._outbox.grant(theirs.window - ALLOWANCE)
            beat = agree_on_heartbeat(self._sizes.ours, theirs)
            self._heartbeat.begin(now, beat / 1000, self._timeouts.heartbeat)
            if self._exchange:
                self._exchange.meet()
        for kind, frame in self._intake.cut(data, now, messages):
            life.step(kind)
            if kind is Kind.MESSAGE:
                self._grant.spend(len(frame))
                self._inbox.feed(frame)
                continue
            only_messages = False
            self._hear(kind, frame, now)
            if kind is Kind.CLOSE:
                break
        if only_messages:
            self.plain = True
        else:
            self._account()

    def _hear(self, kind: Kind, frame: memoryview, now: float) -> None:
        """Act on a frame that is no MESSAGE."""
        match kind:
            case Kind.PART | Kind.LAST:
                self._grant.spend(HEADER - 1 + len(frame))
                (self._inbox.part if kind is Kind.PART else self._inbox.last)(frame[1:])
            case Kind.REQUEST | Kind.REQUEST_PART | Kind.REPLY | Kind.REPLY_PART:
                if not self._life.closed:
                    self._talk.hear(kind, _NUMBER(frame, 1)[0], frame[5:])
            case Kind.CREDIT:
                self._outbox.hear_credit(_NUMBER_OF_BYTES(frame, 1)[0])
            case Kind.PING:
                self._outbox.pong(Pong(bytes(frame[1:]), self._inbox.count))
            case Kind.PONG:
                self._outbox.hear_taken(_NUMBER_OF_BYTES(frame, 9)[0])
                if pongs := self._pings.pong(bytes(frame[1:9]), now):
                    self._talk.events.extend(pongs)
            case _:
                self._hear_rare(parse_frame(bytes(frame)), now)

    def _hear_rare(self, frame: AnyFrame, now: float) -> None:
        match frame:
            case Failure() | Cancel() if self._life.closed:
                pass
            case Failure(number, code, text):
                self._talk.hear_failure(number, code, text)
            case Cancel(number):
                self._talk.hear_cancel(number)
            case Drop(code, text):
                self._inbox.drop(MessageDropped(f"the peer gave the message up: {text}", code=code))
            case End():
                self._inbox.end()
            case _:
                assert isinstance(frame, Close)
                self._hear_goodbye(frame, now)

    def _hear_goodbye(self, frame: Close, now: float) -> None:
        """Take the peer's goodbye. It is answered when all that it sent has been taken, or in some seconds."""
        life, outbox = self._life, self._outbox
        outbox.hear_taken(frame.taken)
        life.goodbyes.theirs = frame
        self._heartbeat.relax()
        self._inbox.end()
        if not life.goodbyes.ours:
            life.answer_by = now + _ANSWER_WITHIN
            outbox.clear()
        elif not outbox.said:
            outbox.clear(life.goodbyes.ours)
        self._give_up()

    def _end_of_stream(self) -> None:
        """Note that nothing arrives any more."""
        life = self._life
        if self._welcome and self._welcome.stranger and not life.over:
            self._refuse(self._welcome.missing())
        elif not (life.cause or life.fault or life.goodbyes.theirs):
            when = "before it had said hello" if self._welcome else "without a goodbye"
            self._lose(f"the peer's stream ended {when}: its process died, or something on the way cut the connection")
        life.dead = True
        self._inbox.end()

    def _account(self) -> None:
        """Give credit for what is here no longer; answer a goodbye once nothing is."""
        grant, inbox, life = self._grant, self._inbox, self._life
        grant.free(inbox.freed())
        if life.receiving:
            if credit := grant.due():
                self._outbox.give(credit)
            inbox.allow(grant.missing)
        elif life.goodbyes.theirs and not life.goodbyes.ours:
            inbox.allow(0)  # the last message is to be seen when it goes
            if inbox.empty:
                self._answer_goodbye()
        else:
            inbox.allow(sys.maxsize)

    @property
    def _talk(self) -> Exchange:
        if self._exchange is None:
            self._exchange = Exchange(self._sizes, self._outbox, answers=self._answers)
        return self._exchange

    @property
    def frame_due(self) -> float:
        """When the frame that has begun must be whole; the deadline may be earlier."""
        begun, grace = self._intake.unfinished, self._timeouts.message
        if not begun or grace is None:
            return math.inf
        return self._intake.begun + grace + begun / self._timeouts.min_rate

    # -- the end ------------------------------------------------------------------------------------------------------

    def _refuse(self, error: RemoteProtocolError) -> None:
        """Give up a peer that broke the protocol; tell it, if it understands that much."""
        life, outbox = self._life, self._outbox
        life.fault = error
        self._inbox.end()
        if not (life.goodbyes.ours and outbox.said):
            life.goodbyes.ours = Close(_code_of(error), self._inbox.count, str(error))
            outbox.clear(None if self._welcome and self._welcome.stranger else life.goodbyes.ours)
        self._give_up()
        self._account()

    def _refuse_slow_frame(self, now: float) -> None:
        """Give up a peer that does not finish a frame; but not if it was this side that did not look."""
        seconds, received = now - self._intake.begun, self._intake.unfinished
        if now - self.frame_due > LATE:
            self._intake.begun = now
        else:
            self._refuse(
                MessageTooSlow(
                    f"the peer began a frame {seconds:.3g} s ago and has sent {received} bytes of it, "
                    f"less than the time-out allows (Timeouts.message, min_rate)",
                    received=received,
                    seconds=seconds,
                )
            )

    def _answer_goodbye(self, taken: int | None = None) -> None:
        """Say goodbye because the peer did, if that has not been said."""
        goodbyes = self._life.goodbyes
        if not goodbyes.ours:
            self._outbox.clear(goodbyes.answer(self._inbox.count if taken is None else taken))
            self._life.answer_by = math.inf

    def _lose(self, text: str, silence: float | None = None, *, cause: BaseException | None = None) -> None:
        """Note that nothing can be sent any more."""
        if self._life.cause is None:
            queued = self._outbox.queued
            waiting = f"; {queued} bytes were waiting to be sent" if queued else ""
            self._life.cause = ConnectionLost(text + waiting, silence=silence, queued=queued)
            self._life.cause.__cause__ = cause
            self._outbox.clear()
            self._give_up()

    def _give_up(self) -> None:
        """Tell all who wait for the peer that it is over."""
        if self._exchange:
            self._exchange.give_up(self._life.unable)
        if pings := self._pings.give_up(self._life.unable):
            self._talk.events.extend(pings)


def _code_of(error: RemoteProtocolError) -> int:
    """Return what the peer is told that did this."""
    match error:
        case HandshakeError():
            return error.code
        case MessageTooLarge():
            return Code.TOO_LARGE
        case MessageTooSlow():
            return Code.TIMEOUT
        case _:
            return Code.PROTOCOL_ERROR
