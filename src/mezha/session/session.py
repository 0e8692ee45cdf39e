"""The session: the engine of the mezha protocol. It puts the small machines together."""

import math
import sys
from collections import deque
from struct import Struct

from mezha.engine import Engine, State
from mezha.errors import (
    ConnectionLost,
    HandshakeError,
    LocalProtocolError,
    MessageDropped,
    MessageTooLarge,
    RemoteProtocolError,
)
from mezha.framing import Data
from mezha.limits import Limits, Timeouts
from mezha.session.closing import Ending
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
    Counted,
    Drop,
    End,
    Failure,
    Kind,
    Token,
    encode_frame,
    parse_frame,
)
from mezha.session.greeting import MAGIC
from mezha.session.heartbeat import Heartbeat
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
from mezha.session.sizes import Sizes, sound
from mezha.session.states import Stream
from mezha.session.welcome import Welcome

__all__ = ["Session", "hello_of"]

_NUMBER = Struct(">I").unpack_from


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


class Session(Engine):
    """One side of the mezha protocol.

    Beside what every engine does it asks and answers, measures the way there and back, and sends and receives messages
    piece by piece. What comes of requests and pings is in ``events``.

    Memory is bounded by what this side said in its HELLO: the window and one message more, for requests their bytes
    once more, and the answers it asked for.
    """

    __slots__ = (
        "_exchange",
        "_grant",
        "_heartbeat",
        "_inbox",
        "_intake",
        "_life",
        "_ours",
        "_outbox",
        "_pings",
        "_sizes",
        "_timeouts",
        "_welcome",
        "_welcome_by",
        "idle",
        "pop",
        "push",
    )

    unattended = True

    def __init__(
        self,
        *,
        limits: Limits | None = None,
        timeouts: Timeouts | None = None,
        answers: bool = True,
        hello: Hello | None = None,
    ) -> None:
        """Be one side of a connection. Without ``answers``, requests of the peer are refused."""
        limits = limits or Limits()
        self._timeouts = timeouts or Timeouts()
        self._ours = ours = hello or hello_of(limits, self._timeouts)
        self._life = Life()
        self._welcome: Welcome | None = Welcome(ours.versions)
        self._welcome_by = math.inf
        self._heartbeat = Heartbeat()
        self._pings = Pings()
        self._intake = Intake(min(ours.max_message, PIECE))
        self._inbox = Inbox(ours.max_message)
        self._grant = Grant(ours.window)
        self._sizes = Sizes(ours.max_message)
        self._outbox = Outbox(ours.max_message, limits.outbox)
        self._exchange = Exchange(ours, self._outbox, answers=answers)
        self.push = self._outbox.push
        self.pop = self._inbox.pop
        self.idle = self._inbox.idle

    # -- the connection -----------------------------------------------------------------------------------------------

    @property
    def state(self) -> State:
        """Which directions are left."""
        return self._life.state

    @property
    def events(self) -> deque[object]:
        """What became of requests and pings, and what the peer asks: for the driver."""
        return self._exchange.events

    @property
    def ending(self) -> Ending | None:
        """How it ended, as far as is known; ``None`` while it goes on."""
        life, outbox = self._life, self._outbox
        lost = life.cause is not None and not outbox.said
        return life.goodbyes.ending(fault=life.fault is not None, lost=lost, sent=outbox.sent, never_sent=outbox.unsent)

    def begin(self, now: float) -> None:
        """Say hello."""
        self._outbox.greet((MAGIC, *encode_frame(Body(Kind.HELLO, self._ours.encode()))))
        if self._timeouts.handshake is not None:
            self._welcome_by = now + self._timeouts.handshake

    def deadline(self) -> float | None:
        """Return when to look after the peer."""
        if self._life.dead or self._life.cause or self._life.fault:
            return None
        due = self._welcome_by if self._welcome else self._heartbeat.deadline()
        return None if due == math.inf else due

    def expire(self, now: float) -> None:
        """Ask a silent peer whether it is there, or give it up; also one that never said hello."""
        if (due := self.deadline()) is None or now < due:
            return
        if self._welcome:
            assert self._timeouts.handshake is not None
            self._refuse(self._welcome.late(self._timeouts.handshake))
            return
        if self._heartbeat.look(now):
            self._outbox.control(self._pings.ping())
        silence = self._heartbeat.silence(now)
        if silence is not None:
            self._lose(
                f"the peer has been silent for {silence:.3g} s and answers no PING (Timeouts.heartbeat)", silence
            )
            self._life.dead = True
            self._inbox.end()

    def end(self) -> bool:
        """End this side's messages; requests go on."""
        if not self._life.ended:
            self._life.ended = True
            self._outbox.end()
        return False

    def close(self, code: int = 0, reason: str = "") -> None:
        """Say goodbye, behind what is queued; throw away what is here and what still comes."""
        life = self._life
        if life.closed:
            return
        life.closed = True
        taken = self._inbox.count
        self._inbox.discard()
        if life.goodbyes.theirs:
            if not life.goodbyes.ours:
                self._outbox.clear(life.goodbyes.answer(taken))
        elif not (life.fault or life.cause):
            life.goodbyes.ours = Close(code, taken, reason)
            self._outbox.close(life.goodbyes.ours)
        self._give_up()
        self._account()

    def finished(self) -> bool:
        """Say whether both sides have said goodbye, or nothing can be said any more."""
        life = self._life
        refused = life.fault is not None and self._welcome is not None
        return refused or life.dead or life.cause is not None or life.goodbyes.theirs is not None

    def lost(self, cause: BaseException) -> None:
        """Note that the connection broke."""
        if not self._life.dead:
            self._lose(f"the connection was lost: {str(cause) or type(cause).__name__}", cause=cause)

    def unused(self) -> bytes:
        """Return nothing: a session is more than its bytes, and nobody can take over in the middle of it."""
        return b""

    # -- sending ------------------------------------------------------------------------------------------------------

    def clear(self, size: int) -> bool:
        """Say whether a message of so many bytes can go out now, or begin to."""
        if self._life.over or self._life.ended or self._sizes.refusal(size, "message"):
            return True
        if self._outbox.waiting or (self._welcome and size > PIECE):
            return False
        return HEADER + min(size, PIECE) <= self._outbox.credit

    def send(self, message: Data) -> None:
        """Queue one message."""
        self._life.check_sending()
        message = sound(message)
        size = len(message)
        self._sizes.check(size, "message")
        if self._welcome and size > PIECE:
            raise LocalProtocolError(
                f"a message of {size} bytes has to wait for the peer's hello, which says what it takes: it is not "
                f"clear() yet, and nothing was sent",
                size=size,
            )
        self._outbox.message(message)

    @property
    def outgoing_size(self) -> int:
        """Bytes that ``outgoing`` would return, at least; 0 if there are none."""
        return self._outbox.size

    def outgoing(self) -> list[Data]:
        """Hand over what is to be sent; of what is large, a few pieces at a time."""
        parts = self._outbox.collect()
        if parts:
            self._heartbeat.sent = True
        if self._outbox.handed_over:
            self._exchange.gone(self._outbox.handed_over)
        return parts

    @property
    def backlog(self) -> int:
        """Bytes that wait to be sent, for credit or to be handed over; without headers where those are not made yet."""
        return self._outbox.backlog

    @property
    def largest(self) -> int:
        """Bytes of the largest message that both sides take, as far as is known."""
        return self._sizes.largest

    def lend(self) -> int:
        """Lend all credit to who sends messages past this engine, by itself; ``settle`` takes back what is left."""
        return self._outbox.lend()

    def settle(self, credit: int, count: int) -> None:
        """Take back what is left of the credit lent; so many messages were sent for the rest."""
        self._outbox.settle(credit, count)

    def begin_stream(self) -> None:
        """Begin a message that is sent piece by piece, when one of more than 65 536 bytes is ``clear``.

        Raises:
            LocalProtocolError: there is one already.

        Otherwise as ``send``.

        """
        self._life.check_sending()
        self._outbox.begin_stream()

    @property
    def stream_room(self) -> int:
        """Bytes that it is useful to add to it now; more would only wait here."""
        return self._outbox.room

    def send_piece(self, piece: Data) -> None:
        """Add to it. The piece is kept by reference.

        Raises:
            LocalProtocolError: the message would be over the limit. What was added before still stands.

        Otherwise as ``send``.

        """
        self._life.check_sending()
        piece = memoryview(sound(piece))
        self._sizes.check(self._outbox.stream_size + len(piece), "message")
        self._outbox.add_piece(piece)

    def end_stream(self) -> None:
        """Say that it is whole."""
        self._life.check_sending()
        self._outbox.end_stream()

    def drop_stream(self, code: int, text: str) -> None:
        """Give it up: the peer throws away what it has of it, and is told why."""
        self._life.check_sending()
        self._outbox.drop_stream(code, text)

    # -- receiving ----------------------------------------------------------------------------------------------------

    def receive(self, data: Data, now: float) -> None:
        """Take bytes that arrived, or the end."""
        life = self._life
        if life.dead:
            return
        if not len(data):
            self._end_of_stream()
            return
        if life.fault:
            return
        self._heartbeat.heard = now
        try:
            if life.stream is Stream.OPEN and self._intake.messages(data):
                self._grant.spend(len(data))
                self._inbox.feed(data)
                if life.closed:
                    self._account()
            else:
                self._read(data, now)
        except RemoteProtocolError as error:
            self._refuse(error)
        except MemoryError as error:  # bytes are missing from here on
            self.lost(error)
            life.dead = True
            self._inbox.end()
            raise

    def take(self, count: int = 1) -> list[bytes]:
        """Hand out up to ``count`` messages."""
        self._life.check_taking()
        messages = self._inbox.take(count)
        self._account()
        if not messages:
            self._life.check_waiting()
        return messages

    def open_stream(self) -> bool:
        """Open the next message to take it piece by piece; return False if nothing of it is here.

        Raises:
            LocalProtocolError: one is open.

        Otherwise as ``take``.

        """
        self._life.check_taking()
        opened = self._inbox.open_stream()
        self._account()
        if not opened:
            self._life.check_waiting()
        return opened

    def take_piece(self) -> bytes | None:
        """Hand out what has come of it; ``b""`` at its end, and None if more has to arrive.

        Raises:
            MessageDropped: the peer has given the message up.

        Otherwise as ``take``.

        """
        self._life.check_taking()
        piece = self._inbox.read()
        self._account()
        if piece is None:
            self._life.check_waiting()
        return piece

    def leave_stream(self) -> None:
        """Throw away the rest of it."""
        self._inbox.leave_stream()
        self._account()

    def full(self) -> bool:
        """Never stop reading: credit bounds what can arrive."""
        return False

    def space(self) -> None:
        """Have no memory of its own to receive into."""

    # -- asking -------------------------------------------------------------------------------------------------------

    def request(self, body: Data) -> int:
        """Ask the peer; return the number of the answer, ``Answered`` in ``events``. The body is kept by reference.

        Raises:
            LocalProtocolError: over the limit. Nothing was sent.
            ClosedByUs: this side has closed.
            ClosedByPeer: the peer has.
            RemoteProtocolError: the peer broke the protocol.
            ConnectionLost: the connection is broken.

        """
        self._life.check_asking()
        body = sound(body)
        self._sizes.check(len(body), "request")
        return self._exchange.request(body)

    def cancel(self, number: int) -> None:
        """Forget a request of this side: nothing is told of it any more."""
        self._exchange.cancel(number)

    def answer(self, number: int, body: Data) -> None:
        """Answer a request of the peer; do nothing if it is not open any more. The body is kept by reference.

        Raises:
            LocalProtocolError: the answer is over the limit. Nothing was sent: the request is still to be answered.

        """
        body = sound(body)
        self._sizes.check(len(body), "answer")
        self._exchange.answer(number, body)

    def fail(self, number: int, code: int, text: str) -> None:
        """Say that a request of the peer has no answer, and why; do nothing if it is not open any more."""
        self._exchange.fail(number, code, text)

    def ping(self, now: float) -> int:
        """Send a PING; return the number of what comes of it, ``Ponged`` in ``events``.

        Raises as ``request``.
        """
        self._life.check_asking()
        self._outbox.control(self._pings.ping(now))
        return self._pings.last

    # -- what arrives -------------------------------------------------------------------------------------------------

    def _read(self, data: Data, now: float) -> None:
        """Read frames; the first of them is HELLO."""
        if self._welcome:
            theirs = self._welcome.feed(data)
            if theirs is None:
                return
            data, self._welcome = self._welcome.rest, None
            self._life.step(Kind.HELLO)
            self._sizes.learn(theirs)
            self._outbox.grant(theirs.window - ALLOWANCE)
            self._heartbeat.begin(now, agree_on_heartbeat(self._ours, theirs) / 1000, self._timeouts.heartbeat)
            self._exchange.begin(theirs, lambda size: self._sizes.refusal(size, "request"))
        for kind, frame in self._intake.cut(data):
            self._life.step(kind)
            self._hear(kind, frame, now)
        self._account()

    def _hear(self, kind: Kind, frame: memoryview, now: float) -> None:
        """Act on a frame, or on a run of MESSAGE frames."""
        match kind:
            case Kind.MESSAGE:
                self._grant.spend(len(frame))
                self._inbox.feed(frame)
            case Kind.PART | Kind.LAST:
                self._grant.spend(HEADER - 1 + len(frame))
                (self._inbox.part if kind is Kind.PART else self._inbox.last)(frame[1:])
            case Kind.REQUEST | Kind.REQUEST_PART | Kind.REPLY | Kind.REPLY_PART:
                self._exchange.hear(kind, _NUMBER(frame, 1)[0], frame[5:])
            case _:
                self._hear_rare(parse_frame(bytes(frame)), now)

    def _hear_rare(self, frame: AnyFrame, now: float) -> None:
        match frame:
            case Token(Kind.PING, token):
                self._outbox.pong(token)
            case Token(_, token):
                self._exchange.tell(*self._pings.pong(token, now))
            case Counted(_, number):
                self._outbox.grant(number)
            case Failure(number, code, text):
                self._exchange.hear_failure(number, code, text)
            case Cancel(number):
                self._exchange.hear_cancel(number)
            case Drop(code, text):
                self._inbox.drop(MessageDropped(f"the peer gave the message up: {text}", code=code))
            case End():
                self._inbox.end()
            case Close():
                self._hear_goodbye(frame)
            case _:
                raise AssertionError(f"{frame} is in the table and nowhere else")

    def _hear_goodbye(self, frame: Close) -> None:
        """Take the peer's goodbye. It is answered when all that it sent has been taken."""
        goodbyes = self._life.goodbyes
        goodbyes.theirs = frame
        self._heartbeat.relax()
        self._inbox.end()
        if not goodbyes.ours:
            self._outbox.clear()
        elif not self._outbox.said:
            self._outbox.clear(goodbyes.ours)
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
                self._outbox.control(Counted(Kind.CREDIT, credit))
            inbox.allow(grant.missing)
        elif life.goodbyes.theirs and not life.goodbyes.ours:
            inbox.allow(0)  # the last message is to be seen when it goes
            if inbox.empty and not life.fault:
                self._outbox.clear(life.goodbyes.answer(inbox.count))
        else:
            inbox.allow(sys.maxsize)

    # -- the end ------------------------------------------------------------------------------------------------------

    def _refuse(self, error: RemoteProtocolError) -> None:
        """Give up a peer that broke the protocol; tell it, if it understands that much."""
        life, outbox = self._life, self._outbox
        life.fault = error
        self._inbox.end()
        if not (life.goodbyes.ours and outbox.said):
            code = error.code if isinstance(error, HandshakeError) else Code.PROTOCOL_ERROR
            if isinstance(error, MessageTooLarge):
                code = Code.TOO_LARGE
            life.goodbyes.ours = Close(code, self._inbox.count, str(error))
            outbox.clear(None if self._welcome and self._welcome.stranger else life.goodbyes.ours)
        self._give_up()
        self._account()

    def _lose(self, text: str, silence: float | None = None, *, cause: BaseException | None = None) -> None:
        """Note that nothing can be sent any more."""
        if self._life.cause is None:
            queued = self._outbox.backlog
            waiting = f"; {queued} bytes were waiting to be sent" if queued else ""
            self._life.cause = ConnectionLost(text + waiting, silence=silence, queued=queued)
            self._life.cause.__cause__ = cause
            self._outbox.clear()
            self._give_up()

    def _give_up(self) -> None:
        """Tell all who wait for the peer that it is over."""
        self._exchange.give_up(self._life.unable)
        self._exchange.tell(*self._pings.give_up(self._life.unable))
